"""Queues: the ways of an experiment read one list, none too far ahead of the others."""

from __future__ import annotations

from collections import deque

import pytest

from smtpbook.accounts.account import Account
from smtpbook.delivery.arms import Arm, Arms, Way
from smtpbook.delivery.clock import Clock
from smtpbook.delivery.queues import Queues
from smtpbook.ledger.entries import Entry
from smtpbook.pacing.pace import Pace, Pacer


class Given:
    """A source of entries that stand in a list."""

    def __init__(self, arms: str) -> None:
        self._entries = deque(
            Entry(f"p{n}@x.test", "", n, row={"arm": arm}) for n, arm in enumerate(arms)
        )

    def __len__(self) -> int:
        return len(self._entries)

    def take(self) -> Entry | None:
        return self._entries.popleft() if self._entries else None


def test_a_way_waits_for_one_that_is_far_behind_as_long_as_that_has_connections(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("smtpbook.delivery.queues.MAX_HELD", 3)
    arms = Arms({"a": Arm(), "b": Arm(way=Way(pipelining="off"))})
    queues = Queues(source := Given("bbbbba"), arms, Pacer(Pace()), Clock(), lambda p: p)
    account = Account(host="x.test", port=25, tls="none")
    first, second = queues.routes(
        {account: 1.0}, 2, lambda account, queue: lambda row: None
    )
    assert first.queue.take(0.0) is None
    assert len(source) == 3
    second.seats.clear()
    entry = first.queue.take(0.0)
    assert entry is not None
    assert entry.address == "p5@x.test"
