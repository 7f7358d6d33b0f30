from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from smtpbook.statistics.interval import Interval, difference
from smtpbook.statistics.proportions import (
    Clusters,
    clustered,
    newcombe,
    wilson,
    wilson_limits,
)

pytestmark = pytest.mark.side_by_side

# Pups that survived of those alive at four days, in 16 litters each: Weil (1970), as given
# by Williams (1975), Biometrics 31, 949-952.
CONTROL = (
    (13, 12, 9, 9, 8, 8, 12, 11, 9, 9, 8, 11, 4, 5, 7, 7),
    (13, 12, 9, 9, 8, 8, 13, 12, 10, 10, 9, 13, 5, 7, 10, 10),
)
TREATED = (
    (12, 11, 10, 9, 10, 9, 9, 8, 8, 4, 7, 4, 5, 3, 3, 0),
    (12, 11, 10, 9, 11, 10, 10, 9, 9, 5, 9, 7, 10, 6, 10, 7),
)


# Newcombe (1998), Statistics in Medicine 17, 857-872, table I, method 3.
@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_is_as_published(successes: int, n: int, low: float, high: float) -> None:
    got = wilson(successes, n)
    assert (round(got.low, 4), round(got.high, 4)) == (low, high)
    assert (got.estimate, got.n, got.effective_n) == (successes / n, n, n)
    assert got.method == "Wilson"


# Newcombe (1998), Statistics in Medicine 17, 873-890, table II, method 10.
@pytest.mark.parametrize(
    ("b", "a", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((0, 10), (0, 10), -0.2775, 0.2775),
        ((10, 10), (0, 20), 0.6791, 1.0),
        ((10, 10), (0, 10), 0.6075, 1.0),
    ],
)
def test_newcombe_is_as_published(
    a: tuple[int, int], b: tuple[int, int], low: float, high: float
) -> None:
    got = newcombe(*a, *b)
    assert (round(got.low, 4), round(got.high, 4)) == (low, high)
    assert got.method == "Newcombe"


@settings(max_examples=40)
@given(n=st.integers(1, 10**7), part=st.floats(0, 1), confidence=st.floats(0.5, 0.999))
def test_wilson_is_scipys(n: int, part: float, confidence: float) -> None:
    k = round(part * n)
    got = wilson(k, n, confidence=confidence)
    wanted = stats.binomtest(k, n).proportion_ci(confidence, method="wilson")
    assert (got.low, got.high) == pytest.approx((wanted.low, wanted.high), abs=1e-9)
    assert 0 <= got.low <= got.estimate <= got.high <= 1


def test_of_nothing_observed_everything_is_possible() -> None:
    for got in (wilson(0, 0), clustered([], []), clustered([0, 0], [0, 0])):
        assert (got.low, got.high, got.n, got.effective_n) == (0, 1, 0, 0)
        assert math.isnan(got.estimate)


def test_all_successes_reach_1_and_none_0() -> None:
    assert wilson_limits(range(1, 40), range(1, 40))[1].tolist() == [1] * 39
    assert wilson(0, 29).low == 0
    assert 0.88 < wilson(29, 29).low < 0.89


def test_many_proportions_are_done_at_once() -> None:
    low, high = wilson_limits([0, 81, 0], [20, 263, 0])
    each = [wilson(0, 20), wilson(81, 263), wilson(0, 0)]
    assert low.tolist() == [got.low for got in each]
    assert high.tolist() == [got.high for got in each]


@pytest.mark.parametrize(
    ("successes", "n", "words"),
    [
        (5, 4, "5 of 4"),
        (-1, 4, "-1 of 4"),
        (math.nan, 4, "nan of 4"),
        (1, math.inf, "1 of inf"),
        ([1, 5, 9], [3, 4, 9], "5 of 4"),
        ([1, 2], 1, "2 of 1"),
    ],
)
def test_impossible_counts_are_refused_and_named(
    successes: object, n: object, words: str
) -> None:
    with pytest.raises(ValueError, match=f"{words} do not"):
        wilson_limits(successes, n)  # type: ignore[arg-type]


def test_counts_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2,\), n has \(3,\)"):
        clustered([1, 2], [1, 2, 3])


