"""Alarms: as rare as said where there is nothing, and there where there is something."""

from __future__ import annotations

import pytest

from tests.benchmarks.experiment import counted, planted_sent, same_rehearsed, same_sent

pytestmark = [pytest.mark.heavy, pytest.mark.side_by_side]


def test_experiments_with_nothing_to_find_alarm_as_rarely_as_said() -> None:
    found = counted(60, lambda seed: same_rehearsed(seed, 160), 0.0)
    # Of 60 with one in twenty, more than 8 would come once in five hundred times.
    assert found["alarms"] <= 8 / 60
    assert found["intervals that hold"] >= 52 / 60


def test_at_a_lab_server_the_same_levels_do_not_differ_and_a_planted_effect_does() -> None:
    assert counted(3, lambda seed: same_sent(seed, 120), 0.0)["alarms"] <= 1 / 3
    assert counted(3, lambda seed: planted_sent(seed, 240), -0.2)["alarms"] == 1.0
