"""Stepper: a session taken step by step, from any thread.

Theory of operation.  The session lives in the sender's thread, where a `HeldSession` keeps
it open until it is left; each step is a job there, and whoever takes it waits for that.  A
step is never endless: each phase has a time limit, and `stop` ends the wait.  To go back is
to begin anew and to say again what had been said; the server remembers what it remembers.

What is shown of a step, and how, is for the terminal and the widget to say.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Final, Protocol

from smtpbook.accounts.account import Account
from smtpbook.accounts.helo import own_name
from smtpbook.errors import LocalProtocolError, SMTPBookError, TransportError
from smtpbook.events import COLUMNS, Event, Row
from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab
from smtpbook.log.frame import Log, to_frame
from smtpbook.log.transcript import transcript
from smtpbook.protocol.commands import REDACTED
from smtpbook.protocol.states import State
from smtpbook.runner import SENDER, Job, refuse_inside_trio
from smtpbook.sasl import registry as sasl
from smtpbook.session.held import HeldSession
from smtpbook.session.probe import no_longer_than
from smtpbook.session.record import Record
from smtpbook.session.script import Line, Script
from smtpbook.session.session import Session
from smtpbook.stepping.ruling import rule
from smtpbook.stepping.situation import Situation, masked
from smtpbook.stepping.step import Step
from smtpbook.stepping.wire import Tap, Wire, octets_of
from smtpbook.transport.connect import connect

PATIENCE_S: Final = 30.0
"""How long each phase may take: somebody is looking on."""
_REMEMBERED: Final = 1000  # steps; a lesson has dozens


_KIND: Final = COLUMNS.index("kind")


class Reachable(Protocol):
    """What an account sends to: a lab server here, or in the process of a classroom."""

    @property
    def account(self) -> Account:
        """The account."""


Target = Account | Reachable


class Stepper:
    """A conversation with a server, a line at a time.

    Parameters
    ----------
    target : Account or Lab
        The server, or whatever has an ``account`` that sends to it, as a lab server of a
        classroom does.  A lab that has not been started is started, and stopped by `close`.
    patience_s : float
        Seconds for each phase, where the account's own time limits are longer.

    Raises
    ------
    TypeError
        `target` is neither.
    LocalProtocolError
        The password was to be typed, and there is nobody to ask.

    Attributes
    ----------
    account : Account
    lab : Lab or None
        The lab server at the other end, if it is one of this process.
    steps : list of Step
        Of the session that is open, or was last.
    on_end : callable or None
        Called in the sender's thread when the server hangs up while nobody waits for it.
    """

    def __init__(self, target: Target, *, patience_s: float = PATIENCE_S) -> None:
        self._owned: Lab | None = None
        if isinstance(target, Lab) and not target.port:
            self._owned = target.start()
        account = (
            target if isinstance(target, Account) else getattr(target, "account", None)
        )
        if not isinstance(account, Account):
            raise TypeError(f"takes an Account or a Lab, not {type(target).__name__}")
        self.lab = target if isinstance(target, Lab) else Lab.of(account)
        limits = no_longer_than(account.limits, patience_s)
        # A password that is typed is asked for on this thread.
        self.account = account.replace(timeouts=limits).ask()
        self.steps: list[Step] = []
        self.on_end: Callable[[], object] | None = None
        self._rows: list[Row] = []
        self._told = 0  # rows that a step has
        self._note = ""
        self._session: Session | None = None
        self._tap: Tap | None = None
        self._held: HeldSession | None = None
        self._job: Job[str] | Job[None] | None = None  # what the step waits for
        self._lock = threading.Lock()
        self._has_login = False  # a server may repeat what one said
        self._is_closed = False

    def __repr__(self) -> str:
        return f"<Stepper at {self.account.place}: {self.situation.state.name}>"

    # -- where it stands

    @property
    def situation(self) -> Situation:
        """Where the session stands now."""
        session = self._session
        if session is None:
            state = State.CLOSED if self.steps else State.CONNECTED
            return self._situation(state)
        if session.is_over:
            return self._situation(State.CLOSED)
        return self._of(session)

    def _situation(self, state: State) -> Situation:
        return Situation(state=state, protocol=self.account.protocol)

    def _of(self, session: Session) -> Situation:
        state = session.state
        since = 0
        for step in reversed(self.steps):
            if step.before.state is not State.DATA:
                break
            since += 1
        return Situation(
            state=state,
            protocol=self.account.protocol,
            extensions=session.extensions,
            is_secure=session.is_secure,
            is_authenticated=session.is_authenticated,
            wants_tls=self.account.tls in ("starttls", "opportunistic"),
            mechanism=self._mechanism(session),
            helo=self.account.helo or own_name("127.0.0.1"),
            is_done=any(step.takes_message for step in self.steps),
            mail_data_lines=since if state is State.DATA else 0,
        )

    def _mechanism(self, session: Session) -> str:
        """Give the mechanism an account would log in with here; "" = none."""
        account = self.account
        if account.username is None and account.auth.upper() not in sasl.WITHOUT_NAME:
            return ""
        with suppress(LocalProtocolError):
            return sasl.choose(
                account.auth,
                session.extensions.mechanisms,
                is_private=session.is_secure or account.is_loopback,
            )[0]
        return ""

    @property
    def is_open(self) -> bool:
        """Whether something can be said."""
        return self._session is not None and not self._session.is_over

    @property
    def is_busy(self) -> bool:
        """Whether a step is under way."""
        return self._lock.locked()

    @property
    def log(self) -> Log:
        """The session as an event log."""
        return to_frame(self._rows)

    @property
    def transcript(self) -> str:
        """The session as text, in the form deliverability people read."""
        return transcript(self.log)

    @property
    def script(self) -> Script:
        """What was said, to be played again; logins are filled in from the account."""
        lines = tuple(
            Line(text=one.line, chunk=one.chunk, expected=one.code, note=one.note)
            for one in self.steps[1:]
        )
        greeting = self.steps[0].code if self.steps else None
        return Script(greeting=greeting, lines=lines)

    # -- taking steps

    def start(self) -> Step:
        """Connect, and wait for the greeting; a session that is open is left first.

        Returns
        -------
        Step
            With an ``error`` if there was no greeting; a server's failures are not raised.

        Raises
        ------
        RuntimeError
            Called where trio runs, or another step is under way, or it is closed.
        """
        with self._turn():
            return self._start()

    def _start(self) -> Step:
        if self._is_closed:
            raise RuntimeError("this console is closed; open another")
        self._end()
        before = self._situation(State.CONNECTED)
        self.steps, self._rows, self._told = [], [], 0
        self._has_login, self._tap = False, None
        held = self._held = HeldSession(self.account, self._hear, connector=self._connect)
        self._job = held.life
        error = ""
        try:
            self._session = held.opened()
        except CancelledError:
            error = _STOPPED
        except SMTPBookError as exc:
            error = str(exc)
        finally:
            self._job = None
        return self._take(Line(text=""), before, error, is_greeting=True)

    def say(self, line: str, *, chunk: bytes = b"") -> Step:
        """Say a line and wait for what comes of it.

        Returns
        -------
        Step
            With an ``error`` where no reply came; then the session is over.

        Raises
        ------
        LocalProtocolError
            The line would break the conversation's framing, or a login cannot be filled
            in; nothing was said.
        TransportError
            There is no session, or it is over.
        RuntimeError
            Called where trio runs, or another step is under way.
        """
        with self._turn():
            return self._say(Line(text=line, chunk=chunk))

    def _say(self, line: Line) -> Step:
        session = self._session
        if session is None or session.is_over:
            raise TransportError("there is no session; start it again")
        before = self._of(session)
        job = self._job = SENDER.start(self._speak, session, line)
        try:
            error = job.result()
        except CancelledError:
            error = _STOPPED
            self._drop()
        except KeyboardInterrupt:
            job.cancel()
            self._drop()
            raise
        finally:
            self._job = None
        return self._take(line, before, error)

    def say_block(self, text: str) -> list[Step]:
        """Say mail data as a client does: line by line, dots doubled, the lone dot behind.

        Raises
        ------
        LocalProtocolError, TransportError, RuntimeError
            As `say`.
        """
        lines = text.removesuffix("\n").split("\n") if text else []
        doubled = [f".{one}" if one.startswith(".") else one for one in lines]
        with self._turn():
            return [self._say(Line(text=one.rstrip("\r"))) for one in (*doubled, ".")]

    def go_back(self, count: int) -> list[Step]:
        """Begin anew, and say again the first so many lines of what was said.

        Returns
        -------
        list of Step
            The new ones, from the greeting.  They may be fewer: it ends where the session
            does.

        Raises
        ------
        LocalProtocolError, TransportError, RuntimeError
            As `say`.
        """
        lines = self.script.lines[: max(count, 0)]
        return self.play(Script(lines=lines))

    def play(self, script: Script | str) -> list[Step]:
        """Begin anew, and say what a script says.

        Raises
        ------
        ValueError
            It is no script; nothing was said.
        LocalProtocolError, TransportError, RuntimeError
            As `say`.
        """
        read = Script.parse(script) if isinstance(script, str) else script
        with self._turn():
            self._note = ""
            steps = [self._start()]
            for line in read.lines:
                if not self.is_open:
                    break
                self._note = line.note
                steps.append(self._say(line))
            return steps

    def fault(
        self, place: str, behaviour: Behaviour, recipients: str | None = None
    ) -> None:
        """Have the lab server behave otherwise from now on; see `Lab.set`.

        Raises
        ------
        RuntimeError
            The server is no lab server of this process.
        ValueError
            There is no such place.
        """
        if self.lab is None:
            raise RuntimeError("the server is no lab server of this process")
        self.lab.set(recipients, **{place.lower().replace("-", "_"): behaviour})
        self._note = "\n".join(
            filter(None, [self._note, _as_code(place, behaviour, recipients)])
        )

    def stop(self) -> None:
        """Stop waiting for the reply, from another thread; the session is then over."""
        job = self._job
        if job is not None:
            job.cancel()

    def close(self) -> None:
        """Leave: QUIT if it can be said, and the connection is closed; for good."""
        if self._is_closed:
            return
        self._is_closed = True
        if self.is_busy:
            self.stop()
        self._end()
        if self._owned is not None:
            self._owned.stop()

    # -- in whatever thread

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Hold the console for one who takes a step."""
        refuse_inside_trio("Session.command")
        if not self._lock.acquire(blocking=False):
            raise RuntimeError("a step is under way; stop it, or wait")
        try:
            yield
        finally:
            self._lock.release()

    def _take(
        self, line: Line, before: Situation, error: str, *, is_greeting: bool = False
    ) -> Step:
        """Put a step together of what has happened since the last."""
        rows, self._told = self._rows[self._told :], len(self._rows)
        events = tuple(map(Event.from_row, rows))
        shown = masked(before.state, line.text)
        self._has_login |= before.state is State.AUTH or REDACTED in shown
        step = Step(
            line=shown,
            chunk=line.chunk,
            before=before,
            after=before,
            ruling=None if is_greeting else rule(before, line.text),
            events=events,
            wire=self._wire(shown, line.chunk, events, is_greeting=is_greeting),
            error=error,
            note=self._note,
        )
        self._note = ""
        self.steps.append(step)
        step = self.steps[-1] = replace(step, after=self.situation)
        if len(self.steps) > _REMEMBERED:
            raise RuntimeError(f"more than {_REMEMBERED} steps; start again")
        return step

    def _wire(
        self, line: str, chunk: bytes, events: tuple[Event, ...], *, is_greeting: bool
    ) -> Wire:
        if self._tap is None:
            return Wire()
        sent, received = self._tap.take()
        said = b"" if is_greeting else f"{line}\r\n".encode() + chunk
        in_clear = [event for event in events if event.kind in ("command", "greeting")]
        is_sealed = any(event.tls_version is not None for event in events)
        if not is_sealed:
            shown = octets_of(events) if self._has_login else received
            return Wire(sent=said, received=shown)
        begins = any(event.verb == "STARTTLS" for event in in_clear)
        first = len(said) if begins else 0
        heard = sum(event.bytes_received or 0 for event in in_clear) if begins else 0
        return Wire(
            sent=said,
            received=octets_of(events),
            sealed_sent=sent[first:],
            sealed_received=received[heard:],
        )

    def _drop(self) -> None:
        """End the connection at once: nobody can go on after half an exchange."""
        if self._held is not None:
            self._held.drop()
        self._session = None

    def _end(self) -> None:
        """Leave the session that is open, politely, and wait until it has ended."""
        held, self._held = self._held, None
        if held is not None:
            held.leave()
        self._session = None

    # -- in the sender's thread

    def _hear(self, row: Row) -> None:
        """Keep a row: a `Sink`."""
        self._rows.append(row)
        is_asked = self.is_busy or self._held is None
        if row[_KIND] == "disconnect" and not is_asked and self.on_end is not None:
            self.on_end()

    async def _connect(self, account: Account, record: Record) -> Tap:
        self._tap = Tap(await connect(account, record))
        return self._tap

    async def _speak(self, session: Session, line: Line) -> str:
        """Say a line; give why there was no reply, "" = there was."""
        try:
            await session.command(line.text, chunk=line.chunk)
        except LocalProtocolError:
            raise
        except SMTPBookError as exc:
            if not session.is_over:
                raise
            return str(exc)
        return ""


_STOPPED: Final = "nobody waits any longer for the reply; the connection was dropped"


def _as_code(place: str, behaviour: Behaviour, recipients: str | None) -> str:
    """Write what was done to a lab server as the call that does it."""
    name = place.lower().replace("-", "_")
    ordinary = Behaviour()
    fields: Sequence[str] = [
        f"{key}={value!r}"
        for key in ("reply", "delay_s", "drop", "close", "times", "probability")
        if (value := getattr(behaviour, key)) != getattr(ordinary, key)
    ]
    who = "" if recipients is None else f"{recipients!r}, "
    return f"lab.set({who}{name}=sb.Behaviour({', '.join(fields)}))"