@pytest.mark.parametrize(("successes", "n"), [CONTROL, TREATED])
def test_the_effective_n_is_that_of_rao_and_scott(
    successes: tuple[int, ...], n: tuple[int, ...]
) -> None:
    m, total, p = len(n), sum(n), sum(successes) / sum(n)
    residuals = sum((x - p * of) ** 2 for x, of in zip(successes, n, strict=True))
    variance = m / ((m - 1) * total**2) * residuals
    got = clustered(successes, n)
    assert got.effective_n == pytest.approx(p * (1 - p) / variance)
    assert (got.estimate, got.n) == (p, total)
    assert got.method == "cluster bootstrap (Wilson)"


def test_litters_that_differ_are_worth_less() -> None:
    control, treated = clustered(*CONTROL), clustered(*TREATED)
    assert round(control.n / control.effective_n, 2) == 1.23
    assert round(treated.n / treated.effective_n, 2) == 3.95
    assert treated.high - treated.low > 2 * (wilson(112, 145).high - wilson(112, 145).low)


def test_the_order_of_clusters_does_not_matter_and_empty_ones_do_not_count() -> None:
    successes, n = TREATED
    again = clustered((*successes[::-1], 0), (*n[::-1], 0))
    assert again == clustered(successes, n)


@pytest.mark.parametrize(
    ("successes", "n", "same"),
    [
        ([30], [40], wilson(0.75, 1)),  # one cluster
        ([30, 15, 3], [40, 20, 4], wilson(2.25, 3)),  # all alike
        ([40, 20, 7], [40, 20, 7], wilson(3, 3)),
        ([0, 0], [40, 20], wilson(0, 2)),
    ],
)
def test_clusters_that_do_not_differ_count_once_each(
    successes: list[int], n: list[int], same: Interval
) -> None:
    got = clustered(successes, n)
    assert (got.low, got.high) == pytest.approx((same.low, same.high))
    assert (got.effective_n, got.n) == (len(n), sum(n))
    assert got.method == "clusters counted once (Wilson)"


def test_two_clusters_that_differ_tell_nothing() -> None:
    got = clustered([10, 0], [10, 10])
    assert (got.low, got.estimate, got.high) == (0, 0.5, 1)


def test_single_observations_that_are_independent_are_worth_what_they_are() -> None:
    successes = [1] * 60 + [0] * 140
    got, plain = clustered(successes, [1] * 200), wilson(60, 200)
    assert got.effective_n == pytest.approx(199)  # m / (m - 1)
    assert (got.low, got.high) == pytest.approx((plain.low, plain.high), abs=0.02)


def test_a_hundred_thousand_domains_take_no_room() -> None:
    rng = np.random.default_rng(1)
    n = rng.geometric(0.7, 100_000)
    got = clustered(rng.binomial(n, 0.2), n)
    assert got.low < 0.2 < got.high


clusters = st.lists(
    st.integers(0, 30).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    max_size=12,
)


@settings(max_examples=30)
@given(pairs=clusters)
def test_whatever_the_clusters_the_interval_holds_the_estimate(
    pairs: list[tuple[int, int]],
) -> None:
    got = clustered([k for k, _ in pairs], [n for _, n in pairs])
    assert 0 <= got.low <= got.high <= 1
    assert 0 <= got.effective_n <= max(got.n, len(pairs))
    if got.n:
        assert got.low <= got.estimate <= got.high


def test_clusters_that_are_alike_may_be_told_once() -> None:
    each = clustered([3, 1, 1, 0, 0, 0], [5, 4, 4, 2, 2, 2])
    assert clustered([3, 1, 0], [5, 4, 2], times=[1, 2, 3]) == each
    assert clustered([3, 1, 0, 9], [5, 4, 2, 9], times=[1, 2, 3, 0]) == each


def test_where_many_clusters_share_the_variance_none_is_resampled() -> None:
    rng = np.random.default_rng(3)
    n = np.full(400, 10)
    counts = rng.binomial(n, rng.beta(2, 8, 400))
    got = clustered(counts, n)
    assert got.method == "many clusters (Wilson)"
    few = clustered(np.where(np.arange(400) < 3, 10, 0), n)
    assert few.method == "cluster bootstrap (Wilson)"


def test_an_interval_may_be_wanted_around_another_proportion() -> None:
    got = clustered([3, 1, 2], [5, 4, 4], around=0.5)
    assert got.estimate == 0.5
    assert got.effective_n == clustered([3, 1, 2], [5, 4, 4]).effective_n


