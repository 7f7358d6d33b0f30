"""Besides: what a provider tells that is not about delivery, such as opens and clicks.

It gives no row.  It is counted with the lines that were skipped, and of each kind one
example says why.
"""

from __future__ import annotations

from smtpbook.escape import visible
from smtpbook.logfile.reading import Reading


def not_about_delivery(reading: Reading, kind: str) -> None:
    """Count a line that tells of something else.

    >>> reading = Reading()
    >>> for kind in ("open", "click", "open"):
    ...     not_about_delivery(reading, kind)
    >>> reading.skips, reading.examples
    (3, ['not about delivery: open', 'not about delivery: click'])
    """
    note = f"not about delivery: {visible(kind, max_chars=60)}"
    if note in reading.examples:
        reading.skips += 1
    else:
        reading.skipped(note)
