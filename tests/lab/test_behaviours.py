"""Behaviours and rules: which decides, how often, when, and that chance is the seed's."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from smtpbook.lab.behaviours import Behaviour, Rule, Seen
from smtpbook.lab.rules import NOTHING, Action, Rules


def decide(rules: Rules, place: str, recipient: str = "bob@y.test") -> Action:
    return rules.action(place, Seen("lab-1", (recipient,)))


def code(action: Action) -> int | None:
    return None if action.reply is None else action.reply.code


REFUSE = Behaviour(reply="450 4.2.0 later")


# --- a behaviour --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("250", ("",)),
        ("250 OK", ("OK",)),
        ("450 4.2.0 Try later", ("4.2.0 Try later",)),
        ("250-one\n250-two\n250 three", ("one", "two", "three")),
        ("250 one\ntwo", ("one", "two")),
        ("250 - a dash", ("- a dash",)),
        ("250 in 250 ms", ("in 250 ms",)),
    ],
)
def test_a_reply_is_read_as_a_server_writes_it(text: str, lines: tuple[str, ...]) -> None:
    reply = Behaviour(reply=text).parsed()
    assert reply is not None
    assert (reply.code, reply.lines) == (int(text[:3]), lines)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"reply": "later"}, "does not begin with a reply code"),
        ({"reply": ""}, "does not begin with a reply code"),
        ({"reply": "650 no"}, "does not begin with a reply code"),
        ({"delay_s": -1}, "not a time in seconds"),
        ({"delay_s": (2.0, 1.0)}, "not a time in seconds"),
        ({"delay_s": float("nan")}, "not a time in seconds"),
        ({"delay_s": float("inf")}, "not a time in seconds"),
        ({"probability": 1.5}, "not between 0 and 1"),
        ({"loses_reply": True, "drop": True}, "give one of them"),
    ],
)
def test_a_behaviour_that_is_none_says_which_field(
    fields: dict[str, object], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        Behaviour(**fields)  # type: ignore[arg-type]


def test_an_unknown_place_suggests_the_near_one() -> None:
    with pytest.raises(ValueError, match="did you mean 'RCPT'"):
        Rules((Rule("RCTP", None, REFUSE),), 0)


# --- which rule ---------------------------------------------------------------------------


def test_the_first_rule_that_fits_decides_and_what_is_added_comes_first() -> None:
    rules = Rules(
        (Rule("RCPT", "*@y.test", REFUSE), Rule("RCPT", None, Behaviour(reply="550 no"))), 0
    )
    assert code(decide(rules, "RCPT")) == 450
    assert code(decide(rules, "RCPT", "bob@z.test")) == 550
    assert decide(rules, "MAIL") == NOTHING
    rules.add(Rule("RCPT", "bob@*", Behaviour(drop=True)))
    assert decide(rules, "RCPT").drop
    assert code(decide(rules, "RCPT", "ann@y.test")) == 450


def test_a_pattern_is_for_the_whole_address_whatever_its_case() -> None:
    rules = Rules((Rule("RCPT", "b?b@Y.test", REFUSE),), 0)
    assert code(decide(rules, "RCPT", "BOB@y.TEST")) == 450
    assert decide(rules, "RCPT", "bob@y.test.org") == NOTHING
    assert decide(rules, "RCPT", "blob@y.test") == NOTHING


def test_after_the_envelope_any_accepted_recipient_may_fit() -> None:
    rules = Rules((Rule("END-OF-DATA", "*@y.test", REFUSE),), 0)
    assert code(rules.action("END-OF-DATA", Seen("s", ("a@x.test", "b@y.test")))) == 450
    assert rules.action("END-OF-DATA", Seen("s", ("a@x.test",))) == NOTHING
    assert rules.action("END-OF-DATA", Seen("s")) == NOTHING


@pytest.mark.parametrize(
    ("recipient", "expected"),
    [
        ("550-5.1.1.x@lab.test", (550, "5.1.1 As the address asks")),
        ("452-4.2.2.mailbox@any.test", (452, "4.2.2 As the address asks")),
        ("421.x@lab.test", (421, "4.0.0 As the address asks")),
        ("250.x@lab.test", None),
        ("550x@lab.test", None),
        ("a550.x@lab.test", None),
    ],
)
def test_an_address_may_ask_for_its_reply(
    recipient: str, expected: tuple[int, str] | None
) -> None:
    action = decide(Rules((), 0), "RCPT", recipient)
    got = None if action.reply is None else (action.reply.code, action.reply.text)
    assert got == expected


# --- how often ----------------------------------------------------------------------------


def test_times_are_counted_for_each_address() -> None:
    rules = Rules((Rule("RCPT", None, Behaviour(reply="450 later", times=2)),), 0)
    for recipient in ("a@y.test", "b@y.test"):
        assert [code(decide(rules, "RCPT", recipient)) for _ in range(4)] == [
            450,
            450,
            None,
            None,
        ]


def test_times_are_counted_for_each_session_where_nobody_is_named() -> None:
    rules = Rules((Rule("MAIL", None, Behaviour(reply="451 later", times=1)),), 0)
    codes = [code(rules.action("MAIL", Seen(name))) for name in ("s1", "s2", "s1", "s2")]
    assert codes == [451, 451, None, None]


def test_a_rule_that_has_had_its_times_leaves_room_for_the_next() -> None:
    rules = Rules(
        (
            Rule("RCPT", None, Behaviour(reply="450 later", times=1)),
            Rule("RCPT", None, Behaviour(reply="451 still later", times=1)),
        ),
        0,
    )
    assert [code(decide(rules, "RCPT")) for _ in range(3)] == [450, 451, None]


def test_a_rule_added_meanwhile_changes_no_count() -> None:
    rules = Rules((Rule("RCPT", None, Behaviour(reply="450 later", times=2)),), 0)
    assert code(decide(rules, "RCPT")) == 450
    rules.add(Rule("DATA", None, REFUSE))
    assert [code(decide(rules, "RCPT")) for _ in range(2)] == [450, None]


# --- chance -------------------------------------------------------------------------------


def draw(seed: int, order: Callable[[list[str]], None]) -> dict[str, list[object]]:
    """Ask four times for each of 50 people, in some order; give what each was told."""
    behaviour = Behaviour(reply="450 later", delay_s=(0.001, 1.0), probability=0.4)
    rules = Rules((Rule("RCPT", None, behaviour),), seed)
    asked = [f"p{n}@y.test" for n in range(50) for _ in range(4)]
    order(asked)
    told: dict[str, list[object]] = {}
    for place, who in enumerate(asked):
        action = rules.action("RCPT", Seen(f"lab-{place % 3}", (who,)))
        told.setdefault(who, []).append(action)
    return told


def test_the_same_seed_gives_the_same_however_the_questions_interleave() -> None:
    assert draw(1, lambda asked: None) == draw(1, random.Random(5).shuffle)
    assert draw(1, lambda asked: None) != draw(2, lambda asked: None)


def test_chance_is_about_what_was_asked_for() -> None:
    told = [
        action for actions in draw(3, lambda asked: None).values() for action in actions
    ]
    hits = [action for action in told if action != NOTHING]
    assert 60 <= len(hits) <= 100  # of 200, with 0.4
    delays = sorted(action.delay_s for action in hits)  # type: ignore[attr-defined]
    assert 0.001 <= delays[0] <= delays[-1] <= 1.0
    # Evenly on the log scale: the middle is the geometric mean of the ends.
    assert 0.01 < delays[len(delays) // 2] < 0.1


def test_a_delay_from_nothing_is_drawn_evenly() -> None:
    rules = Rules((Rule("RCPT", None, Behaviour(delay_s=(0, 10.0))),), 0)
    delays = [decide(rules, "RCPT", f"p{n}@y.test").delay_s for n in range(100)]
    assert 0 <= min(delays) < 1
    assert 9 < max(delays) <= 10


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_never_and_always(probability: float) -> None:
    behaviour = Behaviour(reply="450 later", probability=probability)
    rules = Rules((Rule("RCPT", None, behaviour),), 0)
    assert {code(decide(rules, "RCPT")) for _ in range(50)} == {
        450 if probability else None
    }
