"""The state machine of a session, to be looked at: picture, table, and a session's way.

Nothing is decided here: the table is `smtpbook.protocol.states`.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

import pandas as pd

from smtpbook.errors import near_miss
from smtpbook.log.frame import require_columns
from smtpbook.protocol.commands import CommandSyntaxError, parse_command
from smtpbook.protocol.connection import CLOSING
from smtpbook.protocol.states import (
    FOREIGN,
    ONLY_PIPELINED,
    TABLE,
    State,
    allowed_verbs,
    out_of_order,
    to_svg,
)
from smtpbook.protocol.verdicts import COUNTED, ENDS, PROTOCOLS, Protocol, Verdicts

_NAMES: Final = tuple(state.name for state in State)
_DIGITS: Final = ("2yz", "3yz", "4yz", "5yz")
_HELLOS: Final = ("EHLO", "HELO", "LHLO")


class StateMachine:
    """The states of a session and what leads from one to the other.

    In a notebook it shows itself as a picture (of SMTP and LMTP in one), in a terminal as
    the verbs that are allowed.

    Attributes
    ----------
    here : str or None
        The state that is marked.
    protocol : {"smtp", "lmtp"}
        Whose verbs `allowed` and `table` have.
    allowed : tuple of str
        The verbs that a client may say there; with no state marked, all.
    table : DataFrame
        One row per state and verb: ``state``, ``verb``, the next state by the first digit
        of the reply (``2yz`` to ``5yz``; null = the server breaks the protocol) and
        ``allowed`` (bool; False: only a reply to a pipelined command finds it there).
    """

    def __init__(self, here: State | None = None, *, protocol: Protocol = "smtp") -> None:
        self.here = None if here is None else here.name
        self.protocol = protocol
        self._here = here

    @property
    def allowed(self) -> tuple[str, ...]:
        """The verbs that a client may say in the marked state, or in any."""
        states = State if self._here is None else (self._here,)
        return tuple(
            dict.fromkeys(
                verb for state in states for verb in allowed_verbs(state, self.protocol)
            )
        )

    @property
    def table(self) -> pd.DataFrame:
        """The whole table, or the marked state's rows."""
        rows = [
            (
                state.name,
                verb,
                *(to and to.name for to in after),
                step not in ONLY_PIPELINED,
            )
            for step, after in TABLE.items()
            for state, verb in (step,)
            if self._here in (None, state) and verb not in FOREIGN[self.protocol]
        ]
        table = pd.DataFrame(rows, columns=["state", "verb", *_DIGITS, "allowed"])
        return table.astype(dict.fromkeys(("state", "verb", *_DIGITS), "string"))

    def _repr_svg_(self) -> str:
        return to_svg(self._here)

    def __repr__(self) -> str:
        where = "" if self._here is None else f" at {self.here} ({self._here.value})"
        return f"<state machine{where}; allowed: {', '.join(self.allowed) or 'nothing'}>"


