"""SASL: how a client proves who it is, and how a server checks it (RFC 4954, RFC 4422).

A mechanism is a small machine on octets: the client's turns `Challenge -> response`, the
server's `response -> Challenge | verdict`.  Base64 and the AUTH command belong to
`commands`; which mechanism may be used in clear text is decided by `choose`.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from smtpbook.errors import LocalProtocolError, near_miss


class ClientMechanism(Protocol):
    """The client's side of one exchange."""

    name: str

    def start(self) -> bytes | None:
        """Give the initial response, or None when the server speaks first."""

    def respond(self, challenge: bytes) -> bytes:
        """Answer a challenge.

        Raises
        ------
        LocalProtocolError
            The server asks more often than the mechanism has turns; nothing is repeated.
        """


class Plain:
    """PLAIN: authorization identity, user name, password in one response (RFC 4616)."""

    name = "PLAIN"

    def __init__(self, username: str, secret: str) -> None:
        self._turns = [b"\0%s\0%s" % (_clean(username), _clean(secret))]

    def start(self) -> bytes | None:
        """Give the whole exchange at once."""
        return self._turns[0]

    def respond(self, challenge: bytes) -> bytes:
        """Give it once more: some servers ignore an initial response and ask for it."""
        return _next(self._turns)


class Login:
    """LOGIN: user name, then password; never standardised, still offered everywhere.

    References
    ----------
    draft-murchison-sasl-login-00.
    """

    name = "LOGIN"

    def __init__(self, username: str, secret: str) -> None:
        self._turns = [_clean(secret), _clean(username)]

    def start(self) -> bytes | None:
        """Let the server ask: prompts differ, and some refuse an initial response."""
        return None

    def respond(self, challenge: bytes) -> bytes:
        """Give the user name, then the password, whatever the prompts say."""
        return _next(self._turns)


class CramMd5:
    """CRAM-MD5: the password proves itself without being sent (RFC 2195)."""

    name = "CRAM-MD5"

    def __init__(self, username: str, secret: str) -> None:
        self._username = _clean(username)
        self._secrets = [_clean(secret)]

    def start(self) -> bytes | None:
        """Wait for the challenge."""
        return None

    def respond(self, challenge: bytes) -> bytes:
        """Sign the challenge with the password."""
        digest = hmac.new(_next(self._secrets), challenge, hashlib.md5).hexdigest()
        return b"%s %s" % (self._username, digest.encode("ascii"))


class XOAuth2:
    """XOAUTH2: an OAuth 2.0 access token in place of a password.

    References
    ----------
    Google, "OAuth 2.0 Mechanism" (developers.google.com/gmail/imap/xoauth2-protocol);
    Microsoft documents the same for Exchange Online.
    """

    name = "XOAUTH2"

    def __init__(self, username: str, secret: str) -> None:
        response = b"user=%s\1auth=Bearer %s\1\1" % (_clean(username), _clean(secret))
        self._turns = [b"", response]

    def start(self) -> bytes | None:
        """Give user and token at once."""
        return self._turns[-1]

    def respond(self, challenge: bytes) -> bytes:
        """Acknowledge the error, which comes as a challenge; then the 535 comes.

        An empty challenge is no error: the initial response was left out or ignored.
        """
        if challenge:
            del self._turns[1:]
        return _next(self._turns)


# Strongest first; of equal strength, the one most servers implement without faults.
_CLIENTS: Final[dict[str, Callable[[str, str], ClientMechanism]]] = {
    "CRAM-MD5": CramMd5,
    "PLAIN": Plain,
    "LOGIN": Login,
    "XOAUTH2": XOAuth2,
}
_BY_PASSWORD: Final = ("CRAM-MD5", "PLAIN", "LOGIN")
_SENDS_SECRET: Final = frozenset({"PLAIN", "LOGIN", "XOAUTH2"})
MECHANISMS: Final = tuple(_CLIENTS)


