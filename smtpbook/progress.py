"""Progress: what a progress display does, and the one in use.

A slot.  In a terminal stands rich's bar, elsewhere a line of text now and then; a notebook
may put its own in, and a panel with buttons for work that can be steered.  What is shown
is counted by whoever does the work.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TextIO


class Display(Protocol):
    """Shows how far a long piece of work has come."""

    def update(self, done: int, counts: Mapping[str, int]) -> None:
        """Show that so many are done, and what became of them; cheap, never raises."""

    def close(self) -> None:
        """Leave the final state behind; called again, show it again, where it got lost."""


class Work(Protocol):
    """Long work that can be steered while it goes on, from any thread.

    Attributes
    ----------
    is_blocking : bool
        Whether whoever began it waits for it.
    """

    is_blocking: bool

    def pause(self) -> None:
        """Begin nothing new until `resume`."""

    def resume(self) -> None:
        """Go on."""

    def stop(self) -> None:
        """Come to an end."""


Opener = Callable[[str, int], Display]
"""Opens a display for a title and a total."""

PanelOpener = Callable[[Work], "Display | None"]
"""Opens a display with buttons; None = not here."""


class Silent:
    """Shows nothing."""

    def update(self, done: int, counts: Mapping[str, int]) -> None:
        """Show nothing."""

    def close(self) -> None:
        """Leave nothing behind."""


class Lines:
    """A line of text at every quarter: for files, pipes and plain front ends.

    >>> display = Lines("sending", 4, sys.stdout)
    >>> display.update(1, {"accepted": 1})
    sending: 1 of 4 (25 %), 1 accepted
    >>> display.update(4, {"accepted": 3, "deferred": 1, "rejected": 0})
    sending: 4 of 4 (100 %), 3 accepted, 1 deferred
    """

    def __init__(self, title: str, total: int, stream: TextIO | None = None) -> None:
        self._title, self._total = title, total
        self._stream = stream
        self._quarter = 0

    def update(self, done: int, counts: Mapping[str, int]) -> None:
        """Print a line when another quarter is done."""
        quarter = 4 * done // max(self._total, 1)
        if quarter > self._quarter:
            self._quarter = quarter
            share = 100 * done // max(self._total, 1)
            text = f"{self._title}: {done:,} of {self._total:,} ({share} %), {told(counts)}"
            print(text.rstrip(", "), file=self._stream or sys.stderr, flush=True)

    def close(self) -> None:
        """Leave what was printed."""


class Bar:
    """Rich's progress bar with the counts behind it."""

    def __init__(self, title: str, total: int) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        self._progress: Any = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[counts]}"),
            console=Console(stderr=True),
        )
        self._task = self._progress.add_task(title, total=total, counts="")
        self._progress.start()

    def update(self, done: int, counts: Mapping[str, int]) -> None:
        """Move the bar; it is drawn ten times a second by a thread of its own."""
        self._progress.update(self._task, completed=done, counts=told(counts))

    def close(self) -> None:
        """Draw it a last time."""
        self._progress.stop()


def told(counts: Mapping[str, int]) -> str:
    """Say counts in words, those of nothing left out.

    >>> told({"accepted": 1200, "in_doubt": 1, "failed": 0})
    '1,200 accepted, 1 in doubt'
    """
    return ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in counts.items() if n)


def _default(title: str, total: int) -> Display:
    return Bar(title, total) if sys.stderr.isatty() else Lines(title, total)


def _no_panel(work: Work) -> None:
    return None


_opener: Opener = _default
_panel_opener: PanelOpener = _no_panel


def use(opener: Opener | None, panel_opener: PanelOpener | None = None) -> None:
    """Put other displays in; None brings the default back."""
    global _opener, _panel_opener
    _opener, _panel_opener = opener or _default, panel_opener or _no_panel


def show(title: str, total: int, *, progress: bool = True) -> Display:
    """Open the display in use, or one that shows nothing."""
    return _opener(title, total) if progress else Silent()


def show_panel(work: Work) -> Display | None:
    """Open the panel in use; None where there is none, and `show` is for all."""
    return _panel_opener(work)
