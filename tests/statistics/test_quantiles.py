from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from smtpbook.statistics.interval import difference
from smtpbook.statistics.quantiles import (
    clustered_quantile,
    quantile_interval,
    quantile_ranks,
)

pytestmark = pytest.mark.side_by_side


# The places of the sign test's interval of the median, as in tables of it.
@pytest.mark.parametrize(
    ("n", "ranks"),
    [
        (6, (1, 6)),
        (9, (2, 8)),
        (10, (2, 9)),
        (15, (4, 12)),
        (20, (6, 15)),
        (25, (8, 18)),
        (100, (40, 61)),
    ],
)
def test_the_ends_of_a_median_are_as_published(n: int, ranks: tuple[int, int]) -> None:
    assert quantile_ranks(n, 0.5) == ranks


@settings(max_examples=40)
@given(
    n=st.integers(1, 10**7),
    q=st.floats(0.001, 0.999),
    confidence=st.sampled_from([0.8, 0.9, 0.95, 0.99]),
)
def test_either_end_leaves_out_half_of_what_may_be_left_out(
    n: int, q: float, confidence: float
) -> None:
    low, high = quantile_ranks(n, q, confidence=confidence)
    tail = (1 - confidence) / 2
    assert (
        stats.binom.cdf(low - 1, n, q) - 1e-12 <= tail < stats.binom.cdf(low, n, q) + 1e-12
    )
    assert stats.binom.sf(high - 1, n, q) <= tail + 1e-12
    assert 0 <= low < high <= n + 1


def test_it_is_scipys() -> None:
    values = np.random.default_rng(3).lognormal(size=500)
    for q in (0.1, 0.5, 0.9):
        got = quantile_interval(values, q)
        wanted = stats.quantile_test(values, p=q).confidence_interval(0.95)
        assert (got.low, got.high) == (wanted.low, wanted.high)
        assert got.estimate == np.quantile(values, q)


def test_too_few_values_bound_nothing() -> None:
    got = quantile_interval([0.3, 0.1, 0.2], least=0)
    assert (got.low, got.estimate, got.high) == (0, 0.2, math.inf)
    assert quantile_interval([0.3, 0.1, 0.2]).low == -math.inf


def test_a_p99_has_an_upper_end_from_368_values_on() -> None:
    """0.99 to the 368th is the first power below 0.025."""
    assert quantile_interval(range(367), 0.99).high == math.inf
    assert quantile_interval(range(368), 0.99).high == 367


def test_of_no_values_nothing_is_known() -> None:
    got = quantile_interval([], least=0)
    assert (got.low, got.high, got.n) == (0, math.inf, 0)
    assert math.isnan(got.estimate)


def test_ties_may_leave_an_interval_without_width() -> None:
    got = quantile_interval([2.0] * 40 + [3.0] * 5)
    assert (got.low, got.estimate, got.high) == (2, 2, 2)


def test_values_that_are_missing_are_counted() -> None:
    with pytest.raises(ValueError, match="2 of 3 values are NaN"):
        quantile_interval([math.nan, 1, math.nan])


@pytest.mark.parametrize("q", [0, 1, 50, math.nan])
def test_what_is_no_quantile_is_refused(q: float) -> None:
    with pytest.raises(ValueError, match="q lies between 0 and 1"):
        quantile_interval([1, 2, 3], q)


def test_times_of_servers_that_differ_are_worth_less() -> None:
    fast, slow = np.linspace(1, 2, 50), np.linspace(5, 9, 50)
    times = np.concatenate([fast, slow, fast, slow, fast])
    plain, got = (
        quantile_interval(times),
        clustered_quantile(times, np.repeat([*"abcde"], 50)),
    )
    assert got.low <= plain.low <= got.estimate == plain.estimate <= plain.high <= got.high
    assert got.effective_n < 10 < got.n == 250
    assert got.method == "cluster bootstrap (Woodruff)"


def test_times_that_are_each_of_their_own_server_are_as_independent_ones() -> None:
    times = np.random.default_rng(10).lognormal(size=300)
    plain, got = quantile_interval(times), clustered_quantile(times, range(300))
    assert (got.low, got.high) == pytest.approx((plain.low, plain.high), rel=0.1)
    assert got.effective_n == pytest.approx(299)


