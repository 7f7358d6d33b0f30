"""Signing: a secret that seals short texts, and knows what it has sealed.

What is sealed can be read by everybody and made by nobody else.  Nothing is encrypted, and
what the texts mean is not known here.
"""

from __future__ import annotations

import binascii
import hashlib
import os
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from hmac import compare_digest
from pathlib import Path
from typing import Final

MIN_SECRET: Final = 16
"""Octets of a secret: as many as a signature has."""

MASK: Final = "••••••"
# "the output length t be not less than half the length of the hash output" -- RFC 2104
# section 5
_SIGNATURE: Final = 16
_BLOCK: Final = 64  # octets that SHA-256 takes at a time
_MAX_FILE: Final = 4096
_SEALED: Final = re.compile(r"[A-Za-z0-9_-]{22,1024}")


class SigningKey:
    """A secret that can sign and does not show itself.

    Parameters
    ----------
    given : bytes, str, Path, callable or Secret
        The secret: itself, in a file, or given by a callable.  It is asked for once, now.
    purpose : str
        What is signed.  Seals for one purpose are none for another.

    Raises
    ------
    ValueError
        It is none of them, shorter than 16 octets, or there is no such file.
    OSError
        The file cannot be read.
    TypeError
        On pickling, if the secret was given itself.  A path or a callable travels, and is
        asked again where it arrives.

    Examples
    --------
    >>> key = SigningKey(bytes(16), "an example")
    >>> key
    SigningKey(••••••)
    >>> key.seal(b"ann")
    'YW5uXyFID7bjA8G9uxBJeszKkg'
    >>> key.open("YW5uXyFID7bjA8G9uxBJeszKkg")
    b'ann'

    References
    ----------
    RFC 2104 (HMAC), RFC 4648 section 5 (base64url).
    """

    # A closure, not an attribute with the secret: tools that list attributes (debuggers,
    # tracebacks with locals) find a function.
    __slots__ = ("_purpose", "_source", "seal")
    seal: Callable[[bytes], str]

    def __init__(self, given: object, purpose: str) -> None:
        is_source = callable(given) or isinstance(given, os.PathLike)
        self._source = given if is_source else None
        self._purpose = purpose
        self.seal = _sealing(_octets(given), purpose.encode() + b"\0")

    def open(self, sealed: str) -> bytes | None:
        """Give what was sealed; None = not by this key, or not as it is now."""
        if not _SEALED.fullmatch(sealed):
            return None
        try:
            octets = urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
        except binascii.Error:
            return None
        body = octets[:-_SIGNATURE]
        # The texts are compared, not the octets: base64 spells some octets in several ways.
        return body if compare_digest(self.seal(body), sealed) else None

    def __repr__(self) -> str:
        return f"SigningKey({MASK})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SigningKey) and compare_digest(
            self.seal(b""), other.seal(b"")
        )

    def __hash__(self) -> int:
        return hash(self.seal(b""))

    def __copy__(self) -> SigningKey:
        return self

    def __deepcopy__(self, memo: object) -> SigningKey:
        return self

    def __reduce__(self) -> tuple[type[SigningKey], tuple[object, str]]:
        if self._source is None:
            raise TypeError(
                "a secret is not pickled; give it as a Path to its file, and the other "
                "process reads it itself"
            )
        return SigningKey, (self._source, self._purpose)


def new_secret(path: str | os.PathLike[str]) -> Path:
    """Make a file with a new secret, readable by its owner alone.

    Raises
    ------
    ValueError
        There is a file already: what was sealed with another secret could not be opened.
    OSError
        It cannot be written.
    """
    target = Path(path).expanduser()
    try:
        number = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ValueError(
            f"there is a file {str(target)!r} already, and what was sent may need the "
            f"secret in it; choose another path"
        ) from None
    with open(number, "w", encoding="ascii") as file:
        file.write(f"{secrets.token_urlsafe(32)}\n")
        file.flush()
        os.fsync(number)
    return target


def _sealing(secret: bytes, purpose: bytes) -> Callable[[bytes], str]:
    """Give what signs with a secret: HMAC-SHA256, then base64url of body and signature.

    HMAC as RFC 2104 section 2 defines it.  Its two first blocks are the same for every
    body and are hashed once (section 4), which halves what a copy of `hmac.HMAC` takes.
    """
    key = hashlib.sha256(secret).digest() if len(secret) > _BLOCK else secret
    key = key.ljust(_BLOCK, b"\0")
    inner = hashlib.sha256(bytes(octet ^ 0x36 for octet in key) + purpose)
    outer = hashlib.sha256(bytes(octet ^ 0x5C for octet in key))

    def seal(body: bytes) -> str:
        inside, outside = inner.copy(), outer.copy()
        inside.update(body)
        outside.update(inside.digest())
        signature = outside.digest()[:_SIGNATURE]
        return urlsafe_b64encode(body + signature).rstrip(b"=").decode("ascii")

    return seal


def _octets(given: object) -> bytes:
    if isinstance(given, os.PathLike):
        given = _read(Path(given).expanduser())
    elif callable(given):
        given = given()
    if callable(reveal := getattr(given, "reveal", None)):  # a Secret
        given = reveal()
    if isinstance(given, str):
        _refuse_path(given)
        given = given.encode("utf-8", "surrogatepass")
    if not isinstance(given, bytes):
        kind = type(given).__name__
        del given  # a traceback that shows locals must not show it
        raise ValueError(f"a secret is bytes, a str, a Path or a callable, not {kind}")
    if len(given) < MIN_SECRET:
        del given
        raise ValueError(
            f"the secret is shorter than {MIN_SECRET} octets; new_secret(path) makes a "
            f"good one"
        )
    return given


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            octets = file.read(_MAX_FILE + 1)
    except FileNotFoundError:
        raise ValueError(
            f"no secret: there is no file {str(path)!r}; new_secret(path) makes one, once "
            f"for all that is sent"
        ) from None
    if len(octets) > _MAX_FILE:
        del octets
        raise ValueError(f"{str(path)!r} is too long for a file made by new_secret")
    return octets.strip()


def _refuse_path(text: str) -> None:
    # Signing with a file's name instead of what is in it would look as if it worked.
    if text.startswith(("~/", "./", "../")) or text.endswith((".key", ".txt", ".pem")):
        raise ValueError(
            "the secret looks like the name of a file; give Path(…) to have it read"
        )
