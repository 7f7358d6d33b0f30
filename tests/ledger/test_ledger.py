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
from pathlib import Path

import pytest
import trio

from smtpbook.errors import LedgerError
from smtpbook.ledger.ledger import Ledger
from smtpbook.ledger.standings import FILE, Standings
from smtpbook.protocol.replies import Reply
from smtpbook.transfer.transaction import Outcome, RecipientResult
from tests.ledger.conftest import PEOPLE, result
from tests.servers.process import ROOT

Opener = Callable[..., Ledger]


def chosen(ledger: Ledger, *asked: object) -> list[str]:
    return [entry.address for entry in ledger.select(*asked)]  # type: ignore[arg-type]


def note(ledger: Ledger, address: str, outcome: Outcome) -> None:
    (entry,) = ledger.select(address)
    ledger.note(entry, result(address, outcome))


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


# --- asking -------------------------------------------------------------------------------


def test_those_never_tried_come_in_the_lists_order(open_ledger: Opener) -> None:
    ledger = open_ledger()
    assert chosen(ledger) == PEOPLE
    assert chosen(ledger, None, 2) == PEOPLE[:2]
    assert chosen(ledger, None, 0) == []
    note(ledger, "bob@y.test", "deferred")
    assert chosen(ledger, None, 2) == [PEOPLE[0], PEOPLE[2]]
    assert (len(ledger), ledger.counts) == (4, {"pending": 3, "deferred": 1})


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        ("deferred", ["bob@y.test"]),
        ("mailbox_full", ["bob@y.test"]),
        (["rejected", "deferred"], ["Ann@x.test", "bob@y.test"]),
        ("ANN@X.test", ["Ann@x.test"]),
        ("eve@bücher.example", ["eve@xn--bcher-kva.example"]),
        ("failed", []),
        ([], []),
    ],
)
def test_outcomes_reasons_and_addresses_choose(
    open_ledger: Opener, only: str | list[str], expected: list[str]
) -> None:
    ledger = open_ledger()
    note(ledger, "bob@y.test", "deferred")
    note(ledger, "Ann@x.test", "rejected")
    assert chosen(ledger, only) == expected


