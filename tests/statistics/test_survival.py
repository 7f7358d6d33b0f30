from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from smtpbook.statistics.survival import kaplan_meier, survival_band
from tests.statistics.remissions import ON_6MP, ON_PLACEBO

pytestmark = pytest.mark.side_by_side


def test_the_curve_is_as_published() -> None:
    """Kleinbaum and Klein, Survival analysis, chapter 2, tables of the 6-MP group."""
    curve = kaplan_meier(*ON_6MP)
    steps = curve.events > 0
    assert curve.times[steps].tolist() == [6, 7, 10, 13, 16, 22, 23]
    assert curve.at_risk[steps].tolist() == [21, 17, 15, 12, 11, 7, 6]
    assert curve.events[steps].tolist() == [3, 1, 1, 1, 1, 1, 1]
    published = [0.8571, 0.8067, 0.7529, 0.6902, 0.6275, 0.5378, 0.4482]
    assert curve.estimate[steps].round(4).tolist() == published


def test_greenwoods_variance_is_as_published() -> None:
    """The standard errors in the same tables."""
    curve = kaplan_meier(*ON_6MP)
    steps = curve.events > 0
    variance = (curve.estimate * (1 - curve.estimate) / curve.effective_n)[steps]
    published = [0.0764, 0.0869, 0.0963, 0.1068, 0.1141, 0.1282, 0.1346]
    assert np.sqrt(variance).round(4).tolist() == published


@pytest.mark.filterwarnings("ignore:The confidence interval is undefined:RuntimeWarning")
@settings(max_examples=30)
@given(
    waits=st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=1, max_size=30),
    confidence=st.sampled_from([0.8, 0.95]),
)
def test_estimate_and_band_are_scipys(
    waits: list[tuple[int, bool]], confidence: float
) -> None:
    times, ended = (
        np.array([wait for wait, _ in waits]),
        np.array([is_ for _, is_ in waits]),
    )
    curve = kaplan_meier(times, ended, confidence=confidence)
    function = stats.ecdf(
        stats.CensoredData(uncensored=times[ended], right=times[~ended])
    ).sf
    assert curve.times.tolist() == function.quantiles.tolist()
    assert curve.estimate == pytest.approx(function.probabilities)
    inside = (curve.estimate > 0) & (curve.estimate < 1)
    if inside.any():
        band = function.confidence_interval(confidence, method="log-log")
        assert curve.low[inside] == pytest.approx(band.low.probabilities[inside])
        assert curve.high[inside] == pytest.approx(band.high.probabilities[inside])
    assert (curve.low <= curve.estimate).all()
    assert (curve.estimate <= curve.high).all()


def test_a_median_has_the_ends_where_the_band_comes_down_to_a_half() -> None:
    """As SAS's PROC LIFETEST prints them, whose band is log-log too."""
    treated, placebo = (
        kaplan_meier(*ON_6MP).quantile(),
        kaplan_meier(*ON_PLACEBO).quantile(),
    )
    assert (treated.low, treated.estimate, treated.high) == (13, 23, math.inf)
    assert (placebo.low, placebo.estimate, placebo.high) == (4, 8, 11)


def test_counts_in_a_table_give_the_same_band() -> None:
    curve = kaplan_meier(*ON_6MP)
    estimate, low, high, worth = survival_band(curve.at_risk, curve.events)
    assert estimate.tolist() == curve.estimate.tolist()
    assert (low.tolist(), high.tolist()) == (curve.low.tolist(), curve.high.tolist())
    assert worth.tolist() == curve.effective_n.tolist()


def test_without_censoring_the_effective_n_is_n() -> None:
    assert kaplan_meier(*ON_PLACEBO).effective_n.tolist() == pytest.approx([21] * 12)


