"""Campaign: a list, a letter and an account; `send` brings them together.

How messages reach the server is `delivery`'s, what came of it the `run`'s.  Who is still
to be written to is the `plan`'s; or, where the campaign has a folder, the ledger's in it,
which is open only while something is sent.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import wait
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pandas as pd
import trio

from smtpbook import progress as progress_displays
from smtpbook.accounts.account import Account
from smtpbook.accounts.store import list_accounts, load_account
from smtpbook.campaign import confirm as confirmation
from smtpbook.delivery.clock import Clock
from smtpbook.delivery.delivery import Delivery, Together, outcome_row
from smtpbook.delivery.plan import Plan
from smtpbook.delivery.run import Run
from smtpbook.errors import LedgerError, SendStopped, TemplateError
from smtpbook.escape import visible
from smtpbook.folder.folder import CampaignFolder, campaign_path
from smtpbook.ledger.books import InDoubt
from smtpbook.ledger.entries import Entry, checked_addresses
from smtpbook.ledger.ledger import Ledger
from smtpbook.log.frame import Recorder
from smtpbook.log.store import write_log
from smtpbook.messages.template import Template
from smtpbook.pacing.pace import Pace, Pacer
from smtpbook.pacing.retry import Retry
from smtpbook.pacing.stopping import StopWhen
from smtpbook.recipients.read import read_recipients
from smtpbook.recipients.recipients import Recipients
from smtpbook.recipients.suppression import SuppressionList
from smtpbook.runner import SENDER, Job, refuse_inside_trio

_OUTCOMES: Final[dict[str, str]] = {
    **dict.fromkeys(("recipient", "outcome", "reason"), "string"),
    **{"attempts": "Int64", "verb": "string", "reply_code": "Int64"},
    **dict.fromkeys(("reply_text", "message_id"), "string"),
}
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
    folder : path, optional
        Where campaigns are kept, such as ``"campaigns"``: the first send makes a folder
        `name` in it, with the list and the letter as they are then, and a ledger of what
        became of everybody, so that `open_campaign` goes on after anything.  Default: it
        is kept in memory, and ends with this process.
    in_doubt : {"hold", "resend"}
        With a folder: whether those who may or may not have got their message are left
        alone, or written to again with the same Message-ID.

    Raises
    ------
    ValueError
        The pace or the number of connections is none, or `suppress` holds what is no
        address.
    RecipientsError
        The list cannot be read.
    LedgerError
        The folder holds a campaign of that name with another list or letter.

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
        folder: str | os.PathLike[str] | None = None,
        in_doubt: InDoubt = "hold",
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
        self._never = list(checked_addresses(suppress))
        self._in_doubt: InDoubt = in_doubt
        self._path = None if folder is None else Path(folder) / name
        self._folder: CampaignFolder | None = None
        if self._path is not None and self._path.exists():
            self._folder = CampaignFolder(self._path)
            self._folder.compare(self.people, letter)
            self.id = self._folder.id
        self._plan = Plan(() if self._folder is not None else self.people, self._never)
        if self._folder is None:
            self._suppress_newcomers(self._plan)
        self._is_sending = threading.Lock()

    def __repr__(self) -> str:
        return f"<Campaign {self.name!r}: {len(self.people)} recipients, {self.counts}>"

    @property
    def counts(self) -> dict[str, int]:
        """How many recipients stand where; ``pending`` are those never tried."""
        if self._folder is None:
            return dict(self._plan.counts)
        with self._folder.standings() as standings:
            return dict(standings.counts)

    @property
    def outcomes(self) -> pd.DataFrame:
        """Where every recipient stands, over all sends: a row each, in the list's order.

        ``recipient``, ``outcome`` (``pending`` = never tried), ``reason``, ``attempts``
        (Int64), ``verb``, ``reply_code`` (Int64), ``reply_text``, ``message_id``; null =
        unknown or none.  In memory, only the first four are known.
        """
        if self._folder is None:
            found: Iterable[Sequence[Any]] = self._plan.outcomes()
        else:
            with self._folder.standings() as standings:
                found = [one[: len(_OUTCOMES)] for one in standings.outcomes()]
        columns = list(zip(*found, strict=True)) or [()] * len(_OUTCOMES)
        return pd.DataFrame(
            {
                name: pd.Series(list(cells), dtype=dtype)
                for (name, dtype), cells in zip(_OUTCOMES.items(), columns, strict=True)
            }
        )

    def settle(self, outcomes: Mapping[str, str]) -> None:
        """Say what became of recipients in doubt.

        Parameters
        ----------
        outcomes : mapping of str to str
            Address to ``accepted``, ``deferred``, ``rejected`` or ``failed``.

        Raises
        ------
        ValueError
            An address is not in doubt, or an outcome is none of these; nobody has been
            settled then.
        LedgerError
            The campaign has no folder, or another process sends with it.
        """
        if self._folder is None:
            raise LedgerError(f"campaign {self.name!r} has no folder to keep that in")
        with self._alone(), self._folder.ledger(in_doubt=self._in_doubt) as ledger:
            ledger.settle(outcomes)

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
        LedgerError
            The folder cannot be written, or another process sends this campaign.  What was
            sent before is kept.
        SendStopped
            Interrupted: what had begun has come to its verdict; ``.run`` holds it.
        RuntimeError
            Already sending; or called where trio runs; or nobody to ask.
        """
        refuse_inside_trio("await campaign.send_async()")
        run = Run(Recorder(), self.name)
        sender = self.letter.header_from

        def agree(entries: list[Entry]) -> bool:
            if dry_run or not confirmation.ask(
                self.account, entries, sender, self.pace, confirm
            ):
                return False
            # Here, where somebody can be asked, and once for all connections.
            self.account = self.account.ask()
            return True

        with self._begun(only, limit, agree) as begun:
            if begun is None:
                return run
            with self._delivery(
                *begun, run, is_whole=only is None, progress=progress
            ) as work:
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
        with self._begun(only, limit, lambda entries: True) as begun:
            assert begun is not None
            with self._delivery(
                *begun, run, is_whole=only is None, progress=progress
            ) as work:
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
    def _begun(
        self,
        only: str | Iterable[str] | None,
        limit: int | None,
        agree: Callable[[list[Entry]], bool],
    ) -> Iterator[tuple[Plan | Ledger, list[Entry]] | None]:
        """Hold the campaign and choose whom to write to; None = it was not agreed to.

        What is sent first is kept in the folder then, and not before.
        """
        with self._alone(), ExitStack() as stack:
            plan = stack.enter_context(self._standing())
            entries = self._prepare(plan, only, limit)
            if not agree(entries):
                yield None
                return
            if self._path is not None and self._folder is None:
                self._folder = CampaignFolder.create(
                    self._path, self.people, self.letter, self._settings()
                )
                self.id = self._folder.id
                plan = stack.enter_context(self._standing())
                entries = list(plan.select(only, limit))
            yield plan, entries

    @contextmanager
    def _standing(self) -> Iterator[Plan | Ledger]:
        """Open what knows where everybody stands."""
        if self._folder is None:
            self._suppress_newcomers(self._plan)
            yield self._plan
            return
        with self._folder.ledger(in_doubt=self._in_doubt) as ledger:
            ledger.suppress(self._never)
            self._suppress_newcomers(ledger)
            yield ledger

    def _settings(self) -> dict[str, Any]:
        """Give what a folder keeps besides list and letter."""
        return {
            "account": self.account.name,
            "pace": self.pace if isinstance(self.pace, str | int | float) else None,
            "connections": self.connections,
            "in_doubt": self._in_doubt,
        }

    @contextmanager
    def _delivery(
        self,
        plan: Plan | Ledger,
        entries: list[Entry],
        run: Run,
        *,
        is_whole: bool,
        progress: bool,
    ) -> Iterator[Delivery]:
        """Give the delivery, with its progress display; at the end, name the suppressed."""
        display = progress_displays.show("sending", len(entries), progress=progress)
        try:
            yield Delivery(
                plan,
                entries,
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
            for entry in plan.suppressed() if is_whole else ():
                run.record(outcome_row(entry, "suppressed", self.id, self.account))
            if self._folder is not None and len(run.log):
                name = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}.parquet"
                write_log(run.log, self._folder.events / name)

    # -- looking before leaping

    def _prepare(
        self, plan: Plan | Ledger, only: str | Iterable[str] | None, limit: int | None
    ) -> list[Entry]:
        """Choose whom to write to, and try every row: nothing surprises later."""
        entries = list(plan.select(only, limit))
        if self.together is not None and entries:
            self.letter.render_together([entries[0].address], show=self.together.show)
            return entries
        for number, entry in enumerate(entries, 1):
            try:
                self.letter.check(entry.row)
            except TemplateError as exc:
                raise TemplateError(
                    f"message {number} of {len(entries)}, to {visible(entry.address)}: "
                    f"{exc}; nothing has been sent"
                ) from exc
        return entries

    def _suppress_newcomers(self, plan: Plan | Ledger) -> None:
        """Leave alone who has come onto the suppression list."""
        if self._suppress is not None:
            found = self._suppress.match(self.people.addresses, campaign=self.name)
            plan.suppress(found["address"])


