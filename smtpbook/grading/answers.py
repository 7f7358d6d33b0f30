"""Answers: what a student handed in, read with the benefit of the doubt.

``"550"`` is the number 550, ``" Ann@X.Example "`` the address.  Nothing is judged here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def number(answer: Any) -> int | None:
    """Read a whole number; None = it is none.

    >>> number(250), number("250"), number(250.0), number(True), number("many")
    (250, 250, 250, None, None)
    """
    if isinstance(answer, bool):
        return None
    try:
        read = float(answer)
        return int(read) if read == int(read) else None
    except (TypeError, ValueError, OverflowError):
        return None


def text(answer: Any) -> str | None:
    """Read a text without blanks around it and without case; None = it is none.

    >>> text(" <Ann@X.example> "), text(3)
    ('ann@x.example', None)
    """
    if not isinstance(answer, str):
        return None
    return answer.strip().removeprefix("<").removesuffix(">").lower()


def texts(answer: Any) -> tuple[str, ...]:
    """Read several texts, in order: a list, or one text with commas or blanks.

    >>> texts(["SIZE", " dsn"]), texts("size, dsn"), texts(3)
    (('size', 'dsn'), ('size', 'dsn'), ())
    """
    if isinstance(answer, str):
        answer = answer.replace(",", " ").split()
    if not isinstance(answer, list | tuple | set | frozenset):
        return ()
    return tuple(read for one in answer if (read := text(one)) is not None)


def filled_in(answer: Any) -> dict[str, str]:
    """Read a dict of texts; what is no text, or empty, is left out.

    >>> filled_in({"450": "Later", "550": None}), filled_in(3)
    ({'450': 'later'}, {})
    """
    if not isinstance(answer, Mapping):
        return {}
    read = {str(key).strip(): text(value) for key, value in answer.items()}
    return {key: value for key, value in read.items() if value}
