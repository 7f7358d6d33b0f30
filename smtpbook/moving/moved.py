"""Moved: what became of each thing that was exported or imported.

Nothing here reads or writes a file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from smtpbook.escape import visible

_DONE: Final = frozenset({"written", "added", "replaced", "unchanged", "merged"})


class Item(NamedTuple):
    """What became of one thing.

    Attributes
    ----------
    kind : {"account", "list", "suppressions"}
    name : str
    done : str
        On export ``"written"`` or ``"left out"``; on import ``"added"``, ``"replaced"``,
        ``"merged"``, ``"unchanged"`` (the same was here), ``"kept"`` (another of that name
        was here, and stays) or ``"refused"``.
    message : str
        What there is to say about it; ``""`` = nothing.
    needs_password : bool
        An account that cannot log in before its password is given on this computer.
    """

    kind: str
    name: str
    done: str
    message: str = ""
    needs_password: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class Moved:
    """What was exported or imported, one by one; prints as a table."""

    items: tuple[Item, ...]

    @property
    def is_complete(self) -> bool:
        """Whether nothing was left out, kept or refused."""
        return all(item.done in _DONE for item in self.items)

    @property
    def need_password(self) -> list[str]:
        """The accounts whose password has to be given again."""
        return [item.name for item in self.items if item.needs_password]

    def __str__(self) -> str:
        if not self.items:
            return "nothing is saved yet"
        names = [visible(item.name) for item in self.items]
        width = max(map(len, names))
        lines = [
            f"{item.kind:<12}  {name:<{width}}  {item.done:<9}  {visible(item.message)}"
            for item, name in zip(self.items, names, strict=True)
        ]
        return "\n".join(line.rstrip() for line in lines)

    __repr__ = __str__


def login_of(settings: dict[str, Any]) -> str:
    """Show who logs in, and where."""
    whose = f"{settings['username']} at " if "username" in settings else ""
    port = f":{settings['port']}" if "port" in settings else ""
    return f"{whose}{settings['host']}{port}"


def count(number: int, one: str) -> str:
    """Show a number of things.

    >>> count(1, "entry"), count(2000, "entry")
    ('1 entry', '2,000 entries')
    """
    many = f"{one.removesuffix('y')}ies" if one.endswith("y") else f"{one}s"
    return f"{number:,} {one if number == 1 else many}"