def open_campaign(
    name: str | os.PathLike[str],
    account: Account | None = None,
    *,
    letter: Template | None = None,
    pace: str | float | Pace | None = None,
    connections: int | None = None,
    suppress: SuppressionList | Iterable[str] = (),
    in_doubt: InDoubt | None = None,
) -> Campaign:
    """Go on with a campaign that is kept in a folder, after anything.

    Parameters
    ----------
    name : str or path
        A name is looked for in ``campaigns/``.
    account : Account, optional
        Needed where the account was not saved.
    letter : Template, optional
        Needed where the letter holds what no file keeps: DataFrames, figures, secrets.
    pace, connections, suppress, in_doubt
        As for `Campaign`.  Default: as it began.

    Returns
    -------
    Campaign
        ``.send()`` writes to those never tried, ``.send(only="deferred")`` to those again.

    Raises
    ------
    LedgerError
        There is no such campaign (the near miss is suggested), or something of it was
        changed, or must be given.
    """
    path = campaign_path(name)
    folder = CampaignFolder(path)
    kept = folder.settings
    if account is None:
        if kept["account"] not in list_accounts():
            raise LedgerError(
                f"campaign {folder.name!r} was sent by {kept['account']}, which is no "
                f"saved account; give it: open_campaign({folder.name!r}, account=…)"
            )
        account = load_account(kept["account"])
    return Campaign(
        folder.name,
        account,
        folder.people(),
        folder.letter(letter),
        pace=kept.get("pace") if pace is None else pace,
        connections=kept["connections"] if connections is None else connections,
        suppress=suppress,
        folder=path.parent,
        in_doubt=kept["in_doubt"] if in_doubt is None else in_doubt,
    )


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
