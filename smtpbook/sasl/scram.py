"""SCRAM: client and server prove to each other that they know the password; none says it.

RFC 5802 (SHA-1), RFC 7677 (SHA-256), draft-melnikov-scram-sha-512, both sides.  The -PLUS
variants also prove that both see the same TLS certificate, so that nobody sits in between.
Of the ways to name the TLS connection only ``tls-server-end-point`` (RFC 5929 section 4) is
spoken: RFC 9266 would rather have ``tls-exporter``, but Python's `ssl` gives no exporter,
and ``tls-unique`` does not exist in TLS 1.3.

Theory of operation.  Four messages go to and fro::

    C: n,,n=user,r=NONCE                 client-first: gs2-header and "bare" part
    S: r=NONCEnonce,s=SALT,i=4096        server-first
    C: c=biws,r=NONCEnonce,p=PROOF       client-final: gs2-header repeated, proof
    S: v=SIGNATURE                       server-final, or e=WHY

Proof and signature are over the first three messages, so nothing in them can be changed on
the way, and the nonces make each exchange another one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Generator
from typing import Final

from smtpbook.errors import LocalProtocolError, RemoteProtocolError
from smtpbook.sasl.mechanism import ClientMechanism, Credentials, Known
from smtpbook.sasl.saslprep import saslprep

# Binding first: without it, whoever stands between client and server under a certificate of
# his own could pass the messages on.  Then the longer hash.
NAMES: Final = (
    "SCRAM-SHA-512-PLUS",
    "SCRAM-SHA-256-PLUS",
    "SCRAM-SHA-1-PLUS",
    "SCRAM-SHA-512",
    "SCRAM-SHA-256",
    "SCRAM-SHA-1",
)
# "servers SHOULD announce a hash iteration-count of at least 4096" -- RFC 5802 section 5.1.
# Who asks for fewer, and is not the server, wants to guess the password cheaply.
MIN_ITERATIONS: Final = 4096
# A server could keep a client busy for hours.  This many take one to three seconds; the
# most that anybody recommends is 1,300,000 (SHA-1; OWASP, Password Storage Cheat Sheet,
# 2023).
MAX_ITERATIONS: Final = 2_000_000

_BINDING_TYPE: Final = b"tls-server-end-point"
_CLIENT_FIRST: Final = re.compile(
    rb"(?P<header>(?P<flag>[ny]|p=[A-Za-z0-9.-]+),(?:a=(?P<identity>[^,]*))?,)"
    rb"(?P<bare>n=(?P<user>(?:[^,=]|=2C|=3D)+),r=(?P<nonce>[!-+\--~]+)(?:,.*)?)",
    re.DOTALL,
)
_SERVER_FIRST: Final = re.compile(
    rb"r=(?P<nonce>[!-+\--~]+),s=(?P<salt>[^,]+),i=(?P<rounds>[1-9][0-9]*)(?:,.*)?",
    re.DOTALL,
)
_CLIENT_FINAL: Final = re.compile(
    rb"(?P<unproved>c=(?P<binding>[^,]*),r=(?P<nonce>[^,]*)(?:,.*)?),p=(?P<proof>[^,]*)",
    re.DOTALL,
)


class Scram(ClientMechanism):
    """The client's side.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    credentials : Credentials
        With a `binding`, a mechanism without -PLUS says that one could have been used.
    nonce : str
        For tests; by default it is drawn.

    Raises
    ------
    LocalProtocolError
        User name or password cannot be prepared (RFC 4013), there is no user name, or no
        binding for -PLUS.
    """

    is_slow = True

    def __init__(self, name: str, credentials: Credentials, *, nonce: str = "") -> None:
        if not credentials.username:
            raise LocalProtocolError(f"{name} needs a user name")
        is_plus = name.endswith("-PLUS")
        if is_plus and not credentials.binding:
            raise LocalProtocolError(f"{name} binds a login to TLS, which is not there")
        user = saslprep(credentials.username, is_stored=False).encode()
        user = user.replace(b"=", b"=3D").replace(b",", b"=2C")
        # 18 octets: as many as can be drawn once in a lifetime of any server
        self._nonce = (nonce or secrets.token_urlsafe(18)).encode("ascii")
        self.name = name
        self._digest = _digest_of(name)
        self._password = saslprep(credentials.secret, is_stored=True).encode()
        self._binding = credentials.binding if is_plus else b""
        # "y": the "client does support channel binding but thinks the server does not" --
        # RFC 5802 section 7.  The flag is signed, so a server that does offer -PLUS learns
        # that somebody has taken the offer out of its list (section 6).
        flag = b"y" if credentials.binding else b"n"
        self._header = b"%s,," % (b"p=" + _BINDING_TYPE if is_plus else flag)
        self._bare = b"n=%s,r=%s" % (user, self._nonce)
        self._is_proven = False
        self._exchange = self._turns()
        self._first = next(self._exchange)

    def start(self) -> bytes | None:
        """Give the client's first message."""
        return self._first

    def respond(self, challenge: bytes) -> bytes:
        """Prove the password, then check the server's own proof."""
        try:
            return self._exchange.send(challenge)
        except StopIteration:
            raise LocalProtocolError(
                "the server asks for more than the mechanism has to say"
            ) from None

    def finish(self) -> None:
        """See that the server has proved that it knows the password, too."""
        if not self._is_proven:
            raise RemoteProtocolError(
                f"{self.name}: the server let us in without proving that it knows the "
                "password; it may not be the server it seems to be (RFC 5802 section 5)"
            )

    def _turns(self) -> Generator[bytes, bytes, None]:
        first = self._header + self._bare
        challenge = yield first
        if not challenge:  # the initial response was left out, or ignored
            challenge = yield first
        if not self._is_error(challenge):
            challenge = yield self._prove(challenge)
            if not self._is_error(challenge):
                self._check(challenge)
        # There is no room for data beside 235: "the additional data is sent as a challenge
        # whose response is empty" -- RFC 4422 section 3.6
        yield b""

    def _is_error(self, challenge: bytes) -> bool:
        """Keep why the server refuses, if that is what it says; then the refusal comes."""
        if challenge.startswith(b"e="):
            self.failure = challenge[2:].decode("utf-8", "replace")
        return challenge.startswith(b"e=")

    def _prove(self, challenge: bytes) -> bytes:
        nonce, salt, rounds = self._read(challenge)
        keys = _Keys(self._digest, self._password, salt, rounds)
        unproved = b"c=%s,r=%s" % (_b64(self._header + self._binding), nonce)
        said = b",".join((self._bare, challenge, unproved))
        self.awaited = b"v=" + _b64(keys.server_signature(said))
        return b"%s,p=%s" % (unproved, _b64(_xor(keys.client, keys.client_signature(said))))

    def _read(self, challenge: bytes) -> tuple[bytes, bytes, int]:
        """Take the server's first message apart: nonce, salt, iteration count."""
        if challenge.startswith(b"m="):
            # "its presence in a client or a server message MUST cause authentication
            # failure" -- RFC 5802 section 5.1
            raise self._broken("it demands an extension that is not known here (m=)")
        fields = _SERVER_FIRST.fullmatch(challenge)
        salt = _unb64(fields["salt"]) if fields is not None else b""
        if fields is None or not salt:
            raise self._broken("its first message is not r=…,s=…,i=…")
        nonce = fields["nonce"]
        if not nonce.startswith(self._nonce) or nonce == self._nonce:
            raise self._broken("its nonce is not ours with more behind it")
        # nine digits at most: int() of thousands is refused
        rounds = int(fields["rounds"]) if len(fields["rounds"]) < 10 else MAX_ITERATIONS + 1
        if rounds < MIN_ITERATIONS:
            raise self._broken(
                f"it asks for fewer than {MIN_ITERATIONS:,} iterations, which would make "
                "the password easy to guess"
            )
        if rounds > MAX_ITERATIONS:
            raise self._broken(
                f"it asks for more than {MAX_ITERATIONS:,} iterations, which would only "
                "keep this machine busy"
            )
        return nonce, salt, rounds

    def _check(self, challenge: bytes) -> None:
        if not hmac.compare_digest(challenge.partition(b",")[0], self.awaited):
            raise self._broken(
                "it could not prove that it knows the password; it may not be the server "
                "it seems to be"
            )
        self._is_proven = True

    def _broken(self, what: str) -> RemoteProtocolError:
        return RemoteProtocolError(f"{self.name}: the server breaks RFC 5802: {what}")


