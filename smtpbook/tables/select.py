"""Select: the events of a log that somebody asks for, and the question as a cell's code.

It gives whole rows and counts nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from smtpbook.errors import SMTPBookError
from smtpbook.events import SCHEMA
from smtpbook.tables.engine import PLACE, query
from smtpbook.tables.parts import Part
from smtpbook.tables.scan import Log

_DTYPES: Final = {column.name: column.dtype for column in SCHEMA}
_SAID: Final = ("command", "reply_text", "error")  # where a text is looked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of each event; all that is not None must hold.

    Attributes
    ----------
    session_id, message_id, queue_id, reason, outcome, verb : str or None
        What stands in the column of that name.
    recipient : str or None
        A part of the recipient's address; case does not matter.
    recipient_domain : str or None
        The domain as the column has it: lower-case, in A-labels.
    reply_code : int or None
        A reply code, or its first digit alone: 5 is every permanent refusal.
    text : str or None
        A part of the command, of the reply's text or of the error's name; case does not
        matter.
    """

    session_id: str | None = None
    message_id: str | None = None
    queue_id: str | None = None
    recipient: str | None = None
    recipient_domain: str | None = None
    reply_code: int | None = None
    reason: str | None = None
    outcome: str | None = None
    verb: str | None = None
    text: str | None = None

    @property
    def given(self) -> dict[str, Any]:
        """What is asked, by name."""
        return {name: given for name, given in asdict(self).items() if given is not None}

    @property
    def columns(self) -> list[str]:
        """The columns of the log that must be looked at."""
        names = [name for name in self.given if name != "text"]
        return [*names, *(_SAID if self.text is not None else ())]

    def sql(self) -> tuple[str, dict[str, Any]]:
        """Give it as a condition in SQL, and the parameters of that."""
        parts, parameters = ["true"], dict[str, Any]()
        for name, given in self.given.items():
            if name == "reply_code":
                low, high = _codes(given)
                parts.append(f"reply_code BETWEEN {low} AND {high}")
            elif name in ("recipient", "text"):
                columns = _SAID if name == "text" else (name,)
                every = " OR ".join(rf"{c} ILIKE ${name} ESCAPE '\'" for c in columns)
                parts.append(f"({every})")
                parameters[name] = f"%{_literally(given)}%"
            else:
                parts.append(f"{name} = ${name}")
                parameters[name] = given
        return " AND ".join(parts), parameters

    def code(self, write: Callable[[object], str] = repr) -> str:
        """Give it as statements that pick the same rows of a DataFrame ``log``.

        One after the other, because pandas' kinds of true and false do not all mix.

        Parameters
        ----------
        write : callable
            Writes a value as code.

        Examples
        --------
        >>> print(Question(reply_code=5).code())
        selection = log[log["reply_code"].between(500, 599)]
        >>> print(Question(verb="RCPT", reply_code=550).code())
        selection = log[log["reply_code"] == 550]
        selection = selection[selection["verb"] == 'RCPT']
        """
        lines, source = list[str](), "log"
        for name, given in self.given.items():
            lines.append(f"selection = {source}[{_expression(source, name, given, write)}]")
            source = "selection"
        return "\n".join(lines) or "selection = log"


def select_events(log: Log, **wanted: Any) -> pd.DataFrame:
    """Give the events of a log that are asked for.

    Parameters
    ----------
    log : DataFrame or Scan
        Event log.
    **wanted
        ``session_id``, ``message_id``, ``queue_id``, ``recipient_domain``, ``reason``,
        ``outcome``, ``verb``: what stands in the column; ``recipient``: a part of the
        address; ``reply_code``: a code, or its first digit (5 = every permanent refusal);
        ``text``: a part of the command, the reply's text or the error's name.  All must
        hold; in parts of texts case does not matter.

    Returns
    -------
    DataFrame
        The rows in the log's order: of a DataFrame with its own columns and index, of a
        scan with the event log's columns.

    Raises
    ------
    ColumnError
        The log lacks a column that is asked about.
    SMTPBookError
        A reply code is asked for that SMTP does not have.
    TypeError
        Something else is asked for than what is named here.

    Examples
    --------
    >>> from smtpbook.events import Event
    >>> from smtpbook.log.frame import to_frame
    >>> rows = [Event(verb="RCPT", reply_code=code).to_row() for code in (250, 550, 451)]
    >>> select_events(to_frame(rows), reply_code=5)[["verb", "reply_code"]]
       verb  reply_code
    1  RCPT         550
    """
    question = Question(**wanted)
    if isinstance(log, pd.DataFrame):
        return log.iloc[places_of(log, question)]
    return rows_of(log, question).drop(columns=PLACE)


