"""Kill: a sender that is killed at random moments, and what the server says it got.

``python -m tests.ledger.kill --rounds 1000`` kills a process that sends with a real ledger,
opens the ledger again, goes on, and compares: nobody lost, nobody silently twice, nobody
accepted who was not.  ``--cut`` takes the power away, too: what was not flushed is gone,
or (``--tear``) part of it.  ``--without intents`` and ``--without sync`` show that it would
find a ledger that does not hold.

The server is a file: it counts a message there, in one write, before it answers.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import trio

from smtpbook.ledger.choosing import Chosen
from smtpbook.ledger.entries import Entry
from smtpbook.ledger.ledger import Ledger
from smtpbook.ledger.standings import Standings
from smtpbook.ledger.writer import Promise
from smtpbook.protocol.replies import Reply
from smtpbook.transfer.transaction import Outcome, RecipientResult

CONNECTIONS = 3
ROUNDS = 25  # to a campaign
PEOPLE = 15  # to a round
_SECTOR = 512
_REPLIES: dict[Outcome, Reply | None] = {
    "accepted": Reply.parse("250 2.0.0 ok"),
    "deferred": Reply.parse("450 4.2.2 later"),
    "rejected": Reply.parse("550 5.1.1 nobody"),
    "failed": None,
    "in_doubt": None,
}


# --- the process that is killed -----------------------------------------------------------


@dataclass
class Sender:
    """Sends as the real one does: an intent ahead, a mark, the message, the outcome."""

    ledger: Ledger
    queue: Chosen
    server: int
    bell: int
    draw: random.Random
    has_intents: bool
    returned: list[Entry] = field(default_factory=list)

    def claim(self) -> tuple[Entry, str, Promise | None] | None:
        entry = self.returned.pop() if self.returned else self.queue.take()
        if entry is None:
            return None
        name = entry.again_id or f"<{entry.key}.{entry.attempts + 1}>"
        promise = self.ledger.intend(entry, name) if self.has_intents else None
        return entry, name, promise

    async def connection(self) -> None:
        claimed = self.claim()
        while claimed is not None:
            following = self.claim()
            entry, name, promise = claimed
            if promise is not None:
                await promise
            if self.draw.random() < 0.05:  # the session ended before the mail data
                self.ledger.withdraw(entry)
                self.returned.append(entry)
            else:
                await self.send(entry, name)
            claimed = following or self.claim()

    async def send(self, entry: Entry, name: str) -> None:
        is_again = entry.again_id is not None
        if self.has_intents:
            self.ledger.begin(entry)
        outcome: Outcome = self.draw.choices(
            ["accepted", "deferred", "rejected", "failed", "in_doubt"], [90, 3, 3, 2, 2]
        )[0]
        if outcome != "failed":  # counted before it is answered
            said = "accepted" if outcome == "in_doubt" else outcome
            os.write(self.server, f"{entry.key} {name} {said} {is_again:d}\n".encode())
            os.write(self.bell, b".")
        await trio.sleep(self.draw.random() * 0.002)  # the reply is on its way
        result = RecipientResult(
            recipient=entry.address,
            outcome=outcome,
            reply=_REPLIES[outcome],
            verb="END-OF-DATA",
        )
        self.ledger.note(entry, result)


def send(campaign: Campaign, bell: int, seed: str) -> None:
    """Be the process that sends, until the end or the kill."""
    server = os.open(campaign.server, os.O_WRONLY | os.O_APPEND)

    async def main() -> None:
        with Ledger(
            campaign.folder,
            in_doubt="resend" if campaign.is_resending else "hold",
            boot=campaign.boot,
        ) as ledger:
            sender = Sender(
                ledger,
                ledger.select(),
                server,
                bell,
                random.Random(seed),
                campaign.without != "intents",
            )
            async with trio.open_nursery() as nursery:
                for _ in range(CONNECTIONS):
                    nursery.start_soon(sender.connection)

    trio.run(main)


# --- who kills and compares ---------------------------------------------------------------


@dataclass
class Campaign:
    """One list, its ledger, and what its server got."""

    home: Path
    is_resending: bool
    without: str
    is_cut: bool
    is_torn: bool
    draw: random.Random
    found: Counter[str] = field(default_factory=Counter)
    cuts: int = 0

    def __post_init__(self) -> None:
        self.folder, self.image = self.home / "campaign", self.home / "image"
        self.server = self.home / "server"
        self.state = self.home / "state"
        self.folder.mkdir()
        self.server.touch()
        people = [f"p{n}@x.test" for n in range(ROUNDS * PEOPLE)]
        Ledger.create(self.folder, people, campaign_id="kill")
        shutil.copytree(self.folder, self.image)
        os.environ.update(
            CUT_FOLDER=str(self.folder),
            CUT_IMAGE=str(self.image),
            SMTPBOOK_HOME=str(self.state),
        )

    @property
    def boot(self) -> str:
        return f"boot-{self.cuts}"

    def round(self, seed: str, *, is_last: bool = False) -> None:
        """Let it send, kill it, and see what is left."""
        listening, bell = os.pipe()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                os.close(listening)
                send(self, bell, seed)
                status = 0
            finally:
                os._exit(status)
        os.close(bell)
        if not is_last:
            self.wait(listening)
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        os.close(listening)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status):
            raise SystemExit("the sender failed; see above")
        self.found["kills"] += os.WIFSIGNALED(status)
        if self.is_cut and not is_last:
            self.cut()
        self.look()

    def wait(self, listening: int) -> None:
        """Let some messages pass, and a random moment."""
        left = self.draw.randrange(2 * PEOPLE)
        while left and (rung := os.read(listening, left)):
            left -= len(rung)
        time.sleep(self.draw.random() * 0.004)

    def cut(self) -> None:
        """Leave of each file what was flushed; torn, some of the rest as well."""
        self.cuts += 1
        shutil.rmtree(self.state, ignore_errors=True)  # it is never flushed
        for file in self.folder.iterdir():
            kept = self.image / file.name
            if file.name.endswith("-shm") or not kept.exists():
                file.unlink()
        for kept in self.image.glob("[!.]*"):
            file = self.folder / kept.name
            octets = kept.read_bytes()
            if self.is_torn and file.exists():
                octets = b"".join(self.torn(octets, file.read_bytes()))
            with file.open("r+b" if file.exists() else "wb") as there:  # the same inode
                there.write(octets)
                there.truncate()

    def torn(self, kept: bytes, written: bytes) -> Iterator[bytes]:
        for at in range(0, max(len(kept), len(written)), _SECTOR):
            was, came = kept[at : at + _SECTOR], written[at : at + _SECTOR]
            if was == came or not came or self.draw.random() < 0.5:
                yield was or bytes(len(came))
            else:
                yield came

    def look(self) -> None:
        """Open the ledger again and compare it with the server."""
        with Ledger(self.folder, boot=self.boot) as ledger:
            recovered = ledger.recovered
        self.found["in doubt after a kill"] += recovered["in_doubt"]
        self.found["pending after a kill"] += recovered["pending"]
        self.found["too many in doubt"] += recovered["in_doubt"] > 2 * CONNECTIONS
        taken: Counter[str] = Counter()
        silent = 0
        for line in self.server.read_text().splitlines():
            key, _, outcome, is_again = line.split()
            if outcome == "accepted":
                silent += key in taken and is_again == "0"
                taken[key] += 1
        with Standings.open(self.folder) as standings:
            there = {one.address: one.outcome for one in standings.outcomes()}
        self.found["lost"] += len(there) != ROUNDS * PEOPLE
        self.found["false accepted"] += sum(
            outcome == "accepted" and who not in taken for who, outcome in there.items()
        )
        self.silent, self.taken, self.there = silent, taken, there

    def end(self) -> None:
        """Send to the last one, and count what is wrong."""
        for _ in range(2 if self.is_resending else 1):
            self.round("end", is_last=True)
        self.found["silent duplicates"] += self.silent
        left = Counter(self.there.values())
        self.found["lost"] += left["pending"]
        self.found["in doubt"] += left["in_doubt"]
        self.found["in doubt and taken"] += sum(
            outcome == "in_doubt" and who in self.taken
            for who, outcome in self.there.items()
        )


def run(
    rounds: int,
    *,
    seed: int,
    without: str = "",
    is_cut: bool = False,
    is_torn: bool = False,
) -> Counter[str]:
    """Kill so often; give what was found."""
    found: Counter[str] = Counter()
    draw = random.Random(seed)
    for number in range(-(-rounds // ROUNDS)):
        with tempfile.TemporaryDirectory() as home:
            campaign = Campaign(
                Path(home), number % 2 == 1, without, is_cut, is_torn, draw, found
            )
            for turn in range(min(ROUNDS, rounds - number * ROUNDS)):
                campaign.round(f"{seed}-{number}-{turn}")
            campaign.end()
    return found


def preload(home: Path) -> dict[str, str]:
    """Compile what takes the power away; give the environment it works in."""
    library = home / "cut.so"
    source = Path(__file__).with_name("cut.c")
    subprocess.run(
        ["gcc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True
    )
    return {**os.environ, "LD_PRELOAD": str(library), "CUT_READY": "1"}


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--rounds", type=int, default=30)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--without", choices=["intents", "sync"], default="")
    asked.add_argument("--cut", action="store_true")
    asked.add_argument("--tear", action="store_true")
    said = asked.parse_args()
    is_cut = said.cut or said.tear or said.without == "sync"
    if is_cut and "CUT_READY" not in os.environ:
        with tempfile.TemporaryDirectory() as home:
            again = [sys.executable, "-m", "tests.ledger.kill", *sys.argv[1:]]
            raise SystemExit(subprocess.run(again, env=preload(Path(home))).returncode)
    if said.without == "sync":
        os.environ["CUT_DEAF"] = "1"
    found = run(
        said.rounds,
        seed=said.seed,
        without=said.without,
        is_cut=is_cut,
        is_torn=said.tear,
    )
    print(json.dumps(found))


if __name__ == "__main__":
    main()
