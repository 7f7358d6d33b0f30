"""Scenarios: each by its name, and what it does to one message."""

from __future__ import annotations

import pytest
import trio

from smtpbook.errors import SMTPBookError
from smtpbook.lab.lab import Lab
from smtpbook.lab.scenarios import SCENARIOS
from smtpbook.protocol.message import Message
from smtpbook.session.session import open_session


def outcomes(lab: Lab, *recipients: str) -> list[str]:
    async def main() -> list[str]:
        got = []
        for who in recipients:
            message = Message.from_bytes("ann@x.test", [who], b"hi\r\n")
            async with open_session(lab.account) as session:
                got.append((await session.send(message)).outcome)
        return got

    return trio.run(main)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ordinary", ["accepted", "accepted"]),
        ("greylisting", ["deferred", "accepted"]),
        ("full-mailboxes", ["deferred", "deferred"]),
        ("drops-after-dot", ["in_doubt", "in_doubt"]),
        ("no-starttls", ["accepted", "accepted"]),
    ],
)
def test_a_scenario_does_what_it_is_about(name: str, expected: list[str]) -> None:
    with Lab(name, speed=1e9) as lab:
        assert outcomes(lab, "bob@y.test", "bob@y.test") == expected
        assert len(lab.received) == expected.count("accepted")


def test_a_mixed_day_has_something_of_everything() -> None:
    people = {
        "a@ordinary.example": "accepted",
        "a@patience.example": "deferred",
        "a@fullbox.example": "deferred",
        "a@gone.example": "rejected",
        "a@strictgate.example": "rejected",
        "a@slowlane.example": "accepted",
    }
    with Lab("mixed-day") as lab:
        assert outcomes(lab, *people) == list(people.values())
        assert lab.outcomes == people
        assert outcomes(lab, "a@patience.example") == ["accepted"]


def test_without_starttls_none_is_offered() -> None:
    with Lab("no-starttls", tls="starttls") as lab:
        with pytest.raises(SMTPBookError, match="does not offer STARTTLS"):
            outcomes(lab, "bob@y.test")
        assert set(lab.log["verb"]) == {"GREETING", "EHLO", "QUIT"}


def test_every_scenario_is_described_and_has_its_own_name() -> None:
    for name, one in SCENARIOS.items():
        assert one.name == name
        assert one.about.endswith(".")


def test_an_unknown_scenario_gets_the_list() -> None:
    with pytest.raises(
        ValueError, match=r"did you mean 'greylisting'.*ordinary, mixed-day"
    ):
        Lab("graylisting")
