"""Kept: the last rows of a session, as many as memory has room for.

For the session's own transcript; everything is in whatever its sink keeps.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from smtpbook.events import COLUMNS, Row

KEPT_ROWS: Final = 10_000
KEPT_CHARS: Final = 2_000_000
"""What the long replies among them may hold: a server may say 64 KiB to every command."""
# "The maximum total length of a reply line" -- RFC 5321 section 4.5.3.1.5
LONG_CHARS: Final = 512
"""A reply text of more than so many characters is long: `KeptRows.append_long` takes it."""
_REPLY_TEXT: Final = COLUMNS.index("reply_text")


class KeptRows(deque[Row]):
    """The last 10,000 rows; fewer where replies are so long that they would not fit.

    `append` is a deque's own, for the hot path; a row whose reply is long is for
    `append_long`.
    """

    def __init__(self) -> None:
        super().__init__(maxlen=KEPT_ROWS)
        self._long_chars = 0  # of long replies, those of dropped rows perhaps as well

    def append_long(self, row: Row) -> None:
        """Add a row with a long reply behind the others."""
        self.append(row)
        self._long_chars += len(row[_REPLY_TEXT])
        if self._long_chars > KEPT_CHARS:
            self._shed()

    def _shed(self) -> None:
        """Drop the oldest until the long replies hold half of what they may."""
        sizes = deque(len(row[_REPLY_TEXT] or "") for row in self)
        held = sum(size for size in sizes if size > LONG_CHARS)
        while held > KEPT_CHARS // 2:
            size = sizes.popleft()
            held -= size if size > LONG_CHARS else 0
            self.popleft()
        self._long_chars = held
