"""Join sides: the client's log and the server's of the same conversations, row by row.

Sessions are told apart by what was said in them, for the two logs name them differently,
and their clocks may differ by anything.  Nothing here is drawn.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import pandas as pd

from smtpbook.log.frame import require_columns

_USES: Final = (
    *("time", "session_id", "seq", "kind", "verb", "command", "reply_code"),
    *("reply_text", "latency_s", "pipelined"),
)
_TIME: Final = "datetime64[us, UTC]"
SIDES: Final = {
    "session_id": "string",
    "their_session_id": "string",
    "verb": "string",
    "command": "string",
    "pipelined": "Int32",
    "sent": _TIME,
    "read": _TIME,
    "answered": _TIME,
    "received": _TIME,
    "reply_code": "Int16",
    "reply_text": "string",
    "their_reply_code": "Int16",
    "their_reply_text": "string",
    "offset_s": "float64",
    "offset_bound_s": "float64",
}


class _Said(NamedTuple):
    """A command and its reply as one side saw them; times in microseconds since 1970."""

    verb: str | None
    command: str | None
    code: int | None
    text: str | None
    asked: int | None
    replied: int | None
    pipelined: int | None

    @property
    def words(self) -> tuple[object, ...]:
        # A log may hide what is said about a password: the codes have to do.
        return self.command or self.verb, self.code, self.verb != "AUTH" and self.text


_Pair = tuple[_Said | None, _Said | None]


def join_sides(ours: pd.DataFrame, theirs: pd.DataFrame) -> pd.DataFrame:
    """Put what the client logged beside what the server logged of the same commands.

    Parameters
    ----------
    ours, theirs : DataFrame
        Event logs of the client and of the server, such as ``run.log`` and ``lab.log``.

    Returns
    -------
    DataFrame
        A row for each command (the greeting is one) of each session that both have, in the
        order of ``ours``:

        - ``session_id``, ``their_session_id``, ``verb``, ``command``, ``pipelined``;
        - ``sent`` and ``received``, by the client's clock; ``read`` and ``answered``, by
          the server's.  No ``read``: the server has not read the command.  No ``received``:
          the client has not seen the reply;
        - ``reply_code``, ``reply_text`` as the client saw them, and ``their_reply_code``,
          ``their_reply_text`` as the server meant them;
        - ``offset_s``, by how much the server's clock is ahead, one number for a session,
          and ``offset_bound_s``, by how much that may be wrong; null = not known.

    Raises
    ------
    ColumnError
        A log lacks a column.

    Notes
    -----
    Two sessions are one if all replies that the client has seen are the server's, to the
    same commands.  Several of the very same words are paired in order of their beginning.

    The offset follows from what comes first.  A reply is seen after it was made, and a
    command is read after the client saw the reply before it: each exchange leaves the
    offset an interval, and what all of them leave is given by its middle and half its
    width.  If nothing is left, a clock was set meanwhile, and the bound is half of what
    they contradict each other by.

    References
    ----------
    RFC 5905 section 8 (offset and delay from four times).
    """
    for log in (ours, theirs):
        require_columns(log, *_USES)
    ourselves, others = _sessions(ours), _sessions(theirs)
    rows = []
    for name, other in _pairs(ourselves, others):
        began, said = ourselves[name]
        pairs = list(_beside(said, others[other][1]))
        offset = _offset(pairs, began)
        rows += [_row(name, other, pair, offset) for pair in pairs]
    made: Any = pd.DataFrame(rows, columns=[*SIDES], dtype=object)
    return pd.DataFrame({name: _column(made[name], SIDES[name]) for name in SIDES})


def _column(cells: Any, dtype: Any) -> Any:
    if dtype == _TIME:
        cells = pd.to_datetime(cells.astype("Int64"), unit="us", utc=True)
    return cells.astype(dtype)


def _sessions(log: pd.DataFrame) -> dict[str, tuple[int | None, list[_Said]]]:
    """Give each session's connect (when the call was made), and what was said in it."""
    rows = log.loc[log["kind"].isin(["connect", "greeting", "command"]), [*_USES]]
    rows = rows[rows["session_id"].notna()].sort_values("seq", kind="stable")
    times = rows["time"].astype(_TIME)
    micros = times.astype("int64").astype(object).where(times.notna(), None)
    plain = rows.astype(object).where(rows.notna(), None).assign(time=micros)
    found: dict[str, tuple[int | None, list[_Said]]] = {}
    row: Any
    for row in plain.itertuples(index=False, name="Row"):
        began, said = found.get(row.session_id, (None, []))
        if row.kind == "connect":
            began = row.time
        else:
            said.append(_said(row))
        found[row.session_id] = began, said
    return dict(sorted(found.items(), key=_beginning))


