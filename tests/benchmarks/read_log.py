"""Reading a Postfix log of a million lines: CPU time and memory, beside pflogsumm.

    python -m tests.benchmarks.read_log [--lines N] [--stamps iso] [--rounds N] [--json]

The log is made up in the mix of a busy server (nine messages in ten go out at once; the
others are deferred, refused by the next server or at the door) and is the same each time.
pflogsumm (Debian's package, Perl) counts and prints its report; `read_log` gives the whole
event log as a typed DataFrame.  Each runs in a process of its own, started from nothing;
CPU time is user and system together, the peak is the process's resident set.  The ratio is
of medians over the rounds, which alternate.
"""

from __future__ import annotations

import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from tests.benchmarks.output import Row, parser, show
from tests.servers.process import ROOT, ServerMissing

_OURS: Final = """
import sys
from smtpbook.formats.read import read_log
log = read_log(sys.argv[1], year=2026, progress=False)
print(len(log), log.attrs["read"]["lines"], log.attrs["read"]["skipped"])
"""
_DOMAINS: Final = ("example.com", "example.net", "example.org", "mail.example", "a.test")
_REFUSALS: Final = (
    ("550 5.1.1 <{to}>: Recipient address rejected: User unknown", "5.1.1", "bounced"),
    ("552 5.2.2 The mailbox of {to} is full", "5.2.2", "bounced"),
    ("450 4.2.0 <{to}>: Recipient address rejected: Greylisted", "4.2.0", "deferred"),
    ("451 4.7.1 Too many messages from 192.0.2.1, slow down", "4.7.1", "deferred"),
)


def main() -> None:
    """Measure and print."""
    options = parser(__doc__, rounds=3)
    options.add_argument(
        "--lines", type=int, default=1_000_000, help="default: %(default)s"
    )
    options.add_argument("--stamps", choices=("syslog", "iso"), default="syslog")
    given = options.parse_args()
    if shutil.which("pflogsumm") is None:
        raise ServerMissing("pflogsumm is not installed: apt-get install pflogsumm")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mail.log"
        write_log(path, given.lines, is_iso=given.stamps == "iso")
        commands = {
            "smtpbook": [sys.executable, "-c", _OURS, str(path)],
            "pflogsumm": ["pflogsumm", str(path)],
        }
        taken: dict[str, list[tuple[float, int]]] = {name: [] for name in commands}
        for _ in range(given.rounds):
            for name, command in commands.items():
                taken[name].append(_run(command))
    rows: list[Row] = [
        {
            "reader": name,
            "lines": given.lines,
            "CPU s": statistics.median(seconds for seconds, _ in rounds),
            "peak MB": max(peak for _, peak in rounds) // 1_000_000,
        }
        for name, rounds in taken.items()
    ]
    ours, theirs = (float(row["CPU s"]) for row in rows)
    show(
        rows,
        {"times faster than pflogsumm, by CPU time": theirs / ours},
        as_json=given.json,
    )


def _run(command: list[str]) -> tuple[float, int]:
    """Give a process's CPU time in seconds and its largest resident set in octets."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=ROOT)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit


def write_log(path: Path, count: int, *, is_iso: bool = False) -> None:
    """Write a log of that many lines."""
    when = datetime(2026, 11, 1)
    chance = random.Random(7)
    with path.open("w") as file:
        for number, line in enumerate(_lines(chance)):
            if number == count:
                return
            when += timedelta(seconds=chance.expovariate(4))
            stamp = f"{when:%b} {when.day:2d} {when:%H:%M:%S}"
            if is_iso:
                stamp = when.isoformat(timespec="microseconds") + "+00:00"
            file.write(f"{stamp} mx1 {line}\n")


def _lines(chance: random.Random) -> Iterator[str]:
    number = 0
    while True:
        number += 1
        if chance.random() < 0.05:
            yield from _refused_at_the_door(chance, number)
        else:
            yield from _message(chance, number)


def _refused_at_the_door(chance: random.Random, number: int) -> Iterator[str]:
    client = f"unknown[198.51.100.{number % 250}]"
    smtpd = f"postfix/smtpd[{2000 + number % 60}]:"
    yield f"{smtpd} connect from {client}"
    yield (
        f"{smtpd} NOQUEUE: reject: RCPT from {client}: 554 5.7.1 <x{number}@example.org>: "
        f"Relay access denied; from=<spam{number}@example.net> to=<x{number}@example.org> "
        f"proto=ESMTP helo=<host{number}.example>"
    )
    yield f"{smtpd} disconnect from {client} ehlo=1 mail=1 rcpt=0/1 quit=1 commands=3/4"


def _message(chance: random.Random, number: int) -> Iterator[str]:
    queue_id = f"4{number:09X}z{number % 97:02d}"
    domain = chance.choice(_DOMAINS)
    to, pid = f"reader{number}@{domain}", 3000 + number % 100
    smtpd, smtp = f"postfix/smtpd[{2000 + number % 60}]:", f"postfix/smtp[{pid}]:"
    qmgr, bounce = "postfix/qmgr[800]:", "postfix/bounce[950]:"
    client, host = "app.example[192.0.2.7]", f"mx.{domain}[203.0.113.{number % 200}]"
    size, setup, transfer = chance.randrange(9999), chance.random(), chance.random()
    yield f"{smtpd} connect from {client}"
    yield f"{smtpd} {queue_id}: client={client}, sasl_method=PLAIN, sasl_username=news"
    yield f"postfix/cleanup[900]: {queue_id}: message-id=<{number}.1@app.example>"
    yield (
        f"{qmgr} {queue_id}: from=<news@app.example>, size={size}, nrcpt=1 (queue active)"
    )
    yield (
        f"{smtpd} disconnect from {client} ehlo=1 auth=1 mail=1 rcpt=1 data=1 quit=1 "
        f"commands=6"
    )
    yield (
        f"{smtp} Untrusted TLS connection established to {host}:25: TLSv1.3 with cipher "
        f"TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange X25519 server-signature "
        f"RSA-PSS (2048 bits) server-digest SHA256"
    )
    about = (
        f"{smtp} {queue_id}: to=<{to}>, relay={host}:25, delay={number % 9}.2, "
        f"delays=0.05/0.01/{setup:.2f}/{transfer:.2f}"
    )
    if chance.random() < 0.9:
        yield (f"{about}, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 5{number:08X})")
        yield f"{qmgr} {queue_id}: removed"
        return
    said, dsn, status = chance.choice(_REFUSALS)
    yield (
        f"{about}, dsn={dsn}, status={status} (host {host} said: {said.format(to=to)} "
        f"(in reply to RCPT TO command))"
    )
    if status == "bounced":
        yield f"{bounce} {queue_id}: sender non-delivery notification: 6{number:X}"
        yield f"{qmgr} {queue_id}: removed"


if __name__ == "__main__":
    main()
