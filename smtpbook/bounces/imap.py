"""IMAP: the messages of a mailbox on a server, only looked at.

The mailbox is opened by EXAMINE and messages are fetched by BODY.PEEK: nothing is marked
as seen, moved or deleted.  The connection is always under TLS, and the certificate is
verified; a password never stands in a URL.

References
----------
RFC 9051 and RFC 3501 (IMAP), RFC 5092 (its URLs), RFC 8314 (TLS from the first octet).
"""

from __future__ import annotations

import base64
import imaplib
import os
import re
import ssl
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import unquote, urlsplit

from smtpbook.accounts.passwords import FromKeyring, Password, revealed
from smtpbook.accounts.secret import Secret
from smtpbook.bounces.mails import MAX_MAIL, Mail
from smtpbook.errors import LocalProtocolError, SMTPBookError, TLSError, TransportError
from smtpbook.escape import visible

TIMEOUT_S: Final = 60.0
_PORTS: Final = {"imaps": 993, "imap": 143}
_FORM: Final = "imaps://ann%40x.example@imap.x.example/INBOX"
# A fetch is held in memory.
_BATCH_OCTETS: Final = 8 << 20
_SIZES_AT_ONCE: Final = 500
_UID: Final = re.compile(rb"UID (\d{1,10})")
_SIZE: Final = re.compile(r"UID (\d{1,10}) RFC822\.SIZE (\d{1,15})")
_SINCE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_MONTHS: Final = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImapPlace:
    """A mailbox on a server.

    Attributes
    ----------
    scheme : {"imaps", "imap"}
        TLS from the first octet, or by STARTTLS.
    username, host : str
    port : int
    mailbox : str
    """

    scheme: str
    username: str
    host: str
    port: int
    mailbox: str

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read a URL.

        Raises
        ------
        LocalProtocolError
            It is none of IMAP's, lacks user or host, or holds a password.
        """
        try:
            parts = urlsplit(url)
            port, host = parts.port, parts.hostname
        except ValueError:
            raise LocalProtocolError(f"that is no URL; expected such as {_FORM}") from None
        if parts.password is not None:
            raise LocalProtocolError(
                "a password does not belong in a URL, where histories and logs keep it; "
                "leave it out and give password= or put it into the keyring"
            )
        if parts.scheme not in _PORTS or not host or not parts.username:
            raise LocalProtocolError(
                f"{visible(url, max_chars=100)!a} is no mailbox of IMAP; expected such as "
                f"{_FORM}"
            )
        return cls(
            scheme=parts.scheme,
            username=unquote(parts.username).partition(";")[0],
            host=host,
            port=port or _PORTS[parts.scheme],
            mailbox=unquote(parts.path.lstrip("/").partition(";")[0]) or "INBOX",
        )

    @property
    def name(self) -> str:
        """What the keyring and messages call it."""
        return f"{self.username}@{self.host}"


def mails_on_server(
    place: ImapPlace,
    password: Password = None,
    *,
    since: str | None = None,
    ca_file: str | os.PathLike[str] | None = None,
    timeout_s: float = TIMEOUT_S,
) -> Iterator[Mail]:
    """Fetch the messages of a mailbox, without a trace.

    Parameters
    ----------
    place : ImapPlace
    password : Secret, callable or str, optional
        As of an account.  Default: the keyring is asked for ``user@host``.
    since : str, optional
        Only what came on this day or later, such as ``"2026-11-01"``.
    ca_file : path, optional
        Certificates to trust instead of the system's.
    timeout_s : float
        For each answer of the server.

    Raises
    ------
    LocalProtocolError
        There is no password, or `since` is no day.
    TLSError, TransportError
        There is no connection, or it was lost.
    SMTPBookError
        The server refuses the login, the mailbox or what was asked.
    """
    wanted = _search_of(since)
    secret = revealed(password) or FromKeyring(place.name)()
    try:
        connection = _connect(place, ca_file, timeout_s)
        try:
            _log_in(connection, place, secret)
            yield from _fetched(connection, place, wanted)
        finally:
            with suppress(imaplib.IMAP4.error, OSError):
                connection.logout()
    except ssl.SSLError as exc:
        raise TLSError(f"{place.host}:{place.port}: {exc.reason or exc}") from exc
    except (OSError, imaplib.IMAP4.abort) as exc:
        raise TransportError(f"{place.host}:{place.port}: {_why(exc)}") from exc
    except imaplib.IMAP4.error as exc:
        raise SMTPBookError(f"{place.host}:{place.port}: {_why(exc)}") from exc


def _connect(
    place: ImapPlace, ca_file: str | os.PathLike[str] | None, timeout_s: float
) -> imaplib.IMAP4:
    context = ssl.create_default_context(cafile=ca_file)
    if place.scheme == "imaps":
        return imaplib.IMAP4_SSL(
            place.host, place.port, ssl_context=context, timeout=timeout_s
        )
    connection = imaplib.IMAP4(place.host, place.port, timeout=timeout_s)
    try:
        connection.starttls(context)
    except BaseException:
        with suppress(OSError):
            connection.shutdown()
        raise
    return connection


def _log_in(connection: imaplib.IMAP4, place: ImapPlace, secret: Secret) -> None:
    """Log in; frames below hold the password, so what they raise goes on without them."""
    failure: Exception | None = None
    try:
        connection.login(place.username, secret.reveal())
    except (imaplib.IMAP4.abort, OSError) as exc:
        failure = TransportError(f"{place.host}: lost while logging in ({_why(exc)})")
    except imaplib.IMAP4.error as exc:
        failure = SMTPBookError(
            f"{place.host} refuses the login of {place.username}: {_why(exc)}; check user "
            f"name and password, many providers want an app password"
        )
    if failure is not None:
        raise failure


def _fetched(connection: imaplib.IMAP4, place: ImapPlace, wanted: str) -> Iterator[Mail]:
    mailbox = _modified_utf7(place.mailbox).replace("\\", "\\\\").replace('"', '\\"')
    answer, told = connection.select(f'"{mailbox}"', readonly=True)
    if answer != "OK":
        said = visible(_text(told), max_chars=200)
        raise SMTPBookError(f"{place.host}: no mailbox {place.mailbox!a}: {said}")
    _, told = connection.uid("SEARCH", wanted)
    uids = _text(told).split()
    done = 0
    for batch in _batches(connection, uids):
        for uid, octets in _fetch(connection, batch, f"BODY.PEEK[]<0.{MAX_MAIL}>"):
            done += 1
            yield Mail(f"{place.mailbox}:{uid}", octets, done, len(uids))


def _batches(connection: imaplib.IMAP4, uids: list[str]) -> Iterator[list[str]]:
    """Cut a list of messages into such as may be fetched at once."""
    for start in range(0, len(uids), _SIZES_AT_ONCE):
        part = uids[start : start + _SIZES_AT_ONCE]
        _, told = connection.uid("FETCH", ",".join(part), "(UID RFC822.SIZE)")
        sizes = dict(_SIZE.findall(_text(told)))
        batch: list[str] = []
        total = 0
        for uid in part:
            size = min(int(sizes.get(uid, MAX_MAIL)), MAX_MAIL)
            if batch and total + size > _BATCH_OCTETS:
                yield batch
                batch, total = [], 0
            batch.append(uid)
            total += size
        if batch:
            yield batch


def _fetch(
    connection: imaplib.IMAP4, uids: list[str], what: str
) -> Iterator[tuple[str, bytes]]:
    _, items = connection.uid("FETCH", ",".join(uids), f"(UID {what})")
    for item in items:
        if isinstance(item, tuple) and len(item) == 2:
            number = _UID.search(item[0])
            yield number[1].decode() if number else "?", bytes(item[1])


def _search_of(since: str | None) -> str:
    """Give what to search for.

    Raises
    ------
    LocalProtocolError
        It is no day.
    """
    if since is None:
        return "ALL"
    if not isinstance(since, str) or not _SINCE.fullmatch(since):
        raise LocalProtocolError(f"since={since!a} is no day; expected such as 2026-11-01")
    year, month, day = map(int, since.split("-"))
    if not 1 <= month <= 12 or not 1 <= day <= 31:
        raise LocalProtocolError(f"since={since!a} is no day; expected such as 2026-11-01")
    return f"SINCE {day}-{_MONTHS[month - 1]}-{year:04}"


def _why(error: Exception) -> str:
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return visible(said, max_chars=200)


def _text(told: Sequence[object]) -> str:
    parts = (one for one in told if isinstance(one, bytes))
    return b" ".join(parts).decode("ascii", "backslashreplace")


def _modified_utf7(name: str) -> str:
    """Spell a mailbox's name as IMAP does where it is not ASCII (RFC 3501 section 5.1.3).

    >>> _modified_utf7("Entwürfe & Co")
    'Entw&APw-rfe &- Co'
    """
    pieces = []
    for piece in re.split(r"([^ -~]+)", name):
        if piece.isascii():
            pieces.append(piece.replace("&", "&-"))
        else:
            packed = piece.encode("utf-16-be", "surrogatepass")
            base = base64.b64encode(packed).rstrip(b"=").replace(b"/", b",")
            pieces.append(f"&{base.decode()}-")
    return "".join(pieces)
