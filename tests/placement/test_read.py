"""Where mail lies is found out from mailboxes as they lie, and joined to the log."""

from __future__ import annotations

import mailbox
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import smtpbook as sb
from smtpbook.errors import ColumnError
from smtpbook.events import row_of
from smtpbook.log.frame import to_frame
from smtpbook.log.join import join_logs
from smtpbook.placement.read import read_again, read_placement
from smtpbook.placement.seeds import SeedList
from tests.placement.mail import SENT_US, log_of, mail, put

ANN, BOB = "ann@own.example", "bob@own.example"


def seeds(*sources: Any) -> SeedList:
    people = (ANN, BOB, "cid@other.example")
    return SeedList(
        {"address": address, "source": source}
        for address, source in zip(people, sources, strict=False)
    )


def read(*sources: Any, log: pd.DataFrame | None = None) -> pd.DataFrame:
    people = (ANN, BOB, "cid@other.example")[: len(sources)]
    given = log_of(*people) if log is None else log
    return read_placement(seeds(*sources), given, progress=False)


@pytest.mark.parametrize(
    ("folder", "placed"),
    [
        ("", "inbox"),
        (".Junk", "spam"),
        (".Spam", "spam"),
        (".Archive.Courrier ind&AOk-sirable", "spam"),
        (".News", "elsewhere"),
        (".Sent", "missing"),
    ],
)
def test_the_folder_of_a_maildir_tells_where_it_lies(
    tmp_path: Path, folder: str, placed: str
) -> None:
    root = put(tmp_path / "box", mail(9))
    put(root / folder, mail(1))
    (row,) = read(root).to_dict("records")
    assert row["placed"] == placed
    assert row["outcome"] == "accepted"
    assert row["message_id"] == "<1@sender.example>"


def test_what_lies_in_the_inbox_and_in_spam_is_in_the_inbox(tmp_path: Path) -> None:
    root = put(tmp_path / "box", mail())
    put(root / ".Junk", mail())
    assert read(root)["placed"].tolist() == ["inbox"]


def test_files_may_be_named_by_their_folder(tmp_path: Path) -> None:
    for name, one in (("in", mail(1)), ("bulk", mail(2))):
        box = mailbox.mbox(tmp_path / name)
        box.add(one)
        box.close()
    source = {"Inbox": tmp_path / "in", "Junk E-mail": tmp_path / "bulk"}
    log = join_logs([log_of(ANN), log_of(ANN, message_id="<2@sender.example>")])
    found = read(source, log=log)
    assert found["placed"].tolist() == ["inbox", "spam"]
    assert read(tmp_path / "bulk", log=log)["placed"].tolist() == ["missing", "inbox"]


def test_what_the_receiver_found_stands_beside_what_was_sent(tmp_path: Path) -> None:
    above = (
        "Authentication-Results: mx.own.example; spf=pass; dkim=pass; dmarc=fail",
        "X-Spam-Status: No, score=1.5",
    )
    root = put(tmp_path / "box", mail(1, *above))
    (row,) = read(root, log=log_of(ANN, arm="B")).to_dict("records")
    assert (row["spf"], row["dkim"], row["dmarc"]) == ("pass", "pass", "fail")
    assert (row["receiver"], row["spam_score"]) == ("mx.own.example", 1.5)
    assert (row["tls"], row["delay_s"]) == ("TLSv1.3", 7.0)
    assert (row["campaign_id"], row["arm"]) == ("seeds-1", "B")
    assert row["sent"] == pd.Timestamp("2026-11-28 12:00", tz="UTC")


@pytest.mark.parametrize(
    "changed",
    [
        mail(message_id="<other@relay.example>"),
        mail(message_id="<4F1234567890@relay.example>").replace(b"id 4F", b"id 5F"),
    ],
)
def test_a_message_that_was_renamed_is_known_by_its_queue_id(
    tmp_path: Path, changed: bytes
) -> None:
    root = put(tmp_path / "box", changed)
    assert read(root, log=log_of(ANN, queue_id="4F1234567890"))["placed"][0] == "inbox"
    assert read(root, log=log_of(ANN, queue_id="4F1234567891"))["placed"][0] == "missing"


def test_a_short_queue_id_names_too_many_messages(tmp_path: Path) -> None:
    strange = mail(message_id="<q7@x.example>").replace(b"id 4F1234567890", b"id q7")
    log = log_of(ANN, queue_id="q7")
    assert read(put(tmp_path / "box", strange), log=log)["placed"][0] == "missing"


@pytest.mark.parametrize(
    ("log", "problem"),
    [
        (log_of(ANN, outcome="rejected"), "no server took it: rejected"),
        (log_of(ANN, message_id=None), "the log has no Message-ID by which to find it"),
        (log_of(BOB), "the log has no message to this address"),
        (log_of(ANN, outcome="suppressed"), "the log has no message to this address"),
    ],
)
def test_what_cannot_lie_anywhere_is_not_missing(
    tmp_path: Path, log: pd.DataFrame, problem: str
) -> None:
    (row,) = read(put(tmp_path / "box"), log=log).to_dict("records")
    assert pd.isna(row["placed"])
    assert row["problem"] == problem


