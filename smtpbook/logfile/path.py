"""Path: the address of a MAIL or RCPT command, as a log or a dialogue has it.

More is understood than `protocol.commands` lets pass: blanks, a bracket that is missing, a
line that was cut.  What is wrong in it is not said here.
"""

from __future__ import annotations

import re
from typing import Final

_MAX_CHARS: Final = 2000  # of a line in which it is looked for
# Source routes ("@a,@b:user@c") are accepted and ignored -- RFC 5321 appendix C
_PATH: Final = re.compile(
    r"(?:FROM|TO)[ \t]*:[ \t]*"
    r"(?:<(?:@[^:>]{1,500}:)?((?:\"(?:[^\"\\]|\\.)*\"|[^>\"])*)>?|(\S*))",
    re.IGNORECASE | re.DOTALL,
)


def path_in(command: str) -> str | None:
    """Give the address as it is written; "" is the null reverse-path, None = there is none.

    >>> path_in("MAIL FROM:<> SIZE=7"), path_in("rcpt to: ann@x.example"), path_in("RSET")
    ('', 'ann@x.example', None)
    """
    found = _PATH.search(command[:_MAX_CHARS])
    if found is None:
        return None
    return found[1] if found[1] is not None else (found[2] or "")
