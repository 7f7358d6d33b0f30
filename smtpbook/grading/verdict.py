"""Verdict: whether an exercise is solved, and why; it shows itself.

It judges nothing: the exercises do.  What a student or a server said passes
`smtpbook.escape` before it is shown.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Final

from smtpbook.escape import to_html, visible
from smtpbook.palette import SEVERITY_COLORS

_MAX_CHARS: Final = 300  # of one line of evidence
_WORDS: Final = {True: "✓ right", False: "✗ not yet"}
_COLORS: Final = {True: SEVERITY_COLORS[2], False: SEVERITY_COLORS[5]}


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Verdict:
    """What a check came to; true when the exercise is solved.

    A wrong one is false, so whether there is one is asked with ``is not None``.

    Attributes
    ----------
    passed : bool
    why : str
        What was right, or what exactly was wrong and what would be right.
    evidence : tuple of str
        The lines of the conversation, or of the code's output, that it rests on.
    source : str or None
        Where the rule is written, such as ``"RFC 5321 section 3.1"``.
    exercise : str
        The exercise's title; ``""`` before an exercise has put it in.
    hint : str or None
        What to do when it is not right yet; None = nothing is left to say.
    """

    passed: bool
    why: str
    evidence: tuple[str, ...] = ()
    source: str | None = None
    exercise: str = ""
    hint: str | None = None

    def __bool__(self) -> bool:
        return self.passed

    def __str__(self) -> str:
        head = f"{_WORDS[self.passed]}: {visible(self.why)}"
        lines = [f"{self.exercise}: {head}" if self.exercise else head]
        lines += [textwrap.indent(line, "    ") for line in self._shown()]
        if self.source:
            lines.append(f"  Written in {self.source}")
        if self.hint:
            lines.append(f"  {self.hint}")
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        title = f"<b>{to_html(self.exercise)}</b> " if self.exercise else ""
        rest = "".join(
            f"<div><small>{to_html(line)}</small></div>"
            for line in (self.source and f"Written in {self.source}", self.hint)
            if line
        )
        shown = "\n".join(self._shown())
        # The word says it; the colour only repeats it, as a border, so that text keeps
        # the page's own contrast.
        return (
            f'<div style="border-left: .35rem solid {_COLORS[self.passed]}; '
            f'padding: .2rem .8rem">{title}{_WORDS[self.passed]}: {to_html(self.why)}'
            + (f"<pre>{to_html(shown, newlines=True)}</pre>" if shown else "")
            + f"{rest}</div>"
        )

    def _shown(self) -> list[str]:
        return [
            visible(line, newlines=True, max_chars=_MAX_CHARS) for line in self.evidence
        ]

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return {"text/plain": str(self), "text/html": self._repr_html_()}


def right(why: str, *evidence: str, source: str | None = None) -> Verdict:
    """Say that it is solved, and what made it so."""
    return Verdict(passed=True, why=why, evidence=evidence, source=source)


def wrong(why: str, *evidence: str, source: str | None = None) -> Verdict:
    """Say what is not right yet, for what reason, and what would be."""
    return Verdict(passed=False, why=why, evidence=evidence, source=source)
