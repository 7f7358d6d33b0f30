"""Lock: one runner to a campaign; whoever comes second is told who that is.

Three layers.  The lock on a file ends with the process that holds it, however it ends.  The
lease, a row in the ledger, tells who runs; every commit looks whether it is still ours.
And a recipient can have one open attempt at a time, which the database itself enforces.
"""

from __future__ import annotations

import os
import socket
import sys
import weakref
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from smtpbook.errors import LedgerError
from smtpbook.ledger.connection import Connection
from smtpbook.ledger.machine import boot_id

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_held: Final[weakref.WeakSet[RunnerLock]] = weakref.WeakSet()


class RunnerLock:
    """The lock on a campaign's folder, until it is released or the process ends.

    Parameters
    ----------
    path : Path
        Of the lock's file.

    Attributes
    ----------
    file : int or None
        What is locked; None = it is released.

    Raises
    ------
    BlockingIOError
        Another holds it: a process, or another part of this one.
    OSError
        The file cannot be made.

    Notes
    -----
    ``flock`` and not ``lockf``: the latter does not keep two threads of one process apart,
    and is lost when anybody in it closes the file.  On Windows the file's first octet is
    locked instead (not tried there).
    """

    def __init__(self, path: Path) -> None:
        self.file: int | None = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if sys.platform == "win32":
                msvcrt.locking(self.file, msvcrt.LK_NBLCK, 1)
            else:
                fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            self.release()
            # Windows says PermissionError.
            raise BlockingIOError(*exc.args) from exc
        _held.add(self)

    def release(self) -> None:
        """Let the next one in."""
        if self.file is not None:
            os.close(self.file)
            self.file = None


def _forget() -> None:
    # A child shares its parent's lock and would keep it when the parent has died.  Closing
    # the child's copy does not unlock the parent's.
    for lock in list(_held):
        lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Who runs, or ran last.

    Attributes
    ----------
    owner : str
        Unique to one opening.
    host : str
    pid : int
    boot : str or None
    since, heartbeat : float
        Seconds since 1970 UTC.
    """

    owner: str
    host: str
    pid: int
    boot: str | None
    since: float
    heartbeat: float

    @classmethod
    def ours(cls, owner: str, now: float) -> Lease:
        """Make one for this process."""
        return cls(
            owner=owner,
            host=socket.gethostname(),
            pid=os.getpid(),
            boot=boot_id(),
            since=now,
            heartbeat=now,
        )

    @classmethod
    def read(cls, connection: Connection) -> Lease | None:
        """Give the one in the ledger; None = nobody has ever run."""
        row = connection.execute(
            "SELECT owner, host, pid, boot, since, heartbeat FROM lease"
        ).fetchone()
        if row is None:
            return None
        owner, host, pid, boot, since, heartbeat = row
        return cls(
            owner=owner, host=host, pid=pid, boot=boot, since=since, heartbeat=heartbeat
        )

    def write(self, connection: Connection) -> None:
        """Put it in the ledger, in place of any other."""
        connection.execute("DELETE FROM lease")
        connection.execute(
            "INSERT INTO lease(owner, host, pid, boot, since, heartbeat) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (self.owner, self.host, self.pid, self.boot, self.since, self.heartbeat),
        )

    def beat(self, connection: Connection, now: float) -> None:
        """Prove that the ledger is still ours to write, and show that we live.

        Raises
        ------
        LedgerError
            Another took it over.
        """
        done = connection.execute(
            "UPDATE lease SET heartbeat = ? WHERE owner = ?", (now, self.owner)
        )
        if done.rowcount != 1:
            raise _overtaken(self.read(connection))


def refuse_fork(pid: int) -> None:
    """Refuse to write in a child of the process that runs the campaign.

    Raises
    ------
    LedgerError
        This process is not `pid`.
    """
    if os.getpid() != pid:
        raise LedgerError(
            f"process {pid} runs this campaign, and this is a child of it "
            f"({os.getpid()}); send from the parent, or close the campaign there and "
            f"open it here"
        )


def refusal(folder: Path, lease: Lease | None) -> LedgerError:
    """Say who runs the campaign in a folder."""
    if lease is not None and _has_ended(lease):
        # Those that send for a process keep its lock open for a while when it has died.
        return LedgerError(
            f"the campaign in {str(folder)!r} is running already: by a process that has "
            f"just begun, or by some that sent for process {lease.pid}, which has ended, "
            f"and bring what they began to its verdict. Try again in a minute"
        )
    # The lock comes first, and then the lease is written.
    by = "by a process that has just begun" if lease is None else _told(lease)
    return LedgerError(
        f"the campaign in {str(folder)!r} is running already: {by}. Wait for it, or stop "
        f"it there; when that process has ended, open the campaign again"
    )


def _overtaken(lease: Lease | None) -> LedgerError:
    """Say who has taken the ledger over meanwhile."""
    if lease is None or _has_ended(lease):
        who = "another process" if lease is None else f"process {lease.pid}"
        return LedgerError(
            f"{who} has run this campaign meanwhile and has ended; nothing further is sent "
            f"from here. Open the campaign again: it goes on where that was"
        )
    return LedgerError(f"another runs this campaign now: {_told(lease)}")


def _told(lease: Lease) -> str:
    is_us = lease.host == socket.gethostname() and lease.pid == os.getpid()
    who = "this very process" if is_us else "process"
    return (
        f"by {who} {lease.pid} on {lease.host}, since {_time(lease.since)}, last sign of "
        f"life {_time(lease.heartbeat)}"
    )


def _has_ended(lease: Lease) -> bool:
    """Whether the process is certainly gone."""
    if lease.host != socket.gethostname() or os.name != "posix":
        return False
    try:
        os.kill(lease.pid, 0)
    except ProcessLookupError:
        return True
    except OSError:  # somebody else's process
        return False
    return False


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
