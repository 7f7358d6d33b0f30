"""Exploration: a log looked at page by page: how many events match, and what was said.

It draws nothing and remembers no choice.

Theory of operation.  Of what is chosen from a list (reply code, reason, outcome, verb) a
log holds few combinations; how often each occurs is counted in one pass over the rows that
match all else, and from that small table come all numbers: how many events match, and how
many would with another choice.  So a choice from a list costs no pass over texts.  Of the
rows, only those of one page are fetched.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pandas as pd

from smtpbook.errors import near_miss
from smtpbook.escape import visible
from smtpbook.log.transcript import transcript
from smtpbook.tables.engine import PLACE, query
from smtpbook.tables.scan import Log
from smtpbook.tables.select import Question, places_of, rows_of

LISTED: Final = ("reply_code", "reason", "outcome", "verb")
"""What is chosen from a list of what occurs."""
PAGE_ROWS: Final = 20

_COUNTED: Final = {
    **dict.fromkeys(LISTED, "string"),
    "reply_code": "Int16",
    "n": "int64",
}
_DOMAINS: Final = """
SELECT recipient_domain FROM log WHERE recipient_domain IS NOT NULL
GROUP BY recipient_domain ORDER BY count(*) DESC, recipient_domain LIMIT $most
"""
_KNOWN: Final = "SELECT DISTINCT {0} FROM log WHERE {0} IS NOT NULL LIMIT 10000"
_TOGETHER: Final = ("session_id", "message_id", "queue_id")
_SHOWN: Final = (
    *("time", "kind", "verb", "recipient", "reply_code", "reply_text", "service_s"),
    *("outcome", "reason", "error", *_TOGETHER),
)
_AROUND: Final = 60  # events of a session that are shown before the chosen one, and after


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """An event with what was said around it.

    Attributes
    ----------
    event : Series
        The row of the log; ``place`` tells where in the log it is.
    rows : DataFrame
        The rows of its session in their order; of a long one, those around it.  Where no
        session is known, those of its message.
    left_out : int
        How many rows of the session there are besides.
    lines : list of str
        The transcript of those rows.
    own : frozenset of str
        The lines that tell of this very event.
    greeting : str or None
        What the server said first.
    """

    event: pd.Series[Any]
    rows: pd.DataFrame
    left_out: int
    lines: list[str]
    own: frozenset[str]
    greeting: str | None


class Exploration:
    """Answers for one log.

    Parameters
    ----------
    log : DataFrame or Scan
        Event log.  It is counted once: what is written to a scan's files meanwhile is
        known to the next exploration.

    Raises
    ------
    ColumnError
        The log lacks a column.
    """

    def __init__(self, log: Log) -> None:
        self.log = log
        self._counted: tuple[Question, pd.DataFrame] | None = None
        self._base: tuple[Question, pd.DataFrame] | None = None
        self._placed: tuple[Question, np.ndarray[Any, Any]] | None = None
        self._whole = self._combinations(Question())

    @property
    def total(self) -> int:
        """How many events the log has."""
        return int(self._whole["n"].sum())

    def values(self, name: str) -> list[str]:
        """Give what a list offers: codes ascending, else the most frequent first."""
        counts = _sums(self._whole, name)
        return sorted(counts) if name == "reply_code" else list(counts)

    def domains(self, most: int) -> list[str]:
        """Give the recipients' domains, those with the most events first."""
        found = query(
            _DOMAINS,
            {"recipient_domain": "string"},
            needs=("recipient_domain",),
            parameters={"most": most},
            log=self.log,
        )
        return list(found["recipient_domain"])

    def unknown(self, question: Question) -> dict[str, str]:
        """Say of a session or a domain that is in no event which one is near it."""
        said = dict[str, str]()
        for name in ("session_id", "recipient_domain"):
            given = getattr(question, name)
            if given and not self.count(Question(**{name: given})):
                sql = _KNOWN.format(name)
                known = query(sql, {name: "string"}, needs=(name,), log=self.log)[name]
                hint = near_miss(given, known)
                said[name] = f"in no event: {visible(given, max_chars=80)}{hint}"
        return said

    def count(self, question: Question) -> int:
        """Give how many events match."""
        table = self._matching(question)
        return int(table["n"].sum())

    def counts(self, question: Question, name: str) -> dict[str, int]:
        """Give how many events would match, for each choice of the list of that name."""
        return _sums(self._matching(replace(question, **{name: None})), name)

    def page(self, question: Question, number: int) -> pd.DataFrame:
        """Give the rows of a page of matching events; the first page is 0.

        Returns
        -------
        DataFrame
            What a table of events shows, and ``place``.
        """
        first = number * PAGE_ROWS
        if not self.count(question):
            return pd.DataFrame(columns=[*_SHOWN, PLACE])
        if not isinstance(self.log, pd.DataFrame):
            return rows_of(self.log, question, columns=_SHOWN, first=first, most=PAGE_ROWS)
        places = self._places(question)[first : first + PAGE_ROWS]
        return self.log[list(_SHOWN)].iloc[places].assign(**{PLACE: places})

    def page_of(self, question: Question, place: int) -> int:
        """Give the number of the page on which an event of the log is, if it matches."""
        where, parameters = question.sql()
        before = query(
            f"SELECT count(*) FROM log WHERE {where} AND place < $place",
            {"n": "int64"},
            needs=(*question.columns, PLACE),
            parameters={**parameters, PLACE: place},
            log=self.log,
        )
        return int(before["n"].iloc[0]) // PAGE_ROWS

    def choose(self, row: pd.Series[Any]) -> Chosen:
        """Give what was said around an event, the row of a page."""
        rows = self._together(row)
        at = int((rows[PLACE] == row[PLACE]).to_numpy().argmax())
        event = rows.iloc[[at]]
        shown = rows.iloc[max(0, at - _AROUND) : at + _AROUND + 1]
        # The dialogue alone has no outcomes; about one recipient it has that one's.
        whom = row["recipient"] if row["kind"] == "outcome" else None
        whom = None if pd.isna(whom) else whom
        greetings = rows.loc[(rows["kind"] == "greeting").to_numpy(bool), "reply_text"]
        return Chosen(
            event=event.iloc[0],
            rows=shown,
            left_out=len(rows) - len(shown),
            lines=transcript(shown, recipient=whom).splitlines(),
            own=frozenset(transcript(event, recipient=whom).splitlines()[1:]),
            greeting=next(iter(greetings.dropna()), None),
        )

    def _together(self, row: pd.Series[Any]) -> pd.DataFrame:
        """Give the rows of its session, in their order; else those of its message."""
        known = [name for name in _TOGETHER if pd.notna(row[name])]
        question = Question(**{name: row[name] for name in known[:1]})
        alone = None if known else int(row[PLACE])
        if isinstance(self.log, pd.DataFrame):
            places = places_of(self.log, question) if known else np.array([alone])
            rows = self.log.iloc[places].assign(**{PLACE: places})
        else:
            rows = rows_of(self.log, question, place=alone)
        return rows.sort_values(["seq", PLACE], ignore_index=True)

    # -- passes over the log

    def _narrowed(self, rest: Question) -> tuple[Log, Question]:
        """Give a log, and what is still to be asked of it.

        Of a DataFrame that is what is chosen from lists; the rest is asked only once.
        """
        if not isinstance(self.log, pd.DataFrame) or not rest.given:
            return self.log, rest
        if self._base is None or self._base[0] != rest:
            places = places_of(self.log, rest)
            rows = self.log[list(LISTED)].iloc[places].set_axis(places, axis="index")
            self._base = rest, rows
        return self._base[1], Question()

    def _combinations(self, rest: Question) -> pd.DataFrame:
        if self._counted is None or self._counted[0] != rest:
            log, asked = self._narrowed(rest)
            where, parameters = asked.sql()
            table = query(
                f"SELECT {', '.join(LISTED)}, count(*) FROM log WHERE {where} GROUP BY ALL",
                _COUNTED,
                needs=list(dict.fromkeys([*LISTED, *asked.columns])),
                parameters=parameters,
                log=log,
            )
            self._counted = rest, table
        return self._counted[1]

    def _matching(self, question: Question) -> pd.DataFrame:
        """Give the combinations that match, with how often each occurs."""
        table = self._combinations(_rest_of(question))
        for name in LISTED:
            given = getattr(question, name)
            if given is not None:
                cells = table[name]
                is_digit = name == "reply_code" and given < 10
                table = table[(cells // 100 if is_digit else cells).eq(given).fillna(False)]
        return table

    def _places(self, question: Question) -> np.ndarray[Any, Any]:
        if self._placed is None or self._placed[0] != question:
            log, rest = self._narrowed(_rest_of(question))
            assert isinstance(log, pd.DataFrame)
            listed = {name: getattr(question, name) for name in LISTED}
            found = places_of(log, replace(rest, **listed))
            is_whole = log is self.log
            self._placed = question, found if is_whole else log.index.to_numpy()[found]
        return self._placed[1]


def _rest_of(question: Question) -> Question:
    """Give what is asked besides what is chosen from lists."""
    return replace(question, **dict.fromkeys(LISTED))


def _sums(table: pd.DataFrame, name: str) -> dict[str, int]:
    """Give how many events each value has, the most frequent first; null has none."""
    counts = table.groupby(table[name].astype("string"))["n"].sum()
    return {str(value): int(n) for value, n in counts.sort_values(ascending=False).items()}
