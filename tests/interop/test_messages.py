"""Letters of every kind: three parsers read the same, and servers deliver every octet."""

from __future__ import annotations

import mailbox
import smtplib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from smtpbook.bodies.page import Picture
from smtpbook.messages.attachments import Attachment, AttachmentColumn
from smtpbook.messages.template import Template
from smtpbook.protocol.message import Message
from smtpbook.session.session import open_session
from tests.interop.readers import (
    Reading,
    read_with_dovecot,
    read_with_python,
    read_with_rust,
)
from tests.servers.dovecot import Dovecot
from tests.servers.mail import DOMAIN
from tests.servers.postfix import Postfix

PIXEL: Final = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
LOGO: Final = Picture(name="logo.png", content_type="image/png", data=PIXEL)
SIGN: Final = Picture(name="Größe.png", content_type="image/png", data=PIXEL[::-1])
LONG: Final = "Donaudampfschifffahrtsgesellschaft" * 40
DOTS: Final = ".\n..\n.hidden\n\n.\nFrom here\n>From there\nlast ."
READER: Final = f"zoe@{DOMAIN}"
JAPANESE: Final = "山田さん、こんにちは。\n来週の授業は休みです。\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A letter: its template's parameters, its row, and the parts it should have."""

    parts: str
    parameters: Mapping[str, Any]
    row: Mapping[str, str] = field(default_factory=dict)
    files: tuple[str, ...] = ()


KINDS: Final = {
    "text": Kind(parts="plain", parameters={"text": "Good day.\n"}),
    "flowed": Kind(
        parts="plain",
        parameters={"text": "One long \nparagraph.\n\n > quoted\n", "flowed": True},
    ),
    "empty text": Kind(parts="plain", parameters={"text": ""}),
    "only blanks": Kind(parts="plain", parameters={"text": " \n\n  \n"}),
    "trailing blanks": Kind(
        parts="plain", parameters={"text": "é \nblank \ntab\t\n-- \nAnn  "}
    ),
    "trailing blanks in ASCII": Kind(
        parts="plain", parameters={"text": "blank \ntab\t\n-- \nAnn  "}
    ),
    "dots": Kind(parts="plain", parameters={"text": DOTS}),
    "dots and umlauts": Kind(parts="plain", parameters={"text": f"Grüße\n{DOTS}"}),
    "long lines": Kind(parts="plain", parameters={"text": f"{LONG}\n{LONG}é\n.{LONG}"}),
    "Japanese": Kind(
        parts="alternative(plain, html)",
        parameters={
            "subject": "来週の授業について、お知らせがあります。" * 5,
            "text": JAPANESE * 30,
            "html": f"<p>{JAPANESE}</p>" * 30,
            "to_name": "{{ name }}",
        },
        row={"name": "山田 太郎"},
    ),
    "text and HTML": Kind(
        parts="alternative(plain, html)",
        parameters={
            "subject": "Grüße aus {{ city }}",
            "text": "Dear {{ name }}",
            "html": "<p title='=3D'>Dear {{ name }} &amp; all</p>",
            "to_name": "{{ name }}",
            "reply_to": "Büro <desk@x.example>",
        },
        row={"city": "Graz", "name": 'Zoë "Z" Harbor, Prof. <z@z.example>'},
    ),
    "pictures": Kind(
        parts="alternative(plain, related(html, png, png))",
        parameters={
            "text": "See the picture.",
            "html": '<img src="cid:logo.png"><img src="cid:Größe.png">',
            "inline": [LOGO, SIGN],
        },
        files=("logo.png", "Größe.png"),
    ),
    "files": Kind(
        parts="mixed(plain, pdf, csv, octet-stream, pdf)",
        parameters={
            "text": "Files.",
            "attachments": [
                Attachment("Programm Größe 山.pdf", PIXEL * 200),
                Attachment('a "b"; c=d, (e).csv', b"a,b\r\n.\r\n"),
                Attachment("=?utf-8?q?=2E=2E=2Fx?=", b""),
            ],
        },
        row={"file": "Rechnung Nr. 7 für Zoë.pdf"},
        files=(
            "Programm Größe 山.pdf",
            'a "b"; c=d, (e).csv',
            "=?utf-8?q?=2E=2E=2Fx?=",
            "Rechnung Nr. 7 für Zoë.pdf",
        ),
    ),
    "everything": Kind(
        parts="mixed(alternative(plain, related(html, png)), pdf, pdf)",
        parameters={
            "subject": "{{ name }}: " + "ein langer Betreff mit Größe " * 9,
            "text": "Grüße {{ name }}\n--=_x\n",
            "html": '<img src="cid:logo.png">{{ name }}' + "山" * 2000,
            "inline": [LOGO],
            "attachments": [Attachment("x" * 200 + " y z.pdf", PIXEL)],
            "to_name": "{{ name }}",
        },
        row={"name": "Zoë " * 30 + "Z", "file": "a.pdf"},
        files=("logo.png", "x" * 200 + " y z.pdf", "a.pdf"),
    ),
}


