"""Ledger: who is to be written to, what became of each, and what a crash leaves."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from smtpbook.errors import LedgerError
from smtpbook.ledger.ledger import Ledger
from smtpbook.ledger.lock import Lease, RunnerLock
from smtpbook.ledger.schema import connect
from smtpbook.ledger.standings import FILE, Standings
from smtpbook.ledger.writer import Promise
from tests.ledger.conftest import PEOPLE, chosen, note, result
from tests.servers.process import ROOT

Opener = Callable[..., Ledger]


def copied(folder: Path, place: Path) -> Path:
    place.mkdir()
    for file in folder.glob("ledger*"):
        shutil.copy(file, place)
    return place


def killed(folder: Path, place: Path) -> Path:
    """Give what the process would leave if it were killed now, in a folder of its own."""
    copy = copied(folder, place) / FILE
    about = copy.stat()
    with closing(sqlite3.connect(copy, isolation_level=None)) as file:
        here = f"{about.st_dev}:{about.st_ino}:{copy}"  # it never was elsewhere
        file.execute("UPDATE meta SET value = ? WHERE name = 'place'", (here,))
    return place


# --- after a crash ------------------------------------------------------------------------


async def _three_open(ledger: Ledger) -> None:
    """One begun, one intended only, one accepted."""
    ann, bob, eve, _ = ledger.select()
    for entry in (eve, ann, bob):
        await ledger.intend(entry, f"<{entry.position}@x.test>")
    ledger.begin(eve)
    ledger.note(eve, result(eve.address, "accepted"))
    ledger.begin(ann)
    assert ledger.counts["accepted"] == 1


async def test_a_missing_mark_proves_that_nothing_was_sent(
    open_ledger: Opener, folder: Path, tmp_path: Path
) -> None:
    await _three_open(open_ledger(boot="b1"))
    left = killed(folder, tmp_path / "left")
    with Ledger(left, boot="b1") as again:
        assert again.recovered == {"in_doubt": 1, "pending": 1}
        assert chosen(again) == ["bob@y.test", PEOPLE[3]]
        assert chosen(again, "in_doubt") == ["Ann@x.test"]
        assert again.counts == {"accepted": 1, "in_doubt": 1, "pending": 2}


@pytest.mark.parametrize("boot", ["b2", None])
async def test_after_a_power_cut_every_open_intent_is_in_doubt(
    open_ledger: Opener, folder: Path, tmp_path: Path, boot: str | None
) -> None:
    await _three_open(open_ledger(boot="b1"))
    left = killed(folder, tmp_path / "left")
    with Ledger(left, boot=boot) as again:
        assert again.recovered == {"in_doubt": 2}
        assert chosen(again) == [PEOPLE[3]]


async def test_in_doubt_is_sent_again_under_its_message_id_only_when_asked(
    open_ledger: Opener, folder: Path, tmp_path: Path
) -> None:
    await _three_open(open_ledger(boot="b1"))
    left = killed(folder, tmp_path / "left")
    with Ledger(left, boot="b1", in_doubt="resend") as again:
        queue = again.select()
        ann = queue.take()
        assert ann is not None
        assert (ann.address, ann.attempts, ann.again_id) == ("Ann@x.test", 1, "<0@x.test>")
        await again.intend(ann, ann.again_id or "")
        again.begin(ann)
        again.note(ann, result(ann.address, "accepted"))
        told = again.attempts("ann@x.test")
        assert [(t.attempt, t.message_id, t.is_again, t.outcome) for t in told] == [
            (1, "<0@x.test>", False, "in_doubt"),
            (2, "<0@x.test>", True, "accepted"),
        ]
        bob = queue.take()
        assert bob is not None
        assert (bob.address, bob.again_id) == ("bob@y.test", None)


# --- one runner ---------------------------------------------------------------------------


def test_a_second_runner_is_told_who_runs(open_ledger: Opener, folder: Path) -> None:
    ledger = open_ledger()
    with pytest.raises(
        LedgerError,
        match=rf"running already: by this very process {os.getpid()} on .* since",
    ):
        Ledger(folder)
    with Standings.open(folder) as other:
        assert other.counts == {"pending": 4}
    ledger.close()
    open_ledger()


@pytest.fixture
def ended() -> int:
    """The number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    return process.pid


@pytest.mark.skipif(os.name != "posix", reason="asks whether a process has ended")
def test_where_the_last_runner_has_ended_senders_it_left_may_hold_the_lock(
    folder: Path, ended: int
) -> None:
    with closing(connect(folder / FILE)) as connection:
        replace(Lease.ours("it", 0.0), pid=ended).write(connection)
    lock = RunnerLock(folder / "ledger.lock")
    try:
        with pytest.raises(
            LedgerError,
            match=rf"running already: .* for process {ended}, which has ended",
        ):
            Ledger(folder)
    finally:
        lock.release()
    Ledger(folder).close()


