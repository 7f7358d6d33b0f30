"""Parts: the list of a campaign dealt in parts anew, before a send, while nobody sends.

Each domain is wholly in one part.  Where a send's pace counts several domains as one, they
are in one part, too, as a part is one runner's; whatever joins them is asked once about
each recipient.  What a part is for is known in `shares`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from smtpbook.ledger.choosing import Reader
from smtpbook.shared_ledger.schema import part_for, part_of

# In the table ``meta``: whether parts are by something else than the domain.
_JOINED: Final = "joined"
_BATCH: Final = 10_000


def are_by_domain(reader: Reader) -> bool:
    """Tell whether parts are by the domain alone."""
    query = "SELECT 1 FROM meta WHERE name = ? AND value = '1'"
    return not reader.all(query, (_JOINED,))


def deal(
    reader: Reader, partitions: int, joins: Callable[[str], str | None] | None
) -> None:
    """Have everybody be in the part that is theirs; nobody may send meanwhile.

    Parameters
    ----------
    reader : Reader
    partitions : int
    joins : callable or None
        Given an address, gives what is to be one runner's; None: its domain is.
    """
    # First: if this is cut off, the next send deals them anew.
    reader.all(
        "INSERT INTO meta(name, value) VALUES (?, '1') ON CONFLICT (name) DO UPDATE "
        "SET value = excluded.value RETURNING name",
        (_JOINED,),
    )
    # A runner of the last send that comes back now finds it ended.
    reader.all("UPDATE meta SET value = '' WHERE name = 'send' RETURNING name")
    last = -1
    while rows := reader.all(
        "SELECT position, key, address, part FROM recipients WHERE position > ? "
        "ORDER BY position LIMIT ?",
        (last, _BATCH),
    ):
        last = rows[-1][0]
        moved: list[tuple[int, int]] = []
        for position, key, address, part in rows:
            if joins is None:
                own = part_of(key, partitions)
            else:
                own = part_for(joins(address) or "", partitions)
            if own != part:
                moved.append((position, own))
        if moved:
            positions, parts = zip(*moved, strict=True)
            reader.all(
                "WITH moved AS (UPDATE recipients SET part = own.part FROM "
                "(SELECT unnest(?::integer[]) AS position, unnest(?::integer[]) AS part) "
                "AS own WHERE recipients.position = own.position RETURNING 1) "
                "SELECT count(*) FROM moved",
                (list(positions), list(parts)),
            )
    if joins is None:
        reader.all("UPDATE meta SET value = '0' WHERE name = ? RETURNING name", (_JOINED,))
