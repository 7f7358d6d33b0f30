"""SASLprep: one spelling for each user name and password, however it was typed (RFC 4013).

As far as the standard library's tables go, which are Unicode 3.2's, as RFC 3454 wants it.
"""

from __future__ import annotations

import stringprep
from typing import Final
from unicodedata import ucd_3_2_0

from smtpbook.errors import LocalProtocolError

# RFC 4013 section 2.3; the tables are those of RFC 3454 appendix C.
_PROHIBITED: Final = (
    stringprep.in_table_c12,  # spaces that are not ASCII
    stringprep.in_table_c21_c22,  # control characters
    stringprep.in_table_c3,  # private use
    stringprep.in_table_c4,  # no characters
    stringprep.in_table_c5,  # surrogates
    stringprep.in_table_c6,  # inappropriate for plain text
    stringprep.in_table_c7,  # inappropriate for canonical representation
    stringprep.in_table_c8,  # deprecated, or changing the display
    stringprep.in_table_c9,  # tags
)


def saslprep(text: str, *, is_stored: bool) -> str:
    r"""Prepare a user name or password.

    Parameters
    ----------
    text : str
    is_stored : bool
        A "stored string" may hold no character that Unicode 3.2 does not know; SCRAM takes
        passwords for such, and user names for queries (RFC 5802 sections 2.2 and 5.1).

    Raises
    ------
    LocalProtocolError
        A character in it is not allowed; the message does not repeat it.

    Examples
    --------
    >>> saslprep("I\u00adX", is_stored=True)  # a soft hyphen
    'IX'
    >>> saslprep("\u2168", is_stored=True)  # the number nine, as one character
    'IX'

    References
    ----------
    RFC 4013 section 2; RFC 3454 sections 6 (right-to-left) and 7 (unassigned).
    """
    mapped = "".join(
        " " if stringprep.in_table_c12(char) else char
        for char in text
        if not stringprep.in_table_b1(char)
    )
    prepared = ucd_3_2_0.normalize("NFKC", mapped)
    what = _forbidden(prepared, is_stored=is_stored)
    if what is not None:
        del text, mapped, prepared  # a traceback that shows locals must not show them
        raise LocalProtocolError(
            f"a user name or password holds {what}; SCRAM cannot prove it, "
            'auth="PLAIN" can send it under TLS'
        )
    return prepared


def _forbidden(prepared: str, *, is_stored: bool) -> str | None:
    """Say what text holds that it may not hold; None = nothing."""
    if any(is_in(char) for char in prepared for is_in in _PROHIBITED):
        return "a character that SASLprep prohibits (RFC 4013 section 2.3)"
    if is_stored and any(map(stringprep.in_table_a1, prepared)):
        return "a character that is not in Unicode 3.2 (RFC 4013 section 2.5)"
    if not _is_readable(prepared):
        return "left-to-right text in right-to-left text (RFC 4013 section 2.4)"
    return None


def _is_readable(text: str) -> bool:
    """Whether right-to-left text is so from its first character to its last."""
    if not any(map(stringprep.in_table_d1, text)):
        return True
    return (
        stringprep.in_table_d1(text[0])
        and stringprep.in_table_d1(text[-1])
        and not any(map(stringprep.in_table_d2, text))
    )
