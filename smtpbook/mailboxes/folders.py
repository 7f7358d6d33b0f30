r"""Folders: what mailboxes there are, and the headers in each, only looked at.

On a server, or in a maildir with its folders.  What a folder is for is not judged here.

References
----------
RFC 6154 (attributes such as ``\Junk``), RFC 3501 section 6.4.5 (BODY.PEEK).  Google's
IMAP extensions: X-GM-LABELS and X-GM-RAW, where the server offers X-GM-EXT-1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

from imapclient import IMAPClient
from imapclient.imap_utf7 import decode

from smtpbook.mailboxes.imap import examine
from smtpbook.mailboxes.mails import mails_in
from smtpbook.mailboxes.mime import MAX_HEADER, Fields, Part, text_of

MAX_FOLDERS: Final = 200
MAX_MESSAGES: Final = 5000
"""Of a folder, the latest."""

_AT_ONCE: Final = 200
_TRACE: Final = f"BODY.PEEK[HEADER.FIELDS (MESSAGE-ID RECEIVED)]<0.{MAX_HEADER}>"
_HEADER: Final = f"BODY.PEEK[HEADER]<0.{MAX_HEADER}>"
# No mail can be in these.
_CLOSED: Final = {"\\noselect", "\\nonexistent"}
_GMAIL: Final = b"X-GM-EXT-1"
TABS: Final = ("promotions", "social", "updates", "forums")
"""Gmail's categories, beside "primary"; labels do not tell them, a search does."""

Wanted = Callable[[Fields], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    r"""A mailbox of a user's.

    Attributes
    ----------
    name : str
        As the server or the maildir has it; foreign.
    last : str
        Its name without those of the folders it is in.
    attributes : frozenset of str
        In lower case, such as ``\junk``.
    """

    name: str
    last: str
    attributes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The header of a message that lies in a folder.

    Attributes
    ----------
    fields : Fields
    stored : datetime or None
        When the server put it there; None = it was not asked.
    labels : tuple of str
        Gmail's; foreign.
    tab : str or None
        Gmail's category, of what is in the inbox.
    """

    fields: Fields
    stored: datetime | None = None
    labels: tuple[str, ...] = ()
    tab: str | None = None


def folders_on_server(client: IMAPClient) -> list[Folder]:
    """Give the folders that can hold mail, as many as are looked at."""
    found = []
    for flags, delimiter, name in client.list_folders()[:MAX_FOLDERS]:
        attributes = frozenset(_text(flag).lower() for flag in flags or ())
        if not attributes & _CLOSED:
            name, mark = _text(name), _text(delimiter or b"")
            last = name.rpartition(mark)[2] if mark else name
            found.append(Folder(name=name, last=last, attributes=attributes))
    return found


def headers_on_server(
    client: IMAPClient, folder: Folder, wanted: Wanted, *, since: date
) -> Iterator[Header]:
    """Give the headers of a folder that are wanted.

    Parameters
    ----------
    client : IMAPClient
        Logged in.
    folder : Folder
    wanted : callable
        Asked with the fields Message-ID and Received of each message.
    since : date
        Of what came on this day or later.

    Raises
    ------
    SMTPBookError
        The server does not let us look.
    """
    examine(client, folder.name)
    client.normalise_times = False  # with their time zone
    uids = client.search(["SINCE", since])[-MAX_MESSAGES:]
    is_gmail = client.has_capability(_GMAIL)
    items = [_HEADER, "INTERNALDATE", *(["X-GM-LABELS"] if is_gmail else [])]
    for start in range(0, len(uids), _AT_ONCE):
        traces = client.fetch(uids[start : start + _AT_ONCE], [_TRACE])
        chosen = [uid for uid, of in traces.items() if wanted(_fields(of))]
        # At once only as many as may lie in memory.
        for uid in chosen:
            cells = client.fetch([uid], items).get(uid, {})
            is_inbox = folder.name.upper() == "INBOX"
            yield Header(
                fields=_fields(cells),
                stored=cells.get(b"INTERNALDATE"),
                labels=tuple(decode(_octets(one)) for one in cells.get(b"X-GM-LABELS", ())),
                tab=_tab(client, uid) if is_gmail and is_inbox else None,
            )


def folders_of_maildir(path: Path) -> Iterator[tuple[Folder, Path]]:
    """Give a maildir and the folders below it, as Courier and Dovecot name them.

    A folder's name has a dot before each part (Maildir++), in IMAP's spelling.
    """
    yield Folder(name="INBOX", last="INBOX"), path
    for place in sorted(path.iterdir())[:MAX_FOLDERS]:
        if place.name.startswith(".") and (place / "cur").is_dir():
            name = decode(place.name[1:].encode("utf-8", "surrogateescape"))
            yield Folder(name=name, last=name.rpartition(".")[2]), place


def headers_in_file(path: Path, wanted: Wanted) -> Iterator[Header]:
    """Give the headers of a maildir or an mbox that are wanted.

    Raises
    ------
    SMTPBookError, OSError
        It cannot be read.
    """
    for mail in mails_in(path):
        fields = Part(mail.octets).header
        if wanted(fields):
            yield Header(fields=fields)


def _tab(client: IMAPClient, uid: int) -> str:
    """Ask in which of Gmail's tabs a message is."""
    for name in TABS:
        if uid in client.search(["UID", uid, "X-GM-RAW", f"category:{name}"]):
            return name
    return "primary"


def _fields(cells: Any) -> Fields:
    return Fields.parse(text_of(_body(cells)))


def _body(cells: Any) -> bytes:
    """Give the part of a message that was asked for, however its name is spelt."""
    return next(
        (_octets(cell) for name, cell in cells.items() if name.startswith(b"BODY[")), b""
    )


def _octets(cell: Any) -> bytes:
    return cell if isinstance(cell, bytes) else str(cell or "").encode()


def _text(cell: Any) -> str:
    return (
        cell.decode("ascii", "backslashreplace") if isinstance(cell, bytes) else str(cell)
    )
