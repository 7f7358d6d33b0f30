"""Books in memory: who is to be written to, and what has become of each."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from smtpbook.ledger.memory import Draft, MemoryBooks
from smtpbook.protocol.replies import Reply
from smtpbook.transfer.transaction import Outcome, RecipientResult

PEOPLE = ["Ann@x.test", "bob@y.test", "eve@xn--bcher-kva.example", "stra\u00dfe@z.test"]


def books_of(suppressed: Iterable[str] = (), people: list[str] = PEOPLE) -> MemoryBooks:
    books = MemoryBooks(people)
    books.suppress(suppressed)
    return books


def note(books: MemoryBooks, who: str, outcome: Outcome, reply: str | None = None) -> None:
    (entry,) = books.select(who)
    parsed = None if reply is None else Reply.parse(reply)
    books.note(
        entry, RecipientResult(recipient=who, outcome=outcome, reply=parsed, verb="RCPT")
    )


def chosen(
    books: MemoryBooks, only: str | Iterable[str] | None = None, limit: int | None = None
) -> list[str]:
    return [entry.address for entry in books.select(only, limit)]


def test_those_never_tried_come_in_the_lists_order() -> None:
    books = books_of()
    assert chosen(books) == PEOPLE
    assert chosen(books, limit=2) == PEOPLE[:2]
    assert chosen(books, limit=0) == []
    note(books, "bob@y.test", "deferred")
    assert chosen(books, limit=2) == [PEOPLE[0], PEOPLE[2]]
    assert (len(books), books.counts) == (4, {"pending": 3, "deferred": 1})


def test_a_limit_below_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="limit=-1"):
        books_of().select(None, -1)


def test_two_spellings_are_not_one_person() -> None:
    """Lists compare lower case; folding would let one of these two disappear."""
    books = books_of(people=["stra\u00dfe@z.test", "strasse@z.test"])
    assert len(books) == 2


# --- suppression --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spelled",
    ["bob@y.test", " BOB@Y.test ", "Bob@Y.TEST", "bob@y.test\n"],
)
def test_the_suppressed_are_found_however_they_are_spelled(spelled: str) -> None:
    books = books_of([spelled])
    assert [entry.address for entry in books.suppressed()] == ["bob@y.test"]
    assert "bob@y.test" not in chosen(books)
    assert chosen(books, "bob@y.test") == []
    assert chosen(books, ["failed", "bob@y.test", "ann@x.test"]) == ["Ann@x.test"]


@pytest.mark.parametrize("spelled", ["eve@bücher.example", "eve@BÜCHER.example"])
def test_a_domain_is_the_same_in_its_own_letters(spelled: str) -> None:
    assert len(list(books_of([spelled]).suppressed())) == 1


def test_one_address_is_not_taken_for_its_letters() -> None:
    assert len(list(books_of("bob@y.test").suppressed())) == 1


@pytest.mark.parametrize("junk", ["email", "", None, 5, {"email": "bob@y.test"}])
def test_what_would_protect_nobody_is_refused(junk: object) -> None:
    with pytest.raises(ValueError, match="is not an address"):
        books_of(["bob@y.test", junk])  # type: ignore[list-item]


def test_an_address_that_is_none_but_looks_like_one_does_no_harm() -> None:
    assert list(books_of(["no such@@thing"]).suppressed()) == []


# --- only ---------------------------------------------------------------------------------


@pytest.fixture
def tried() -> MemoryBooks:
    books = books_of()
    note(books, PEOPLE[0], "accepted", "250 ok")
    note(books, PEOPLE[1], "deferred", "452 4.2.2 The mailbox is over its quota")
    note(books, PEOPLE[2], "rejected", "550 5.1.1 no such user")
    note(books, PEOPLE[3], "in_doubt")
    return books


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        (None, []),
        ("deferred", [1]),
        ("mailbox_full", [1]),
        (["rejected", "mailbox_full"], [1, 2]),
        ("in_doubt", [3]),
        ("failed", []),
        ([], []),
        ("ANN@X.test", [0]),
        ("eve@BÜCHER.example", [2]),
        ({"ann@x.test", "deferred"}, [0, 1]),
    ],
)
def test_only_chooses_by_outcome_reason_or_address(
    only: str | Iterable[str] | None, expected: list[int], tried: MemoryBooks
) -> None:
    assert chosen(tried, only) == [PEOPLE[place] for place in expected]


@pytest.mark.parametrize(
    ("only", "told"),
    [
        ("defered", "did you mean 'deferred'"),
        ("mailbox-full", "did you mean 'mailbox_full'"),
        ("accepted", "no outcome to try again"),
        ("suppressed", "no outcome to try again"),
        ("pending", "outcomes are deferred, rejected, failed, in_doubt"),
        ("bbo@y.test", "did you mean 'bob@y.test'"),
        ("nobody\u202e@else.test", r"'nobody\\u202e@else.test' is not in this"),
        (["deferred", "nonsense"], "'nonsense'"),
    ],
)
def test_a_word_that_is_none_of_them_is_an_error(
    only: str | Iterable[str], told: str, tried: MemoryBooks
) -> None:
    with pytest.raises(ValueError, match=told):
        tried.select(only, None)


def test_notes_count_attempts_and_keep_the_reason(tried: MemoryBooks) -> None:
    note(tried, PEOPLE[1], "accepted", "250 ok")
    (entry,) = tried.select("bob@y.test", None)
    assert (entry.attempts, entry.outcome, entry.reason) == (2, "accepted", None)


def test_a_quoted_spelling_is_suppressed_like_the_plain_one() -> None:
    """RFC 5321 section 4.1.2: quoting that is not needed changes nothing."""
    books = books_of(
        ["carl@x.example", '"dora"@X.example'], ['"carl"@x.example', "Dora@x.example"]
    )
    assert books.counts == {"suppressed": 2}


# --- drafts -------------------------------------------------------------------------------


def test_a_draft_stands_as_the_books_did_and_changes_nothing() -> None:
    books = books_of(["ann@x.test"])
    note(books, "bob@y.test", "deferred", "450 4.2.0 later")
    draft = Draft.of(books)
    assert chosen(draft, "deferred") == ["bob@y.test"]
    (entry,) = draft.select("bob@y.test")
    reply = Reply.parse("550 5.1.1 no such user")
    draft.note(
        entry,
        RecipientResult(
            recipient=entry.address, outcome="rejected", reply=reply, verb="RCPT"
        ),
    )
    assert (entry.outcome, entry.reason, entry.attempts) == ("rejected", "user_unknown", 2)
    assert draft.counts["deferred"] == 1  # it is written down nowhere
    draft.suppress(["eve@xn--bcher-kva.example"])
    assert chosen(draft) == PEOPLE[3:]
    assert books.counts == {"suppressed": 1, "deferred": 1, "pending": 2}
