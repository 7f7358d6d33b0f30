"""Conversation: what client and server say, shown line by line while they say it.

Lines travel as messages and are no state of the widget: nothing is saved with the notebook,
and a long dialogue costs one line at a time.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import anywidget
import traitlets

from smtpbook.escape import visible

Who = Literal["client", "server", "note", "chosen"]


class Conversation(anywidget.AnyWidget):
    """An append-only display of a dialogue, hidden while it is empty.

    Parameters
    ----------
    label : str
        What a screen reader calls it.
    is_live : bool
        False = of the past: a screen reader does not read out what is shown.
    """

    _esm = Path(__file__).parent / "conversation.js"
    label = traitlets.Unicode().tag(sync=True)
    is_live = traitlets.Bool().tag(sync=True)

    def __init__(self, label: str, *, is_live: bool = True) -> None:
        self._lines: list[tuple[Who, str]] = []
        super().__init__(label=label, is_live=is_live)
        self.on_msg(self._hear)

    @property
    def text(self) -> str:
        """What is shown."""
        return "\n".join(text for _, text in self._lines)

    def append(self, who: Who, text: str) -> None:
        """Show one more line; control characters in it as escapes."""
        line = (who, visible(text))
        self._lines.append(line)
        self.send({"kind": "lines", "first": len(self._lines) - 1, "lines": [line]})

    def replace(self, lines: Iterable[tuple[Who, str]]) -> None:
        """Show another dialogue; the first chosen line of it is brought into view."""
        self._lines[:] = [(who, visible(text)) for who, text in lines]
        self._send_all()

    def clear(self) -> None:
        """Show nothing."""
        self.replace([])

    def _hear(self, _: object, content: dict[str, Any], buffers: object) -> None:
        if content.get("kind") == "lines?":
            self._send_all()

    def _send_all(self) -> None:
        self.send({"kind": "lines", "first": 0, "lines": self._lines})
