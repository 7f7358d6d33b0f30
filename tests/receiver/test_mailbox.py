"""Requests by mail: tokens are found in subjects, whatever programs made of them."""

from __future__ import annotations

import mailbox
import os
import time
from email.header import Header
from email.message import EmailMessage
from pathlib import Path

import pytest

from smtpbook.errors import RecipientsError
from smtpbook.receiver.mailbox import read_unsubscribes
from smtpbook.recipients.suppression import SuppressionList
from smtpbook.unsubscribe import Unsubscribe, Unsubscribed

UNSUBSCRIBE = Unsubscribe(mailto="leave@news.example.org", secret=bytes(16))
MAY = Unsubscribe(mailto="leave@news.example.org", secret=bytes(16), campaign="may")
TOKEN = UNSUBSCRIBE.token("ann@x.example")
ANN = Unsubscribed("ann@x.example", None)


@pytest.fixture
def stop(tmp_path: Path) -> SuppressionList:
    return SuppressionList.open(tmp_path / "never.csv")


def request(subject: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = "somebody@else.example"
    message["Subject"] = subject
    message.set_content("Subject: unsubscribe\n\nplease\n")
    return message


def asked(path: Path) -> list[Unsubscribed | None]:
    return [one.unsubscribed for one in read_unsubscribes(path, UNSUBSCRIBE)]


def test_an_mbox_is_read_and_kept(tmp_path: Path, stop: SuppressionList) -> None:
    box = mailbox.mbox(tmp_path / "leave.mbox")
    for subject in (
        f"unsubscribe {TOKEN}",
        "Cheap watches",
        f"unsubscribe {MAY.token('bob@x.example')}",
        f"unsubscribe {TOKEN}",
        f"unsubscribe {UNSUBSCRIBE.token('zoë@bücher.example')}",
    ):
        box.add(request(subject))
    box.close()
    requests = read_unsubscribes(tmp_path / "leave.mbox", UNSUBSCRIBE, stop)
    assert [one.unsubscribed for one in requests] == [
        ANN,
        None,
        Unsubscribed("bob@x.example", "may"),
        ANN,
        Unsubscribed("zoë@xn--bcher-kva.example", None),
    ]
    assert requests[1].subject == "Cheap watches"
    kept = {(one.address_or_rule, one.reason, one.campaign) for one in stop}
    assert kept == {
        ("ann@x.example", "unsubscribed", None),
        ("bob@x.example", "unsubscribed", "may"),
        ("zoë@xn--bcher-kva.example", "unsubscribed", None),
    }
    read_unsubscribes(tmp_path / "leave.mbox", UNSUBSCRIBE, stop)
    assert len(stop) == 3


def test_a_maildir_and_a_message_are_read(tmp_path: Path) -> None:
    box = mailbox.Maildir(tmp_path / "Maildir")
    key = box.add(request(f"unsubscribe {TOKEN}"))
    read = mailbox.MaildirMessage(request("hello"))
    read.set_subdir("cur")
    box.add(read)
    assert asked(tmp_path / "Maildir") == [None, ANN]
    assert asked(tmp_path / "Maildir" / "new" / key) == [ANN]


@pytest.mark.parametrize(
    "subject",
    [
        f"unsubscribe {TOKEN}",
        f"Unsubscribe  {TOKEN} ",
        f"Re: unsubscribe {TOKEN}",
        f"[EXTERNAL] unsubscribe {TOKEN}",
        f"unsubscribe {TOKEN} (sent by a robot)",
        f"unsubscribe\r\n {TOKEN}",
        f"unsubscribe {TOKEN[:20]}\r\n {TOKEN[20:]}",
        Header(f"unsubscribe {TOKEN}", "utf-8").encode(),
        Header(f"unsubscribe {TOKEN}", "utf-8", maxlinelen=40).encode(linesep="\r\n"),
        f"=?utf-8?Q?unsubscribe_{TOKEN.replace('_', '=5F')}?=",
        TOKEN,
        f"unsubscribe please: unsubscribe {TOKEN}",
    ],
)
def test_programs_may_wrap_a_subject(tmp_path: Path, subject: str) -> None:
    path = tmp_path / "one.eml"
    path.write_bytes(f"From: a@x.example\r\nSubject: {subject}\r\n\r\n".encode())
    assert asked(path) == [ANN]


@pytest.mark.parametrize(
    "subject",
    [
        "",
        "unsubscribe",
        f"unsubscribe {TOKEN[:-1]}",
        f"unsubscribe {TOKEN.lower()}",
        "please unsubscribe me\x1b[31m",
        "=?utf-8?b?!!!!?= unsubscribe =?nonsense?q?x?=",
        "unsubscribe " + "A" * 100_000,
        "unsubscribe " * 20_000,
        "=?utf-8?q?unsubscribe?= " * 10_000,
        "=?" * 50_000,
    ],
)
def test_a_subject_without_a_token_of_ours_asks_for_nobody(
    tmp_path: Path, stop: SuppressionList, subject: str
) -> None:
    path = tmp_path / "one.eml"
    path.write_bytes(f"From: a@x.example\nSubject: {subject}\n\n".encode())
    start = time.process_time()
    (one,) = read_unsubscribes(path, UNSUBSCRIBE, stop)
    assert time.process_time() - start < 10
    assert one.unsubscribed is None
    assert not stop.path.exists()


def test_mail_that_is_hardly_mail_is_read(tmp_path: Path) -> None:
    path = tmp_path / "odd.mbox"
    path.write_bytes(
        b"From x Mon Nov 23 10:00:00 2026\nX-Only: this\n\n"
        b"\nFrom x Mon Nov 23 10:00:00 2026\nSubject: \xff\xfe unsubscribe "
        + TOKEN.encode()
        + b"\nSubject: another\n\n"
    )
    assert asked(path) == [None, ANN]


def test_a_mailbox_without_requests_is_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "empty.mbox"
    path.write_bytes(b"")
    assert asked(path) == []
    mailbox.Maildir(tmp_path / "Maildir").close()
    assert asked(tmp_path / "Maildir") == []


def test_what_is_no_mailbox_is_refused(tmp_path: Path) -> None:
    (tmp_path / "leave.mbox").write_bytes(b"")
    with pytest.raises(RecipientsError, match=r"did you mean 'leave.mbox'\?"):
        asked(tmp_path / "leaves.mbox")
    with pytest.raises(RecipientsError, match="no file"):
        asked(tmp_path / "none" / "leave.mbox")
    with pytest.raises(RecipientsError, match="no maildir"):
        asked(tmp_path)
    (tmp_path / "people.csv").write_text("email\nann@x.example\n")
    with pytest.raises(RecipientsError, match="holds no message"):
        asked(tmp_path / "people.csv")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RecipientsError, match="no ordinary file"):
        asked(tmp_path / "pipe")


def test_a_list_that_cannot_be_written_is_said(
    tmp_path: Path, stop: SuppressionList
) -> None:
    path = tmp_path / "one.eml"
    path.write_text(f"Subject: unsubscribe {TOKEN}\n\n")
    stop.path.write_text("no,list\n")
    with pytest.raises(RecipientsError, match="no suppression list"):
        read_unsubscribes(path, UNSUBSCRIBE, stop)
