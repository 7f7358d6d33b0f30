"""CRAM-MD5: the password proves itself without being sent (RFC 2195)."""

from __future__ import annotations

import hashlib
import hmac

from smtpbook.sasl.mechanism import ClientMechanism, Credentials, Known, clean, next_turn


class CramMd5(ClientMechanism):
    """The client's side: sign the server's challenge with the password."""

    name = "CRAM-MD5"

    def __init__(self, credentials: Credentials) -> None:
        self._username = clean(credentials.username)
        self._secrets = [clean(credentials.secret)]

    def start(self) -> bytes | None:
        """Wait for the challenge."""
        return None

    def respond(self, challenge: bytes) -> bytes:
        """Sign the challenge with the password."""
        digest = hmac.new(next_turn(self._secrets), challenge, hashlib.md5).hexdigest()
        return b"%s %s" % (self._username, digest.encode("ascii"))


class CramMd5Server:
    """The server's side: `Known.nonce` is the challenge."""

    def __init__(self, known: Known) -> None:
        self._passwords = known.passwords
        self._nonce = known.nonce.encode("ascii")

    def turn(self, response: bytes | None) -> bytes | bool:
        """Give the challenge, then judge the signature."""
        if response is None:
            return self._nonce
        username, _, digest = response.decode("utf-8", "replace").rpartition(" ")
        secret = self._passwords.get(username, "").encode()
        expected = hmac.new(secret, self._nonce, hashlib.md5).hexdigest()
        is_equal = hmac.compare_digest(expected.encode(), digest.encode())
        return username in self._passwords and is_equal
