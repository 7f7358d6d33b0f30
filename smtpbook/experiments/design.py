"""Design: the factors of an experiment, and which of their combinations are its arms.

All combinations are a full factorial.  Of factors with two levels a regular fraction will
do, at a price: each effect is then mixed with others, as `Design.aliases` tells.  Nothing
here knows of recipients.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, product
from typing import Any, Final

from smtpbook.escape import visible

_MAX_CHARS: Final = 40  # of a level that has no name of its own
_MAX_ARMS: Final = 64
_TIMES: Final = " \N{MULTIPLICATION SIGN} "
JOINT: Final = "; "
"""Stands between an arm's levels, as ``subject=plain; helo=mail.example.org``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """What is varied.

    Attributes
    ----------
    name : str
    levels : tuple of str, length >= 2
        Their names; the first one is what the others are compared with.
    means : tuple
        What they stand for.
    """

    name: str
    levels: tuple[str, ...]
    means: tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """The arms of an experiment.

    Attributes
    ----------
    factors : tuple of Factor
    arms : tuple of tuple of int
        Of each arm, the number of its level of each factor.
    words : tuple of frozenset of int
        Of a fraction, the factors whose product is the same in all arms.
    """

    factors: tuple[Factor, ...]
    arms: tuple[tuple[int, ...], ...]
    words: tuple[frozenset[int], ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The arms' names, as they stand in the log."""
        return tuple(
            JOINT.join(
                f"{factor.name}={factor.levels[level]}"
                for factor, level in zip(self.factors, arm, strict=True)
            )
            for arm in self.arms
        )

    @property
    def resolution(self) -> int | None:
        """How many effects the shortest mixture has; None = a full factorial has none.

        At 3, effects of factors are mixed with those of pairs; at 4, only pairs with pairs.
        """
        return min((len(word) for word in self.words), default=None)

    def aliases(self) -> Iterator[tuple[str, str]]:
        """Give each factor, and the shortest products of others that its effect holds."""
        for place, factor in enumerate(self.factors):
            mixed = [word ^ {place} for word in self.words]
            least = min(map(len, mixed), default=0)
            told = " + ".join(
                _TIMES.join(self.factors[one].name for one in sorted(others))
                for others in sorted(mixed, key=sorted)
                if len(others) == least
            )
            yield factor.name, told

    def __str__(self) -> str:
        names = _TIMES.join(one.name for one in self.factors)
        if not self.words:
            return f"{names}: all {len(self.arms)} combinations"
        part = 1 + len(self.words)
        return (
            f"{names}: {len(self.arms)} combinations, 1/{part} of all (resolution "
            f"{self.resolution})"
        )


def design(factors: Mapping[str, Any], fraction: float | str = 1) -> Design:
    """Make a design.

    Parameters
    ----------
    factors : mapping of str to sequence or mapping
        The levels of each factor; a mapping gives them names.
    fraction : float or str
        1, or 1/2, ``"1/4"`` … of the combinations.

    Raises
    ------
    ValueError
        A factor has no two levels, or two of one name; there are too many arms; or there is
        no such fraction.

    References
    ----------
    Box and Hunter (1961), The 2^(k-p) fractional factorial designs, Technometrics 3,
    311-351.  Fries and Hunter (1980), Minimum aberration 2^(k-p) designs, Technometrics 22,
    601-608: which of them is taken.
    """
    if not factors:
        raise ValueError("factors={}: at least one is needed")
    made = tuple(_factor(name, levels) for name, levels in factors.items())
    words = _words([len(one.levels) for one in made], fraction)
    arms = tuple(
        arm
        for arm in product(*(range(len(one.levels)) for one in made))
        if all(sum(arm[place] for place in word) % 2 == 0 for word in words)
    )
    if len(arms) > _MAX_ARMS:
        raise ValueError(
            f"{len(arms)} arms are more than {_MAX_ARMS}; take fewer levels, or a fraction="
        )
    return Design(factors=made, arms=arms, words=words)


def _factor(name: str, levels: Any) -> Factor:
    if isinstance(levels, str) or not isinstance(levels, Mapping | Sequence):
        raise ValueError(f"factor {name!r}: its levels are a list, or a dict of names")
    named = levels if isinstance(levels, Mapping) else {}
    if not named:
        labels = [_label(value) for value in levels]
        if len(set(labels)) < len(labels):
            raise ValueError(
                f"factor {name!r}: two levels look alike; name them: "
                f"{{'first': …, 'second': …}}"
            )
        named = dict(zip(labels, levels, strict=True))
    if len(named) < 2:
        raise ValueError(f"factor {name!r}: at least two levels are needed")
    for label in named:
        if not isinstance(label, str) or not label or label != _label(label):
            raise ValueError(
                f"factor {name!r}: {label!r} is no name for a level; take a short text "
                f"without ';'"
            )
    return Factor(name=name, levels=tuple(named), means=tuple(named.values()))


def _label(value: Any) -> str:
    text = str(getattr(value, "name", None) or getattr(value, "subject", None) or value)
    return visible(text.replace(";", ",").strip(), max_chars=_MAX_CHARS)


def _halvings(fraction: float | str) -> int:
    try:
        part = float(Fraction(fraction))
    except (TypeError, ValueError, ArithmeticError):  # no number, 1/0, infinite
        part = 0
    halvings = round(math.log2(1 / part)) if 0 < part <= 1 else -1
    if halvings < 0 or 2.0**-halvings != part:
        raise ValueError(f"fraction={fraction!r}: it is 1, or 1/2, 1/4 …")
    return halvings


def _words(sizes: Sequence[int], fraction: float | str) -> tuple[frozenset[int], ...]:
    """Give the products that a fraction leaves constant; of all choices the least mixed."""
    halvings = _halvings(fraction)
    if not halvings:
        return ()
    number = len(sizes)
    if set(sizes) != {2} or number - halvings < 2:
        raise ValueError(
            f"fraction={fraction!r} needs factors with two levels each, and two more of "
            f"them than it halves; here are {_TIMES.join(map(str, sizes))}"
        )
    base = range(number - halvings)
    products = [set(one) for size in base for one in combinations(base, size + 1)]
    columns = [of for of in products if len(of) > 1]
    found = [
        _group([frozenset(of | {len(base) + n}) for n, of in enumerate(chosen)])
        for chosen in combinations(columns, halvings)
    ]
    if not found:
        raise ValueError(f"fraction={fraction!r} is too small for {number} factors")
    return min(found, key=lambda words: _aberration(words, number))


def _aberration(words: Sequence[frozenset[int]], number: int) -> tuple[int, ...]:
    lengths = [len(word) for word in words]
    return tuple(lengths.count(length) for length in range(1, number + 1))


def _group(generators: Sequence[frozenset[int]]) -> tuple[frozenset[int], ...]:
    """Give the generators and all their products."""
    words: list[frozenset[int]] = []
    for one in generators:
        words += [one, *(one ^ word for word in words)]
    return tuple(words)
