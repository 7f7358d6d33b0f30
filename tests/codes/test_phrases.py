from __future__ import annotations

import csv
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpbook.codes.explain import explain
from smtpbook.codes.phrases import concepts_in, names_of, text_says, words_of
from smtpbook.codes.rules import Said
from smtpbook.codes.tables import reasons, rows
from smtpbook.protocol.replies import Reply

CONCEPTS = list(rows("concepts.csv"))
EXPRESSIONS = [words for row in CONCEPTS for words in row["words"].split(" | ")]
CODES = st.integers(200, 599)
TEXTS = st.lists(st.sampled_from(EXPRESSIONS), max_size=6).map(" ".join)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<full.mailbox@example.org>: User unknown", ["user", "unknown"]),
        ("user.unknown@example.org is over quota", ["over", "quota"]),
        ("see https://example.org/mailbox/full?virus=1", ["see"]),
        ("see http://intranet/full or https:///", ["see"]),
        ("spam.example.org does not like it", ["not", "like"]),
        ("[192.0.2.1] is bad", ["ipliteral", "bad"]),
        ("<192.0.2.1>: bad", ["ipliteral", "bad"]),
        ("bad: 2001:db8::1, [IPv6:2001:db8::2] <::1>", ["bad", *["ipliteral"] * 3]),
        ("[2001:db8:1:2:3:4:5:6] at 03:45:00", ["ipliteral"]),
        ("no :: id 5f:aa:01:cc:12", ["no", "id", "f", "aa", "cc"]),
        ("std::string says no", ["std", "string", "says", "no"]),
        ("RFC2821 4.1.1.1, section 4.5.3.1", ["rfc2821", "section"]),
        ("550 5.7.1 no", ["no"]),
        ("it doesn't exist; it can't be found", ["not", "exist", "ca", "not", "found"]),
        (
            "Mailbox full.Please try later",
            ["mailbox", "full", ".", "please", "try", "later"],
        ),
        ("unknown (in reply to RCPT TO command)", ["unknown"]),
        ("user unknown, relay=mx.example.org", ["user", "unknown"]),
        ("bo\u00eete du destinataire pleine", ["boite", "du", "destinataire", "pleine"]),
        ("over-quota", ["over", "quota"]),
        ("RFC 5322 and rfc-5321", ["rfc5322", "rfc5321"]),
    ],
)
def test_names_are_masked_and_little_words_dropped(text: str, words: list[str]) -> None:
    assert words_of(text) == words


def test_a_rule_that_is_named_counts_before_one_that_is_not() -> None:
    """Strato says "Refused by local policy", and behind it why."""
    for text in ("Refused by policy. No spam here", "No spam here. Refused by policy"):
        found = text_says(Said(verb=None, code=550, text=text))
        assert found is not None
        assert found.entry.reason == "spam"


def test_a_blocklists_zone_is_a_word() -> None:
    for zone in ("zen.spamhaus.org", "dnsbl.example.net"):
        (found,) = concepts_in(f"found in {zone}")
        assert "dns_blocklist" in names_of(found)
    assert concepts_in("found in www.example.net") == ()


def test_the_longest_expression_counts() -> None:
    (found,) = concepts_in("user unknown in local recipient table")
    assert "user_table" not in names_of(found)
    assert "unknown_user" in names_of(found)


def test_concepts_of_two_sentences_do_not_mix() -> None:
    assert explain("550 Your mailbox is fine. The domain is unknown").reason == "bad_domain"


def test_where_to_read_more_is_no_reason() -> None:
    said = Said(verb=None, code=550, text="No such user. Learn more of our spam policy")
    found = text_says(said)
    assert found is not None
    assert found.entry.reason == "user_unknown"


@pytest.mark.parametrize("code", [220, 250, 354])
def test_what_is_no_refusal_is_not_read(code: int) -> None:
    assert text_says(Said(verb=None, code=code, text="user unknown")) is None


def test_what_was_found_is_named() -> None:
    found = text_says(Said(verb=None, code=550, text="the mailbox is full"))
    assert found is not None
    assert found.why == "words of the text: addressee + full"
    assert found.entry.source


def test_every_row_names_what_exists_and_where_it_is_from() -> None:
    concepts = {row["concept"] for row in CONCEPTS}
    for row in rows("phrases.csv"):
        named = {*row["concepts"].replace("/", " ").split(), *row["without"].split()}
        assert named <= concepts, row
        assert row["reason"] in reasons(), row
        assert 0 < float(row["confidence"]) < 1, row
        assert row["source"], row
    for row in CONCEPTS:
        assert set(row["also"].split()) <= concepts, row


@pytest.mark.parametrize("name", ["concepts.csv", "phrases.csv"])
def test_no_row_is_cut_short(name: str) -> None:
    text = (resources.files("smtpbook.codes") / "tables" / name).read_text("utf-8")
    header, *lines = csv.reader(text.splitlines())
    assert {len(line) for line in lines} == {len(header)}


def test_every_concept_is_used() -> None:
    used = {
        name
        for row in rows("phrases.csv")
        for name in (*row["concepts"].replace("/", " ").split(), *row["without"].split())
    }
    # Goodbyes and whom to ask say nothing of why; they must not be read as something else.
    assert {row["concept"] for row in CONCEPTS} - used <= {"courtesy"}


@given(CODES, TEXTS, st.sampled_from([None, "RCPT", "MAIL", "GREETING"]))
def test_whatever_is_said_the_code_is_not_contradicted(
    code: int, text: str, verb: str | None
) -> None:
    explained = explain(Reply(code=code, lines=(text,)), verb=verb)
    assert (explained.reason is None) == (code < 400)
    assert explained.reason is None or explained.reason in reasons()
    assert explained.permanence == Reply(code=code).severity
    if code < 500:
        assert explained.advice != "suppress"
    assert explained.meaning


@given(st.text(max_size=300))
def test_any_text_is_read(text: str) -> None:
    assert all(word for word in words_of(text))
    concepts_in(text)


@pytest.mark.parametrize(
    "piece", ["a-", "a.", "a@", "<", "x" * 50, "user unknown ", "1.", "a:", "-::"]
)
def test_a_long_text_is_cut_off(piece: str) -> None:
    assert len(words_of(piece * 100_000)) <= 3000


def test_a_row_about_a_status_is_not_about_its_longer_namesakes() -> None:
    """X.7.13 is a disabled account, X.7.133 is Exchange's: a sender was not permitted."""
    short, long = (
        text_says(Said(verb=None, code=550, enhanced_status=status, text="you are refused"))
        for status in ("5.7.13", "5.7.133")
    )
    assert short is not None
    assert short.entry.reason == "login"
    assert long is None or long.entry.reason != "login"


def test_a_section_of_an_rfc_and_a_quoted_command_hide_nothing_behind_them() -> None:
    assert words_of(
        "see RFC 2821, 4.1.1.1: mailbox full (in reply to RCPT TO command)"
    ) == [*("see", "rfc2821", "mailbox", "full")]
