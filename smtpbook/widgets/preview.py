"""Preview: the first rows of a list as HTML, what is wrong with them marked in the row.

Cells come from strangers; every text goes through `smtpbook.escape`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple

import pandas as pd

from smtpbook.escape import visible
from smtpbook.ledger.entries import key_of
from smtpbook.recipients.recipients import Recipients
from smtpbook.states import State, state
from smtpbook.widgets.parts import table

_ROWS: Final = 10
_COLUMNS: Final = 8
_PROBLEMS: Final = 20
_LOOKED_AT: Final = 1000  # problems; a list may have a million
_CELL: Final = 60  # characters


def preview(
    people: Recipients,
    *,
    outcomes: Mapping[str, str] | None = None,
    with_problems: bool = True,
) -> str:
    """Give the first rows as HTML, the rows that were left out in their places.

    Parameters
    ----------
    people : Recipients
    outcomes : mapping of str to str, optional
        Where recipients stand in a campaign, by `key_of` their addresses.  Default: all
        have been checked, and nothing more.
    with_problems : bool
        False = without the rows that were left out.
    """
    frame = people.frame
    fields = people.fields[:_COLUMNS]
    head = frame.head(_ROWS)
    places = list(zip(head["source"].astype(str), head["source_row"], strict=True))
    last = int(head["source_row"].max()) if len(frame) > _ROWS else None
    problems = _by_place(people.problems, last)
    known = outcomes or {}
    rows = [
        _Row(
            place,
            state(known.get(key_of(cells[0]), "checked")),
            "smtpbook-doubt" if place in problems else "",
            [_cut(cell) for cell in cells],
            problems[place].message if place in problems else "",
        )
        for place, cells in zip(places, head[fields].itertuples(index=False), strict=True)
    ]
    if with_problems:
        blanks = [""] * (len(fields) - 1)
        left_out = [
            _Row(
                place,
                _left_out(found.rule),
                "smtpbook-left-out",
                [_cut(found.address), *blanks],
                found.message,
            )
            for place, found in problems.items()
            if found.dropped
        ]
        rows = sorted(rows + left_out[:_ROWS], key=lambda row: row.place)
    more = len(people.fields) - len(fields)
    which = f"The first {_ROWS} of " if len(frame) > _ROWS else ""
    return table(
        f"{which}{len(frame):,} recipients{f'; {more} more fields' if more else ''}",
        ["row", "state", *fields, "problem"],
        [[row.place[1], row.state, *row.cells, row.message] for row in rows],
        classes=[row.kind for row in rows],
    )


def problems_table(people: Recipients) -> str:
    """Give how many problems of each rule there are, and the first of them, as HTML."""
    problems = people.problems
    if problems.empty:
        return ""
    counts = problems["rule"].value_counts()
    told = ", ".join(f"{number:,} {rule}" for rule, number in counts.items())
    first = problems.head(_PROBLEMS)
    left = len(problems) - len(first)
    more = f"; the first {len(first)} of them" if left else ""
    return table(
        f"Problems: {told}{more}",
        ["row", "address", "rule", "message"],
        [
            [_cut(cell, 300) for cell in row]
            for row in first[["row", "address", "rule", "message"]].itertuples(index=False)
        ],
    )


class _Row(NamedTuple):
    place: tuple[str, int]
    state: State
    kind: str
    cells: list[str]
    message: str


def _left_out(rule: str) -> State:
    """Give the state of a row that is not in the list, under its rule's own word."""
    if rule == "suppressed":
        return state(rule)
    return replace(state("invalid"), name=rule)


def _by_place(problems: pd.DataFrame, last: int | None) -> dict[tuple[str, int], Any]:
    """Give the first problem of each row up to `last` that has one, by source and row."""
    own = problems[problems["row"].notna()]
    if last is not None:
        own = own[own["row"] <= last]
    own = own.head(_LOOKED_AT).drop_duplicates(["source", "row"])
    places = zip(own["source"].astype(str), own["row"].astype(int), strict=True)
    return dict(zip(places, own.itertuples(index=False), strict=True))


def _cut(cell: Any, max_chars: int = _CELL) -> str:
    return "" if pd.isna(cell) else visible(str(cell), max_chars=max_chars)
