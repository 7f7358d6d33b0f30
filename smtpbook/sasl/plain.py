"""PLAIN and LOGIN: the password itself is sent, so only under TLS or on this machine."""

from __future__ import annotations

from smtpbook.sasl.mechanism import (
    AtOnce,
    ClientMechanism,
    Credentials,
    Known,
    clean,
    matches,
    next_turn,
)


class Plain(AtOnce):
    """PLAIN: authorization identity, user name, password in one response (RFC 4616)."""

    name = "PLAIN"

    def __init__(self, credentials: Credentials) -> None:
        fields = clean(credentials.username), clean(credentials.secret)
        super().__init__(b"\0%s\0%s" % fields)


class PlainServer:
    """The server's side of PLAIN."""

    def __init__(self, known: Known) -> None:
        self._passwords = known.passwords

    def turn(self, response: bytes | None) -> bytes | bool:
        """Ask for the response if it did not come at once, then judge it."""
        if response is None:
            return b""
        identity, _, rest = response.decode("utf-8", "replace").partition("\0")
        username, _, password = rest.partition("\0")
        # Nobody may act for another here (RFC 4616 section 2).
        return identity in ("", username) and matches(self._passwords, username, password)


class Login(ClientMechanism):
    """LOGIN: user name, then password; never standardised, still offered everywhere.

    References
    ----------
    draft-murchison-sasl-login-00.
    """

    name = "LOGIN"

    def __init__(self, credentials: Credentials) -> None:
        self._turns = [clean(credentials.secret), clean(credentials.username)]

    def start(self) -> bytes | None:
        """Let the server ask: prompts differ, and some refuse an initial response."""
        return None

    def respond(self, challenge: bytes) -> bytes:
        """Give the user name, then the password, whatever the prompts say."""
        return next_turn(self._turns)


class LoginServer:
    """The server's side of LOGIN; an initial response is taken for the user name."""

    def __init__(self, known: Known) -> None:
        self._passwords = known.passwords
        self._username: str | None = None

    def turn(self, response: bytes | None) -> bytes | bool:
        """Ask for the user name, then for the password, then judge."""
        if response is None:
            return b"Username:"
        text = response.decode("utf-8", "replace")
        if self._username is None:
            self._username = text
            return b"Password:"
        return matches(self._passwords, self._username, text)
