"""Typed: what of a line that somebody typed, or a server could not read, is a login.

A misspelt AUTH logs nobody in, and says the password all the same.  What is done about it
is for others to say.
"""

from __future__ import annotations

import re
from typing import Final

from smtpbook.errors import near_miss

_LIKE_AUTH: Final = ("AUTH", "AUTHENTICATE")  # the second is IMAP's
_MECHANISM: Final = re.compile(r"[\w-]{1,20}", re.ASCII)  # RFC 4422 section 3.1


def said_at_login(line: str) -> list[str]:
    """Give the words behind AUTH and its mechanism, however AUTH is spelt.

    >>> said_at_login("auht plain AGFubgBzM2NyZXQ="), said_at_login("AUTH LOGIN")
    (['AGFubgBzM2NyZXQ='], [])
    >>> said_at_login("AUTH AGFubgBzM2NyZXQ="), said_at_login("VRFY ann")
    (['AGFubgBzM2NyZXQ='], [])
    """
    verb, *rest = line.split() or [""]
    is_login = len(verb) > 2 and near_miss(verb.upper(), _LIKE_AUTH) != ""
    if not is_login:
        return []
    return rest[1:] if rest and _MECHANISM.fullmatch(rest[0]) else rest


def without_login(line: str, mask: str) -> str:
    """Give a line with a mask in place of what logs in.

    >>> without_login("AUHT PLAIN AGFubgBzM2NyZXQ=", "***"), without_login("QUIT", "***")
    ('AUHT PLAIN ***', 'QUIT')
    """
    said = said_at_login(line)
    words = line.split()
    return " ".join((*words[: len(words) - len(said)], mask)) if said else line
