"""Full disk: a journal whose file may not grow, in a process of its own.

``python -m tests.log.full_disk FOLDER OCTETS`` appends while no file may be longer than
that, and prints what came of it; ``--room`` gives it room before the end.
"""

from __future__ import annotations

import json
import resource
import sys
import warnings
from pathlib import Path

from smtpbook.log.frame import BATCH_ROWS, to_frame
from smtpbook.log.journal import Journal
from tests.log.story import day


def main() -> None:
    folder, octets, has_room = Path(sys.argv[1]), int(sys.argv[2]), "--room" in sys.argv
    rows = list(day(800))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    journal = Journal(folder, "log", segment_batches=1)
    resource.setrlimit(resource.RLIMIT_FSIZE, (octets, before[1]))
    failed = 0
    for number, row in enumerate(rows):
        journal.append(row)
        if number % (BATCH_ROWS // 3) == 0:
            try:
                journal.flush()
            except OSError:
                failed += 1
    during = str(journal.error)
    if has_room:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        journal.close()
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    told = {
        "failed": failed,
        "during": during,
        "error": journal.error and str(journal.error),
        "warned": [str(one.message) for one in warned],
        "is_whole": journal.frame().equals(to_frame(rows)),
        "rows": len(rows),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
