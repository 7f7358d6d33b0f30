"""Draws: names, hosts and words for one student, so that no two have the same task.

All at domains kept for examples and tests (RFC 2606): nothing drawn can reach anybody.
"""

from __future__ import annotations

from random import Random
from typing import Final

_PEOPLE: Final = (
    *("ada", "ben", "cleo", "dora", "emil", "fay", "gus", "hana", "ivo", "june", "kai"),
    *("lea", "max", "nora", "otto", "pia", "quinn", "rosa", "sven", "tess", "uma", "vito"),
)
_HOUSES: Final = (
    *("anchor", "beacon", "cedar", "delta", "ember", "fjord", "garnet", "harbor", "iris"),
    *("juniper", "kestrel", "lagoon", "meadow", "nimbus", "orchard", "pebble", "quarry"),
)
_WORDS: Final = (
    *("amber", "basalt", "copper", "drift", "echo", "falcon", "glacier", "hazel", "indigo"),
    *("jasper", "kelp", "lantern", "marble", "nectar", "opal", "prairie", "quartz", "reed"),
)


def host(rng: Random) -> str:
    """Draw a host name, such as ``cedar-417.example``."""
    return f"{rng.choice(_HOUSES)}-{rng.randrange(100, 1000)}.example"


def address(rng: Random, domain: str | None = None) -> str:
    """Draw an address, such as ``ada.31@fjord-205.example``."""
    return f"{rng.choice(_PEOPLE)}.{rng.randrange(10, 100)}@{domain or host(rng)}"


def word(rng: Random) -> str:
    """Draw a word that is in no template, such as ``basalt-5214``."""
    return f"{rng.choice(_WORDS)}-{rng.randrange(1000, 10_000)}"
