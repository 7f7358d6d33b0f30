"""Straight: a part that prints texts and fields one after the other, without Jinja2.

Most parts of most letters are no more than that: what stands in the source, fields, for
some of them a default, and here and there a choice by one field.  To set Jinja2 up for
each of them takes several times as long as what they do.  Whatever is not as simple, also
a value that is no text or is not there, is left to Jinja2: it alone says what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from markupsafe import escape

# What `escape` writes otherwise.
_SPECIAL: Final = re.compile("[&<>'\"]")


class Field(NamedTuple):
    """Prints a field; `default` where it has no value, if there is one."""

    name: str
    default: str | None = None


class Test(NamedTuple):
    """Asks whether a field is a certain text, and what to do if it is, or is not."""

    name: str
    text: str
    is_equal: bool
    steps: Sequence[Step]


class Choice(NamedTuple):
    """Goes the way of the first test that holds; of none, the last way."""

    tests: Sequence[Test]
    other: Sequence[Step]


Step = str | Field | Choice


class Straight:
    """A part of text, fields and choices.

    Parameters
    ----------
    steps : sequence
        As `reading.read_straight` gives them.
    is_html : bool
        Values are escaped for HTML.
    """

    __slots__ = ("_is_html", "_steps")

    def __init__(self, steps: Sequence[Step], *, is_html: bool) -> None:
        self._steps, self._is_html = steps, is_html

    def pieces(self, values: Mapping[str, object]) -> list[str] | None:
        """Fill it in, piece by piece as Jinja2 would; None = that has to do it."""
        pieces: list[str] = []
        return pieces if self._print(self._steps, values, pieces) else None

    def _print(
        self, steps: Sequence[Step], values: Mapping[str, object], pieces: list[str]
    ) -> bool:
        for step in steps:
            if type(step) is str:
                pieces.append(step)
            elif type(step) is Field:
                value = values.get(step.name, step.default)
                if type(value) is not str:
                    return False
                if self._is_html and _SPECIAL.search(value):
                    value = str(escape(value))
                pieces.append(value)
            elif type(step) is Choice:
                way = step.other
                for name, text, is_equal, then in step.tests:
                    value = values.get(name)
                    if type(value) is not str:
                        return False
                    if (value == text) is is_equal:
                        way = then
                        break
                if not self._print(way, values, pieces):
                    return False
        return True
