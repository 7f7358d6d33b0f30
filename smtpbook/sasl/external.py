"""EXTERNAL and ANONYMOUS: logins without a password.

With EXTERNAL the server knows the client by other means: its TLS certificate, or the Unix
socket it came by.  With ANONYMOUS it lets in whoever comes.
"""

from __future__ import annotations

from typing import Final

from smtpbook.sasl.mechanism import AtOnce, Credentials, Known, clean

ANYBODY: Final = "anonymous"
"""The user name by which a server of ours says that it lets in everybody."""


class External(AtOnce):
    """EXTERNAL: say whom to act for; without a user name, whoever the server knows.

    References
    ----------
    RFC 4422 appendix A.
    """

    name = "EXTERNAL"

    def __init__(self, credentials: Credentials) -> None:
        super().__init__(clean(credentials.username))


class ExternalServer:
    """The server's side of EXTERNAL; who the client is stands in `Known.identity`."""

    def __init__(self, known: Known) -> None:
        self._identity = known.identity

    def turn(self, response: bytes | None) -> bytes | bool:
        """Ask whom to act for; nobody may act for another here."""
        if response is None:
            return b""
        wanted = response.decode("utf-8", "replace")
        return self._identity != "" and wanted in ("", self._identity)


class Anonymous(AtOnce):
    """ANONYMOUS: say nothing, or leave an address or a word as a trace (RFC 4505)."""

    name = "ANONYMOUS"

    def __init__(self, credentials: Credentials) -> None:
        super().__init__(clean(credentials.username))


class AnonymousServer:
    """The server's side of ANONYMOUS: everybody may come in where `ANYBODY` is a user."""

    def __init__(self, known: Known) -> None:
        self._is_open = ANYBODY in known.passwords

    def turn(self, response: bytes | None) -> bytes | bool:
        """Ask for a trace, and believe nothing of it."""
        return b"" if response is None else self._is_open
