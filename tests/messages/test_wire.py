"""Whatever the cells hold: what is on the wire is what was declared, or nothing is.

Every place of a letter that a row fills in is given text that would end a header line,
open another part, name another recipient or leave a folder, if it were taken for anything
but data.  The message is then read as the strictest and the laxest reader of Python read
it, and compared with what was put in.
"""

from __future__ import annotations

import email
import re
from collections.abc import Iterator, Sequence
from email.header import decode_header, make_header
from email.headerregistry import HeaderRegistry
from email.policy import compat32, default
from email.utils import getaddresses
from functools import lru_cache
from inspect import signature
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import escape

from smtpbook.errors import LocalProtocolError, TemplateError
from smtpbook.lab.lab import Lab
from smtpbook.messages.attachments import AttachmentColumn
from smtpbook.messages.template import Template
from smtpbook.protocol.addresses import Mailbox
from smtpbook.protocol.message import MAX_LINE, Message
from smtpbook.session.session import open_session

pytestmark = pytest.mark.side_by_side

SENDER: Final = "ann@x.example"
ANY: Final = "application/octet-stream"
PLACES: Final = ("subject", "name", "note", "email", "file", "text", "html")

# How the errors call a place.
CALLED: Final = {
    **dict(zip(PLACES, PLACES, strict=True)),
    "name": "to_name: ",
    "note": "X-Note",
    "file": "column 'file', for ",
}

# What ends a header line in some reader, and what no octets stand for.
BREAKS: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
NOT_IN_BODIES: Final = re.compile("[\0\ud800-\udfff]")
NOT_IN_NAMES: Final = re.compile(f"{BREAKS.pattern}|[/\\\\\u202a-\u202e\u2066-\u2069]")
# A field that programs read is not encoded unless it must, so its words need lines of 998.
LONG_WORD: Final = re.compile(r"(?!.*=\?.*\?=)[ -~]*[!-~]{990}[ -~]*")


def letter(*attachments: AttachmentColumn) -> Template:
    return Template(
        header_from=f"Ann <{SENDER}>",
        subject="{{ subject }}",
        to_name="{{ name }}",
        headers={"X-Note": "{{ note }}"},
        text="Dear {{ name }},\n{{ text }}\n-- \nAnn",
        html="<p title='{{ name }}'>{{ html }}</p>",
        attachments=attachments,
    )


def _boundaries() -> list[str]:
    """The letter's own, which are the same for every row: anybody may know them."""
    row = dict.fromkeys(PLACES, "x") | {"email": "zoe@y.example"}
    boundary = str(email.message_from_bytes(letter().render(row).data).get_boundary())
    return [f"{begin}{boundary[:-1]}{end}" for begin in ("--", "\n--") for end in "am"]


NASTY: Final = [
    *("\r", "\n", "\r\n", "\0", "\t", "\x0b", "\x0c", "\x1b", "\x1c", "\x7f", "\x85"),
    *("\u2028", "\u2029", "\ud800", "\udcff", "\ufffe", "\U0010ffff"),
    *("\u202e", "\u2066", "\u200f", "\u200b", "\ufeff", "\u00a0", "\u3000", "\u0301"),
    *("\r\nBcc: bob@z.example\r\n", "\nSubject: x\n", "\r\n\r\n", "\n\n", "\r\n.\r\n"),
    *("Bcc: bob@z.example", "Content-Type: text/html", "From ", ".", "\n.", "\nFrom "),
    *("=?utf-8?q?=0D=0ABcc:_bob=40z.example?=", "=?utf-8?b?Pz8=?=", "=?utf-8?q?", "?="),
    *("=?", "=?=", "=?x?q?=ff?=", "=", "=\r\n", "=3D", "=0D=0A", "_", "?"),
    *("--", "--=_", "=_", "\n--=_", "=_a--", "=_abc", "utf-8''%0D%0A", "filename*0*=x"),
    *('"', "'", "\\", '\\"', "<", ">", "(", ")", "[", "]", ",", ";", ":", "@", "%", "&"),
    *("<bob@z.example>", "bob@z.example", ", bob@z.example", "group:;", "/", "../", "~"),
    *("../../etc/passwd", "{{ email }}", "{% raw %}", "}}", "<script>", "&amp;", "<!--"),
    *(" ", "  ", "word", "Zoë", "山", "😀", "👩\u200d👩\u200d👧", "שלום", "مرحبا", "ß"),
    *_boundaries(),
    *("x" * 75, "x" * 998, "é" * 40, "山" * 400, "a " * 60, " " * 80, "a,b;" * 30),
]
TEXTS: Final = st.lists(st.sampled_from(NASTY) | st.text(max_size=3), max_size=6).map(
    "".join
)
# One for each place, so that each can stand at each: as it is at one place of a row, and
# rid of what no message can hold at the others.
BATCHES: Final = st.lists(TEXTS, min_size=len(PLACES), max_size=len(PLACES))

