"""What the words of a reply say: concepts found in a sentence, and what they mean together.

A text is masked (addresses, hosts and numbers go, and so do the words inside URLs), cut into
sentences and words, and each word or fixed expression becomes the concepts that
``tables/concepts.csv`` files it under.  A row of ``tables/phrases.csv`` then says what
concepts in one sentence mean together: a *mailbox* that is *absent* is a user unknown, in
whatever order and with whatever between them.  Providers' tokens and figures are not read
here.

Every step takes time in proportion to the text, which is cut off first.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import product
from typing import Final

from smtpbook.codes.blocklists import blocklist_of
from smtpbook.codes.rules import SURE, Finding, Said
from smtpbook.codes.tables import Entry, reasons, rows

# A reply line has at most 512 octets (RFC 5321 section 4.5.3.1.5); a dozen lines of prose.
_MAX_CHARS: Final = 3000

# What holds a dot or an @ is a name, not a word; so is what stands in angle brackets.  A
# mailbox is looked for at the head of a run only, so that no run is read twice.
_NAMES: Final = re.compile(
    r"(?:https?://|www\.)[^\s<>\"]+"
    r"|<[^<>\s/]{0,320}>"
    r"|(?<![^\s<>()\[\]\",;:=])[^\s<>()\[\]@\",;:=]+@[^\s<>()\[\]\",;:]*"
    r"|\(in reply to [a-z ]{1,30}\)"
    r"|[a-z0-9_-]+(?:\.[a-z0-9_-]+)+"
)
_WORD: Final = re.compile(r"[a-z]+[0-9]*|[.!?](?=\s|$)")
_IP: Final = re.compile(r"[0-9x]{1,3}(?:\.[0-9x]{1,3}){3}")
_STOPWORDS: Final = frozenset(
    "a an the is are was were be been being am has have had having does do did done to of "
    "for in on at by with this that these those it its you we i he they us my me our and "
    "or as so if will would can could should may might must please sorry currently "
    "presently just also there here which who what when e s d ll ve re been get got".split()
)
# Words that are no top-level domain: "full.Please" is two sentences, not a host.
_NO_DOMAIN: Final = frozenset(
    "please see try contact visit sorry your mail message user check for".split()
)
# What names of this kind begin with: "RESOLVER.ADR.RecipientNotFound", "Trojan.Generic".
_NO_HOST: Final = frozenset(
    "resolver storedrv transport smtpsend routing agent trojan eicar win win32 worm virus "
    "heuristics malware phishing exploit html js pdf sanesecurity email doc".split()
)
# How the masked names are called in concepts.csv.
_IP_WORD: Final = " ipliteral "
_LIST_WORDS: Final = {"ip": " listzone ", "domain": " domainzone "}


@dataclass(frozen=True, slots=True)
class Phrase:
    """One row of phrases.csv, its concepts as bits.

    ``needs`` are the concepts that must stand in one sentence, ``without`` those that must
    not.  Empty ``codes`` and ``verbs`` fit any; ``rank`` counts from 0, the surest first.
    """

    rank: int
    needs: int
    without: int
    codes: tuple[str, ...]
    verbs: frozenset[str]
    finding: Finding

    def fits(self, said: Said) -> bool:
        """Tell whether the reply's code and command are those this row is about."""
        if self.verbs and said.verb not in self.verbs:
            return False
        if not self.codes:
            return True
        code, status = str(said.code), f"X{(said.enhanced_status or '')[1:]}."
        return any(code.startswith(one) or status.startswith(one) for one in self.codes)


def text_says(said: Said) -> Finding | None:
    """Explain a refusal by words that say just this."""
    found = text_hints(said)
    return found if found and found.entry.confidence >= SURE else None


def text_hints(said: Said) -> Finding | None:
    """Explain a refusal by words that say it more often than not."""
    if 0 < said.code < 400:
        return None
    best: Phrase | None = None
    by_concept = _phrases()
    for found in concepts_in(said.text):
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
                    and phrase.fits(said)
                ):
                    best = phrase
                    break
    return best.finding if best else None


