"""Simulate: how long many computers would need, from how many recipients a domain has.

Nothing is sent, no computer is asked and no database needed; one core does a hundred
million recipients on two hundred workers in about half a minute.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np

from smtpbook.cluster.order import check_order, dealt
from smtpbook.delivery.settings import Settings
from smtpbook.fleet.fleet import Fleet
from smtpbook.fleet.register import Register
from smtpbook.fleet.simulation import ClusterSimulation, told_by
from smtpbook.fleet.times import MessageTimes
from smtpbook.pacing.pace import Pace
from smtpbook.rehearsal.model import ORDINARY, ServerModel
from smtpbook.shared_ledger.schema import LEASE_S, PARTITIONS

_LOTS: Final = 500_000  # about 20 s of CPU


def simulate_cluster(
    domains: Mapping[str, int],
    *,
    workers: int,
    connections: int | None = None,
    pace: str | float | Pace | None = None,
    server: ServerModel = ORDINARY,
    cpu_s: float = 0.001,
    killed: Mapping[int, float] | None = None,
    partitions: int = PARTITIONS,
    lease_s: float = LEASE_S,
    lot: int | None = None,
    seed: int = 0,
) -> ClusterSimulation:
    """Say what ``campaign.send(cluster=client)`` would come to.

    The real code decides what begins when: the pace, each one's part of it and of the
    connections, the queue with its lanes, the partition of each domain, how many partitions
    are claimed at a time, and the lease of a worker that dies.

    Assumed is all else.  What a message takes is drawn from the server's quantiles; nobody
    is refused or tried again; all workers come at once and are equally fast; the list is
    shuffled; the database is as fast as is needed; a change of the number of workers is
    heard after a heartbeat; a worker that was killed stays away, and what it had under way
    is held back as in doubt.

    Parameters
    ----------
    domains : mapping of str to int
        Recipients by domain.
    workers : int
    connections : int, optional
        Of all workers together, as a campaign's are.  Default: four each.
    pace : str, float or Pace, optional
        Of all workers together, in messages; without hours and not adaptive.
    server : ServerModel
        What a message takes; its refusals are left out.  Default: what a rehearsal assumes
        of a server that nothing is known of.
    cpu_s : float
        CPU time that a message costs its worker, which has one core.  The default is an
        assumption.
    killed : mapping of int to float, optional
        By worker, from 0, when it dies, in seconds.
    partitions : int
    lease_s : float
    lot : int, optional
        How many recipients of one domain go as one.  1 is message by message; larger lots
        wait less often for a connection, and told up to 3 % less time where connections
        were short.  Default: such that there are half a million lots and one for the rest
        of each domain.
    seed : int
        The same seed, the same simulation.

    Returns
    -------
    ClusterSimulation
        Shows itself; holds tables of pace, domains and takeovers.

    Raises
    ------
    ValueError
        A number cannot be what it says, a worker that is killed is none, or the pace is one
        that a cluster cannot keep, that depends on the hour, or that learns from replies.

    Examples
    --------
    >>> told = simulate_cluster({"big.example": 900, "small.example": 90}, workers=2)
    >>> told.accepted, told.pending
    (990, 0)
    """
    pace, killed = Pace.of(pace), dict(killed or {})
    counts = _joined(domains)
    connections = 4 * workers if connections is None else connections
    _check(workers, partitions, lease_s, cpu_s, killed)
    check_order({}, Settings(pace=pace, connections=connections))
    if pace.is_adaptive:
        raise ValueError(
            f"pace={str(pace)!r}: a simulation knows none of the refusals that an adaptive "
            f'pace learns from; give a fixed one, such as "600/min"'
        )
    if pace.joins is not None:
        raise ValueError(
            "pace: a simulation knows no addresses, whose domains domain_of= could join; "
            "leave it out, and give what it joins as one domain"
        )
    if pace.has_hours:
        raise ValueError(
            f"pace={str(pace)!r}: a simulation knows no time of the day; leave quiet= and "
            f"not_before= out"
        )
    recipients = sum(counts.values())
    lot = max(1, math.ceil(recipients / _LOTS)) if lot is None else lot
    if lot < 1:
        raise ValueError(f"lot={lot!r}: at least one recipient")
    chance = np.random.default_rng(seed)
    fleet = Fleet(
        Register(counts, partitions, lot, chance),
        dealt(connections, workers),
        pace,
        lot,
        times=MessageTimes(server, chance),
        cpu_s=cpu_s,
        lease_s=lease_s,
    )
    fleet.run(killed)
    return told_by(fleet, recipients)


def _joined(domains: Mapping[str, int]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name, many in domains.items():
        if many < 0:
            raise ValueError(f"domains: {many} recipients of {name!a}")
        counts[name.lower()] = counts.get(name.lower(), 0) + int(many)
    return {name: many for name, many in counts.items() if many}


def _check(
    workers: int,
    partitions: int,
    lease_s: float,
    cpu_s: float,
    killed: Mapping[int, float],
) -> None:
    if workers < 1 or partitions < 1:
        raise ValueError(f"workers={workers!r}, partitions={partitions!r}: at least one")
    if not (lease_s > 0 and cpu_s >= 0):
        raise ValueError(f"lease_s={lease_s!r}, cpu_s={cpu_s!r}: seconds")
    for worker, at in killed.items():
        if not 0 <= worker < workers or not at >= 0:
            raise ValueError(
                f"killed={{{worker!r}: {at!r}}}: a worker is a number from 0 to "
                f"{workers - 1}, and dies at 0 seconds or later"
            )