@pytest.mark.parametrize(
    ("only", "message"),
    [
        ("defered", "did you mean 'deferred'"),
        ("accepted", "no outcome to try again"),
        ("bobby@y.test", "'bobby@y.test' is not in .* did you mean 'bob@y.test'"),
    ],
)
def test_a_word_that_names_nobody_is_refused_with_the_near_miss(
    open_ledger: Opener, only: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        open_ledger().select(only)


def test_a_limit_below_nothing_is_refused(open_ledger: Opener) -> None:
    with pytest.raises(ValueError, match="limit=-1"):
        open_ledger().select(None, -1)


def test_an_address_listed_twice_is_one_recipient(tmp_path: Path) -> None:
    people = ["Ann@x.test", "bob@y.test", "ann@X.test", "strasse@z.test", "straße@z.test"]
    assert Ledger.create(tmp_path, people, campaign_id="c") == 4
    with Ledger(tmp_path) as ledger:
        assert chosen(ledger) == [people[0], people[1], people[3], people[4]]


def test_whose_retry_is_to_come_is_chosen_with_its_time_unless_asked_for_by_hand(
    open_ledger: Opener,
) -> None:
    ledger = open_ledger()
    (bob,) = ledger.select("bob@y.test")
    ledger.note(bob, result("bob@y.test", "deferred"), due=2000.0)
    assert [e.due for e in ledger.select() if e.outcome is not None] == [2000.0]
    assert [e.due for e in ledger.select("deferred")] == [None]


def test_a_queue_hands_out_everybody_once_however_many_it_reads_at_a_time(
    tmp_path: Path,
) -> None:
    people = [f"p{n}@x.test" for n in range(1000)]
    Ledger.create(tmp_path, people, campaign_id="c")
    with Ledger(tmp_path, rows=lambda positions: [{"n": n} for n in positions]) as ledger:
        queue = ledger.select(None, 700)
        first = [entry for _ in range(300) if (entry := queue.take())]
        assert (len(queue), len(list(queue))) == (400, 400)
        rest = []
        while (entry := queue.take()) is not None:
            rest.append(entry)
    assert [e.address for e in first + rest] == people[:700]
    assert [e.row["n"] for e in rest] == list(range(300, 700))


# --- suppression --------------------------------------------------------------------------


@pytest.mark.parametrize("spelled", ["bob@y.test", " BOB@Y.test ", "bob@y.test\n"])
def test_the_suppressed_never_go_out_however_they_are_asked_for(
    open_ledger: Opener, spelled: str
) -> None:
    ledger = open_ledger()
    ledger.suppress([spelled])
    assert ledger.counts == {"pending": 3, "suppressed": 1}
    assert "bob@y.test" not in chosen(ledger)
    assert chosen(ledger, "bob@y.test") == []
    ledger.close()
    again = open_ledger(in_doubt="resend")
    assert chosen(again, ["bob@y.test", "failed", "ann@x.test"]) == ["Ann@x.test"]


def test_who_is_suppressed_while_sending_is_not_handed_out_any_more(
    open_ledger: Opener,
) -> None:
    ledger = open_ledger()
    queue = ledger.select()
    taken = [queue.take()]  # the others have been read with it
    ledger.suppress(["bob@y.test"])
    while (entry := queue.take()) is not None:
        taken.append(entry)
    assert [one.address for one in taken if one] == [PEOPLE[0], *PEOPLE[2:]]
    assert len(queue) == 0


def test_what_was_accepted_stays_so(open_ledger: Opener) -> None:
    ledger = open_ledger()
    note(ledger, "bob@y.test", "accepted")
    note(ledger, "Ann@x.test", "in_doubt")
    ledger.suppress(["bob@y.test", "ann@x.test"])
    assert ledger.counts == {"pending": 2, "accepted": 1, "in_doubt": 1}
    assert chosen(ledger, ["in_doubt", "bob@y.test"]) == []


@pytest.mark.parametrize("junk", ["email", "", None, 5])
def test_what_would_protect_nobody_is_refused(open_ledger: Opener, junk: object) -> None:
    with pytest.raises(ValueError, match="is not an address"):
        open_ledger().suppress([junk])  # type: ignore[list-item]


# --- sending ------------------------------------------------------------------------------


async def test_what_was_noted_is_there_when_opened_again(open_ledger: Opener) -> None:
    ledger = open_ledger()
    queue = ledger.select()
    for outcome in ("accepted", "rejected", "failed"):
        entry = queue.take()
        assert entry is not None
        await ledger.intend(entry, f"<{outcome}@x.test>")
        ledger.begin(entry)
        ledger.note(entry, result(entry.address, outcome), session_id="s1")
        assert (entry.attempts, entry.outcome) == (1, outcome)
    ledger.close()
    again = open_ledger()
    assert again.recovered == {}
    assert again.counts == {"accepted": 1, "rejected": 1, "failed": 1, "pending": 1}
    ann, bob, eve, last = again.outcomes()
    assert ann[:5] == ("Ann@x.test", "accepted", None, 1, "END-OF-DATA")
    assert bob[2:][:5] == ("user_unknown", 1, "END-OF-DATA", 550, "5.1.1 no such user")
    assert (eve.outcome, eve.reply_code, eve.session_id) == ("failed", None, "s1")
    assert (ann.message_id, last.outcome, last.message_id) == (
        "<accepted@x.test>",
        "pending",
        None,
    )


async def test_an_intent_can_be_asked_for_ahead_and_awaited_later(
    open_ledger: Opener, folder: Path
) -> None:
    ledger = open_ledger()
    promise = ledger.intend([*ledger.select()], "<all@x.test>")
    await promise
    await promise
    with Standings.open(folder) as other:
        assert [other.attempts(who)[0].message_id for who in PEOPLE] == ["<all@x.test>"] * 4


async def test_a_withdrawn_recipient_stands_where_it_stood(open_ledger: Opener) -> None:
    ledger = open_ledger()
    note(ledger, "bob@y.test", "deferred")
    (bob,) = ledger.select("deferred")
    await ledger.intend(bob, "<1@x.test>")
    assert bob.again_id is None
    ledger.withdraw(bob)
    await ledger.intend(bob, "<2@x.test>")
    ledger.withdraw(bob)
    assert chosen(ledger, "deferred") == ["bob@y.test"]
    assert [one.attempt for one in ledger.attempts("bob@y.test")] == [1]


async def test_two_open_attempts_for_one_recipient_are_impossible(
    open_ledger: Opener,
) -> None:
    ledger = open_ledger()
    (bob,) = ledger.select("bob@y.test")
    (same,) = ledger.select("bob@y.test")
    same.attempts = 4  # as one might believe who missed something
    await ledger.intend(bob, "<1@x.test>")
    with pytest.raises(LedgerError, match="UNIQUE"):
        await ledger.intend(same, "<2@x.test>")
    with pytest.raises(LedgerError, match="nothing further is sent"):
        ledger.intend(same, "<3@x.test>")


def test_a_reply_that_is_not_text_is_kept_readable(open_ledger: Opener) -> None:
    ledger = open_ledger()
    (bob,) = ledger.select("bob@y.test")
    reply = Reply(code=550, lines=("caf\udce9",))
    ledger.note(
        bob,
        RecipientResult(
            recipient="bob@y.test", outcome="rejected", reply=reply, verb="RCPT"
        ),
    )
    assert [one.reply_text for one in ledger.outcomes()][1] == "caf\\xe9"


# --- after a crash ------------------------------------------------------------------------


async def _three_open(ledger: Ledger) -> None:
    """One begun, one intended only, one accepted."""
    ann, bob, eve, _ = ledger.select()
    for entry in (eve, ann, bob):
        await ledger.intend(entry, f"<{entry.position}@x.test>")
    ledger.begin(eve)
    ledger.note(eve, result(eve.address, "accepted"))
    ledger.begin(ann)
    await ledger.flush()


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


# --- settling -----------------------------------------------------------------------------


def test_a_person_can_say_what_became_of_those_in_doubt(open_ledger: Opener) -> None:
    ledger = open_ledger()
    note(ledger, "bob@y.test", "in_doubt")
    note(ledger, "Ann@x.test", "in_doubt")
    ledger.settle({"BOB@y.test": "accepted", "ann@x.test": "failed"})
    assert ledger.counts == {"pending": 2, "accepted": 1, "failed": 1}
    assert chosen(ledger, "failed") == ["Ann@x.test"]
    assert [one.is_settled for one in ledger.outcomes()] == [True, True, False, False]
    (told,) = ledger.attempts("bob@y.test")
    assert (told.outcome, told.settled) == ("in_doubt", "accepted")


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"bob@y.test": "acepted"}, "did you mean 'accepted'"),
        ({"bob@y.test": "accepted", "ann@x.test": "accepted"}, "pending, not in doubt"),
        ({"bob@y.test": "accepted", "bib@y.test": "accepted"}, "did you mean 'bob@y.test'"),
    ],
)
def test_what_cannot_be_settled_is_refused_as_a_whole(
    open_ledger: Opener, told: dict[str, str], message: str
) -> None:
    ledger = open_ledger()
    note(ledger, "bob@y.test", "in_doubt")
    with pytest.raises(ValueError, match=message):
        ledger.settle(told)
    assert ledger.counts == {"pending": 3, "in_doubt": 1}


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


