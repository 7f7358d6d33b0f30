"""A conversation by hand says what it is told and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from smtpbook.errors import LocalProtocolError, TransportError
from smtpbook.grading.heard import sessions_heard
from smtpbook.grading.talk import Talk
from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab() as running:
        yield running


def test_the_greeting_comes_first_and_nothing_is_said_by_itself(lab: Lab) -> None:
    with Talk(lab.account) as talk:
        assert talk.greeting.code == 220
        assert "<-  220" in repr(talk.greeting)
        assert [heard.verbs for heard in sessions_heard(lab.log)] == [("GREETING",)]


def test_each_turn_shows_what_was_said_and_what_came_back(lab: Lab) -> None:
    with Talk(lab.account) as talk:
        said = talk.say("VRFY ann")
        assert said.code == 252
        assert "-> VRFY ann" in repr(said)
        assert "EHLO" not in repr(said)


def test_a_letter_goes_line_by_line_and_wrong_commands_are_allowed(lab: Lab) -> None:
    with Talk(lab.account) as talk:
        assert talk.say("MIAL FROM:<a@b.example>").code == 500
        talk.say("EHLO a.example", "MAIL FROM:<a@b.example>", "RCPT TO:<c@d.example>")
        assert talk.say("DATA").code == 354
        assert talk.say("..one dot", "Subject: x").code is None
        assert talk.say(".").code == 250
    assert lab.received[0].data == b".one dot\r\nSubject: x\r\n"


def test_a_line_end_in_a_line_is_refused(lab: Lab) -> None:
    with Talk(lab.account) as talk, pytest.raises(LocalProtocolError, match="line end"):
        talk.say("NOOP\r\nQUIT")


def test_leaving_says_goodbye_once(lab: Lab) -> None:
    with Talk(lab.account) as talk:
        talk.say("QUIT")
    talk.close()
    Talk(lab.account).close()
    assert [heard.verbs[-1] for heard in sessions_heard(lab.log)] == ["QUIT", "QUIT"]
    assert [heard.verbs.count("QUIT") for heard in sessions_heard(lab.log)] == [1, 1]


def test_a_server_that_hangs_up_is_told_to_who_spoke(lab: Lab) -> None:
    lab.set(noop=Behaviour(drop=True))
    with Talk(lab.account) as talk, pytest.raises(TransportError):
        talk.say("NOOP")
