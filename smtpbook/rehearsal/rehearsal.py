"""A rehearsal's record: what a send would come to, and how long it would take.

It is a `Run` with virtual times in its log and names that are the same each time.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from smtpbook.delivery.run import Run
from smtpbook.escape import to_html, visible
from smtpbook.events import COLUMNS, Row
from smtpbook.log.frame import Recorder
from smtpbook.wording import lasting

_TIME, _SESSION, _TRANSACTION, _SOURCE = map(
    COLUMNS.index, ("time", "session_id", "transaction_id", "source")
)
# The message's Message-ID follows, which is another one each time.
assert (0, _SESSION + 1, len(COLUMNS) - 1) == (_TIME, _TRANSACTION, _SOURCE)
_REST: Final = slice(_TRANSACTION + 2, _SOURCE)


class Rehearsal(Run):
    """The record of a rehearsal.

    Its log has ``source="rehearsal"``, names for sessions that count up, and no
    Message-IDs; its times begin at `began` and go on in virtual time.

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
        self.server, self.began = server, began
        self.took_s = 0.0
        self._now = now
        self._began_us = int(began.timestamp() * 1e6)
        self._names: dict[str, str] = {}
        self._starts_us: dict[str, int] = {}
        self._shifts_us: dict[str, int] = {}

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

    def session(self, session_id: str) -> str:
        """Name a session that begins now."""
        name = self._names[session_id] = f"rehearsal-{len(self._names) + 1}"
        self._starts_us[session_id] = self._now_us()
        return name

    def _now_us(self) -> int:
        return self._began_us + int(self._now() * 1e6)

    def _record(self, row: Row) -> None:
        """Keep a row, its time put right: a session asks this machine's wall for it."""
        session, transaction = row[_SESSION], row[_TRANSACTION]
        if session is None:
            time_us = self._now_us()
        else:
            shift_us = self._shifts_us.get(session)
            if shift_us is None:  # its first row: it has just begun
                shift_us = self._shifts_us[session] = self._starts_us[session] - row[_TIME]
            time_us = row[_TIME] + shift_us
            if transaction is not None:
                transaction = self._names[session] + transaction[len(session) :]
            session = self._names[session]
        campaign = row[_SESSION - 1]
        super()._record(
            (time_us, campaign, session, transaction, None, *row[_REST], "rehearsal")
        )

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
