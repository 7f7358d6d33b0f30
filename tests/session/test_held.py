"""A session is held open for another thread, and ends when that says so."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import CancelledError

import pytest

from smtpbook.errors import TransportError
from smtpbook.events import COLUMNS, Row
from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab
from smtpbook.runner import SENDER
from smtpbook.session.held import HeldSession

_VERB = COLUMNS.index("verb")


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab() as running:
        yield running


def test_it_says_what_it_is_told_and_goodbye_once(lab: Lab) -> None:
    rows: list[Row] = []
    held = HeldSession(lab.account, rows.append)
    session = held.opened()
    reply = SENDER.run(session.command, "NOOP")
    assert reply is not None
    assert reply.code == 250
    held.leave()
    held.leave()
    verbs = [row[_VERB] for row in rows if row[_VERB]]
    assert verbs == ["GREETING", "NOOP", "QUIT"]
    assert session.is_over


def test_who_waits_for_a_greeting_that_is_not_wanted_any_more_is_told(lab: Lab) -> None:
    lab.set(greeting=Behaviour(delay_s=600))
    held = HeldSession(lab.account, lambda row: None)
    held.drop()
    with pytest.raises(CancelledError):
        held.opened()


def test_why_there_is_no_greeting_is_raised_where_it_is_waited_for(lab: Lab) -> None:
    lab.set(greeting=Behaviour(drop=True))
    held = HeldSession(lab.account, lambda row: None)
    with pytest.raises(TransportError):
        held.opened()
    held.leave()
