"""What a send by many costs: by a cluster, by processes, and by this one alone.

    python -m tests.benchmarks.cluster [--messages N] [--rounds N] [--workers N …] [--json]

The server is the lab in a process of its own, its answers 20 ms away; the cluster's ledger
is a PostgreSQL that does not flush, so that no disk is measured.  *CPU ms/message* is that
of this process and of those that send for it, by what more messages take: to start costs
the same for few and for many.  *messages/s* leaves out the first and the last tenth.  The
database's own CPU stands beside.  Figures of speed mean something on an idle machine only.
"""

from __future__ import annotations

import os
import resource
import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final, NamedTuple

import pandas as pd
import psutil

from smtpbook.accounts.account import Account
from smtpbook.campaign.campaign import Campaign
from smtpbook.messages.template import Template
from tests.benchmarks.output import Row, parser, show
from tests.benchmarks.relay import open_relay
from tests.servers.lab import open_lab_process
from tests.servers.postgresql import PASSWORD, USER, PostgreSQL

_ROUND_TRIP_S: Final = 0.02
_MORE: Final = 3  # times as many messages, to tell what one takes
_names = count()


class Cost(NamedTuple):
    """What messages took: CPU seconds of those that send, and of the database."""

    sending_s: float
    database_s: float
    rate: float


class Way(NamedTuple):
    """A way to send: whether by a ledger in PostgreSQL, how, and by which processes."""

    name: str
    url: str | None
    how: dict[str, Any]
    workers: list[int]


def main() -> None:
    """Measure and print."""
    options = parser(__doc__, messages=600, rounds=3)
    options.add_argument("--connections", type=int, default=8)
    options.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    given = options.parse_args()
    with ExitStack() as stack:
        port = stack.enter_context(open_lab_process())
        far = stack.enter_context(open_relay(port, delay_s=_ROUND_TRIP_S / 2)).port
        database = stack.enter_context(PostgreSQL.start())
        assert database._process is not None
        pid = database._process.pid
        os.environ["PGPASSWORD"] = PASSWORD
        url = f"postgresql://{USER}@127.0.0.1:{database.port}/postgres"
        ways = [
            Way("one process", None, {}, []),
            *(Way(f"{n} processes", None, {"processes": n}, []) for n in (2,)),
            *(stack.enter_context(_cluster(n, url)) for n in given.workers),
        ]
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))

        def take(way: Way, messages: int) -> Cost:
            campaign = _campaign(
                far, way.url, home, messages, given.connections, given.size
            )
            return _cost(campaign, way, lambda: _cpu_of(pid))

        found: dict[str, list[Cost]] = {way.name: [] for way in ways}
        for way in ways:  # workers import at their first send
            take(way, 20)
        for _ in range(given.rounds):
            for way in ways:
                few, many = (take(way, given.messages * n) for n in (1, _MORE))
                more = given.messages * (_MORE - 1)
                found[way.name].append(
                    Cost(
                        1e3 * (many.sending_s - few.sending_s) / more,
                        1e3 * (many.database_s - few.database_s) / more,
                        many.rate,
                    )
                )
    middle = {
        name: Cost(*(statistics.median(column) for column in zip(*costs, strict=True)))
        for name, costs in found.items()
    }
    rows: list[Row] = [
        {
            "sent by": name,
            "CPU ms/message": cost.sending_s,
            "database": cost.database_s,
            "messages/s": round(cost.rate),
        }
        for name, cost in middle.items()
    ]
    first, alone = f"a cluster of {given.workers[0]}", middle["one process"]
    ratios = {f"messages/s, {first} to one process": middle[first].rate / alone.rate}
    pairs = [(f"a cluster of {n}", first) for n in given.workers[1:]]
    pairs += [("2 processes", "one process"), (first, "one process")]
    if 2 in given.workers:
        pairs.append(("a cluster of 2", "2 processes"))
    for one, other in pairs:
        ratios[f"CPU, {one} to {other}"] = middle[one].sending_s / middle[other].sending_s
    show(rows, ratios, as_json=given.json)


@contextmanager
def _cluster(workers: int, url: str) -> Iterator[Way]:
    from distributed import Client, LocalCluster

    told: dict[str, Any] = {"threads_per_worker": 1, "dashboard_address": ":0"}
    with LocalCluster(n_workers=workers, **told) as local, Client(local) as client:
        pids = list(client.run(os.getpid).values())
        yield Way(f"a cluster of {workers}", url, {"cluster": client}, pids)


def _campaign(
    port: int, url: str | None, home: Path, messages: int, connections: int, size: int
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


def _cost(campaign: Campaign, way: Way, database: Callable[[], float]) -> Cost:
    def sending() -> float:
        # Children that have ended: the processes that sent.  Servers go on.
        own = [
            resource.getrusage(r) for r in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        ]
        there = sum(map(_cpu_of, way.workers))
        return there + sum(one.ru_utime + one.ru_stime for one in own)

    before = sending(), database()
    run = campaign.send(progress=False, **way.how)
    after = sending(), database()
    assert set(campaign.counts) == {"accepted"}
    times = run.log.loc[run.log["kind"] == "outcome", "time"].sort_values()
    tenth = len(times) // 10
    middle = times.iloc[tenth : len(times) - tenth]
    took_s = (middle.iloc[-1] - middle.iloc[0]).total_seconds()
    return Cost(after[0] - before[0], after[1] - before[1], len(middle) / max(took_s, 1e-6))


def _cpu_of(pid: int) -> float:
    """Give the CPU seconds of a process and of all it has started, those ended included."""
    process = psutil.Process(pid)
    times = [process.cpu_times()]
    times += [one.cpu_times() for one in process.children(recursive=True)]
    return sum(
        one.user + one.system + one.children_user + one.children_system for one in times
    )


if __name__ == "__main__":
    main()
