"""Files: which of a folder's files are the event log, each row once.

Files take the place of others: a segment's Parquet that of its stream, a compacted file
that of many.  The new one is there before the old ones go.  So for a while, or for good
where a process was killed, a folder holds rows twice; and while it happens, a look at the
folder may show neither.  Both are known here only.  What is in a file is for the `store`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from smtpbook.errors import SMTPBookError
from smtpbook.log.stream import SUFFIX
from smtpbook.log.where import located, look_anew, reached

PARQUET: Final = ".parquet"
"""How a sealed file's name ends."""
SPAN: Final = ".."
"""What stands in a compacted file's name, between those of the first and the last."""
PARTS: Final = b"smtpbook.parts"
"""Where a compacted file's metadata tell, as JSON, what `parts_of` gives."""
LOOKS: Final = 20
"""How often a folder is looked at again whose files were replaced under our hands."""

_SUFFIXES: Final = (PARQUET, SUFFIX)
_Seen = TypeVar("_Seen")


def log_files(folder: Path, growing: Path | None = None) -> list[Path]:
    """Give the files of a log in their order, those that count.

    Parameters
    ----------
    folder : Path
    growing : Path, optional
        Where its streams are, if elsewhere; then the folder need not be there yet.

    Raises
    ------
    OSError
        The folder cannot be read.
    """
    with reached(folder):
        return _log_files(folder, growing)


def _log_files(folder: Path, growing: Path | None) -> list[Path]:
    if growing is None or growing == folder:
        return settled(lambda: _standing_in(folder))

    def look() -> list[Path]:
        # In this order: what is sealed meanwhile is seen twice, not missed.
        streams = _standing_in(growing)
        sealed = _standing_in(folder) if folder.is_dir() else []
        # A stream goes when it was sealed: where both are there, an upload was torn.
        left = {path.stem for path in streams}
        sealed = [path for path in sealed if path.stem not in left or is_whole(path)]
        names = {name for path in sealed for name in parts_of(path)}
        found = [*(path for path in streams if path.stem not in names), *sealed]
        return sorted(found, key=lambda path: path.name)

    return settled(look)


def _standing_in(folder: Path) -> list[Path]:
    look_anew(folder)
    return standing(
        path
        for path in sorted(folder.iterdir())
        if path.suffix in _SUFFIXES and not path.name.startswith(".")
    )


def settled(look: Callable[[], _Seen]) -> _Seen:
    """Look at folders until two looks see the same.

    While a file takes the place of another one look may pass over both: over the new name
    before it is there, and over the old one when it is gone.

    Raises
    ------
    SMTPBookError
        They never do.
    """
    seen = look()
    for _ in range(LOOKS):
        before, seen = seen, look()
        if seen == before:
            return seen
    raise SMTPBookError("the log's files come and go; ask again")


def is_whole(sealed: Path, rows: int = 0) -> bool:
    """Tell whether a file was sealed with so many rows; a torn one has no footer."""
    name, system = located(sealed)
    try:
        return bool(pq.read_metadata(name, filesystem=system).num_rows >= rows)
    except (OSError, pa.ArrowException):
        return False


def standing(paths: Iterable[Path]) -> list[Path]:
    """Leave out the files whose rows another one of those given holds.

    That is a stream that has become Parquet, and what a compacted file was made of.
    """
    found: dict[tuple[Path, str], Path] = {}
    for path in paths:
        key = path.parent, path.stem
        there = found.setdefault(key, path)
        stream, sealed = (there, path) if there.suffix == SUFFIX else (path, there)
        if stream.suffix == SUFFIX != sealed.suffix:
            found[key] = sealed if is_whole(sealed) else stream
    parts = {path: parts_of(path) for path in found.values()}
    most: dict[tuple[Path, str], int] = {}
    for path, names in parts.items():
        for name in names:
            most[path.parent, name] = max(len(names), most.get((path.parent, name), 0))
    return [
        path
        for path, names in parts.items()
        if len(names) == most[path.parent, next(iter(names))]
    ]


def parts_of(path: Path) -> dict[str, int]:
    """Give the names without suffix of the files one is made of, and the rows of each.

    Of one that was not compacted that is itself, with no telling how many rows.
    """
    if SPAN in path.stem and path.suffix == PARQUET:
        # Whoever reads it is told what is wrong with it.
        with suppress(pa.ArrowException, OSError, ValueError, RecursionError):
            name, system = located(path)
            about = pq.read_metadata(name, filesystem=system).metadata
            parts = json.loads((about or {}).get(PARTS, b""))
            if parts and isinstance(parts, dict):
                return parts
    return {path.stem: 0}
