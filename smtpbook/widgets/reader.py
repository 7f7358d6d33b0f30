"""Reader: whose letter is looked at: one recipient after the other, or by a search."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ipywidgets as ipw
import pandas as pd

from smtpbook.errors import near_miss
from smtpbook.escape import visible
from smtpbook.recipients.recipients import Recipients
from smtpbook.widgets.parts import LABELLED, Note, button, row, text


class Reader(ipw.VBox):
    """Goes through a list.

    Parameters
    ----------
    people : Recipients, length >= 1
    """

    def __init__(self, people: Recipients) -> None:
        self._people = people
        self.at = ipw.BoundedIntText(
            description="Recipient", value=1, min=1, max=len(people), **LABELLED
        )
        self.at.add_class("smtpbook-number")
        self.previous_button = button("Previous", lambda: self._step(-1))
        self.next_button = button("Next", lambda: self._step(1))
        self.search = text("Search", placeholder="an address, or anything in a row")
        self.find_button = button("Find next", self.find)
        self.note = Note()
        self.at.observe(lambda _: self._tell(), "value")
        self._tell()
        super().__init__(
            [
                row(self.at, self.previous_button, self.next_button),
                row(self.search, self.find_button),
                self.note,
            ]
        )

    @property
    def row(self) -> Mapping[str, Any]:
        """The fields of the recipient who is looked at."""
        at = self.at.value
        fields: Mapping[str, Any] = next(iter(self._people[at - 1 : at]))
        return fields

    def find(self) -> None:
        """Go to the next recipient whose row holds what is searched for."""
        self.search.note.clear()
        wanted = self.search.value
        if not wanted:
            return
        frame = self._people.frame[self._people.fields]
        found = pd.Series(False, index=frame.index)
        for name in frame.columns:
            cells = frame[name].astype("string")
            found |= cells.str.contains(wanted, case=False, regex=False).fillna(False)
        places = found.to_numpy(bool).nonzero()[0] + 1
        if not len(places):
            hint = near_miss(wanted, self._people.addresses[:1000])
            self.search.note.say(f"in no row: {visible(wanted)}{hint}", "error")
            return
        later = places[places > self.at.value]
        self.at.value = int(later[0] if len(later) else places[0])

    def _step(self, by: int) -> None:
        self.at.value = (self.at.value - 1 + by) % len(self._people) + 1

    def _tell(self) -> None:
        address = visible(str(self.row["email"]), max_chars=80)
        self.note.say(f"{self.at.value:,} of {len(self._people):,}: {address}", "done")
