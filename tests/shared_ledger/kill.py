"""Kill: runners that are killed and paused at random moments, and what the server got.

``python -m tests.shared_ledger.kill --rounds 100`` needs ``LEDGER_URL``.  In each round 3
processes send with one shared ledger; one of them is killed, or paused until the others
have its share and then continued.  At the end: nobody lost, nobody silently twice, nobody
accepted who was not, and nobody written to by two runners at once.  ``--without intents``
shows that it would find a ledger that does not hold.

The server is a file: it counts a message there, in one write, before it answers.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import tempfile
from collections import Counter
from itertools import count
from pathlib import Path

import trio

from smtpbook.errors import LedgerError
from smtpbook.shared_ledger.ledger import SharedLedger
from smtpbook.shared_ledger.standings import SharedStandings
from tests.ledger.kill import CONNECTIONS, Sender

RUNNERS = 3
PEOPLE = 200  # to a round
PARTITIONS = 12
LEASE_S = 0.5
_STOPPED = 3  # the exit status of a runner that was told to send nothing more


class Campaign:
    """One list, its shared ledger, and what its server got."""

    def __init__(self, home: Path, url: str, seed: str, *, is_resending: bool) -> None:
        self.url, self.seed, self.server = url, seed, home / "server"
        self.is_resending, self.has_intents = is_resending, True
        self.name = f"kill {os.getpid()} {seed}"
        self.people = [f"p{n}@d{n}.test" for n in range(PEOPLE)]
        self.draw = random.Random(seed)
        self.found: Counter[str] = Counter()
        self.server.touch()
        SharedLedger.create(
            url,
            self.people,
            campaign_id=self.name,
            partitions=PARTITIONS,
            lease_s=LEASE_S,
        )

    # -- a process that sends

    def start(self, number: int, bell: int) -> int:
        """Start a runner; give its process."""
        child = os.fork()
        if child == 0:
            status = 1
            try:
                trio.run(self.send, f"{self.seed} {number}", bell)
                status = 0
            except* LedgerError:
                status = _STOPPED
            finally:
                os._exit(status)
        return child

    async def send(self, seed: str, bell: int) -> None:
        """Claim some and send to them, until nobody is left."""
        server = os.open(self.server, os.O_WRONLY | os.O_APPEND)
        draw = random.Random(seed)
        in_doubt = "resend" if self.is_resending else "hold"
        with SharedLedger(self.url, self.name, in_doubt=in_doubt) as ledger:
            while ledger.counts["pending"]:
                ledger.claim(2)
                sender = Sender(
                    ledger, ledger.select(), server, bell, draw, self.has_intents
                )
                async with trio.open_nursery() as nursery:
                    for _ in range(CONNECTIONS):
                        nursery.start_soon(sender.connection)

    # -- who kills and compares

    def run(self) -> None:
        """Start runners, take one out, and see what is left when the others are done."""
        listening, bell = os.pipe()
        numbers = count()
        runners = [self.start(next(numbers), bell) for _ in range(RUNNERS)]
        os.close(bell)
        with SharedStandings.at(self.url, self.name) as standings:
            left = 1 + self.draw.randrange(PEOPLE // 2)
            while left and (rung := os.read(listening, left)):
                left -= len(rung)
            shares = standings.shares
            working = [one.pid for one in standings.runners if shares.get(one.owner)]
        # At times none has a share: what is left is another's whose lease has to run out.
        victim = self.draw.choice(working or runners)
        runners.remove(victim)
        is_paused = self.draw.random() < 0.5
        os.kill(victim, signal.SIGSTOP if is_paused else signal.SIGKILL)
        # On a busy computer one may be silent for too long by itself; so may the next.
        while max(map(_ended, runners)) and self.pending():
            runners = [self.start(next(numbers), os.open(os.devnull, os.O_WRONLY))]
        # Where nobody wanted its share, it may go on: the last ones may all be done.
        is_taken, before = victim not in self.there(), self.written()
        if is_paused:
            os.kill(victim, signal.SIGCONT)
        status = _ended(victim)
        self.found["written late"] += is_taken and self.written() != before
        self.found[{-9: "killed", _STOPPED: "fenced", 0: "done before"}[status]] += 1
        os.close(listening)
        self.look()

    def pending(self) -> int:
        """Tell how many were never tried."""
        with SharedStandings.at(self.url, self.name) as standings:
            return standings.counts["pending"]

    def there(self) -> list[int]:
        """Give the processes with a lease."""
        with SharedStandings.at(self.url, self.name) as standings:
            return [one.pid for one in standings.runners]

    def written(self) -> list[tuple[float, str, str]]:
        """Give all intents."""
        with SharedStandings.at(self.url, self.name) as standings:
            return list(standings.begun(0))

    def look(self) -> None:
        """Compare the ledger with the server."""
        lines = [line.rsplit(" ", 3) for line in self.server.read_text().splitlines()]
        first = Counter(key for key, _, _, is_again in lines if is_again == "0")
        taken = {key for key, _, outcome, _ in lines if outcome == "accepted"}
        with SharedStandings.at(self.url, self.name) as standings:
            there = {one.address: one.outcome for one in standings.outcomes()}
        counts = Counter(there.values())
        self.found["lost"] += len(there) != PEOPLE
        self.found["lost"] += counts["pending"]
        self.found["silent duplicates"] += sum(times > 1 for times in first.values())
        self.found["false accepted"] += sum(
            outcome == "accepted" and who not in taken for who, outcome in there.items()
        )
        self.found["in doubt"] += counts["in_doubt"]


def _ended(runner: int) -> int:
    """Wait for a process; give how it ended: below 0 = by that signal."""
    status = os.waitstatus_to_exitcode(os.waitpid(runner, 0)[1])
    if status > 0 and status != _STOPPED:
        raise SystemExit("a runner failed; see above")
    return status


def run(rounds: int, *, url: str, seed: int, has_intents: bool = True) -> Counter[str]:
    """Run so many campaigns; give what was found."""
    found: Counter[str] = Counter()
    for number in range(rounds):
        with tempfile.TemporaryDirectory() as home:
            campaign = Campaign(
                Path(home), url, f"{seed}-{number}", is_resending=number % 2 == 1
            )
            campaign.has_intents = has_intents
            campaign.run()
            found += campaign.found
    return found


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--rounds", type=int, default=10)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--without", choices=["intents"])
    said = asked.parse_args()
    url = os.environ["LEDGER_URL"]
    found = run(said.rounds, url=url, seed=said.seed, has_intents=not said.without)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
