"""Campaign: a list, a letter and an account; `send` brings them together.

How messages reach the server is `delivery`'s, what came of it the `run`'s.  Who is still
to be written to, and what became of everybody, stand in the books: in the campaign's
folder, where they are open only while something is sent, or in memory.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pandas as pd

from smtpbook.accounts.account import Account
from smtpbook.campaign import confirm as confirmation
from smtpbook.campaign.keeping import Keeping, folder_of
from smtpbook.campaign.known import Known
from smtpbook.campaign.live import Live
from smtpbook.campaign.sending import Agree, Others, Sending, unasked
from smtpbook.delivery.arms import Arms
from smtpbook.delivery.ending import run_shielded
from smtpbook.delivery.routes import shares_of
from smtpbook.delivery.run import Run
from smtpbook.delivery.settings import Settings, Together, rules_of
from smtpbook.direct.delivery import check_direct
from smtpbook.findings import findings_frame
from smtpbook.folder.folder import CAMPAIGNS, checked_name
from smtpbook.folder.place import checked_place
from smtpbook.ledger.books import InDoubt
from smtpbook.ledger.only import chosen_words
from smtpbook.log.frame import Recorder
from smtpbook.messages.template import Template
from smtpbook.pacing.pace import Pace
from smtpbook.pacing.retry import Retry
from smtpbook.pacing.stopping import StopWhen
from smtpbook.preflight.preflight import findings
from smtpbook.progress import show
from smtpbook.recipients.read import read_recipients
from smtpbook.recipients.recipients import Recipients
from smtpbook.recipients.suppression import SuppressionList
from smtpbook.runner import refuse_inside_trio

Only: TypeAlias = "str | Iterable[str] | pd.DataFrame | pd.Series[Any] | Recipients"
"""Whom a send is narrowed to: words, or what holds addresses."""

if TYPE_CHECKING:
    from distributed import Client

    from smtpbook.lab.lab import Lab
    from smtpbook.lab.scenarios import Scenario
    from smtpbook.lookup.asker import AnyZone
    from smtpbook.rehearsal.model import ServerModel
    from smtpbook.rehearsal.rehearsal import Rehearsal


class Campaign(Known):
    """A letter to a list of recipients.

    Parameters
    ----------
    name : str
        What the log and the reports call it.
    account : Account, or mapping of Account to float
        By which to send.  Several with their shares: of ten messages seven and three by
        ``{work: 7, spare: 3}``.  One that cannot be used is named in a warning, and the
        others take its share.  One of `Account.direct` is alone, and sends to each
        domain's own servers.
    people : Recipients, DataFrame or path
        To whom.
    letter : Template
        What.
    pace : str, float or Pace, optional
        At most so many messages: ``"100/min"``, ``"50 every 5 min"``, or a number a second;
        `Pace` has the other ways.  It counts over all sends of the campaign.  Default: as
        fast as the server takes them.
    connections : int
        How many at once, at most: one for each account at least, and for each way where an
        experiment's arms go several.
    messages_per_connection : int, optional
        After so many a connection is closed and another one opened.  Default: as many as
        the server takes.
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
    folder : path or None
        Where campaigns are kept: the first send makes a folder `name` in it, with the list
        and the letter as they are then, and a ledger of what became of everybody, so that
        `open_campaign` goes on after anything, and so does a campaign of the same name with
        the same list and letter.  Only what a lab got reaches nobody: for another lab, a
        campaign begins anew, and the old folder is put aside.  Default: ``campaigns``,
        below the working folder.  None: it is kept in memory, and ends with this process.
    ledger : str, optional
        ``"postgresql://user@host/database"``: the ledger is there, for a cluster to send,
        with a folder that all workers see, or `events`.  List and letter are there, too,
        for `open_campaign` by the URL.  Passwords: PGPASSWORD or ``~/.pgpass``.
    events : str or path, optional
        Where the event log goes, as it is sealed: a folder, or a URL of fsspec's such as
        ``"s3://bucket/november"``, which `scan_log` takes as well.  What a killed worker
        had not sealed lies in the folder as that worker saw it; where that was its own disk
        it is lost from the log, never from the ledger.  Default: into the folder.
    in_doubt : {"hold", "resend"}
        Whether those who may or may not have got their message are left alone, or written
        to again with the same Message-ID.
    arms : Arms, optional
        What differs from recipient to recipient, as an `Experiment` makes it.

    Attributes
    ----------
    live : Live or None
        The send that goes on, or the last one; None = there was none yet.

    Raises
    ------
    ValueError
        The pace, the number of connections or a share is none, there is no account, or
        `suppress` holds what is no address, or something does not go with an account of
        `Account.direct`.
    TypeError
        `account` is neither an account nor a mapping of several.
    RecipientsError
        The list cannot be read.
    LedgerError
        The folder holds a campaign of that name with another list or letter, of which
        something was sent.

    Examples
    --------
    ``run = Campaign("november", account, people, letter, pace="100/min").send()``
    """

    def __init__(
        self,
        name: str,
        account: Account | Mapping[Account, float],
        people: Recipients | pd.DataFrame | str | os.PathLike[str],
        letter: Template,
        *,
        pace: str | float | Pace | None = None,
        connections: int = 4,
        messages_per_connection: int | None = None,
        suppress: SuppressionList | Iterable[str] = (),
        together: Together | None = None,
        retry: Retry | None = None,
        stop_when: StopWhen | Iterable[StopWhen] = (),
        folder: str | os.PathLike[str] | None = CAMPAIGNS,
        ledger: str | None = None,
        events: str | os.PathLike[str] | None = None,
        in_doubt: InDoubt = "hold",
        arms: Arms | None = None,
    ) -> None:
        settings = Settings(
            pace=Pace.of(pace),
            connections=connections,
            messages_per_connection=messages_per_connection,
            retry=retry,
            stop_when=rules_of(stop_when),
            together=together,
            in_doubt=in_doubt,
            arms=arms,
        )
        people = people if isinstance(people, Recipients) else read_recipients(people)
        path = None if folder is None else Path(folder) / checked_name(name)
        accounts = shares_of(account)
        elsewhere = None if events is None else checked_place(events)
        begun = folder_of(path, accounts, people, letter, arms, ledger, elsewhere)
        keeping = Keeping(
            name,
            suppress,
            in_doubt,
            people=people,
            path=path,
            folder=begun,
            database=ledger,
            elsewhere=elsewhere,
        )
        self._set_up(name, accounts, letter, settings, keeping)

    def _set_up(
        self,
        name: str,
        accounts: Mapping[Account, float],
        letter: Template,
        settings: Settings,
        keeping: Keeping,
    ) -> None:
        check_direct(accounts, settings)
        self.name, self.accounts, self.letter = name, accounts, letter
        self.settings, self._keeping = settings, keeping
        self._sending = Sending(self, keeping)
        self.live: Live | None = None

    @classmethod
    def of(
        cls,
        name: str,
        accounts: Mapping[Account, float],
        letter: Template,
        settings: Settings,
        keeping: Keeping,
    ) -> Campaign:
        """Give a campaign that has begun, as `open_campaign` found it."""
        campaign = cls.__new__(cls)
        campaign._set_up(name, accounts, letter, settings, keeping)
        return campaign

    def amend(self, letter: Template) -> None:
        """Go on with another letter, for those who are still to be written to.

        The folder keeps the one before, and when it was changed.

        Raises
        ------
        LedgerError
            Another process sends with the campaign, or the folder cannot be written; the
            letter is the old one then.
        """
        with self._sending.alone():
            if self._keeping.folder is not None:
                self._keeping.folder.amend(letter)
            self.letter = letter

    # -- sending

    def send(
        self,
        *,
        only: Only | None = None,
        limit: int | None = None,
        confirm: bool | None = None,
        dry_run: bool = False,
        progress: bool = True,
        cluster: Client | None = None,
        processes: int = 1,
    ) -> Run:
        """Send, and wait until everybody has been tried, or a stop rule has ended it.

        Parameters
        ----------
        only : str, iterable of str, DataFrame, Series or Recipients, optional
            Just those again: outcomes (``"deferred"``), reasons (``"greylisted"``) or
            addresses, or the recipients of a table's rows, such as
            ``run.outcomes.query("reason == 'greylisted'")``.  Default: those never tried.
        limit : int, optional
            At most so many recipients of these, in the list's order.
        confirm : bool, optional
            Show what is about to be sent and what `preflight` finds, and ask first.
            Default: where there is somebody to answer, unless the server is a lab.
        dry_run : bool
            Check every row, show the same, and send nothing.
        progress : bool
            Show how far it has come, or that nobody is left to write to.
        cluster : distributed.Client, optional
            The workers of its Dask cluster send, each a part of the list; the campaign has
            a `ledger`.  Pace, connections and stop rules are of all together; a rule is
            asked some times a second.  Should this process end, send again to join them.
        processes : int
            So many processes of this computer send, as one core is full at some speed.
            Pace and connections are of all together; they end with this one.

        Returns
        -------
        Run

        Raises
        ------
        TemplateError
            A row cannot be rendered; nothing has been sent.
        TransportError, ReplyError, LocalProtocolError
            The first connection could not be opened; nothing has been sent.
        LedgerError, RecipientsError
            The folder cannot be written, or its list not be read; another process sends
            this campaign, or has begun to by a cluster.  What was sent before is kept.
        SendStopped
            Interrupted: what had begun has come to its verdict; ``.run`` holds it.
        NobodyToAsk
            It should ask first, and there is nobody to answer; nothing has been sent.
        ValueError
            `processes` is below 1, or `cluster` given too; a setting needs one sender; or
            there are fewer `connections` than accounts.
        RuntimeError
            Already sending; or called where trio runs.
        """
        refuse_inside_trio("await campaign.send_async()")
        agree = self._sending.asking(confirm, dry_run=dry_run, progress=progress)
        by = self._sending.by_others(cluster, processes)
        live = self._new_live(by, is_blocking=True, is_shown=progress)
        live.hold(lambda: self._send(live, only, limit, agree, by, progress=progress))
        return live.run

    def start(
        self,
        *,
        only: Only | None = None,
        limit: int | None = None,
        confirm: bool | None = None,
        progress: bool = True,
        cluster: Client | None = None,
        processes: int = 1,
    ) -> Live:
        """Begin to send, and return at once; parameters as `send`.

        It never asks: ``confirm=False`` is needed unless the server is a lab.  The
        `Live` it gives has ``wait()``, or ``await``: they raise as `send` does.

        Raises
        ------
        RuntimeError
            Already sending; or ``confirm=False`` was not said.
        """
        self._sending.refuse_unasked("start", confirm)
        by = self._sending.by_others(cluster, processes)
        self._sending.ask_passwords()
        live = self._new_live(by, is_blocking=False, is_shown=progress)
        body = partial(self._send, live, only, limit, unasked, by, progress=progress)
        live.begin(body)
        return live

    def _send(
        self,
        live: Live,
        only: Only | None,
        limit: int | None,
        agree: Agree,
        by: Others = (None, None),
        *,
        progress: bool,
    ) -> None:
        """Do what `send` and `start` have in common, in either's thread."""
        words, (spread, crew) = chosen_words(only), by
        if spread is not None:
            with self._sending.spread(spread, words, limit, agree, live) as delivery:
                if delivery is not None:
                    live.deliver(delivery)
            return
        with self._sending.begun(words, limit, agree, progress=progress) as begun:
            if begun is None:
                return
            live.expect(len(begun.chosen))
            with self._sending.delivery(begun, live.run, live.watch, crew) as delivery:
                live.deliver(delivery)

    def _new_live(self, by: Others, *, is_blocking: bool, is_shown: bool) -> Live:
        if self.live is not None and not self.live.is_done:
            raise RuntimeError(f"campaign {self.name!r} is already sending")
        self.live = Live(
            self.name,
            is_blocking=is_blocking,
            is_shown=is_shown,
            outlives=by[0] is not None,
        )
        return self.live

    async def send_async(
        self,
        *,
        only: Only | None = None,
        limit: int | None = None,
        confirm: bool | None = None,
        progress: bool = False,
    ) -> Run:
        """Send from inside a trio program; parameters and errors as `send`.

        It never asks: ``confirm=False`` is needed unless the server is a lab.  Cancelled,
        it lets what has begun come to its verdict first.
        """
        self._sending.refuse_unasked("send_async", confirm)
        run = Run(Recorder(), self.name)
        words = chosen_words(only)
        with self._sending.begun(words, limit, unasked, progress=progress) as begun:
            assert begun is not None
            total = len(begun.chosen)
            with (
                closing(show("sending", total, progress=progress)) as display,
                self._sending.delivery(begun, run, display) as delivery,
            ):
                await run_shielded(delivery)
        return run

    def rehearse(
        self,
        server: str | Scenario | Lab | ServerModel | None = None,
        *,
        seed: int = 0,
        only: Only | None = None,
        limit: int | None = None,
        progress: bool = True,
    ) -> Rehearsal:
        """Send on virtual time to a modelled server, to see how long it would take.

        The code is that of `send`; but nothing leaves this process, nothing is written, no
        password is asked for, and the campaign stays as it is.

        Parameters
        ----------
        server : str, Scenario, Lab or ServerModel, optional
            A scenario of the lab (``"mixed-day"``), or `ServerModel.fit` of an earlier
            log.  Default: the lab that an account sends to; else what this campaign's own
            log tells; else `smtpbook.rehearsal.model.ORDINARY`, which is an assumption.
        seed : int
            Chance is drawn from it: the same seed, the same rehearsal.
        only, limit
            As for `send`.
        progress : bool
            Show how far it has come.

        Returns
        -------
        Rehearsal
            A `Run` that tells besides when the send would end, how many 4yz and retries
            there would be, and how many messages a minute would be accepted.

        Raises
        ------
        TemplateError
            A row cannot be rendered.
        TransportError, ReplyError
            The first connection could not be opened.
        ValueError
            There is no such scenario, or nobody to choose by `only`.
        SendStopped
            Interrupted; ``.run`` holds what was rehearsed.
        """
        # With it comes the lab, which no send needs.
        from smtpbook.rehearsal.rehearse import rehearse, servers_for

        folder = self._keeping.folder
        events = None if folder is None else folder.events
        servers = servers_for(self.accounts, server, events)
        books = self._keeping.draft()
        chosen = books.select(chosen_words(only), limit)
        return rehearse(
            self.name,
            books,
            chosen,
            self.letter,
            self.accounts,
            self.settings,
            servers,
            seed=seed,
            campaign_id=self.id,
            is_whole=only is None,
            progress=progress,
        )

    # -- looking before leaping

    def describe(self, *, only: Only | None = None, limit: int | None = None) -> str:
        """Say what a send would do, having checked every row; raises as `send` does."""
        with self._sending.alone(), self._keeping.books() as books:
            chosen = books.select(chosen_words(only), limit)
            about = self._sending.look_over(books, chosen, progress=False, strict=True)
            return confirmation.describe(about)

    def preflight(
        self,
        *,
        only: Only | None = None,
        limit: int | None = None,
        online: bool = False,
        zone: AnyZone = None,
        ip: str | None = None,
        progress: bool = True,
    ) -> pd.DataFrame:
        """Say what would go wrong with a send; errors as `send`.

        Nothing is sent.  Unless `online` or `zone` is given, nobody is asked, on the
        network either; else the sender's domain is looked at as `check_domain` does, the
        largest 1,000 domains of the list are asked for their servers, and the rules of
        big providers are compared with what was found.

        Parameters
        ----------
        only, limit
            As for `send`.
        online : bool
            Ask the system's name servers, and connect to the account's server, as `probe`
            does.
        zone : Zone, mapping, str, Path or Asker, optional
            Whom to ask in place of the system's name servers; without `online`, the
            account's server is not connected to.
        ip : str, optional
            The address from which the mail reaches receivers: the relay's, as a test to
            yourself shows.  Without it, SPF and reverse DNS are ``unknown``.
        progress : bool
            Show how far it has come.

        Returns
        -------
        DataFrame
            ``check`` (string), ``verdict`` (category: ``fail``, ``warn``, ``unknown``,
            ``pass``), ``evidence``, ``remedy`` (the next step) and ``source`` (string; null
            = none); the most urgent first.

        Raises
        ------
        ValueError, OSError
            `zone` cannot be read, `ip` is no address, or the system names no name server.
        RuntimeError
            Already sending; or asked where trio runs.
        """
        with self._sending.alone(), self._keeping.books() as books:
            chosen = books.select(chosen_words(only), limit)
            about = self._sending.look_over(books, chosen, progress=progress)
        if zone is None and not online:
            return findings_frame(findings(about))
        # With it come the resolver and all checks of a domain, which no send needs.
        from smtpbook.campaign.asking import preflight_online

        account = self.account if online else None
        return preflight_online(about, zone=zone, account=account, ip=ip, progress=progress)

    def test(self, to: str, row: int | str = 0) -> Run:
        """Send the letter to yourself, as somebody on the list would get it.

        It goes by the first account.

        Parameters
        ----------
        to : str
            Your own address; nobody else gets anything.
        row : int or str
            As whom: the position in the list, from 0, or the address.

        Raises
        ------
        RecipientsError
            There is no such row (the near miss is suggested); and errors as `send_test`.
        """
        from smtpbook.campaign.trial import row_of, send_test  # it sends a campaign, too

        return send_test(self.letter, self.account, to, row_of(self.people, row))
