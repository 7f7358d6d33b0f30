"""What varies from message to message is taken out of a reply's text, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpbook.tables.wordings import mask, merge


@pytest.mark.parametrize(
    ("text", "wording"),
    [
        ("<ann@example.org>: unknown", "<address>: unknown"),
        ("ann+news@example.org unknown", "<address> unknown"),
        ("[192.0.2.7] is listed", "<ip> is listed"),
        ("192.0.2.7 and 2001:db8::7, [IPv6:2001:db8:1:2:3:4:5:6]", "<ip> and <ip>, <ip>"),
        ("see https://example.org/a?b=c&d=1 for more", "see <url> for more"),
        ("host mx1.example.org said", "host <host> said"),
        ("at Thu, 27 Nov 2025 10:30:59 +0000 (UTC)", "at <time> (UTC)"),
        ("at 2025-11-27T10:30:59.123Z", "at <time>"),
        ("since 10:30:59", "since <time>"),
        ("Nov  7 10:30:59 closed", "<time> closed"),
        ("queued as 4F2A9C11", "queued as <id>"),
        ("a640c23a62f3a-b7ae45e1c9dsi1234567.123 - gsmtp", "<id> - gsmtp"),
        ("limit of 100 messages, 1.5 MB", "limit of <number> messages, <number> MB"),
        ("5.7.1 [TSS04] AUP#PLY (S3150)", "5.7.1 [TSS04] AUP#PLY (S3150)"),
        ("5.7.1 no\n5.7.1 way\n5.7.1 at all", "5.7.1 no way at all"),
        ("text (#5.1.1)", "text (#5.1.1)"),
        ("two\twords  here ", "two words here"),
        ("bo\u00eete pleine", "bo\u00eete pleine"),
        ("\x1b[31m\u202e red", "\\x1b[31m\\u202e red"),
        ("", ""),
    ],
)
def test_what_varies_is_replaced_and_the_rest_stays(text: str, wording: str) -> None:
    assert mask(text) == wording


@settings(max_examples=30)
@given(st.text(max_size=200))
def test_any_text_gives_a_short_line_that_acts_on_nothing(text: str) -> None:
    masked = mask(text)
    assert len(masked.splitlines()) <= 1
    assert masked.isprintable() or not masked.isascii()


@pytest.mark.parametrize(
    "unit", ["a@", "1:", "a.", "a-", "<", "http://", "1.", ":", "Mon ", "[IPv6:", "\n5.1.1"]
)
def test_a_text_without_end_is_read_no_further_than_its_head(unit: str) -> None:
    text = unit * 50_000
    assert mask(text) == mask(text[:600])


def test_wordings_that_differ_in_a_word_are_one() -> None:
    numbers, shown = merge(
        ["user ann does not exist", "user bob does not exist", "quota of bob is exceeded"],
        [0, 0, 0],
    )
    assert numbers == [0, 0, 1]
    assert shown == ["user * does not exist", "quota of bob is exceeded"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("mailbox full", "mailbox disabled"),
        ("a b c", "a x y"),
        ("no such user here", "no such user"),
        ("a b c d e f g h", "x b c d e f g y"),
    ],
)
def test_wordings_that_differ_in_more_stay_apart(one: str, other: str) -> None:
    assert merge([one, other], [0, 0]) == ([0, 1], [one, other])


def test_wordings_of_two_kinds_stay_apart() -> None:
    assert merge(["a b c", "a b c"], ["spam", "virus"])[0] == [0, 1]


def test_many_words_may_differ_in_several() -> None:
    words = [str(n) for n in range(20)]
    other = words.copy()
    for place in (0, 5, 10, 19):
        other[place] = "x"
    assert merge([" ".join(words), " ".join(other)], [0, 0])[0] == [0, 0]
    other[1] = "x"
    assert merge([" ".join(words), " ".join(other)], [0, 0])[0] == [0, 1]


@settings(max_examples=50)
@given(st.lists(st.lists(st.sampled_from("ab*"), max_size=6).map(" ".join), max_size=30))
def test_every_wording_is_in_one_cluster_that_fits_it(wordings: list[str]) -> None:
    numbers, shown = merge(wordings, [0] * len(wordings))
    assert len(numbers) == len(wordings)
    assert sorted(set(numbers)) == list(range(len(shown)))
    for wording, number in zip(wordings, numbers, strict=True):
        pairs = zip(wording.split(" "), shown[number].split(" "), strict=True)
        assert all(common in (word, "*") for word, common in pairs)
