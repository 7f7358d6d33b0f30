"""What the words of a reply say: concepts found in a sentence, and their meaning together.

A text is masked (addresses, hosts and numbers go, and so do the words inside URLs), cut
into sentences and words, and each word or fixed expression becomes the concepts that
``tables/concepts.csv`` files it under.  A row of ``tables/phrases.csv`` then says what
concepts in one sentence mean together: a *mailbox* that is *absent* is a user unknown, in
whatever order and with whatever between them.  Providers' tokens and figures are not read
here.

Every step takes time in proportion to the text, which is cut off first.  What varies from
one reply to the next (addresses, hosts, figures) is masked, so what is left comes back:
what a word holds, and what a masked text says, is worked out once and then remembered.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from ipaddress import IPv6Address
from itertools import product
from typing import Final, NamedTuple

from smtpbook.codes.blocklists import reason_for
from smtpbook.codes.rules import SURE, Finding, Said
from smtpbook.codes.tables import Entry, reasons, rows

# A reply line has at most 512 octets (RFC 5321 section 4.5.3.1.5); a dozen lines of prose.
_MAX_CHARS: Final = 3000

# A field of Sendmail's; a word; a name, which holds a dot or an @ or stands in angle
# brackets; a part of a word with a hyphen; the end of a sentence.  A run is read as a name
# from its head only, and what was read is not given back, so that no character is looked
# at more than a few times.
_TOKEN: Final = re.compile(
    r"(?:relay|from|to)=|[a-z]++[0-9]*+(?![\w@-]|\.[\w-]|://)"
    r"|(?:https?://|www\.)[^\s<>\"]++"
    r"|<[^<>\s/]{0,320}>"
    r"|(?<![^\s<>()\[\]\",;:=])[^\s<>()\[\]@\",;:=]++@[^\s<>()\[\]\",;:]*+"
    r"|(?<![\w.-])[\w-]++(?:\.[\w-]++)++"
    r"|[a-z]++[0-9]*+"
    r"|[.!?](?=\s|$)"
)
# The page that servers send those to whose SPF failed.
_SPF_PAGE: Final = "openspf."
_NUMBERS: Final = re.compile(r"[0-9x]{1,3}(?:\.[0-9x]{1,3})+")
# What may be an IPv6 address or address literal (RFC 5321 section 4.1.3), in a piece of
# text with "::" or more colons than a time has.
_IPV6: Final = re.compile(
    r"(?<![\w:.])<?(?:ipv6:)?(?=:*[0-9a-f])([0-9a-f:]{2,39})>?(?![\w:])"
)
_IN_REPLY: Final = re.compile(r"\(in reply to [a-z ]{1,30}\)")
# A number behind these is a section: "RFC2821 4.1.1.1" is no address.
_SECTION: Final = re.compile(
    r"\b(rfc[0-9]*|section)[\s,:(]{1,3}[0-9x]{1,3}(?:\.[0-9x]{1,3})+"
)
_LITTLE: Final = (
    "a an the is are was were be been being am has have had having does do did done to "
    "of for in on at by with this that these those it its you we i he they us my me our "
    "and or as so if will would can could should may might must please sorry currently "
    "presently just also there here which who what when e s d ll ve re get got"
)
_STOPWORDS: Final = frozenset(_LITTLE.split())
# Words that are no top-level domain: "full.Please" is two sentences, not a host.
_SAID_AFTER_A_DOT: Final = (
    "please see try contact visit sorry your mail message user check for"
)
_NO_DOMAIN: Final = frozenset(_SAID_AFTER_A_DOT.split())
# What names of this kind begin with: "RESOLVER.ADR.RecipientNotFound", "Trojan.Generic".
_FAMILIES: Final = (
    "resolver storedrv transport smtpsend routing agent trojan eicar win win32 worm virus "
    "heuristics malware phishing exploit html js pdf sanesecurity email doc"
)
_NO_HOST: Final = frozenset(_FAMILIES.split())
# What a sentence begins with that only tells where to read more.
_ASIDES: Final = frozenset(
    {"contact", "information", "learn", "more", "refer", "see", "visit"}
)
# What stands in angle brackets and is no address: "bare <LF> received".
_LINE_ENDS: Final = frozenset({"<cr>", "<lf>", "<crlf>"})
# How the masked names are called in concepts.csv.
_IP_WORD: Final = "ipliteral"
_LIST_WORDS: Final = {
    "ip_blocked": "listzone",
    "rdns": "listzone",
    "sender_blocked": "domainzone",
    "spam": "urizone",
}


@dataclass(frozen=True, slots=True)
class Phrase:
    """One row of phrases.csv, its concepts as bits.

    Attributes
    ----------
    rank : int
        From 0, the surest first, and of those as sure the one that needs more.
    needs, without : int
        What must stand in the sentence, and what must not.
    codes : tuple of str
        How a fitting reply code begins (``"5"``, ``"552"``), or a fitting enhanced status
        whose class is left out and which ends in a dot (``"X.7."``, ``"X.7.1."``); empty =
        any.
    verbs : frozenset of str
        Commands that it may answer; empty = any.
    names_cause : bool
        It is sure, and says more than that some rule refuses.
    """

    rank: int
    needs: int
    without: int
    codes: tuple[str, ...]
    verbs: frozenset[str]
    fits_any: bool
    names_cause: bool
    finding: Finding

    def fits(self, verb: str | None, code: str, status: str) -> bool:
        """Tell whether the reply's code and command are those this row is about."""
        if self.verbs and verb not in self.verbs:
            return False
        return (
            not self.codes or code.startswith(self.codes) or status.startswith(self.codes)
        )


