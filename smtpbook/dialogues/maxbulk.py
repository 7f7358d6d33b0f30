"""MaxBulk Mailer: its connection log, ``Server:`` and ``Client:`` at the head of lines.

The form is that of Maxprog's help page "Understanding the Connection Log / SMTP protocol"
(read in November 2026), where each label has a line of its own.  It has no times.
"""

from __future__ import annotations

import re
from typing import Final

from smtpbook.dialogues.dialogue import happenings
from smtpbook.dialogues.happening import rows_of
from smtpbook.logfile.format import LogFormat

_LABEL: Final = re.compile(r"[ \t]*(?:Server|Client):(?:[ \t]|$)", re.IGNORECASE)


def sniff(line: str) -> bool:
    """Tell whether a line begins with one of the labels."""
    return _LABEL.match(line[:100]) is not None


FORMAT: Final = LogFormat(
    name="maxbulk",
    title="MaxBulk Mailer (connection log)",
    sniff=sniff,
    events=rows_of("maxbulk", happenings),
)