@lru_cache(maxsize=64)  # each of the two rules asks for it
def concepts_in(text: str) -> tuple[int, ...]:
    """Give the concepts of each sentence, as bits of one number a sentence.

    >>> said, also = concepts_in("Mailbox full. Try again later")
    >>> names_of(also)
    ('later',)
    """
    expressions = _expressions()
    words = words_of(text)
    sentences = []
    here = at = 0
    while at < len(words):
        word = words[at]
        if word in ".!?":
            if here:
                sentences.append(here)
            here = 0
        for size, rest, bits in expressions.get(word, ()):
            if size == 1 or words[at + 1 : at + size] == rest:
                here |= bits
                at += size - 1
                break
        at += 1
    if here:
        sentences.append(here)
    return tuple(sentences)


def words_of(text: str) -> list[str]:
    """Cut a text into the words that count, with names masked and marks at sentences' ends.

    >>> words_of("<ann@example.org>: The user doesn't exist. See https://example.org/full")
    ['user', 'not', 'exist', '.', 'see']
    """
    text = text[:_MAX_CHARS].lower()
    if not text.isascii():
        text = text.replace("\u2019", "'")
        text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    if "'" in text:
        text = text.replace("n't", " not").replace("'s", "")
    text = (
        _NAMES.sub(_masked, text)
        .replace("cannot", "not")
        .replace("rfc-", "rfc")
        .replace("rfc ", "rfc")
    )
    return [word for word in _WORD.findall(text) if word not in _STOPWORDS]


def names_of(concepts: int) -> tuple[str, ...]:
    """Name the concepts of a sentence, in the order of their table."""
    return tuple(name for name, bit in _concepts().items() if bit & concepts)


def _masked(match: re.Match[str]) -> str:
    name = match[0]
    if name[0] in "<(" or "@" in name:
        return " "
    listed = blocklist_of(name)
    if listed is not None:
        return _LIST_WORDS[listed.lists]
    if _IP.fullmatch(name):
        return _IP_WORD
    first, _, rest = name.partition(".")
    if rest.rpartition(".")[2] in _NO_DOMAIN:
        return name.replace(".", " . ")
    if first in _NO_HOST:
        return name.replace(".", " ")
    return " "


@cache
def _concepts() -> Mapping[str, int]:
    names = dict.fromkeys(row["concept"] for row in rows("concepts.csv"))
    return {name: 1 << place for place, name in enumerate(names)}


@cache
def _expressions() -> Mapping[str, list[tuple[int, list[str], int]]]:
    """Give, by first word, the expressions: size, further words, concepts; longest first.

    A row's ``also`` names the wider concepts that each of its expressions has too.
    """
    bits = _concepts()
    found: dict[tuple[str, ...], int] = {}
    for row in rows("concepts.csv"):
        its = bits[row["concept"]]
        for wider in row["also"].split():
            its |= bits[wider]
        for expression in row["words"].split(" | "):
            words = tuple(words_of(expression))
            if not words:
                raise ValueError(f"concepts.csv: {expression!r} is stopwords only")
            found[words] = found.get(words, 0) | its
    by_first: dict[str, list[tuple[int, list[str], int]]] = {}
    for words, its in sorted(found.items(), key=lambda item: -len(item[0])):
        by_first.setdefault(words[0], []).append((len(words), list(words[1:]), its))
    return by_first


@cache
def _phrases() -> Mapping[int, list[Phrase]]:
    """Give the rows of phrases.csv under the rarest concept each needs, the surest first."""
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
        codes=tuple(row["codes"].split()),
        verbs=frozenset(row["verbs"].split()),
        finding=Finding(entry, f"words of the text: {words}"),
    )


def _bits(number: int) -> Iterator[int]:
    while number:
        yield number & -number
        number &= number - 1
