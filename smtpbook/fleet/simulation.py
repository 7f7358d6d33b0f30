"""Simulation: what a simulated send came to, as tables and as a few lines.

All times are seconds since its beginning.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from smtpbook.escape import to_html, visible
from smtpbook.fleet.fleet import Fleet
from smtpbook.fleet.register import Takeover
from smtpbook.wording import counted, lasting

_STRETCHES = 60  # of the table of pace


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ClusterSimulation:
    """What a send by a cluster would come to.

    Attributes
    ----------
    workers, recipients, lot : int
        What was simulated; a lot is how many recipients of one domain went as one.
    took_s : float
        Until the last message was answered.
    accepted, in_doubt, pending : int
        Recipients: sent to; whose message was under way when their worker was killed; left
        because no worker was.
    throughput : DataFrame
        One row for each of 60 equal stretches: ``start_s``, ``per_s`` (messages a second),
        ``runners`` (workers with a lease, on average).
    domains : DataFrame
        One row a domain, the largest first: ``domain``, ``recipients``, ``first_s`` and
        ``last_s`` (when a first and a last message began and ended), ``per_s``, and
        ``share_of_time`` (0 to 1, how much of the whole send it lasted).
    takeovers : DataFrame
        One row for each partition that passed on from a worker that was killed, if anybody
        in it was left: ``worker``, ``part``, ``killed_s``, ``free_s`` (its lease had run
        out), ``taken_s``, ``by``, ``recipients`` and ``after_s`` (from the death to the
        claim).
    """

    workers: int
    recipients: int
    lot: int
    took_s: float
    accepted: int
    in_doubt: int
    pending: int
    throughput: pd.DataFrame
    domains: pd.DataFrame
    takeovers: pd.DataFrame

    @property
    def per_s(self) -> float:
        """Messages a second, on average."""
        return self.accepted / self.took_s if self.took_s else 0.0

    def _told(self) -> list[tuple[str, str]]:
        rows = [
            ("recipients", f"{self.recipients:,}"),
            ("workers", f"{self.workers:,}"),
            ("takes", lasting(self.took_s)),
            ("messages a second", f"{self.per_s:,.1f}"),
        ]
        if self.took_s:
            last = self.domains.iloc[int(self.domains["last_s"].argmax())]
            name = visible(str(last["domain"]))
            rows.append(("last domain", f"{name}, {int(last['recipients']):,} recipients"))
        if len(self.takeovers):
            told = f"{counted(len(self.takeovers), 'partition', 'partitions')}, "
            longest = lasting(float(self.takeovers["after_s"].max()))
            rows.append(("taken over", f"{told}after {longest} at most"))
        if self.in_doubt:
            rows.append(("in doubt", f"{self.in_doubt:,}"))
        if self.pending:
            rows.append(("pending", f"{self.pending:,}: no worker was left"))
        return rows

    def __repr__(self) -> str:
        told = "; ".join(f"{name} {value}" for name, value in self._told())
        return f"<Simulation of a cluster: {told}>"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{name}</th>"
            f"<td style='text-align:left'>{to_html(value)}</td></tr>"
            for name, value in self._told()
        )
        return f"<b>Simulation of a cluster</b><table>{rows}</table>"


def told_by(fleet: Fleet, recipients: int) -> ClusterSimulation:
    """Make the record of a fleet that is through, for so many recipients."""
    begun, ended = np.array(fleet.begun), np.array(fleet.ended)
    domains = np.array(fleet.domains, dtype=np.int64)
    sizes = np.array(fleet.sizes, dtype=np.int64)
    took_s = float(ended.max(initial=0.0))
    takeovers = pd.DataFrame(fleet.register.takeovers, columns=list(Takeover._fields))
    takeovers["after_s"] = takeovers["taken_s"] - takeovers["killed_s"]
    return ClusterSimulation(
        workers=len(fleet.workers),
        recipients=recipients,
        lot=fleet.lot,
        took_s=took_s,
        accepted=int(sizes.sum()) - fleet.in_doubt,
        in_doubt=fleet.in_doubt,
        pending=sum(fleet.register.left),
        throughput=_throughput(fleet, (begun + ended) / 2, sizes, took_s),
        domains=_domains(fleet, begun, ended, domains, sizes, took_s),
        takeovers=takeovers,
    )


def _throughput(
    fleet: Fleet, middles: np.ndarray, sizes: np.ndarray, took_s: float
) -> pd.DataFrame:
    edges = np.linspace(0.0, took_s or 1.0, _STRETCHES + 1)
    step_s = edges[1]
    sent, _ = np.histogram(middles, edges, weights=sizes)
    changes = np.array([at for at, _ in fleet.running] or [0.0])
    company = np.array([many for _, many in fleet.running] or [0])
    # The area below a line of steps, up to each edge.
    area = np.concatenate(([0.0], np.cumsum(np.diff(changes) * company[:-1])))
    index = np.maximum(np.searchsorted(changes, edges, side="right") - 1, 0)
    until = area[index] + np.maximum(edges - changes[index], 0.0) * company[index]
    return pd.DataFrame(
        {
            "start_s": edges[:-1],
            "per_s": sent / step_s,
            "runners": np.diff(until) / step_s,
        }
    )


def _domains(
    fleet: Fleet,
    begun: np.ndarray,
    ended: np.ndarray,
    domains: np.ndarray,
    sizes: np.ndarray,
    took_s: float,
) -> pd.DataFrame:
    many = len(fleet.register.names)
    first, last = np.full(many, np.nan), np.full(many, np.nan)
    np.fmin.at(first, domains, begun)
    np.fmax.at(last, domains, ended)
    sent = np.bincount(domains, weights=sizes, minlength=many)
    lasted = last - first
    table = pd.DataFrame(
        {
            "domain": pd.array(fleet.register.names, dtype="string"),
            "recipients": sent.astype(np.int64) + np.array(fleet.register.left),
            "first_s": first,
            "last_s": last,
            "per_s": np.divide(sent, lasted, out=np.full(many, np.nan), where=lasted > 0),
            "share_of_time": lasted / (took_s or 1.0),
        }
    )
    return table.sort_values(
        ["recipients", "domain"], ascending=[False, True], ignore_index=True
    )
