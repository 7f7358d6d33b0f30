"""Design: which combinations of levels are an experiment's arms."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpbook.experiments.design import design

TWO = ["a", "b"]
X = " \N{MULTIPLICATION SIGN} "


def of(number: int, fraction: float = 1) -> Any:
    return design({f"f{n}": TWO for n in range(number)}, fraction)


def test_a_full_factorial_has_every_combination_and_its_arms_say_which() -> None:
    found = design(
        {"subject": {"plain": "News", "q": "Hm?"}, "helo": ["a.x", "b.x", "c.x"]}
    )
    assert len(found.arms) == len(set(found.names)) == 6
    assert found.names[0] == "subject=plain; helo=a.x"
    assert found.resolution is None
    assert dict(found.aliases()) == {"subject": "", "helo": ""}


# The resolutions of Box, Hunter and Hunter, Statistics for experimenters, in the table of
# fractional factorial designs at two levels.
@pytest.mark.parametrize(
    ("factors", "fraction", "arms", "resolution"),
    [
        *((3, 1 / 2, 4, 3), (4, 1 / 2, 8, 4), (5, 1 / 2, 16, 5), (5, 1 / 4, 8, 3)),
        *((6, 1 / 4, 16, 4), (6, 1 / 8, 8, 3), (7, 1 / 8, 16, 4), (7, 1 / 16, 8, 3)),
    ],
)
def test_a_fraction_has_the_best_resolution_there_is(
    factors: int, fraction: float, arms: int, resolution: int
) -> None:
    found = of(factors, fraction)
    assert (len(found.arms), found.resolution) == (arms, resolution)


@given(st.sampled_from([(3, 1 / 2), (5, 1 / 4), (6, 1 / 4), (7, 1 / 8)]))
def test_in_a_fraction_each_two_factors_have_all_pairs_of_levels_equally_often(
    size: tuple[int, float],
) -> None:
    found = of(*size)
    for one, other in combinations(range(size[0]), 2):
        pairs = [(arm[one], arm[other]) for arm in found.arms]
        assert {pairs.count(pair) for pair in set(pairs)} == {len(found.arms) // 4}


def test_a_fraction_may_be_written_as_one() -> None:
    factors = {f"f{n}": TWO for n in range(5)}
    assert design(factors, "1/4") == design(factors, 0.25)


def test_a_fraction_tells_what_each_effect_is_mixed_with() -> None:
    assert dict(of(3, 1 / 2).aliases()) == {
        "f0": f"f1{X}f2",
        "f1": f"f0{X}f2",
        "f2": f"f0{X}f1",
    }


@pytest.mark.parametrize(
    ("factors", "fraction", "told"),
    [
        ({}, 1, "at least one"),
        ({"subject": ["one"]}, 1, "two levels"),
        ({"subject": "one"}, 1, "a list, or a dict"),
        ({"subject": ["same", "same"]}, 1, "name them"),
        ({"subject": {"a; b": 1, "c": 2}}, 1, "no name for a level"),
        ({"a": TWO, "b": TWO}, 1 / 2, "two more"),
        ({"a": TWO, "b": TWO, "c": [*"xyz"]}, 1 / 2, "two levels each"),
        ({"a": TWO, "b": TWO, "c": TWO}, 1 / 3, "1/2, 1/4"),
        ({"a": TWO, "b": TWO, "c": TWO}, "half", "fraction='half': it is 1, or 1/2"),
        ({"a": TWO, "b": TWO, "c": TWO}, "1/0", "1/2, 1/4"),
        ({"a": TWO, "b": TWO, "c": TWO}, None, "1/2, 1/4"),
        ({f"f{n}": TWO for n in range(7)}, 1, "128 arms"),
    ],
)
def test_what_is_no_design_is_refused(
    factors: dict[str, Any], fraction: Any, told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        design(factors, fraction)
