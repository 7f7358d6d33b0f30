from __future__ import annotations

import math

import pytest

from smtpbook.statistics.interval import Interval, difference, normal_quantile


def interval(low: float, estimate: float, high: float, **others: object) -> Interval:
    given = {"n": 10, "effective_n": 10.0, "method": "some method", **others}
    return Interval(low=low, estimate=estimate, high=high, **given)  # type: ignore[arg-type]


def test_an_interval_says_of_how_many_and_by_whom() -> None:
    assert str(interval(0.1, 0.25, 0.5)) == (
        "0.25 (0.1 to 0.5; 95 % interval: some method, n = 10)"
    )


def test_fewer_independent_observations_are_told() -> None:
    caption = interval(0, 0.5, 1, n=4000, effective_n=37.2, confidence=0.9).caption
    assert caption == "90 % interval: some method, n = 4,000, worth 37 independent ones"


def test_a_difference_adds_the_squares_of_what_matters_at_each_end() -> None:
    change = difference(interval(1, 4, 6), interval(7, 10, 20))
    assert change.estimate == 6
    assert change.low == pytest.approx(6 - math.hypot(10 - 7, 6 - 4))
    assert change.high == pytest.approx(6 + math.hypot(20 - 10, 4 - 1))
    assert (change.n, change.effective_n) == (20, 20)
    assert change.method == "difference of some method"


def test_a_difference_names_both_methods() -> None:
    a, b = interval(0, 1, 2, method="Wilson"), interval(0, 1, 2, method="of a friend")
    assert difference(a, b).method == "difference of Wilson and of a friend"
    assert difference(a, a).method == "Newcombe"


def test_an_end_that_is_unknown_stays_unknown() -> None:
    change = difference(interval(1, 2, 3), interval(4, 5, math.inf))
    assert change.low == pytest.approx(3 - math.sqrt(2))
    assert change.high == math.inf


def test_a_difference_to_nothing_observed_is_what_both_allow() -> None:
    nothing = interval(0, math.nan, 1, n=0)
    change = difference(nothing, interval(0.6, 0.7, 0.8))
    assert math.isnan(change.estimate)
    assert (change.low, change.high) == (pytest.approx(-0.4), pytest.approx(0.8))


def test_intervals_of_different_confidence_are_refused() -> None:
    with pytest.raises(ValueError, match=r"confidence of 0\.95, the other of 0\.9;"):
        difference(interval(0, 1, 2), interval(0, 1, 2, confidence=0.9))


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0, math.nan])
def test_what_is_no_confidence_is_refused(confidence: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        normal_quantile(confidence)


def test_what_two_samples_have_in_common_cancels_out() -> None:
    a, b = interval(0.3, 0.4, 0.5), interval(0.4, 0.5, 0.6)
    widths = [difference(a, b, correlation=given).high - 0.1 for given in (0.8, 0.0, -0.8)]
    assert widths == sorted(widths)
    same = difference(a, a, correlation=1.0)
    assert (same.low, same.high) == (0, 0)


def test_an_end_that_is_not_bounded_stays_so_in_a_difference() -> None:
    one = interval(0, 1, math.inf)
    assert difference(one, one, correlation=0.5).high == math.inf