def test_a_curve_is_asked_at_any_time() -> None:
    curve = kaplan_meier(*ON_6MP)
    at = curve.at(8)
    assert at.estimate == pytest.approx(0.8067, abs=1e-4)
    assert (at.n, round(at.effective_n, 1)) == (21, 20.6)
    assert at.method == "Kaplan-Meier, log-log"
    assert curve.at(5.9).low == curve.at(0).estimate == 1
    assert curve.at(7).estimate == at.estimate


def test_after_the_last_time_only_the_high_end_is_known() -> None:
    after = kaplan_meier(*ON_6MP).at(36)
    assert math.isnan(after.estimate)
    assert (after.low, after.high) == (0, pytest.approx(0.6801, abs=1e-4))


def test_once_all_have_ended_the_estimate_stays_0() -> None:
    curve = kaplan_meier(*ON_PLACEBO)
    assert curve.at(23).estimate == curve.at(99).estimate == 0
    assert curve.at(99).low == 0
    assert curve.at(99).high == curve.at(22).high


def test_without_an_event_the_low_end_is_the_exact_one() -> None:
    curve = kaplan_meier([7] * 10, [False] * 10)
    assert (curve.at(7).estimate, curve.at(7).high) == (1, 1)
    wanted = stats.binomtest(10, 10).proportion_ci(0.95, method="exact").low
    assert curve.at(7).low == pytest.approx(wanted)
    assert curve.quantile().estimate == math.inf


def test_all_that_end_at_once_leave_the_exact_high_end() -> None:
    got = kaplan_meier([0] * 10, [True] * 10).at(0)
    wanted = stats.binomtest(0, 10).proportion_ci(0.95, method="exact").high
    assert (got.low, got.estimate, got.high) == (0, 0, pytest.approx(wanted))


def test_of_no_waits_nothing_is_known() -> None:
    curve = kaplan_meier([], [])
    assert (curve.n, len(curve.times)) == (0, 0)
    assert (curve.at(5).low, curve.at(5).high) == (0, 1)
    assert (curve.quantile().low, curve.quantile().high) == (0, math.inf)
    assert math.isnan(curve.at(5).estimate)
    assert math.isnan(curve.quantile().estimate)


@pytest.mark.parametrize(
    ("durations", "words"),
    [([1, math.nan, math.nan], "2 of 3 are not, the first is nan"), ([1, 2, -3], "is -3")],
)
def test_what_is_no_duration_is_refused(durations: list[float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        kaplan_meier(durations, [True] * 3)


def test_an_event_of_which_nobody_knows_is_refused() -> None:
    with pytest.raises(ValueError, match="True or False"):
        kaplan_meier([1, 2], [True, math.nan])


def test_lengths_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2,\), is_event \(1,\)"):
        kaplan_meier([1, 2], [True])


@pytest.mark.parametrize(("at_risk", "events"), [([3, 2], [1, 3]), ([3, 0], [1, 0])])
def test_impossible_counts_are_refused(at_risk: list[int], events: list[int]) -> None:
    with pytest.raises(ValueError, match="between 0 and at_risk"):
        survival_band(at_risk, events)


def test_a_part_that_is_no_part_is_refused() -> None:
    with pytest.raises(ValueError, match=r"such as 0\.5, and is not 50"):
        kaplan_meier(*ON_6MP).quantile(50)


@pytest.mark.heavy
@pytest.mark.parametrize("n", [30, 200])
def test_the_band_covers_what_it_says(n: int) -> None:
    """At three times, with every third wait or so censored."""
    rng, runs = np.random.default_rng(6), 1500
    waits, watched = rng.exponential(1, (runs, n)), rng.exponential(2, (runs, n))
    curves = [
        kaplan_meier(np.minimum(wait, end), wait <= end)
        for wait, end in zip(waits, watched, strict=True)
    ]
    for time in (0.25, 0.7, 1.2):
        each = [curve.at(time) for curve in curves]
        covered = np.mean([got.low <= math.exp(-time) <= got.high for got in each])
        assert covered >= 0.93, time
    medians = [curve.quantile() for curve in curves]
    assert np.mean([got.low <= math.log(2) <= got.high for got in medians]) >= 0.93
