"""IMAP: a mailbox on a server, and the messages in it, only looked at.

A mailbox is opened by EXAMINE and messages are fetched by BODY.PEEK: nothing is marked
as seen, moved or deleted.  The connection is always under TLS, and the certificate is
verified; a password never stands in a URL.

The protocol is IMAPClient's: it takes answers of FETCH and LIST apart, which imaplib hands
over as they came, and knows how names of mailboxes are spelt.  (imap-tools is as well kept,
but fetches messages whole, however large they are, and not parts of them.)

References
----------
RFC 9051 and RFC 3501 (IMAP), RFC 5092 (its URLs), RFC 8314 (TLS from the first octet).
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from typing import Final, Self
from urllib.parse import unquote, urlsplit

from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientAbortError, IMAPClientError

from smtpbook.accounts.passwords import FromKeyring, Password, revealed
from smtpbook.accounts.secret import Secret
from smtpbook.errors import LocalProtocolError, SMTPBookError, TLSError, TransportError
from smtpbook.escape import visible
from smtpbook.mailboxes.mails import MAX_MAIL, Mail

TIMEOUT_S: Final = 60.0
_PORTS: Final = {"imaps": 993, "imap": 143}
_FORM: Final = "imaps://ann%40x.example@imap.x.example/INBOX"
# A fetch is held in memory.
_BATCH_OCTETS: Final = 8 << 20
_SIZES_AT_ONCE: Final = 500
# What IMAPClient raises for answers that are none; RecursionError: of lists in lists.
_NONSENSE: Final = (ValueError, TypeError, LookupError, AttributeError, RecursionError)


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


@contextmanager
def logged_in(
    place: ImapPlace,
    password: Password = None,
    *,
    ca_file: str | os.PathLike[str] | None = None,
    timeout_s: float = TIMEOUT_S,
) -> Iterator[IMAPClient]:
    """Connect and log in; what goes wrong meanwhile is raised as an error of ours.

    Parameters
    ----------
    place : ImapPlace
    password : Secret, callable or str, optional
        As of an account; an `OAuthToken`, as `authorize` gives it, for a login by XOAUTH2.
        Default: the keyring is asked for ``user@host``.
    ca_file : path, optional
        Certificates to trust instead of the system's.
    timeout_s : float
        For each answer of the server.

    Raises
    ------
    LocalProtocolError
        There is no password.
    TLSError, TransportError
        There is no connection, or it was lost.
    SMTPBookError
        The server refuses the login or what was asked, or does not speak IMAP.
    """
    secret = revealed(password) or FromKeyring(place.name)()
    where = f"{place.host}:{place.port}"
    try:
        with _connect(place, ca_file, timeout_s) as client:
            _log_in(client, place, secret, by_token=is_token(password))
            yield client
    except ssl.SSLError as exc:
        raise TLSError(f"{where}: {exc.reason or exc}") from exc
    except (OSError, IMAPClientAbortError) as exc:
        raise TransportError(f"{where}: {why(exc)}") from exc
    except IMAPClientError as exc:
        raise SMTPBookError(f"{where}: {why(exc)}") from exc
    except _NONSENSE as exc:
        raise SMTPBookError(f"{where}: an answer is not IMAP ({why(exc)})") from exc


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
    since : str, optional
        Only what came on this day or later, such as ``"2026-11-01"``.
    place, password, ca_file, timeout_s
        As of `logged_in`.

    Raises
    ------
    LocalProtocolError
        There is no password, or `since` is no day.
    TLSError, TransportError
        There is no connection, or it was lost.
    SMTPBookError
        The server refuses the login, the mailbox or what was asked.
    """
    wanted = "ALL" if since is None else ["SINCE", _day(since)]
    with logged_in(place, password, ca_file=ca_file, timeout_s=timeout_s) as client:
        examine(client, place.mailbox)
        uids = client.search(wanted)
        done = 0
        for batch in _batches(client, uids):
            for uid, cells in client.fetch(batch, [f"BODY.PEEK[]<0.{MAX_MAIL}>"]).items():
                done += 1
                octets = bytes(cells.get(b"BODY[]<0>") or b"")
                yield Mail(f"{place.mailbox}:{uid}", octets, done, len(uids))


def examine(client: IMAPClient, mailbox: str) -> None:
    """Open a mailbox without a trace.

    Raises
    ------
    SMTPBookError
        The server does not let us.
    """
    try:
        client.select_folder(mailbox, readonly=True)
    except IMAPClientAbortError:
        raise
    except IMAPClientError as exc:
        raise SMTPBookError(f"{client.host}: no mailbox {mailbox!a}: {why(exc)}") from exc


def is_token(password: Password) -> bool:
    """Tell an `OAuthToken` from a password: it says what it is good for."""
    return hasattr(password, "mechanisms")


def why(error: Exception) -> str:
    """Say what an error says, safe to show."""
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return visible(said, max_chars=200)


def _connect(
    place: ImapPlace, ca_file: str | os.PathLike[str] | None, timeout_s: float
) -> IMAPClient:
    context = ssl.create_default_context(cafile=ca_file)
    is_under_tls = place.scheme == "imaps"
    client = IMAPClient(
        place.host,
        place.port,
        ssl=is_under_tls,
        ssl_context=context if is_under_tls else None,
        timeout=timeout_s,
    )
    if not is_under_tls:
        try:
            client.starttls(context)
        except BaseException:
            with suppress(OSError):  # the handshake may have closed it
                client.shutdown()
            raise
    return client


def _log_in(
    client: IMAPClient, place: ImapPlace, secret: Secret, *, by_token: bool
) -> None:
    """Log in; frames below hold the password, so what they raise goes on without them."""
    failure: Exception | None = None
    try:
        log_in = client.oauth2_login if by_token else client.login
        log_in(place.username, secret.reveal())
    except (IMAPClientAbortError, OSError) as exc:
        failure = TransportError(f"{place.host}: lost while logging in ({why(exc)})")
    except (IMAPClientError, *_NONSENSE) as exc:
        failure = SMTPBookError(
            f"{place.host} refuses the login of {place.username}: {why(exc)}; check user "
            f"name and password; many providers want an app password, Microsoft what "
            f"authorize() gives"
        )
    if failure is not None:
        raise failure


def _batches(client: IMAPClient, uids: list[int]) -> Iterator[list[int]]:
    """Cut a list of messages into such as may be fetched at once."""
    for start in range(0, len(uids), _SIZES_AT_ONCE):
        part = uids[start : start + _SIZES_AT_ONCE]
        told = client.fetch(part, ["RFC822.SIZE"])
        batch: list[int] = []
        total = 0
        for uid in part:
            size = min(int(told.get(uid, {}).get(b"RFC822.SIZE", MAX_MAIL)), MAX_MAIL)
            if batch and total + size > _BATCH_OCTETS:
                yield batch
                batch, total = [], 0
            batch.append(uid)
            total += size
        if batch:
            yield batch


def _day(since: str) -> date:
    try:
        return date.fromisoformat(since)
    except (TypeError, ValueError):
        raise LocalProtocolError(
            f"since={since!a} is no day; expected such as 2026-11-01"
        ) from None
