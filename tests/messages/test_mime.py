"""Header fields and bodies as octets: what stays as it is, and what is encoded."""

from __future__ import annotations

import base64
import email
import re
from collections.abc import Callable
from email.header import Header
from email.policy import compat32, default
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from smtpbook.dots import join
from smtpbook.messages import mime
from smtpbook.protocol.addresses import Mailbox
from smtpbook.protocol.mail_data import stuff

ZOE = Mailbox("zoe", "y.example")


TEXTS = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))
ONE_LINE = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"])
    | st.sampled_from(list(" \"'<>,;:@()[]\\\\=?_."))
)


@pytest.mark.parametrize(
    "text",
    [
        "Hello",
        "Grüße aus Graz",
        "=?utf-8?q?not_encoded?=",
        "a  b   c",
        "x" * 90,
        "a " + "x" * 90,
        "x" + " " * 100 + "y",
        "x" * 440 + " " * 1100 + "y" * 440,
        "s" * 2000,
        "s" * 100,
        "word " * 300 + "end",
        "山" * 300,
        "What is 2+2=?",
    ],
    ids=lambda text: text[:12],
)
def test_free_text_reads_back_as_it_was(text: str) -> None:
    field = mime.free_text("Subject", text).decode("ascii")
    lines = field.removesuffix("\r\n").split("\r\n")
    assert max(map(len, lines)) <= 998
    assert all(line.strip() for line in lines)
    assert email.message_from_string(field, policy=default)["Subject"] == text


def test_plain_text_is_not_encoded() -> None:
    assert mime.free_text("Subject", "What is 2+2=?") == b"Subject: What is 2+2=?\r\n"


@pytest.mark.parametrize("write", [mime.free_text, mime.structured])
@given(text=ONE_LINE)
def test_what_is_written_at_once_is_what_the_email_package_writes(
    write: Callable[[str, str], bytes], text: str
) -> None:
    text = text.strip()
    header = Header(text, mime._charset_of(text), header_name="Subject")
    package = compat32.clone(linesep="\r\n").fold_binary("Subject", header)  # type: ignore[arg-type]
    if len(package) <= 80 or write is mime.free_text:
        assert write("Subject", text) == package


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("", "zoe@y.example"),
        ("Zoe", "Zoe <zoe@y.example>"),
        ("Zoë", "=?utf-8?q?Zo=C3=AB?= <zoe@y.example>"),
        ("Harbor, Zoe", '"Harbor, Zoe" <zoe@y.example>'),
        ('Zoe "Z" <z@z.example>', r'"Zoe \"Z\" <z@z.example>" <zoe@y.example>'),
    ],
)
def test_a_name_is_quoted_or_encoded(name: str, written: str) -> None:
    assert mime.addresses("To", [(name, ZOE)]) == f"To: {written}\r\n".encode()


def test_a_local_part_outside_ascii_stands_as_utf8_and_alone() -> None:
    field = mime.addresses("To", [("Zoë", Mailbox("zoë", "y.example"))])
    assert field == "To: zoë@y.example\r\n".encode()


def test_many_addresses_are_one_field_of_short_lines() -> None:
    people = [("Zoë Harbor", ZOE), ("Ann", Mailbox("ann", "x.example"))] * 20
    field = mime.addresses("Cc", people)
    assert max(map(len, field.split(b"\r\n"))) <= 78
    found = email.message_from_bytes(field, policy=default)["Cc"].addresses
    assert [(a.display_name, a.addr_spec) for a in found] == [
        (name, str(mailbox)) for name, mailbox in people
    ]


# --- bodies ------------------------------------------------------------------------------


def read(entity: list[bytes]) -> Any:
    return email.message_from_bytes(b"".join(entity), policy=default)


def lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


@settings(max_examples=200)
@given(pieces=st.lists(TEXTS, min_size=1), known=st.sets(st.integers(0, 9)))
def test_a_body_reads_back_whichever_of_its_pieces_were_known(
    pieces: list[str], known: set[int]
) -> None:
    literals = [pieces[at] for at in known if at < len(pieces)]
    entity = mime.Body("plain", literals).entity(pieces)
    whole = b"".join(entity)
    body = whole.partition(b"\r\n\r\n")[2]
    assert whole.isascii()
    assert b"\r" not in whole.replace(b"\r\n", b"")
    assert b"\n" not in whole.replace(b"\r\n", b"")
    assert b"--=_" not in body
    assert max(map(len, body.split(b"\r\n"))) <= 998
    if b"quoted-printable" in entity[0]:
        assert not body.endswith(b"=\r\n")
    octets = read(entity).get_payload(decode=True)
    # A piece's line ends are its own: none is made of the end of one and the next one's
    # beginning.
    assert lines(octets.decode()) == lines("".join("\n".join(lines(p)) for p in pieces))


