"""Secret: a password or token that masks itself wherever it might be shown.

It hides from repr, str, format, pickle and logs; it does not encrypt, and it does not
protect against code that asks for it by `reveal`.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Callable, Iterator
from typing import Final, NoReturn
from urllib.parse import quote, unquote_plus

from smtpbook.escape import visible

MASK: Final = "••••••"
# Shorter pieces of base64 may stand anywhere by chance.
_MIN_PIECE: Final = 12
_URL_SAFE: Final = str.maketrans("+/", "-_")  # RFC 4648 section 5
_HEX: Final = {
    sign: re.compile(rb"%s([0-9A-Fa-f]{2})" % re.escape(sign.encode())) for sign in "%+="
}
_JSON_ESCAPE: Final = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.))", re.DOTALL)


class Secret:
    """A string that shows itself as ``••••••``.

    >>> password = Secret("correct horse")
    >>> f"{password} {password!r}"
    '•••••• Secret(••••••)'
    >>> password.reveal()
    'correct horse'

    Raises
    ------
    TypeError
        On pickling: a secret does not travel; the other side gets it from the keyring, the
        environment or a callable itself.
    """

    # A closure instead of an attribute: tools that list attributes (tracebacks with
    # locals, debuggers' tables, vars()) find a function, not the text.
    __slots__ = ("reveal",)
    reveal: Callable[[], str]

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            kind = type(text).__name__
            del text  # a traceback that shows locals must not show it
            raise TypeError(f"a secret is a string, not {kind}")
        self.reveal = lambda: text

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __bool__(self) -> bool:
        return bool(self.reveal())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.reveal() == other.reveal()

    def __hash__(self) -> int:
        return hash((Secret, self.reveal()))

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled; let the other process ask for it itself")


class Redactor:
    """Takes secrets out of what others say, as they are or as programs spell them.

    Spellings are those of URLs and forms, JSON, HTML, xtext (RFC 3461 section 4),
    quoted-printable, Python's bytes, and base64, wherever in it the secret begins.

    Parameters
    ----------
    mask : str
        Stands for a secret; where one is spelled otherwise, for the whole text.

    Examples
    --------
    >>> redactor = Redactor("[redacted]")
    >>> redactor.hide(b"correct horse")
    >>> redactor.redacted("no such password: correct horse")
    'no such password: [redacted]'
    >>> redactor.redacted("bad request: user=ann&password=correct%20horse")
    '[redacted]'
    """

    def __init__(self, mask: str) -> None:
        self._mask = mask
        self._plain: set[str] = set()
        self._pieces: set[str] = set()
        self._spans: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether there is anything to hide."""
        return bool(self._plain)

    def hide(self, *secrets: bytes) -> None:
        """Take these out, too."""
        spans = set(self._spans)
        for secret in filter(None, secrets):
            text = secret.decode("utf-8", "surrogateescape")
            whole = base64.b64encode(secret).decode("ascii")
            # As it is sent, as it is shown, and as an error shows octets.
            spans |= {text, visible(text), repr(secret)[2:-1], whole}
            self._plain.add(text)
            for inner in {text, *_spellings(text)}:
                self._pieces |= {
                    spell(piece) for piece in _pieces(inner) for spell in (str, _for_urls)
                }
        # The longest first: one may be part of another.
        self._spans = tuple(sorted(spans, key=len, reverse=True))

    def redacted(self, text: str) -> str:
        """Give the text without the secrets."""
        for span in self._spans:
            if span in text:
                text = text.replace(span, self._mask)
        return self._mask if self._is_spelled_in(text) else text

    def _is_spelled_in(self, text: str) -> bool:
        if any(piece in text for piece in self._pieces):
            return True
        return any(
            plain in spelled for spelled in _spelled_out(text) for plain in self._plain
        )


def _spellings(text: str) -> Iterator[str]:
    yield quote(text, "", errors="surrogateescape")
    yield json.dumps(text)[1:-1]
    yield json.dumps(text, ensure_ascii=False)[1:-1]
    yield html.escape(text)


def _for_urls(piece: str) -> str:
    return piece.translate(_URL_SAFE)


def _spelled_out(text: str) -> Iterator[str]:
    """Give the texts that this one may spell; most replies are plain."""
    for sign in "%+=":
        if sign in text:
            octets = text.encode("utf-8", "surrogateescape")
            plain = _HEX[sign].sub(lambda m: bytes.fromhex(m[1].decode()), octets)
            yield plain.decode("utf-8", "surrogateescape")
    if "+" in text:
        yield unquote_plus(text)
    if "&" in text:
        yield html.unescape(text)
    if "\\" in text:
        yield _JSON_ESCAPE.sub(lambda m: chr(int(m[1], 16)) if m[1] else m[2], text)


def _pieces(text: str) -> Iterator[str]:
    """Give what base64 makes of a text wherever it stands inside another.

    Three octets make four characters, so there are three spellings, but for their ends.
    """
    octets = text.encode("utf-8", "surrogateescape")
    for before in range(3):
        spelled = base64.b64encode(b"\0" * before + octets)
        piece = spelled[4 if before else 0 : (before + len(octets)) // 3 * 4]
        if len(piece) >= _MIN_PIECE:
            yield piece.decode("ascii")
