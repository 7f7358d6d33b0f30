"""Mail to a seed list is found in folders of a real IMAP server, which does not notice."""

from __future__ import annotations

import imaplib
from collections.abc import Iterator

import pytest

import smtpbook as sb
from smtpbook.placement.read import read_placement
from smtpbook.placement.seeds import SeedList
from tests.servers.dovecot import Dovecot
from tests.servers.mail import PASSWORD

pytestmark = [pytest.mark.real_server, pytest.mark.heavy, pytest.mark.side_by_side]

PEOPLE = {
    "inbox": "seed1@a.example",
    "spam": "seed2@b.example",
    "elsewhere": "seed3@b.example",
}
FOLDERS = {"spam": "Verd&AOQ-chtig.Spam", "elsewhere": "News"}
MISSING = "seed4@a.example"


@pytest.fixture(scope="module")
def sent(dovecot: Dovecot) -> Iterator[sb.Run]:
    """Send to each, and put what came where it is to lie."""
    letter = sb.Template(header_from="a@sender.example", subject="hello", text="hi")
    run = seeds(dovecot).send(letter, dovecot.account())
    for placed, folder in FOLDERS.items():
        with _at(dovecot, PEOPLE[placed]) as imap:
            imap.create(folder)
            imap.select("INBOX")
            imap.copy("1:*", folder)
            _empty(imap)
    with _at(dovecot, MISSING) as imap:
        imap.select("INBOX")
        _empty(imap)
    yield run
    # The server is everybody's, and other tests look at all that lies in its mailboxes.
    for placed, address in PEOPLE.items():
        with _at(dovecot, address) as imap:
            if placed in FOLDERS:
                imap.delete(FOLDERS[placed])
            imap.select("INBOX")
            _empty(imap)


def seeds(dovecot: Dovecot) -> SeedList:
    server = f"localhost:{dovecot.imaps_port}"
    return SeedList(
        {
            "address": address,
            "source": f"imaps://{address.replace('@', '%40')}@{server}",
            "password": PASSWORD,
            "ca_file": dovecot.ca_file,
        }
        for address in (*PEOPLE.values(), MISSING)
    )


def _at(dovecot: Dovecot, address: str) -> imaplib.IMAP4:
    imap = imaplib.IMAP4(dovecot.host, dovecot.imap_port)
    imap.login(address, PASSWORD)
    return imap


def _empty(imap: imaplib.IMAP4) -> None:
    _, every = imap.search(None, "ALL")
    if every != [b""]:
        imap.store("1:*", "+FLAGS", r"\Deleted")
        imap.expunge()


def test_it_is_found_where_it_lies(dovecot: Dovecot, sent: sb.Run) -> None:
    found = read_placement(seeds(dovecot), sent, progress=False)
    assert found["placed"].tolist() == [*PEOPLE, "missing"]
    assert found["folder"].dropna().tolist() == ["INBOX", "Verdächtig.Spam", "News"]
    assert found["problem"].isna().all()
    assert found["delay_s"].dropna().between(-2, 60).all()
    assert found["message_id"].isin(sent.log["message_id"]).all()


def test_nothing_is_marked_by_being_looked_at(dovecot: Dovecot, sent: sb.Run) -> None:
    read_placement(seeds(dovecot), sent, progress=False)
    for placed, address in PEOPLE.items():
        with _at(dovecot, address) as imap:
            imap.select(FOLDERS.get(placed, "INBOX"), readonly=True)
            _, unseen = imap.search(None, "UNSEEN")
            _, every = imap.search(None, "ALL")
            assert unseen == every != [b""]


def test_a_password_that_is_refused_is_one_rows_problem(
    dovecot: Dovecot, sent: sb.Run
) -> None:
    first, second, *_ = seeds(dovecot)
    wrong = {"address": first.address, "source": first.source, "ca_file": first.ca_file}
    mixed = SeedList([wrong | {"password": "correct horse"}, second])
    found = read_placement(mixed, sent, progress=False)
    assert found["placed"].isna().tolist() == [True, False]
    assert "refuses the login of seed1@a.example" in found["problem"][0]
    assert "horse" not in found.to_csv()