def test_one_server_tells_little_and_none_nothing() -> None:
    one = clustered_quantile([1.0, 2.0, 3.0], ["a"] * 3, least=0)
    assert one.low <= 2 <= one.high
    assert one.effective_n == 1
    none = clustered_quantile([], [], least=0)
    assert (none.low, none.high, none.n) == (0, math.inf, 0)
    high = clustered_quantile([1.0, 2.0, 3.0], [*"abc"], 0.99, least=0)
    assert high.high == math.inf
    assert clustered_quantile([1.0, 2.0, 3.0], [*"abc"], 0.01, least=0).low == 0


def test_ties_of_servers_may_leave_an_interval_without_width() -> None:
    got = clustered_quantile([2.0] * 48, [*"abcdef"] * 8)
    assert (got.low, got.estimate, got.high) == (2, 2, 2)


def test_servers_are_too_few_where_as_many_single_times_would_be() -> None:
    """Of five, none may be above the median: 1 in 32 is more than 2.5 %."""
    for clusters in ([*"abcde"] * 8, ["a"] * 40):
        got = clustered_quantile([2.0] * 40, clusters, least=0)
        assert (got.low, got.high) == (0, math.inf)


def test_a_clump_at_the_median_is_not_taken_for_what_lies_below() -> None:
    """48 % take 1 s, 32 % 2 s: the median is 2, but hardly more than 1."""
    times = [*[1.0] * 12, *[2.0] * 8, *[3.0] * 5] * 8
    got = clustered_quantile(times, np.arange(200) % 7)
    assert (got.low, got.estimate) == (1, 2)
    assert got.method == "cluster bootstrap (Woodruff)"
    fast, slow = [2.0] * 9 + [3.0], [2.0] * 6 + [3.0] * 4
    got = clustered_quantile([*fast, *slow, *fast], np.repeat([*"abc"], 10))
    assert got.method == "cluster bootstrap (Woodruff)"


def test_values_without_a_cluster_and_wrong_quantiles_are_refused() -> None:
    with pytest.raises(ValueError, match="2 values, but 1 clusters"):
        clustered_quantile([1, 2], ["a"])
    with pytest.raises(ValueError, match="q lies between 0 and 1"):
        clustered_quantile([1, 2], ["a", "b"], 50)


def test_medians_can_be_subtracted() -> None:
    rng = np.random.default_rng(4)
    a, b = (quantile_interval(rng.exponential(scale, 400)) for scale in (1, 2))
    change = difference(a, b)
    assert change.low < math.log(2) < change.high
    assert change.low > 0
    assert change.method == "difference of order statistics"


@pytest.mark.heavy
@pytest.mark.parametrize("q", [0.5, 0.95])
def test_latencies_quantiles_and_their_differences_are_covered(q: float) -> None:
    """Log-normal, with a tenth of them in one clump, as when a server waits 5 s."""
    rng = np.random.default_rng(5)
    values = np.exp(rng.normal(size=(2, 2000, 150)))
    values[rng.random(values.shape) < 0.1] = 5.0
    many = np.exp(rng.normal(size=2_000_000))
    many[rng.random(many.shape) < 0.1] = 5.0
    true = np.quantile(many, q)
    a, b = ([quantile_interval(row, q) for row in rows] for rows in values)
    assert np.mean([got.low <= true <= got.high for got in a]) >= 0.94
    changes = [difference(*pair) for pair in zip(a, b, strict=True)]
    assert np.mean([got.low <= 0 <= got.high for got in changes]) >= 0.94


@pytest.mark.heavy
@pytest.mark.parametrize("clusters", [10, 40])
@pytest.mark.parametrize("spread", [0.3, 1.0])
def test_medians_of_servers_that_differ_are_covered(clusters: int, spread: float) -> None:
    """The first has a third of all replies; each has a time of its own, log-normal."""
    rng = np.random.default_rng(11)
    place = np.repeat(range(clusters), np.maximum(1, 400 // np.arange(1, clusters + 1)))
    covered = []
    for _ in range(400):
        own = rng.normal(0, spread, clusters)[place]
        got = clustered_quantile(np.exp(own + rng.normal(size=len(place))), place)
        covered.append(got.low <= 1 <= got.high)
    assert np.mean(covered) >= 0.90