def choose(wanted: str, offered: Iterable[str], *, is_private: bool) -> str:
    """Choose the mechanism to log in with.

    Parameters
    ----------
    wanted : str
        ``"auto"`` for the strongest that a password serves, or a mechanism's name.
    offered : iterable of str
        What EHLO's AUTH line says, in capitals.
    is_private : bool
        Under TLS, or never leaving this machine: only then may the secret itself be sent.

    Raises
    ------
    LocalProtocolError
        Nothing fits: not offered, not known here, or the secret would travel in the clear.

    >>> choose("auto", ["LOGIN", "PLAIN"], is_private=True)
    'PLAIN'
    """
    offers = list(offered)
    said = ", ".join(offers) or "none"
    if wanted == "auto":
        fits = [name for name in _BY_PASSWORD if name in offers]
        if not fits:
            raise LocalProtocolError(
                f"no common mechanism: the server offers {said}, a password serves "
                f"{', '.join(_BY_PASSWORD)}"
            )
        allowed = [name for name in fits if is_private or name not in _SENDS_SECRET]
        if not allowed:
            raise LocalProtocolError(
                "the server offers only mechanisms that would send the password in clear "
                'text; use tls="starttls" or tls="implicit" (RFC 4954 section 4)'
            )
        return allowed[0]
    name = wanted.upper()
    if name not in _CLIENTS:
        raise LocalProtocolError(
            f"mechanism {wanted!r} is not known here; there are {', '.join(MECHANISMS)}"
            f"{near_miss(name, MECHANISMS)}"
        )
    if name not in offers:
        raise LocalProtocolError(f"the server does not offer {name}; it offers {said}")
    if name in _SENDS_SECRET and not is_private:
        raise LocalProtocolError(f"{name} would send the secret in clear text; use TLS")
    return name


def client(name: str, username: str, secret: str) -> ClientMechanism:
    """Make the client's side of a mechanism of `MECHANISMS`."""
    return _CLIENTS[name](username, secret)


class ServerMechanism:
    """The server's side: `turn` takes a response and gives the next challenge or a verdict.

    Parameters
    ----------
    name : str
        One of `MECHANISMS`.
    passwords : mapping of str to str
        User name to password (for XOAUTH2: to token).
    nonce : str
        Unpredictable text of the CRAM-MD5 challenge, such as ``<123@lab.test>``.
    """

    def __init__(self, name: str, passwords: dict[str, str], *, nonce: str) -> None:
        self._name = name
        self._passwords = passwords
        self._nonce = nonce.encode("ascii")
        self._username: str | None = None
        self._refused = False

    def turn(self, response: bytes | None) -> bytes | bool:
        """Give a challenge (bytes) or the verdict (bool) on the client's response.

        `response` is None at the start when the client sent no initial response.
        """
        text = None if response is None else response.decode("utf-8", "replace")
        if self._name == "LOGIN":
            return self._login(text)
        if text is None:
            return self._nonce if self._name == "CRAM-MD5" else b""
        if self._name == "CRAM-MD5":
            return self._cram_md5(text)
        if self._name == "XOAUTH2":
            return self._xoauth2(text)
        identity, _, rest = text.partition("\0")
        username, _, password = rest.partition("\0")
        # Nobody may act for another here (RFC 4616 section 2).
        return identity in ("", username) and self._matches(username, password)

    def _login(self, text: str | None) -> bytes | bool:
        if text is None:
            return b"Username:"
        if self._username is None:
            self._username = text
            return b"Password:"
        return self._matches(self._username, text)

    def _cram_md5(self, text: str) -> bool:
        username, _, digest = text.rpartition(" ")
        secret = self._passwords.get(username, "").encode()
        expected = hmac.new(secret, self._nonce, hashlib.md5).hexdigest()
        is_equal = hmac.compare_digest(expected.encode(), digest.encode())
        return username in self._passwords and is_equal

    def _xoauth2(self, text: str) -> bytes | bool:
        if self._refused:
            return False
        fields = dict(item.partition("=")[::2] for item in text.split("\1") if item)
        token = fields.get("auth", "").removeprefix("Bearer ")
        if self._matches(fields.get("user", ""), token):
            return True
        self._refused = True  # the client acknowledges this with an empty response
        return b'{"status":"401","schemes":"bearer"}'

    def _matches(self, username: str, password: str) -> bool:
        known = self._passwords.get(username)
        return known is not None and hmac.compare_digest(known.encode(), password.encode())


def _next(turns: list[bytes]) -> bytes:
    if not turns:
        raise LocalProtocolError("the server asks for more than the mechanism has to say")
    return turns.pop()


def _clean(text: str) -> bytes:
    # NUL separates the fields of PLAIN, SOH those of XOAUTH2 -- RFC 4616 section 2.  A
    # surrogate has no octets, and the error of encode() would carry the whole text.
    if re.search("[\0\1\ud800-\udfff]", text):
        raise LocalProtocolError(
            "a user name or password holds a NUL, SOH or surrogate character"
        )
    return text.encode("utf-8")
