"""Heard: what a lab server heard and said, session by session, for exercises to look at.

Whatever the student used, the console, a notebook cell, telnet or a program: it is
the server that remembers.  Nothing here judges.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from smtpbook.log.frame import require_columns


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One command and its reply, as the server saw them.

    Attributes
    ----------
    verb : str
        As in the event log; ``"GREETING"`` and ``"END-OF-DATA"`` are steps, too.
    line : str
        The command as it came, secrets redacted; ``""`` where there is none.
    code : int or None
        Of the reply; None = the server went away instead.
    text : str
        The reply's lines without their code, joined by newlines.
    recipient : str or None
        In RCPT, and where a reply is for one recipient alone.
    """

    verb: str
    line: str
    code: int | None
    text: str
    recipient: str | None

    def __str__(self) -> str:
        said = f"{self.code} {self.text}" if self.code is not None else "(no reply)"
        return f"-> {self.line or self.verb}\n<- {said}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One session with the lab server, from the greeting on.

    Attributes
    ----------
    session_id : str
        The lab's name for it, as in ``lab.log``.
    steps : tuple of Step
    """

    session_id: str
    steps: tuple[Step, ...]

    @property
    def verbs(self) -> tuple[str, ...]:
        """The verbs in order."""
        return tuple(step.verb for step in self.steps)

    def said(self, *verbs: str) -> Iterator[Step]:
        """Give the steps with one of these verbs, in order."""
        return (step for step in self.steps if step.verb in verbs)

    def first(self, *verbs: str) -> Step | None:
        """Give the first step with one of these verbs; None = there is none."""
        return next(self.said(*verbs), None)

    def follows(self, *verbs: str) -> bool:
        """Say whether these verbs came in this order, others between them allowed."""
        rest = iter(self.verbs)
        return all(verb in rest for verb in verbs)


_COLUMNS = (
    "session_id",
    "kind",
    "verb",
    "command",
    "reply_code",
    "reply_text",
    "recipient",
)


def sessions_heard(log: pd.DataFrame) -> tuple[Heard, ...]:
    """Read a lab's log.

    Parameters
    ----------
    log : DataFrame
        ``lab.log``, or any event log.

    Returns
    -------
    tuple of Heard
        In the order in which the sessions began; rows that are no command, greeting or
        end of mail data are left out.

    Raises
    ------
    ColumnError
        The log lacks a column.
    """
    require_columns(log, *_COLUMNS)
    rows = log.loc[log["verb"].notna() & (log["kind"] != "outcome"), list(_COLUMNS)]
    cells = rows.astype(object).where(rows.notna(), None)
    steps: dict[str, list[Step]] = {}
    for session, _kind, verb, line, code, text, recipient in cells.itertuples(index=False):
        steps.setdefault(session, []).append(
            Step(
                verb=verb,
                line=line or "",
                code=code,
                text=text or "",
                recipient=recipient,
            )
        )
    return tuple(
        Heard(session_id=session, steps=tuple(them)) for session, them in steps.items()
    )
