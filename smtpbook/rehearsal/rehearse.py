"""Rehearse: run a delivery on virtual time, in a thread of its own.

What it is against is a `ServerModel`, what it comes to a `Rehearsal`; whom it is for, and
with which settings, is the campaign's to say.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, Final

import trio

from smtpbook import progress as progress_displays
from smtpbook.accounts.account import Account
from smtpbook.delivery.arms import Letters
from smtpbook.delivery.delivery import Delivery
from smtpbook.delivery.outbox import outcome_row
from smtpbook.delivery.settings import Settings, Show
from smtpbook.direct.delivery import delivery_by
from smtpbook.errors import SendStopped, TemplateError
from smtpbook.escape import visible
from smtpbook.lab.lab import Lab
from smtpbook.lab.scenarios import Scenario
from smtpbook.ledger.books import Books
from smtpbook.ledger.choosing import Chosen
from smtpbook.messages.template import Template
from smtpbook.pacing.pace import Pacer
from smtpbook.protocol.message import Message
from smtpbook.rehearsal.answers import Answers
from smtpbook.rehearsal.clock import Sleeper, VirtualClock, VirtualWall
from smtpbook.rehearsal.domains import EveryDomain
from smtpbook.rehearsal.fit import learnt
from smtpbook.rehearsal.link import Link
from smtpbook.rehearsal.model import ORDINARY, ServerModel
from smtpbook.rehearsal.rehearsal import Rehearsal
from smtpbook.runner import refuse_inside_trio
from smtpbook.session.record import Record

_GRACE_S: Final = 10.0  # of real time, after a stop


def servers_for(
    accounts: Iterable[Account],
    server: str | Scenario | Lab | ServerModel | None,
    events: Path | None,
) -> dict[Account, ServerModel]:
    """Choose the server that each account is to send to.

    Parameters
    ----------
    accounts : iterable of Account
    server : str, Scenario, Lab or ServerModel, optional
        What was asked for, for all of them.  Default: the lab of an account, or what the
        logs tell, or what is assumed.
    events : Path, optional
        Where the logs of earlier sends are kept, from which to learn.

    Raises
    ------
    ValueError
        There is no such scenario.
    """
    if server is not None:
        return dict.fromkeys(accounts, ServerModel.of(server))
    known = (None if events is None else learnt(events)) or ORDINARY
    return {
        one: ServerModel.of(Lab.of(one) or "ordinary") if one.is_lab else known
        for one in accounts
    }


def rehearse(
    name: str,
    books: Books,
    chosen: Chosen,
    letter: Template,
    accounts: Mapping[Account, float],
    settings: Settings,
    servers: Mapping[Account, ServerModel],
    *,
    seed: int,
    campaign_id: str,
    is_whole: bool,
    progress: bool,
) -> Rehearsal:
    """Rehearse one send.

    Parameters
    ----------
    name : str
        The campaign's.
    books : Books
        A draft: they are changed.
    chosen : Chosen
        Of those books.
    letter : Template
        It is not signed: that would need keys, and takes no server's time.  Its options are
        left out: whether the server offers them is not known.
    accounts : mapping of Account to float
        With their shares.  No password is asked for; TLS and the login are left out of the
        dialogue, the time that TLS takes is not.  LMTP is rehearsed as SMTP.
    settings : Settings
    servers : mapping of Account to ServerModel
        What each account sends to.
    seed : int
        The same seed, the same rehearsal.
    campaign_id : str
    is_whole : bool
        Name the suppressed, too.
    progress : bool

    Raises
    ------
    TemplateError
        A row cannot be rendered.
    SendStopped
        Interrupted; ``.run`` holds what was rehearsed.
    TransportError, ReplyError
        The first connection could not be opened.
    """
    refuse_inside_trio("await trio.to_thread.run_sync(campaign.rehearse)")
    if settings.arms is not None:
        settings = replace(settings, arms=settings.arms.without_tls())
    strict = _Strict(settings.letters(letter.replace(sign=(), options=None)))
    now, earliest = datetime.now(UTC), settings.pace.not_before
    began = now if earliest is None else max(now, earliest)
    clock = VirtualClock()
    against = ", ".join(dict.fromkeys(model.name for model in servers.values()))
    run = Rehearsal(name, against, began, clock.current_time)
    connector = _Connector(clock, run, seed)
    display = progress_displays.show("rehearsing", len(chosen), progress=progress)
    delivery = delivery_by(accounts)(
        books,
        chosen,
        strict,
        {connector.to(one, servers[one]): share for one, share in accounts.items()},
        settings,
        pacer=Pacer(settings.pace),
        clock=VirtualWall(clock, began),
        campaign_id=campaign_id,
        run=run,
        display=display,
        connector=connector,
    )
    strict.stop = delivery.stop
    try:
        _run_in_thread(delivery, clock, run)
        if strict.error is not None:
            raise strict.error
    finally:
        display.close()
        for entry in books.suppressed() if is_whole else ():
            account = next(iter(accounts))
            run.note(outcome_row(entry, "suppressed", campaign_id, account))
    return run


class _Strict:
    """A letter that ends the rehearsal at the first recipient whom it does not suit.

    A send is told so before it begins.  Message-IDs count up, so that they are the same
    each time.
    """

    def __init__(self, letter: Template | Letters) -> None:
        self.error: TemplateError | None = None
        self.stop: Callable[[], None] = lambda: None
        self._letter = letter
        self._numbers = count(1)

    def render(self, row: Mapping[str, Any], *, message_id: str | None) -> Message:
        try:
            return self._letter.render(row, message_id=message_id or self._next_id())
        except TemplateError as exc:
            raise self._misfit(str(row.get("email")), exc) from exc

    def render_together(
        self, addresses: Iterable[str], *, show: Show, message_id: str | None
    ) -> Message:
        whom = list(addresses)
        try:
            return self._letter.render_together(
                whom, show=show, message_id=message_id or self._next_id()
            )
        except TemplateError as exc:
            raise self._misfit(whom[0], exc) from exc

    def _next_id(self) -> str:
        return f"<{next(self._numbers)}@rehearsal.invalid>"

    def _misfit(self, address: str, error: TemplateError) -> TemplateError:
        self.error = TemplateError(f"message to {visible(address)}: {error}")
        self.stop()
        return self.error


class _Connector:
    """Gives sessions their links: a `smtpbook.session.record.Connector`."""

    def __init__(self, clock: VirtualClock, run: Rehearsal, seed: int) -> None:
        self._clock, self._run, self._seed = clock, run, seed
        self._servers: dict[tuple[str, int], tuple[Answers, bool]] = {}

    def to(self, account: Account, model: ServerModel) -> Account:
        """Let an account's sessions come to a modelled server; give what opens them."""
        answers = Answers(model, self._seed)
        place = account.host, account.port
        self._servers.setdefault(place, (answers, account.tls != "none"))
        relay = account.relay
        if relay is not None:  # each domain has a server like the one that is modelled
            relay = replace(relay, zone=EveryDomain(), policies=None, ports={})
        return account.replace(
            protocol="smtp",
            tls="none",
            port=account.port,
            username=None,
            password=None,
            proxy=None,
            client_certificate=None,
            pin=(),
            name=account.name,
            relay=relay,
        )

    async def __call__(self, account: Account, record: Record) -> Link:
        """Connect, in virtual time."""
        place = account.host, account.port
        answers, is_secure = self._servers.get(place) or self._servers["", account.port]
        name = self._run.next_session()
        now = self._clock.now
        record.pretend(name, self._run.microseconds(now), now, source="rehearsal")
        chance = answers.chance(name)
        await self._note("connect", answers.round_trip_s(chance), record)
        if is_secure:
            await self._note("tls", answers.tls_s(chance), record)
        return Link(answers, self._clock, name)

    async def _note(self, kind: str, took_s: float, record: Record) -> None:
        began = self._clock.now
        await Sleeper(self._clock).sleep(began + took_s)
        record.note(kind, began, took_s=took_s)


