"""Soak: campaigns one after the other through a line and a server that misbehave at random.

``python -m tests.campaign.soak --minutes 2`` sends to lab servers whose behaviour is drawn,
through a relay that cuts, stalls, splits and spoils what passes; it stops, pauses and opens
campaigns again in the middle.  After each one it compares with what the server took.  It
prints, as JSON, what went wrong and by how much memory, files, threads and tasks grew.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import shutil
import tempfile
import threading
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import pandas as pd
import trio

from smtpbook.accounts.account import Account
from smtpbook.campaign.campaign import Campaign
from smtpbook.campaign.opening import open_campaign
from smtpbook.errors import SMTPBookError
from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab
from smtpbook.messages.template import Template
from smtpbook.pacing.retry import Retry
from smtpbook.runner import SENDER, TrioThread

TIMEOUT_S = 1.0
PLACES = ("greeting", "ehlo", "mail", "rcpt", "data", "end_of_data", "noop", "rset")
FAULTS = (
    Behaviour(drop=True),
    Behaviour(delay_s=3 * TIMEOUT_S),
    Behaviour(delay_s=(0.001, 0.1)),
    Behaviour(reply="421 4.3.2 going down", close=True),
    Behaviour(reply="450 4.7.1 greylisted, try again in 1 s"),
    Behaviour(reply="452 4.2.2 mailbox full"),
    Behaviour(reply="550 5.1.1 no such user"),
    Behaviour(reply="554 5.7.1 looks like spam", close=True),
    Behaviour(reply="250 2.0.0 ok\u202e\x07"),
)
SPOILT = (b"\r\n", b"xyz\r\n", b"250", b"\xff\x00\xfe", b"250-a\r\n550 b\r\n", b"2" * 5000)
NETWORK = TrioThread("network")


class Line:
    """A relay that misbehaves, in a trio thread of its own."""

    def __init__(self, target: int, seed: int) -> None:
        self._draw, self._target = random.Random(seed), target
        self._port: int | None = None
        self._ready = threading.Event()
        self._job = NETWORK.start(self._serve)
        self._ready.wait()

    @property
    def port(self) -> int:
        assert self._port is not None
        return self._port

    def close(self) -> None:
        self._job.cancel()
        with suppress(BaseException):
            self._job.result()

    async def _serve(self) -> None:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self._port = listener.socket.getsockname()[1]
        self._ready.set()
        await trio.serve_listeners(self._pass, [listener])

    async def _pass(self, client: trio.SocketStream) -> None:
        try:
            server = await trio.open_tcp_stream("127.0.0.1", self._target)
        except OSError:
            return
        async with client, server, trio.open_nursery() as nursery:
            for one, other, may_spoil in ((client, server, False), (server, client, True)):
                nursery.start_soon(
                    partial(self._way, one, other, nursery, may_spoil=may_spoil)
                )

    async def _way(
        self,
        source: trio.SocketStream,
        target: trio.SocketStream,
        nursery: trio.Nursery,
        *,
        may_spoil: bool,
    ) -> None:
        """Pass on octets one way; what the client says is cut, never changed."""
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            async for chunk in source:
                fate = self._draw.random()
                if fate < 0.002:
                    nursery.cancel_scope.cancel()
                    return
                if fate < 0.004:
                    await target.send_all(chunk[: len(chunk) // 2])
                    nursery.cancel_scope.cancel()
                    return
                if fate < 0.006:
                    await trio.sleep(2 * TIMEOUT_S)
                if fate < 0.008 and may_spoil:
                    await target.send_all(self._draw.choice(SPOILT))
                if fate < 0.05:
                    for at in range(len(chunk)):
                        await target.send_all(chunk[at : at + 1])
                    continue
                await target.send_all(chunk)
            await target.send_eof()


@contextmanager
def lab_of(draw: random.Random) -> Iterator[tuple[Lab, Account]]:
    """Start a lab with drawn faults, behind a line that has its own."""
    lab = Lab(seed=draw.randrange(10**6))
    for place in draw.sample(PLACES, draw.randint(1, 4)):
        fault = draw.choice(FAULTS)
        share = draw.choice((0.01, 0.05, 0.3))
        if place in ("greeting", "ehlo"):
            share = 0.1
        with suppress(ValueError):  # not every fault is possible everywhere
            lab.set(
                **{
                    place: Behaviour(
                        reply=fault.reply,
                        delay_s=fault.delay_s,
                        drop=fault.drop,
                        close=fault.close,
                        probability=share,
                    )
                }
            )
    with lab:
        line = Line(lab.account.port, draw.randrange(10**6))
        try:
            yield lab, lab.account.replace(port=line.port, timeouts=TIMEOUT_S, name="lab")
        finally:
            line.close()


def one_campaign(draw: random.Random, folder: Path, found: Counter[str]) -> None:
    """Send a campaign with interruptions, and compare with what the server took."""
    count = draw.randint(20, 200)
    people = pd.DataFrame(
        {"email": [f"p{n}@d{n % 7}.example" for n in range(count)], "n": range(count)}
    )
    never = [f"p{draw.randrange(count)}@d0.example" for _ in range(2)]
    letter = Template(header_from="a@x.test", subject="s {{ n }}", text="t " * 500)
    with lab_of(draw) as (lab, account):
        campaign = Campaign(
            "c",
            account,
            people,
            letter,
            connections=draw.randint(1, 6),
            messages_per_connection=draw.choice((None, 3, 20)),
            retry=draw.choice((None, Retry(max_attempts=2, give_up_s=5))),
            pace=draw.choice((None, "300/s", "adaptive 100/s to 500/s")),
            suppress=never,
            folder=folder,
        )
        for _ in range(draw.randint(0, 2)):
            _interrupted(campaign, draw)
            campaign = _opened(folder, account, campaign)
        for only in (None, "deferred", "failed"):
            with suppress(SMTPBookError):  # the first connection may be refused
                campaign.send(only=only, confirm=False, progress=False)
        took = Counter(who for one in lab.received for who in one.recipients)
        outcomes = campaign.outcomes.set_index("recipient")
    _compare(outcomes, took, count, never, found)


def _interrupted(campaign: Campaign, draw: random.Random) -> None:
    """Cancel a send after a while, as an interrupt does."""
    after_s = draw.uniform(0.01, 0.5)

    async def send() -> None:
        with trio.move_on_after(after_s), suppress(SMTPBookError):
            await campaign.send_async(confirm=False)

    SENDER.run(send)


def _opened(folder: Path, account: Account, campaign: Campaign) -> Campaign:
    if not (folder / "c").exists():
        return campaign
    return open_campaign(folder / "c", account)


def _compare(
    outcomes: pd.DataFrame,
    took: Counter[str],
    count: int,
    never: list[str],
    found: Counter[str],
) -> None:
    accepted = set(outcomes.index[outcomes["outcome"] == "accepted"])
    doubtful = set(outcomes.index[outcomes["outcome"] == "in_doubt"])
    found["recipients"] += count
    found["accepted"] += len(accepted)
    found["in doubt"] += len(doubtful)
    found["attempts"] += int(outcomes["attempts"].sum())
    found["lost"] += count - len(outcomes)
    found["twice"] += sum(number - 1 for number in took.values())
    found["false accepted"] += len(accepted - set(took))
    found["taken unknown"] += len(set(took) - accepted - doubtful)
    found["suppressed written to"] += len(set(took) & set(never))


def measured() -> dict[str, float]:
    """Give what must not grow: memory in MB, files and sockets, threads, tasks."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])

    async def tasks() -> int:
        return trio.lowlevel.current_statistics().tasks_living

    return {
        "memory": pages * os.sysconf("SC_PAGE_SIZE") / 1e6,
        "files": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
        "tasks": SENDER.run(tasks),
    }


def soak(minutes: float, seed: int) -> dict[str, object]:
    """Run for so long; give what was found, and by how much each measure grew.

    The first third warms up; growth is from there to the end.
    """
    draw, found = random.Random(seed), Counter[str]()
    begun, base = time.monotonic(), None
    while (share := (time.monotonic() - begun) / (60 * minutes)) < 1:
        if base is None and share > 1 / 3:
            base = measured()
        folder = Path(tempfile.mkdtemp(prefix="soak-"))
        try:
            one_campaign(draw, folder, found)
        finally:
            shutil.rmtree(folder)
        found["campaigns"] += 1
    assert base is not None
    now = measured()
    grown = {name: round(now[name] - base[name], 1) for name in now}
    return {**found, "grown": grown}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    warnings.simplefilter("error")
    print(json.dumps(soak(given.minutes, given.seed)))
