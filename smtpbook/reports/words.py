"""Words: what of a foreign text can be no secret, and stays when a log is shared.

A text may hold an address in any disguise: encoded, cut in two, written in another script,
a name alone.  So nothing is looked for.  What stays is what the package's own tables of
replies hold, word by word: the words in which servers say what they mean.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from functools import cache
from typing import Final

from smtpbook.codes import tables
from smtpbook.codes.provider_tables import blocklists, provider_replies, providers

_TABLES: Final = (
    *("command_replies.csv", "commands.csv", "concepts.csv", "enhanced_status.csv"),
    *("reasons.csv", "reply_codes.csv", "spoken.csv"),
)
_NOT_WORDS: Final = {"source", "rfc", "section", "confidence"}
# What servers say besides when nothing is wrong; and those of the tables' words that are
# people's names.
_ALSO: Final = (
    *("ok", "queued", "bye", "hello", "pleased", "meet", "closing", "transmission"),
    *("channel", "go", "ahead", "ready", "additional", "redacted"),
)
_NAMES: Final = frozenset(("cyrus", "dan", "drew", "june", "max", "rich", "young"))
# Those that servers need to say what they mean, and that are first or last names as well:
# with a capital letter they may be somebody's.
_MAYBE_NAMES: Final = frozenset(
    (
        *("black", "cox", "day", "good", "gray", "grey", "gross", "lock", "long"),
        *("may", "page", "short", "small", "white", "will"),
    )
)
_STATUS: Final = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}(?=\s|$)")
_AROUND: Final = "<>()[]{}\"'`,.;:!?*#"
_JOINED: Final = re.compile(r"[-/=_:']")
_MAX_CODE: Final = 11  # characters of a provider's code, with its brackets
_MAX_MARKS: Final = 2  # around a word: more would be a message of their own
_LETTERS: Final = re.compile("[A-Za-z]+")


def kept_words(text: str, names: Set[str] = frozenset()) -> str:
    r"""Give a text with only those words that cannot be anybody's.

    Parameters
    ----------
    text : str
        A reply's lines, joined by ``\n``.
    names : set of str
        Words that are not kept although they are known, for here they are names: a mailbox
        may be called "user".  In lower case.

    Returns
    -------
    str
        As many lines; the enhanced status at the head of each is kept.  What is not kept
        stands as ``<address>``, ``<url>``, ``<number>`` or ``*``.

    Examples
    --------
    >>> kept_words("5.1.1 <bob@x.example>: user unknown; ask Carol, 5550")
    '5.1.1 <address>: user unknown; ask *, <number>'
    >>> kept_words("will: user unknown", {"will"})
    '*: user unknown'
    >>> kept_words("Will Smith may be away; mail will be kept")
    '* may be away; mail will be kept'
    """
    return "\n".join(_line(line, names) for line in text.split("\n"))


def _line(line: str, names: Set[str]) -> str:
    status = _STATUS.match(line)
    head = [status[0]] if status else []
    kept = list(_kept(line[status.end() :] if status else line, names))
    return " ".join(
        [
            *head,
            *(one for n, one in enumerate(kept) if one != "*" or kept[n - 1 : n] != ["*"]),
        ]
    )


def _kept(line: str, names: Set[str]) -> Iterator[str]:
    for chunk in line.split():
        core = chunk.strip(_AROUND)
        before, _, after = chunk.partition(core) if core else ("", "", "")
        yield before[-_MAX_MARKS:] + _word(chunk, core, names) + after[:_MAX_MARKS]


def _word(chunk: str, core: str, names: Set[str]) -> str:
    plain = core.lower()
    if len(chunk) <= _MAX_CODE and chunk[0] in "[(" and _is_code(chunk.rstrip(".,;:")):
        return core
    if not core:
        return chunk if chunk in ("-", "--", ":", "...") else "*"
    if core.isascii() and plain not in names:
        if _is_known(core):
            return core
        parts = _JOINED.split(core)
        if all(_is_known(part) and part.lower() not in names for part in parts):
            return core
    if "://" in chunk:
        return "<url>" if "<" not in chunk else "url"
    if "@" in chunk:
        return "<address>" if "<" not in chunk else "address"
    return "<number>" if core.isascii() and core.isdigit() else "*"


def _is_known(word: str) -> bool:
    plain = word.lower()
    return plain in vocabulary() and (word == plain or plain not in _MAYBE_NAMES)


def _is_code(chunk: str) -> bool:
    """Tell whether it is what a provider calls one of its rules, such as "[TSS04]"."""
    patterns = (one.token for one in providers().values())
    return any(one.fullmatch(chunk) for one in patterns if one is not None)


@cache
def vocabulary() -> frozenset[str]:
    """Give the words that are kept, in lower case."""
    texts = [
        cell
        for table in _TABLES
        for row in tables.rows(table)
        for column, cell in row.items()
        if column not in _NOT_WORDS and cell
    ]
    texts += [one.token for one in provider_replies() if one.token]
    texts += [mark for one in providers().values() for mark in (*one.marks, *one.greetings)]
    texts += [name for one in blocklists().values() for name in one.names]
    words = {chunk.strip(_AROUND).lower() for text in texts for chunk in text.split()}
    words |= {word.lower() for text in texts for word in _LETTERS.findall(text)}
    words = {word for word in words.union(_ALSO) if not word.isdigit()}
    return frozenset(words - _NAMES - {""})


def names_in(address: str) -> frozenset[str]:
    """Give the words of an address that would be kept elsewhere.

    >>> sorted(names_in("mail.user+7@service.example"))
    ['mail', 'service', 'user']
    """
    local_part, _, domain = address.lower().rpartition("@")
    parts = {local_part, domain, *re.split(r"[^a-z0-9]+", local_part)}
    parts.update(domain.split(".")[:-1])
    return frozenset(parts & vocabulary())
