"""The chart of an experiment's effects."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from matplotlib.figure import Figure

from smtpbook.charts.canvas import alt_text
from smtpbook.errors import ColumnError
from smtpbook.experiments.effects import Effects
from smtpbook.experiments.experiment import Experiment
from smtpbook.experiments.plot_effects import plot_effects
from tests.experiments.conftest import log_of


def effects(count: int = 600, **given: Any) -> Effects:
    experiment = Experiment(
        {"subject": {"plain": "s", "$x^2$ <b>": "t"}, "helo": ["a.x", "b.x"]}, **given
    )
    share = {"plain": 0.9, "$x": 0.75}
    return experiment.effects(
        log_of(
            experiment,
            count,
            lambda arm, _: share[arm[8:].partition(";")[0].partition("^")[0]],
        )
    )


@pytest.mark.parametrize("style", ["default", "dark_background"])
def test_each_comparison_has_a_mark_its_blocks_below_and_its_figures_beside(
    style: str,
) -> None:
    with plt.style.context(style):
        ax = plot_effects(effects())
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels[0] == "subject: $x^2$ <b> against plain"
    assert labels[4] == "helo: b.x against a.x"
    assert "gmail.com" in labels
    diamonds = [line for line in ax.lines if line.get_marker() == "D"]
    assert diamonds[0].get_markerfacecolor() == diamonds[0].get_markeredgecolor()
    assert diamonds[1].get_markerfacecolor() != diamonds[1].get_markeredgecolor()
    assert {text.get_text() for text in ax.texts} >= {"300 : 300", "< 0.001", "p, adjusted"}
    assert "subject: $x^2$ <b> against plain: -" in alt_text(ax)
    assert "Newcombe, within blocks" in ax.get_xlabel()


def test_nothing_written_overlaps() -> None:
    figure = plot_effects(effects()).figure
    assert isinstance(figure, Figure)
    figure.draw_without_rendering()
    ax = figure.axes[0]
    boxes = [text.get_window_extent() for text in (*ax.texts, *ax.get_yticklabels())]
    for place, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[place + 1 :])


def test_blocks_can_be_left_out_and_it_draws_where_it_is_told() -> None:
    _, ax = plt.subplots()
    assert plot_effects(effects(blocks=None), blocks=False, ax=ax) is ax
    assert len(ax.get_yticklabels()) == 2


def test_nobody_to_compare_is_said() -> None:
    found = effects(60)
    empty = found.table.assign(difference=float("nan"))
    ax = plot_effects(_With(found, empty))
    assert "nobody to compare" in alt_text(ax)
    with pytest.raises(ColumnError, match="p_adjusted"):
        plot_effects(_With(found, found.table.drop(columns="p_adjusted")))


class _With:
    """Effects with another table."""

    def __init__(self, found: Effects, table: pd.DataFrame) -> None:
        self.table, self.outcomes, self.confidence = table, found.outcomes, 0.95
