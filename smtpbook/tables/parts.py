"""Parts: what a table needs to know of a log, found in some of its files at a time.

Parts of the same kind are put together exactly: counts and whole numbers are added, of
others the least, the greatest or the last one in the log stays.  So whatever is made of
them is the same, however the log was divided.  Nothing is asked here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What is found in some files of a log, and how it becomes what is in all of them.

    Attributes
    ----------
    sql : str
        What is asked of the files.  It may also ask of parts that were named before it:
        these are of the whole log.
    merge : mapping of str to str, or None
        Of rows that agree in all columns but these one is made: by column, the aggregate
        that gives its value, which must not hang on the order of rows.  None: rows stay as
        they are.
    log : str
        What the log is called in ``sql``.
    """

    sql: str
    merge: Mapping[str, str] | None = None
    log: str = "log"


def first(*columns: str) -> str:
    """Give in SQL the first value of columns that is not null, and where it stands."""
    return _at("min", columns)


def latest(*columns: str) -> str:
    """Give in SQL the last value of columns that is not null, and where it stands."""
    return _at("max", columns)


def merge_first(*columns: str) -> dict[str, str]:
    """Give how what `first` gives is merged."""
    return _merge_at("min", columns)


def merge_latest(*columns: str) -> dict[str, str]:
    """Give how what `latest` gives is merged."""
    return _merge_at("max", columns)


def merge_by(aggregate: str, *columns: str) -> dict[str, str]:
    """Give how columns are merged that all have the same aggregate, such as ``"sum"``."""
    return {name: f"{aggregate}({name})" for name in columns}


def _at(which: str, columns: Iterable[str]) -> str:
    return ", ".join(
        f"arg_{which}({name}, place) AS {name}, "
        f"{which}(place) FILTER ({name} IS NOT NULL) AS {name}_at"
        for name in columns
    )


def _merge_at(which: str, columns: Iterable[str]) -> dict[str, str]:
    values = {name: f"arg_{which}({name}, {name}_at)" for name in columns}
    return values | {f"{name}_at": f"{which}({name}_at)" for name in columns}
