from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from smtpbook.statistics.comparing import (
    Evidence,
    evidence_of,
    holm,
    log_rank,
    rank_sum,
    score_test,
)
from smtpbook.statistics.interval import Interval, difference
from smtpbook.statistics.proportions import clustered, newcombe, wilson
from tests.statistics.remissions import ON_6MP, ON_PLACEBO

pytestmark = pytest.mark.side_by_side


def test_log_rank_is_as_published() -> None:
    """Chi-squared is 16.79: Kleinbaum and Klein, Survival analysis, chapter 2."""
    found = log_rank(*ON_PLACEBO, *ON_6MP)
    assert round(found.statistic**2, 2) == 16.79
    assert found.p_value == pytest.approx(stats.chi2.sf(found.statistic**2, 1))
    assert (found.n, found.method) == (42, "log-rank test")


def interval(low: float, estimate: float, high: float) -> Interval:
    return Interval(
        estimate=estimate, low=low, high=high, n=9, effective_n=9.0, method="Newcombe"
    )


def test_a_statistic_is_positive_if_b_is_longer_or_more_frequent() -> None:
    assert (
        log_rank(*ON_PLACEBO, *ON_6MP).statistic
        > 0
        > log_rank(*ON_6MP, *ON_PLACEBO).statistic
    )
    assert evidence_of(newcombe(1, 9, 8, 9)).statistic > 0
    assert evidence_of(newcombe(8, 9, 1, 9)).statistic < 0


def test_a_score_test_is_pearsons() -> None:
    found = score_test(wilson(48, 80), wilson(56, 70))
    wanted = stats.chi2_contingency([[48, 32], [56, 14]], correction=False)
    assert found.statistic**2 == pytest.approx(wanted.statistic)
    assert found.p_value == pytest.approx(wanted.pvalue)
    assert found.n == 150


def test_clusters_count_with_their_effective_n() -> None:
    a, b = [9, 1, 8, 2, 9], [10, 2, 9, 8, 10]
    clear = score_test(wilson(sum(a), 50), wilson(sum(b), 50))
    unclear = score_test(clustered(a, [10] * 5), clustered(b, [10] * 5))
    assert clear.p_value < 0.05 < unclear.p_value


def test_ranks_are_summed_as_by_scipy_ties_and_all() -> None:
    rng = np.random.default_rng(7)
    a, b = rng.poisson(3, 40), rng.poisson(4, 60)
    found = rank_sum(a, b)
    wanted = stats.mannwhitneyu(a, b, method="asymptotic", use_continuity=False)
    assert found.p_value == pytest.approx(wanted.pvalue)


def test_a_p_value_is_that_of_its_interval() -> None:
    """0.05 is where the interval touches 0, on either side."""
    assert evidence_of(interval(0, 0.2, 0.5)).p_value == pytest.approx(0.05)
    assert evidence_of(interval(-0.5, -0.2, 0)).p_value == pytest.approx(0.05)
    found = evidence_of(newcombe(480, 800, 560, 800))
    wanted = stats.chi2_contingency([[480, 320], [560, 240]], correction=False)
    assert found.statistic**2 == pytest.approx(wanted.statistic, rel=0.05)
    assert found == Evidence(
        statistic=found.statistic,
        p_value=found.p_value,
        n=1600,
        method="from the interval: Newcombe",
    )


def test_clusters_weaken_the_evidence() -> None:
    a, b = [9, 1, 8, 2, 9], [10, 2, 9, 8, 10]
    clear = evidence_of(newcombe(sum(a), 50, sum(b), 50))
    unclear = evidence_of(difference(clustered(a, [10] * 5), clustered(b, [10] * 5)))
    assert clear.p_value < 0.05 < unclear.p_value


def test_nothing_observed_is_no_evidence() -> None:
    for found in (
        evidence_of(newcombe(0, 0, 3, 4)),
        log_rank([], [], [1, 2], [True, True]),
    ):
        assert math.isnan(found.p_value)
        assert math.isnan(found.statistic)


