"""Folder: what a campaign is on disk, and all that it needs to go on.

``campaign.toml`` holds its settings, ``people.parquet`` and ``letter.toml`` the list and
the letter as they were when it began, ``files/`` the letter's files, ``ledger.sqlite`` what
has become of everybody, ``events/`` what was said.  Instead of ``ledger.sqlite`` there may
be a ledger in a database, shared by many runners; and the event log may go elsewhere, as it
is sealed.  A folder is made whole or not at all; and what was changed in it afterwards is
noticed.  Nothing here sends; no secret is kept.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import tomli_w

from smtpbook.errors import LedgerError, RecipientsError, near_miss
from smtpbook.folder.copying import FILES, LIST, changing, copy_in, settings_at
from smtpbook.folder.fetching import fetch_below, is_url, url_of
from smtpbook.folder.files import clear, digest_of, sync, write
from smtpbook.folder.letter import compare_letters, freeze_letter, thaw_letter
from smtpbook.folder.people import compare_lists
from smtpbook.folder.place import claim_place, free_place
from smtpbook.ledger.books import Books, InDoubt
from smtpbook.ledger.ledger import Ledger
from smtpbook.ledger.machine import refuse_unsafe
from smtpbook.ledger.standings import FILE, Standings
from smtpbook.log.campaigns import ELSEWHERE, EVENTS, SETTINGS
from smtpbook.log.where import path_of
from smtpbook.messages.template import Template
from smtpbook.recipients.recipients import Recipients
from smtpbook.recipients.saved import SavedRows, is_file_name, read_list, write_list
from smtpbook.shared_ledger import schema
from smtpbook.shared_ledger.ledger import SharedLedger
from smtpbook.shared_ledger.standings import SharedStandings

CAMPAIGNS: Final = Path("campaigns")
"""Where campaigns are kept unless another folder is named: below the working folder."""

_LETTER: Final = "letter.toml"
_FORMAT: Final = 1


class CampaignFolder:
    """A campaign's folder; `create` makes it, once.

    Parameters
    ----------
    path : Path

    Attributes
    ----------
    path : Path
    name, id : str
        What it is called, and what the log calls it.
    database : str or None
        Where its ledger is, if it is a shared one; None = here.
    elsewhere : str or None
        Where its event log goes, as it is sealed; None = here.
    settings : dict
        As given to `create`.

    Raises
    ------
    LedgerError
        There is no campaign (the message suggests the near miss), it is not complete, was
        made by a newer smtpbook, or its list or letter was changed since it began.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        about = self._read(SETTINGS)
        if about.get("format") != _FORMAT:
            raise LedgerError(
                f"the campaign in {str(path)!r} was made by another smtpbook (format "
                f"{about.get('format')!a}, here {_FORMAT}); update this one"
            )
        try:
            self.name, self.id = str(about["name"]), str(about["id"])
            self.database: str | None = about.get("database")
            self.elsewhere: str | None = about.get(ELSEWHERE)
            self._letter_file = Path(about["letter"]).name  # never of another folder
            digests = {
                LIST: about["list_sha256"],
                self._letter_file: about["letter_sha256"],
            }
            self.settings: dict[str, Any] = about["settings"]
        except KeyError as exc:
            raise LedgerError(
                f"{str(path / SETTINGS)!r} lacks {exc}; put the original back"
            ) from None
        for file in (*digests, *((FILE,) if self.database is None else ())):
            if not (path / file).is_file():
                raise LedgerError(
                    f"the campaign in {str(path)!r} lacks {file!r}; put it back from a copy"
                )
        for file, digest in digests.items():
            if digest_of(path / file) != digest:
                raise LedgerError(
                    f"{str(path / file)!r} was changed since the campaign began; put the "
                    f"original back, or begin a new campaign with the new one"
                )
        self._about = about
        self._letter = self._read(self._letter_file)

    @classmethod
    def create(
        cls,
        path: Path,
        people: Recipients,
        letter: Template,
        settings: Mapping[str, Any],
        *,
        database: str | None = None,
        elsewhere: str | None = None,
    ) -> CampaignFolder:
        """Freeze a list and a letter into a folder of their own, with a ledger.

        Parameters
        ----------
        path : Path
            Its last part is the campaign's name.
        people : Recipients
        letter : Template
            Files that a column of the list names stay where they are.
        settings : mapping
            What TOML can hold; an account by its saved name, never its password.  None is
            left out.
        database : str, optional
            The URL of a database, without a password, for a ledger of many runners.
        elsewhere : str, optional
            Where its event log goes, as it is sealed: as `checked_place` gives it.

        Raises
        ------
        LedgerError
            Name or place are another campaign's already, the name is none for a folder, a
            setting cannot be kept, or the folder cannot be written; nothing is left then.
        """
        name = checked_name(path.name)
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise _taken(path)
        refuse_unsafe(path)
        about = {
            "format": _FORMAT,
            "name": name,
            "id": f"{name}-{secrets.token_hex(3)}",
            "created": datetime.now(UTC).replace(microsecond=0),
            **({} if database is None else {"database": database}),
            **({} if elsewhere is None else {ELSEWHERE: elsewhere}),
            "settings": {key: v for key, v in settings.items() if v is not None},
        }
        beside, is_made = None, False
        if elsewhere is not None:
            claim_place(elsewhere, str(about["id"]))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            clear(path)
            beside = Path(tempfile.mkdtemp(".part", f".{name}.", path.parent))
            _fill(beside, people, letter, about)
            os.rename(beside, path)
            is_made = True
            sync(path.parent)
        except OSError as exc:
            if exc.errno in (errno.ENOTEMPTY, errno.EEXIST):  # somebody was faster
                raise _taken(path) from exc
            raise LedgerError(
                f"cannot make the campaign's folder {str(path)!r}: {exc.strerror or exc}; "
                f"nothing was kept"
            ) from exc
        finally:
            if beside is not None:
                shutil.rmtree(beside, ignore_errors=True)
            if not is_made:
                with suppress(LedgerError, OSError):
                    _give_back(str(about["id"]), database, elsewhere)
        return cls(path)

    @classmethod
    def find(cls, name: str | os.PathLike[str]) -> CampaignFolder:
        """Open a campaign by its name, its folder or its URL.

        Parameters
        ----------
        name : str or path
            A bare name's folder is below ``campaigns/``.  By a URL, as
            ``postgresql://user@host/database#november``, one is made there, or brought up
            to date, of what the database has.

        Raises
        ------
        LedgerError
            There is no such campaign, or several are; or as for a folder.
        """
        if is_url(name):
            return cls(fetch_below(str(name), CAMPAIGNS))
        return cls(campaign_path(name))

    @property
    def url(self) -> str | None:
        """By which it is found from anywhere; None = it is in the folder alone."""
        return None if self.database is None else url_of(self.database, self.id)

    @property
    def events(self) -> Path:
        """Where the event log is, as far as it is sealed."""
        return self.growing if self.elsewhere is None else path_of(self.elsewhere)

    @property
    def growing(self) -> Path:
        """The folder of what of the event log still grows."""
        return self.path / EVENTS

    def people(self) -> Recipients:
        """Give the list as it was frozen; errors as `Recipients` that were saved."""
        return read_list(self.path / LIST, self.name)

    def letter(self, given: Template | None = None) -> Template:
        """Give the letter as it was frozen.

        Parameters
        ----------
        given : Template, optional
            The letter itself; needed where it holds what no file keeps.

        Raises
        ------
        LedgerError
            It holds such things and was not given (the message names them), or the one
            given is another.
        """
        return thaw_letter(self._letter, self.path / FILES, given)

    def compare(
        self, people: Recipients | None = None, letter: Template | None = None
    ) -> None:
        """Refuse a list or a letter that is not the frozen one.

        Raises
        ------
        LedgerError
            The message says what differs.
        """
        if letter is not None:
            compare_letters(self._letter, letter)
        if people is not None:
            compare_lists(self.name, self.people(), people)

    def amend(self, letter: Template) -> None:
        """Go on with another letter, for those who are still to be written to.

        The one before stays in the folder, and ``campaign.toml`` tells when it was changed.
        A list is not amended: those who came are a campaign of their own, those who went
        are suppressed.

        Raises
        ------
        LedgerError
            Somebody runs the campaign, or the folder cannot be written; the letter is the
            old one then.
        """
        plain, files = freeze_letter(letter)
        octets = _toml(plain, "letter")
        amendments = [*self._about.get("amendments", ())]
        name = f"letter-{len(amendments) + 2}.toml"
        about = {
            **self._about,
            "letter": name,
            "letter_sha256": hashlib.sha256(octets).hexdigest(),
            "amendments": [
                *amendments,
                {"time": datetime.now(UTC).replace(microsecond=0), "letter": name},
            ],
        }
        with self.alone():
            try:
                with changing(self.path, self.database, self.id) as (put, now):
                    self._compare_letter(now)
                    for digest, content in files.items():
                        put(f"{FILES}/{digest}", content)
                    put(name, octets)
                    put(SETTINGS, _toml(about, "campaign"))
            except OSError as exc:
                raise LedgerError(
                    f"cannot change the letter of {str(self.path)!r} "
                    f"({exc.strerror or exc}); it is the one before"
                ) from exc
        self._about, self._letter, self._letter_file = about, plain, name

    @property
    def is_checked(self) -> bool:
        """Whether the letter, as it is now, was filled in for everybody not suppressed."""
        return bool(self._about.get("checked_sha256") == self._about["letter_sha256"])

    def change(self, settings: Mapping[str, Any], *, is_checked: bool) -> None:
        """Keep other settings from now on; None is left out.

        Parameters
        ----------
        settings : mapping
        is_checked : bool
            The letter has been filled in for everybody not suppressed.

        Raises
        ------
        LedgerError
            It cannot be written, or the letter was changed from another folder; the
            settings are the old ones then.
        """
        settings = {key: v for key, v in settings.items() if v is not None}
        about = {**self._about, "settings": settings}
        if is_checked:
            about["checked_sha256"] = about["letter_sha256"]
        if about == self._about:
            return
        try:
            with changing(self.path, self.database, self.id) as (put, now):
                self._compare_letter(now)
                put(SETTINGS, _toml(about, "campaign"))
        except OSError as exc:
            raise LedgerError(
                f"cannot change the settings of {str(self.path)!r} "
                f"({exc.strerror or exc}); they are those before"
            ) from exc
        self._about, self.settings = about, settings

    def refuse_stale(self) -> None:
        """Refuse to go on with a letter that was changed from another folder.

        Raises
        ------
        LedgerError
            It was, or the database is not reached.
        """
        if self.database is not None:
            self._compare_letter(settings_at(self.database, self.id))

    def _compare_letter(self, now: Mapping[str, Any]) -> None:
        if now.get("letter_sha256") not in (None, self._about["letter_sha256"]):
            raise LedgerError(
                f"the letter of {self.name!r} was changed from another folder; go on with "
                f"open_campaign({self.url!r})"
            )

    def remove(self) -> bool:
        """Take the folder away, unless something was sent.

        Returns
        -------
        bool
            Whether it is gone.

        Raises
        ------
        LedgerError
            Somebody runs it, or it cannot be removed.
        """
        hidden = self.path.with_name(f".{self.name}.{secrets.token_hex(3)}.part")
        try:
            with self.alone() as ledger:  # nobody finds it after
                if ledger.is_begun:
                    return False
                self.path.rename(hidden)
            _give_back(self.id, self.database, self.elsewhere)
            shutil.rmtree(hidden)
        except OSError as exc:
            raise LedgerError(
                f"cannot remove {str(self.path)!r}: {exc.strerror or exc}"
            ) from exc
        return True

    def put_aside(self) -> None:
        """Give the folder the campaign's id for a name; its name and place are free then.

        Raises
        ------
        LedgerError
            Somebody runs it, or it cannot be renamed.
        """
        try:
            with self.alone():
                self.path.rename(self.path.with_name(self.id))
            _give_back(self.id, None, self.elsewhere)
        except OSError as exc:
            raise LedgerError(
                f"cannot rename {str(self.path)!r}: {exc.strerror or exc}"
            ) from exc

    def ledger(self, *, in_doubt: InDoubt = "hold", adopt: bool = False) -> Books:
        """Open the ledger as its one runner; parameters and errors as `Ledger`.

        Entries have the frozen list's fields in `Entry.row`.  A shared ledger is open for
        everything but sending.
        """
        if self.database is not None:
            return self.shared_ledger(in_doubt=in_doubt, sees_all=True)
        rows = SavedRows(self.path / LIST)
        return Ledger(self.path, in_doubt=in_doubt, adopt=adopt, rows=rows)

    def shared_ledger(
        self, *, in_doubt: InDoubt = "hold", sees_all: bool = False
    ) -> SharedLedger:
        """Open the shared ledger as one of its runners; parameters as `SharedLedger`."""
        assert self.database is not None
        rows = SavedRows(self.path / LIST)
        return SharedLedger(
            self.database, self.id, in_doubt=in_doubt, rows=rows, sees_all=sees_all
        )

    def standings(self) -> Standings:
        """Open the ledger for reading, whoever runs the campaign."""
        if self.database is not None:
            return self.shared_standings()
        return Standings.open(self.path)

    def shared_standings(self) -> SharedStandings:
        """Open the shared ledger for reading and asking; errors as `SharedStandings.at`."""
        assert self.database is not None
        return SharedStandings.at(self.database, self.id)

    @contextmanager
    def alone(self) -> Iterator[Books]:
        """Open the ledger while nobody sends.

        Raises
        ------
        LedgerError
            Somebody does.
        """
        with self.ledger() as ledger:
            if isinstance(ledger, SharedLedger) and (runners := ledger.work.runners):
                raise LedgerError(
                    f"campaign {self.name!r} is being sent by "
                    f"{runners} runners; wait for their end, or stop them"
                )
            yield ledger

    def _read(self, file: str) -> dict[str, Any]:
        try:
            return tomllib.loads((self.path / file).read_text("utf-8"))
        except FileNotFoundError:
            raise _none(self.path) from None
        except (OSError, ValueError, RecursionError) as exc:
            raise LedgerError(
                f"{str(self.path / file)!r} cannot be read ({str(exc).splitlines()[0]!a}); "
                f"put it back from a copy"
            ) from exc


