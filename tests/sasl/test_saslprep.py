"""User names and passwords have one spelling, however they were typed."""

from __future__ import annotations

import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scramp.utils import saslprep as another_saslprep

from smtpbook.errors import LocalProtocolError
from smtpbook.sasl.saslprep import saslprep


@pytest.mark.parametrize(
    ("text", "prepared"),
    [
        ("I\u00adX", "IX"),
        ("user", "user"),
        ("USER", "USER"),
        ("\u00aa", "a"),
        ("\u2168", "IX"),
        ("a\u00a0b\u3000c", "a b c"),
        ("schlu\u0308ssel", "schlüssel"),
        ("", ""),
    ],
)
def test_examples_of_rfc_4013_come_out_as_they_should(text: str, prepared: str) -> None:
    """Section 3, and spaces (section 2.1), and what two keyboards make of one word."""
    assert saslprep(text, is_stored=True) == prepared
    assert saslprep(text, is_stored=False) == prepared


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("\u0007", "prohibits"),
        ("pass\0word", "prohibits"),
        ("\ud800", "prohibits"),
        ("\ue000", "prohibits"),
        ("\u202e", "prohibits"),
        ("\u06271", "right-to-left"),
        ("\u0627a\u0628", "right-to-left"),
    ],
)
@pytest.mark.parametrize("is_stored", [True, False])
def test_what_is_prohibited_is_refused_and_not_repeated(
    text: str, why: str, is_stored: bool
) -> None:
    with pytest.raises(LocalProtocolError, match=why) as refused:
        saslprep(text, is_stored=is_stored)
    assert text not in str(refused.value)
    assert 'auth="PLAIN"' in str(refused.value)
    *_, (frame, _) = traceback.walk_tb(refused.value.__traceback__)
    assert text not in frame.f_locals.values()


def test_what_unicode_got_later_is_good_for_a_name_and_not_for_a_password() -> None:
    """Section 2.5: a stored string holds no unassigned code points; 3.2 has no emoji."""
    assert saslprep("a\U0001f40e", is_stored=False) == "a\U0001f40e"
    with pytest.raises(LocalProtocolError, match=r"Unicode 3\.2") as refused:
        saslprep("a\U0001f40e", is_stored=True)
    assert "\U0001f40e" not in str(refused.value)


@given(st.text())
def test_another_library_prepares_in_the_same_way(text: str) -> None:
    try:
        expected = another_saslprep(text)
    except Exception:
        expected = None
    try:
        prepared = saslprep(text, is_stored=True)
    except LocalProtocolError:
        prepared = None
    assert prepared == expected


@given(st.text())
def test_what_is_prepared_stays_as_it_is(text: str) -> None:
    try:
        prepared = saslprep(text, is_stored=True)
    except LocalProtocolError:
        return
    assert saslprep(prepared, is_stored=True) == prepared
