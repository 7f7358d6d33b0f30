"""Estimates: what difference each factor made, with intervals, from counts and times.

Recipients of one level are compared with those of another within blocks, where chance
alone decided who got which.  So it does not matter how much domains differ; and that
recipients of one domain are alike needs no wider interval, as long as the question is what
happened to *this* list (Abadie et al. 2023).  For what to expect of other domains, ask for
``clustered=True``.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import chdtrc

from smtpbook.experiments.assign import name_of
from smtpbook.experiments.design import Design
from smtpbook.statistics.comparing import Evidence, holm, rank_sum, score_test
from smtpbook.statistics.interval import Interval, difference
from smtpbook.statistics.proportions import clustered as clustered_share
from smtpbook.statistics.proportions import newcombe, wilson
from smtpbook.statistics.quantiles import clustered_quantile, quantile_interval

_STRATIFIED: Final = "Newcombe, within blocks"
_MAX_LOST: Final = 0.001  # a p-value; who checks at every look should alarm rarely


class Pair(NamedTuple):
    """Two levels of a factor, by their numbers in the design."""

    factor: int
    level: int
    versus: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Successes of two levels, one place per block.

    Attributes
    ----------
    hits_a, n_a, hits_b, n_b : ndarray of float
        ``a`` is the level compared with.
    """

    hits_a: NDArray[np.float64]
    n_a: NDArray[np.float64]
    hits_b: NDArray[np.float64]
    n_b: NDArray[np.float64]


def stratified(counts: Counts, *, confidence: float = 0.95) -> tuple[Interval, Interval]:
    """Give the share of each level as if both had the same blocks, with intervals.

    Blocks weigh as in Cochran's and in Mantel and Haenszel's estimate of the difference.
    Of how many independent recipients a share is worth is taken from its variance within
    blocks, and may be more than there are; with so many, the interval is Wilson's.

    Parameters
    ----------
    counts : Counts
        Blocks that lack a level do not count.
    confidence : float

    Returns
    -------
    a, b : Interval

    References
    ----------
    Cochran (1954), Some methods for strengthening the common chi-squared tests, Biometrics
    10, 417-451: the weights.
    """
    n_a, n_b = counts.n_a, counts.n_b
    both = (n_a > 0) & (n_b > 0)
    if not both.any():
        nothing = wilson(0, 0, confidence=confidence)
        return nothing, nothing
    weights = (n_a * n_b)[both] / (n_a + n_b)[both]
    weights /= weights.sum()
    levels = ((counts.hits_a, n_a), (counts.hits_b, n_b))
    a, b = (_weighted(hits[both], n[both], weights, confidence) for hits, n in levels)
    return a, b


def _weighted(
    hits: NDArray[np.float64],
    n: NDArray[np.float64],
    weights: NDArray[np.float64],
    confidence: float,
) -> Interval:
    shares = hits / n
    share = min(float(weights @ shares), 1.0)
    variance = float(weights**2 @ (shares * (1 - shares) / np.maximum(n - 1, 1)))
    # Where nothing varies in any block, each counts as much as its weight.
    worth = float(1 / (weights**2 @ (1 / n)))
    if variance > 0 and len(n) > 1:
        worth = share * (1 - share) / variance
    found = wilson(share * worth, worth, confidence=confidence)
    return replace(found, estimate=share, n=int(n.sum()), effective_n=worth)


def within_blocks(counts: Counts) -> Evidence:
    """Test whether two levels have the same share, by what chance does within blocks.

    The number of successes of a level has the mean and the variance that it has when arms
    are drawn anew: no model of recipients, domains or servers is needed.

    Parameters
    ----------
    counts : Counts

    Returns
    -------
    Evidence

    References
    ----------
    Mantel and Haenszel (1959), Statistical aspects of the analysis of data from
    retrospective studies of disease, JNCI 22, 719-748, without a correction for continuity.
    """
    n_a, n_b = counts.n_a, counts.n_b
    n, hits = n_a + n_b, counts.hits_a + counts.hits_b
    there = n > 1
    n_a, n_b, n, hits = n_a[there], n_b[there], n[there], hits[there]
    surplus = float((counts.hits_b[there] - n_b * hits / n).sum())
    variance = float((n_a * n_b * hits * (n - hits) / (n**2 * (n - 1))).sum())
    method, total = "Mantel-Haenszel test", int(n.sum())
    if not total:
        return Evidence(statistic=math.nan, p_value=math.nan, n=0, method=method)
    z = surplus / math.sqrt(variance) if variance > 0 else 0.0
    p_value = math.erfc(abs(z) / math.sqrt(2))
    return Evidence(statistic=z, p_value=p_value, n=total, method=method)


