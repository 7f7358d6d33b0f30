"""Bounces are read from a mailbox of a real IMAP server, which does not notice."""

from __future__ import annotations

import imaplib
import traceback
from collections.abc import Iterator

import pytest

from smtpbook.accounts.secret import Secret
from smtpbook.bounces.dmarc import read_dmarc_reports
from smtpbook.bounces.read import read_bounces
from smtpbook.errors import SMTPBookError, TLSError, TransportError
from smtpbook.mailboxes.mails import mails_in
from smtpbook.samples import share_path
from tests.servers.dovecot import Dovecot
from tests.servers.mail import PASSWORD

pytestmark = [pytest.mark.real_server, pytest.mark.heavy, pytest.mark.side_by_side]

LOGS = share_path("data") / "logs"
USER = "bounces@news.example"
BOX = "Zurück & mehr"
SPELT = "Zur&APw-ck &- mehr"


@pytest.fixture(scope="module")
def imap(dovecot: Dovecot) -> Iterator[imaplib.IMAP4]:
    """Put the sample's mails into a mailbox, and keep a connection that looks at it."""
    connection = imaplib.IMAP4(dovecot.host, dovecot.imap_port)
    connection.login(USER, PASSWORD)
    connection.create(f'"{SPELT}"')
    for mail in mails_in(LOGS / "bounces.mbox"):
        connection.append("INBOX", "", "", mail.octets)
    connection.append(f'"{SPELT}"', "", "", (LOGS / "dmarc-report.xml").read_bytes())
    yield connection
    # The server is everybody's, and other tests look at all that lies in its mailboxes.
    connection.delete(f'"{SPELT}"')
    connection.select("INBOX")
    connection.store("1:*", "+FLAGS", r"\Deleted")
    connection.expunge()
    connection.logout()


def url(
    dovecot: Dovecot, scheme: str, mailbox: str = "INBOX", host: str = "localhost"
) -> str:
    port = dovecot.imaps_port if scheme == "imaps" else dovecot.imap_port
    return f"{scheme}://bounces%40news.example@{host}:{port}/{mailbox}"


@pytest.mark.parametrize("scheme", ["imaps", "imap"])
def test_a_mailbox_reads_as_the_file_does_and_stays_unseen(
    scheme: str, dovecot: Dovecot, imap: imaplib.IMAP4
) -> None:
    log = read_bounces(
        url(dovecot, scheme), password=Secret(PASSWORD), ca_file=dovecot.ca_file
    )
    expected = read_bounces(LOGS / "bounces.mbox")
    assert log["recipient"].equals(expected["recipient"])
    assert log["reply_text"].equals(expected["reply_text"])
    assert log.attrs["read"]["what"] == expected.attrs["read"]["what"]
    imap.select("INBOX", readonly=True)
    _, unseen = imap.search(None, "UNSEEN")
    assert len(unseen[0].split()) == log.attrs["read"]["mails"]


def test_a_mailbox_may_have_any_name_and_hold_reports(
    dovecot: Dovecot, imap: imaplib.IMAP4
) -> None:
    place = url(dovecot, "imaps", "Zur%C3%BCck%20%26%20mehr")
    table = read_dmarc_reports(place, password=lambda: PASSWORD, ca_file=dovecot.ca_file)
    assert table["count"].tolist() == [120, 3]


def test_only_what_came_since_a_day_is_read(dovecot: Dovecot, imap: imaplib.IMAP4) -> None:
    place = url(dovecot, "imaps")
    given = {"password": PASSWORD, "ca_file": dovecot.ca_file}
    assert read_bounces(place, since="2020-01-01", **given).attrs["read"]["mails"] == 19
    assert read_bounces(place, since="2100-01-01", **given).attrs["read"]["mails"] == 0


def test_a_wrong_password_is_told_and_shown_nowhere(dovecot: Dovecot) -> None:
    wrong = "correct horse"
    with pytest.raises(SMTPBookError, match="refuses the login") as caught:
        read_bounces(url(dovecot, "imaps"), password=Secret(wrong), ca_file=dovecot.ca_file)
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    ours = [line for line in shown.format() if "test_mailboxes" not in line]
    assert wrong not in "".join(ours)


def test_a_mailbox_that_is_not_there_is_named(dovecot: Dovecot) -> None:
    with pytest.raises(SMTPBookError, match="no mailbox 'Nowhere'"):
        read_bounces(
            url(dovecot, "imaps", "Nowhere"), password=PASSWORD, ca_file=dovecot.ca_file
        )


@pytest.mark.parametrize("scheme", ["imaps", "imap"])
def test_a_certificate_that_nobody_vouches_for_ends_it(
    scheme: str, dovecot: Dovecot
) -> None:
    with pytest.raises(TLSError):
        read_bounces(url(dovecot, scheme), password=PASSWORD)


def test_a_server_that_is_not_there_is_a_transport_error() -> None:
    with pytest.raises(TransportError, match=r"127\.0\.0\.1:1"):
        read_bounces("imaps://ann@127.0.0.1:1/INBOX", password="x")
