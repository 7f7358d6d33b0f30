"""Fuzz the protocol: ``python -m tests.fuzz [--seconds N] [--target NAME] [--no-keep]``.

Each target has its share of the time.  What was found goes into its file of ``corpus/``: an
input that breaks a promise, so that the tests fail until it is mended, and those that go a
new way through the code.  Ends with 1 if a promise was broken.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.fuzz.corpus import boiled_down, keep, kept
from tests.fuzz.targets import TARGETS

ROOT: Final = Path(__file__).parents[2]
# Longer than the longest line that is taken, for the parsers; the rest is about order.
MAX_OCTETS: Final = {"replies": 8192, "commands": 16_384}
WORDS: Final = (
    *(b"220 ", b"250-", b"250 ", b"354 ", b"334 ", b"421 ", b"450 ", b"550 ", b"\r\n"),
    *(b"EHLO a\r\n", b"MAIL FROM:<", b"RCPT TO:<a@b>\r\n", b"DATA\r\n", b"\r\n.\r\n"),
    *(b"BDAT 5 LAST\r\n", b"AUTH PLAIN AGEAYg==\r\n", b"RSET\r\n", b"STARTTLS\r\n"),
    *(b"SIZE=10", b"BODY=8BITMIME", b"PIPELINING", b"CHUNKING", b"SMTPUTF8", b"5.1.1 "),
)


def main() -> int:
    """Fuzz, and say what came of it."""
    options = argparse.ArgumentParser("python -m tests.fuzz", description=__doc__)
    options.add_argument(
        "--seconds", type=int, default=600, help="for all targets together"
    )
    options.add_argument("--target", choices=TARGETS, action="append")
    options.add_argument("--no-keep", action="store_true", help="leave corpus/ as it is")
    given = options.parse_args()
    targets = given.target or list(TARGETS)
    seconds = max(1, given.seconds // len(targets))
    broken = [target for target in targets if not fuzz(target, seconds, given.no_keep)]
    return 1 if broken else 0


def fuzz(target: str, seconds: int, leaves_corpus: bool) -> bool:
    """Fuzz one target; give whether every promise was kept."""
    with tempfile.TemporaryDirectory(prefix="smtpbook-fuzz-") as name:
        folder = Path(name)
        found, crashes = folder / "found", folder / "crashes"
        for one in (found, crashes):
            one.mkdir()
        for number, octets in enumerate(kept(target)):
            (found / f"kept-{number}").write_bytes(octets)
        words = "".join(f'"{_quoted(word)}"\n' for word in WORDS)
        (folder / "words").write_text(words, "ascii")
        done = subprocess.run(
            [
                *(sys.executable, "-m", "tests.fuzz.worker", target, str(found)),
                f"-max_total_time={seconds}",
                f"-max_len={MAX_OCTETS.get(target, 1024)}",
                f"-dict={folder / 'words'}",
                f"-artifact_prefix={crashes}/",
                "-timeout=10",
                "-rss_limit_mb=1024",
                "-print_final_stats=1",
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        said = done.stdout.decode("utf-8", "replace")
        broken = [path.read_bytes() for path in crashes.iterdir()]
        if done.returncode and not broken:
            raise SystemExit(f"the fuzzer did not run:\n{said}")
        inputs = [path.read_bytes() for path in found.iterdir()]
        worth, ways = boiled_down(TARGETS[target], set(inputs) - set(broken))
        if not leaves_corpus:
            keep(target, [*worth, *broken])
        print(summary(target, said, len(ways), len(worth)))
        for one in broken:
            print(said[: said.find("== ERROR")][-3000:])
            print(f"a promise is broken by {one!r}")
        sys.stdout.flush()
        return not broken


def summary(target: str, said: str, ways: int, worth: int) -> str:
    """Say in words what was done."""
    runs = max(
        map(int, re.findall(r"(?:^#|executed_units: *)(\d+)", said, re.M)), default=0
    )
    edges = max(map(int, re.findall(r"cov: (\d+)", said)), default=0)
    return (
        f"{target}: {runs:,} executions, coverage {edges:,} (libFuzzer's counters), "
        f"{ways:,} ways through the code by {worth} inputs worth keeping"
    )


def _quoted(word: bytes) -> str:
    """Spell a word as libFuzzer's dictionaries do."""
    return "".join(f"\\x{octet:02x}" for octet in word)


if __name__ == "__main__":
    sys.exit(main())
