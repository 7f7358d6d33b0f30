"""Told: events in words: what a table, a heading and a transcript say of them.

Foreign text is escaped and shortened here; where it is shown is for `widgets`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

import pandas as pd

from smtpbook.codes.explain import explain
from smtpbook.escape import to_html, visible
from smtpbook.explorer.exploration import Chosen, Exploration
from smtpbook.palette import SEVERITY_NAMES
from smtpbook.protocol.replies import Reply
from smtpbook.states import STATES, state
from smtpbook.wording import duration

Who = Literal["client", "server", "note", "chosen"]

ANY: Final = ""
"""The choice that asks for nothing."""

_MAX_CHOICES: Final = 200  # of a list; a hostile log may hold more
_MAX_CHARS: Final = 80  # of a cell
_MAX_LINE: Final = 1000  # of a line of the transcript
_NAMED: Final = (("of", "recipient"), ("server", "server"), ("session", "session_id"))
_WHO: Final[Mapping[str, Who]] = {" -> ": "client", "<-  ": "server"}


def choices_of(
    exploration: Exploration, name: str, counts: Mapping[str, int]
) -> list[tuple[str, str]]:
    """Give what a list offers, each choice with how many events it would leave."""
    values = exploration.values(name)[:_MAX_CHOICES]
    pairs = [("any", ANY)]
    if name == "reply_code":
        for digit, word in SEVERITY_NAMES.items():
            number = sum(n for code, n in counts.items() if code[0] == str(digit))
            if any(code[0] == str(digit) for code in values):
                pairs.append((f"{digit}yz {word} ({number:,})", str(digit)))
    for value in values:
        word = str(STATES[value]) if name == "outcome" and value in STATES else value
        pairs.append((f"{visible(word, max_chars=40)} ({counts.get(value, 0):,})", value))
    return pairs


def kind_of(event: Any) -> str:
    """Give the style sheet's word for an event's severity."""
    code = event["reply_code"]
    return "" if pd.isna(code) else f"smtpbook-{int(code) // 100}yz"


def cells_of(event: Any) -> Iterator[str]:
    """Give what a row of the table says; "" for null."""
    yield _when(event["time"])
    yield cut(_what(event))
    yield cut(event["recipient"])
    replied = [
        str(event[name]) for name in ("reply_code", "reply_text") if pd.notna(event[name])
    ]
    yield cut(" ".join(replied) or event["error"])
    yield "" if pd.isna(event["service_s"]) else duration(event["service_s"])
    known = "" if pd.isna(event["outcome"]) else str(state(event["outcome"]))
    reason = "" if pd.isna(event["reason"]) else str(event["reason"])
    yield cut(": ".join(word for word in (known, reason) if word))


def _what(event: Any) -> str:
    is_said = event["kind"] in ("command", "greeting") and pd.notna(event["verb"])
    return str(event["verb"] if is_said else event["kind"])


def _when(time: Any) -> str:
    return (
        "" if pd.isna(time) else f"{time:%Y-%m-%d %H:%M:%S}.{time.microsecond // 1000:03}"
    )


def cut(value: Any) -> str:
    """Give a value as text that is safe and not long; "" for null."""
    return "" if pd.isna(value) else visible(str(value), max_chars=_MAX_CHARS)


def head_of(event: Any) -> str:
    """Name an event, as HTML without marks."""
    when = "" if pd.isna(event["time"]) else f" at {_when(event['time'])}"
    parts = [f"{_what(event)}{when}"]
    for word, name in _NAMED:
        if pd.notna(event[name]):
            parts.append(f"{word} {event[name]}")
    return to_html(", ".join(map(cut, parts)))


def explained(chosen: Chosen) -> str:
    """Give what a reply means, or why there is none, as HTML."""
    event = chosen.event
    code = event["reply_code"]
    if pd.isna(code) or not 200 <= code <= 599:
        why = "" if pd.isna(event["error"]) else f"no reply: {event['error']}"
        return f"<p>{to_html(cut(why))}</p>" if why else ""
    said = "" if pd.isna(event["reply_text"]) else event["reply_text"]
    known = {
        name: None if pd.isna(event[column]) else event[column]
        for name, column in (("verb", "verb"), ("host", "server"))
    }
    reply = Reply.of(int(code), said)
    return explain(reply, greeting=chosen.greeting, **known)._repr_html_()


def lines_of(chosen: Chosen) -> Iterator[tuple[Who, str]]:
    """Give the lines of the transcript, and which are the chosen event's."""
    for line in chosen.lines:
        shown = visible(line, max_chars=_MAX_LINE)
        yield "chosen" if line in chosen.own else _WHO.get(line[25:29], "note"), shown
    if chosen.event["kind"] == "outcome":
        yield "note", "(of the session, only what concerns this recipient)"
    elif chosen.left_out:
        yield "note", f"({chosen.left_out:,} more events of this session are not shown)"
