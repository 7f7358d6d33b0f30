"""Story: all that is known of one recipient: each attempt, what it meant, what to do now.

It is told from the rows of the event log, and from the ledger where there is one; nothing
is asked of a server.  What an accepted message may still meet is what RFCs say of mail in
general, not what is known of this one.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final

import pandas as pd

from smtpbook.errors import SMTPBookError
from smtpbook.escape import to_html, visible
from smtpbook.ledger.standings import Attempt
from smtpbook.log.transcript import transcript
from smtpbook.states import INK, state
from smtpbook.stories.afterwards import Advice, advice
from smtpbook.stories.tries import Try, heard_of, tries_of
from smtpbook.wording import lasting

_WIDTH: Final = 80
_LABEL: Final = 18
_SHOWN: Final = 300  # characters of one foreign text


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Story:
    """All that is known of one recipient.

    Printed it is plain text; in a notebook it is a table with the dialogue below it.

    Attributes
    ----------
    address : str
    campaign : str
    outcome : str
        Where it stands now; ``"pending"`` = never tried.
    tries : tuple of Try
        Every attempt, the first one first.
    why : str
        Why it is suppressed, as far as that is known.
    dialogue : str
        What was said about it; "" = nothing, or it is not known any more.
    heard : tuple of Try
        What later mail said of it.
    """

    address: str
    campaign: str
    outcome: str
    tries: tuple[Try, ...]
    why: str = ""
    dialogue: str = ""
    heard: tuple[Try, ...] = ()

    @property
    def summary(self) -> str:
        """The story in a line."""
        said = [f"{self.address}: {state(self.outcome)}, {state(self.outcome).meaning}"]
        last = self.tries[-1] if self.tries else None
        back = self.heard[-1] if self.heard else None
        if back is not None and back.outcome == self.outcome:
            said.append(back.reply or back.meaning)
        elif last is not None and last.queue_id:
            said.append(f"the server calls the message {last.queue_id}")
        elif last is not None and last.outcome == self.outcome != "accepted":
            said.append(last.reply or last.meaning)
        return visible("; ".join(said), max_chars=_SHOWN)

    @property
    def advice(self) -> tuple[Advice, ...]:
        """What to know and do now, in order: sentences, each with where it is written."""
        last = self.tries[-1] if self.tries else None
        back = self.heard[-1].explanation if self.heard else None
        return tuple(advice(self.address, self.outcome, last, self.why, back))

    @property
    def _asked(self) -> str:
        """The question that the advice answers."""
        if self.outcome == "accepted":
            return "Sent, but said not to have arrived? What to check, in this order"
        return "What to do now"

    def _rows(self, one: Try, later: Try | None) -> Iterator[tuple[str, str]]:
        """Give label and text of what is told of a try; the text is not yet escaped."""
        yield (
            "Server",
            one.place + (f", session {one.session_id}" if one.session_id else ""),
        )
        if one.reply:
            yield "Reply", one.reply + (f" (to {one.verb})" if one.verb else "")
        yield "What happened", one.meaning
        if one.queue_id:
            yield "Queue id", one.queue_id
        if one.message_id:
            again = ", sent before: it may have arrived twice" if one.is_again else ""
            yield "Message-ID", one.message_id + again
        if one.settled:
            yield "Settled", f"{state(one.settled)}, as somebody said"
        if later is not None:
            yield "What came next", _next(one, later)

    def _told(self) -> Iterator[tuple[Try, list[tuple[str, str]]]]:
        for one, later in zip_longest(self.tries, self.tries[1:]):
            yield one, [row for row in self._rows(one, later) if row[1]]

    def __str__(self) -> str:
        lines = [self.summary]
        for one, rows in self._told():
            lines += ["", f"Attempt {one.attempt}: {_head(one)}"]
            lines += [_wrapped(f"  {label:<{_LABEL - 2}}", text) for label, text in rows]
        for one in self.heard:
            lines += ["", f"Later mail: {_head(one)}"]
            lines += [_wrapped(f"  {label:<{_LABEL - 2}}", t) for label, t in _back(one)]
        if self.advice:
            lines += ["", self._asked]
        for number, (sentence, source) in enumerate(self.advice, 1):
            written = f" ({source})" if source else ""
            lines.append(_wrapped(f"  {number}. ", sentence + written))
        if self.dialogue:
            lines += ["", "What was said", self.dialogue.rstrip("\n")]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        now = state(self.outcome)
        head = f"<b>{to_html(self.address)}</b> {now.to_html()}, {to_html(now.meaning)}"
        tables = "".join(
            _try_html(f"Attempt {one.attempt}", one, rows) for one, rows in self._told()
        )
        tables += "".join(_try_html("Later mail", one, _back(one)) for one in self.heard)
        advised = "".join(f"<li>{_cited(*one)}</li>" for one in self.advice)
        if advised:
            advised = (
                f"<b>{to_html(self._asked)}</b>"
                f'<ol style="max-width: 50em; margin-top: .3em">{advised}</ol>'
            )
        said = to_html(self.dialogue, newlines=True)
        if said:
            said = (
                "<details><summary>What was said</summary>"
                '<pre style="color: inherit; background: none; white-space: pre-wrap">'
                f"{said}</pre></details>"
            )
        return f'<div style="{INK}"><p>{head}</p>{tables}{advised}{said}</div>'


def story_of(
    log: pd.DataFrame,
    address: str,
    campaign: str,
    *,
    attempts: Iterable[Attempt] = (),
    outcome: str | None = None,
    why: str = "",
    later: pd.DataFrame | None = None,
) -> Story:
    """Put together what is known of a recipient.

    Parameters
    ----------
    log : DataFrame
        Event log, of one send or of several in their order.
    address : str
        Case does not matter.
    campaign : str
        What it is called.
    attempts : iterable of Attempt
        What the ledger knows; what the log does not tell is taken from there.
    outcome : str, optional
        Where it stands, by the ledger.  Default: by the log.
    why : str
        Why it is suppressed.
    later : DataFrame, optional
        Event log of what later mail told.

    Raises
    ------
    SMTPBookError
        Neither the log nor the ledger has the address; the near miss is suggested.
    """
    try:
        dialogue = transcript(log, recipient=address)
    except SMTPBookError:
        if outcome is None:
            raise
        dialogue = ""
    rows = _outcomes_of(log, address)
    if outcome is None:
        outcome = "pending" if rows.empty else str(rows["outcome"].iloc[-1])
    return Story(
        address=address if rows.empty else str(rows["recipient"].iloc[-1]),
        campaign=campaign,
        outcome=outcome,
        tries=tries_of(rows, attempts),
        why=why,
        dialogue=dialogue,
        heard=() if later is None else heard_of(_outcomes_of(later, address)),
    )


def _outcomes_of(log: pd.DataFrame, address: str) -> pd.DataFrame:
    is_own = (log["recipient"].str.lower() == address.lower()).fillna(False)
    return log[is_own.to_numpy(bool) & (log["kind"] == "outcome").to_numpy(bool)]


def _back(one: Try) -> list[tuple[str, str]]:
    """Give label and text of what is told of a later mail; the text is not yet escaped."""
    rows = [
        ("Reported by", one.place),
        ("Reply", one.reply + (f" (to {one.verb})" if one.verb else "")),
        ("What happened", one.meaning),
    ]
    return [row for row in rows if row[1]]


def _try_html(title: str, one: Try, rows: Iterable[tuple[str, str]]) -> str:
    left = "text-align: left; vertical-align: top"
    cells = "".join(
        f'<tr><th scope="row" style="{left}; min-width: 9em">{to_html(label)}</th>'
        f'<td style="{left}; overflow-wrap: anywhere">'
        f"{to_html(visible(text, max_chars=_SHOWN))}</td></tr>"
        for label, text in rows
    )
    return (
        f'<table style="color: inherit; margin-bottom: 1em"><caption style="color: '
        f'inherit; text-align: left; white-space: nowrap">{title} '
        f"{state(one.outcome or 'pending').to_html()} {to_html(_when(one))}</caption>"
        f"<tbody>{cells}</tbody></table>"
    )


def _cited(sentence: str, source: str) -> str:
    written = f'<small style="white-space: nowrap">({to_html(source)})</small>'
    return f"{to_html(sentence)} {written if source else ''}"


def _head(one: Try) -> str:
    return f"{state(one.outcome or 'pending')} {_when(one)}".rstrip()


def _when(one: Try) -> str:
    return "" if one.time is None else f"{one.time:%Y-%m-%d %H:%M:%S} UTC"


def _next(one: Try, later: Try) -> str:
    if one.time is None or later.time is None:
        return "tried again"
    return f"tried again, {lasting((later.time - one.time).total_seconds())} later"


def _wrapped(head: str, text: str) -> str:
    """Put a label before a text that may hold anything, in lines of their width."""
    return textwrap.fill(
        visible(text, max_chars=_SHOWN + 200),
        _WIDTH,
        initial_indent=head,
        subsequent_indent=" " * len(head),
    )
