"""Wordings: what replies say once ids, addresses, hosts, times and numbers are taken out.

"<ann@example.org>: unknown, try 4F2A" and "<bob@example.net>: unknown, try 77C1" are one
wording.  `mask` takes one text, `merge` finds those that still differ in a word or two.
Why the replies came is not asked here.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Sequence
from typing import Final

from smtpbook.escape import visible

# Texts are cut first, and every part below is bounded, so that no text takes long.
_MAX_CHARS: Final = 600
_MAX_SHOWN: Final = 200
_STATUS: Final = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}")
_LINE_STATUS: Final = re.compile(rf"(?<=\n){_STATUS.pattern}[ \t]+")
_ATEXT: Final = r"[\w.!#$%&'*+/=?^`{|}~-]"
_MONTH: Final = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_CLOCK: Final = r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?"
_ZONE: Final = r"(?:[ ]?(?:Z|UTC|GMT|[+-][0-9]{2}:?[0-9]{2})\b)?"
_VARIES: Final = re.compile(
    rf"""(?P<url>\bhttps?://[^\s<>"'()]{{1,400}})
    |(?P<address>(?<!{_ATEXT})<?{_ATEXT}{{1,64}}@[\w.-]{{1,255}}>?)
    |(?P<time>
        \b[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}(?:[T ]{_CLOCK}{_ZONE})?
        |(?:\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),?[ ])?(?:\b[0-9]{{1,2}}[ ]{_MONTH}
            |\b{_MONTH}[ ]{{1,2}}[0-9]{{1,2}})(?:[ ][0-9]{{4}})?,?[ ]{_CLOCK}{_ZONE}
        |\b{_CLOCK}\b(?!:){_ZONE})
    |(?P<ip>\[?(?<![\w.:])(?:
        (?:IPv6:)?(?:[0-9a-f]{{1,4}}:){{2,7}}(?:[0-9a-f]{{1,4}}|:[0-9a-f]{{0,4}})?
            (?::[0-9a-f]{{1,4}}){{0,5}}(?![\w:])
        |(?:[0-9]{{1,3}}\.){{3}}[0-9]{{1,3}}(?!\.?\w))\]?)
    |(?P<run>(?<![A-Za-z0-9_+=-])[A-Za-z_+=-]{{0,200}}
        (?:[0-9]|\.[A-Za-z0-9_+=-])[A-Za-z0-9_+=-]{{0,200}}(?:\.[A-Za-z0-9_+=-]{{1,200}}){{0,20}})""",
    re.IGNORECASE | re.VERBOSE,
)
# A host name, or two words that lack the blank after a full stop: both vary.
_HOST: Final = re.compile(r"(?:[a-z0-9_-]{1,63}\.){1,10}[a-z]{2,24}", re.IGNORECASE)
_NUMBER: Final = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)*")
# Shorter ones are mostly what a provider calls its rule: "TSS04", "AUP#O-1", "S3150".
_SHORTEST_ID: Final = 6
_MAX_DIFFERENCES: Final = 4
_MAX_LOOKED_AT: Final = 10  # wordings that share a part with the one in question


def mask(text: str) -> str:
    """Take out of a reply's text what changes from one message to the next.

    Parameters
    ----------
    text : str
        The lines after the code, joined by newlines.

    Returns
    -------
    str
        One line, safe to show: what varies stands as ``<address>``, ``<ip>``, ``<host>``,
        ``<url>``, ``<time>``, ``<id>`` or ``<number>``.  Of the enhanced statuses at the
        head of the lines only the first is left.

    Examples
    --------
    >>> mask("5.1.1 <bob@example.org>: user unknown; id 4F2A9C11 at 12:30:05")
    '5.1.1 <address>: user unknown; id <id> at <time>'
    >>> mask("4.7.0 [192.0.2.7] limit of 100 messages, see https://example.org/help?id=7")
    '4.7.0 <ip> limit of <number> messages, see <url>'
    """
    text = _LINE_STATUS.sub("", text[:_MAX_CHARS])
    masked = " ".join(_VARIES.sub(_placeholder, text).split())
    return visible(masked, max_chars=_MAX_SHOWN)


def _placeholder(match: re.Match[str]) -> str:
    kind = match.lastgroup
    if kind != "run":
        return f"<{kind}>" + ("." if kind == "url" and match[0].endswith(".") else "")
    run = match[0]
    if _STATUS.fullmatch(run):
        return run
    if _NUMBER.fullmatch(run):
        return "<number>"
    if _HOST.fullmatch(run):
        return "<host>"
    is_mixed = any(map(str.isdigit, run)) and any(map(str.isalpha, run))
    return "<id>" if is_mixed and len(run) >= _SHORTEST_ID else run


def merge(
    wordings: Sequence[str], kinds: Sequence[Hashable]
) -> tuple[list[int], list[str]]:
    """Put wordings together that differ in one word of five at most.

    Two that differ in d words agree in at least one of d + 1 parts, so only those that
    share a part are compared.

    Parameters
    ----------
    wordings : sequence of str
        As `mask` gives them, the most frequent first: it keeps its words, and the others
        are compared with it.
    kinds : sequence
        Only wordings of one kind are put together.

    Returns
    -------
    list of int, list of str
        For each wording the number of its cluster, and what the members of each cluster
        have in common; ``*`` stands for a word in which they differ.

    Examples
    --------
    >>> merge(["user ann is gone", "user bob is gone", "go away"], [0, 0, 0])
    ([0, 0, 1], ['user * is gone', 'go away'])
    """
    heads: list[list[str]] = []
    shown: list[list[str]] = []
    found: dict[Hashable, list[int]] = {}
    numbers = []
    for wording, kind in zip(wordings, kinds, strict=True):
        words = wording.split(" ")
        parts = [(kind, len(words), *part) for part in _parts(words)]
        number = _nearest(words, heads, (found.get(part, ()) for part in parts))
        if number is None:
            number = len(heads)
            heads.append(words)
            shown.append(words.copy())
            for part in parts:
                found.setdefault(part, []).append(number)
        common = shown[number]
        for place, word in enumerate(words):
            if common[place] != word:
                common[place] = "*"
        numbers.append(number)
    return numbers, [" ".join(words) for words in shown]


def _allowed(words: int) -> int:
    return 0 if words < 3 else min(max(1, words // 5), _MAX_DIFFERENCES)


def _parts(words: list[str]) -> Iterator[tuple[int, tuple[str, ...]]]:
    number = _allowed(len(words)) + 1
    for part in range(number):
        start, end = (len(words) * p // number for p in (part, part + 1))
        yield part, tuple(words[start:end])


def _nearest(
    words: list[str], heads: list[list[str]], candidates: Iterator[Sequence[int]]
) -> int | None:
    allowed = _allowed(len(words))
    for numbers in candidates:
        for number in numbers[:_MAX_LOOKED_AT]:
            pairs = zip(words, heads[number], strict=True)
            if sum(one != other for one, other in pairs) <= allowed:
                return number
    return None
