"""Which one is asked: the zone data a user gives, or the name servers; and many at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import trio

from smtpbook.lookup.answer import Answer, Asker
from smtpbook.lookup.resolver import Resolver
from smtpbook.lookup.zone import Data, Zone

AnyZone = Asker | Data | str | Path | None
"""What may be given where somebody is to be asked."""


def asker_of(zone: AnyZone) -> Asker:
    """Give whom to ask.

    Parameters
    ----------
    zone : Zone, mapping, str, Path, Asker or None
        An `Asker` stays itself; anything else is a `Zone`'s data; None = the system's name
        servers.

    Raises
    ------
    ValueError
        The data cannot be read.
    OSError
        The file is not there, or the system names no name server.
    """
    if zone is None:
        return Resolver()
    if isinstance(zone, (str, Path, Mapping)):
        return Zone(zone)
    return zone


async def ask_all(asker: Asker, names: Iterable[str], record: str) -> dict[str, Answer]:
    """Ask for one kind of record at several names, side by side.

    Returns
    -------
    dict of str to Answer
        By the names as they were given, in their order.
    """
    answers: dict[str, Answer] = {}

    async def ask(name: str) -> None:
        answers[name] = await asker.ask(name, record)

    asked = list(dict.fromkeys(names))
    async with trio.open_nursery() as nursery:
        for name in asked:
            nursery.start_soon(ask, name)
    return {name: answers[name] for name in asked}
