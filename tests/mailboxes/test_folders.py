"""Folders on a server are looked at without a trace, whatever it answers."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest

from smtpbook.accounts.oauth import OAuthToken
from smtpbook.accounts.oauth_requests import Grant
from smtpbook.accounts.secret import Secret
from smtpbook.placement.read import read_placement
from smtpbook.placement.seeds import SeedList
from tests.placement.mail import log_of, mail
from tests.servers.imap_script import ImapScript, literal

SEED = "ann.seed@gmail.com"
HEADER = mail(1, "Authentication-Results: mx.google.com; spf=pass; dkim=pass; dmarc=pass")
GMAIL: Mapping[str, bytes | None] = {
    "CAPABILITY": b"* CAPABILITY IMAP4rev1 UNSELECT X-GM-EXT-1 SPECIAL-USE\r\n",
    "LIST": b'* LIST (\\HasNoChildren) "/" "INBOX"\r\n'
    b'* LIST (\\HasChildren \\Noselect) "/" "[Gmail]"\r\n'
    b'* LIST (\\All \\HasNoChildren) "/" "[Gmail]/All Mail"\r\n'
    b'* LIST (\\HasNoChildren \\Junk) "/" "[Gmail]/Pourriel"\r\n'
    b'* LIST (\\HasNoChildren \\Sent) "/" "[Gmail]/Messages envoy&AOk-s"\r\n',
    "EXAMINE": b"* 2 EXISTS\r\n* OK [UIDVALIDITY 1]\r\n",
    "UID SEARCH UID 7 X-GM-RAW CATEGORY:PROMOTIONS": b"* SEARCH 7\r\n",
    "UID SEARCH UID": b"* SEARCH\r\n",
    "UID SEARCH": b"* SEARCH 6 7\r\n",
    "UID FETCH 6,7 (BODY.PEEK[HEADER.FIELDS": b"* 1 FETCH (UID 6 BODY[HEADER]<0> NIL)\r\n"
    b"* 2 FETCH (UID 7 BODY[HEADER.FIELDS (Message-ID Received)]<0> "
    + literal(HEADER)
    + b")\r\n",
    "UID FETCH 7": b'* 2 FETCH (X-GM-LABELS ("\\\\Important" "News &AOk-") UID 7 '
    b'INTERNALDATE "28-Nov-2026 12:00:09 +0000" BODY[HEADER]<0> '
    + literal(HEADER)
    + b")\r\n",
}


@contextmanager
def gmail(folder: Path, **answers: bytes | None) -> Iterator[ImapScript]:
    changed = {name.replace("_", " "): said for name, said in answers.items()}
    # The first that fits is said, so what is changed stands before.
    with ImapScript({**changed, **GMAIL, **changed}, folder).serving() as server:
        yield server


def read(server: ImapScript, password: object = "x") -> pd.Series[object]:
    given = {"password": password, "ca_file": server.ca_file, "receiver": "mx.google.com"}
    seeds = SeedList([{"address": SEED, "source": server.url, **given}])
    table = read_placement(seeds, log_of(SEED), progress=False)
    assert len(table) == 1
    return table.iloc[0]


def test_gmails_tab_and_labels_are_told(tmp_path: Path) -> None:
    with gmail(tmp_path) as server:
        row = read(server)
    assert (row["placed"], row["tab"]) == ("inbox", "promotions")
    assert row["labels"] == "\\Important, News é"
    assert (row["spf"], row["dmarc"], row["delay_s"]) == ("pass", "pass", 7.0)


def test_what_is_in_no_tab_is_primary(tmp_path: Path) -> None:
    with gmail(tmp_path, UID_SEARCH_UID=b"* SEARCH\r\n") as server:
        assert read(server)["tab"] == "primary"


def test_only_what_leaves_no_trace_is_asked(tmp_path: Path) -> None:
    with gmail(tmp_path) as server:
        read(server)
    asked = [command.upper() for command in server.asked]
    verbs = {command.split(" ")[0] for command in asked}
    assert verbs == {"CAPABILITY", "LOGIN", "LIST", "EXAMINE", "UID", "LOGOUT"}
    uids = [command for command in asked if command.startswith("UID ")]
    assert all(line.startswith(("UID SEARCH ", "UID FETCH ")) for line in uids)
    assert all("BODY[" not in line and "RFC822" not in line for line in uids)


def test_the_folder_of_spam_may_have_any_name(tmp_path: Path) -> None:
    with gmail(tmp_path, EXAMINE_INBOX=b"* 0 EXISTS\r\n", UID_SEARCH_SINCE=b"") as server:
        assert read(server)["placed"] == "missing"
    opened = [line for line in server.asked if line.upper().startswith("EXAMINE")]
    assert [line.split(" ", 1)[1].strip('"') for line in opened] == [
        "INBOX",
        "[Gmail]/Pourriel",
        "[Gmail]/All Mail",
    ]


def test_a_token_is_no_password_and_goes_by_xoauth2(tmp_path: Path) -> None:
    token = OAuthToken(
        token_url="https://login.example/token",
        client_id="c",
        scope="imap",
        read=lambda: None,
        keep=lambda _: None,
    )
    token.take(Grant(access=Secret("t0ken"), refresh=None, lifetime_s=3600), None)
    with gmail(tmp_path, AUTHENTICATE=b"+ \r\n") as server:
        assert read(server, password=token)["placed"] == "inbox"
    said = server.asked[server.asked.index("AUTHENTICATE XOAUTH2") + 1]
    assert b64decode(said) == b"user=ann\x01auth=Bearer t0ken\x01\x01"
    assert not any(command.startswith("LOGIN ") for command in server.asked)


@pytest.mark.parametrize(
    "answers",
    [
        {"LIST": b"* LIST " + b"(" * 20_000 + b"\r\n"},
        {"LIST": b'* LIST (\\x) "/"\r\n'},
        {"UID_SEARCH": b"* SEARCH many\r\n"},
        {"UID_FETCH": b"* 1 FETCH (UID 6 BODY[HEADER]<0> (1 (2)))\r\n"},
        {"UID_FETCH": b"* 1 FETCH UID\r\n"},
        {"UID_FETCH": b"* 1 FETCH (UID x BODY[] NIL)\r\n"},
        {"UID_FETCH": None},
        {"EXAMINE": b"* BYE\r\n"},
        {"LOGIN": None},
        {"CAPABILITY": b"\xff\xfe\r\n"},
    ],
)
def test_whatever_a_server_answers_there_is_a_row(
    tmp_path: Path, answers: dict[str, bytes | None]
) -> None:
    with gmail(tmp_path, **answers) as server:
        row = read(server)
    assert pd.isna(row["placed"]) or row["placed"] == "missing"
    assert pd.isna(row["placed"]) == (not pd.isna(row["problem"]))
