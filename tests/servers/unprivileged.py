"""Servers that will not run as root: another user's process, which ends with ours.

Debian's database packages each bring a user for their server.  Where the tests run as
root, a server's programs run as that user; where they do not, as whoever runs the tests.
"""

from __future__ import annotations

import os
import pwd
import shutil
import tempfile
from pathlib import Path


def as_user(name: str) -> list[str]:
    """Give the words that, put before a command, run it unprivileged.

    Should the tests be killed, the command is asked to end as well: `process.stop` is
    never reached then, and a database has no time limit of its own.
    """
    ends_with_us = ["setpriv", "--pdeathsig=TERM"]
    if os.geteuid() != 0:
        return ends_with_us
    user = who_runs(name)
    return [
        *ends_with_us,
        f"--reuid={user.pw_uid}",
        f"--regid={user.pw_gid}",
        "--clear-groups",
    ]


def make_folder(name: str, *, prefix: str) -> Path:
    """Make a temporary folder that `name` may write to and others may not enter."""
    # pytest's own temporary directories are closed to other users.
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    if os.geteuid() == 0:
        user = who_runs(name)
        shutil.chown(folder, user.pw_uid, user.pw_gid)
    return folder


def who_runs(name: str) -> pwd.struct_passwd:
    """Give the user that `as_user` makes of a name."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid())
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return pwd.getpwnam("nobody")
