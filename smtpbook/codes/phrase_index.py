"""Fixed phrases looked for in a text, many at once, for little more than one reading of it.

A phrase is filed under one of its words, so that only those are compared whose word the
text holds: hundreds of phrases cost no more than a few.  What a phrase means is not known
here.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Final, Generic, TypeVar

T = TypeVar("T")

# Few texts are without them: phrases are filed under another word, if they have one.
_IN_MOST_TEXTS: Final = frozenset(
    (b"a", b"and", b"for", b"from", b"in", b"is", b"not", b"of", b"on", b"s", b"the", b"to")
)
# Words are of letters alone, for the name of a family of codes ("[TSS") ends at a figure.
_NO_LETTERS: Final = bytes(
    place if ord("a") <= place <= ord("z") else ord(" ") for place in range(256)
)


class PhraseIndex(Generic[T]):
    """Phrases in lower case, each with what it stands for.

    Parameters
    ----------
    phrases : iterable of (str, T)
        One may be given more than once.  The word that a phrase is filed under must stand
        in the text as a whole word, beside anything but letters; one without letters is
        filed under its first character.

    Examples
    --------
    >>> found = PhraseIndex([("relay access denied", 1), ("access denied", 2), ("[tss", 3)])
    >>> found.find("554 5.7.1 <a@example.org>: relay access denied")
    [('relay access denied', 1), ('access denied', 2)]
    >>> found.find("[tss04] deferred")
    [('[tss', 3)]
    """

    __slots__ = ("_filed", "_wordless", "_words")

    def __init__(self, phrases: Iterable[tuple[str, T]]) -> None:
        listed = [(phrase, set(_words_of(phrase)), value) for phrase, value in phrases]
        uses = Counter(word for _, words, _ in listed for word in words)
        # The longest comes first, and of two as long the one that was given first: a row
        # begins with both, so that rows sort as they are.
        self._filed: defaultdict[bytes, list[tuple[int, int, str, T]]] = defaultdict(list)
        self._wordless: defaultdict[str, list[tuple[int, int, str, T]]] = defaultdict(list)
        for number, (phrase, words, value) in enumerate(listed):
            row = (-len(phrase), number, phrase, value)
            if words:
                # A word that few phrases share, and a long one: texts hold it less often.
                rarest = min(
                    words - _IN_MOST_TEXTS or words,
                    key=lambda word: (uses[word] / len(word) ** 2, word),
                )
                self._filed[rarest].append(row)
            else:
                self._wordless[phrase[:1]].append(row)
        self._words = frozenset(self._filed)

    def find(self, text: str) -> list[tuple[str, T]]:
        """Give the phrases that stand in a text in lower case, the longest first."""
        filed = self._filed
        words = self._words.intersection(_words_of(text))
        found = [row for word in words for row in filed[word] if row[2] in text]
        for first, rows in self._wordless.items():
            if first in text:
                found += [row for row in rows if row[2] in text]
        found.sort()
        return [(phrase, value) for _, _, phrase, value in found]


def _words_of(text: str) -> list[bytes]:
    # Octets, for they are translated by a plain table.
    return text.encode("utf-8", "replace").translate(_NO_LETTERS).split()
