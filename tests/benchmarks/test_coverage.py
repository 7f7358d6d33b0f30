"""What intervals cover is as issue 8 asks; the command prints it of more logs."""

from __future__ import annotations

import pytest

from tests.benchmarks.coverage import CLUSTERED, INDEPENDENT, covered, no_alarm

pytestmark = [pytest.mark.heavy, pytest.mark.side_by_side]


@pytest.mark.parametrize("name", INDEPENDENT)
def test_intervals_of_independent_observations_cover(name: str) -> None:
    assert covered(INDEPENDENT[name], 1000) >= 0.93


@pytest.mark.parametrize("name", CLUSTERED)
def test_intervals_of_clustered_observations_cover(name: str) -> None:
    assert covered(CLUSTERED[name], 300) >= 0.90


def test_logs_that_do_not_differ_rarely_alarm() -> None:
    assert covered(no_alarm, 100) >= 0.92