def test_clusters_without_any_need_not_be_named() -> None:
    n_a, n_b = [5, 4, 4, 0, 3], [6, 0, 2, 2, 3]
    x_a, x_b = [3, 0, 1, 0, 0], [5, 0, 0, 1, 0]
    of = Clusters(n_a, n_b)
    named = [0, 2, 3]
    some = of.compare(named, [x_a[n] for n in named], [x_b[n] for n in named])
    every = of.compare(range(5), x_a, x_b)
    assert some.a == every.a == clustered(x_a, n_a)
    assert some.b == every.b == clustered(x_b, n_b)
    assert some.change.low == pytest.approx(every.change.low)
    residuals = [
        np.array(x) - sum(x) / sum(n) * np.array(n) for x, n in ((x_a, n_a), (x_b, n_b))
    ]
    first, second = residuals
    shared = first @ second / math.sqrt((first @ first) * (second @ second))
    wanted = difference(every.a, every.b, correlation=shared)
    assert every.change.low == pytest.approx(wanted.low)
    assert every.change.high == pytest.approx(wanted.high)


def test_what_a_domain_does_in_both_samples_is_no_change() -> None:
    n = [40, 30, 20, 10, 10, 10]
    x = [40, 3, 18, 1, 9, 2]
    of = Clusters(n, n).compare(range(6), x, x)
    assert of.change.estimate == 0
    assert of.change.high - of.change.low < of.a.high - of.a.low


def test_independent_observations_are_newcombes() -> None:
    of = Clusters([40, 40], [30, 40], is_clustered=False).compare(
        [0, 1], [28, 20], [26, 30]
    )
    assert of.change == newcombe(48, 80, 56, 70)


def test_clusters_of_two_samples_stand_at_the_same_places() -> None:
    with pytest.raises(ValueError, match="1 clusters are in n_a, 2 in n_b"):
        Clusters([1], [1, 2])


@pytest.mark.parametrize("n", [5, 10, 20, 50, 200, 1000])
def test_wilson_covers_what_it_says(n: int) -> None:
    """Not simulated: each count has its probability; 0.93 is what issue 8 asks for."""
    counts, shares = np.arange(n + 1), np.linspace(0.005, 0.995, 199)
    low, high = wilson_limits(counts, n)
    covered = [
        stats.binom.pmf(counts, n, p)[(low <= p) & (p <= high)].sum() for p in shares
    ]
    assert np.mean(covered) >= 0.93


def test_newcombe_covers_what_it_says() -> None:
    n_a, n_b = 30, 60
    pairs = list(product(range(n_a + 1), range(n_b + 1)))
    each = [newcombe(k_a, n_a, k_b, n_b) for k_a, k_b in pairs]
    low, high = np.array([(got.low, got.high) for got in each]).T
    covered = []
    for a, b in product((0.05, 0.2, 0.5, 0.9), repeat=2):
        chance = np.outer(
            stats.binom.pmf(np.arange(n_a + 1), n_a, a),
            stats.binom.pmf(np.arange(n_b + 1), n_b, b),
        ).ravel()
        covered.append(chance[(low <= b - a) & (b - a <= high)].sum())
    assert np.mean(covered) >= 0.93


def equal(clusters: int) -> NDArray[np.int64]:
    return np.full(clusters, 20)


def by_zipf(clusters: int) -> NDArray[np.int64]:
    """As recipients are: one domain has a third of them, most have few."""
    return np.maximum(1, 400 // np.arange(1, clusters + 1))


@pytest.mark.heavy
@pytest.mark.parametrize("sizes", [equal, by_zipf])
@pytest.mark.parametrize("clusters", [10, 40])
def test_clustered_covers_what_it_says(sizes: object, clusters: int) -> None:
    """Clusters' own proportions are beta-distributed; `rho` is their correlation."""
    rng, n = np.random.default_rng(20), sizes(clusters)  # type: ignore[operator]
    for share, rho in product((0.05, 0.3), (0.05, 0.2)):
        spread = (1 - rho) / rho
        own = rng.beta(share * spread, (1 - share) * spread, (400, clusters))
        each = [clustered(row, n) for row in rng.binomial(n, own)]
        covered = np.mean([got.low <= share <= got.high for got in each])
        assert covered >= 0.90, (share, rho)
