"""Tag lists are read strictly, and the same whatever white space stands in them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpbook.dkim.tags import MAX_OCTETS, TagError, base64_of, parse_tags, words_of


@pytest.mark.parametrize(
    ("octets", "tags"),
    [
        (b"", {}),
        (b" \t", {}),
        (b"v=1", {"v": "1"}),
        (b"v=1;", {"v": "1"}),
        (b"v=1; ", {"v": "1"}),
        (b"\r\n v\t=\r\n 1 ;\r\n\ta = b=c", {"v": "1", "a": "b=c"}),
        (b"p=", {"p": ""}),
        (b"p=; p2= ", {"p": "", "p2": ""}),
        (b"B=1; b=2", {"B": "1", "b": "2"}),
        (b"n=a b  c", {"n": "a b  c"}),
        ("i=ü@x.example".encode(), {"i": "ü@x.example"}),
    ],
)
def test_tags(octets: bytes, tags: dict[str, str]) -> None:
    assert parse_tags(octets) == tags


@pytest.mark.parametrize(
    ("octets", "said"),
    [
        (b"v", "'v' is not a tag"),
        (b"v=1;;a=2", "'' is not a tag"),
        (b"v=1;;", "'' is not a tag"),
        (b";", "'' is not a tag"),
        (b"=1", "'=1' is not a tag"),
        (b"1v=1", "is not a tag"),
        (b"v v=1", "is not a tag"),
        (b"v=1; v=1", "'v' stands there twice"),
        (b"v=\x00", r"'v'= holds the character '\\x00'"),
        (b"v=a\nb", r"holds the character '\\n'"),
        (b"v=\x7f", r"holds the character '\\x7f'"),
        (b"v=\xff", "not UTF-8"),
        (b"v=" + b"a" * MAX_OCTETS, "longer than 65536 octets"),
    ],
)
def test_what_breaks_the_syntax_is_refused(octets: bytes, said: str) -> None:
    with pytest.raises(TagError, match=said):
        parse_tags(octets)


def test_what_a_stranger_wrote_is_shown_short_and_harmless() -> None:
    with pytest.raises(TagError) as caught:
        parse_tags(b"\x1b[31m" + b"x" * 10_000)
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 100


@given(st.binary(max_size=60))
def test_any_octets_are_read_or_refused(octets: bytes) -> None:
    try:
        tags = parse_tags(octets)
    except TagError:
        return
    assert parse_tags("; ".join(f"{k}={v}" for k, v in tags.items()).encode()) == tags


def test_words_stand_between_colons() -> None:
    assert words_of(" From : To:Cc") == ("From", "To", "Cc")


def test_base64_may_be_folded() -> None:
    assert base64_of({"b": "aGVs bG8="}, "b") == b"hello"


@pytest.mark.parametrize("text", ["aGVsbG8", "aGVsb*8=", "ä", "====", "aGVsbG8=="])
def test_what_is_not_base64_is_refused(text: str) -> None:
    with pytest.raises(TagError, match="b= is not base64"):
        base64_of({"b": text}, "b")
