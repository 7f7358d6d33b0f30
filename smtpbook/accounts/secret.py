"""Secret: a password or token that masks itself wherever it might be shown.

It hides from repr, str, format, pickle and logs; it does not encrypt, and it does not
protect against code that asks for it by `reveal`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NoReturn

MASK: Final = "••••••"


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