# Python's parser takes a millisecond for a field and asks for the same ones many times.
STRICT: Final = default.clone(header_factory=lru_cache(1000)(HeaderRegistry()))

Row = dict[str, str]


def rows_of(texts: Sequence[str], folder: Path) -> Iterator[tuple[str, Row]]:
    """Give rows, each with the place that holds a text as it is."""
    count = len(PLACES)
    for shift in range(count):
        shifted = [texts[(at + shift) % count] for at in range(count)]
        tame = {
            place: tamed(place, text) for place, text in zip(PLACES, shifted, strict=True)
        }
        (folder / tame["file"]).write_bytes(content_of(tame["file"]))
        for place, text in zip(PLACES, shifted, strict=True):
            yield place, tame | {place: text}


def tamed(place: str, text: str) -> str:
    """Leave out what the place cannot hold."""
    if place == "email":
        # A quoted local part may hold nearly anything (RFC 5321 section 4.1.2).
        kept = "".join(char for char in text if char.isprintable())
        quoted = re.sub(r'(["\\])', r"\\\1", kept[:15])
        if len(text) % 4:
            quoted = quoted.encode("ascii", "ignore").decode().rstrip("\\")
        return f'"z{quoted}"@y.example'
    if place == "file":
        name = NOT_IN_NAMES.sub("", text).strip()
        while len(name.encode()) > 255:
            name = name[:-1].strip()
        return name if name.strip(".") else f"{name}x"
    if place in ("text", "html"):
        return NOT_IN_BODIES.sub("", text)
    return BREAKS.sub("", text[:900] if place == "note" else text)


def content_of(name: str) -> bytes:
    return b"\0\xff\r\n.\r\n--=_" + name.encode()


def is_possible(place: str, row: Row, folder: Path) -> bool:
    """Whether the place can hold what the row has for it."""
    text = row[place]
    if place == "email":
        try:
            Mailbox.parse(text)
        except LocalProtocolError:
            return False
        return True
    if place == "file":
        return str(Path(text.strip())) in {file.name for file in folder.iterdir()}
    if place == "note" and LONG_WORD.fullmatch(text.strip()):
        return False
    return not (NOT_IN_BODIES if place in ("text", "html") else BREAKS).search(text)


def declared(row: Row, message: Message) -> dict[str, Any]:
    """What a reader should find in the row's message."""
    name, file = row["name"], str(Path(row["file"].strip()))
    recipient = Mailbox.parse(row["email"])
    # RFC 2047 has no words beside an address that is not ASCII: it is written alone.
    shown = "" if recipient.needs_smtputf8 else name.strip()
    text = f"Dear {name},\n{lines(row['text'])}\n-- \nAnn"
    html = f"<p title='{escape(name)}'>{escape(lines(row['html']))}</p>"
    return {
        "fields": [
            *("From", "To", "Subject", "Date", "Message-ID", "X-Note"),
            *("MIME-Version", "Content-Type"),
        ],
        "from": [("Ann", SENDER)],
        "to": [(shown, canonical(str(recipient)))],
        "subject": row["subject"].strip(),
        "note": row["note"].strip(),
        "id": message.message_id,
        "parts": [
            ("multipart/mixed", None, None),
            ("multipart/alternative", None, None),
            ("text/plain", None, text),
            ("text/html", None, html),
            (ANY, file, content_of(file)),
        ],
    }


def lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_strictly(data: bytes) -> dict[str, Any]:
    """As `email.policy.default` reads it."""
    mail: Any = email.message_from_string(data.decode(), policy=STRICT)
    people = {
        name: [(p.display_name, canonical(p.addr_spec)) for p in mail[name].addresses]
        for name in ("From", "To")
    }
    return read(
        mail, people, {n: str(mail[n]) for n in ("Subject", "X-Note", "Message-ID")}
    )


# The strict reading, which newer Pythons do unasked, gives up at a bracket in quotes.
LAX = {"strict": False} if "strict" in signature(getaddresses).parameters else {}


def read_laxly(data: bytes) -> dict[str, Any]:
    """As Python read it before there was a policy, and many programs still do."""
    mail: Any = email.message_from_string(data.decode(), policy=compat32)
    people = {
        name: [
            (decoded(display_name), canonical(address))
            for display_name, address in getaddresses([unfolded(mail[name])], **LAX)
        ]
        for name in ("From", "To")
    }
    texts = {n: decoded(unfolded(mail[n])) for n in ("Subject", "X-Note", "Message-ID")}
    return read(mail, people, texts)


def read(mail: Any, people: dict[str, Any], texts: dict[str, str]) -> dict[str, Any]:
    return {
        "fields": mail.keys(),
        "from": people["From"],
        "to": people["To"],
        "subject": texts["Subject"],
        "note": texts["X-Note"],
        "id": texts["Message-ID"],
        "parts": [read_part(part) for part in mail.walk()],
    }


