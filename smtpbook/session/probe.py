"""Probe: go through a session as far as the login, and send nothing.

What is found is an event log like any other: name lookup, connection, greeting, EHLO, TLS,
EHLO again, AUTH, QUIT.  It is explained elsewhere (`insight.explain_probe`).
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields
from functools import partial
from typing import Any, Final

import trio

from smtpbook.accounts.account import Account
from smtpbook.accounts.helo import own_name
from smtpbook.accounts.timeouts import Timeouts
from smtpbook.certificates.certificate import certificate_facts
from smtpbook.errors import SMTPBookError
from smtpbook.events import COLUMNS, Event, Row, to_sink
from smtpbook.log.frame import Log, Recorder
from smtpbook.protocol.commands import Ehlo, StartTls, encode
from smtpbook.protocol.replies import NeedData, Reply, ReplyParser
from smtpbook.runner import SENDER, refuse_inside_trio
from smtpbook.session.login import is_wanted
from smtpbook.session.record import Record
from smtpbook.session.session import open_session
from smtpbook.transport.connect import connect
from smtpbook.transport.race import Address
from smtpbook.transport.stream import certificate_error, translated
from smtpbook.transport.tls_stream import TlsStream

PATIENCE_S: Final = 15.0
"""How long each phase may take: somebody is looking on."""

_KIND: Final = COLUMNS.index("kind")
_ERROR: Final = COLUMNS.index("error")
# What OpenSSL calls them: X509_V_ERR_… of x509_vfy.h.
_PROBLEMS: Final = {
    9: "not yet valid",
    10: "expired",
    18: "self-signed",
    19: "self-signed authority",
    20: "unknown authority",
    21: "unknown authority",
    62: "another name",
    64: "another name",
}


def probe(
    account: Account,
    *,
    patience_s: float = PATIENCE_S,
    on_event: Callable[[Event], None] | None = None,
) -> Log:
    """Try an account: connect, EHLO, TLS, login, QUIT; nothing is sent.

    Parameters
    ----------
    account : Account
        The login is left out where there is no user name, unless `auth` needs none.
    patience_s : float
        Seconds for each phase, where the account's own time limits are longer.
    on_event : callable, optional
        Called with each `Event` as it happens, in the sender's thread; must not block.

    Returns
    -------
    DataFrame
        Event log.  A failure is its last row, with the exception's class in ``error``; what
        a server does is never raised.  What has no column is in ``attrs``, as plain values:
        ``error`` (str, the failure in words), ``tls`` (the mode tried), ``addresses`` (what
        the name stands for: ``address`` and ``record``, A or AAAA), ``certificate`` (see
        `certificates.certificate`; with ``problem`` if it was not accepted).  pandas keeps
        attrs through a selection, and drops them when logs are joined; `write_log` keeps
        them in its file.

    Raises
    ------
    RuntimeError
        Called where trio runs: use `probe_async`.
    LocalProtocolError
        The password was to be typed, and there is nobody to ask.
    """
    refuse_inside_trio("probe_async")
    # A password that is typed is asked for on this thread.
    run = partial(probe_async, account.ask(), patience_s=patience_s, on_event=on_event)
    return SENDER.run(run)


async def probe_async(
    account: Account,
    *,
    patience_s: float = PATIENCE_S,
    on_event: Callable[[Event], None] | None = None,
) -> Log:
    """Do what `probe` does, inside a trio program."""
    account = account.replace(timeouts=no_longer_than(account.limits, patience_s))
    watch = _Watch(on_event)
    failure: SMTPBookError | None = None
    try:
        async with open_session(
            account, sink=watch, login=False, connector=watch.connect
        ) as session:
            if session.certificates:
                watch.facts["certificate"] = certificate_facts(session.certificates[0])
            if is_wanted(account):
                await session.log_in()
    except SMTPBookError as exc:
        failure = exc
    watch.finish(failure)
    if (problem := certificate_problem(failure)) is not None:
        certificate = await _shown_certificate(account, patience_s)
        known = {} if certificate is None else certificate_facts(certificate)
        watch.facts["certificate"] = known | {"problem": problem}
    log = watch.recorder.frame()
    log.attrs.update({"tls": account.tls}, **watch.facts)
    if failure is not None:
        log.attrs["error"] = str(failure)
    return log


class _Watch:
    """Takes the rows, and what they have no column for."""

    def __init__(self, on_event: Callable[[Event], None] | None) -> None:
        self.recorder = Recorder()
        self.facts: dict[str, Any] = {}
        self._show = None if on_event is None else to_sink(on_event)
        self._end: Row | None = None

    def __call__(self, row: Row) -> None:
        """Take a row: a `Sink`.  The last one waits for what is to be said in it."""
        if row[_KIND] == "disconnect":
            self._end = row
        else:
            self._take(row)

    def _take(self, row: Row) -> None:
        self.recorder.append(row)
        if self._show is not None:
            self._show(row)

    async def connect(self, account: Account, record: Record) -> trio.abc.Stream:
        """Connect, and note every address of the name: a `Connector`."""
        return await connect(account, record, on_found=self._found)

    def _found(self, addresses: list[Address]) -> None:
        self.facts["addresses"] = [
            {"address": str(place[0]), "record": "AAAA" if ":" in place[0] else "A"}
            for _, place in addresses
        ]

    def finish(self, failure: SMTPBookError | None) -> None:
        """Write the last row; after a refusal it says so, though QUIT went well."""
        if self._end is not None:
            error = self._end[_ERROR] or (failure and type(failure).__name__)
            self._take((*self._end[:_ERROR], error, *self._end[_ERROR + 1 :]))


def no_longer_than(limits: Timeouts, patience_s: float) -> Timeouts:
    """Give time limits for somebody who is looking on, in seconds for each phase."""
    names = [field.name for field in fields(Timeouts)]
    return Timeouts(**{name: min(getattr(limits, name), patience_s) for name in names})


def certificate_problem(failure: BaseException | None) -> str | None:
    """Say what OpenSSL found wrong with the certificate; None = something else failed.

    >>> certificate_problem(TimeoutError()) is None
    True
    """
    error = certificate_error(failure)
    if error is None:
        return None
    return _PROBLEMS.get(error.verify_code, error.verify_message)


async def _shown_certificate(account: Account, patience_s: float) -> bytes | None:
    """Connect once more, only to see the certificate that was not accepted.

    A handshake that fails does not give it out.  Nothing that is read here is believed, and
    nothing is said but what comes before TLS.
    """
    silent = Record(None, None, "", account, None, 0, trio.current_time())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with suppress(SMTPBookError), translated("looking at the certificate", patience_s):
        async with await connect(account, silent) as stream:
            if account.tls == "starttls":
                name = account.helo or own_name(stream.local_address)
                parser = ReplyParser()
                for octets in (b"", encode(Ehlo(name)), encode(StartTls())):
                    await stream.send_all(octets)
                    if (await _next_reply(stream, parser)).code >= 400:
                        return None
            secure = TlsStream(stream, context, server_hostname=account.host)
            await secure.do_handshake()
            certificate: bytes | None = secure.getpeercert(binary_form=True)
            return certificate
    return None


async def _next_reply(stream: trio.abc.Stream, parser: ReplyParser) -> Reply:
    while isinstance(reply := parser.next_reply(), NeedData):
        octets = await stream.receive_some()
        if not octets:
            raise trio.BrokenResourceError("the server has closed")
        parser.feed(octets)
    return reply
