"""Plan: who is to be written to, and what has become of each."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from smtpbook.delivery.plan import Plan
from smtpbook.protocol.replies import Reply
from smtpbook.protocol.transaction import Outcome, RecipientResult

PEOPLE = ["Ann@x.test", "bob@y.test", "eve@xn--bcher-kva.example", "stra\u00dfe@z.test"]


def make_plan(suppressed: Iterable[str] = ()) -> Plan:
    return Plan([{"email": who} for who in PEOPLE], suppressed)


def note(plan: Plan, who: str, outcome: Outcome, reply: str | None = None) -> None:
    (entry,) = [one for one in plan._entries.values() if one.address == who]
    parsed = None if reply is None else Reply.parse(reply)
    plan.note(
        entry, RecipientResult(recipient=who, outcome=outcome, reply=parsed, verb="RCPT")
    )


def chosen(
    plan: Plan, only: str | Iterable[str] | None = None, limit: int | None = None
) -> list[str]:
    return [entry.address for entry in plan.select(only, limit)]


def test_those_never_tried_come_in_the_lists_order() -> None:
    plan = make_plan()
    assert chosen(plan) == PEOPLE
    assert chosen(plan, limit=2) == PEOPLE[:2]
    assert chosen(plan, limit=0) == []
    note(plan, "bob@y.test", "deferred")
    assert chosen(plan, limit=2) == [PEOPLE[0], PEOPLE[2]]
    assert (len(plan), plan.counts) == (4, {"pending": 3, "deferred": 1})


def test_a_limit_below_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="limit=-1"):
        make_plan().select(None, -1)


def test_two_spellings_are_not_one_person() -> None:
    """Lists compare lower case; folding would let one of these two disappear."""
    plan = Plan([{"email": "stra\u00dfe@z.test"}, {"email": "strasse@z.test"}], ())
    assert len(plan) == 2


# --- suppression --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spelled",
    ["bob@y.test", " BOB@Y.test ", "Bob@Y.TEST", "bob@y.test\n"],
)
def test_the_suppressed_are_found_however_they_are_spelled(spelled: str) -> None:
    plan = make_plan([spelled])
    assert [entry.address for entry in plan.suppressed()] == ["bob@y.test"]
    assert "bob@y.test" not in chosen(plan)
    assert chosen(plan, "bob@y.test") == []
    assert chosen(plan, ["failed", "bob@y.test", "ann@x.test"]) == ["Ann@x.test"]


@pytest.mark.parametrize("spelled", ["eve@bücher.example", "eve@BÜCHER.example"])
def test_a_domain_is_the_same_in_its_own_letters(spelled: str) -> None:
    assert len(make_plan([spelled]).suppressed()) == 1


def test_one_address_is_not_taken_for_its_letters() -> None:
    assert len(make_plan("bob@y.test").suppressed()) == 1


@pytest.mark.parametrize("junk", ["email", "", None, 5, {"email": "bob@y.test"}])
def test_what_would_protect_nobody_is_refused(junk: object) -> None:
    with pytest.raises(ValueError, match="is not an address"):
        make_plan(["bob@y.test", junk])  # type: ignore[list-item]


def test_an_address_that_is_none_but_looks_like_one_does_no_harm() -> None:
    assert make_plan(["no such@@thing"]).suppressed() == []


# --- only ---------------------------------------------------------------------------------


@pytest.fixture
def tried() -> Plan:
    plan = make_plan()
    note(plan, PEOPLE[0], "accepted", "250 ok")
    note(plan, PEOPLE[1], "deferred", "452 4.2.2 The mailbox is over its quota")
    note(plan, PEOPLE[2], "rejected", "550 5.1.1 no such user")
    note(plan, PEOPLE[3], "in_doubt")
    return plan


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
    only: str | Iterable[str] | None, expected: list[int], tried: Plan
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
    only: str | Iterable[str], told: str, tried: Plan
) -> None:
    with pytest.raises(ValueError, match=told):
        tried.select(only, None)


def test_notes_count_attempts_and_keep_the_reason(tried: Plan) -> None:
    note(tried, PEOPLE[1], "accepted", "250 ok")
    (entry,) = tried.select("bob@y.test", None)
    assert (entry.attempts, entry.outcome, entry.reason) == (2, "accepted", None)


def test_a_quoted_spelling_is_suppressed_like_the_plain_one() -> None:
    """RFC 5321 section 4.1.2: quoting that is not needed changes nothing."""
    plan = Plan(
        [{"email": '"carl"@x.example'}, {"email": "Dora@x.example"}],
        ["carl@x.example", '"dora"@X.example'],
    )
    assert plan.counts == {"suppressed": 2}
