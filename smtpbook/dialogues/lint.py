"""Lint: what is wrong with the conversations of a log, row by row.

Whoever wrote the log, its commands and replies are followed through the table of states,
and what breaks a rule of `lint_rules` is told.  What cannot be seen is not claimed: where a
dialogue begins in the middle, order is judged only from where it is known.

Theory of operation: two states are kept.  ``state`` is what the replies so far have come
to; ``ahead`` is what the client had to expect when it wrote, which within a group of
pipelined commands is that all of those before succeed.  A command is judged by ``ahead``, a
reply by ``state``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

import pandas as pd

from smtpbook.codes.faults import faults_of_command, faults_of_reply
from smtpbook.dialogues.lint_rules import (
    RULES,
    Lapse,
    lapses_of_extensions,
    lapses_of_line,
    lapses_of_reply,
)
from smtpbook.events import CLEAR_TEXT
from smtpbook.log.frame import require_columns
from smtpbook.protocol.commands import REDACTED
from smtpbook.protocol.connection import CLOSING, LAST_IN_GROUP
from smtpbook.protocol.extensions import NO_EXTENSIONS, Extensions
from smtpbook.protocol.replies import Reply
from smtpbook.protocol.states import ONLY_PIPELINED, TABLE, VERBS, State, out_of_order
from smtpbook.protocol.verdicts import ENDS
from smtpbook.sasl.registry import MECHANISMS, sends_secret


class _Said(NamedTuple):
    """One row of the log: the columns that are looked at; None = null.

    ``verb`` (str) and ``reply_code`` (int) are null on rows of some kinds only.
    """

    session_id: str | None
    transaction_id: str | None
    seq: int
    time: Any
    kind: str
    verb: Any
    command: str | None
    reply_code: Any
    reply_text: str | None
    pipelined: int | None
    bytes_sent: int | None
    port: int | None
    error: str | None


_COLUMNS: Final = _Said._fields
_DTYPES: Final[dict[str, Any]] = {
    "session_id": "string",
    "seq": "int32",
    "time": "datetime64[us, UTC]",
    "verb": "string",
    "rule": pd.CategoricalDtype(list(RULES)),
    "severity": pd.CategoricalDtype(["warn", "error"], ordered=True),
    "by": pd.CategoricalDtype(["client", "server"]),
    "message": "string",
    "source": "string",
}
_IMPLICIT_TLS: Final = 465  # RFC 8314 section 7.3: submissions
_HELLOS: Final = frozenset({"EHLO", "HELO", "LHLO"})
_STARTS: Final = frozenset({"MAIL", "SEND", "SOML", "SAML"})
_TRANSACTION: Final = frozenset({State.MAIL, State.RCPT, State.CHUNKS})
# Where a dialogue begins in the middle, what a success brings about.
_KNOWN_AFTER: Final = {
    **dict.fromkeys(("EHLO", "HELO", "LHLO", "RSET"), State.READY),
    **dict.fromkeys(_STARTS, State.MAIL),
    **{"RCPT": State.RCPT, "BDAT": State.CHUNKS, "STARTTLS": State.TLS},
}


def lint_dialogue(log: pd.DataFrame) -> pd.DataFrame:
    """Find protocol errors in every conversation of a log.

    Parameters
    ----------
    log : DataFrame
        Event log, of our own sending or of any dialogue that `read_log` reads.

    Returns
    -------
    DataFrame
        One row for each fault, in the order of the log: ``session_id``, ``seq`` and
        ``time`` of the row it is found in (``time`` is null in logs without times); its
        ``verb`` (null = it has none); the ``rule`` broken; its ``severity`` (``error``:
        a standard forbids it; ``warn``: it loses something, or is advised against); ``by``
        whom, client or server; a ``message`` in words; the ``source`` it is written in.
        Empty = nothing is wrong with what can be seen.

    Raises
    ------
    ColumnError
        The log lacks a column.

    Examples
    --------
    >>> from smtpbook.events import Event
    >>> from smtpbook.log.frame import to_frame
    >>> said = [("GREETING", 220), ("EHLO", 250), ("RCPT", 503)]
    >>> rows = [
    ...     Event(
    ...         kind="greeting" if verb == "GREETING" else "command", verb=verb, seq=seq,
    ...         command=f"{verb} TO:<ann@example.org>", reply_code=code, reply_text="ok",
    ...     ).to_row()
    ...     for seq, (verb, code) in enumerate(said)
    ... ]
    >>> lint_dialogue(to_frame(rows))[["seq", "verb", "rule", "severity", "by"]]
       seq  verb          rule severity      by
    0    2  RCPT  out_of_order    error  client

    References
    ----------
    RFC 5321 sections 3, 4.1.4, 4.2, 4.3.2, 4.5.3; RFC 2920, 3030, 3207, 4954.
    """
    require_columns(log, *_COLUMNS)
    found: list[tuple[Any, ...]] = []
    for session in _sessions(log):
        checker = _Checker()
        for row in session:
            for name, message in checker.check(row):
                rule = RULES[name]
                place = (row.session_id, row.seq, row.time, row.verb)
                found.append((*place, name, rule.severity, rule.by, message, rule.source))
    columns = list(zip(*found, strict=True)) or [()] * len(_DTYPES)
    return pd.DataFrame(
        {
            name: pd.Series(list(column), dtype=dtype)
            for (name, dtype), column in zip(_DTYPES.items(), columns, strict=True)
        }
    )


def _sessions(log: pd.DataFrame) -> Iterable[list[_Said]]:
    """Give the rows of each session that tell what was said, with None for null."""
    rows = log[(log["kind"] != "outcome").to_numpy(bool)]
    columns = (rows[name] for name in _COLUMNS)
    cells = [one.astype(object).where(one.notna(), None).tolist() for one in columns]
    sessions: dict[str | None, list[_Said]] = {}
    for said in map(_Said, *cells):
        sessions.setdefault(said.session_id, []).append(said)
    for session in sessions.values():
        session.sort(key=lambda said: said.seq)
    return sessions.values()


class _Checker:
    """Follows one conversation."""

    def __init__(self) -> None:
        self._state: State | None = None  # None = not known
        self._ahead: State | None = None
        self._offered: Extensions | None = None
        self._accepted: int | None = None
        self._group: int | None = None
        self._before: str | None = None  # the command before, in the same group
        self._ended: tuple[str, str] | None = None  # end of mail data that is answered
        self._is_refused = self._is_tls = self._is_logged_in = False
        self._is_closing = self._has_quit = self._is_first = False
        self._is_dark = False  # nothing was seen since TLS began

    def check(self, row: _Said) -> Iterator[Lapse]:
        """Find what is wrong with one row."""
        match row.kind:
            case "connect":
                self._is_tls = row.port == _IMPLICIT_TLS
            case "tls" if row.error is None and row.command != CLEAR_TEXT:
                self._begin_tls()
            case "greeting":
                self._state = State.CONNECTED
                yield from self._reply("GREETING", row)
            case "data":
                if "\n" in (row.command or ""):
                    yield "bare_lf", "mail data has a line that ends in LF alone"
            case "disconnect":
                yield from self._disconnect(row)
            case "command" if row.verb is None:
                if row.reply_code == CLOSING:
                    self._close()
                elif row.reply_code is not None and self._state is not None:
                    yield "reply_unasked", f"{row.reply_code} answers no command"
            case "command":
                yield from self._command(row)

    def _begin_tls(self) -> None:
        self._is_tls = self._is_dark = True
        if self._state is State.TLS:
            self._state = State.GREETED
            self._offered, self._is_logged_in = NO_EXTENSIONS, False

    def _close(self) -> None:
        self._state, self._is_closing = State.CLOSED, True

    def _disconnect(self, row: _Said) -> Iterator[Lapse]:
        is_known = self._state not in (None, State.CLOSED) and not self._is_dark
        if is_known and row.error is None and not self._has_quit:
            yield "quit_missing", "the connection is closed without QUIT"

    def _command(self, row: _Said) -> Iterator[Lapse]:
        verb, line = row.verb, row.command or ""
        key, self._is_dark = _key(verb, line), False
        ended = (key, row.transaction_id) if row.transaction_id else None
        if key in ENDS and ended is not None and ended == self._ended:
            # One more recipient's reply to the same end of mail data (RFC 2033).
            is_allowed = row.reply_code is None or row.reply_code // 100 != 3
            yield from self._checked_reply(verb, row, is_allowed=is_allowed)
            return
        self._ended = ended if key in ENDS else None
        yield from self._grouping(verb, row)
        for fault in faults_of_command(verb):
            yield fault.rule, fault.message
        if key != "RESPONSE" and row.command is not None:
            yield from lapses_of_line(verb, line, row.bytes_sent)
            if self._offered is not None and self._ahead is not State.GREETED:
                yield from lapses_of_extensions(verb, line, self._offered)
        yield from self._order(verb, key, row)
        if key == "AUTH":
            yield from self._login(line)
        if verb == "STARTTLS" and self._is_tls:
            yield "starttls_twice", "STARTTLS is said although TLS is in use"
        self._has_quit |= verb == "QUIT"
        after = TABLE.get((self._ahead, key)) if self._ahead else None
        if after is not None:
            self._ahead = after.success or after.intermediate or self._ahead
        yield from self._reply(key, row)

    # -- what the client wrote

    def _grouping(self, verb: str, row: _Said) -> Iterator[Lapse]:
        """Look at what was written in one go, and set what the client had to expect."""
        is_same = row.pipelined is not None and row.pipelined == self._group
        self._group = row.pipelined
        if not is_same:
            self._ahead, self._before, self._is_first = self._state, verb, True
            return
        before, self._before = self._before, verb
        if before in LAST_IN_GROUP:
            yield (
                "not_last_in_group",
                f"{verb} is written behind {before} without awaiting its reply",
            )
        offered = self._offered
        if self._is_first and offered is not None and not offered.has_pipelining:
            yield (
                "pipelining_not_offered",
                f"{verb} is written before the reply to {before}, and the server has not "
                f"offered PIPELINING",
            )
        self._is_first = False

    def _order(self, verb: str, key: str, row: _Said) -> Iterator[Lapse]:
        ahead = self._ahead
        if ahead is None or key not in VERBS:
            return
        if verb in _HELLOS and ahead in _TRANSACTION:
            yield "hello_in_transaction", f"{verb} gives up the transaction that is open"
        step = (ahead, key)
        if step in ONLY_PIPELINED:
            # What is said of a 354 there stands in `codes.faults`.
            if self._accepted == 0 and row.reply_code != 354:
                yield "data_without_recipient", "DATA is said although no RCPT was accepted"
        elif step not in TABLE:
            yield self._lapse_of_order(verb, ahead)

    def _lapse_of_order(self, verb: str, ahead: State) -> Lapse:
        if ahead is State.CLOSED:
            if self._is_closing:
                return "after_closing", f"{verb} is said after the server's 421"
            return "after_quit", f"{verb} is said after QUIT"
        if ahead is State.REFUSED:
            return "after_refusal", f"{verb} is said to a server whose greeting refused"
        if ahead is State.GREETED:
            return "hello_missing", f"{verb} is said before EHLO or HELO has succeeded"
        if verb in _STARTS and ahead in _TRANSACTION:
            if self._is_refused:
                return "rset_missing", f"{verb} is said, and RSET had to come before it"
            return "nested_mail", f"{verb} is said while a transaction is open"
        if verb == "AUTH" and ahead in _TRANSACTION:
            return "auth_in_transaction", "AUTH is said while a transaction is open"
        return "out_of_order", f"{verb} is said out of order ({ahead.value})"

    def _login(self, line: str) -> Iterator[Lapse]:
        words = line.split()
        mechanism = words[1].upper() if len(words) > 1 else ""
        if self._is_logged_in:
            yield "auth_twice", "AUTH is said again after it succeeded"
        if not self._is_tls and mechanism in MECHANISMS and sends_secret(mechanism):
            yield (
                "auth_in_clear",
                f"AUTH {mechanism} sends the password or token readable, without TLS",
            )

    # -- what the server said

    def _reply(self, key: str, row: _Said) -> Iterator[Lapse]:
        code = row.reply_code
        if code is None:
            return
        digit, verb, before = code // 100, row.verb, self._state
        target = self._target(key, verb, digit)
        if code == CLOSING:
            self._close()
        elif target is not None:
            self._state = target
        is_allowed = target is not None or code == CLOSING or before is None
        yield from self._checked_reply(verb, row, is_allowed=is_allowed)
        self._learn(key, digit, row)

    def _target(self, key: str, verb: str, digit: int) -> State | None:
        """Give the state after the reply; None = not known, or the reply cannot be."""
        state = self._state
        if state is None:
            if digit == 3:
                return State.DATA if verb == "DATA" else None
            if key in ENDS:
                return State.READY
            return _KNOWN_AFTER.get(verb) if digit == 2 else None
        after = TABLE.get((state, key))
        if after is None:
            return out_of_order(state, verb, digit)
        return after[digit - 2]

    def _checked_reply(self, verb: str, row: _Said, *, is_allowed: bool) -> Iterator[Lapse]:
        code, text = row.reply_code, row.reply_text or ""
        if code is None:
            return
        is_broken = row.error == "RemoteProtocolError"
        yield from lapses_of_reply(
            verb, code, text, is_allowed=is_allowed, is_broken=is_broken
        )
        for fault in faults_of_reply(verb, Reply.of(code, text), self._accepted):
            yield fault.rule, fault.message

    def _learn(self, key: str, digit: int, row: _Said) -> None:
        """Keep what a reply says of the transaction, and of the server."""
        verb = row.verb
        if digit >= 4 and verb in ("RCPT", "DATA", "BDAT"):
            self._is_refused = True
        if key in ENDS:
            self._accepted = None
        elif digit != 2:
            return
        elif verb in _STARTS:
            self._accepted, self._is_refused = 0, False
        elif verb == "RCPT" and self._accepted is not None:
            self._accepted += 1
        elif verb == "RSET" or verb in _HELLOS:
            self._accepted = None
        if digit == 2 and verb in ("EHLO", "LHLO"):
            self._offered = Extensions.from_reply(
                Reply.of(row.reply_code, row.reply_text or "")
            )
        elif digit == 2 and verb in ("HELO", "XCLIENT"):
            self._offered = NO_EXTENSIONS
            self._is_logged_in &= verb == "HELO"
        elif digit == 2 and verb == "AUTH":
            self._is_logged_in = True


def _key(verb: str, line: str) -> str:
    """Give a command's name in the table of states."""
    if verb == "BDAT" and line.upper().endswith(" LAST"):
        return "BDAT LAST"
    if verb == "AUTH" and line in (REDACTED, "*"):
        return "RESPONSE"
    return verb