def read_part(part: Any) -> tuple[str, str | None, str | bytes | None]:
    assert not part.defects
    kind, name = part.get_content_type(), part.get_filename()
    if hasattr(part["Content-Disposition"], "params"):
        # Of Python's two readings, the one that takes no "<" and ">" for quotes.
        name = part["Content-Disposition"].params.get("filename")
    if part.is_multipart():
        return kind, name, None
    octets = part.get_payload(decode=True)
    if name is not None:
        return ANY, name, octets
    return kind, name, lines(octets.decode(part.get_content_charset()))


def canonical(address: str) -> str:
    """Without the quotes of its local part, which one reader drops and one keeps."""
    local_part, _, domain = address.rpartition("@")
    if local_part.startswith('"'):
        local_part = re.sub(r"\\(.)", r"\1", local_part[1:-1])
    return f"{local_part}@{domain}"


def joined(found: dict[str, Any]) -> dict[str, Any]:
    """Without blanks in names: between words and encoded words, each reader has its own."""
    people = [("".join(name.split()), address) for name, address in found["to"]]
    return found | {"to": people}


def decoded(text: str) -> str:
    return str(make_header(decode_header(text)))


def unfolded(value: str) -> str:
    return re.sub(r"\r?\n(?=[ \t])", "", value).lstrip(" ")


def check(row: Row, message: Message, data: bytes) -> None:
    """Compare the mail data that was written, or that has arrived, with the row."""
    assert b"\0" not in data
    assert b"\r" not in data.replace(b"\r\n", b"")
    assert b"\n" not in data.replace(b"\r\n", b"")
    assert max(map(len, data.split(b"\r\n"))) <= MAX_LINE
    assert data.isascii() or message.needs_smtputf8
    assert message.recipients == (Mailbox.parse(row["email"]),)
    assert str(message.reverse_path) == SENDER
    wanted = declared(row, message)
    assert joined(read_laxly(data)) == joined(wanted)
    # Python's stricter reader decodes words inside a mailbox, which "MUST NOT" be done
    # (RFC 2047 section 5), and stops at the line break it finds.
    if "=?" not in row["email"]:
        assert joined(read_strictly(data)) == joined(wanted)


def rendered(template: Template, place: str, row: Row, folder: Path) -> Message | None:
    """Render the row, or see that the error says where the cause is, and whose row."""
    if is_possible(place, row, folder):
        return template.render(row)
    with pytest.raises(TemplateError) as caught:
        template.render(row)
    said = str(caught.value)
    assert CALLED[place] in said
    if place != "email":
        assert str(Mailbox.parse(row["email"])) in said
    return None


def check_batch(texts: Sequence[str]) -> None:
    # A folder of its own: a file that many rows have is known by its path, size and time.
    with TemporaryDirectory() as name:
        folder = Path(name)
        template = letter(AttachmentColumn("file", folder))
        for place, row in rows_of(texts, folder):
            message = rendered(template, place, row, folder)
            if message is not None:
                check(row, message, message.data)


@pytest.mark.parametrize("first", range(0, len(NASTY), len(PLACES)))
def test_each_nasty_text_may_stand_alone_at_each_place(first: int) -> None:
    check_batch([NASTY[(first + at) % len(NASTY)] for at in range(len(PLACES))])


@settings(max_examples=8)
@given(texts=BATCHES)
def test_a_message_is_what_was_declared_or_is_not_made(texts: list[str]) -> None:
    check_batch(texts)


@pytest.mark.heavy
@settings(max_examples=205)  # of 49 rows
@given(texts=BATCHES)
def test_ten_thousand_messages_are_what_was_declared_or_are_not_made(
    texts: list[str],
) -> None:
    check_batch(texts)


@settings(max_examples=3)
@given(texts=BATCHES)
def test_the_server_has_what_was_declared(texts: list[str]) -> None:
    with TemporaryDirectory() as name, Lab() as lab:
        folder = Path(name)
        template = letter(AttachmentColumn("file", folder))
        rows = [
            row for place, row in rows_of(texts, folder) if is_possible(place, row, folder)
        ]
        messages = [template.render(row) for row in rows]
        outcomes = trio.run(send, lab, messages)
        assert outcomes == ["accepted"] * len(messages)
        assert len(lab.received) == len(messages)
        for row, message, received in zip(rows, messages, lab.received, strict=True):
            assert received.recipients == tuple(map(str, message.recipients))
            assert received.reverse_path == SENDER
            check(row, message, received.data)


async def send(lab: Lab, messages: list[Message]) -> list[str]:
    async with open_session(lab.account) as session:
        return [result.outcome async for result in session.send_many(messages)]
