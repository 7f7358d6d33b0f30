"""Sessions worth a look: the slowest, those that were lost, in clear text, or refused most.

Of each there is its dialogue, shortened to what matters, and where its time went.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import pandas as pd

from smtpbook.charts.one_session import one_session, without_dialogue
from smtpbook.events import COLUMNS
from smtpbook.log.transcript import transcript
from smtpbook.reports.content import Block, Facts, Heading, Lines, Paragraph, plain
from smtpbook.reports.pictures import waterfall
from smtpbook.tables.engine import query
from smtpbook.tables.latency import slowest
from smtpbook.tables.scan import Log
from smtpbook.tables.sessions import sessions
from smtpbook.wording import counted, duration

_MAX_EVENTS: Final = 2000  # of a session that are looked at
_HEAD, _AROUND, _TAIL, _NOTABLE = 6, 3, 3, 4  # lines of a dialogue that are kept
_CHARS: Final = 120  # of such a line
_WHOM: Final = """
SELECT max(recipient) FROM log WHERE session_id = $session AND transaction_id IN (
    SELECT transaction_id FROM log WHERE session_id = $session AND seq = $seq
)
"""
_NOTED: Final = re.compile(r"<-  [45]\d\d|\*\*\* (?!connected)[^\n]*(?:: |failed|no reply)")


def worth_a_look(log: Log) -> Iterator[Block]:
    """Show the sessions of a log that tell most, each with why it was chosen."""
    every = sessions(log)
    chosen, recipient = _chosen(log, every)
    if not chosen:
        yield Paragraph(text="None: no session was refused, lost, slow or in clear text.")
    for number, (session_id, why) in enumerate(chosen.items(), 1):
        one = every[every["session_id"] == session_id].iloc[0]
        server = "" if pd.isna(one["server"]) else f" with {one['server']}"
        yield Heading(text=plain(f"Session {session_id}{server}"))
        yield Facts(rows=(("Why", plain("; ".join(why))), *_facts(one)))
        yield from _shown(log, session_id, recipient.get(session_id), number)
        if len(why) > 1 and session_id in recipient:
            rows, _ = one_session(log, session_id, None, columns=COLUMNS, most=_MAX_EVENTS)
            yield Lines(text=shortened(transcript(rows)))


def _shown(
    log: Log, session_id: str, recipient: str | None, number: int
) -> Iterator[Block]:
    """Show where the time went and what was said, in all of it or about one recipient."""
    rows, steps = one_session(log, session_id, recipient, columns=COLUMNS, most=_MAX_EVENTS)
    name = f"session_{number}"
    picture = waterfall(log, session_id, recipient, steps=steps, name=name)
    if picture is not None:
        yield picture
    if rows.empty:
        yield Paragraph(text=without_dialogue(session_id, recipient))
    else:
        yield Lines(text=shortened(transcript(rows)))


def _chosen(log: Log, every: pd.DataFrame) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Give sessions with why they were chosen, and the recipient that matters in them."""
    chosen: dict[str, list[str]] = {}
    recipient: dict[str, str] = {}

    def choose(session_id: Any, why: str) -> None:
        if not pd.isna(session_id):
            chosen.setdefault(str(session_id), []).append(why)

    row: Any  # of many kinds of cells
    first = slowest(log, 1)
    for row in first.itertuples(index=False):
        verb = "a reply" if pd.isna(row.verb) else f"the reply to {row.verb}"
        took = duration(getattr(row, first.attrs["column"]))
        choose(row.session_id, f"the slowest: {verb} took {took}")
        if whom := _whom(log, row):
            recipient[str(row.session_id)] = whom
    if every.empty:
        return chosen, recipient
    refused = every.iloc[int(every["refusals"].to_numpy().argmax())]
    if refused["refusals"]:
        said = counted(int(refused["refusals"]), "refusal", "refusals")
        choose(refused["session_id"], f"the most refusals: {said}")
    lost = every[every["error"].notna()]
    if len(lost):
        why = f"lost: {lost['error'].iloc[0]}"
        choose(lost["session_id"].iloc[0], why + _as_more(len(lost)))
    clear = every[every["tls_version"].isna() & (every["messages"] > 0)]
    if len(clear):
        why = "mail in clear text, no TLS"
        choose(clear["session_id"].iloc[0], why + _as_more(len(clear)))
    return chosen, recipient


def _as_more(sessions: int) -> str:
    more = counted(sessions - 1, "more session", "more sessions")
    return f", as {more}" if sessions > 1 else ""


def _whom(log: Log, row: Any) -> str | None:
    """Give who was written to in a transaction; of several the last by name."""
    if pd.isna(row.session_id) or pd.isna(row.seq):
        return None
    found = query(
        _WHOM,
        {"recipient": "string"},
        needs=("session_id", "transaction_id", "seq", "recipient"),
        parameters={"session": str(row.session_id), "seq": int(row.seq)},
        log=log,
    )["recipient"].iloc[0]
    return None if pd.isna(found) else str(found)


def _facts(one: Any) -> Iterator[tuple[str, str]]:
    if not pd.isna(one["time"]):
        yield "When", f"{one['time']:%Y-%m-%d %H:%M:%S} UTC"
    if not pd.isna(one["duration_s"]):
        yield "Length", duration(float(one["duration_s"]))
    yield "Messages", f"{one['messages']:,}"
    yield "Refusals", f"{one['refusals']:,} of {one['replies']:,} replies"
    tls = "none" if pd.isna(one["tls_version"]) else plain(one["tls_version"])
    yield "TLS", tls


def shortened(dialogue: str) -> str:
    r"""Leave out of a dialogue what is the same a hundred times.

    Its beginning and its end stay, and what stands around the first refusals and losses.

    >>> lines = [f"-> NOOP {n}" for n in range(40)]
    >>> print(shortened("\n".join(lines)).splitlines()[6])
           … 31 lines …
    """
    lines = [plain(line)[:_CHARS] for line in dialogue.splitlines()]
    notable = [place for place, line in enumerate(lines) if _NOTED.search(line)][:_NOTABLE]
    kept = {*range(_HEAD), *range(len(lines) - _TAIL, len(lines))}
    for place in notable:
        kept |= {*range(place - _AROUND, place + 2)}
    shown, left_out = list[str](), 0
    for place, line in enumerate([*lines, ""]):
        if place < len(lines) and place not in kept:
            left_out += 1
            continue
        if left_out:
            shown.append(f"       … {counted(left_out, 'line', 'lines')} …")
            left_out = 0
        shown.append(line)
    return "\n".join(shown).rstrip()
