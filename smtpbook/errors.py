"""Every exception smtpbook raises, in one tree; what went wrong, and whose fault it is.

::

    SMTPBookError
    ├── LocalProtocolError      we tried to send something the protocol forbids
    ├── RemoteProtocolError     the server broke the protocol
    ├── ReplyError              the server answered 4yz or 5yz; carries the reply
    │   ├── DeferredError       4yz: try again later
    │   ├── RejectedError       5yz: do not repeat unchanged
    │   └── AuthenticationError the login was refused
    ├── OAuthError              no token was given for a login
    ├── TransportError          no reply at all (also an OSError)
    │   ├── TransportTimeout    silence for too long (also a TimeoutError)
    │   └── TLSError            the handshake or the certificate failed
    ├── RecipientsError         a list that cannot be read
    ├── TemplateError           a template or a merge field that cannot be rendered
    ├── LedgerError             the record of who was written to cannot be kept
    ├── NobodyToAsk             a send has no one to ask first (also a RuntimeError)
    └── ColumnError             a DataFrame lacks a column (also a KeyError)

    KeyboardInterrupt
    └── SendStopped             a send was interrupted; carries the partial run

    UserWarning
    ├── LogWarning              part of an event log could not be written to its folder
    └── MaxBulkWarning          a foreign template was read in one way of several

The split answers the questions a caller has: whose fault, and is it worth trying again?
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path


class _Reply(Protocol):
    """The part of `smtpbook.protocol.replies.Reply` an error needs."""

    @property
    def code(self) -> int: ...
    @property
    def text(self) -> str: ...


class SMTPBookError(Exception):
    """Base class of everything below."""


class LocalProtocolError(SMTPBookError):
    """We tried to do something the protocol does not allow here; nothing was written."""


class RemoteProtocolError(SMTPBookError):
    """The server sent something that is not SMTP, or not SMTP here."""


class ReplyError(SMTPBookError):
    """The server answered, and the answer was no.

    Parameters
    ----------
    reply : Reply
        What the server said.
    verb : str
        The command that drew the reply, such as ``"RCPT"``.
    """

    def __init__(self, reply: _Reply, verb: str) -> None:
        super().__init__(f"{verb}: {reply.code} {reply.text}".rstrip())
        self.reply = reply
        self.verb = verb

    def __reduce__(self) -> tuple[type[ReplyError], tuple[object, ...]]:
        # Exceptions are copied and pickled by calling them with their message alone.
        return type(self), (self.reply, self.verb)


class DeferredError(ReplyError):
    """A 4yz reply: the same thing may succeed later."""


class RejectedError(ReplyError):
    """A 5yz reply: repeating it unchanged will not help."""


class AuthenticationError(ReplyError):
    """The server refused the login; ``.reply`` tells why.

    Parameters
    ----------
    reply : Reply
    verb : str
    detail : str
        What the server told beside the reply; "" = nothing.
    """

    def __init__(self, reply: _Reply, verb: str, detail: str = "") -> None:
        super().__init__(reply, verb)
        self.detail = detail
        if detail:
            self.args = (f"{self}; the server says {detail}",)

    def __reduce__(self) -> tuple[type[ReplyError], tuple[object, ...]]:
        return type(self), (self.reply, self.verb, self.detail)


class OAuthError(SMTPBookError):
    """No token was given: the server refused, or the person did.

    Attributes
    ----------
    code : str
        The error's name in RFC 6749 or RFC 8628, such as ``"invalid_grant"``; ``""`` = the
        server said something that is no answer.
    """

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code

    def __reduce__(self) -> tuple[type[OAuthError], tuple[str, str]]:
        return type(self), (str(self), self.code)


class TransportError(SMTPBookError, OSError):
    """No reply came: the connection failed, closed or stayed silent."""


class TransportTimeout(TransportError, TimeoutError):
    """No reply came within the time allowed for this phase."""


class TLSError(TransportError):
    """The TLS handshake failed, or the certificate does not prove who the server is.

    Attributes
    ----------
    is_offered : bool
        Whether the server offers TLS at all.
    """

    is_offered = True


class RecipientsError(SMTPBookError):
    """A recipient list cannot be read; the message names file, row and column."""


class TemplateError(SMTPBookError):
    """A template cannot be compiled or rendered; the message names part and field."""


class LogWarning(UserWarning):
    """Part of an event log could not be written to its folder; nothing hangs on it."""


class MaxBulkWarning(UserWarning):
    """A template of MaxBulk Mailer was read in one way of several."""


class LedgerError(SMTPBookError):
    """The record of who was written to cannot be kept, so nothing more is sent."""


class NobodyToAsk(SMTPBookError, RuntimeError):
    """A send asks first, and there is nobody to answer; nothing has been sent."""


class ColumnError(SMTPBookError, KeyError):
    """A DataFrame lacks a column that a function needs."""

    def __str__(self) -> str:
        # KeyError would show the repr of the message.
        return str(self.args[0]) if self.args else ""


class SendStopped(KeyboardInterrupt):
    """A send was interrupted; what was on the wire has been finished first.

    Attributes
    ----------
    run : object
        The partial `smtpbook.Run`: its log, its outcomes, its summary.
    """

    def __init__(self, message: str, run: object) -> None:
        super().__init__(message)
        self.run = run


def near_miss(word: str, choices: Iterable[str]) -> str:
    """Say "; did you mean …?" when a choice is close to what was typed, else nothing.

    >>> near_miss("code", ["reply_code", "verb"])
    "; did you mean 'reply_code'?"
    >>> near_miss("zebra", ["reply_code", "verb"])
    ''
    """
    names = list(choices)
    close = get_close_matches(word, names, n=1) or [name for name in names if word in name]
    return f"; did you mean {close[0]!r}?" if close and word else ""


def near_file(path: Path) -> str:
    """Say "; did you mean …?" of a file that is not there, if one beside it is close."""
    beside = path.parent.iterdir() if path.parent.is_dir() else ()
    return near_miss(path.name, sorted(file.name for file in beside))
