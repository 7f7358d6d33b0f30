"""How often the meaning of real replies is found: against labels, provider by provider.

    python -m tests.benchmarks.replies --data PATH [--wrong] [--json]

PATH is a file of JSON lines with ``text``, ``smtp_code``, ``dsn``, ``label``, ``accept``
(the labels that are right as well), ``cmd`` and ``ref``; nothing of it is kept here.  An
answer is right if it is one of ``accept``.  *By provider* leaves out the rows of our tables
whose source names the provider, and asks its replies alone: what is left is general.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from smtpbook.codes.explain import explain, reason_of
from smtpbook.codes.tables import reasons

_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}(?=\s|$)")
_CODE = re.compile(r"[2-5][0-9]{2}[ -]")


class Labelled(NamedTuple):
    """One reply and what people say it means."""

    reply: str
    verb: str | None
    code: int
    status: str | None
    text: str
    label: str
    accept: frozenset[str]
    provider: str


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--wrong", action="store_true", help="print what is not right")
    options.add_argument("--json", action="store_true")
    given = options.parse_args()
    replies = list(read(given.data))
    figures: dict[str, float] = dict(measure(replies))
    figures |= speeds(replies)
    if given.json:
        print(json.dumps(figures, indent=2))
        return
    for name, figure in figures.items():
        print(f"{name:<40} {figure:>10,.3f}")
    for one in replies if given.wrong else ():
        if answer(one) not in one.accept:
            print(f"{answer(one)}, not {'/'.join(sorted(one.accept))}: {one.reply[:150]}")


def read(path: Path) -> Iterator[Labelled]:
    """Give the labelled replies of a file."""
    for line in path.read_text("utf-8").splitlines():
        row = json.loads(line)
        text = row["text"]
        if _CODE.match(text):
            text = text[4:]
        code = int(row["smtp_code"] or 0)
        stated = _STATUS.match(text)
        status = stated[0] if stated and stated[0][0] == str(code)[0] else None
        parts = (row["ref"] or "").split("/")
        yield Labelled(
            reply=row["reply"],
            verb=row["cmd"],
            code=code,
            status=status,
            text=text,
            label=row["label"],
            accept=frozenset(row["accept"]),
            provider=parts[1] if len(parts) > 2 else row["source"],
        )


def answer(one: Labelled) -> str:
    """Ask the short way."""
    return reason_of(one.verb, one.code, one.status, one.text) or "none"


def measure(replies: list[Labelled]) -> Iterator[tuple[str, float]]:
    """Give accuracy as shares of the replies, as a whole and by provider."""
    yield "replies", len(replies)
    yield "accuracy", _share(replies)
    by_label: defaultdict[str, list[Labelled]] = defaultdict(list)
    by_provider: defaultdict[str, list[Labelled]] = defaultdict(list)
    for one in replies:
        by_label[one.label].append(one)
        by_provider[one.provider].append(one)
    yield "mean over reasons", sum(map(_share, by_label.values())) / len(by_label)
    groups = {name: reason.group for name, reason in reasons().items()}
    right = sum(
        groups.get(answer(one)) in {groups[a] for a in one.accept} for one in replies
    )
    yield "group", right / len(replies)
    yield "unknown", sum(answer(one) == "unknown" for one in replies) / len(replies)
    for name, its in sorted(by_label.items()):
        yield f"reason {name} ({len(its)})", _share(its)
    for name, its in sorted(by_provider.items()):
        yield f"provider {name} ({len(its)})", _share(its)


def speeds(replies: list[Labelled], rounds: int = 20) -> dict[str, float]:
    """Give explanations a second of CPU time, no text twice."""
    texts = [
        one._replace(text=f"{one.text} {number}", reply=f"{one.reply} {number}")
        for number in range(rounds)
        for one in replies
    ]
    started = time.process_time()
    for one in texts:
        answer(one)
    short_s = time.process_time() - started
    started = time.process_time()
    for one in texts:
        explain(one.reply, verb=one.verb)
    long_s = time.process_time() - started
    return {
        "reasons a second": len(texts) / short_s,
        "explanations a second": len(texts) / long_s,
    }


def _share(replies: Iterable[Labelled]) -> float:
    right = [answer(one) in one.accept for one in replies]
    return sum(right) / len(right)


if __name__ == "__main__":
    main()
