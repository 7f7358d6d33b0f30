"""Keeping: where a campaign's books are: in its folder, or in memory.

The folder is made when the first send begins.  Here is decided whether what stands in one
already is this campaign; nothing here sends.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from smtpbook.accounts.account import Account
from smtpbook.delivery.arms import Arms
from smtpbook.errors import LedgerError
from smtpbook.folder.accounts import plain_accounts
from smtpbook.folder.folder import CampaignFolder
from smtpbook.ledger.books import Books, InDoubt
from smtpbook.ledger.entries import checked_addresses, key_of
from smtpbook.ledger.memory import Draft, MemoryBooks
from smtpbook.ledger.standings import Standings
from smtpbook.log.frame import to_frame
from smtpbook.messages.template import Template
from smtpbook.recipients.recipients import Recipients
from smtpbook.recipients.suppression import SuppressionList
from smtpbook.shared_ledger.connection import check_shown


class Keeping:
    """A campaign's books, and its list.

    Parameters
    ----------
    name : str
        The campaign's.
    suppress : SuppressionList or iterable of str
        A suppression list is asked again whenever the books are opened.
    in_doubt : {"hold", "resend"}
    people : Recipients, optional
        Default: those in the folder.
    path : Path, optional
        Where its folder is, or will be; None = in memory.
    folder : CampaignFolder, optional
        If there is one already.
    database : str, optional
        Where the ledger of a new folder is, if many runners shall share it.
    elsewhere : str, optional
        Where the event log of a new folder goes, if not into it.
    adopt : bool
        Go on with a folder that is a copy.

    Attributes
    ----------
    id : str
        What the log calls the campaign.
    folder : CampaignFolder or None
    later : DataFrame
        Without a folder: what later mail told.
    """

    def __init__(
        self,
        name: str,
        suppress: SuppressionList | Iterable[str],
        in_doubt: InDoubt,
        *,
        people: Recipients | None = None,
        path: Path | None = None,
        folder: CampaignFolder | None = None,
        database: str | None = None,
        elsewhere: str | None = None,
        adopt: bool = False,
    ) -> None:
        self._database, self._elsewhere = database, elsewhere
        self._name, self._in_doubt, self._adopt = name, in_doubt, adopt
        self._list = suppress if isinstance(suppress, SuppressionList) else None
        self._never = (
            []
            if isinstance(suppress, SuppressionList)
            else list(checked_addresses(suppress))
        )
        self._people, self._path, self.folder = people, path, folder
        self._memory: MemoryBooks | None = None
        self.later = to_frame([])
        self._is_kept = True
        self.id = f"{name}-{secrets.token_hex(3)}" if folder is None else folder.id

    @property
    def people(self) -> Recipients:
        """The list; of a campaign that was opened, the frozen one."""
        if self._people is None:
            assert self.folder is not None
            self._people = self.folder.people()
        return self._people

    @contextmanager
    def standings(self) -> Iterator[Standings]:
        """Open the books for reading, whoever sends."""
        if self.folder is None:
            yield self._in_memory()
            return
        with self.folder.standings() as standings:
            yield standings

    @contextmanager
    def books(self) -> Iterator[Books]:
        """Open the books for changing; the suppressed are so from here on.

        Raises
        ------
        LedgerError
            Another process has them open, or they cannot be written.
        """
        if self.folder is None:
            books = self._in_memory()
            self._suppress(books)
            yield books
            return
        with self.folder.ledger(in_doubt=self._in_doubt, adopt=self._adopt) as ledger:
            self._suppress(ledger)
            yield ledger

    def draft(self) -> Books:
        """Give books in memory that stand as these do, to rehearse with."""
        with self.standings() as standings:
            books = Draft.of(standings, in_doubt=self._in_doubt, rows=self.people.rows)
        self._suppress(books)
        return books

    @contextmanager
    def prepared(self, letter: Template, settings: Mapping[str, Any]) -> Iterator[None]:
        """Make the folder, if there shall be one; it goes again unless `keep` is called.

        Raises
        ------
        LedgerError
            It cannot be made, or removed.
        """
        if self._path is None or self.folder is not None:
            yield
            return
        self.folder = CampaignFolder.create(
            self._path,
            self.people,
            letter,
            self._with_list(settings),
            database=self._database,
            elsewhere=self._elsewhere,
        )
        self._memory, self.id = None, self.folder.id
        self._is_kept = False
        try:
            yield
        finally:
            if not self._is_kept and self.folder.remove():
                self.folder = None

    @property
    def is_checked(self) -> bool:
        """Whether the letter was filled in before for everybody not suppressed."""
        return self.folder is not None and self.folder.is_checked

    def keep(self, settings: Mapping[str, Any], *, is_checked: bool) -> None:
        """Let the folder stay, with the settings as they are now.

        Parameters
        ----------
        settings : mapping
        is_checked : bool
            The letter was filled in just now for everybody not suppressed.

        Raises
        ------
        LedgerError
            It cannot be written.
        """
        self._is_kept = True
        if self.folder is not None:
            self.folder.change(self._with_list(settings), is_checked=is_checked)

    def why_suppressed(self, address: str) -> str:
        """Say why an address is never written to; "" = it is not known any more."""
        if self._list is not None:
            found = self._list.match([address], campaign=self._name)
            for reason, day, rule in zip(
                found["reason"], found["date"], found["address_or_rule"], strict=True
            ):
                when = "" if pd.isna(day) else f" on {day:%Y-%m-%d}"
                return f"{reason}{when} ({rule})"
        is_named = key_of(address) in map(key_of, self._never)
        return "it was named in suppress=" if is_named else ""

    def _with_list(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        if self._list is None:
            return dict(settings)
        return {**settings, "suppress": str(self._list.path.absolute())}

    def _in_memory(self) -> MemoryBooks:
        if self._memory is None:
            self._memory = MemoryBooks(
                self.people.addresses,
                campaign_id=self.id,
                in_doubt=self._in_doubt,
                rows=self.people.rows,
            )
            self._suppress(self._memory)
        return self._memory

    def _suppress(self, books: Books) -> None:
        """Leave alone whom nobody may write to, newcomers among them."""
        books.suppress(self._never)
        if self._list is not None:
            found = self._list.match(self.people.addresses, campaign=self._name)
            books.suppress(found["address"])


def folder_of(
    path: Path | None,
    accounts: Mapping[Account, float],
    people: Recipients,
    letter: Template,
    arms: Arms | None,
    database: str | None = None,
    elsewhere: str | None = None,
) -> CampaignFolder | None:
    """Give the folder of a campaign that goes on; None = it begins.

    What a lab got reaches nobody: for another lab it begins anew, and the old folder gets
    the campaign's id for a name.

    Raises
    ------
    LedgerError
        Something was sent of it already, with another list, letter or arms, or with its
        ledger or event log in another place.
    """
    if database is not None:
        check_shown(database)
    if path is None or not path.exists():
        return None
    folder = CampaignFolder(path)
    before, now = folder.settings, plain_accounts(accounts)
    is_another = before.get("servers") != now["servers"]
    if is_another and before.get("is_lab") and now["is_lab"]:
        folder.put_aside()
        return None
    try:
        folder.compare(people, letter)
        _compare_arms(before.get("arms"), arms)
        for word, given, kept in (
            ("ledger", database, folder.database),
            ("events", elsewhere, folder.elsewhere),
        ):
            if given not in (None, kept):
                raise LedgerError(
                    f"{folder.name!r} was begun without {word}={given!r}; leave {word}= out"
                )
    except LedgerError:
        with folder.standings() as standings:
            if standings.is_begun:
                raise
        if not folder.remove():  # somebody was faster
            raise
        return None
    return folder


def _compare_arms(before: Mapping[str, Any] | None, arms: Arms | None) -> None:
    if before != (None if arms is None else arms.to_plain()):
        raise LedgerError(
            "the arms are not those this experiment began with; go on with those, or begin "
            "one with another name"
        )
