"""Secret: a password or token that masks itself wherever it might be shown.

It hides from repr, str, format, pickle and logs; it does not encrypt, and it does not
protect against code that asks for it by `reveal`.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Callable, Iterator
from typing import Final, NoReturn
from urllib.parse import unquote, unquote_plus

MASK: Final = "••••••"
# Shorter pieces of base64 may stand anywhere by chance.
_MIN_PIECE: Final = 12
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


def repeats(text: str, secret: Secret) -> bool:
    """Tell whether a text holds a secret, as it is or as programs spell it.

    Spellings are those of a form or a URL, JSON, HTML, and base64 wherever it begins.

    >>> repeats("bad request: password=correct%20horse", Secret("correct horse"))
    True
    """
    if not secret:
        return False
    standard = text.translate(str.maketrans("-_", "+/"))  # RFC 4648 section 5
    return any(secret.reveal() in spelled for spelled in _spelled_out(text)) or any(
        piece in standard for piece in _pieces(secret.reveal().encode("utf-8", "replace"))
    )


def _spelled_out(text: str) -> Iterator[str]:
    yield text
    yield unquote(text)
    yield unquote_plus(text)
    yield html.unescape(text)
    yield _JSON_ESCAPE.sub(lambda m: chr(int(m[1], 16)) if m[1] else m[2], text)


def _pieces(octets: bytes) -> Iterator[str]:
    """Give what base64 makes of octets wherever they stand inside others.

    Three octets make four characters, so there are three spellings, but for their ends.
    """
    for before in range(3):
        spelled = base64.b64encode(b"\0" * before + octets)
        piece = spelled[4 if before else 0 : (before + len(octets)) // 3 * 4]
        if len(piece) >= _MIN_PIECE:
            yield piece.decode("ascii")
