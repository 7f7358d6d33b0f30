"""In a kernel a bar is shown while the work goes on, and then a line of text."""

from __future__ import annotations

from typing import Any

import pytest

from smtpbook.progress import Lines
from smtpbook.widgets import progress
from smtpbook.widgets.progress import Bar, open_display


class Screen:
    """Stands for the page: keeps what is displayed, and what takes its place."""

    def __init__(self) -> None:
        self.shown: list[dict[str, str]] = []

    def display(self, bundle: dict[str, str], **options: object) -> Screen:
        self.shown.append(bundle)
        return self

    def update(self, bundle: dict[str, str], **options: object) -> None:
        self.shown.append(bundle)


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    screen = Screen()
    monkeypatch.setattr(progress, "display", screen.display)
    return screen


def test_the_bar_moves_and_leaves_a_line_of_text(screen: Screen) -> None:
    bar = Bar("sending", 1000)
    bar.update(250, {"accepted": 249, "in_doubt": 1, "failed": 0})
    assert bar.bar.value == 250
    assert "249 accepted, 1 in doubt" in bar.text.value
    bar.update(1000, {"accepted": 999, "in_doubt": 1})
    bar.close()
    bar.close()
    first, last = screen.shown
    assert "application/vnd.jupyter.widget-view+json" in first
    assert last["text/plain"] == "sending: 1,000 of 1,000 (100 %), 999 accepted, 1 in doubt"
    assert set(last) == {"text/plain", "text/html"}


def test_a_thousand_updates_are_drawn_a_few_times(screen: Screen) -> None:
    bar = Bar("sending", 1000)
    drawn: list[Any] = []
    bar.bar.observe(drawn.append, "value")
    for done in range(1000):
        bar.update(done, {"accepted": done})
    assert len(drawn) < 100
    assert "999 accepted" in str(bar)


def test_nothing_to_do_and_hostile_titles_are_shown_without_breaking(
    screen: Screen,
) -> None:
    bar = Bar("<b>\x1b", 0)
    bar.update(0, {})
    bar.close()
    assert "<b>" not in screen.shown[-1]["text/html"]


def test_outside_a_kernel_it_is_lines_of_text() -> None:
    assert isinstance(open_display("sending", 3), Lines)
