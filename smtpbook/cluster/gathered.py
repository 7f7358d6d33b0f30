"""Gathered: the event log of one send, of which each sender has written its part.

The parts lie where the campaign keeps its event log.  What a sender has not sealed lies in
the campaign's folder as that sender sees it.  Rows stand by sender: where one has taken
over what another left, a later attempt may stand before an earlier one, and its number
tells.  What the driver says comes last.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from smtpbook.folder.folder import CampaignFolder
from smtpbook.log.files import log_files
from smtpbook.log.frame import to_frame
from smtpbook.log.join import join_logs
from smtpbook.log.journal import Journal
from smtpbook.log.store import read_log


class Gathered(Journal):
    """Takes what the driver itself has to say, and gives what all have said.

    Parameters
    ----------
    folder : CampaignFolder
    send : str
        What the names of the files of this send begin with.

    Raises
    ------
    OSError
        The folder cannot be made or read.
    """

    def __init__(self, folder: CampaignFolder, send: str) -> None:
        stem = f"{send}-driver-{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
        super().__init__(folder.growing, stem, sealed_to=folder.events)
        self._campaign, self._send = folder, send
        self._seen: tuple[list[tuple[Path, int]], int] = ([], -1)

    def frame(self) -> pd.DataFrame:
        """Give the event log so far, of all senders."""
        self.flush()
        seen = self._there()
        for _ in range(10):  # a part is sealed meanwhile, and has another name
            try:
                parts = [read_log(path) for path, _ in seen]
                break
            except FileNotFoundError:
                seen = self._there()
        else:
            raise OSError(f"{self._campaign.events}: its files come and go; ask again")
        log = join_logs(parts) if parts else to_frame([])
        self._seen = (seen, len(log))
        return log

    def __len__(self) -> int:
        """How many rows there are; another number than before: there may be more."""
        seen, rows = self._seen
        return rows if self._there() == seen and rows >= 0 else rows + 1

    def _there(self) -> list[tuple[Path, int]]:
        return [
            (path, path.stat().st_size)
            for path in log_files(self._campaign.events, self._campaign.growing)
            if path.name.startswith(self._send)
        ]
