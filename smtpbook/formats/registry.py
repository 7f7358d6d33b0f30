"""Registry: the formats there are, each imported when it is first asked for.

Their order decides between formats of which equally many lines look alike.
"""

from __future__ import annotations

from importlib import import_module
from typing import Final

from smtpbook.logfile.format import BinaryFormat, LogFormat

_MODULES: Final = {
    "postfix": "server_logs.postfix",
}
"""Format's name → the module whose ``FORMAT`` it is."""

FORMATS: Final = tuple(_MODULES)
"""The names ``format=`` takes, besides those of `smtpbook.log.store`."""


def format_of(name: str) -> LogFormat | BinaryFormat:
    """Give a format by its name, one of `FORMATS`."""
    found: LogFormat | BinaryFormat = import_module(f"smtpbook.{_MODULES[name]}").FORMAT
    return found
