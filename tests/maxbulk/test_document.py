"""A document is read as far as it is understood, and the rest is kept and reported."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpbook.errors import TemplateError
from smtpbook.maxbulk import document
from smtpbook.maxbulk.document import Entry, read_mbm

LINES = "FileVersion\t7.1\nSubject\tHello [Name]\nBody\tDear [Name],\tgood day.\nMode\t3\n"


def notes_of(octets: bytes, keys: dict[str, str] | None = None) -> list[tuple[str, str]]:
    return [(note.kind, note.meaning) for note in read_mbm(octets, keys=keys).notes]


def test_every_line_is_kept_as_a_key_and_a_value() -> None:
    found = read_mbm(LINES.encode())
    assert found.version == "7.1"
    assert found.entries == (
        Entry(line=1, key="FileVersion", value="7.1"),
        Entry(line=2, key="Subject", value="Hello [Name]"),
        Entry(line=3, key="Body", value="Dear [Name],\tgood day."),
        Entry(line=4, key="Mode", value="3"),
    )


def test_only_what_is_called_subject_is_taken_for_a_part_unasked() -> None:
    assert dict(read_mbm(LINES.encode()).parts) == {"subject": "Hello [Name]"}
    assert notes_of(LINES.encode()) == [
        ("exact", "the format's version"),
        ("assumed", "subject, by its name"),
        ("not understood", "kept in .entries"),
        ("not understood", "kept in .entries"),
    ]


def test_a_key_is_the_part_that_the_user_says_it_is() -> None:
    found = read_mbm(LINES.encode(), keys={"Body": "text"})
    assert dict(found.parts) == {"text": "Dear [Name],\tgood day."}
    assert ("exact", "text, as keys= says") in notes_of(LINES.encode(), {"Body": "text"})


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "letter.mbm"
    path.write_text(LINES, "utf-8")
    assert read_mbm(path) == read_mbm(str(path)) == read_mbm(LINES.encode())
    with pytest.raises(FileNotFoundError):
        read_mbm(tmp_path / "other.mbm")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_unicode_is_read_with_and_without_its_mark(encoding: str) -> None:
    found = read_mbm("FileVersion\t7\nSubject\tGrüße, 名前\n".encode(encoding))
    assert found.parts["subject"] == "Grüße, 名前"
    assert not any("octets" in note.found for note in found.notes)


def test_big_endian_utf_16_is_read() -> None:
    octets = b"\xfe\xff" + "FileVersion\t7\n".encode("utf-16-be")
    assert read_mbm(octets).encoding == "utf-16-be"


def test_what_is_no_unicode_is_read_as_mac_roman_and_said_to_be() -> None:
    octets = "FileVersion\t3\rSubject\tGrüße\r".encode("mac_roman")
    found = read_mbm(octets)
    assert found.parts["subject"] == "Grüße"
    assert found.encoding == "mac_roman"
    assert notes_of(octets)[0] == (
        "assumed",
        "neither UTF-8 nor UTF-16, read as Mac Roman; look at its accents",
    )


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_as_the_first_one_does_and_other_ends_belong_to_a_value(end: str) -> None:
    other = "\r" if end == "\n" else "\n"
    values = ["7", f"a{other}b", "\x0b\x85\u2028c"]
    text = "".join(f"{key}\t{value}{end}" for key, value in zip("XYZ", values, strict=True))
    octets = text.replace("X", "FileVersion", 1).encode()
    if end == "\r\n":
        octets = octets.replace(b"a\n", b"a\r")
        other = "\r"
    found = read_mbm(octets)
    assert [entry.value for entry in found.entries] == ["7", f"a{other}b", values[2]]
    said = [n.line for n in found.notes if "line end unlike" in n.meaning]
    assert said == [2]


def test_lines_without_a_tab_and_repeated_keys_are_reported_once_and_counted() -> None:
    found = read_mbm(b"FileVersion\t7\nfree\n\ntext\nTo\ta\nTo\tb\nTo\tc")
    assert [(n.line, n.found, n.times) for n in found.notes[1:]] == [
        (2, "free", 2),
        (5, "To\ta", 3),
    ]
    assert [entry.key for entry in found.entries[1:4]] == [None, None, None]


def test_a_subject_that_stands_twice_is_not_taken() -> None:
    octets = b"FileVersion\t7\nSubject\ta\nSubject\tb\n"
    assert not read_mbm(octets).parts
    with pytest.raises(TemplateError, match="'Subject' stands in lines 2 and 3"):
        read_mbm(octets, keys={"Subject": "subject"})


@pytest.mark.parametrize(
    "key", ["Password", "SMTPPass", "pwd", "ClientSecret", "SerialNumber"]
)
def test_what_is_called_a_secret_is_not_kept(key: str) -> None:
    found = read_mbm(f"FileVersion\t7\n{key}\thunter2\n".encode())
    assert found.entries[1].value == "[redacted]"
    for shown in (str(found), repr(found.entries), found._repr_html_(), repr(found.notes)):
        assert "hunter2" not in shown


@pytest.mark.parametrize(
    ("octets", "message"),
    [
        (b"", "begins with '', expected 'FileVersion' and a tab"),
        (b"Dear [Name],", r"begins with 'Dear \[Name\],'.*goes to translate_maxbulk"),
        (b"FileVersion 7", "begins with 'FileVersion 7'"),
        (b"\x89PNG\r\n\x1a\n", r"begins with 'âPNG\\r\\n"),
        (b"FileVersion\t7\n\0", "a NUL at character 15"),
        (b"\xff\xfeF\0\0", r"begins as utf-16-le and is not, at byte 4"),
        (b"\xef\xbb\xbf\xff", "begins as utf-8 and is not, at byte 3"),
    ],
)
def test_anything_else_is_refused_and_its_beginning_shown(
    octets: bytes, message: str
) -> None:
    with pytest.raises(TemplateError, match=f"not a MaxBulk document: {message}"):
        read_mbm(octets)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"body": "text"}, "no key 'body' in the document; did you mean 'Body'?"),
        ({"FileVersion": "text"}, "no key 'FileVersion' in the document"),
        ({"Body": "txt"}, "keys: no part 'txt'; did you mean 'text'?"),
        ({"Body": "memo"}, "keys: no part 'memo'; there are subject, text, html"),
        ({"Body": "text", "Mode": "text"}, "keys: two keys for one part"),
    ],
)
def test_a_key_that_cannot_be_what_it_is_said_to_be_is_an_error(
    keys: dict[str, str], message: str
) -> None:
    with pytest.raises(TemplateError) as caught:
        read_mbm(LINES.encode(), keys=keys)
    assert str(caught.value).startswith(message)


def test_a_document_is_bounded_before_it_is_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(document, "MAX_BYTES", len(LINES))
    path = tmp_path / "letter.mbm"
    path.write_text(LINES)
    assert read_mbm(path)
    path.write_text(LINES + "x")
    with pytest.raises(TemplateError, match=f"of more than {len(LINES)} bytes"):
        read_mbm(path)


def test_it_shows_what_is_known_and_nothing_in_it_acts() -> None:
    found = read_mbm("FileVersion\t<b>7\x1b\nSub\u202eject\t$x$<script>\n".encode())
    assert str(found) == repr(found)
    assert str(found).splitlines()[0] == (
        "MaxBulk document, version <b>7\\x1b, 2 lines in utf-8; parts known: none"
    )
    shown = found._repr_html_()
    assert found._repr_mimebundle_() == {"text/plain": str(found), "text/html": shown}
    for active in ("<script", "<b>7", "$x$", "\x1b", "\u202e"):
        assert active not in shown
    assert "\u202e" not in str(found)


@given(st.binary() | st.text().map(lambda text: f"FileVersion\t{text}".encode()))
def test_any_octets_are_read_or_refused(octets: bytes) -> None:
    try:
        found = read_mbm(octets)
    except TemplateError:
        return
    lines = [e.value if e.key is None else f"{e.key}\t{e.value}" for e in found.entries]
    read = octets.decode(found.encoding).removeprefix("\ufeff")
    assert "".join(lines) == read.replace("\r\n", "").replace("\n", "").replace(
        "\r", ""
    ) or (
        "[redacted]" in "".join(lines) or any("line end" in n.meaning for n in found.notes)
    )