def test_a_closed_ledger_takes_nothing(open_ledger: Opener) -> None:
    ledger = open_ledger()
    (bob,) = ledger.select("bob@y.test")
    ledger.close()
    ledger.close()
    with pytest.raises(LedgerError, match="is closed"):
        ledger.note(bob, result("bob@y.test", "accepted"))


def test_a_word_for_those_in_doubt_that_is_none_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="in_doubt='maybe'"):
        Ledger(folder, in_doubt="maybe")  # type: ignore[arg-type]


async def test_many_tasks_wait_for_one_commit(tmp_path: Path) -> None:
    """Group commit: a hundred intents at once cost a few transactions, not a hundred."""
    Ledger.create(tmp_path, [f"p{n}@x.test" for n in range(100)], campaign_id="c")
    with Ledger(tmp_path) as ledger:
        before = (tmp_path / "ledger.sqlite-wal").stat().st_size
        async with trio.open_nursery() as nursery:
            for entry in ledger.select():
                promise = ledger.intend(entry, f"<{entry.position}@x.test>")
                nursery.start_soon(promise._wait)
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


def test_whoever_looks_sees_signs_of_life(open_ledger: Opener, folder: Path) -> None:
    ledger = open_ledger()
    with Standings.open(folder) as other:
        begun = other.runner
        note(ledger, "bob@y.test", "accepted")
        assert ledger.counts["accepted"] == 1
        now = other.runner
    assert begun is not None
    assert now is not None
    assert (now.pid, now.since) == (os.getpid(), begun.since)
    assert now.heartbeat > begun.heartbeat
