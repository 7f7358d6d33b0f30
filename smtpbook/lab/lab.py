"""Lab: start and stop the lab server, say how it behaves, see what it got.

It runs in a thread of its own with its own trio loop, so it answers while the notebook
computes; or in a trio loop that is there, with its clock.  The conversations themselves are
`server`'s, the web page `web`'s.
"""

from __future__ import annotations

import ssl
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import trio
import trustme

from smtpbook.accounts.account import Account
from smtpbook.certificates.binding import tls_server_end_point
from smtpbook.errors import near_miss
from smtpbook.events import Event, Row, to_sink
from smtpbook.lab.behaviours import Behaviour, Rule
from smtpbook.lab.received import Maildir, Received
from smtpbook.lab.rules import Rules
from smtpbook.lab.scenarios import Scenario
from smtpbook.lab.scenarios import scenario as find_scenario
from smtpbook.lab.server import Conversation, Shared
from smtpbook.lab.web import Desk, serve_pages
from smtpbook.log.frame import Log, Recorder
from smtpbook.protocol.verdicts import PROTOCOLS, Protocol
from smtpbook.runner import Job, TrioThread

_THREAD: Final = TrioThread("smtpbook lab")
_RUNNING: Final[dict[int, Lab]] = {}  # in this process, by port
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


