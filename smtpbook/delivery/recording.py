"""Recording: what is told of a send while it goes on: rows, changes of the pace, TLS.

Whoever only sends keeps it, and makes no tables of it: what these need is not loaded.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from smtpbook.events import Row, Sink
from smtpbook.log.frame import Recorder

if TYPE_CHECKING:
    from smtpbook.routes.tls_results import TlsResult


class Recording:
    """Takes what is told of one send.

    Parameters
    ----------
    recorder : Recorder
        Takes the rows while the send goes on.

    Attributes
    ----------
    record : callable
        Takes the rows while the send goes on.
    stopped : str or None
        Why a stop rule ended it; None = none did.
    """

    def __init__(self, recorder: Recorder) -> None:
        self.record: Sink = self._record
        self.stopped: str | None = None
        self._tls: list[TlsResult] = []
        self._paces: list[tuple[datetime, str, float, str]] = []
        self.keep_in(recorder)

    def keep_in(self, recorder: Recorder) -> None:
        """Have another recorder take the rows; for a send that has none yet."""
        self._recorder, self._append = recorder, recorder.append

    def note(self, row: Row) -> None:
        """Take a row that no session has written."""
        self.record(row)

    def _record(self, row: Row) -> None:
        self._append(row)

    def note_pace(
        self, *, time: datetime, server: str, rate_per_s: float, why: str
    ) -> None:
        """Take a change of an adaptive pace while the send goes on."""
        self._paces.append((time, server, rate_per_s * 60, why))

    def note_tls(self, result: TlsResult | None) -> None:
        """Take how TLS fared with a domain's own server; None = it is not about TLS."""
        if result is not None:
            self._tls.append(result)
