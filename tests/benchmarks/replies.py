"""How often the meaning of real replies is found: against labels, provider by provider.

    python -m tests.benchmarks.replies --data PATH [--wrong] [--json]

PATH is a file of JSON lines with ``text``, ``smtp_code``, ``dsn``, ``label``, ``accept``
(the labels that are right as well), ``cmd`` and ``ref``; nothing of it is kept here.  An
answer is right if it is one of ``accept``.  *In general* asks without any provider's table,
so that each provider's replies are met as if nobody had ever seen one of them.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from smtpbook.codes.explain import explain, reason_of
from smtpbook.codes.precedence import GENERAL, find
from smtpbook.codes.rules import Said
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


def in_general(one: Labelled) -> str:
    """Ask without what is known of any provider."""
    said = Said(verb=one.verb, code=one.code, enhanced_status=one.status, text=one.text)
    return find(said, GENERAL).entry.reason or "none"


def measure(replies: list[Labelled]) -> Iterator[tuple[str, float]]:
    """Give accuracy as shares of the replies, as a whole and by provider."""
    yield "replies", len(replies)
    by_label = _by(replies, "label")
    groups = {name: reason.group for name, reason in reasons().items()}
    for how, ask in (("", answer), (", in general", in_general)):
        said = {one: ask(one) for one in replies}
        yield f"accuracy{how}", _share(replies, said)
        means = [_share(its, said) for its in by_label.values()]
        yield f"mean over reasons{how}", sum(means) / len(means)
        right = [
            groups[said[one]] in {groups[name] for name in one.accept} for one in replies
        ]
        yield f"group{how}", sum(right) / len(right)
        yield f"unknown{how}", sum(name == "unknown" for name in said.values()) / len(said)
        for name, its in sorted(by_label.items()):
            yield f"reason {name} ({len(its)}){how}", _share(its, said)
    for name, its in sorted(_by(replies, "provider").items()):
        yield f"provider {name} ({len(its)}), left out", _share(its, said)


def speeds(replies: list[Labelled], copies: int = 20, rounds: int = 5) -> dict[str, float]:
    """Give explanations a second of CPU time, no text twice in a round.

    The best of some rounds counts: others on the machine only ever add to the time.
    """
    texts = [
        one._replace(text=f"{one.text} {number}", reply=f"{one.reply} {number}")
        for number in range(copies)
        for one in replies
    ]

    def explained(one: Labelled) -> None:
        explain(one.reply, verb=one.verb)

    return {
        name: len(texts) / min(_cpu_s(ask, texts) for _ in range(rounds))
        for name, ask in (
            ("reasons a second", answer),
            ("explanations a second", explained),
        )
    }


def _cpu_s(ask: Callable[[Labelled], object], texts: list[Labelled]) -> float:
    started = time.process_time()
    for one in texts:
        ask(one)
    return time.process_time() - started


def _by(replies: Iterable[Labelled], field: str) -> dict[str, list[Labelled]]:
    found: defaultdict[str, list[Labelled]] = defaultdict(list)
    for one in replies:
        found[getattr(one, field)].append(one)
    return found


def _share(replies: Iterable[Labelled], said: Mapping[Labelled, str]) -> float:
    right = [said[one] in one.accept for one in replies]
    return sum(right) / len(right)


if __name__ == "__main__":
    main()
