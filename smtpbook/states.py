"""States: where a recipient can stand, and how that is shown: icon, word, meaning, colour.

The word is the vocabulary's, so that what is read in a table can be typed in a query; the
icon is told apart without colour; the meaning is plain English.  What becomes of whom is
decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from smtpbook.escape import to_html, visible
from smtpbook.palette import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILLION

INK: Final = "color: var(--jp-content-font-color1, CanvasText)"
"""The page's own colour for text: one of ours would vanish in one of the themes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """One place where a recipient can stand.

    Attributes
    ----------
    name : str
        The vocabulary's word, as columns and arguments have it.
    icon : str
        One character.
    meaning : str
        A few words of plain English.
    color : str
        ``#RRGGBB`` of `palette`.

    Examples
    --------
    >>> print(state("in_doubt"))
    ? in doubt
    """

    name: str
    icon: str
    meaning: str
    color: str

    @property
    def word(self) -> str:
        """The name as it is read."""
        return visible(self.name.replace("_", " "), max_chars=40)

    def __str__(self) -> str:
        return f"{self.icon} {self.word}"

    def to_html(self) -> str:
        """Give icon and word for a page of any theme; the meaning is heard, and hovers."""
        meaning = to_html(self.meaning)
        return (
            f'<span title="{meaning}" style="border-left: .3em solid {self.color}; '
            f'padding-left: .4em; white-space: nowrap">'
            f'<span role="img" aria-label="{meaning}">{to_html(self.icon)}</span> '
            f"{to_html(self.word)}</span>"
        )


# Each icon is one column wide, no emoji, and in the fonts that come with every system:
# Latin-1, the Windows Glyph List 4, and the two marks that test runners print everywhere.
# As in the charts, a triangle is transient and a cross is permanent.
STATES: Final[Mapping[str, State]] = {
    name: State(name=name, icon=icon, meaning=meaning, color=color)
    for name, icon, meaning, color in (
        ("pending", "○", "not yet sent", GREY),
        ("checked", "◊", "address checked, not yet sent", BLUE),
        ("invalid", "≠", "not in the list: it cannot be written to", VERMILLION),
        ("accepted", "✓", "sent: the server took it", GREEN),
        ("deferred", "▲", "not now: the server asks to try again later", ORANGE),
        ("rejected", "✗", "refused by the server for good", VERMILLION),
        ("failed", "!", "not sent: the server did not answer", PURPLE),
        ("in_doubt", "?", "may or may not have been taken", SKY),
        ("suppressed", "■", "left out on purpose", GREY),
        ("bounced", "←", "taken, then reported as undeliverable", VERMILLION),
        ("complaint", "§", "reported as unwanted by who got it", PURPLE),
        ("delivered", "●", "reported as delivered", BLUE),
    )
}


def state(name: str) -> State:
    """Give a state by its name; one that is not ours, from a foreign log, by its word only.

    >>> state("accepted").meaning
    'sent: the server took it'
    """
    known = STATES.get(name)
    return known or State(name=name, icon="·", meaning="not known here", color=GREY)


def told(counts: Mapping[str, int]) -> str:
    """Say in a line how many stand where, those of nothing left out.

    >>> told({"accepted": 1200, "rejected": 0, "in_doubt": 1})
    '✓ 1,200 accepted, ? 1 in doubt'
    """
    return ", ".join(
        f"{(one := state(name)).icon} {n:,} {one.word}" for name, n in counts.items() if n
    )


def counts_html(title: str, counts: Mapping[str, int], notes: Iterable[str] = ()) -> str:
    """Show for a notebook how many stand where, those of nothing left out.

    Parameters
    ----------
    title : str
        May hold anything.
    counts : mapping of str to int
    notes : iterable of str
        Sentences below; may hold anything.
    """
    total = sum(counts.values())
    left, right = (
        f"text-align: {side}; padding: .1em .6em .1em 0; font-weight: normal"
        for side in ("left", "right")
    )
    rows = "".join(
        f'<tr><th scope="row" style="{left}">{state(name).to_html()}</th>'
        f'<td style="{right}">{n:,}</td><td style="{right}">{n / total:.1%}</td>'
        f'<td style="{left}">{to_html(state(name).meaning)}</td></tr>'
        for name, n in counts.items()
        if n
    )
    table = f'<table style="color: inherit"><tbody>{rows}</tbody></table>' if rows else ""
    said = "".join(f"<div>{to_html(note)}</div>" for note in notes)
    return f'<div style="{INK}"><b>{to_html(title)}</b>{table}{said}</div>'