def _beginning(one: tuple[str, tuple[int | None, list[_Said]]]) -> int:
    times = [said.asked for said in one[1][1] if said.asked is not None]
    return min(times, default=0)


def _said(row: Any) -> _Said:
    is_replied = row.reply_code is not None
    latency = None if row.time is None else round((row.latency_s or 0) * 1e6)
    return _Said(
        verb=row.verb,
        command=row.command,
        code=int(row.reply_code) if is_replied else None,
        text=row.reply_text,
        asked=row.time,
        replied=row.time + latency if is_replied and latency is not None else None,
        pipelined=row.pipelined,
    )


def _pairs(ours: dict[str, Any], theirs: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Pair the sessions: those of equal words first, for they are nearly all."""
    by_words = defaultdict[Any, deque[str]](deque)
    for name, (_, said) in theirs.items():
        by_words[tuple(one.words for one in said)].append(name)
    found = {}
    for name, (_, said) in ours.items():
        if same := by_words.get(tuple(one.words for one in said)):
            found[name] = same.popleft()
    taken = set(found.values())
    rest = defaultdict[Any, list[str]](list)
    for name, (_, said) in theirs.items():
        if name not in taken:
            rest[_envelope(said)].append(name)
    for name, (_, said) in ours.items():
        if name not in found:
            near = rest[_envelope(said)]
            fits = [_fit(said, theirs[other][1]) for other in near]
            if max(fits, default=0) > 0:
                found[name] = near.pop(fits.index(max(fits)))
    return ((name, found[name]) for name in ours if name in found)


def _envelope(said: list[_Said]) -> object:
    """Give the first recipient there is: what of a session is rarely another's."""
    return next((one.command for one in said if one.verb == "RCPT"), None)


def _fit(ours: list[_Said], theirs: list[_Said]) -> int:
    """Count the commands both have; 0 = what we heard is not what they said."""
    count = 0
    for our, their in _beside(ours, theirs):
        if our is None or our.code is None:
            continue
        if their is None or our.words != their.words:
            return 0
        count += 1
    return count


def _beside(ours: list[_Said], theirs: list[_Said]) -> Iterator[_Pair]:
    """Put equal commands beside each other, in order; what one side lacks stays alone."""
    place = 0
    for their in theirs:
        same = (n for n in range(place, len(ours)) if ours[n].words[0] == their.words[0])
        found = next(same, None)
        if found is None:
            yield None, their
            continue
        yield from ((our, None) for our in ours[place:found])
        yield ours[found], their
        place = found + 1
    yield from ((our, None) for our in ours[place:])


def _offset(pairs: list[_Pair], began: int | None) -> tuple[float | None, float | None]:
    """Give by how many seconds their clock is ahead of ours, and how wrong that may be."""
    least, most = list[int](), list[int]()
    seen = [] if began is None else [began]
    for our, their in pairs:
        if our is None or their is None:
            continue
        if their.asked is not None and our.asked is not None:
            before = [at for at in seen if at <= our.asked]
            most += [their.asked - max(before)] if before else []
        if their.replied is not None and our.replied is not None:
            least.append(their.replied - our.replied)
        seen += [] if our.replied is None else [our.replied]
    if not least or not most:
        return None, None
    low, high = max(least), min(most)
    return (low + high) / 2e6, abs(high - low) / 2e6


def _row(
    name: str, other: str, pair: _Pair, offset: tuple[float | None, float | None]
) -> tuple[object, ...]:
    none = _Said(None, None, None, None, None, None, None)
    our, their = pair[0] or none, pair[1] or none
    is_greeting = "GREETING" in (our.verb, their.verb)
    return (
        *(name, other, our.verb or their.verb, our.command or their.command),
        *(our.pipelined, None if is_greeting else our.asked),
        *(None if is_greeting else their.asked, their.replied, our.replied),
        *(our.code, our.text, their.code, their.text, *offset),
    )
