"""OAUTHBEARER and XOAUTH2: an OAuth 2.0 access token in place of a password.

The same idea twice: the standard one, and the older one that Google made and Microsoft
took over.  Both tell why they refuse in a challenge, as JSON, which the client acknowledges
before the refusal itself comes.  Where tokens come from is `accounts.oauth`'s.
"""

from __future__ import annotations

import json
from typing import Final

from smtpbook.sasl.mechanism import (
    ClientMechanism,
    Credentials,
    Known,
    clean,
    matches,
    next_turn,
)

# "The client MUST then send either an additional client response consisting of a single
# %x01 (control A) character to the server in order to allow the server to finish the
# exchange" or cancel -- RFC 7628 section 3.2.3
_ACKNOWLEDGED: Final = b"\1"


class _Bearer(ClientMechanism):
    """What both have in common: one response, then perhaps an error to acknowledge."""

    def __init__(self, response: bytes, dummy: bytes) -> None:
        self._turns = [dummy, response]

    def start(self) -> bytes | None:
        """Give user and token at once."""
        return self._turns[-1]

    def respond(self, challenge: bytes) -> bytes:
        """Acknowledge the error, which comes as a challenge; then the refusal comes.

        An empty challenge is no error: the initial response was left out or ignored.
        """
        if challenge:
            del self._turns[1:]
            self.failure = challenge.decode("utf-8", "replace")
        return next_turn(self._turns)


class OAuthBearer(_Bearer):
    """OAUTHBEARER (RFC 7628).

    References
    ----------
    RFC 7628 section 3.1 (fields), RFC 5801 section 4 (the GS2 header and its escapes).
    """

    name = "OAUTHBEARER"

    def __init__(self, credentials: Credentials) -> None:
        # saslname: "," as "=2C", "=" as "=3D" -- RFC 5801 section 4
        user = clean(credentials.username).replace(b"=", b"=3D").replace(b",", b"=2C")
        # "n": no channel binding; it has none.
        fields = [b"n,a=%s," % user]
        if credentials.host:
            fields.append(b"host=%s" % clean(credentials.host))
        if credentials.port:
            fields.append(b"port=%d" % credentials.port)
        fields.append(b"auth=Bearer %s" % clean(credentials.secret))
        super().__init__(b"\1".join(fields) + b"\1\1", _ACKNOWLEDGED)


class XOAuth2(_Bearer):
    """XOAUTH2.

    References
    ----------
    Google, "OAuth 2.0 Mechanism" (developers.google.com/gmail/imap/xoauth2-protocol);
    Microsoft documents the same for Exchange Online.
    """

    name = "XOAUTH2"

    def __init__(self, credentials: Credentials) -> None:
        fields = clean(credentials.username), clean(credentials.secret)
        super().__init__(b"user=%s\1auth=Bearer %s\1\1" % fields, b"")


class _BearerServer:
    def __init__(self, known: Known, error: dict[str, str]) -> None:
        self._tokens = known.passwords
        self._error = json.dumps(error, separators=(",", ":")).encode()
        self._refused = False

    def turn(self, response: bytes | None) -> bytes | bool:
        """Judge the response; a refusal is told why first, and comes when that is heard."""
        if response is None:
            return b""
        if self._refused:
            return False
        username, fields = self._read(response.decode("utf-8", "replace"))
        scheme, _, token = fields.get("auth", "").partition(" ")
        # "auth-scheme" is matched without regard to case -- RFC 7235 section 2.1
        if scheme.lower() == "bearer" and matches(self._tokens, username, token):
            return True
        self._refused = True
        return self._error

    def _read(self, text: str) -> tuple[str, dict[str, str]]:
        raise NotImplementedError


class OAuthBearerServer(_BearerServer):
    """The server's side of OAUTHBEARER; what it knows as passwords are valid tokens."""

    def __init__(self, known: Known) -> None:
        super().__init__(known, {"status": "invalid_token", "schemes": "bearer"})

    def _read(self, text: str) -> tuple[str, dict[str, str]]:
        header, _, rest = text.partition("\1")
        flag, _, identity = header.partition(",")
        username = identity.removeprefix("a=").removesuffix(",")
        if flag != "n" or not identity.startswith("a="):
            username = ""
        return username.replace("=2C", ",").replace("=3D", "="), _fields(rest)


class XOAuth2Server(_BearerServer):
    """The server's side of XOAUTH2; what it knows as passwords are valid tokens."""

    def __init__(self, known: Known) -> None:
        super().__init__(known, {"status": "401", "schemes": "bearer"})

    def _read(self, text: str) -> tuple[str, dict[str, str]]:
        fields = _fields(text)
        return fields.get("user", ""), fields


def _fields(text: str) -> dict[str, str]:
    return dict(item.partition("=")[::2] for item in text.split("\1") if item)