def test_what_is_in_doubt_is_looked_for(tmp_path: Path) -> None:
    log = log_of(ANN, outcome="in_doubt")
    assert read(put(tmp_path / "box", mail()), log=log)["placed"][0] == "inbox"
    (row,) = read(put(tmp_path / "empty"), log=log).to_dict("records")
    assert pd.isna(row["placed"])
    assert row["problem"] == "it may never have been taken: in_doubt"


def test_a_bounce_that_came_later_hides_no_message(tmp_path: Path) -> None:
    later = log_of(ANN, outcome="bounced", time=SENT_US + 60_000_000)
    found = read(put(tmp_path / "box", mail()), log=join_logs([log_of(ANN), later]))
    assert found[["outcome", "placed"]].to_numpy().tolist() == [["accepted", "inbox"]]


def test_a_mailbox_that_cannot_be_read_costs_no_other_its_row(tmp_path: Path) -> None:
    root = put(tmp_path / "box", mail(2))
    found = read(tmp_path / "bux", root)
    assert found["placed"].isna().tolist() == [True, False]
    assert "no file" in found["problem"][0]
    assert found.attrs["read"] == {"mailboxes": 2, "unread": 1}


def test_a_mailbox_is_looked_at_again_until_the_mail_is_there(tmp_path: Path) -> None:
    root = put(tmp_path / "box")
    waited: list[float] = []

    def pause(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 2:
            put(root, mail())

    found = read_again(seeds(root), log_of(ANN), wait_s=600, progress=False, pause=pause)
    assert found["placed"].tolist() == ["inbox"]
    assert waited == [20.0, 20.0]


def test_nothing_is_waited_for_longer_than_was_said(tmp_path: Path) -> None:
    waited: list[float] = []
    found = read_again(
        seeds(put(tmp_path / "box"), tmp_path / "bux"),
        log_of(ANN, BOB),
        wait_s=50,
        progress=False,
        pause=waited.append,
    )
    assert found["placed"].tolist() == ["missing", None] or found["placed"].isna()[1]
    assert sum(waited) == 50


def test_a_send_finds_its_own_mail_again(tmp_path: Path) -> None:
    letter = sb.Template(header_from="a@sender.example", subject="s", text="hi {{ city }}")
    with sb.Lab() as lab:
        list_ = seeds(tmp_path / "box", tmp_path / "box")
        run = list_.send(letter, lab.account, {"city": "Paris"})
        lab.save_maildir(tmp_path / "box")
    found = read_placement(list_, run, progress=False)
    assert found["placed"].tolist() == ["inbox", "inbox"]
    assert found["delay_s"].between(-2, 60).all()
    assert b"Paris" in lab.received[0].data


@pytest.mark.parametrize(
    "day", ["Fri, 31 Dec 9999", "Mon, 01 Jan 0001", "Sat, 99 Nov 2026"]
)
def test_a_day_that_no_calendar_has_costs_no_row(tmp_path: Path, day: str) -> None:
    root = put(tmp_path / "box", mail().replace(b"Sat, 28 Nov 2026", day.encode()))
    assert read(root)["placed"].tolist() == ["inbox"]


def test_reading_leaves_no_trace(tmp_path: Path) -> None:
    root = put(tmp_path / "box", mail())
    before = sorted((path, path.stat().st_mtime_ns) for path in root.rglob("*"))
    read(root)
    assert sorted((path, path.stat().st_mtime_ns) for path in root.rglob("*")) == before


def test_a_table_that_is_no_log_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ColumnError, match="recipient"):
        read(put(tmp_path / "box"), log=log_of(ANN).drop(columns="recipient"))


def test_a_large_log_is_asked_for_its_seeds_alone(tmp_path: Path) -> None:
    root = put(tmp_path / "box", mail())
    strangers = to_frame(
        row_of(kind="outcome", outcome="accepted", recipient=f"{n}@x.example", time=SENT_US)
        for n in range(1000)
    )
    assert len(read(root, log=join_logs([strangers, log_of(ANN)]))) == 1


@settings(max_examples=3, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=300), min_size=9, max_size=9))
def test_any_octets_may_lie_in_a_mailbox(tmp_path: Path, many: list[bytes]) -> None:
    folder = tmp_path / "box" / "cur"
    folder.mkdir(parents=True, exist_ok=True)
    for number, octets in enumerate(many, 1):
        head = b"Message-ID: <%d@sender.example>\n" % number
        (folder / str(number)).write_bytes(head + octets)
    found = read(tmp_path / "box", log=log_of(*[ANN] * 9))
    assert found["placed"].tolist() == ["inbox"] * 9
