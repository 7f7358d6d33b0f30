"""Which one is asked: the zone data a user gives, or the name servers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from smtpbook.lookup.answer import Asker
from smtpbook.lookup.resolver import Resolver
from smtpbook.lookup.zone import Data, Zone

AnyZone = Asker | Data | str | Path | None
"""What may be given where somebody is to be asked."""


def asker_of(zone: AnyZone) -> Asker:
    """Give whom to ask.

    Parameters
    ----------
    zone : Zone, Resolver, mapping, str, Path or None
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
