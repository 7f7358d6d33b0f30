"""Log explorer: an event log to look around in: filters, a page of rows, what was said.

What matches, and what was said around an event, is answered by `explorer`; a page never
gets more than the rows that it shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import ipywidgets as ipw
import pandas as pd

from smtpbook.errors import SMTPBookError
from smtpbook.explorer import told
from smtpbook.explorer.drawing import draw_waterfall
from smtpbook.explorer.exploration import LISTED, PAGE_ROWS, Chosen, Exploration
from smtpbook.tables.engine import PLACE
from smtpbook.tables.scan import Log
from smtpbook.tables.select import Question, select_events
from smtpbook.widgets.conversation import Conversation
from smtpbook.widgets.event_table import NONE, EventTable
from smtpbook.widgets.parts import (
    LABELLED,
    Field,
    Fold,
    Form,
    Note,
    assignment,
    button,
    choice,
    literal,
    row,
    scrolling,
    section,
    text,
)
from smtpbook.wording import counted

_HEADERS: Final = ("#", "time (UTC)", "what", "recipient", "reply", "took", "came to")
_MAX_DOMAINS: Final = 100


def log_explorer(log: Log) -> LogExplorer:
    """Show a log to look around in: filter it, choose an event, see what was said.

    Parameters
    ----------
    log : DataFrame or Scan
        Event log.

    Returns
    -------
    LogExplorer
        ``.selection`` is a DataFrame of the events that match, ``.code`` the cell it stands
        for, ``.event`` the row that is chosen.

    Raises
    ------
    ColumnError
        The log lacks a column.
    """
    return LogExplorer(log)


class LogExplorer(Form):
    """Made by `log_explorer`."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._exploration = Exploration(log)
        self._is_setting = False
        self._chosen: Chosen | None = None
        self._rows = pd.DataFrame()
        self.fields = _fields(self._exploration)
        self.clear_button = button("Clear filters", lambda: self._ask({}))
        self.count_note = Note()
        self.table = EventTable("Events", _HEADERS, choose=self._choose, turn=self._turn)
        self.at = ipw.BoundedIntText(description="Page", value=1, min=1, max=1, **LABELLED)
        self.at.add_class("smtpbook-number")
        self.previous_button = button("Previous", lambda: self._turn(-1))
        self.next_button = button("Next", lambda: self._turn(1))
        filters = ipw.HBox(list(self.fields.values()))
        filters.add_class("smtpbook-filters")
        super().__init__(
            [
                filters,
                self.clear_button,
                self.count_note,
                self.table,
                row(self.at, self.previous_button, self.next_button),
                self._make_detail(),
            ]
        )
        self.add_class("smtpbook-explorer")
        for field in self.fields.values():
            field.control.observe(lambda _: self._narrow(), "value")
        self.at.observe(lambda _: self._show_page(), "value")
        self._narrow()

    def _make_detail(self) -> ipw.VBox:
        self.session_button = button("Its session", lambda: self._ask_for("session_id"))
        self.recipient_button = button("Its recipient", lambda: self._ask_for("recipient"))
        self.head, self.explanation, self.picture = ipw.HTML(), ipw.HTML(), ipw.HTML()
        self.conversation = Conversation("Transcript", is_live=False)
        self.waterfall = Fold("Waterfall", [self.picture])
        self.waterfall.button.value = True
        self.waterfall.button.observe(lambda _: self._draw(), "value")
        beside = ipw.HBox([self.explanation, self.conversation])
        beside.add_class("smtpbook-beside")
        self._detail = section(
            self.head,
            row(self.session_button, self.recipient_button),
            beside,
            self.waterfall,
        )
        self._detail.layout.display = "none"
        return self._detail

    # -- what it gives

    @property
    def question(self) -> Question:
        """What is asked of each event."""
        given = {name: field.value for name, field in self.fields.items() if field.value}
        if "reply_code" in given:
            given["reply_code"] = int(given["reply_code"])
        if "recipient_domain" in given:
            given["recipient_domain"] = given["recipient_domain"].lower()
        return Question(**given)

    @property
    def selection(self) -> pd.DataFrame:
        """The events that match: rows of the log, in its order."""
        return select_events(self._log, **self.question.given)

    @property
    def event(self) -> pd.Series[Any] | None:
        """The event that was chosen; None before the first."""
        return None if self._chosen is None else self._chosen.event.drop(PLACE)

    @property
    def code(self) -> str:
        """The cell this form stands for."""
        if isinstance(self._log, pd.DataFrame):
            return self.question.code(literal)
        given = [f"{name}={literal(value)}" for name, value in self.question.given.items()]
        call = assignment("selection", "sb.select_events", ["log", *given])
        return f"import smtpbook as sb\n\n{call}"

    # -- what follows what

    def _ask(self, wanted: Mapping[str, str], place: int | None = None) -> None:
        """Fill the filters in, the others empty, and go to an event of the log."""
        self._is_setting = True
        for name, field in self.fields.items():
            field.value = wanted.get(name, told.ANY)
        self._is_setting = False
        self._narrow(place)

    def _ask_for(self, name: str) -> None:
        """Ask for all of the chosen event's session, or of its recipient."""
        assert self._chosen is not None
        event = self._chosen.event
        self._ask({name: str(event[name])}, int(event[PLACE]))

    def _narrow(self, place: int | None = None) -> None:
        """Show what matches; beside a filter, why nothing does."""
        if self._is_setting:
            return
        self._is_setting = True
        try:
            question = self.question
            number = self._exploration.count(question)
            self._offer(question)
            self.at.max = max(1, -(-number // PAGE_ROWS))
            self.at.value = 1
            if place is not None:
                self.at.value += self._exploration.page_of(question, place)
            self._count(question, number)
        except SMTPBookError as error:  # a scan's files may have gone
            self.count_note.say(str(error), "error")
            return
        finally:
            self._is_setting = False
        self._show_page()
        self._show_code()

    def _count(self, question: Question, number: int) -> None:
        total = counted(self._exploration.total, "event", "events")
        if number or not question.given:
            self.count_note.say(
                f"{number:,} of {total}" if question.given else total, "done"
            )
            return
        self.count_note.say(f"none of {total}: clear a filter", "error")
        for name, why in self._exploration.unknown(question).items():
            self.fields[name].note.say(why, "error")

    def _offer(self, question: Question) -> None:
        """Say beside each choice how many events it would leave."""
        for name in LISTED:
            counts = self._exploration.counts(question, name)
            control = self.fields[name].control
            given = control.value
            pairs = told.choices_of(self._exploration, name, counts)
            if tuple(pairs) != tuple(control.options):
                with control.hold_sync():
                    control.options, control.value = pairs, given

    def _show_page(self) -> None:
        if self._is_setting:
            return
        try:
            self._rows = self._exploration.page(self.question, self.at.value - 1)
        except SMTPBookError as error:
            self.count_note.say(str(error), "error")
            return
        first = (self.at.value - 1) * PAGE_ROWS
        events = [event for _, event in self._rows.iterrows()]
        places = [int(event[PLACE]) for event in events]
        chosen = None if self._chosen is None else int(self._chosen.event[PLACE])
        self.table.show(
            [
                [f"{number:,}", *told.cells_of(event)]
                for number, event in enumerate(events, first + 1)
            ],
            [told.kind_of(event) for event in events],
            first=first,
            total=self._exploration.count(self.question),
            chosen=places.index(chosen) if chosen in places else NONE,
        )
        self.previous_button.disabled = self.at.value == self.at.min
        self.next_button.disabled = self.at.value == self.at.max

    def _turn(self, by: int) -> None:
        self.at.value = min(max(self.at.value + by, self.at.min), self.at.max)

    def _choose(self, number: int) -> None:
        """Show what was said around a row of the page."""
        try:
            chosen = self._exploration.choose(self._rows.iloc[number])
        except SMTPBookError as error:
            self.count_note.say(str(error), "error")
            return
        self._chosen = chosen
        event = chosen.event
        self._detail.layout.display = ""  # first: what is not shown does not scroll
        self.head.value = (
            f'<div role="heading" aria-level="4"><b>{told.head_of(event)}</b></div>'
        )
        for name, one in (
            ("session_id", self.session_button),
            ("recipient", self.recipient_button),
        ):
            one.layout.display = "none" if pd.isna(event[name]) else ""
        self.explanation.value = told.explained(chosen)
        self.conversation.replace(told.lines_of(chosen))
        self._draw()

    def _draw(self) -> None:
        """Draw the waterfall, if anybody looks at it."""
        if self._chosen is None or not self.waterfall.button.value:
            return
        place = int(self._chosen.event[PLACE])
        drawn = draw_waterfall(self._chosen.rows, place)
        shown = drawn or "<p>There is no dialogue with times to draw.</p>"
        self.picture.value = scrolling("Waterfall", shown)


def _fields(exploration: Exploration) -> dict[str, Field]:
    domains = ipw.Combobox(
        description="Domain",
        options=[told.cut(name) for name in exploration.domains(_MAX_DOMAINS)],
        placeholder="example.org",
        **LABELLED,
    )
    listed = {
        name: choice(label, told.choices_of(exploration, name, {}))
        for name, label in zip(LISTED, ("Code", "Reason", "Outcome", "Verb"), strict=True)
    }
    fields = {
        "session_id": text("Session", placeholder="its id"),
        "recipient": text("Recipient", placeholder="a part of the address"),
        "recipient_domain": Field(domains),
        **listed,
        "text": text("Text", placeholder="in command, reply or error"),
    }
    for name in ("session_id", "recipient", "recipient_domain", "text"):
        fields[name].control.continuous_update = False
    return fields