def mismatch(sizes: Sequence[int]) -> Evidence:
    """Test whether arms that should be alike in size have lost recipients unequally.

    Parameters
    ----------
    sizes : sequence of int
        Recipients of each arm in the log.

    Returns
    -------
    Evidence
        Arms of one design are closer in size than chance alone would make them, so it
        alarms less often than its p-value says.

    References
    ----------
    Fabijan et al. (2019), Diagnosing sample ratio mismatch in online controlled
    experiments, KDD '19, 2156-2164.
    """
    found = np.asarray(sizes, float)
    expected = found.sum() / max(len(found), 1)
    method, total = "chi-squared test", int(found.sum())
    if not total or len(found) < 2:
        return Evidence(statistic=math.nan, p_value=math.nan, n=total, method=method)
    square = float(((found - expected) ** 2).sum() / expected)
    p_value = float(chdtrc(len(found) - 1, square))
    return Evidence(statistic=math.sqrt(square), p_value=p_value, n=total, method=method)


def is_mismatch(evidence: Evidence) -> bool:
    """Whether so much speaks against equal sizes that no effect should be believed."""
    return evidence.p_value < _MAX_LOST


def pairs_of(design: Design) -> Iterator[Pair]:
    """Give the comparisons: each level of each factor with its first."""
    for place, factor in enumerate(design.factors):
        for level in range(1, len(factor.levels)):
            yield Pair(place, level, 0)


def share_rows(
    found: pd.DataFrame,
    design: Design,
    outcomes: Collection[str],
    *,
    clustered: bool,
    confidence: float,
) -> Iterator[dict[str, Any]]:
    """Compare shares, pooled and by block: the rows of `Effects.table`.

    Parameters
    ----------
    found : DataFrame
        ``arm``, ``block``, ``recipient_domain``, ``outcome``, ``recipients``.
    design : Design
    outcomes : collection of str
        What counts as a success.
    clustered : bool
    confidence : float
    """
    found = found.assign(hits=found["recipients"] * found["outcome"].isin(list(outcomes)))
    pairs = list(pairs_of(design))
    tests: list[Evidence] = []
    rows: list[list[dict[str, Any]]] = []
    for pair in pairs:
        by_block = _counts(found, design, pair, "block")
        counts = counts_of(by_block)
        if clustered:
            by_domain = counts_of(_counts(found, design, pair, "recipient_domain"))
            a = clustered_share(by_domain.hits_a, by_domain.n_a, confidence=confidence)
            b = clustered_share(by_domain.hits_b, by_domain.n_b, confidence=confidence)
            change, test = difference(a, b), score_test(a, b)
        else:
            a, b = stratified(counts, confidence=confidence)
            name = _STRATIFIED if len(by_block) > 1 else "Newcombe"
            change, test = replace(difference(a, b), method=name), within_blocks(counts)
        tests.append(test)
        rows.append([_row(design, pair, None, a, b, change, test.p_value)])
        for block, one in by_block.iterrows():
            size_a, size_b = int(one["n_a"]), int(one["n_b"])
            if len(by_block) > 1 and size_a and size_b:
                a, b = (
                    wilson(one[f"hits_{side}"], one[f"n_{side}"], confidence=confidence)
                    for side in "ab"
                )
                change = newcombe(
                    one["hits_a"], size_a, one["hits_b"], size_b, confidence=confidence
                )
                rows[-1].append(_row(design, pair, name_of(str(block))[0], a, b, change))
    adjusted = holm([test.p_value for test in tests])
    for p_adjusted, group in zip(adjusted, rows, strict=True):
        group[0]["p_adjusted"] = p_adjusted
        yield from group


