"""About: when a log was written, with whom, and what its own rows tell of the settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from smtpbook.escape import visible
from smtpbook.tables.engine import query
from smtpbook.tables.scan import Log
from smtpbook.wording import counted, duration

_MAX_NAMES: Final = 5  # of one kind are told, the others counted
_TIME: Final = "datetime64[us, UTC]"
_WHEN: Final = """
SELECT count(*), count(DISTINCT session_id), min(time), max(time) FROM log
"""
# What a setting is called, and what of a row tells it.
_SETTINGS: Final = {
    "campaign": "campaign_id",
    "account": "account",
    "server": "server || coalesce(':' || port, '')",
    "reverse-path": "nullif(reverse_path, '')",
    "TLS": "tls_version || coalesce(', ' || tls_cipher, '')",
    "arm": "arm",
    "block": "block",
    "log written by": "source",
}
_NEEDS: Final = (
    *("campaign_id", "account", "server", "port", "reverse_path", "tls_version"),
    *("tls_cipher", "arm", "block", "source"),
)
_NAMED: Final = """
SELECT %s AS name, count(*) AS rows FROM log WHERE name IS NOT NULL
GROUP BY name ORDER BY rows DESC, name LIMIT 1000
"""
_MOST: Final = """
SELECT max(attempt), count(pipelined) > 0, count(*) FILTER (kind = 'command') FROM log
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a report is called, and when and with whom it was; both may hold anything."""

    title: str
    sentence: str


def about(log: Log) -> About:
    """Tell of which campaign a log is, when it was, and with whom."""
    campaigns, servers = _names(log, "campaign_id"), _names(log, "server")
    title = f"Campaign {campaigns[0]}" if len(campaigns) == 1 else "Event log"
    dtypes = {"rows": "int64", "sessions": "int64", "start": _TIME, "end": _TIME}
    when = query(_WHEN, dtypes, needs=("time", "session_id"), log=log).iloc[0]
    if not when["rows"]:
        return About(title=title, sentence="The log is empty.")
    shown = [visible(name, max_chars=60) for name in servers[:3]]
    sessions = counted(int(when["sessions"]), "session", "sessions")
    sessions += f" with {', '.join(shown)}" if shown else ""
    start, end = when["start"], when["end"]
    if pd.isna(start):
        sentence = f"{sessions}; when it was, the log does not tell."
    else:
        length = duration((end - start).total_seconds())
        sentence = f"{start:%Y-%m-%d %H:%M:%S} UTC, {length}, {sessions}."
    return About(title=title, sentence=sentence)


def found_settings(log: Log) -> dict[str, str]:
    """Give the settings that a log's rows tell by themselves; they may hold anything."""
    found = {label: _told(_names(log, of)) for label, of in _SETTINGS.items()}
    dtypes = {"attempts": "Int16", "pipelined": "bool", "commands": "int64"}
    needs = ("attempt", "pipelined", "kind")
    most = query(_MOST, dtypes, needs=needs, log=log).iloc[0]
    if not pd.isna(most["attempts"]):
        found["tries of a recipient"] = f"{most['attempts']} at most"
    if most["commands"]:
        found["pipelining"] = "yes" if most["pipelined"] else "no"
    return {label: text for label, text in found.items() if text}


def _names(log: Log, of: str) -> list[str]:
    """Give the different values of an expression over a log, the most frequent first."""
    table = query(
        _NAMED % of,
        {"name": "string", "rows": "int64"},
        needs=tuple(name for name in _NEEDS if name in of),
        log=log,
    )
    names: Any = table["name"].tolist()
    return list(names)


def _told(names: list[str]) -> str:
    shown = "; ".join(visible(name, max_chars=60) for name in names[:_MAX_NAMES])
    more = len(names) - _MAX_NAMES
    return shown + (f"; {more:,} more" if more > 0 else "")