def test_what_does_not_differ_at_all_is_no_traceback() -> None:
    for found in (
        evidence_of(newcombe(3, 3, 40, 40)),
        evidence_of(interval(0, 0, 0)),
        score_test(wilson(3, 3), wilson(40, 40)),
        rank_sum([2, 2], [2, 2, 2]),
        evidence_of(interval(-math.inf, 2, math.inf)),
        log_rank([1, 2], [False, False], [3], [False]),
        log_rank([3], [True], [3], [True]),
        log_rank([1], [False], [3], [True]),
    ):
        assert (found.statistic, found.p_value) == (0, 1)
    assert evidence_of(interval(2, 2, 2)).p_value == 0


wait = st.tuples(st.integers(0, 4), st.booleans())
waits = st.lists(wait, min_size=1, max_size=5)


@settings(max_examples=40)
@given(a=waits, b=waits)
def test_whatever_the_waits_a_log_rank_is_a_number(
    a: list[tuple[int, bool]], b: list[tuple[int, bool]]
) -> None:
    columns = [list(column) for waits in (a, b) for column in zip(*waits, strict=True)]
    found = log_rank(*columns)
    assert 0 <= found.p_value <= 1
    assert math.isfinite(found.statistic)


def test_a_million_values_are_as_clear_as_can_be() -> None:
    rng = np.random.default_rng(8)
    values = rng.exponential(1, 100_000)
    found = rank_sum(values, 2 * values)
    assert 100 < found.statistic < 200
    assert found.p_value == 0


def test_values_that_are_missing_are_counted() -> None:
    with pytest.raises(ValueError, match="1 of 3 values are NaN"):
        rank_sum([1, math.nan], [2])


def test_holm_multiplies_the_least_by_their_number() -> None:
    """0.005 x 4, 0.01 x 3, 0.03 x 2; and 0.04 x 1 is no less than the one before."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert holm([]) == ()
    assert holm([0.5, 0.9]) == (1, 1)


def test_holm_leaves_out_what_was_not_compared() -> None:
    adjusted = holm([0.01, math.nan, 0.04])
    assert adjusted[::2] == pytest.approx((0.02, 0.04))
    assert math.isnan(adjusted[1])


@settings(max_examples=40)
@given(p_values=st.lists(st.floats(0, 1), max_size=8), level=st.floats(0.001, 0.3))
def test_holm_rejects_what_his_procedure_does(p_values: list[float], level: float) -> None:
    """Holm (1979): from the least on, stop at the first above level / (m - i)."""
    rejected = set()
    for done, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if (len(p_values) - done) * p_values[place] > level:
            break
        rejected.add(place)
    adjusted = holm(p_values)
    assert {place for place, p in enumerate(adjusted) if p <= level} == rejected


@pytest.mark.parametrize("p_value", [-0.1, 1.1])
def test_what_is_no_p_value_is_refused(p_value: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm([0.5, p_value])


@pytest.mark.heavy
def test_false_alarms_are_as_rare_as_stated() -> None:
    rng, alarms = np.random.default_rng(9), []
    for _ in range(2000):
        a, b = rng.exponential(1, (2, 60))
        end_a, end_b = rng.exponential(2, (2, 60))
        k_a, k_b = rng.binomial(60, 0.3, 2)
        waits = np.minimum(a, end_a), a <= end_a, np.minimum(b, end_b), b <= end_b
        tests = (
            log_rank(*waits),
            rank_sum(a, b),
            score_test(wilson(k_a, 60), wilson(k_b, 60)),
            evidence_of(newcombe(k_a, 60, k_b, 60)),
        )
        alarms.append([test.p_value for test in tests])
    rates = (np.array(alarms) <= 0.05).mean(axis=0)
    assert (rates <= 0.065).all()
    assert np.mean([min(holm(row)) <= 0.05 for row in alarms]) <= 0.065