def checked_name(name: str) -> str:
    """Give a campaign's name.

    Raises
    ------
    LedgerError
        It is none for a folder.
    """
    if not isinstance(name, str) or not is_file_name(name):
        raise LedgerError(
            f"{name!a} is no name for a campaign; use letters, digits, blanks and "
            f". + - _, at most 100"
        )
    return name


def campaign_path(name: str | os.PathLike[str]) -> Path:
    """Give a campaign's folder: a bare name's is below ``campaigns/``.

    >>> campaign_path("november").as_posix()
    'campaigns/november'
    >>> campaign_path("/srv/november").as_posix()
    '/srv/november'
    """
    path = Path(name)
    return CAMPAIGNS / path if path.parent == Path() else path


def _fill(
    folder: Path, people: Recipients, letter: Template, about: dict[str, Any]
) -> None:
    """Write everything; ``campaign.toml``, which makes it one, comes last."""
    plain, files = freeze_letter(letter)
    (folder / EVENTS).mkdir()
    (folder / FILES).mkdir()
    for name, octets in files.items():
        write(folder / FILES / name, octets)
    write(folder / _LETTER, _toml(plain, "letter"))
    try:
        write_list(people, folder / LIST)
    except RecipientsError as exc:
        raise LedgerError(f"cannot keep the list: {exc}") from exc
    if "database" in about:
        SharedLedger.create(about["database"], people.addresses, campaign_id=about["id"])
    else:
        Ledger.create(folder, people.addresses, campaign_id=about["id"])
    about["list_sha256"] = digest_of(folder / LIST)
    about["letter"] = _LETTER
    about["letter_sha256"] = digest_of(folder / _LETTER)
    write(folder / SETTINGS, _toml(about, "campaign"))
    if "database" in about:
        copy_in(folder, about["database"], about["id"])
    for place in (folder / FILES, folder):
        sync(place)


def _give_back(campaign_id: str, database: str | None, elsewhere: str | None) -> None:
    if elsewhere is not None:
        free_place(elsewhere, campaign_id)
    if database is not None:
        schema.drop(database, campaign_id)


def _toml(plain: dict[str, Any], what: str) -> bytes:
    try:
        return tomli_w.dumps(plain).encode()
    except (TypeError, ValueError) as exc:
        raise LedgerError(f"the {what} holds what cannot be kept in a file: {exc}") from exc


def _taken(path: Path) -> LedgerError:
    return LedgerError(
        f"there is a campaign {path.name!r} already, in {str(path)!r}; go on with "
        f"open_campaign({path.name!r}), or choose another name"
    )


def _none(path: Path) -> LedgerError:
    """Say that there is no campaign."""
    if path.is_dir() and any(path.iterdir()):
        return LedgerError(
            f"{str(path)!r} is no campaign's folder: it lacks {SETTINGS!r}; it is left "
            f"alone"
        )
    names = []
    with suppress(OSError):
        names = [one.name for one in path.parent.iterdir() if (one / SETTINGS).is_file()]
    return LedgerError(
        f"no campaign {path.name!r} in {str(path.parent)!r}{near_miss(path.name, names)}"
    )
