"""The fuzzer's targets by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tests.fuzz import parsers, roles

TARGETS: Final[dict[str, Callable[[bytes], set[object]]]] = {
    "replies": parsers.replies,
    "commands": parsers.commands,
    "client": roles.client,
    "server": roles.server,
    "pipeline": roles.pipeline,
}