async def test_who_lost_the_lease_writes_nothing_more(
    open_ledger: Opener, folder: Path
) -> None:
    """The lock's file was deleted, say, and somebody else came in."""
    first = open_ledger()
    (bob,) = first.select("bob@y.test")
    (folder / "ledger.lock").unlink()
    open_ledger()
    with pytest.raises(LedgerError, match="another runs this campaign now"):
        await first.intend(bob, "<1@x.test>")


@pytest.mark.skipif(os.name != "posix", reason="asks whether a process has ended")
async def test_who_lost_the_lease_to_one_that_has_ended_is_told_so(
    open_ledger: Opener, folder: Path, ended: int
) -> None:
    first = open_ledger()
    (bob,) = first.select("bob@y.test")
    with closing(connect(folder / FILE)) as connection:
        replace(Lease.ours("it", 0.0), pid=ended).write(connection)
    told = f"process {ended} has run this campaign meanwhile and has ended"
    with pytest.raises(LedgerError, match=told):
        await first.intend(bob, "<1@x.test>")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_is_refused_and_does_not_keep_the_lock(
    open_ledger: Opener, folder: Path
) -> None:
    ledger = open_ledger()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(60)  # whatever becomes of the parent
        try:
            ledger.settle({})
        except LedgerError as exc:
            os.write(writing, str(exc).encode())
        finally:
            signal.pause()  # lives until the parent has looked
            os._exit(0)
    said = os.read(reading, 1000).decode()
    assert said.startswith(f"process {os.getpid()} runs this campaign")
    ledger.close()
    open_ledger()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(writing)
    os.close(reading)


def test_a_copy_of_the_folder_is_recognised_and_can_be_adopted(
    open_ledger: Opener, folder: Path, tmp_path: Path
) -> None:
    ledger = open_ledger()
    note(ledger, "bob@y.test", "accepted")
    ledger.close()
    copy = copied(folder, tmp_path / "copy")
    with pytest.raises(LedgerError, match=r"is a copy.*adopt=True"):
        Ledger(copy)
    with Ledger(copy, adopt=True) as ledger:
        assert ledger.counts == {"pending": 3, "accepted": 1}
    Ledger(copy).close()


def test_a_backup_that_was_put_back_in_place_is_recognised_and_can_be_adopted(
    open_ledger: Opener, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    note(ledger := open_ledger(), "Ann@x.test", "accepted")
    ledger.close()
    backup = copied(folder, tmp_path_factory.mktemp("backup") / "there")
    open_ledger().close()
    for file in backup.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())  # the same file on the disk
    with pytest.raises(LedgerError, match="a backup was put back"):
        open_ledger()
    adopted = open_ledger(adopt=True)
    assert adopted.counts["accepted"] == 1
    adopted.close()
    open_ledger().close()


def test_a_folder_that_was_moved_is_no_copy(
    open_ledger: Opener, folder: Path, tmp_path: Path
) -> None:
    open_ledger().close()
    moved = tmp_path / "moved"
    moved.mkdir()
    for file in folder.glob("ledger*"):
        file.rename(moved / file.name)
    Ledger(moved).close()


# --- what is no ledger --------------------------------------------------------------------


def test_what_is_no_ledger_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="never begun there"):
        Ledger(tmp_path)
    (tmp_path / "ledger.sqlite").write_bytes(b"")
    with pytest.raises(LedgerError, match="is no ledger"):
        Ledger(tmp_path)
    (tmp_path / "ledger.sqlite").write_bytes(b"something else " * 100)
    with pytest.raises(LedgerError, match="cannot open"):
        Ledger(tmp_path)
    with pytest.raises(LedgerError, match="there is a ledger already"):
        Ledger.create(tmp_path, PEOPLE, campaign_id="c")


async def test_many_tasks_wait_for_one_commit(tmp_path: Path) -> None:
    """Group commit: a hundred intents at once cost a few transactions, not a hundred."""

    async def wait(promise: Promise) -> None:
        await promise

    Ledger.create(tmp_path, [f"p{n}@x.test" for n in range(100)], campaign_id="c")
    with Ledger(tmp_path) as ledger:
        before = (tmp_path / "ledger.sqlite-wal").stat().st_size
        async with trio.open_nursery() as nursery:
            for entry in ledger.select():
                promise = ledger.intend(entry, f"<{entry.position}@x.test>")
                nursery.start_soon(wait, promise)
        after = (tmp_path / "ledger.sqlite-wal").stat().st_size
    assert (after - before) / 4096 < 100


def test_a_script_that_forgets_to_close_loses_nothing(folder: Path) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from smtpbook.ledger.ledger import Ledger\n"
        "from tests.ledger.conftest import result\n"
        "ledger = Ledger(Path(sys.argv[1]))\n"
        "ledger.note(ledger.select().take(), result('ann@x.test', 'accepted'))\n"
    )
    program = [sys.executable, "-c", script, str(folder)]
    subprocess.run(program, check=True, cwd=ROOT)
    with Ledger(folder) as ledger:
        assert ledger.counts == {"accepted": 1, "pending": 3}
