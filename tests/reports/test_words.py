"""Only words that say nothing about anybody stay."""

from __future__ import annotations

import pytest

from smtpbook.codes.explain import explain
from smtpbook.reports.words import kept_words, names_in, vocabulary


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("5.1.1 <bob@x.example>: User unknown", "5.1.1 <address>: User unknown"),
        ("5.1.1 Bob Smith is unknown", "5.1.1 * is unknown"),
        ("May White (MAY-WHITE) may be white-listed", "* (*) may be white-listed"),
        ("see https://x.example/?t=1 (now)", "see <url> (now)"),
        (
            "PIPELINING\nSIZE 1000\nAUTH PLAIN LOGIN",
            "PIPELINING\nSIZE <number>\nAUTH PLAIN LOGIN",
        ),
        ("AUTH=LOGIN", "AUTH=LOGIN"),
        (
            "blocked using zen.spamhaus.org; [192.0.2.1]",
            "blocked using zen.spamhaus.org; [*]",
        ),
        ("попробуйте позже", "*"),
        ("5.1.1", "5.1.1"),
        ("5.1.1.1 7.8.9", "*"),
        ("", ""),
        ("\n", "\n"),
        ("!!!!!!! user", "* user"),
        ("<<<<user>>>>", "<<user>>"),
    ],
)
def test_of_a_text_known_words_stay(said: str, kept: str) -> None:
    assert kept_words(said) == kept


def test_a_name_is_no_word_in_any_case_or_company() -> None:
    assert kept_words("User (user) user-mailbox mailbox", {"user"}) == "* (*) * mailbox"


def test_first_names_are_not_among_the_words() -> None:
    names = {"ann", "bob", "max", "june", "maria", "peter", "john", "rich"}
    assert not names & vocabulary()


def test_names_are_those_that_would_be_kept() -> None:
    assert names_in("Mail.User+7@service.example") == {"mail", "user", "service"}
    assert names_in("zqx@zqy.example") == frozenset()


@pytest.mark.parametrize(
    "said",
    [
        "550 5.1.1 <bob@x.example>: Recipient address rejected: User unknown",
        "452 4.2.2 The email account that you tried to reach is over quota. x-2si - gsmtp",
        "421 4.7.0 [TSS04] Messages from 192.0.2.4 temporarily deferred",
        "450 4.2.0 <bob@x.example>: Greylisted, see http://postgrey.example/help/x.html",
        "554 5.7.1 Client host [192.0.2.1] blocked using zen.spamhaus.org",
    ],
)
def test_what_is_kept_means_what_the_text_meant(said: str) -> None:
    code, _, text = said.partition(" ")
    assert explain(f"{code} {kept_words(text)}").reason == explain(said).reason
