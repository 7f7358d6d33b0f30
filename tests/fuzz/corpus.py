"""The kept inputs: one file a target, one input a line, as Python writes octets.

What the fuzzer has found is boiled down to as few inputs as go every way through the code
that all of them go (pairs of lines run one after the other), and do all that they do.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType
from typing import Any, Final

FOLDER: Final = Path(__file__).parent / "corpus"
PACKAGE: Final = "/smtpbook/"

Way = object
"""A file, a line, and the line after it; or what a target calls new."""


def kept(target: str) -> list[bytes]:
    """Give a target's inputs."""
    path = FOLDER / f"{target}.txt"
    lines = path.read_text("ascii").splitlines() if path.exists() else []
    return [ast.literal_eval(line) for line in lines]


def keep(target: str, inputs: Iterable[bytes]) -> None:
    """Write a target's inputs, the shortest first."""
    lines = [repr(one) for one in sorted(set(inputs), key=lambda one: (len(one), one))]
    (FOLDER / f"{target}.txt").write_text("".join(f"{line}\n" for line in lines), "ascii")


def boiled_down(
    run: Callable[[bytes], set[object]], inputs: Iterable[bytes]
) -> tuple[list[bytes], set[Way]]:
    """Give the inputs that are worth keeping, and the ways they go; short ones first."""
    seen: set[Way] = set()
    worth = []
    for one in sorted(set(inputs), key=lambda one: (len(one), one)):
        ways = ways_of(run, one)
        if not ways <= seen:
            seen |= ways
            worth.append(one)
    return worth, seen


def ways_of(run: Callable[[bytes], set[object]], octets: bytes) -> set[Way]:
    """Give the ways that an input goes through the package."""
    ways: set[Way] = set()

    def call(frame: FrameType, event: str, _: Any) -> Any:
        name = frame.f_code.co_filename
        if PACKAGE not in name:
            return None
        last = 0

        def line(frame: FrameType, event: str, _: Any) -> Any:
            nonlocal last
            if event == "line":
                ways.add((name, last, frame.f_lineno))
                last = frame.f_lineno
            return line

        return line

    before = sys.gettrace()
    sys.settrace(call)
    try:
        return ways | run(octets)
    finally:
        sys.settrace(before)