def test_a_quoted_printable_line_is_at_most_76_long() -> None:
    pieces = ["Grüße ", "x" * 200, " und ", "y" * 75, "\n", "é" * 3, "z" * 500]
    body = b"".join(mime.Body("plain", pieces[::2]).entity(pieces))
    assert b"quoted-printable" in body
    assert max(map(len, body.split(b"\r\n"))) <= 76


def test_a_plain_body_that_holds_the_beginning_of_a_boundary_is_encoded() -> None:
    entity = mime.Body("plain", []).entity(["x\n--=_abc--\nrest"])
    assert b"quoted-printable" in entity[0]
    alternative = mime.multipart(
        "alternative", [entity, mime.Body("html", []).entity(["<p>x"])], boundary="=_abc"
    )
    parts = [part.get_content_type() for part in read(alternative).iter_parts()]
    assert parts == ["text/plain", "text/html"]


def test_flowed_text_says_so() -> None:
    header = mime.Body("plain", [], is_flowed=True).entity(["x"])[0]
    assert email.message_from_bytes(header).get_param("format") == "flowed"


# --- files -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "a.pdf",
        "Zoë's Rechnung.pdf",
        '"quoted".pdf',
        "<bracketed>",
        "a b;c=d.pdf",
        "=?utf-8?q?=2E=2E=2Fa.pdf?=",
        "a " * 120 + "b.pdf",
        "山" * 80,
    ],
    ids=lambda name: name[:12],
)
def test_a_files_name_reads_back_as_it_was(name: str) -> None:
    entity = [mime.file_entity(name, "application/pdf", b"\0\xff" * 500)]
    part = read(entity)
    assert part["Content-Disposition"].params["filename"] == name
    assert email.message_from_bytes(b"".join(entity)).get_filename() == name
    assert part.get_content_disposition() == "attachment"
    assert part.get_content() == b"\0\xff" * 500


def test_a_picture_is_inline_and_has_its_id() -> None:
    part = read([mime.file_entity("a.png", "image/png", b"x", content_id="1@smtpbook")])
    assert part.get_content_disposition() == "inline"
    assert part["Content-ID"] == "<1@smtpbook>"


@given(octets=st.binary(max_size=300))
def test_base64_lines_read_back(octets: bytes) -> None:
    written = mime.base64_lines(octets)
    assert base64.b64decode(written) == octets
    assert all(len(line) <= 76 for line in written.split(b"\r\n"))


def as_it_is(pieces: list[str], literals: list[str]) -> bytes | None:
    """Give a body in seven bits, looked at as a whole; None = they do not hold it."""
    if not "".join([*pieces, *literals]).isascii():
        return None
    lines = "".join(re.sub("\r\n?", "\n", piece) for piece in pieces).split("\n")
    if max(map(len, lines)) > 998 or any("--=_" in line for line in lines):
        return None
    return "\r\n".join(lines).encode()


TEXTS = st.one_of(
    st.text("\r\n.=_-a", max_size=6),
    st.sampled_from(["ä\n", "a" * 500, "a" * 499 + "\n" + "a" * 498]),
)


@given(st.lists(st.tuples(TEXTS, st.booleans()), max_size=6))
@example([("--=", True), ("_a", False)])
def test_a_body_is_the_same_in_pieces_as_it_is_whole(parts: list[tuple[str, bool]]) -> None:
    """Pieces known before, values, and what has been asked for before."""
    pieces = [text for text, _ in parts]
    literals = [text for text, is_literal in parts if is_literal]
    body = mime.Body("plain", literals)
    for _ in range(2):
        entity = body.entity(pieces)
        header, _, content = b"".join(entity).partition(b"\r\n\r\n")
        plain = as_it_is(pieces, literals)
        assert (b"7bit" in header) == (plain is not None)
        if plain is not None:
            assert content == plain
        else:
            read = email.message_from_bytes(header + b"\r\n\r\n" + content, policy=compat32)
            octets = read.get_payload(decode=True)
            assert isinstance(octets, bytes)
            # In quoted-printable "=" takes a line's end away, and the last one has to stay.
            assert b"base64" in header or not content.endswith(b"=\r\n")
            text = "".join(re.sub("\r\n?", "\n", piece) for piece in pieces)
            assert octets.decode().replace("\r\n", "\n") == text
        assert stuff(join(entity)) == stuff(b"".join(entity))
