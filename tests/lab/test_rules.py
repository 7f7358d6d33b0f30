"""Rules: limits and waits by the clock, what was seen, what an address asks for."""

from __future__ import annotations

import pytest

from smtpbook.lab.behaviours import Behaviour, Rule, Seen
from smtpbook.lab.by_address import asked_for
from smtpbook.lab.rules import Rules


def codes(behaviour: Behaviour, *seen: Seen) -> list[int]:
    rules = Rules((Rule("RCPT", None, behaviour),), 0)
    replies = [rules.action("RCPT", one).reply for one in seen]
    return [250 if reply is None else reply.code for reply in replies]


def at(*instants: float) -> list[Seen]:
    return [Seen("lab-1", ("b@y.test",), now) for now in instants]


def test_a_limit_lets_through_so_many_in_any_stretch_of_its_length() -> None:
    limit = Behaviour(reply="450 slow down", over=(2, 60.0))
    assert codes(limit, *at(0, 30, 31, 59, 60, 61, 90)) == [
        250,
        250,
        450,
        450,
        250,
        450,
        250,
    ]


def test_greylisting_waits_from_the_first_try_on() -> None:
    grey = Behaviour(reply="450 later", for_s=300.0)
    assert codes(grey, *at(10, 11, 309.9, 310, 999)) == [450, 450, 450, 250, 250]


def test_skip_and_times_make_the_nth_time() -> None:
    assert codes(Behaviour(reply="450 x", skip=2, times=1), *at(*range(4))) == [
        *(250, 250, 450, 250)
    ]


def test_what_was_seen_decides() -> None:
    clear = Behaviour(reply="530 TLS first", when=lambda seen: not seen.is_secure)
    assert codes(clear, Seen("s"), Seen("s", is_secure=True)) == [530, 250]


def test_what_was_set_is_taken_back_and_the_scenarios_stays() -> None:
    rules = Rules((Rule("RCPT", None, Behaviour(reply="450 x")),), 0)
    since = rules.added
    rules.add(Rule("RCPT", None, Behaviour(reply="550 x")))
    rules.remove("RCPT", None, since=since)
    assert [rule.behaviour.reply for rule in rules.rules] == ["450 x"]


@pytest.mark.parametrize(
    ("address", "place", "expected"),
    [
        ("550-5.1.1.x@y.test", "RCPT", Behaviour(reply="550 5.1.1 As the address asks")),
        ("2s.x@y.test", "RCPT", Behaviour(delay_s=2.0)),
        ("450s.x@y.test", "RCPT", Behaviour(delay_s=450.0)),
        ("drop-end.x@y.test", "END-OF-DATA", Behaviour(drop=True)),
        ("lost-end.x@y.test", "END-OF-DATA", Behaviour(loses_reply=True)),
        ("lost-drop.x@y.test", "RCPT", Behaviour(drop=True)),
        ("reset.x@y.test", "RCPT", Behaviour(reset=True)),
    ],
)
def test_an_address_asks(address: str, place: str, expected: Behaviour) -> None:
    assert asked_for(address) == Rule(place, None, expected)


@pytest.mark.parametrize("address", ["2x.b@y", "end.b@y", "250.b@y", "550-5.1.1b@y", "b@y"])
def test_other_addresses_ask_for_nothing(address: str) -> None:
    assert asked_for(address) is None