@pytest.fixture(scope="module")
def messages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Message]:
    """Each kind's message."""
    folder = tmp_path_factory.mktemp("files")
    return {name: render(kind, folder) for name, kind in KINDS.items()}


def render(kind: Kind, folder: Path) -> Message:
    parameters = {"subject": "Hello", **kind.parameters}
    if "file" in kind.row:
        (folder / kind.row["file"]).write_bytes(PIXEL)
        own = AttachmentColumn("file", folder)
        parameters["attachments"] = [*parameters.get("attachments", ()), own]
    letter = Template(header_from="Änn Harbor <ann@x.example>", **parameters)
    return letter.render({"email": READER, **kind.row})


@pytest.fixture(params=KINDS)
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


def test_another_parser_reads_what_python_reads(
    name: str, messages: dict[str, Message]
) -> None:
    data = messages[name].data
    reading = read_with_rust(data)
    assert reading == read_with_python(data)
    assert str(reading.body) == KINDS[name].parts
    assert file_names(reading) == KINDS[name].files
    is_flowed = KINDS[name].parameters.get("flowed", False)
    assert (reading.body.parameters.get("format") == "flowed") == is_flowed


def file_names(reading: Reading) -> tuple[str, ...]:
    """In the order of the parts."""
    waiting, found = [reading.body], []
    while waiting:
        part = waiting.pop(0)
        waiting[:0] = part.parts
        found += [part.file_name] if part.file_name else []
    return tuple(found)


# --- Dovecot -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def uids(dovecot: Dovecot, messages: dict[str, Message]) -> dict[str, str]:
    """Deliver each kind's message by LMTP, and find it again."""
    with smtplib.LMTP(dovecot.host, dovecot.port) as lmtp:
        for message in messages.values():
            recipients = list(map(str, message.recipients))
            refused = lmtp.sendmail(str(message.reverse_path), recipients, message.data)
            assert refused == {}
    with dovecot.inbox(READER) as imap:
        return {
            name: only(imap.uid("SEARCH", "HEADER", "Message-ID", str(sent.message_id)))
            for name, sent in messages.items()
        }


def only(answer: tuple[str, list[Any]]) -> str:
    status, [uids] = answer
    assert status == "OK"
    [uid] = uids.decode().split()
    return str(uid)


@pytest.mark.real_server
def test_dovecot_reads_what_python_reads(
    name: str, messages: dict[str, Message], dovecot: Dovecot, uids: dict[str, str]
) -> None:
    with dovecot.inbox(READER) as imap:
        reading = read_with_dovecot(imap, uids[name])
    assert reading == read_with_python(messages[name].data)


@pytest.mark.real_server
def test_dovecot_keeps_every_octet(
    name: str, messages: dict[str, Message], dovecot: Dovecot, uids: dict[str, str]
) -> None:
    with dovecot.inbox(READER) as imap:
        _, [(_, stored), _] = imap.uid("FETCH", uids[name], "(BODY.PEEK[])")
    assert stored.endswith(b"\r\n" + messages[name].data)


@pytest.mark.real_server
def test_dovecot_finds_a_letter_by_its_decoded_subject(
    name: str, messages: dict[str, Message], dovecot: Dovecot, uids: dict[str, str]
) -> None:
    subject = read_with_python(messages[name].data).subject
    with dovecot.inbox(READER) as imap:
        imap.literal = subject.encode()
        _, [found] = imap.uid("SEARCH", "CHARSET", "UTF-8", "SUBJECT")
    assert uids[name] in found.decode().split()


# --- Postfix -----------------------------------------------------------------------------


@pytest.mark.real_server
async def test_postfix_delivers_every_octet(
    messages: dict[str, Message], postfix: Postfix
) -> None:
    async with open_session(postfix.account()) as session:
        results = [result async for result in session.send_many(messages.values())]
    postfix.wait_delivered([(str(result.queue_id), READER) for result in results])
    stored = mailbox.Maildir(postfix.maildir, create=False)
    by_id = {mail["Message-ID"]: stored.get_bytes(key) for key, mail in stored.items()}
    for message in messages.values():
        # A maildir's lines end as the system's do.
        wanted = b"\n" + message.data.replace(b"\r\n", b"\n")
        assert by_id[message.message_id].endswith(wanted)
