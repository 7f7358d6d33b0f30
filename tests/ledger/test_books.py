"""Books on disk and in a database: who is to be written to, and what became of each."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from smtpbook.errors import LedgerError
from smtpbook.ledger.books import Books
from smtpbook.ledger.entries import Later
from smtpbook.protocol.replies import Reply
from smtpbook.transfer.transaction import RecipientResult
from tests.ledger.conftest import PEOPLE, Place, chosen, note, result

Opener = Callable[..., Books]


# --- asking -------------------------------------------------------------------------------


def test_those_never_tried_come_in_the_lists_order(open_books: Opener) -> None:
    books = open_books()
    assert chosen(books) == PEOPLE
    assert chosen(books, None, 2) == PEOPLE[:2]
    assert chosen(books, None, 0) == []
    note(books, "bob@y.test", "deferred")
    assert chosen(books, None, 2) == [PEOPLE[0], PEOPLE[2]]
    assert (len(books), books.counts) == (4, {"pending": 3, "deferred": 1})


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        ("deferred", ["bob@y.test"]),
        ("mailbox_full", ["bob@y.test"]),
        (["rejected", "deferred"], ["Ann@x.test", "bob@y.test"]),
        ("ANN@X.test", ["Ann@x.test"]),
        ("eve@bücher.example", ["eve@xn--bcher-kva.example"]),
        ("failed", []),
        ([], []),
    ],
)
def test_outcomes_reasons_and_addresses_choose(
    open_books: Opener, only: str | list[str], expected: list[str]
) -> None:
    books = open_books()
    note(books, "bob@y.test", "deferred")
    note(books, "Ann@x.test", "rejected")
    assert chosen(books, only) == expected


@pytest.mark.parametrize(
    ("only", "message"),
    [
        ("defered", "did you mean 'deferred'"),
        ("accepted", "no outcome to try again"),
        ("bobby@y.test", "'bobby@y.test' is not in .* did you mean 'bob@y.test'"),
    ],
)
def test_a_word_that_names_nobody_is_refused_with_the_near_miss(
    open_books: Opener, only: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        open_books().select(only)


def test_a_limit_below_nothing_is_refused(open_books: Opener) -> None:
    with pytest.raises(ValueError, match="limit=-1"):
        open_books().select(None, -1)


def test_an_address_listed_twice_is_one_recipient(place: Place) -> None:
    people = ["Ann@x.test", "bob@y.test", "ann@X.test", "strasse@z.test", "straße@z.test"]
    assert place.create(people) == 4
    assert chosen(place.open()) == [people[0], people[1], people[3], people[4]]


def test_whose_retry_is_to_come_is_chosen_with_its_time_unless_asked_for_by_hand(
    open_books: Opener,
) -> None:
    books = open_books()
    (bob,) = books.select("bob@y.test")
    books.note(bob, result("bob@y.test", "deferred"), due=2000.0)
    assert [e.due for e in books.select() if e.outcome is not None] == [2000.0]
    assert [e.due for e in books.select("deferred")] == [None]


def test_a_queue_hands_out_everybody_once_however_many_it_reads_at_a_time(
    place: Place,
) -> None:
    people = [f"p{n}@x.test" for n in range(1000)]
    place.create(people)
    books = place.open(rows=lambda positions: [{"n": n} for n in positions])
    queue = books.select(None, 700)
    first = [entry for _ in range(300) if (entry := queue.take())]
    assert (len(queue), len(list(queue))) == (400, 400)
    rest = []
    while (entry := queue.take()) is not None:
        rest.append(entry)
    assert [e.address for e in first + rest] == people[:700]
    assert [e.row["n"] for e in rest] == list(range(300, 700))


# --- suppression --------------------------------------------------------------------------


@pytest.mark.parametrize("spelled", ["bob@y.test", " BOB@Y.test ", "bob@y.test\n"])
def test_the_suppressed_never_go_out_however_they_are_asked_for(
    open_books: Opener, spelled: str
) -> None:
    books = open_books()
    books.suppress([spelled])
    assert books.counts == {"pending": 3, "suppressed": 1}
    assert "bob@y.test" not in chosen(books)
    assert chosen(books, "bob@y.test") == []
    books.close()
    again = open_books(in_doubt="resend")
    assert chosen(again, ["bob@y.test", "failed", "ann@x.test"]) == ["Ann@x.test"]


def test_who_is_suppressed_while_sending_is_not_handed_out_any_more(
    open_books: Opener,
) -> None:
    books = open_books()
    queue = books.select()
    taken = [queue.take()]  # the others have been read with it
    books.suppress(["bob@y.test"])
    while (entry := queue.take()) is not None:
        taken.append(entry)
    assert [one.address for one in taken if one] == [PEOPLE[0], *PEOPLE[2:]]
    assert len(queue) == 0


def test_what_was_accepted_stays_so(open_books: Opener) -> None:
    books = open_books()
    note(books, "bob@y.test", "accepted")
    note(books, "Ann@x.test", "in_doubt")
    books.suppress(["bob@y.test", "ann@x.test"])
    assert books.counts == {"pending": 2, "accepted": 1, "in_doubt": 1}
    assert chosen(books, ["in_doubt", "bob@y.test"]) == []


@pytest.mark.parametrize("junk", ["email", "", None, 5])
def test_what_would_protect_nobody_is_refused(open_books: Opener, junk: object) -> None:
    with pytest.raises(ValueError, match="is not an address"):
        open_books().suppress([junk])  # type: ignore[list-item]


# --- sending ------------------------------------------------------------------------------


async def test_what_was_noted_is_there_when_opened_again(open_books: Opener) -> None:
    books = open_books()
    queue = books.select()
    for outcome in ("accepted", "rejected", "failed"):
        entry = queue.take()
        assert entry is not None
        await books.intend(entry, f"<{outcome}@x.test>")
        books.begin(entry)
        books.note(entry, result(entry.address, outcome), session_id="s1")
        assert (entry.attempts, entry.outcome) == (1, outcome)
    books.close()
    again = open_books()
    assert again.counts == {"accepted": 1, "rejected": 1, "failed": 1, "pending": 1}
    ann, bob, eve, last = again.outcomes()
    assert ann[:5] == ("Ann@x.test", "accepted", None, 1, "END-OF-DATA")
    assert bob[2:][:5] == ("user_unknown", 1, "END-OF-DATA", 550, "5.1.1 no such user")
    assert (eve.outcome, eve.reply_code, eve.session_id) == ("failed", None, "s1")
    assert (ann.message_id, last.outcome, last.message_id) == (
        "<accepted@x.test>",
        "pending",
        None,
    )


async def test_an_intent_can_be_asked_for_ahead_and_awaited_later(
    open_books: Opener, place: Place
) -> None:
    books = open_books()
    promise = books.intend([*books.select()], "<all@x.test>")
    await promise
    await promise
    with place.look() as other:
        assert [other.attempts(who)[0].message_id for who in PEOPLE] == ["<all@x.test>"] * 4


async def test_a_withdrawn_recipient_stands_where_it_stood(open_books: Opener) -> None:
    books = open_books()
    note(books, "bob@y.test", "deferred")
    (bob,) = books.select("deferred")
    await books.intend(bob, "<1@x.test>")
    assert bob.again_id is None
    books.withdraw(bob)
    await books.intend(bob, "<2@x.test>")
    books.withdraw(bob)
    assert chosen(books, "deferred") == ["bob@y.test"]
    assert [one.attempt for one in books.attempts("bob@y.test")] == [1]


async def test_two_open_attempts_for_one_recipient_are_impossible(
    open_books: Opener,
) -> None:
    books = open_books()
    (bob,) = books.select("bob@y.test")
    (same,) = books.select("bob@y.test")
    same.attempts = 4  # as one might believe who missed something
    await books.intend(bob, "<1@x.test>")
    with pytest.raises(LedgerError, match=r"(?i)unique"):
        await books.intend(same, "<2@x.test>")
    with pytest.raises(LedgerError, match="nothing further is sent"):
        books.intend(same, "<3@x.test>")


def test_a_reply_that_is_not_text_is_kept_readable(open_books: Opener) -> None:
    books = open_books()
    (bob,) = books.select("bob@y.test")
    reply = Reply(code=550, lines=("caf\udce9\0",))
    books.note(
        bob,
        RecipientResult(
            recipient="bob@y.test", outcome="rejected", reply=reply, verb="RCPT"
        ),
    )
    assert [one.reply_text for one in books.outcomes()][1] == "caf\\xe9\\x00"


# --- settling -----------------------------------------------------------------------------


def test_a_person_can_say_what_became_of_those_in_doubt(open_books: Opener) -> None:
    books = open_books()
    note(books, "bob@y.test", "in_doubt")
    note(books, "Ann@x.test", "in_doubt")
    books.settle({"BOB@y.test": "accepted", "ann@x.test": "failed"})
    assert books.counts == {"pending": 2, "accepted": 1, "failed": 1}
    assert chosen(books, "failed") == ["Ann@x.test"]
    assert [one.is_settled for one in books.outcomes()] == [True, True, False, False]
    (told,) = books.attempts("bob@y.test")
    assert (told.outcome, told.settled) == ("in_doubt", "accepted")


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"bob@y.test": "acepted"}, "did you mean 'accepted'"),
        ({"bob@y.test": "accepted", "ann@x.test": "accepted"}, "pending, not in doubt"),
        ({"bob@y.test": "accepted", "bib@y.test": "accepted"}, "did you mean 'bob@y.test'"),
    ],
)
def test_what_cannot_be_settled_is_refused_as_a_whole(
    open_books: Opener, told: dict[str, str], message: str
) -> None:
    books = open_books()
    note(books, "bob@y.test", "in_doubt")
    with pytest.raises(ValueError, match=message):
        books.settle(told)
    assert books.counts == {"pending": 3, "in_doubt": 1}


# --- what later mail says -----------------------------------------------------------------


def test_later_mail_changes_only_what_was_taken(open_books: Opener) -> None:
    books = open_books()
    note(books, "Ann@x.test", "accepted")
    note(books, "bob@y.test", "rejected")
    note(books, PEOPLE[2], "accepted")
    told = [
        Later("ANN@x.test", "bounced", "user_unknown", 1),
        Later("bob@y.test", "bounced", None, None),
        Later(PEOPLE[2], "bounced", None, 7),
        Later(PEOPLE[2], "deferred", None, None),
        Later("nobody@x.test", "bounced", None, None),
    ]
    assert books.hear(told) == 1
    assert books.hear(told) == 0
    assert books.counts == {"bounced": 1, "rejected": 1, "accepted": 1, "pending": 1}
    assert books.standing("ann@x.test").reason == "user_unknown"


# --- open and closed ----------------------------------------------------------------------


def test_a_closed_books_takes_nothing(open_books: Opener) -> None:
    books = open_books()
    (bob,) = books.select("bob@y.test")
    books.close()
    books.close()
    with pytest.raises(LedgerError, match="is closed"):
        books.note(bob, result("bob@y.test", "accepted"))


def test_a_word_for_those_in_doubt_that_is_none_is_refused(open_books: Opener) -> None:
    with pytest.raises(ValueError, match="in_doubt='maybe'"):
        open_books(in_doubt="maybe")


def test_whoever_looks_sees_signs_of_life(open_books: Opener, place: Place) -> None:
    books = open_books()
    with place.look() as other:
        begun = other.runner
        note(books, "bob@y.test", "accepted")
        assert books.counts["accepted"] == 1
        now = other.runner
    assert begun is not None
    assert now is not None
    assert (now.pid, now.since) == (os.getpid(), begun.since)
    assert now.heartbeat > begun.heartbeat
