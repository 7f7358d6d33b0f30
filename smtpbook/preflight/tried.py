"""Tried: which letters somebody has sent to themselves, so that a send can say so.

What is kept is a digest of the letter, a digest of the address and the time: an empty file
in the state folder, named by the two, so that programs need not wait for each other.  A
letter that was changed is another one.  Nothing here sends.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

import pandas as pd

from smtpbook.folder.letter import freeze_letter
from smtpbook.ledger.entries import key_of
from smtpbook.messages.template import Template
from smtpbook.places import state_folder

MAX_KEPT: Final = 1000
"""So many tests are remembered, the latest ones."""

_DIGITS: Final = 16  # hexadecimal, of each digest: chance makes no two of a thousand equal
# Letters that no file describes, which are held so that no other gets their identity.
_MAX_HELD: Final = 20
_held: dict[int, tuple[Template, dict[str, datetime]]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What is known of a letter's tests.

    Attributes
    ----------
    last : datetime
        When the last one was accepted, UTC.
    addresses : int
        How many addresses they went to.
    """

    last: datetime
    addresses: int


def remember(letter: Template, to: str) -> None:
    """Note that a server took a letter as a test, now; a folder that is full is no error.

    Parameters
    ----------
    letter : Template
    to : str
        Where it was sent.
    """
    name = _digest_of(letter)
    if name is not None:
        with suppress(OSError):
            folder = _folder()
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{name}-{_digest(name + key_of(to))}").touch()
            _forget_oldest(folder)
            return
    _, tests = _held.pop(id(letter), (letter, {}))
    _held[id(letter)] = letter, {**tests, key_of(to): datetime.now(UTC)}
    while len(_held) > _MAX_HELD:
        del _held[next(iter(_held))]


def tried(letter: Template) -> Tried | None:
    """Tell whether a letter was sent as a test, as it is now; None = it was not."""
    name = _digest_of(letter)
    times = list(_held[id(letter)][1].values()) if id(letter) in _held else []
    if name is not None:
        with suppress(OSError):
            times += map(_time_of, _folder().glob(f"{name}-*"))
    return Tried(last=max(times), addresses=len(times)) if times else None


def _digest_of(letter: Template) -> str | None:
    """Give what tells a letter from all others; None: nothing that lasts does."""
    plain, _ = freeze_letter(letter)
    given = dict(letter.values or {})  # noqa: PD011 - a mapping
    # A table is described by its cells, anything else that is not kept by its kind alone.
    lasting = [
        name in plain["values"] or isinstance(v, pd.DataFrame) for name, v in given.items()
    ]
    if not all(lasting):
        return None
    return _digest(json.dumps(plain, sort_keys=True, default=repr))


def _digest(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]


def _forget_oldest(folder: Path) -> None:
    files = list(folder.iterdir())
    for file in sorted(files, key=_time_of)[: max(len(files) - MAX_KEPT, 0)]:
        file.unlink(missing_ok=True)


def _time_of(file: Path) -> datetime:
    return datetime.fromtimestamp(file.stat().st_mtime, UTC)


def _folder() -> Path:
    return state_folder() / "tried"
