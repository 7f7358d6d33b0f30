"""Times in classes: what is asked of them is what sorting them all would tell."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpbook.statistics.quantiles import quantile_interval
from smtpbook.tables.times import CLASS_ERROR, Times


def in_classes(values: list[float]) -> Times:
    """Put values into classes as the query does."""
    times = pd.Series(values)
    number = np.floor(np.log(times.clip(lower=1e-9)) / math.log(1 + CLASS_ERROR))
    groups = times.groupby(number)
    return Times(
        pd.DataFrame(
            {
                "replies": groups.size(),
                "sum_s": groups.sum(),
                "min_s": groups.min(),
                "max_s": groups.max(),
            }
        )
    )


@settings(max_examples=40, deadline=None)
@given(
    values=st.lists(st.floats(1e-6, 600), min_size=1, max_size=30),
    q=st.sampled_from([0.0, 0.05, 0.5, 0.95, 1.0]),
)
def test_quantiles_and_their_neighbours_are_those_of_the_values(
    values: list[float], q: float
) -> None:
    times = in_classes(values)
    near = {"rel": CLASS_ERROR * 1.01}
    assert times.quantile(q) == pytest.approx(np.quantile(values, q), **near)
    below, above = (np.quantile(values, q, method=of) for of in ("lower", "higher"))
    assert times.lower(q) <= below
    assert times.higher(q) >= above
    assert times.lower(q) == pytest.approx(below, **near)
    assert times.higher(q) == pytest.approx(above, **near)
    assert times.up_to(q) >= below


def test_independent_times_have_the_interval_of_order_statistics() -> None:
    values = np.random.default_rng(2).exponential(1, 200).tolist()
    found, wanted = in_classes(values).interval(0.5), quantile_interval(values, least=0)
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), rel=0.002)
    assert found.low <= wanted.low < wanted.high <= found.high
    assert in_classes(values[:3]).interval(0.5).high == math.inf
    assert in_classes(values[:3]).interval(0.5).low == 0
