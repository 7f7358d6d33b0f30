"""Template form: write a letter, see it as each of its readers will, try it on oneself.

What a template is and what is wrong with one is said by `messages.template`; the form
passes on what is typed and shows each complaint beside the field it is about.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Mapping
from typing import Any, Final

import ipywidgets as ipw
import pandas as pd

from smtpbook.accounts.account import Account
from smtpbook.accounts.store import list_accounts, load_account
from smtpbook.campaign.trial import send_test
from smtpbook.errors import TemplateError, near_miss
from smtpbook.escape import visible
from smtpbook.fields import field_name
from smtpbook.messages.advice import advice
from smtpbook.messages.template import Template, priority
from smtpbook.recipients.recipients import Recipients
from smtpbook.widgets.condition import Condition
from smtpbook.widgets.letter_preview import letter_preview
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
    section,
    table,
    text,
)

# What a template is made of, in the order of the form.
_PARTS: Final = ("header_from", "subject", "text", "html", "markdown")
_MORE: Final = ("reply_to", "to_name", "reverse_path")
_WAYS: Final = (
    ("plain text", "text"),
    ("HTML, the text made from it", "html"),
    ("HTML and text", "both"),
    ("Markdown", "markdown"),
)
_SHOWN_FOR: Final = {
    "text": ("text",),
    "html": ("html",),
    "both": ("text", "html"),
    "markdown": ("markdown",),
}
_PRIORITIES: Final = (("normal", "normal"), ("high", "high"), ("low", "low"))
_GIVEN: Final = "# letter is the template that the form was given"
_NOBODY: Final = {"email": "nobody@example.org"}


def template_form(
    letter: Template | None = None, people: Recipients | None = None
) -> TemplateForm:
    """Show a form for a letter: write it, and see what everybody will get.

    Parameters
    ----------
    letter : Template, optional
        One to begin with; what the form does not show of it is kept.
    people : Recipients, optional
        For whom: their fields are offered, and each can be looked at.

    Returns
    -------
    TemplateForm
        ``.letter`` is the template as it stands, ``.code`` the cell it stands for.
    """
    return TemplateForm(letter, people)


class TemplateForm(Form):
    """Made by `template_form`."""

    def __init__(
        self, letter: Template | None = None, people: Recipients | None = None
    ) -> None:
        self._given, self._people = letter, people
        self._rows = 0 if people is None else len(people)
        self._thread: threading.Thread | None = None
        self.fields = _fields()
        self.prefix_note, self.advice_note = Note(), Note()
        self.condition = Condition(self._field_names())
        names = [(name, name) for name in self._field_names()]
        self.insert_field = choice("Field", names or [("no list was given", "")])
        self.insert_button = button("Insert field", self._insert_field)
        self.condition_button = button("Insert condition", self._insert_condition)
        self.preview = ipw.HTML()
        self.at = ipw.BoundedIntText(
            description="Recipient", value=1, min=1, max=max(1, self._rows), **LABELLED
        )
        self.at_note = Note()
        self.search = text("Search", placeholder="an address, or anything in a row")
        self.next_button = button("Next", lambda: self._step(1))
        self.previous_button = button("Previous", lambda: self._step(-1))
        self.find_button = button("Find next", self._find)
        self.check_button = button("Check everybody", self.check)
        self.check_note, self.check_table = Note(), ipw.HTML()
        self.test_to = text("Send a test to", placeholder="your own address")
        self.test_account = choice("by account", _accounts())
        self.test_button = button("Send a test to myself", self.send_test)
        self.test_note = Note()
        self._put(letter)
        super().__init__(self._layout(), [field.control for field in self.fields.values()])
        for field in self.fields.values():
            field.control.observe(lambda _: self._follow(), "value")
        self.at.observe(lambda _: self._follow(), "value")
        self._follow()

    def _layout(self) -> list[ipw.Widget]:
        fields = self.fields
        return [
            *(fields[name] for name in ("header_from", "subject", "way")),
            *(fields[name] for name in ("text", "html", "markdown")),
            Fold(
                "Insert a field or a condition",
                [
                    self.insert_field,
                    self.insert_button,
                    self.condition,
                    self.condition_button,
                ],
            ),
            Fold(
                "More settings", [fields[name] for name in (*_MORE, "priority", "flowed")]
            ),
            section(
                ipw.HBox([self.at, self.previous_button, self.next_button]),
                ipw.HBox([self.search, self.find_button]),
                self.at_note,
                self.advice_note,
                self.preview,
            ),
            section(self.check_button, self.check_note, self.check_table),
            section(self.test_to, self.test_account, self.test_button, self.test_note),
        ]

    # -- what it gives

    @property
    def letter(self) -> Template:
        """The template as the fields say; a new object each time.

        Raises
        ------
        TemplateError
            It cannot be made; the message names the part.
        """
        parameters = self._parameters()
        if self._given is not None:
            return self._given.replace(**parameters)
        return Template(**parameters)

    @property
    def row(self) -> Mapping[str, Any]:
        """The recipient who is looked at."""
        if self._people is None or not self._rows:
            return _NOBODY
        row: Mapping[str, Any] = next(iter(self._people[self.at.value - 1 : self.at.value]))
        return row

    @property
    def code(self) -> str:
        """The cell this form stands for."""
        parameters = self._parameters()
        if self._given is None:
            usual: Mapping[str, Any] = {"flowed": False, "headers": {}}
            said = _arguments(parameters, usual)
            return "\n\n".join(
                ["import smtpbook as sb", assignment("letter", "sb.Template", said)]
            )
        before = {name: getattr(self._given, name) for name in parameters}
        before["headers"] = dict(before["headers"])
        said = _arguments(parameters, before)
        changed = assignment("letter", "letter.replace", said) if said else ""
        return "\n".join(filter(None, ["import smtpbook as sb", "", _GIVEN, changed]))

    # -- what the buttons do

    def insert(self, written: str) -> None:
        """Put words where the cursor last was."""
        self._page.send({"insert": written})

    def check(self) -> None:
        """Fill the letter in for everybody, and show what becomes of it."""
        self.check_note.clear()
        self.check_table.value = ""
        if self._people is None:
            self.check_note.say("no list was given: template_form(letter, people)", "error")
            return
        try:
            coverage = self.letter.coverage(self._people, progress=False)
        except TemplateError as error:
            self.check_note.say(str(error), "error")
            return
        wrong = coverage[coverage["kind"].isin(["error", "missing", "empty"])]
        if wrong.empty:
            self.check_note.say(f"all {self._rows:,} can be made", "done")
        else:
            self.check_note.say(f"{len(wrong)} things are wrong; the first rows", "error")
        shown = coverage[coverage["kind"] != "cluster"].head(40)
        columns = ["kind", "part", "line", "what", "recipients", "example"]
        cells = shown[columns].astype(object).where(shown[columns].notna(), "")
        self.check_table.value = table(
            "What becomes of the letter", columns, cells.itertuples(index=False)
        )

    def send_test(self) -> None:
        """Send the letter to oneself, as the recipient who is looked at would get it."""
        self.test_note.clear()
        to = self.test_to.value
        if not to:
            self.test_to.note.say("your own address is missing", "error")
            return
        if not self.test_account.value:
            self.test_account.note.say("no account is saved: sb.account_form()", "error")
            return
        try:
            letter, account = self.letter, load_account(self.test_account.value)
        except (TemplateError, ValueError, OSError) as error:
            self.test_note.say(str(error), "error")
            return
        self.test_button.disabled = True
        self.test_note.say(f"sending to {visible(to)} …", "hint")
        self._thread = threading.Thread(
            target=contextvars.copy_context().run,
            args=(self._send_test, letter, account, to, dict(self.row)),
            name="smtpbook form",
            daemon=True,
        )
        self._thread.start()

    def wait(self) -> None:
        """Return when no test is being sent."""
        if self._thread is not None:
            self._thread.join()

    def _send_test(
        self, letter: Template, account: Account, to: str, row: Mapping[str, Any]
    ) -> None:
        try:
            run = send_test(letter, account, to, row)
        except Exception as error:  # a password's function may raise anything
            self.test_note.say(str(error) or type(error).__name__, "error")
        else:
            story = run.recipient(run.outcomes["recipient"].iloc[0]).splitlines()
            is_taken = run.counts["accepted"] == 1
            said = "; ".join(story[:2])
            self.test_note.say(said, "done" if is_taken else "error")
        finally:
            self.test_button.disabled = False

    def _insert_field(self) -> None:
        if self.insert_field.value:
            self.insert(f"{{{{ {field_name(self.insert_field.value)} }}}}")

    def _insert_condition(self) -> None:
        self.insert(self.condition.written)

    def _step(self, by: int) -> None:
        self.at.value = (self.at.value - 1 + by) % max(1, self._rows) + 1

    def _find(self) -> None:
        """Go to the next recipient whose row holds what is searched for."""
        self.search.note.clear()
        wanted = self.search.value
        if self._people is None or not wanted:
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

    # -- what follows what

    def _follow(self) -> None:
        """Show the fields of the chosen way of writing, and the message as it stands."""
        for name in ("text", "html", "markdown"):
            self.fields[name].show(name in _SHOWN_FOR[self.fields["way"].value])
        for field in self.fields.values():
            field.note.clear()
        self.at_note.clear()
        self.advice_note.clear()
        try:
            message = self.letter.render(self.row)
        except TemplateError as error:
            self._note_of(error).say(str(error), "error")
            self.preview.value = ""
            return
        if self._people is not None:
            shown = visible(str(self.row["email"]), max_chars=80)
            self.at_note.say(f"{self.at.value:,} of {self._rows:,}: {shown}", "done")
        found = advice(message)
        if found:
            self.advice_note.say("\n".join(found), "hint")
        self.preview.value = letter_preview(message)

    def _note_of(self, error: TemplateError) -> Note:
        """Find the field a complaint is about: the part it begins with."""
        part = str(error).partition(":")[0].partition(",")[0]
        way = self.fields["way"].value
        if part in ("text", "html") and part not in _SHOWN_FOR[way]:
            part = _SHOWN_FOR[way][0]
        return self.fields[part].note if part in self.fields else self.at_note

    def _put(self, letter: Template | None) -> None:
        """Fill the fields in with what a template has."""
        if letter is None:
            return
        for name in (*_PARTS, *_MORE):
            self.fields[name].value = getattr(letter, name) or ""
        self.fields["flowed"].value = letter.flowed
        headers = dict(letter.headers or {})
        for _, level in _PRIORITIES:
            if level != "normal" and priority(level).items() <= headers.items():
                self.fields["priority"].value = level
        if letter.markdown is not None:
            way = "markdown"
        elif letter.html is None:
            way = "text"
        else:
            way = "both" if letter.text is not None else "html"
        self.fields["way"].value = way

    def _parameters(self) -> dict[str, Any]:
        """Give what the fields say, as parameters of a template."""
        shown = _SHOWN_FOR[self.fields["way"].value]
        given: dict[str, Any] = {
            name: self.fields[name].value for name in ("header_from", "subject")
        }
        for name in ("text", "html", "markdown"):
            given[name] = self.fields[name].control.value if name in shown else None
        given |= {name: self.fields[name].value or None for name in _MORE}
        given["flowed"] = self.fields["flowed"].value
        given["headers"] = self._headers()
        return given

    def _headers(self) -> dict[str, str]:
        own = {} if self._given is None else dict(self._given.headers or {})
        for name in priority("high"):
            own.pop(name, None)
        return own | priority(self.fields["priority"].value)

    def _field_names(self) -> list[str]:
        return [] if self._people is None else list(self._people.fields)


def _arguments(parameters: Mapping[str, Any], usual: Mapping[str, Any]) -> list[str]:
    """Write the parameters that are not the usual ones as arguments."""
    said = []
    for name, value in parameters.items():
        if value == usual.get(name):
            continue
        if name == "headers":
            levels = [level for _, level in _PRIORITIES if priority(level) == value]
            written = f"sb.priority({literal(levels[0])})" if levels else repr(value)
        else:
            written = _written(value)
        said.append(f"{name}={written}")
    return said


def _written(value: Any) -> str:
    """Write a value as code; text of several lines as it stands, where that can be."""
    if not isinstance(value, str) or "\n" not in value:
        return literal(value)
    can_stand = value.replace("\n", "").isprintable() and not value.endswith('"')
    if can_stand and '"""' not in value and "\\" not in value:
        return f'"""\\\n{value}"""'
    return literal(value)


def _accounts() -> list[tuple[str, str]]:
    names = list(list_accounts())
    return [(name, name) for name in names] or [("none is saved", "")]


def _fields() -> dict[str, Field]:
    def area(label: str, placeholder: str) -> Field:
        return Field(
            ipw.Textarea(description=label, placeholder=placeholder, rows=12, **LABELLED)
        )

    return {
        "header_from": text("From", placeholder="Ann <ann@example.org>"),
        "subject": text(
            "Subject", placeholder="Hello {{ first_name | default('friend') }}"
        ),
        "way": choice("Write in", _WAYS),
        "text": area("Text", "Dear {{ first_name | default('friend') }}, …"),
        "html": area("HTML", "<p>Dear {{ first_name | default('friend') }}, …</p>"),
        "markdown": area("Markdown", "Dear **{{ first_name | default('friend') }}**, …"),
        "reply_to": text("Answers go to", placeholder="the address in From"),
        "to_name": text("Name in To", placeholder="{{ first_name }} {{ last_name }}"),
        "reverse_path": text("Failures go to", placeholder="the address in From"),
        "priority": choice("Priority", _PRIORITIES),
        "flowed": Field(
            ipw.Checkbox(description="paragraphs flow (format=flowed)", indent=True)
        ),
    }
