"""Machine: which computer this is, since when it runs, and what a folder lies on.

A process that was killed leaves what it had written; a computer that lost its power leaves
only what was flushed.  The boot id tells the one from the other.  Nothing here decides.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Final

from smtpbook.errors import LedgerError

# Where SQLite's write-ahead log fails: it needs memory that all processes share, and locks
# that hold ("WAL does not work over a network filesystem", sqlite.org/wal.html).  Names as
# the kernel lists them in mountinfo.
_NETWORK: Final = re.compile(
    r"nfs\d?|cifs|smb\d|smbfs|9p|afs|ceph|glusterfs|lustre|ncpfs|davfs"
    r"|fuse\.(?:sshfs|rclone|s3fs|gcsfuse|davfs2?|glusterfs|ceph)"
)
# Folders that a program copies behind our back, file by file: the log without its file.
_SYNCHRONISED: Final = re.compile(
    r"(?i:(?:dropbox|onedrive)(?: ?[-(].*)?|google ?drive|nextcloud|owncloud|pclouddrive"
    r"|icloud ?drive|mobile documents|cloudstorage|com~apple~clouddocs)"
)


@cache
def boot_id() -> str | None:
    """Give a name for the time since this computer was started; None = unknown here.

    Linux and macOS have one (the latter was not tried).  Without it, every crash counts as
    a power cut.
    """
    if sys.platform == "linux":
        try:
            return (
                Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip() or None
            )
        except OSError:
            return None
    if sys.platform == "darwin":
        done = subprocess.run(
            ["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"],
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.strip() or None
    return None


def refuse_unsafe(folder: Path) -> None:
    """Refuse a folder in which a ledger would not hold.

    Raises
    ------
    LedgerError
        It lies on a network's file system, or a program synchronises it; the message says
        what to do.  What cannot be told (file systems outside Linux) is not refused.
    """
    there = folder.resolve()
    for part in there.parts:
        if _SYNCHRONISED.fullmatch(part):
            raise _unsafe(folder, f"lies in {part!r}, which is synchronised elsewhere")
    while not there.exists():
        there = there.parent
    try:
        table = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape")
    except OSError:
        return
    kind = file_system(table, there.stat().st_dev)
    if kind is not None and _NETWORK.fullmatch(kind):
        raise _unsafe(folder, f"is on a network's file system ({kind})")


def file_system(mountinfo: str, device: int) -> str | None:
    """Find a device's kind of file system in Linux's mountinfo; None = not there.

    >>> file_system("36 35 0:42 / /mnt rw,noatime shared:1 - nfs4 srv:/home rw", 42)
    'nfs4'
    """
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in mountinfo.splitlines():
        mounted, _, about = line.partition(" - ")
        if mounted.split()[2:3] == [wanted]:
            return about.split()[0]
    return None


def _unsafe(folder: Path, reason: str) -> LedgerError:
    return LedgerError(
        f"the folder {str(folder)!r} {reason}; a ledger kept there can be damaged without "
        f"anybody noticing. Keep the campaign in a folder on a disk of this computer; copy "
        f"it elsewhere when it is closed"
    )
