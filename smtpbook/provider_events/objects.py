"""Objects: JSON objects found in lines, in whatever way somebody has saved them.

One to a line, one that goes over many lines, several behind one another, or arrays of any
of these: brackets and commas between objects are passed over, so that an array need not fit
into memory.  What the objects mean is not asked here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

MAX_OBJECT: Final = 1 << 24
"""Characters of one object; an export of Mailgun's has 300 events of some 3,000 in one."""

_MARK: Final = re.compile(r'\\.|["{}]')
_BETWEEN: Final = re.compile(r"[\s,\[\]]*")


class Found(NamedTuple):
    """What was found.

    Attributes
    ----------
    line : int
        The line it ends on, from 1.
    text : str
        As it stands there.
    value : dict or None
        The object; None = it is none.
    """

    line: int
    text: str
    value: dict[str, Any] | None


def find_objects(lines: Iterable[str]) -> Iterator[Found]:
    r"""Find the objects, and what is none, in lines without their ends.

    Never raises because of what a line says.

    Examples
    --------
    >>> for found in find_objects(['[{"a": 1}, {', '"b": 2}]', "oops"]):
    ...     print(found.line, found.value)
    1 {'a': 1}
    2 {'b': 2}
    3 None
    """
    cutter = _Cutter()
    for number, line in enumerate(lines, 1):
        if cutter.is_between:
            value = _parsed(line) if line[:1] == "{" else None
            if value is not None:  # the ordinary case: one to a line
                yield Found(number, line, value)
                continue
        for text in cutter.cut(line):
            yield Found(number, text, _parsed(text))
    if not cutter.is_between:
        yield Found(number, cutter.rest, None)


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


class _Cutter:
    """Cuts lines into objects by counting braces outside of strings."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._size = self._depth = 0
        self._in_string = self._is_lost = False

    @property
    def is_between(self) -> bool:
        """Whether no object has begun."""
        return not self._depth

    @property
    def rest(self) -> str:
        """The beginning of an object that has no end."""
        return "".join(self._pieces)

    def cut(self, line: str) -> Iterator[str]:
        """Give each object that ends on this line, and what stands between objects."""
        if self._is_lost:
            # Inside of an object that was too long: the next one begins a line.
            if line[:1] not in ("{", "["):
                return
            self._is_lost = False
        position = 0
        while position < len(line):
            if self.is_between:
                match = _BETWEEN.match(line, position)
                position = match.end() if match else position
                start = line.find("{", position)
                stray = line[position:] if start < 0 else line[position:start]
                if stray:
                    yield stray
                if start < 0:
                    return
                position = start
            position = self._take(line, position)
            if self.is_between:
                whole, self._pieces, self._size = self.rest, [], 0
                yield whole
        if not self.is_between:
            self._pieces.append("\n")

    def _take(self, line: str, start: int) -> int:
        """Take what belongs to the object, and give where it stops."""
        end = len(line)
        for match in _MARK.finditer(line, start):
            mark = match[0]
            if mark == '"':
                self._in_string = not self._in_string
            elif self._in_string or mark[0] == "\\":
                continue
            elif mark == "{":
                self._depth += 1
            else:
                self._depth -= 1
                if not self._depth:
                    end = match.end()
                    break
        self._pieces.append(line[start:end])
        self._size += end - start + 1
        if self._size > MAX_OBJECT:
            self._depth, self._in_string, self._is_lost = 0, False, True
            self._pieces = [self._pieces[0][:1000]]
            return len(line)
        return end
