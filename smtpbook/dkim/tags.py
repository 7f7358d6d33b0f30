"""Tag lists: ``name=value; …`` as signatures and key records hold them (RFC 6376 3.2).

Reading is strict and bounded, because both come from strangers.  What the tags mean is
said in `signature` and `key_record`.
"""

from __future__ import annotations

import base64
import re
from typing import Final

from smtpbook.escape import visible

MAX_OCTETS: Final = 65_536
"""The longest list that is read: what one TXT record can hold (RFC 1035 section 3.2.1)."""

# "tag-name = ALPHA *ALNUMPUNC" -- RFC 6376 section 3.2
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
# tval of section 3.2, and what is not ASCII (RFC 8616 section 5), with white space between.
_NOT_IN_VALUES: Final = re.compile("[^\t -:<-~\u0080-\U0010ffff]")
_BLANKS: Final = " \t"


class TagError(ValueError):
    """A tag list, or a value in it, is not as RFC 6376 wants it."""


def parse_tags(octets: bytes) -> dict[str, str]:
    r"""Read a tag list; folding is undone, white space around values left out.

    >>> parse_tags(b" v=1; d = example.org;\r\n h=From : To;")
    {'v': '1', 'd': 'example.org', 'h': 'From : To'}

    Raises
    ------
    TagError
        It is longer than `MAX_OCTETS`, not UTF-8, breaks the syntax, or a tag stands in it
        twice.
    """
    if len(octets) > MAX_OCTETS:
        raise TagError(f"longer than {MAX_OCTETS} octets")
    try:
        text = octets.replace(b"\r\n", b"").decode()
    except UnicodeDecodeError:
        raise TagError("holds octets that are not UTF-8") from None
    specs = text.split(";")
    if not specs[-1].strip(_BLANKS):  # one semicolon may end the list
        specs.pop()
    tags: dict[str, str] = {}
    for spec in specs:
        name, equals, value = spec.partition("=")
        name = name.strip(_BLANKS)
        if not equals or not _NAME.fullmatch(name):
            raise TagError(f"{shown(spec)} is not a tag with its value")
        # "Tags with duplicate names MUST NOT occur within a single tag-list; if a tag name
        # does occur more than once, the entire tag-list is invalid." (3.2)
        if name in tags:
            raise TagError(f"the tag {shown(name)} stands there twice")
        if found := _NOT_IN_VALUES.search(value):
            raise TagError(f"{shown(name)}= holds the character {found[0]!a}")
        tags[name] = value.strip(_BLANKS)
    return tags


def words_of(value: str) -> tuple[str, ...]:
    """Give the words of a value that lists them with colons.

    >>> words_of("From : To")
    ('From', 'To')
    """
    return tuple(word.strip(_BLANKS) for word in value.split(":"))


def base64_of(tags: dict[str, str], name: str) -> bytes:
    """Decode a value in base64, which may have white space anywhere.

    Raises
    ------
    TagError
        It is not base64.
    """
    try:
        return base64.b64decode(re.sub("[ \t]+", "", tags[name]), validate=True)
    except ValueError:
        raise TagError(f"{name}= is not base64") from None


def shown(text: str) -> str:
    """Quote what a stranger wrote, short and harmless."""
    return repr(visible(text.strip(_BLANKS), max_chars=40))
