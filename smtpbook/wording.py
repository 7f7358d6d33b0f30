"""Wording: numbers and times as they are said in charts, stories and reports."""

from __future__ import annotations

import re
from typing import Final

_UNITS: Final = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))
_SIZE: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([kKMGT]?)(i?)B?")


def counted(number: int, one: str, many: str) -> str:
    """Say how many, such as "1 reply" or "1,150 replies"."""
    return f"{number:,} {one if number == 1 else many}"


def percent(share: float) -> str:
    """Say a share in two digits or three; a small one is never said to be none or all.

    >>> percent(0.0), percent(0.0002), percent(0.0412), percent(0.83), percent(0.9996)
    ('0%', '<0.1%', '4.1%', '83%', '>99.9%')
    """
    if 0 < share < 0.001:
        return "<0.1%"
    if 0.999 < share < 1:
        return ">99.9%"
    if share in (0, 1) or 0.0995 <= share < 0.985:
        return f"{share:.0%}"
    return f"{share:.1%}"


def duration(seconds: float) -> str:
    """Say a time in three digits and the unit that fits, such as "4.62 ms".

    >>> duration(0.004), duration(0.0183), duration(83.1), duration(7200)
    ('4.00 ms', '18.3 ms', '83.1 s', '2.0 h')
    """
    if seconds <= 0:
        return "0 s"
    if seconds >= 999.5:
        return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
    units = (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6))
    unit, size = next(((u, s) for u, s in units if seconds >= s * 0.9995), units[-1])
    return f"{seconds / size:#.3g}".rstrip(".") + f" {unit}"


def lasting(seconds: float) -> str:
    """Say how long something lasted, as people do: in the two units that fit.

    >>> lasting(0.25), lasting(45), lasting(300), lasting(5399.4), lasting(90_000)
    ('250 ms', '45 s', '5 min', '1 h 30 min', '1 d 1 h')
    """
    if seconds < 9.95:
        return duration(seconds)
    # Rounded to the second of the two.
    step = 1 if seconds < 3600 else 60 if seconds < 86_400 else 3600
    rest, parts = round(seconds / step) * step, list[str]()
    for unit, size in _UNITS:
        if rest >= size or parts:
            parts.append(f"{rest // size} {unit}" if rest // size else "")
            rest %= size
    return " ".join(part for part in parts[:2] if part)


def octets(number: int) -> str:
    """Say a size in octets, in the unit that fits.

    >>> octets(812), octets(20_480), octets(3_400_000)
    ('812 bytes', '20.0 KiB', '3.2 MiB')
    """
    size, unit = float(number), "bytes"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{size:,.0f} bytes" if unit == "bytes" else f"{size:,.1f} {unit}"


def size_of(written: str) -> int | None:
    """Read a size as people write it, in octets; None = it is none.

    >>> size_of("1GB"), size_of("1.5 GiB"), size_of("512M"), size_of("much")
    (1000000000, 1610612736, 512000000, None)
    """
    found = _SIZE.fullmatch(written.strip())
    if found is None or (found[3] and not found[2]):
        return None
    base: float = 1024 if found[3] else 1000
    return round(float(found[1]) * base ** " KMGT".index(found[2].upper() or " "))
