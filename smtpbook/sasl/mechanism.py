"""Mechanism: what the two sides of a SASL exchange are made of.

A mechanism is a small machine on octets: the client's turns ``challenge -> response``, the
server's ``response -> challenge | verdict``.  Each mechanism has a module beside this one;
which there are, and which may be used when, is `registry`'s.
"""

from __future__ import annotations

import hmac
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from smtpbook.errors import LocalProtocolError


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Who logs in, with what, and where: all that a mechanism may need.

    Attributes
    ----------
    username : str
    secret : str
        Password or access token; not shown by repr.
    host : str
        The server's name as the user gave it; ``""`` = not known.
    port : int
        0 = not known.
    binding : bytes
        The connection's ``tls-server-end-point`` (RFC 5929 section 4), where the mechanism
        is to speak of it; ``b""`` = there is none.
    """

    username: str
    secret: str = field(repr=False)
    host: str = ""
    port: int = 0
    binding: bytes = b""


class ClientMechanism(ABC):
    """The client's side of one exchange.

    Attributes
    ----------
    name : str
        As in the AUTH command.
    failure : str
        What the server said in a challenge about why it refuses, as it came; ``""`` = it
        said nothing.
    awaited : bytes
        The challenge that comes next, where it is known, and is as good as a hash of the
        password for whoever wants to try some: not for a log.
    is_slow : bool
        `start` and `respond` may compute for seconds, or ask others over the network: not
        on an event loop.
    """

    name: str
    failure: str = ""
    awaited: bytes = b""
    is_slow: bool = False

    @abstractmethod
    def start(self) -> bytes | None:
        """Give the initial response, or None when the server speaks first.

        Raises
        ------
        LocalProtocolError
            It cannot be made; nothing was said.
        """

    @abstractmethod
    def respond(self, challenge: bytes) -> bytes:
        """Answer a challenge.

        Raises
        ------
        LocalProtocolError
            The server asks more often than the mechanism has turns; nothing is repeated.
        RemoteProtocolError
            The server is not what it should be; it is told nothing more.
        """

    def finish(self) -> None:  # noqa: B027 (most have nothing to check)
        """Hear that the server is content.

        Raises
        ------
        RemoteProtocolError
            It has not proved that it knows the password, where the mechanism wants that.
        """


class AtOnce(ClientMechanism):
    """A mechanism whose whole exchange is the initial response."""

    def __init__(self, response: bytes) -> None:
        self._turns = [response]

    def start(self) -> bytes | None:
        """Give the whole exchange."""
        return self._turns[0]

    def respond(self, challenge: bytes) -> bytes:
        """Give it once more: some servers ignore an initial response and ask for it."""
        return next_turn(self._turns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a server knows about a client: all that its side of a mechanism may need.

    Attributes
    ----------
    passwords : mapping of str to str
        User name to password or token; not shown by repr.
    nonce : str
        Unpredictable text for this exchange, without commas, such as ``<123@lab.test>``.
    binding : bytes
        ``tls-server-end-point`` of its own certificate; ``b""`` = no TLS.
    identity : str
        Who the client is by other means, such as its certificate; ``""`` = nobody knows.
    """

    passwords: Mapping[str, str] = field(repr=False)
    nonce: str
    binding: bytes = b""
    identity: str = ""


class ServerMechanism(Protocol):
    """The server's side of one exchange."""

    def turn(self, response: bytes | None) -> bytes | bool:
        """Give a challenge (bytes) or the verdict (bool) on the client's response.

        `response` is None at the start when the client sent no initial response.
        """


def next_turn(turns: list[bytes]) -> bytes:
    """Take the last of what is left to say.

    Raises
    ------
    LocalProtocolError
        Nothing is left.
    """
    if not turns:
        raise LocalProtocolError("the server asks for more than the mechanism has to say")
    return turns.pop()


def clean(text: str) -> bytes:
    """Give the octets of a user name or secret; it cannot end its field.

    Raises
    ------
    LocalProtocolError
        NUL, SOH or a surrogate stands in it; neither message nor traceback repeats it.
    """
    # NUL separates the fields of PLAIN, SOH those of the OAuth mechanisms -- RFC 4616
    # section 2, RFC 7628 section 3.1.  A surrogate has no octets, and the error of encode()
    # would carry the whole text.
    if re.search("[\0\1\ud800-\udfff]", text):
        del text  # a traceback that shows locals must not show it
        raise LocalProtocolError(
            "a user name or password holds a NUL, SOH or surrogate character; surrogates "
            "come of octets that are not UTF-8, as in an environment variable in Latin-1: "
            "set it in UTF-8"
        )
    return text.encode("utf-8")


def matches(passwords: Mapping[str, str], username: str, secret: str) -> bool:
    """Whether the secret is that user's, in a time that does not tell how much fits."""
    known = passwords.get(username)
    return known is not None and hmac.compare_digest(known.encode(), secret.encode())