class Lab:
    """A real SMTP (or LMTP) server on loopback, for demos, classes and tests.

    Parameters
    ----------
    scenario : str or Scenario
        How it behaves: ``"ordinary"``, ``"mixed-day"``, ``"greylisting"``, …; an unknown
        name gets the list.
    seed : int
        Chance is drawn from it: the same seed, the same replies.
    speed : float
        The scenario's times are divided by it: with 60, greylisting's five minutes are five
        seconds.  What is `set` takes the time it says.
    tls : {"none", "starttls"}, optional
        What `account` uses; default: ``"starttls"`` where the scenario is about it, else
        ``"none"``.  STARTTLS is offered either way unless the scenario says not.
    users : dict of str to str, optional
        User name to password (or token).  When given, a login is needed before MAIL, and
        `account` logs in as the first.  Who has a `client_certificate` may use EXTERNAL.
    port : int
        0 = any free one.
    host : str
        Of the loopback interface; nothing else is allowed.
    max_size_bytes : int
        The largest message it takes.
    protocol : {"smtp", "lmtp"}
        With LMTP, each recipient gets a reply of its own at the end of the mail data.
    extensions : sequence of str
        Offered in EHLO besides the scenario's, such as ``"DSN"`` or
        ``"FUTURERELEASE 86400 2030-01-01T00:00:00Z"``.  Their parameters are read and kept
        in `log`; nothing is done about them, but for PRDR.
    maildir : path, optional
        Each message is written there before it is accepted, for other programs to read.
    record : callable, optional
        Called with each `Event` as it happens, in the lab's thread; must not block.

    Raises
    ------
    ValueError
        No such scenario, port, TLS mode or protocol, or a host that others could reach.
    OSError
        The maildir cannot be made.

    Notes
    -----
    An address may ask for its own reply: ``550-5.1.1.bob@lab.test`` gets just that,
    ``450-4.7.1-2x.bob@lab.test`` twice, ``3s.bob@lab.test`` is slow, and
    ``lost-end.bob@lab.test`` is taken and its reply lost; see `smtpbook.lab.by_address`.

    Examples
    --------
    >>> with Lab("greylisting", seed=1, speed=60) as lab:
    ...     lab.account.port == lab.port
    True
    """

    def __init__(
        self,
        scenario: str | Scenario = "ordinary",
        *,
        seed: int = 0,
        speed: float = 1.0,
        tls: str | None = None,
        users: dict[str, str] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        max_size_bytes: int = 10 * 1024 * 1024,
        protocol: Protocol = "smtp",
        extensions: Sequence[str] = (),
        maildir: str | Path | None = None,
        record: Callable[[Event], None] | None = None,
    ) -> None:
        if host not in _LOOPBACK:
            raise ValueError(
                f"the lab server listens on loopback only ({', '.join(_LOOPBACK)}), not on "
                f"{host!r}: it accepts whatever it is told to"
            )
        if not 0 <= port <= 65535:
            raise ValueError(f"port={port!r} is not a number from 0 to 65535")
        if tls not in (None, "none", "starttls"):
            raise ValueError(f'tls={tls!r} is not one of "none", "starttls"')
        if protocol not in PROTOCOLS:
            raise ValueError(f"protocol={protocol!r} is not one of {', '.join(PROTOCOLS)}")
        found = find_scenario(scenario) if isinstance(scenario, str) else scenario
        self.scenario = replace(
            found if speed == 1 else found.faster(speed),
            extensions=(*found.extensions, *extensions),
        )
        self.port = port
        self._host = host
        self._tls = tls or ("starttls" if found.wants_tls else "none")
        self._recorder = Recorder()
        self._callback = None if record is None else to_sink(record)
        self._shared = Shared(
            scenario=self.scenario,
            rules=Rules(self.scenario.rules, seed),
            users=dict(found.users if users is None else users),
            record=self._record,
            max_size_bytes=max_size_bytes,
            protocol=protocol,
            seed=seed,
            keep=None if maildir is None else Maildir(maildir).add,
        )
        self._of_scenario = self._shared.rules.added
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._authority: trustme.CA | None = None
        self._job: Job[None] | None = None
        self._web: Job[None] | None = None
        self._url = ""

    def __repr__(self) -> str:
        where = f"{self._host}:{self.port}" if self._job is not None else "stopped"
        return f"<Lab {self.scenario.name!r}, {where}, {len(self.received)} messages>"

    # -- starting and stopping

    def start(self) -> Self:
        """Listen, and serve until `stop`; returns once the port is open."""
        if self._job is None:
            self._make_certificate()
            try:
                # A moment's wait for another thread: allowed where trio runs, too.
                listeners = _THREAD.start(self._open).result()
            except BaseException:
                self.stop()
                raise
            self.port = listeners[0].socket.getsockname()[1]
            self._job = _THREAD.start(self._serve, listeners)
            _RUNNING[self.port] = self
        return self

    def stop(self) -> None:
        """Close the ports and every connection; what was received stays readable."""
        jobs, self._job, self._web, self._url = (self._job, self._web), None, None, ""
        for job in jobs:
            if job is not None:
                job.cancel()
                with suppress(CancelledError):
                    job.result()
        if jobs[0] is not None:
            _RUNNING.pop(self.port, None)
        if self._folder is not None:
            self._folder.cleanup()

    def _make_certificate(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="smtpbook-lab-")
        authority = self._authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.ca_file))
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        # Who has a certificate of ours may show it; nobody must.
        authority.configure_trust(context)
        context.verify_mode = ssl.CERT_OPTIONAL
        until = datetime.now(UTC) - timedelta(days=1) if self.scenario.is_expired else None
        certificate = authority.issue_cert("localhost", "127.0.0.1", "::1", not_after=until)
        certificate.configure_cert(context)
        der = ssl.PEM_cert_to_DER_cert(certificate.cert_chain_pems[0].bytes().decode())
        self._shared.tls = context
        self._shared.binding = tls_server_end_point(der) or b""

    @property
    def ca_file(self) -> Path:
        """The authority that signed the server's certificate, as PEM; gone after `stop`."""
        if self._folder is None:
            raise RuntimeError("the lab server has not been started")
        return Path(self._folder.name) / "ca.pem"

    def client_certificate(self, username: str) -> Path:
        """Make a certificate by which a user logs in: AUTH EXTERNAL, under TLS.

        Parameters
        ----------
        username : str
            One of the lab's users.

        Returns
        -------
        Path
            PEM: certificate and key; gone after `stop`.

        Raises
        ------
        ValueError
            There is no such user.
        RuntimeError
            The lab server has not been started.

        Examples
        --------
        >>> with Lab("auth-zoo") as lab:
        ...     account = lab.account.replace(
        ...         auth="EXTERNAL", client_certificate=lab.client_certificate("ann")
        ...     )
        """
        users = self._shared.users
        if username not in users:
            hint = near_miss(username, users)
            raise ValueError(f"no user {username!r} of this lab{hint}; give users=")
        path = self.ca_file.with_name(f"client-{sorted(users).index(username)}.pem")
        assert self._authority is not None  # as `ca_file` found the folder
        made = self._authority.issue_cert("client.lab.test", common_name=username)
        made.private_key_and_cert_chain_pem.write_to_path(str(path))
        return path

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    async def _open(self, port: int | None = None) -> list[trio.SocketListener]:
        port = self.port if port is None else port
        try:
            return await trio.open_tcp_listeners(port, host=self._host)
        except OSError as exc:
            told = f"port {port} of {self._host}: {exc.strerror}; 0 takes any free one"
            raise OSError(exc.errno, told) from exc

    async def _serve(self, listeners: list[trio.SocketListener]) -> None:
        await trio.serve_listeners(self.converse, listeners)

    async def serve(
        self, *, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Serve in the trio loop that calls this, until cancelled; gives its port.

        Its clock is the loop's: with `trio.testing.MockClock`, five minutes of greylisting
        pass at once.  TLS and `account` need `start`.

        Examples
        --------
        ``port = await nursery.start(lab.serve)``
        """
        listeners = await self._open()
        self.port = listeners[0].socket.getsockname()[1]
        task_status.started(self.port)
        await self._serve(listeners)

    async def converse(self, stream: trio.abc.Stream) -> None:
        """Talk with one client over a stream that is there, until they part.

        As `serve`, for streams in memory.
        """
        await Conversation(self._shared, stream).run()

    # -- saying how it behaves

    def set(self, recipients: str | None = None, /, **places: Behaviour | None) -> None:
        """Have it behave otherwise from now on, the next command of open sessions included.

        Parameters
        ----------
        recipients : str, optional
            Whom it is for, with ``*`` and ``?``, such as ``"*@slow.example"``.
        **places : Behaviour
            By command: ``rcpt=``, ``end_of_data=``, ``greeting=``, …  What is set last
            comes first.  None takes back what was set for these recipients there.

        Raises
        ------
        ValueError
            There is no such command.
        TypeError
            Something else than a `Behaviour` is given.

        Examples
        --------
        ``lab.set(rcpt=sb.Behaviour(reply="450 4.2.0 Try later", times=2))``
        """
        for name, behaviour in places.items():
            if not isinstance(behaviour, Behaviour | None):
                raise TypeError(f"{name}= takes a Behaviour or None, not {behaviour!r}")
            place = name.upper().replace("_", "-")
            rule = Rule(place, recipients, behaviour or Behaviour())
            if behaviour is None:
                self._shared.rules.remove(place, recipients, since=self._of_scenario)
            else:
                self._shared.rules.add(rule)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """What it does otherwise than an ordinary server, by scenario and by `set`."""
        return self._shared.rules.rules

    @classmethod
    def of(cls, account: Account) -> Lab | None:
        """Give the lab of this process that an account sends to; None = there is none."""
        return _RUNNING.get(account.port) if account.is_lab else None

    # -- seeing what it got

    @property
    def account(self) -> Account:
        """An account that sends to this server."""
        username, password = next(iter(self._shared.users.items()), (None, None))
        return Account(
            host=self._host,
            protocol=self._shared.protocol,
            port=self.port,
            tls="starttls" if self._tls == "starttls" else "none",
            username=username,
            password=password,
            ca_file=self.ca_file,
            name="lab",
            is_lab=True,
        )

    @property
    def received(self) -> list[Received]:
        """The messages it accepted, in order."""
        return list(self._shared.received)

    def save_maildir(self, folder: str | Path) -> int:
        """Write the messages it accepted into a maildir, for a mail program to read.

        Parameters
        ----------
        folder : path
            Made if it is not there; what is in it already stays.

        Returns
        -------
        int
            How many.

        Raises
        ------
        OSError
            It cannot be written, or is a folder of other things.
        """
        return Maildir(folder).add_all(self.received)

    def web(self, port: int = 0) -> str:
        """Show what it accepted on a web page of this machine, and give its address.

        The page follows what comes in.  A message's HTML is shown in a frame that runs
        nothing and loads nothing.

        Parameters
        ----------
        port : int
            0 = any free one.  The page stays where it is once it is there.

        Raises
        ------
        RuntimeError
            The lab server is not running.
        OSError
            The port is taken.
        """
        if self._job is None:
            raise RuntimeError("the lab server is not running; start it before its page")
        if self._web is None:
            desk = Desk(
                title=self.scenario.name, received=self._shared.received, log=self._log_of
            )
            listeners = _THREAD.start(self._open, port).result()
            taken = listeners[0].socket.getsockname()[1]
            self._web = _THREAD.start(serve_pages, listeners, desk)
            host = f"[{self._host}]" if ":" in self._host else self._host
            self._url = f"http://{host}:{taken}/"
        return self._url

    @property
    def outcomes(self) -> dict[str, str]:
        """Recipient to accepted, deferred or rejected: its last word on each."""
        return dict(self._shared.outcomes)

    @property
    def counts(self) -> Counter[str]:
        """How many addresses it accepted, deferred and rejected, by its last word on each.

        Each counts once, however many messages it was given; `received` has them all.
        """
        return Counter(self.outcomes.values())

    @property
    def log(self) -> Log:
        """The server's side of every conversation, as an event log (``source`` is lab)."""
        return self._recorder.frame()

    def clear(self) -> None:
        """Forget what it got: messages, outcomes and log; how it behaves stays.

        What its rules have counted stays, too, and sessions and messages are numbered on.
        """
        self._shared.received.clear()
        self._shared.outcomes.clear()
        self._recorder = Recorder()

    def _log_of(self, session_id: str) -> Log:
        log = self.log
        return log[log["session_id"] == session_id]

    def _record(self, row: Row) -> None:
        self._recorder.append(row)
        if self._callback is not None:
            self._callback(row)
