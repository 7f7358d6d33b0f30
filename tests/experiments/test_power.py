"""Power: the difference that can be found, and the recipients it takes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpbook.experiments.estimates import Counts, within_blocks
from smtpbook.experiments.power import detectable_fall, sample_size


# Fleiss, Levin and Paik (2003), table A.4, less its correction for continuity.
@pytest.mark.parametrize(("p_a", "p_b", "n"), [(0.9, 0.85, 686), (0.5, 0.4, 388)])
def test_sample_sizes_are_the_published_ones(p_a: float, p_b: float, n: int) -> None:
    assert sample_size(p_a - p_b, baseline=p_a) == n


@given(n=st.integers(50, 5000), baseline=st.floats(0.3, 0.99))
def test_what_can_be_found_takes_as_many_as_there_are(n: int, baseline: float) -> None:
    fall = detectable_fall(n, n, baseline=baseline)
    assert abs(sample_size(fall, baseline=baseline) - n) <= 1


def test_more_comparisons_and_unequal_levels_find_less() -> None:
    least = detectable_fall(500, 500)
    assert detectable_fall(500, 500, comparisons=5) > least
    assert detectable_fall(900, 100) > least


def test_too_few_find_nothing_and_that_is_said() -> None:
    assert math.isnan(detectable_fall(2, 2, baseline=0.5))
    assert math.isnan(detectable_fall(0, 100))


def test_a_fall_of_that_size_is_found_as_often_as_said() -> None:
    n, chance = 700, np.random.default_rng(4)
    fall = detectable_fall(n, n, baseline=0.9)
    found = 0
    for _ in range(2000):
        hits = chance.binomial(n, (0.9, 0.9 - fall))
        a, b = (np.array([float(one)]) for one in hits)
        size = np.array([float(n)])
        found += (
            within_blocks(Counts(hits_a=a, n_a=size, hits_b=b, n_b=size)).p_value < 0.05
        )
    assert found / 2000 == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize("wrong", [{"baseline": 1}, {"power": 0.5}, {"comparisons": 0}])
def test_what_is_no_assumption_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="lies between 0 and 1"):
        detectable_fall(10, 10, **wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="more than 0"):
        sample_size(0.95)
