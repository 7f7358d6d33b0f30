"""Event table: a page of a log's events, of which one is chosen, by mouse or keyboard.

It shows the cells that it is given; what they say and what follows from a choice is its
owner's matter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import anywidget
import traitlets

from smtpbook.escape import visible

_HERE: Final = Path(__file__).parent
NONE: Final = -1
"""No row is chosen."""


class EventTable(anywidget.AnyWidget):
    """Rows of text; the arrows, Home and End choose one, PageUp and PageDown turn the page.

    Parameters
    ----------
    label : str
        What a screen reader calls it.
    headers : sequence of str
    choose : callable
        Called with the number of the row that was chosen, from 0.
    turn : callable
        Called with -1 or 1 where the page before or the next one is asked for.
    """

    _esm = _HERE / "event_table.js"
    _css = _HERE / "event_table.css"
    label = traitlets.Unicode().tag(sync=True)
    headers = traitlets.List(traitlets.Unicode()).tag(sync=True)
    rows = traitlets.List(traitlets.List(traitlets.Unicode())).tag(sync=True)
    kinds = traitlets.List(traitlets.Unicode()).tag(sync=True)
    first = traitlets.Int(0).tag(sync=True)
    total = traitlets.Int(0).tag(sync=True)
    chosen = traitlets.Int(NONE).tag(sync=True)

    def __init__(
        self,
        label: str,
        headers: Sequence[str],
        *,
        choose: Callable[[int], object],
        turn: Callable[[int], object],
    ) -> None:
        self._choose, self._turn = choose, turn
        self._is_told = True
        super().__init__(label=label, headers=list(headers))
        self.observe(self._hear_choice, "chosen")
        self.on_msg(self._hear)

    def show(
        self,
        rows: Sequence[Sequence[str]],
        kinds: Sequence[str],
        *,
        first: int,
        total: int,
        chosen: int,
    ) -> None:
        """Show other rows, and which of them is chosen; nobody is told of that.

        Parameters
        ----------
        rows : sequence of sequence of str
            Cells may hold anything.
        kinds : sequence of str
            One word of ours per row, for the style sheet.
        first : int
            The number of the first row among all there are, from 0.
        total : int
            How many rows there are on all pages.
        chosen : int
            From 0; `NONE` = none of these.
        """
        self._is_told = False
        with self.hold_sync():
            self.rows = [[visible(cell) for cell in row] for row in rows]
            self.kinds = list(kinds)
            self.first, self.total, self.chosen = first, total, chosen
        self._is_told = True

    def _hear_choice(self, change: Mapping[str, Any]) -> None:
        if self._is_told and 0 <= change["new"] < len(self.rows):
            self._choose(change["new"])

    def _hear(self, _: object, content: Mapping[str, Any], buffers: object) -> None:
        if content.get("turn") in (-1, 1):
            self._turn(content["turn"])