def state_machine(
    here: State | str | None = None, *, protocol: Protocol = "smtp"
) -> StateMachine:
    """Give the state machine of a session, with a state marked if wanted.

    Parameters
    ----------
    here : State or str, optional
        Such as ``session.state``, or a state's name.
    protocol : {"smtp", "lmtp"}

    Raises
    ------
    ValueError
        There is no state of that name, or no such protocol.

    Examples
    --------
    >>> state_machine("DATA")
    <state machine at DATA (mail data: only the lone dot ends it); allowed: END-OF-DATA>

    References
    ----------
    RFC 5321 sections 3 and 4.1.4; RFC 2033 section 4.1 (LMTP).
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"protocol={protocol!r} is not one of {', '.join(PROTOCOLS)}")
    if isinstance(here, str):
        if here.upper() not in _NAMES:
            raise ValueError(
                f"there is no state {here!r}{near_miss(here.upper(), _NAMES)}; "
                f"there are {', '.join(_NAMES)}"
            )
        here = State[here.upper()]
    return StateMachine(here, protocol=protocol)


def session_states(log: pd.DataFrame, session_id: str | None = None) -> pd.DataFrame:
    """Follow one session of a log, of SMTP or LMTP, through the state machine.

    Parameters
    ----------
    log : DataFrame
        Event log.
    session_id : str, optional
        Default: the log's first session.

    Returns
    -------
    DataFrame
        One row per reply, handshake and end, in the session's order: ``verb``, ``command``,
        ``reply_code``, ``reply_text`` as in the log, ``state`` after it (string), and
        ``allowed``: the verbs that may come next (string, blank between them).

    Raises
    ------
    ColumnError
        The log lacks a column.
    ValueError
        The log has no such session.
    """
    shown = ["verb", "command", "reply_code", "reply_text"]
    require_columns(log, "session_id", "seq", "kind", "error", *shown)
    ids = log["session_id"].dropna()
    if session_id is None and len(ids):
        session_id = str(ids.iloc[0])
    rows = log[(log["session_id"] == session_id).fillna(False).to_numpy(bool)]
    if rows.empty:
        raise ValueError(
            f"no session {session_id!r} in this log"
            f"{near_miss(str(session_id), map(str, ids.unique()))}"
        )
    rows = rows.sort_values("seq")
    protocol = _protocol(rows)
    follower = _Follower(protocol)
    columns = ("kind", "verb", "command", "reply_code", "error")
    states = [
        follower.state_after(str(kind), str(verb), str(command), *reply)
        for kind, verb, command, *reply in zip(*(rows[c] for c in columns), strict=True)
    ]
    told = rows.assign(
        state=pd.array([one and one.name for one in states], "string"),
        allowed=pd.array(
            [one and " ".join(allowed_verbs(one, protocol)) for one in states], "string"
        ),
    )
    return told.dropna(subset=["state"])[[*shown, "state", "allowed"]].reset_index(
        drop=True
    )


def _protocol(rows: pd.DataFrame) -> Protocol:
    """Tell it by the first hello that was taken; by the first said, if none was."""
    said = rows[rows["verb"].isin(_HELLOS).to_numpy(bool)]
    taken = said[said["reply_code"].between(200, 299).fillna(False).to_numpy(bool)]
    first = (said if taken.empty else taken)["verb"].head(1)
    return "lmtp" if (first == "LHLO").any() else "smtp"


class _Follower:
    """Stands where the session stood: a `protocol.connection.Client` that reads rows."""

    def __init__(self, protocol: Protocol) -> None:
        self._state = State.CONNECTED
        self._verdicts = Verdicts(protocol)

    def state_after(
        self, kind: str, verb: str, command: str, code: Any, error: Any
    ) -> State | None:
        """Give the state after a row; None = the row is no step of the machine."""
        is_reply = kind in ("greeting", "command") and not pd.isna(code)
        if kind == "disconnect" or (is_reply and code == CLOSING):
            self._state = State.CLOSED
        elif kind == "tls" and self._state is State.TLS and pd.isna(error):
            self._state = State.GREETED
        elif is_reply:
            self._state = self._moved(verb, command, int(str(code)[0]))
        else:
            return None
        return self._state

    def _moved(self, verb: str, command: str, digit: int) -> State:
        key, state, verdicts = self._key(verb, command), self._state, self._verdicts
        if key in ENDS:
            part = verdicts.next(digit)
            if not part.is_last:
                return state
            digit = part.digit
        elif digit == 2 and key in COUNTED:
            verdicts.heed(key, None, command)
        step = TABLE.get((state, key))
        after = out_of_order(state, key, digit) if step is None else step[digit - 2]
        return after or state  # against the protocol: the session's end has its own row

    def _key(self, verb: str, command: str) -> str:
        """Give what the table calls a command."""
        if verb == "AUTH" and self._state is State.AUTH:
            return "RESPONSE"
        if verb == "BDAT":
            with suppress(CommandSyntaxError):
                return parse_command(command.encode("utf-8", "replace")).key
        return verb
