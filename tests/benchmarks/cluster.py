"""What a send by many costs: by a cluster, by processes, and by this one alone.

    python -m tests.benchmarks.cluster [--messages N] [--rounds N] [--connections N]
        [--each N] [--workers N …] [--json]

The server is the lab in a process of its own, its answers 20 ms away; the cluster's ledger
is a PostgreSQL that does not flush, so that no disk is measured.  *CPU ms/message* is that
of this process and of those that send for it, by what more messages take: to start costs
the same for few and for many.  *of it idle* is what these processes take in the same time
when nothing is sent: a worker of Dask, and the scheduler for each, look at themselves many
times a second.  *messages/s* leaves out the first and the last tenth.  The database's own
CPU stands beside.

Workers are added in two ways: so that all of them together have the same connections, as
`connections=` of a campaign is (what costs by time then weighs once for each), and so that
each has `--each`, as whoever adds workers in order to send more would have it.  CPU goals
are for both.  Figures of speed mean something on an idle machine only.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import tempfile
import time
from argparse import Namespace
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import asdict
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import pandas as pd
import psutil

from smtpbook.accounts.account import Account
from smtpbook.campaign.campaign import Campaign
from smtpbook.messages.template import Template
from tests.benchmarks.output import Row, parser, show
from tests.benchmarks.races import Finding
from tests.benchmarks.relay import open_relay
from tests.servers.lab import open_lab_process
from tests.servers.postgresql import PASSWORD, USER, PostgreSQL

_ROUND_TRIP_S: Final = 0.02
_IDLE_S: Final = 3.0
_MORE: Final = 3  # times as many messages, to tell what one takes
_ALONE: Final = "one process"
_TWO: Final = "2 processes"
_names = count()


class Cost(NamedTuple):
    """What a message took, in CPU milliseconds, and how many went in a second.

    `idle` is the part of `sending` that would have gone without a message.
    """

    sending: float
    idle: float
    database: float
    rate: float


Costs: TypeAlias = "Mapping[tuple[str, int], Cost]"
"""By the way to send, and all connections."""


class Senders(NamedTuple):
    """Who sends: how `Campaign.send` is told, and the processes that are there for it."""

    how: dict[str, Any]
    pids: list[int]

    def cpu_s(self) -> float:
        """Give what they have taken, this process among them."""
        # Children that have ended: the processes that sent.  Servers go on.
        own = [
            resource.getrusage(r) for r in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        ]
        there = sum(map(_cpu_of, self.pids))
        return there + sum(one.ru_utime + one.ru_stime for one in own)

    def idle_s(self) -> float:
        """Give what they take in a second while nothing is sent."""
        if not self.pids:
            return 0.0
        before = self.cpu_s()
        time.sleep(_IDLE_S)
        return (self.cpu_s() - before) / _IDLE_S


class Way(NamedTuple):
    """A way to send, with so many connections by turns."""

    name: str
    connections: Sequence[int]
    opened: Callable[[], AbstractContextManager[Senders]]
    is_shared: bool = True


def main() -> None:
    """Measure and print."""
    options = parser(__doc__, messages=500, rounds=2)
    options.add_argument("--connections", type=int, default=8)
    options.add_argument("--each", type=int, default=2, help="connections of a worker")
    options.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    given = options.parse_args()
    costs = _measured(given)
    rows: list[Row] = [
        {
            "sent by": name,
            "connections": connections,
            "CPU ms/message": cost.sending,
            "of it idle": cost.idle,
            "database": cost.database,
            "messages/s": round(cost.rate),
        }
        for (name, connections), cost in costs.items()
    ]
    findings = list(_findings(costs, given.connections, given.each, given.workers))
    if given.json:
        goals = [asdict(one) | {"is_met": one.is_met} for one in findings]
        print(json.dumps({"rows": rows, "goals": goals}, indent=1))
        return
    show(rows, {}, as_json=False)
    print()
    show([one.to_row() for one in findings], {}, as_json=False)


def _measured(given: Namespace) -> Costs:
    """Send each way, in turns."""
    ways = [
        Way(_ALONE, [given.connections], partial(nullcontext, Senders({}, [])), False),
        Way(
            _TWO,
            [given.connections],
            partial(nullcontext, Senders({"processes": 2}, [])),
            False,
        ),
    ]
    for n in given.workers:
        numbers = dict.fromkeys((given.connections, n * given.each))
        ways.append(Way(_cluster_of(n), list(numbers), partial(_cluster, n)))
    found: defaultdict[tuple[str, int], list[Cost]] = defaultdict(list)
    with ExitStack() as stack:
        lab = stack.enter_context(open_lab_process())
        port = stack.enter_context(open_relay(lab, delay_s=_ROUND_TRIP_S / 2)).port
        database = stack.enter_context(PostgreSQL.start())
        os.environ["PGPASSWORD"] = PASSWORD
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for _ in range(given.rounds):
            for way in ways:
                url = _url_of(database) if way.is_shared else None
                make = partial(_campaign, port, url, home, given.size)
                with way.opened() as senders:
                    _take(make(20, given.connections), senders, database)  # imports
                    idle_s = senders.idle_s()
                    for connections in way.connections:
                        messages = given.messages * connections // given.connections
                        few, many = (
                            _take(make(messages * n, connections), senders, database)
                            for n in (1, _MORE)
                        )
                        more = messages * (_MORE - 1) / 1e3
                        found[way.name, connections].append(
                            Cost(
                                sending=(many.sending - few.sending) / more,
                                idle=1e3 * idle_s / many.rate,
                                database=(many.database - few.database) / more,
                                rate=many.rate,
                            )
                        )
    return {
        key: Cost(*(statistics.median(column) for column in zip(*costs, strict=True)))
        for key, costs in found.items()
    }


def _findings(
    costs: Costs, connections: int, each: int, workers: list[int]
) -> Iterator[Finding]:
    """Put the figures beside the goals."""
    alone, two = costs[_ALONE, connections], costs[_TWO, connections]
    shared = {n: costs[_cluster_of(n), connections] for n in workers}
    own = {n: costs[_cluster_of(n), n * each] for n in workers}
    first = workers[0]
    one = _cluster_of(first)

    def cpu(row: str, names: str, ours: Cost, theirs: Cost, goal: float) -> Finding:
        return Finding(
            row=row,
            what=f"CPU/message, {names}",
            measured=ours.sending / theirs.sending,
            goal=goal,
            is_least=False,
        )

    together, apart = f"{connections} connections in all", f"{each} connections a worker"
    rate = shared[first].rate / alone.rate
    names = f"messages/s, {one} to {_ALONE}"
    yield Finding(row=together, what=names, measured=rate, goal=0.9)
    yield cpu(together, f"{_TWO} to {_ALONE}", two, alone, 1.2)
    if 2 in shared:
        names = f"{_cluster_of(2)} to {_TWO}"
        yield cpu(together, names, shared[2], two, 1.1)
        # A cluster that exists takes this whether somebody sends or not.
        net = shared[2]._replace(sending=shared[2].sending - shared[2].idle)
        yield cpu(together, f"{names}, idle cost left out", net, two, 1.1)
        rate = shared[2].rate / two.rate
        yield Finding(row=together, what=f"messages/s, {names}", measured=rate, goal=0.9)
    for row, found in ((together, shared), (apart, own)):
        for n in workers[1:]:
            yield cpu(row, f"{_cluster_of(n)} to {one}", found[n], found[first], 1.1)


def _cluster_of(workers: int) -> str:
    return f"a cluster of {workers}"


@contextmanager
def _cluster(workers: int) -> Iterator[Senders]:
    from distributed import Client, LocalCluster

    told: dict[str, Any] = {"threads_per_worker": 1, "dashboard_address": ":0"}
    with LocalCluster(n_workers=workers, **told) as local, Client(local) as client:
        yield Senders({"cluster": client}, list(client.run(os.getpid).values()))


def _url_of(database: PostgreSQL) -> str:
    return f"postgresql://{USER}@127.0.0.1:{database.port}/postgres"


def _campaign(
    port: int, url: str | None, home: Path, size: int, messages: int, connections: int
) -> Campaign:
    people = pd.DataFrame({"email": [f"p{n}@d{n % 200}.example" for n in range(messages)]})
    return Campaign(
        f"c{next(_names)}",
        Account(host="127.0.0.1", port=port, tls="none", helo="client.test", is_lab=True),
        people,
        Template(header_from="a@x.test", subject="s", text="text " * (size // 5)),
        connections=connections,
        folder=home,
        ledger=url,
    )


def _take(campaign: Campaign, senders: Senders, database: PostgreSQL) -> Cost:
    """Send a campaign; give what all of it took, in CPU seconds."""
    assert database._process is not None
    pid = database._process.pid
    before = senders.cpu_s(), _cpu_of(pid)
    run = campaign.send(progress=False, **senders.how)
    after = senders.cpu_s(), _cpu_of(pid)
    assert set(campaign.counts) == {"accepted"}
    times = run.log.loc[run.log["kind"] == "outcome", "time"].sort_values()
    tenth = len(times) // 10
    middle = times.iloc[tenth : len(times) - tenth]
    took_s = (middle.iloc[-1] - middle.iloc[0]).total_seconds()
    return Cost(
        sending=after[0] - before[0],
        idle=0.0,
        database=after[1] - before[1],
        rate=len(middle) / max(took_s, 1e-6),
    )


def _cpu_of(pid: int) -> float:
    """Give the CPU seconds of a process and of all it has started, those ended included."""
    process = psutil.Process(pid)
    while True:
        try:
            family = [process, *process.children(recursive=True)]
            times = [one.cpu_times() for one in family]
            break
        except psutil.NoSuchProcess:  # one has just ended, whose time its parent has now
            if not process.is_running():
                raise
    return sum(
        one.user + one.system + one.children_user + one.children_system for one in times
    )


if __name__ == "__main__":
    main()
