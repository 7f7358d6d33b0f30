"""Estimates: shares compared within blocks, and how often they are right."""

from __future__ import annotations

import math

import numpy as np
import pytest

from smtpbook.experiments.estimates import (
    Counts,
    is_mismatch,
    mismatch,
    stratified,
    within_blocks,
)
from smtpbook.statistics.interval import difference
from smtpbook.statistics.proportions import newcombe


def counts(*blocks: tuple[float, float, float, float]) -> Counts:
    hits_a, n_a, hits_b, n_b = (
        np.array(cells, float) for cells in zip(*blocks, strict=True)
    )
    return Counts(hits_a=hits_a, n_a=n_a, hits_b=hits_b, n_b=n_b)


def test_one_block_gives_newcombe_s_interval() -> None:
    a, b = stratified(counts((56, 70, 48, 80)))
    expected = newcombe(56, 70, 48, 80)
    assert difference(a, b).low == pytest.approx(expected.low)
    assert difference(a, b).high == pytest.approx(expected.high)


def test_the_pooled_difference_is_mantel_and_haenszel_s() -> None:
    blocks = ((18, 20, 10, 30), (5, 50, 2, 25))
    a, b = stratified(counts(*blocks))
    weights = [n_a * n_b / (n_a + n_b) for _, n_a, _, n_b in blocks]
    changes = [hits_b / n_b - hits_a / n_a for hits_a, n_a, hits_b, n_b in blocks]
    expected = np.average(changes, weights=weights)
    assert difference(a, b).estimate == pytest.approx(expected)


def test_the_test_is_the_one_of_mantel_and_haenszel() -> None:
    # Admissions to Berkeley, Bickel, Hammel and O'Connell (1975), Science 187, 398-404: the
    # six largest departments, men and women, admitted and all.
    found = within_blocks(
        counts(
            *((512, 825, 89, 108), (353, 560, 17, 25), (120, 325, 202, 593)),
            *((138, 417, 131, 375), (53, 191, 94, 393), (22, 373, 24, 341)),
        )
    )
    # R's mantelhaen.test(UCBAdmissions, correct = FALSE) gives a chi-squared of 1.5246.
    assert found.statistic**2 == pytest.approx(1.5246, abs=1e-3)
    assert found.p_value == pytest.approx(0.2169, abs=1e-3)


def test_blocks_that_lack_a_level_or_have_nobody_tell_nothing() -> None:
    alone = counts((5, 10, 0, 0))
    assert math.isnan(difference(*stratified(alone)).estimate)
    assert within_blocks(alone).p_value == 1
    assert math.isnan(within_blocks(counts((0, 0, 0, 0))).p_value)
    both = stratified(counts((5, 10, 0, 0), (8, 10, 6, 10)))
    assert difference(*both).estimate == pytest.approx(-0.2)


def test_where_everybody_is_accepted_the_interval_is_not_empty() -> None:
    found = difference(*stratified(counts((9, 9, 9, 9), (30, 30, 30, 30))))
    assert found.low < 0 < found.high


DIFFERENT = ((60, 0.98), (36, 0.8), (12, 0.4), (12, 0.65))
MANY_SMALL = ((4, 0.9),) * 30


@pytest.mark.parametrize("blocks", [DIFFERENT, MANY_SMALL])
@pytest.mark.parametrize("effect", [0.0, -0.1])
def test_intervals_hold_the_truth_and_alarms_are_as_rare_as_said(
    blocks: tuple[tuple[int, float], ...], effect: float
) -> None:
    chance, runs = np.random.default_rng(3), 600
    sizes, shares = (np.array(cells) for cells in zip(*blocks, strict=True))
    half = sizes // 2
    holds = alarms = 0
    for _ in range(runs):
        found = Counts(
            hits_a=chance.binomial(half, shares).astype(float),
            n_a=half.astype(float),
            hits_b=chance.binomial(half, shares + effect).astype(float),
            n_b=half.astype(float),
        )
        change = difference(*stratified(found))
        holds += change.low <= effect <= change.high
        alarms += within_blocks(found).p_value < 0.05
    assert holds / runs >= 0.93
    if not effect:
        assert 0.02 <= alarms / runs <= 0.07


def test_unequal_losses_are_told_and_equal_ones_are_not() -> None:
    assert not is_mismatch(mismatch([500, 500]))
    assert not is_mismatch(mismatch([480, 520]))
    assert is_mismatch(mismatch([500, 400]))
    # 821,588 and 815,482: a chi-squared of 22.8 (Fabijan et al. 2019).
    assert mismatch([821588, 815482]).statistic ** 2 == pytest.approx(22.77, abs=0.01)
    assert math.isnan(mismatch([0, 0]).p_value)