class _Node(NamedTuple):
    """A word in the tree of expressions: what ends here, and what goes on."""

    bits: int
    longer: dict[str, _Node]


def text_says(said: Said) -> Finding | None:
    """Explain a refusal by its words; a finding below `SURE` is a hint only."""
    if 0 < said.code < 400:
        return None
    concepts = concepts_in(said.text)
    return _concepts_say(concepts, said.verb, said.code, said.enhanced_status)


# What is no concept is gone, so that few of these are new.
@lru_cache(maxsize=4096)
def _concepts_say(
    concepts: tuple[int, ...], verb: str | None, code: int, enhanced_status: str | None
) -> Finding | None:
    code_digits, status = str(code), f"X{(enhanced_status or '')[1:]}."
    said = [_sentence_says(found, verb, code_digits, status) for found in concepts]
    phrases = sorted((one for one in said if one), key=lambda one: one.rank)
    # That there is a rule says less than any sentence that names it.
    for phrase in phrases:
        if phrase.names_cause:
            return phrase.finding
    return phrases[0].finding if phrases else None


def _sentence_says(found: int, verb: str | None, code: str, status: str) -> Phrase | None:
    best: Phrase | None = None
    by_concept = _phrases()
    left = found
    while left:
        concept = left & -left
        left ^= concept
        for phrase in by_concept.get(concept, ()):
            if best is not None and phrase.rank >= best.rank:
                break
            if (
                phrase.needs & found == phrase.needs
                and not phrase.without & found
                and (phrase.fits_any or phrase.fits(verb, code, status))
            ):
                best = phrase
                break
    return best


def concepts_in(text: str) -> tuple[int, ...]:
    """Give the concepts of each sentence, as bits of one number a sentence.

    A sentence that only sends the reader to a page counts if it is a blocklist's, or if
    there is no other.

    >>> said, also = concepts_in("Mailbox full. Try again later")
    >>> names_of(also)
    ('try_later',)
    """
    begin = _expressions().get
    words = words_of(text)
    lists = _lists()
    sentences: list[int] = []
    asides: list[int] = []
    said = asides if words and words[0] in _ASIDES else sentences
    here = at = 0
    end = len(words)
    for place, word in enumerate(words):
        if place < at:  # inside an expression that was found
            continue
        node = begin(word)
        if node is None:
            if word in ".!?":
                if here:
                    (sentences if here & lists else said).append(here)
                    here = 0
                opens = place + 1 < end and words[place + 1] in _ASIDES
                said = asides if opens else sentences
            continue
        bits, longer = node
        ahead = place + 1  # the longest expression counts
        while longer and ahead < end and (node := longer.get(words[ahead])):
            ahead += 1
            if node[0]:
                bits, at = node[0], ahead
            longer = node[1]
        here |= bits
    if here:
        (sentences if here & lists else said).append(here)
    return tuple(sentences or asides)


def words_of(text: str) -> list[str]:
    """Cut a text into the words that count, with names masked and marks at sentences' ends.

    >>> words_of("<ann@example.org>: The user doesn't exist. See https://example.org/full")
    ['user', 'not', 'exist', '.', 'see']
    """
    text = text[:_MAX_CHARS].lower()
    if not text.isascii():
        text = text.replace("\u2019", "'")
        text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    if "cannot" in text:
        text = text.replace("cannot", "not")
    if "'" in text:
        text = text.replace("n't", " not").replace("'s", "")
    if "rfc" in text:
        text = text.replace("rfc-", "rfc").replace("rfc ", "rfc")
    if "rfc" in text or "section" in text:
        text = _SECTION.sub(r"\1", text)
    if "(in r" in text:
        text = _IN_REPLY.sub(" ", text)
    return [word for piece in text.split() for word in _words_in(piece)]


# A language has few words and replies say the same: nearly all are found here.
@lru_cache(maxsize=4096)
def _words_in(piece: str) -> tuple[str, ...]:
    """Give the words that count of a piece of text without blanks."""
    words: list[str] = []
    if ":" in piece and ("::" in piece or piece.count(":") > 3):
        piece = _IPV6.sub(_masked, piece)
    for word in _TOKEN.findall(piece):
        if word.isalnum():
            if word not in _STOPWORDS:
                words.append(word)
        else:
            words += _unmasked(word)
    return tuple(words)


