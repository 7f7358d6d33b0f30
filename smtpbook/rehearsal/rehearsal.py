"""A rehearsal's record: what a send would come to, and how long it would take.

It is a `Run` with virtual times in its log and names that are the same each time.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count

from smtpbook.delivery.run import Run
from smtpbook.escape import to_html, visible
from smtpbook.events import COLUMNS, Row
from smtpbook.log.frame import Recorder
from smtpbook.wording import lasting

_TIME, _SOURCE = map(COLUMNS.index, ("time", "source"))
assert (0, len(COLUMNS) - 1) == (_TIME, _SOURCE)


class Rehearsal(Run):
    """The record of a rehearsal.

    Its log has ``source="rehearsal"``, and sessions and Message-IDs that count up; its
    times begin at `began` and go on in virtual time.

    Parameters
    ----------
    campaign, server : str
        The names of the campaign and of the modelled server.
    began : datetime
        Its first instant.
    now : callable
        Gives the virtual time since then, in seconds.

    Attributes
    ----------
    server : str
    began : datetime
    took_s : float
        How long the send would take, in seconds.
    """

    def __init__(
        self, campaign: str, server: str, began: datetime, now: Callable[[], float]
    ) -> None:
        super().__init__(Recorder(), campaign)
        self.record = self._append  # it is kept nowhere else
        self.server, self.began = server, began
        self.took_s = 0.0
        self._now = now
        self._began_us = int(began.timestamp() * 1e6)
        self._sessions = count(1)

    @property
    def ends(self) -> datetime:
        """When the send would end."""
        return self.began + timedelta(seconds=self.took_s)

    @property
    def deferrals(self) -> int:
        """How many 4yz replies there would be."""
        log = self.log
        return int(((log["reply_code"] // 100 == 4) & (log["kind"] != "outcome")).sum())

    @property
    def retries(self) -> int:
        """How many tries there would be besides each recipient's first."""
        log = self.log
        rows = log[(log["kind"] == "outcome") & (log["outcome"] != "suppressed")]
        return len(rows) - rows["recipient"].nunique()

    @property
    def per_minute(self) -> float:
        """How many messages a minute would be accepted, on average."""
        return 60 * self.counts["accepted"] / self.took_s if self.took_s else 0.0

    def next_session(self) -> str:
        """Name a session that begins now."""
        return f"rehearsal-{next(self._sessions)}"

    def microseconds(self, instant: float) -> int:
        """Give a virtual instant in microseconds since 1970 UTC."""
        return self._began_us + int(instant * 1e6)

    def note(self, row: Row) -> None:
        """Take a row that no session has written, and that tells this machine's time."""
        self.record((self.microseconds(self._now()), *row[1:_SOURCE], "rehearsal"))

    def _told(self) -> list[tuple[str, str]]:
        return [
            ("against", visible(self.server)),
            ("takes", lasting(self.took_s)),
            ("ends", f"{self.ends.astimezone():%Y-%m-%d %H:%M:%S}"),
            ("4yz replies", f"{self.deferrals:,}"),
            ("retries", f"{self.retries:,}"),
            ("accepted a minute", f"{self.per_minute:,.1f}"),
        ]

    def __repr__(self) -> str:
        run = super().__repr__().replace("<Run of", "<Rehearsal of", 1)
        return f"{run[:-1]}; {', '.join(f'{name} {told}' for name, told in self._told())}>"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{name}</th>"
            f"<td style='text-align:right'>{to_html(told)}</td></tr>"
            for name, told in self._told()
        )
        head, table, tail = super()._repr_html_().rpartition("</table>")
        return f"{head.replace('<b>', '<b>Rehearsal of ', 1)}{rows}{table}{tail}"
