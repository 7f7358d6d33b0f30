"""Look: where in a seed's mailbox the messages lie that were sent there.

The inbox is looked at first, then where spam is put, then the rest; a message counts where
it is found first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final, Literal

from smtpbook.accounts.passwords import Password
from smtpbook.mailboxes.folders import (
    Folder,
    Header,
    Wanted,
    folders_of_maildir,
    folders_on_server,
    headers_in_file,
    headers_on_server,
)
from smtpbook.mailboxes.imap import ImapPlace, logged_in
from smtpbook.placement.seeds import Seed
from smtpbook.placement.sent import Search, Sent

Placed = Literal["inbox", "spam", "elsewhere"]

# What servers without RFC 6154's attributes, or people, call the folder of spam.
_SPAM: Final = {
    *("junk", "spam", "junk e-mail", "junk-e-mail", "junk email", "junk mail", "bulk"),
    *("bulk mail", "spamverdacht", "courrier indésirable", "correo no deseado"),
    *("posta indesiderata", "ongewenste e-mail", "lixo eletrônico"),
}
# Copies of what was sent from there; \\flagged and \\important are views of other folders.
_OWN: Final = {"\\sent", "\\drafts", "\\flagged", "\\important"}
_OWN_NAMES: Final = {"sent", "sent items", "sent mail", "sent messages", "drafts", "outbox"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A message, and where it lies.

    Attributes
    ----------
    placed : {"inbox", "spam", "elsewhere"}
    folder : str
        As the server has it; foreign.
    header : Header
    """

    placed: Placed
    folder: str
    header: Header


def look(
    seed: Seed, search: Search, *, since: date, password: Password = None
) -> Iterator[tuple[Sent, Sighting]]:
    """Give the messages that are there, each once, with where it lies.

    Parameters
    ----------
    seed : Seed
    search : Search
        For what; what is found is taken out of it.
    since : date
        A server is asked for what came on this day or later.
    password : Secret, callable or str, optional
        For a server.

    Raises
    ------
    SMTPBookError, OSError
        The mailbox cannot be read.
    """
    if seed.host:
        place = ImapPlace.parse(str(seed.source))
        with logged_in(place, password, ca_file=seed.ca_file) as client:
            folders = folders_on_server(client)
            for folder in sorted(filter(_may_hold, folders), key=_order):
                if not search:
                    return
                found = headers_on_server(client, folder, _asks(search), since=since)
                yield from _sightings(folder, found, search)
    else:
        for folder, path in sorted(_files_of(seed), key=lambda pair: _order(pair[0])):
            if search:
                yield from _sightings(folder, headers_in_file(path, _asks(search)), search)


def placed(folder: Folder) -> Placed:
    r"""Tell what it means to lie in a folder.

    >>> placed(Folder(name="G/Pourriel", last="Pourriel", attributes=frozenset({"\\junk"})))
    'spam'
    """
    if folder.name.upper() == "INBOX":
        return "inbox"
    is_spam = "\\junk" in folder.attributes or folder.last.strip().lower() in _SPAM
    return "spam" if is_spam else "elsewhere"


def _order(folder: Folder) -> int:
    """Say when to look: last where everything lies that lies elsewhere, too."""
    if "\\all" in folder.attributes:
        return 3
    return ("inbox", "spam", "elsewhere").index(placed(folder))


def _may_hold(folder: Folder) -> bool:
    return not (folder.attributes & _OWN or folder.last.strip().lower() in _OWN_NAMES)


def _files_of(seed: Seed) -> Iterator[tuple[Folder, Path]]:
    if isinstance(seed.source, Mapping):
        for name, place in seed.source.items():
            yield Folder(name=name, last=name), Path(place).expanduser()
        return
    path = Path(seed.source).expanduser()
    if path.is_dir():
        yield from filter(lambda pair: _may_hold(pair[0]), folders_of_maildir(path))
    else:
        yield Folder(name="INBOX", last="INBOX"), path


def _asks(search: Search) -> Wanted:
    return lambda fields: search.find(fields) is not None


def _sightings(
    folder: Folder, headers: Iterator[Header], search: Search
) -> Iterator[tuple[Sent, Sighting]]:
    for header in headers:
        sent = search.find(header.fields)
        if sent is not None:
            search.without(sent)
            yield sent, Sighting(placed=placed(folder), folder=folder.name, header=header)