def _masked(found: re.Match[str]) -> str:
    """Give what stands for an address, or the same: queue ids have colons, too."""
    try:
        IPv6Address(found[1])
    except ValueError:
        return found[0]
    return _IP_WORD


def names_of(concepts: int) -> tuple[str, ...]:
    """Name the concepts of a sentence, in the order of their table."""
    return tuple(name for name, bit in _concepts().items() if bit & concepts)


def _unmasked(name: str) -> Iterable[str]:
    """Give what counts of a token that is no plain word."""
    first = name[0]
    if len(name) == 1:
        return name
    if name in _LINE_ENDS:
        return (name[1:-1],)
    if _SPF_PAGE in name:
        return ("spf",)
    if first == "<" and _NUMBERS.fullmatch(name, 1, len(name) - 1):  # no mailbox
        return (_IP_WORD,) if name.count(".") == 3 else ()
    if first in "<(" or "@" in name or name[-1] == "=":
        return ()
    if first in "0123456789x" and _NUMBERS.fullmatch(name):
        return (_IP_WORD,) if name.count(".") == 3 else ()
    if reason := reason_for(name):
        return (_LIST_WORDS[reason],)
    *labels, last = name.split(".")
    if last in _NO_DOMAIN:
        return (*labels, ".", last)
    if not labels:  # a URL of a host without a dot
        return ()
    is_no_host = labels[0] in _NO_HOST or "exception" in name
    return (*labels, last) if is_no_host else ()


@cache
def _concepts() -> Mapping[str, int]:
    names = dict.fromkeys(row["concept"] for row in rows("concepts.csv"))
    return {name: 1 << place for place, name in enumerate(names)}


@cache
def _lists() -> int:
    return _concepts()["listed"] | _concepts()["domain_blocklist"]


@cache
def _expressions() -> Mapping[str, _Node]:
    """Give the expressions of concepts.csv as a tree of words.

    A row's ``also`` names the wider concepts that each of its expressions has too.
    """
    bits = _concepts()
    tree: dict[str, _Node] = {}
    for row in rows("concepts.csv"):
        its = bits[row["concept"]]
        for wider in row["also"].split():
            its |= bits[wider]
        for expression in row["words"].split(" | "):
            words = words_of(expression)
            if not words:
                raise ValueError(f"concepts.csv: {expression!r} is stopwords only")
            branch = tree
            for word in words[:-1]:
                branch = branch.setdefault(word, _Node(0, {})).longer
            known = branch.get(words[-1], _Node(0, {}))
            branch[words[-1]] = _Node(known.bits | its, known.longer)
    return tree


@cache
def _phrases() -> Mapping[int, list[Phrase]]:
    """Give the rows of phrases.csv under the rarest concept of each, the surest first."""
    table = sorted(_read_phrases(), key=lambda row: (-row[0], -row[1].bit_count()))
    used: dict[int, int] = {}
    for _, needs, *_ in table:
        for bit in _bits(needs):
            used[bit] = used.get(bit, 0) + 1
    found: dict[int, list[Phrase]] = {}
    for rank, (_, needs, without, row) in enumerate(table):
        rarest = min(_bits(needs), key=lambda bit: used[bit])
        found.setdefault(rarest, []).append(_phrase(rank, needs, without, row))
    return found


def _read_phrases() -> Iterator[tuple[float, int, int, dict[str, str]]]:
    """Give confidence, concepts needed and excluded; ``a/b c`` is ``a c`` and ``b c``."""
    bits = _concepts()
    for row in rows("phrases.csv"):
        without = sum({bits[name] for name in row["without"].split()})
        for names in product(*(one.split("/") for one in row["concepts"].split())):
            needs = sum({bits[name] for name in names})
            yield float(row["confidence"]), needs, without, row


def _phrase(rank: int, needs: int, without: int, row: dict[str, str]) -> Phrase:
    reason = reasons()[row["reason"]]
    entry = Entry(
        meaning=reason.meaning,
        remedy="",
        reason=reason.name,
        confidence=float(row["confidence"]),
        source=row["source"],
        advice=row["advice"],
    )
    words = " + ".join(names_of(needs)).replace("_", " ")
    return Phrase(
        rank=rank,
        needs=needs,
        without=without,
        # With the dot behind it, X.7.1 does not begin X.7.133.
        codes=tuple(f"{one}." if one[0] == "X" else one for one in row["codes"].split()),
        verbs=frozenset(row["verbs"].split()),
        fits_any=not row["codes"] and not row["verbs"],
        names_cause=entry.confidence >= SURE and entry.reason != "policy",
        finding=Finding(entry, f"words of the text: {words}"),
    )


def _bits(number: int) -> Iterator[int]:
    while number:
        yield number & -number
        number &= number - 1
