"""Intervals: how often those that tables give by default hold the true value.

    python -m tests.benchmarks.coverage [--rounds N] [--json]

Logs are made up whose truth is known: domains with a rate of acceptance of their own, of
which the largest has a third of the recipients; sessions with a speed of their own.  Each
row is a thousand such logs, or as many as are asked for.  Issue 8 asks for 0.93 of
proportions whose observations are independent, and 0.90 of clustered ones.  False alarms
are how often any of ten comparisons of two logs that do not differ is below 0.05, after
Holm.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from smtpbook.statistics.comparing import evidence_of, holm
from smtpbook.statistics.interval import Interval, difference
from smtpbook.statistics.proportions import Clusters, newcombe, wilson
from smtpbook.statistics.quantiles import clustered_quantile
from tests.benchmarks.output import Row, parser, show

Chance = np.random.Generator
_LARGEST: Final = 400  # recipients of the largest domain; the second has half as many
_RHO: Final = 0.1  # correlation of what becomes of two recipients of one domain
_ACCEPTED: Final = 0.9


def sizes(domains: int) -> NDArray[np.int64]:
    """Give the recipients of each domain, as they are: one has many, most have few."""
    return np.maximum(1, _LARGEST // np.arange(1, domains + 1))


def rates(chance: Chance, domains: int, share: float = _ACCEPTED) -> NDArray[np.float64]:
    """Give each domain a rate of its own."""
    spread = (1 - _RHO) / _RHO
    return chance.beta(share * spread, (1 - share) * spread, domains)


def holds(interval: Interval, true: float) -> bool:
    """Tell whether the true value is in the interval."""
    return interval.low <= true <= interval.high


def independent(chance: Chance) -> bool:
    """A share of 200 recipients of 200 domains."""
    return holds(wilson(chance.binomial(200, _ACCEPTED), 200), _ACCEPTED)


def independent_change(chance: Chance) -> bool:
    """How much such a share rose, from 0.9 to 0.95."""
    counts = chance.binomial(200, [0.9, 0.95])
    return holds(newcombe(counts[0], 200, counts[1], 200), 0.05)


def same_domains(domains: int) -> Callable[[Chance], bool]:
    """Make two logs to the same domains, each of which keeps its rate."""

    def one(chance: Chance) -> bool:
        n, rate = sizes(domains), rates(chance, domains)
        return holds(_change(chance, n, n, rate, rate), 0)

    return one


def other_domains(domains: int) -> Callable[[Chance], bool]:
    """Make two logs to domains of which no one is in both."""

    def one(chance: Chance) -> bool:
        n, none = sizes(domains), np.zeros(domains, np.int64)
        rate = rates(chance, 2 * domains)
        n_a, n_b = np.concatenate([n, none]), np.concatenate([none, n])
        return holds(_change(chance, n_a, n_b, rate, rate), 0)

    return one


def changed_domains(domains: int) -> Callable[[Chance], bool]:
    """Make two logs to the same domains, each of which takes a new rate about 0.1 lower."""

    def one(chance: Chance) -> bool:
        n = sizes(domains)
        before, after = rates(chance, domains), rates(chance, domains, _ACCEPTED - 0.1)
        return holds(_change(chance, n, n, before, after), -0.1)

    return one


def _change(
    chance: Chance,
    n_a: NDArray[np.int64],
    n_b: NDArray[np.int64],
    rate_a: NDArray[np.float64],
    rate_b: NDArray[np.float64],
) -> Interval:
    x_a, x_b = chance.binomial(n_a, rate_a), chance.binomial(n_b, rate_b)
    return Clusters(n_a, n_b).compare(np.arange(len(n_a)), x_a, x_b).change


def times(chance: Chance, sessions: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Give log-normal times of median 1, and their sessions, which have a speed each."""
    place = np.repeat(np.arange(sessions), 40)
    own = chance.normal(0, 0.5, sessions)[place]
    return np.exp(own + chance.normal(size=len(place))), place


def median(sessions: int) -> Callable[[Chance], bool]:
    """Make the times of a command in so many sessions."""
    return lambda chance: holds(clustered_quantile(*times(chance, sessions)), 1)


def median_change(sessions: int) -> Callable[[Chance], bool]:
    """Make two logs of so many sessions, the second twice as slow."""

    def one(chance: Chance) -> bool:
        first, second = times(chance, sessions), times(chance, sessions)
        a, b = clustered_quantile(*first), clustered_quantile(2 * second[0], second[1])
        return holds(difference(a, b), 1)

    return one


def no_alarm(chance: Chance) -> bool:
    """Compare ten shares of two logs to the same forty domains that do not differ."""
    n = sizes(40)
    p_values = [
        evidence_of(_change(chance, n, n, *[rates(chance, 40)] * 2)).p_value
        for _ in range(10)
    ]
    return min(holm(p_values)) > 0.05


INDEPENDENT: Final[dict[str, Callable[[Chance], bool]]] = {
    "share": independent,
    "change of a share": independent_change,
}
CLUSTERED: Final[dict[str, Callable[[Chance], bool]]] = {
    **{f"change of a share, {n} domains in both": same_domains(n) for n in (10, 40, 400)},
    **{f"change of a share, {n} domains in either": other_domains(n) for n in (10, 40)},
    **{f"change of a share, {n} domains that change": changed_domains(n) for n in (10, 40)},
    **{f"median, {n} sessions": median(n) for n in (10, 40, 200)},
    **{f"change of a median, {n} sessions": median_change(n) for n in (10, 40)},
}


def covered(case: Callable[[Chance], bool], logs: int, *, seed: int = 1) -> float:
    """Tell in what part of so many logs the interval holds the true value."""
    chance = np.random.default_rng(seed)
    return float(np.mean([case(chance) for _ in range(logs)]))


def main() -> None:
    """Simulate and print."""
    given = parser(__doc__, rounds=1000).parse_args()
    rows: list[Row] = [
        {
            "interval": name,
            "clustered": kind,
            "holds the true value": covered(case, given.rounds),
        }
        for kind, cases in (("no", INDEPENDENT), ("yes", CLUSTERED))
        for name, case in cases.items()
    ]
    least = {
        f"least, clustered: {kind}": min(
            float(row["holds the true value"]) for row in rows if row["clustered"] == kind
        )
        for kind in ("no", "yes")
    }
    alarms = 1 - covered(no_alarm, max(given.rounds // 5, 1))
    show(rows, {**least, "false alarms, any of ten": alarms}, as_json=given.json)


if __name__ == "__main__":
    main()