def places_of(log: pd.DataFrame, question: Question) -> np.ndarray[Any, Any]:
    """Give where in a DataFrame the events are that are asked for, ascending."""
    if not question.given:
        return np.arange(len(log))
    where, parameters = question.sql()
    found = query(
        f"SELECT place FROM log WHERE {where} ORDER BY place",
        {PLACE: "int64"},
        needs=(*question.columns, PLACE),
        parameters=parameters,
        log=log,
    )
    return found[PLACE].to_numpy()


def rows_of(
    log: Log,
    question: Question,
    *,
    columns: tuple[str, ...] = tuple(_DTYPES),
    first: int = 0,
    most: int | None = None,
    place: int | None = None,
) -> pd.DataFrame:
    """Give some columns of the events that are asked for, at most so many from a place on.

    Parameters
    ----------
    log : DataFrame or Scan
    question : Question
    columns : tuple of str
    first : int
        How many of them to leave out, if there is a most.
    most : int, optional
    place : int, optional
        Only the event there.

    Returns
    -------
    DataFrame
        The columns, and ``place``: where in the log each row is.
    """
    where, parameters = question.sql()
    if place is not None:
        where, parameters = f"{where} AND place = $place", {**parameters, PLACE: place}
    few = "ORDER BY place" if most is None else f"ORDER BY place LIMIT {most:d}"
    parts = {}
    if first and most is not None:
        # Or what is before it would be read with all its columns.
        until = f"ORDER BY place LIMIT {first + most:d}"
        parts["places"] = Part(sql=f"SELECT place FROM log WHERE {where} {until}")
        where = f"place IN (SELECT place FROM places {few} OFFSET {first:d})"
    dtypes: Mapping[str, Any] = {
        **{name: _DTYPES[name] for name in columns},
        PLACE: "int64",
    }
    told = ", ".join(dtypes)
    parts["found"] = Part(sql=f"SELECT {told} FROM log WHERE {where} {few}")
    return query(
        f"FROM found {few}",
        dtypes,
        needs=list(dict.fromkeys([*columns, *question.columns, PLACE])),
        parameters=parameters,
        parts=parts,
        log=log,
    )


def _codes(given: int) -> tuple[int, int]:
    """Give the least and the greatest code that is meant."""
    if 2 <= given <= 5:
        return given * 100, given * 100 + 99
    if 200 <= given <= 599:
        return given, given
    raise SMTPBookError(
        f"reply_code is {given}; a reply code of SMTP is 200 to 599, its first digit 2 to 5"
    )


def _literally(text: str) -> str:
    r"""Write a text as a pattern of SQL that stands for itself.

    >>> _literally("50%_a\\b")
    '50\\%\\_a\\\\b'
    """
    for special in "\\%_":
        text = text.replace(special, f"\\{special}")
    return text


def _expression(source: str, name: str, given: Any, write: Callable[[object], str]) -> str:
    """Give the condition that a DataFrame's rows must meet, as code."""

    def contains(column: str) -> str:
        cells = f'{source}["{column}"]'
        # An error is a category: without one there is no text in it to look for.
        cells += '.astype("string")' if _DTYPES[column] == "category" else ""
        return f"{cells}.str.contains({write(given)}, case=False, regex=False, na=False)"

    if name == "text":
        every = "\n    | ".join(contains(column) for column in _SAID)
        return f"\n    {every}\n"
    if name == "recipient":
        return contains(name)
    cells = f'{source}["{name}"]'
    if name == "reply_code" and given < 10:
        return "{}.between({}, {})".format(cells, *_codes(given))
    return f"{cells} == {write(given)}"
