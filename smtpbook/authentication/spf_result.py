"""SPF result: what a check came to, with everything that led there.

The result holds the whole way as a tree: each record that was read, each of its terms that
was looked at, what was asked for it, and the records it included.  Nothing here checks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from smtpbook.authentication.spf_record import SpfRecord, Term
from smtpbook.escape import to_html, visible
from smtpbook.states import INK
from smtpbook.wording import counted

# "SPF implementations MUST limit the total number of those terms to 10 during SPF
# evaluation"; "SHOULD limit 'void lookups' to two" -- RFC 7208 section 4.6.4
MAX_LOOKUPS: Final = 10
MAX_VOIDS: Final = 2

SpfVerdict = Literal[
    "none", "neutral", "pass", "fail", "softfail", "temperror", "permerror"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpfStep:
    """One term that was looked at.

    Attributes
    ----------
    term : Term
    target : str
        The name asked about, macros expanded; "" = none was.
    is_match : bool or None
        None = it cannot be told: there was an error, or no address was given.
    found : tuple of str
        What the DNS gave for it: addresses, names.
    inner : SpfResult or None
        The record that it led to, for ``include`` and ``redirect``.
    """

    term: Term
    target: str = ""
    is_match: bool | None = False
    found: tuple[str, ...] = ()
    inner: SpfResult | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpfResult:
    """What a check came to.

    Attributes
    ----------
    result : str
        ``none`` (no record), ``neutral``, ``pass``, ``fail``, ``softfail``, ``temperror``
        (the DNS gave no answer just now), ``permerror`` (the record cannot be used).
    reason : str
        Why, as a sentence; foreign text in it is escaped.
    domain : str
        Whose record it is.
    ip : str
        The client's address; "" = none was given, so nothing could match.
    record : SpfRecord or None
        None = there is none, or it cannot be read.
    texts : tuple of str
        The TXT records that are meant as SPF records; there should be one.
    position : int or None
        Where in the text the error is; None = there is none.
    steps : tuple of SpfStep
        The terms looked at, in order; without an address, all of them.
    lookups : int
        How many terms asked the DNS, in included records too; receivers bear `MAX_LOOKUPS`.
    voids : int
        How many questions got nothing, in included records too; they bear `MAX_VOIDS`.
    explanation : str or None
        The text the domain has for those it turns away (``exp=``); ASCII.
    """

    result: SpfVerdict
    reason: str
    domain: str
    ip: str = ""
    record: SpfRecord | None = None
    texts: tuple[str, ...] = ()
    position: int | None = None
    steps: tuple[SpfStep, ...] = ()
    lookups: int = 0
    voids: int = 0
    explanation: str | None = None

    @property
    def matched(self) -> SpfStep | None:
        """The step that decided; None = no mechanism matched."""
        return next((step for step in self.steps if step.is_match), None)

    def walk(self, depth: int = 0) -> Iterator[tuple[int, SpfResult]]:
        """Give this result and all included ones, each with its depth, in order."""
        yield depth, self
        for step in self.steps:
            if step.inner is not None:
                yield from step.inner.walk(depth + 1)

    @property
    def summary(self) -> str:
        """The result in a line."""
        whom = f" for {self.ip}" if self.ip else ""
        return f"SPF of {visible(self.domain)}{whom}: {self.result}, {self.reason}"

    @property
    def cost(self) -> str:
        """What it costs a receiver, in words."""
        return (
            f"{counted(self.lookups, 'term that asks', 'terms that ask')} the DNS "
            f"({MAX_LOOKUPS} are borne), {counted(self.voids, 'question', 'questions')} "
            f"without an answer ({MAX_VOIDS})"
        )

    def _lines(self, depth: int = 0) -> Iterator[tuple[int, str]]:
        """Give depth and text of what is told; foreign text is escaped."""
        texts = " | ".join(map(visible, self.texts[:3])) or self.reason
        yield depth, f"{visible(self.domain)}: {texts}"
        for step in self.steps:
            mark = {True: "✓", False: "·", None: "?"}[step.is_match]
            found = f" → {', '.join(map(visible, step.found[:8]))}" if step.found else ""
            more = ", …" if len(step.found) > 8 else ""
            yield depth + 1, f"{mark} {step.term}{found}{more}"
            if step.inner is not None:
                yield from step.inner._lines(depth + 2)

    def __str__(self) -> str:
        lines = [self.summary, f"  {self.cost}"]
        lines += ["  " * (depth + 1) + text for depth, text in self._lines()]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        lines = "".join(
            f'<div style="padding-left: {depth * 1.5}em">{to_html(text)}</div>'
            for depth, text in self._lines()
        )
        return (
            f'<div style="{INK}"><p>{to_html(self.summary)}<br>{to_html(self.cost)}</p>'
            f"{lines}</div>"
        )
