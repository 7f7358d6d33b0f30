"""Canonical forms are those of RFC 6376 section 3.4, to the octet."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpbook.dkim.canonical import (
    Canonicalization,
    Form,
    by_name,
    canonical_body,
    canonical_field,
    signed_octets,
)

BODIES = st.lists(
    st.sampled_from([b"\r\n", b" ", b"\t", b"  ", b"a", b"\xff", b"\r", b"\n", b"\r\n\r\n"])
).map(b"".join)

# (body, simple, relaxed)
CASES = [
    (b"", b"\r\n", b""),
    (b"\r\n", b"\r\n", b""),
    (b"\r\n\r\n", b"\r\n", b""),
    (b" \r\n", b" \r\n", b""),
    (b" ", b" \r\n", b""),
    (b"a", b"a\r\n", b"a\r\n"),
    (b"a ", b"a \r\n", b"a\r\n"),
    (b"a\r\n\r\n\r\n", b"a\r\n", b"a\r\n"),
    (b"a\r\n\t\r\n\r\n", b"a\r\n\t\r\n", b"a\r\n"),
    (b"\r\na\r\n", b"\r\na\r\n", b"\r\na\r\n"),
    (b" a\t\tb \t\r\n", b" a\t\tb \t\r\n", b" a b\r\n"),
    (b"a\r\n \r\nb\r\n", b"a\r\n \r\nb\r\n", b"a\r\n\r\nb\r\n"),
    (b"a\r", b"a\r\r\n", b"a\r\r\n"),
    (b"a\n\r\n", b"a\n\r\n", b"a\n\r\n"),
    (b"a \n b\r\n", b"a \n b\r\n", b"a \n b\r\n"),
    # RFC 6376 section 3.4.5, example 1
    (b" C \r\nD \t E\r\n\r\n\r\n", b" C \r\nD \t E\r\n", b" C\r\nD E\r\n"),
]


@pytest.mark.parametrize(("body", "simple", "relaxed"), CASES)
def test_body(body: bytes, simple: bytes, relaxed: bytes) -> None:
    assert canonical_body(body, "simple") == simple
    assert canonical_body(body, "relaxed") == relaxed


@given(BODIES)
def test_body_is_what_its_rules_say_line_by_line(body: bytes) -> None:
    lines = body.split(b"\r\n")
    relaxed = [re.sub(rb"[ \t]+", b" ", line).removesuffix(b" ") for line in lines]
    for given_lines, form, nothing in (
        (lines, "simple", b"\r\n"),
        (relaxed, "relaxed", b""),
    ):
        while given_lines and not given_lines[-1]:
            given_lines.pop()
        expected = b"".join(line + b"\r\n" for line in given_lines) or nothing
        assert canonical_body(body, form) == expected  # type: ignore[arg-type]


@given(BODIES, st.sampled_from(["simple", "relaxed"]))
def test_canonical_form_of_a_canonical_body_is_itself(body: bytes, form: Form) -> None:
    once = canonical_body(body, form)
    assert canonical_body(once, form) == once


@pytest.mark.parametrize("unit", [b" ", b"\t", b"\r\n", b" \r\n", b"\r", b"\n\r", b" \t"])
@pytest.mark.parametrize("end", [b"", b"x"])
def test_megabytes_of_white_space_take_no_time(unit: bytes, end: bytes) -> None:
    """In the square of their length they would take hours."""
    body = unit * 500_000 + end
    for form in ("simple", "relaxed"):
        canonical_body(body, form)  # type: ignore[arg-type]
        canonical_field(b"To:" + body, form)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("field", "relaxed"),
    [
        # RFC 6376 section 3.4.5, example 1
        (b"A: X", b"a:X"),
        (b"B : Y\t\r\n\tZ  ", b"b:Y Z"),
        (b"To:", b"to:"),
        (b"To: \r\n ", b"to:"),
        (b"TO:\ta:b", b"to:a:b"),
        (b"Subject: \xe9  \xe8", b"subject:\xe9 \xe8"),
        (b"X: a\x0b", b"x:a\x0b"),
    ],
)
def test_field(field: bytes, relaxed: bytes) -> None:
    assert canonical_field(field, "relaxed") == relaxed
    assert canonical_field(field, "simple") == field


def test_fields_of_one_name_are_taken_from_the_bottom_up_and_then_none() -> None:
    """RFC 6376 section 5.4.2."""
    fields = by_name(b"A: 1\r\nB: 2\r\na: 3\r\nA: 4")
    octets = signed_octets(fields, [b"a", b"a", b"c", b"a", b"a"], b"Sig: b=", "relaxed")
    assert octets == b"a:4\r\na:3\r\na:1\r\nsig:b="


def test_canonicalization_without_a_body_is_simple_there() -> None:
    assert str(Canonicalization.parse("relaxed")) == "relaxed/simple"
    assert str(Canonicalization()) == "simple/simple"


@pytest.mark.parametrize("text", ["", "/", "relaxed/", "simple/simple/simple", "Relaxed"])
def test_other_canonicalizations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="neither 'simple' nor 'relaxed'"):
        Canonicalization.parse(text)