def counts_of(table: pd.DataFrame) -> Counts:
    """Take a table with `Counts`' names for columns apart."""
    names = ("hits_a", "n_a", "hits_b", "n_b")
    return Counts(**{name: table[name].to_numpy(float) for name in names})


def _counts(found: pd.DataFrame, design: Design, pair: Pair, by: str) -> pd.DataFrame:
    """Give the counts of two levels, a row for each block, or domain."""
    level_of = {
        name: arm[pair.factor] for name, arm in zip(design.names, design.arms, strict=True)
    }
    levels = found["arm"].astype(object).map(level_of)
    sides = {"a": pair.versus, "b": pair.level}
    parts = {}
    for side, level in sides.items():
        own = found[(levels == level).to_numpy(bool)]
        sums = own.groupby(own[by].astype(object).fillna(""))[["hits", "recipients"]].sum()
        parts[f"hits_{side}"], parts[f"n_{side}"] = sums["hits"], sums["recipients"]
    return pd.DataFrame(parts).fillna(0).astype(float).sort_index()


def _row(
    design: Design,
    pair: Pair,
    block: str | None,
    a: Interval,
    b: Interval,
    change: Interval,
    p_value: float = math.nan,
) -> dict[str, Any]:
    factor = design.factors[pair.factor]
    return {
        "factor": factor.name,
        "level": factor.levels[pair.level],
        "versus": factor.levels[pair.versus],
        "block": block,
        "recipients": b.n,
        "recipients_versus": a.n,
        "share": b.estimate,
        "share_versus": a.estimate,
        "difference": change.estimate,
        "low": change.low,
        "high": change.high,
        "p_value": p_value,
        "p_adjusted": math.nan,
        "effective_n": change.effective_n,
        "method": change.method,
    }


def latency_rows(
    said: pd.DataFrame,
    design: Design,
    quantiles: Sequence[float],
    *,
    clustered: bool,
    confidence: float,
) -> list[dict[str, Any]]:
    """Compare what the server took for each command: the rows of `Effects.latency`.

    Parameters
    ----------
    said : DataFrame
        ``arm``, ``verb``, ``session_id``, ``service_s``.
    design : Design
    quantiles : sequence of float
    clustered : bool
        By session.
    confidence : float
    """
    rows, tests = list[dict[str, Any]](), list[float]()
    for pair in pairs_of(design):
        factor = design.factors[pair.factor]
        level_of: Mapping[str, int] = {
            name: arm[pair.factor]
            for name, arm in zip(design.names, design.arms, strict=True)
        }
        levels = said["arm"].astype(object).map(level_of)
        for verb, own in said.groupby(said["verb"].astype(object), sort=True):
            b, a = (
                own[(levels.loc[own.index] == level).to_numpy(bool)]
                for level in (pair.level, pair.versus)
            )
            tests.append(rank_sum(a["service_s"], b["service_s"]).p_value)
            for q in quantiles:
                intervals = [
                    _latency(one, q, clustered=clustered, confidence=confidence)
                    for one in (a, b)
                ]
                change = difference(*intervals)
                rows.append(
                    {
                        "factor": factor.name,
                        "level": factor.levels[pair.level],
                        "versus": factor.levels[pair.versus],
                        "verb": verb,
                        "quantile": q,
                        "replies": len(b),
                        "replies_versus": len(a),
                        "service_s": intervals[1].estimate,
                        "service_versus_s": intervals[0].estimate,
                        "difference_s": change.estimate,
                        "low_s": change.low,
                        "high_s": change.high,
                        "p_value": tests[-1],
                        "p_adjusted": len(tests) - 1,
                        "method": change.method,
                    }
                )
    adjusted = holm(tests)
    return [row | {"p_adjusted": adjusted[row["p_adjusted"]]} for row in rows]


def _latency(
    said: pd.DataFrame, q: float, *, clustered: bool, confidence: float
) -> Interval:
    values = said["service_s"].to_numpy(float)
    if clustered:
        sessions = said["session_id"].astype(object).fillna("")
        return clustered_quantile(
            values, sessions.to_numpy(str), q, confidence=confidence, least=0.0
        )
    return quantile_interval(values, q, confidence=confidence, least=0.0)
