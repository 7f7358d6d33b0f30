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

# Words are of letters alone, for the name of a family of codes ("[TSS") ends at a figure.
_NO_LETTERS: Final = {place: " " for place in range(128) if not "a" <= chr(place) <= "z"}


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
        filed: defaultdict[str, list[tuple[int, str, T]]] = defaultdict(list)
        for number, (phrase, words, value) in enumerate(listed):
            # A word that few phrases share, and a long one: texts hold it less often.
            rarest = min(
                words, key=lambda word: (uses[word] / len(word) ** 2, word), default=""
            )
            filed[rarest].append((number, phrase, value))
        self._wordless: defaultdict[str, list[tuple[int, str, T]]] = defaultdict(list)
        for one in filed.pop("", ()):
            self._wordless[one[1][:1]].append(one)
        self._filed = dict(filed)
        self._words = frozenset(filed)

    def find(self, text: str) -> list[tuple[str, T]]:
        """Give the phrases that stand in a text in lower case, the longest first."""
        rows = [self._filed[word] for word in self._words.intersection(_words_of(text))]
        rows += [row for first, row in self._wordless.items() if first in text]
        found = [one for row in rows for one in row if one[1] in text]
        found.sort(key=lambda one: (-len(one[1]), one[0]))
        return [(phrase, value) for _, phrase, value in found]


def _words_of(text: str) -> list[str]:
    return text.translate(_NO_LETTERS).split()
