"""Progress: the display that stands in `smtpbook.progress`'s slot in a notebook.

A bar and the counts, drawn a few times a second; when the work ends, a plain line takes
their place and stays in the notebook.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

import ipywidgets as ipw
from IPython import get_ipython
from IPython.display import display

from smtpbook.escape import to_html, visible
from smtpbook.progress import Display, Lines, told

_EVERY_S: Final = 0.1  # what an eye can follow; each drawing is a message to the page
_STYLE: Final = "color: var(--jp-content-font-color1, CanvasText)"


def open_display(title: str, total: int) -> Display:
    """Give the display for where we are: a bar in a kernel, elsewhere lines of text."""
    in_kernel = getattr(get_ipython(), "kernel", None) is not None
    return Bar(title, total) if in_kernel else Lines(title, total)


class Bar:
    """A bar with the counts behind it, in the output of the cell that opened it."""

    def __init__(self, title: str, total: int) -> None:
        self._title, self._total = visible(title), total
        self._done, self._counts = 0, ""
        self._drawn_s = 0.0
        self.bar = ipw.FloatProgress(max=max(total, 1), description=self._title)
        self.text = ipw.HTML()
        self._box = ipw.HBox([self.bar, self.text])
        # A front end without widgets shows the text, at the beginning and at the end.
        bundle = {**self._box._repr_mimebundle_(), "text/plain": str(self)}
        show: Any = display  # which has no annotations
        self._handle = show(bundle, raw=True, display_id=True)

    def update(self, done: int, counts: Mapping[str, int]) -> None:
        """Move the bar, at most ten times a second; `close` shows the last state."""
        self._done, self._counts = done, told(counts)
        now_s = time.monotonic()
        if now_s - self._drawn_s >= _EVERY_S:
            self._drawn_s = now_s
            self.bar.value = done
            self.text.value = to_html(str(self))

    def close(self) -> None:
        """Leave a line of text in place of the bar."""
        if self._handle is not None:
            html = f'<div style="{_STYLE}">{to_html(str(self))}</div>'
            self._handle.update({"text/plain": str(self), "text/html": html}, raw=True)
            self._handle = None
        for widget in (self._box, self.bar, self.text):
            widget.close()

    def __str__(self) -> str:
        share = 100 * self._done // max(self._total, 1)
        line = f"{self._title}: {self._done:,} of {self._total:,} ({share} %)"
        return f"{line}, {self._counts}" if self._counts else line