class ScramServer:
    """The server's side.

    A server would keep salt and keys of each user in place of the password.  This one keeps
    passwords, and derives the keys each time.
    """

    def __init__(self, name: str, known: Known) -> None:
        self._digest = _digest_of(name)
        self._known = known
        self._binding = known.binding if name.endswith("-PLUS") else b""
        if name.endswith("-PLUS"):
            self._flags = {b"p=" + _BINDING_TYPE}
        elif known.binding:
            # "y" from a client to whom -PLUS was offered: somebody took the offer away
            self._flags = {b"n"}
        else:
            self._flags = {b"n", b"y"}
        self._header = self._bare = self._first = self._nonce = b""
        self._keys: _Keys | None = None  # None = nobody we know
        self._is_proven = False

    def turn(self, response: bytes | None) -> bytes | bool:
        """Ask for the first message, give salt and nonce, judge the proof, give our own."""
        if response is None:
            return b""
        if self._is_proven:
            return response == b""
        return self._judge(response) if self._first else self._answer(response)

    def _answer(self, response: bytes) -> bytes | bool:
        fields = _CLIENT_FIRST.fullmatch(response)
        if fields is None or fields["flag"] not in self._flags:
            return False
        # Nobody may act for another here.
        if (fields["identity"] or fields["user"]) != fields["user"]:
            return False
        user = fields["user"].replace(b"=2C", b",").replace(b"=3D", b"=")
        self._header, self._bare = fields["header"], fields["bare"]
        self._nonce = fields["nonce"] + self._known.nonce.encode("ascii")
        # Another one each time, and for those that we do not know, too.
        salt = hashlib.sha256(self._nonce).digest()[:16]
        password = self._password_of(user)
        if password is not None:
            self._keys = _Keys(self._digest, password, salt, MIN_ITERATIONS)
        self._first = b"r=%s,s=%s,i=%d" % (self._nonce, _b64(salt), MIN_ITERATIONS)
        return self._first

    def _password_of(self, user: bytes) -> bytes | None:
        for name, password in self._known.passwords.items():
            try:
                if saslprep(name, is_stored=True).encode() == user:
                    return saslprep(password, is_stored=True).encode()
            except LocalProtocolError:  # nobody can log in by these
                continue
        return None

    def _judge(self, response: bytes) -> bytes | bool:
        fields, keys = _CLIENT_FINAL.fullmatch(response), self._keys
        if fields is None or keys is None:
            return False
        is_ours = fields["binding"] == _b64(self._header + self._binding)
        if not is_ours or fields["nonce"] != self._nonce:
            return False
        said = b",".join((self._bare, self._first, fields["unproved"]))
        expected = _xor(keys.client, keys.client_signature(said))
        if not hmac.compare_digest(_b64(expected), fields["proof"]):
            return False
        self._is_proven = True
        return b"v=" + _b64(keys.server_signature(said))


class _Keys:
    """What a password comes to with a salt (RFC 5802 section 3)."""

    def __init__(self, digest: str, password: bytes, salt: bytes, rounds: int) -> None:
        salted = hashlib.pbkdf2_hmac(digest, password, salt, rounds)
        self._digest = digest
        self.client = hmac.digest(salted, b"Client Key", digest)
        self._stored = hashlib.new(digest, self.client).digest()
        self._server = hmac.digest(salted, b"Server Key", digest)

    def client_signature(self, said: bytes) -> bytes:
        return hmac.digest(self._stored, said, self._digest)

    def server_signature(self, said: bytes) -> bytes:
        return hmac.digest(self._server, said, self._digest)


def _digest_of(name: str) -> str:
    """Give hashlib's name of a mechanism's hash: ``sha256`` for ``SCRAM-SHA-256-PLUS``."""
    return "sha" + name.removesuffix("-PLUS").rpartition("-")[2]


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def _b64(octets: bytes) -> bytes:
    return base64.b64encode(octets)


def _unb64(text: bytes) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""