@dataclass(slots=True)
class _Stage:
    """Where a rehearsal runs: what another thread needs to stop it."""

    token: trio.lowlevel.TrioToken | None = None

    def call(self, function: Callable[[], object]) -> None:
        if self.token is not None:
            with suppress(trio.RunFinishedError):
                self.token.run_sync_soon(function)


def _run_in_thread(delivery: Delivery, clock: VirtualClock, run: Rehearsal) -> None:
    """Run it to its end; an interrupt stops it as it would a send."""
    stage, done = _Stage(), Future[None]()

    async def main() -> None:
        stage.token = trio.lowlevel.current_trio_token()
        try:
            await delivery.run()
        finally:
            run.took_s = trio.current_time()

    def perform() -> None:
        try:
            trio.run(main, clock=clock)
        except BaseException as exc:
            done.set_exception(exc)
        else:
            done.set_result(None)

    # What is printed lands in the cell that asked for it.
    context = contextvars.copy_context()
    threading.Thread(
        target=context.run, args=(perform,), name="smtpbook rehearsal", daemon=True
    ).start()
    try:
        done.result()
    except BaseException as exc:
        if done.done() and done.exception() is exc:
            raise
        stage.call(delivery.stop)
        with suppress(BaseException):
            done.exception(timeout=_GRACE_S)
        raise SendStopped("stopped; .run holds what was rehearsed", run) from exc
