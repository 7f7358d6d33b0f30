"""Sends: whom the runners of a campaign write to together, from the beginning to the end.

A send is begun once, by whoever starts the runners.  It is for everybody never tried, or
for those who are then put down by name; each runner finds its own part of them in the
partitions it claims.  A partition that a runner has come to the end of is done, and the
send is over when all are.  So nobody counts the list to know whether something is left.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Final, NamedTuple

from smtpbook.errors import LedgerError
from smtpbook.ledger.choosing import COLUMNS, Choice, Reader, choose
from smtpbook.ledger.entries import Entry
from smtpbook.pacing.stopping import Tally
from smtpbook.shared_ledger.shares import NOW, SILENT, Asked

_NEVER: Final = "NOT EXISTS (SELECT 1 FROM suppressions s WHERE s.key = recipients.key)"
# Who was tried in this send already is not tried again, unless a retry is due.
_NARROWED: Final = (
    "EXISTS (SELECT 1 FROM chosen c WHERE c.send = (SELECT value FROM meta "
    "WHERE name = 'send') AND c.recipient = position AND (c.attempts = recipients.attempts "
    f"OR due IS NOT NULL)) AND {_NEVER}"
)
# One of this campaign's own, as the tables of each have numbers of their own.
_KEY: Final = "CAST(CAST('partitions' AS regclass) AS bigint)"
_NOBODY: Final = ""  # for a lease's owner: all others


class Work(NamedTuple):
    """How far the runners are.

    Attributes
    ----------
    send : str
        What the present send is called; "" = there was none yet.
    asked : {"go", "pause", "stop"}
    runners : int
        How many that send have a lease that has not run out.
    left : int
        Partitions that the send is not through with.
    free : int
        Those of them that are nobody's, or a silent runner's.
    orphans : int
        Those of the free ones that a runner had, and left.
    """

    send: str
    asked: Asked
    runners: int
    left: int
    free: int
    orphans: int = 0


def work(reader: Reader) -> Work:
    """Tell how far the runners are; cheap, however long the list is."""
    (row,) = reader.all(
        f"WITH silent AS (SELECT owner, sends FROM lease WHERE {SILENT}) SELECT "
        "(SELECT value FROM meta WHERE name = 'send'), "
        "(SELECT value FROM meta WHERE name = 'asked'), "
        "(SELECT count(*) FROM lease WHERE sends = 1) "
        "- (SELECT count(*) FROM silent WHERE sends = 1), "
        "count(*), count(*) FILTER (WHERE owner IS NULL "
        "OR owner IN (SELECT owner FROM silent)), count(*) FILTER (WHERE is_orphan = 1 "
        "OR owner IN (SELECT owner FROM silent)) FROM partitions WHERE is_done = 0",
        (_NOBODY,),
    )
    return Work(*row)


@contextmanager
def alone(reader: Reader, name: str) -> Iterator[None]:
    """Let nobody else begin a send of the ledger that errors call `name`.

    What keeps others out ends with the reader's session, however that ends.

    Raises
    ------
    LedgerError
        Somebody else does.
    """
    ((is_free,),) = reader.all(f"SELECT pg_try_advisory_lock({_KEY})")
    if not is_free:
        raise LedgerError(
            f"somebody else begins a send in the ledger {name} just now; wait until its "
            f"workers send, then send again: that joins it, and earlier it would replace it"
        )
    try:
        yield
    finally:
        with suppress(LedgerError):  # with a session that is lost, it is gone
            reader.all(f"SELECT pg_advisory_unlock({_KEY})")


def is_present(reader: Reader, send: str) -> bool:
    """Tell whether a send is the present one, once nobody begins another."""
    reader.all(f"SELECT pg_advisory_xact_lock_shared({_KEY})")
    return work(reader).send == send


def begin(
    reader: Reader,
    send: str,
    only: str | Iterable[str] | None,
    limit: int | None,
    before: Mapping[str, int],
    *,
    is_resending: bool,
) -> None:
    """Begin a send, while no runner is there; errors as `Books.select`.

    Parameters
    ----------
    reader : Reader
    send : str
        What it is called; each has a name of its own.
    only : str or iterable of str, optional
    limit : int, optional
    before : mapping of str to int
        How many recipients stand where.
    is_resending : bool
    """
    reader.all("WITH gone AS (DELETE FROM chosen RETURNING 1) SELECT count(*) FROM gone")
    narrowed = "only" if only is not None else "limit" if limit is not None else ""
    if narrowed:
        choice = choose(reader, f"begun_{send}", only, is_resending=is_resending)
        reader.all(
            "WITH new AS (INSERT INTO chosen SELECT ?, position, attempts FROM recipients "
            f"WHERE {choice.condition} ORDER BY position LIMIT ? RETURNING 1) "
            "SELECT count(*) FROM new",
            (send, limit),
        )
    about = {
        "send": send,
        "narrowed": narrowed,
        "asked": "go",
        "before": json.dumps(before),
    }
    values = ", ".join("(?, ?)" for _ in about)
    reader.all(
        "WITH anew AS (UPDATE partitions SET is_done = 0, is_orphan = 0), "
        f"told AS (UPDATE meta SET value = new.value FROM (VALUES {values}, "
        f"('begun', CAST({NOW} AS TEXT))) AS new(name, value) "
        "WHERE meta.name = new.name) SELECT 1",
        [cell for pair in about.items() for cell in pair],
    )


def share_of(reader: Reader, parts: Iterable[int], *, is_resending: bool) -> Choice:
    """Give whom the present send is for in some partitions."""
    held = ", ".join(map(str, sorted(parts)))
    share = f"part IN ({held})"
    ((narrowed,),) = reader.all("SELECT value FROM meta WHERE name = 'narrowed'")
    if not narrowed:
        return choose(reader, "", None, is_resending=is_resending, share=share)
    return Choice(condition=f"{share} AND {_NARROWED}", is_asked=narrowed == "only")


def untold(reader: Reader) -> list[Entry]:
    """Give those whom silent runners left in doubt in the present send, without fields."""
    rows = reader.all(
        f"SELECT {COLUMNS} WHERE outcome = 'in_doubt' AND EXISTS (SELECT 1 FROM attempts a "
        "WHERE a.recipient = position AND a.attempt = recipients.attempts "
        "AND a.session_id IS NULL AND a.time >= (SELECT CAST(value AS double precision) "
        "FROM meta WHERE name = 'begun')) ORDER BY position"
    )
    return [Entry(*row) for row in rows]


def tally(reader: Reader) -> Tally:
    """Count the recipients of the present send as they stand, whoever wrote to them."""
    found = Tally()
    rows = reader.all(
        "SELECT r.outcome, reason, count(*) FROM attempts a JOIN recipients r "
        "ON a.recipient = position AND a.attempt = attempts AND r.outcome IS NOT NULL "
        "WHERE intended >= (SELECT CAST(value AS double precision) FROM meta "
        "WHERE name = 'begun') GROUP BY r.outcome, reason"
    )
    for outcome, reason, number in rows:
        found.add(outcome, reason, number)
    return found


def elders(reader: Reader, owner: str) -> int:
    """Tell how many runners that are not silent were let in before one."""
    ((number,),) = reader.all(
        f"SELECT count(*) FROM lease WHERE sends = 1 AND NOT ({SILENT}) "
        "AND (since, owner) < (SELECT since, owner FROM lease WHERE owner = ?)",
        (_NOBODY, owner),
    )
    return int(number)


def eldest_s(reader: Reader) -> float:
    """Tell for how long the eldest runner that is not silent has been there, in seconds."""
    ((age_s,),) = reader.all(
        f"SELECT {NOW} - min(since) FROM lease WHERE sends = 1 AND NOT ({SILENT})",
        (_NOBODY,),
    )
    return float(age_s or 0.0)


def sent(reader: Reader, counts: Counter[str]) -> Counter[str]:
    """Tell how many recipients of the present send came to which outcome so far.

    Parameters
    ----------
    reader : Reader
    counts : Counter
        How many recipients stand where now, whatever the send.
    """
    about = dict(
        reader.all("SELECT name, value FROM meta WHERE name IN ('narrowed', 'before')")
    )
    if about["narrowed"]:
        return Counter(
            dict(
                reader.all(
                    "SELECT outcome, count(*) FROM chosen JOIN recipients "
                    "ON position = recipient WHERE recipients.attempts > chosen.attempts "
                    "GROUP BY outcome"
                )
            )
        )
    more = counts - Counter(json.loads(about["before"]))
    return Counter({name: n for name, n in more.items() if name != "pending"})
