"""Campaign: a list, a letter and an account; `send` brings them together.

How messages reach the server is `delivery`'s, who is still to be written to the `plan`'s,
what came of it the `run`'s.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import wait
from contextlib import contextmanager

import pandas as pd
import trio

from smtpbook import progress as progress_displays
from smtpbook.accounts.account import Account
from smtpbook.campaign import confirm as confirmation
from smtpbook.campaign.clock import Clock
from smtpbook.campaign.delivery import Delivery, Together, outcome_row
from smtpbook.campaign.pacing import Pace, Pacer
from smtpbook.campaign.plan import Entry, Plan
from smtpbook.campaign.retry import Retry
from smtpbook.campaign.run import Run
from smtpbook.campaign.stopping import StopWhen
from smtpbook.errors import SendStopped, TemplateError
from smtpbook.escape import visible
from smtpbook.log.frame import Recorder
from smtpbook.messages.template import Template
from smtpbook.recipients.read import read_recipients
from smtpbook.recipients.recipients import Recipients
from smtpbook.recipients.suppression import SuppressionList
from smtpbook.runner import SENDER, Job, refuse_inside_trio

# After a stop, how long what is on the wire may take to come to its verdict.
_GRACE_S = 60.0


class Campaign:
    """A letter to a list of recipients.

    Parameters
    ----------
    name : str
        What the log and the reports call it.
    account : Account
        Where to send.
    people : Recipients, DataFrame or path
        To whom.
    letter : Template
        What.
    pace : str, float or Pace, optional
        At most so many messages: ``"100/min"``, ``"50 every 5 min"``, or a number a second;
        `Pace` has the other ways.  It counts over all sends of the campaign.  Default: as
        fast as the server takes them.
    connections : int
        How many at once, at most.
    suppress : SuppressionList or iterable of str
        Addresses that are never written to, whatever else is asked.  A suppression list is
        asked again before each send: its entries for every campaign and for this one.
    together : Together, optional
        Several recipients to a message, by Cc or Bcc.  Default: one message each.
    retry : Retry, optional
        Whom a send tries again by itself, and when: it lasts until nobody is left to try
        or the give-up time.  Default: one try each.
    stop_when : callable or sequence of callable, optional
        Stop rules: each is asked with the live counts (`Tally`) after every recipient, and
        ends the send by saying true, or why; `stop_rule` makes one of words.  What has
        begun comes to its verdict, the others stay pending, ``run.stopped`` says why.

    Raises
    ------
    ValueError
        The pace or the number of connections is none, or `suppress` holds what is no
        address.
    RecipientsError
        The list cannot be read.

    Examples
    --------
    ``run = Campaign("november", account, people, letter, pace="100/min").send()``
    """

    def __init__(
        self,
        name: str,
        account: Account,
        people: Recipients | pd.DataFrame | str | os.PathLike[str],
        letter: Template,
        *,
        pace: str | float | Pace | None = None,
        connections: int = 4,
        suppress: SuppressionList | Iterable[str] = (),
        together: Together | None = None,
        retry: Retry | None = None,
        stop_when: StopWhen | Iterable[StopWhen] = (),
    ) -> None:
        if connections < 1:
            raise ValueError(f"connections={connections!r}: at least one is needed")
        self.name = name
        self.account = account
        self.people = people if isinstance(people, Recipients) else read_recipients(people)
        self.letter = letter
        self.pace = pace
        self.connections = connections
        self.together = together
        self.retry = retry
        self.stop_when = (stop_when,) if callable(stop_when) else tuple(stop_when)
        self.id = f"{name}-{secrets.token_hex(3)}"
        self._pacer, self._clock = Pacer(Pace.of(pace)), Clock()
        if isinstance(suppress, SuppressionList):
            self._suppress: SuppressionList | None = suppress
            suppress = ()
        else:
            self._suppress = None
        self._plan = Plan(self.people, suppress)
        self._suppress_newcomers()
        self._is_sending = threading.Lock()

    def __repr__(self) -> str:
        return (
            f"<Campaign {self.name!r}: {len(self._plan)} recipients, {dict(self.counts)}>"
        )

    @property
    def counts(self) -> dict[str, int]:
        """How many recipients stand where; ``pending`` are those never tried."""
        return dict(self._plan.counts)

    # -- sending

    def send(
        self,
        *,
        only: str | Iterable[str] | None = None,
        limit: int | None = None,
        confirm: bool | None = None,
        dry_run: bool = False,
        progress: bool = True,
    ) -> Run:
        """Send, and wait until everybody has been tried, or a stop rule has ended it.

        Parameters
        ----------
        only : str or iterable of str, optional
            Just those again: outcomes (``"deferred"``), reasons (``"greylisted"``) or
            addresses.  Default: those never tried.
        limit : int, optional
            At most so many recipients.
        confirm : bool, optional
            Ask first.  Default: where there is somebody to answer, unless the server is a
            lab.
        dry_run : bool
            Check every row and send nothing.
        progress : bool
            Show how far it has come.

        Returns
        -------
        Run

        Raises
        ------
        TemplateError
            A row cannot be rendered; nothing has been sent.
        TransportError, ReplyError, LocalProtocolError
            The first connection could not be opened; nothing has been sent.
        SendStopped
            Interrupted: what had begun has come to its verdict; ``.run`` holds it.
        RuntimeError
            Already sending; or called where trio runs; or nobody to ask.
        """
        refuse_inside_trio("await campaign.send_async()")
        run = Run(Recorder(), self.name)
        with self._alone():
            queue = self._prepare(only, limit)
            sender = self.letter.header_from
            if dry_run or not confirmation.ask(
                self.account, queue, sender, self.pace, confirm
            ):
                return run
            # Here, where somebody can be asked, and once for all connections.
            self.account = self.account.ask()
            with self._delivery(queue, run, whole=only is None, progress=progress) as work:
                job = SENDER.start(work.run)
                try:
                    job.result()
                except BaseException as exc:
                    if job.done() and job.exception() is exc:
                        raise
                    _wind_up(job, work)
                    raise SendStopped("stopped; .run holds what was sent", run) from exc
        return run

    async def send_async(
        self,
        *,
        only: str | Iterable[str] | None = None,
        limit: int | None = None,
        confirm: bool | None = None,
        progress: bool = False,
    ) -> Run:
        """Send from inside a trio program; parameters and errors as `send`.

        It never asks: ``confirm=False`` is needed unless the server is a lab.  Cancelled,
        it lets what has begun come to its verdict first.
        """
        if confirm is not False and not self.account.is_lab:
            raise RuntimeError("send_async() never asks; say confirm=False")
        run = Run(Recorder(), self.name)
        with self._alone():
            queue = self._prepare(only, limit)
            with self._delivery(queue, run, whole=only is None, progress=progress) as work:
                await _shielded(work)
        return run

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the campaign; a second send gets an answer instead of a wait."""
        if not self._is_sending.acquire(blocking=False):
            raise RuntimeError(f"campaign {self.name!r} is already sending")
        try:
            yield
        finally:
            self._is_sending.release()

    @contextmanager
    def _delivery(
        self, queue: deque[Entry], run: Run, *, whole: bool, progress: bool
    ) -> Iterator[Delivery]:
        """Give the delivery, with its progress display; at the end, name the suppressed."""
        display = progress_displays.show("sending", len(queue), progress=progress)
        try:
            yield Delivery(
                self._plan,
                queue,
                self.letter,
                self.account,
                connections=self.connections,
                pacer=self._pacer,
                clock=self._clock,
                campaign_id=self.id,
                run=run,
                display=display,
                together=self.together,
                retry=self.retry,
                stop_when=self.stop_when,
            )
        finally:
            display.close()
            for entry in self._plan.suppressed() if whole else ():
                run.record(outcome_row(entry, "suppressed", self.id, self.account))

    # -- looking before leaping

    def _prepare(self, only: str | Iterable[str] | None, limit: int | None) -> deque[Entry]:
        """Choose whom to write to, and try every row: nothing surprises later."""
        self._suppress_newcomers()
        queue = self._plan.select(only, limit)
        if self.together is not None and queue:
            self.letter.render_together([queue[0].address], show=self.together.show)
            return queue
        for number, entry in enumerate(queue, 1):
            try:
                self.letter.check(entry.row)
            except TemplateError as exc:
                raise TemplateError(
                    f"message {number} of {len(queue)}, to {visible(entry.address)}: "
                    f"{exc}; nothing has been sent"
                ) from exc
        return queue

    def _suppress_newcomers(self) -> None:
        """Leave alone who has come onto the suppression list."""
        if self._suppress is not None:
            found = self._suppress.match(self.people.addresses, campaign=self.name)
            self._plan.suppress(found["address"])


def _wind_up(job: Job[None], delivery: Delivery) -> None:
    """Let what is on the wire come to its verdict.

    A second interrupt, or too long a wait, cuts it off: what had begun is then failed or in
    doubt.
    """
    SENDER.call(delivery.stop)
    try:
        job.exception(timeout=_GRACE_S)
    except BaseException:
        job.cancel()
        wait([job])


async def _shielded(delivery: Delivery) -> None:
    """Run a delivery so that being cancelled stops it instead of cutting it off."""
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        shield = trio.CancelScope(shield=True)
        nursery.start_soon(_stop_when_cancelled, delivery, shield)
        with shield:
            try:
                await delivery.run()
            except Exception as exc:  # around the nursery, or it would come in a group
                failure = exc
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure


async def _stop_when_cancelled(delivery: Delivery, shield: trio.CancelScope) -> None:
    try:
        await trio.sleep_forever()
    finally:
        delivery.stop()
        shield.deadline = trio.current_time() + _GRACE_S
