"""The state machine of a session, to be looked at: picture, table, and a session's way.

Nothing is decided here: the table is `smtpbook.protocol.states`.
"""

from __future__ import annotations

from typing import Any, Final

import pandas as pd

from smtpbook.errors import near_miss
from smtpbook.log.frame import require_columns
from smtpbook.protocol.connection import CLOSING
from smtpbook.protocol.states import (
    FOREIGN,
    ONLY_PIPELINED,
    TABLE,
    State,
    allowed_verbs,
    to_svg,
)
from smtpbook.protocol.verdicts import PROTOCOLS, Protocol

_NAMES: Final = tuple(state.name for state in State)
_DIGITS: Final = ("2yz", "3yz", "4yz", "5yz")


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
    protocol: Protocol = "lmtp" if (rows["verb"] == "LHLO").any() else "smtp"
    state, states = State.CONNECTED, list[State | None]()
    columns = ("kind", "verb", "command", "reply_code", "error")
    for kind, verb, command, code, error in zip(*(rows[c] for c in columns), strict=True):
        after = _after(state, str(kind), verb, command, code, error)
        states.append(after)
        state = state if after is None else after
    told = rows.assign(
        state=pd.array([one and one.name for one in states], "string"),
        allowed=pd.array(
            [one and " ".join(allowed_verbs(one, protocol)) for one in states], "string"
        ),
    )
    return told.dropna(subset=["state"])[[*shown, "state", "allowed"]].reset_index(
        drop=True
    )


def _after(
    state: State, kind: str, verb: Any, command: Any, code: Any, error: Any
) -> State | None:
    """Give the state after a row; None = the row is no step of the machine."""
    if kind == "disconnect":
        return State.CLOSED
    if kind == "tls" and state is State.TLS and pd.isna(error):
        return TABLE[State.TLS, "HANDSHAKE"].success
    if kind not in ("greeting", "command") or pd.isna(code):
        return None
    if code == CLOSING:
        return State.CLOSED
    key = str(verb)
    if key == "AUTH" and state is State.AUTH:
        key = "RESPONSE"
    elif key == "BDAT" and str(command).upper().endswith(" LAST"):
        key = "BDAT LAST"
    after = TABLE.get((state, key))
    # Out of order, or against the protocol: the state stays.
    return state if after is None else after[int(str(code)[0]) - 2] or state
