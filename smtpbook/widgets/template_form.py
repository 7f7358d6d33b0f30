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

from smtpbook.content.checks import advice
from smtpbook.errors import TemplateError
from smtpbook.escape import visible
from smtpbook.fields import field_name
from smtpbook.messages.template import Template, priority
from smtpbook.recipients.recipients import Recipients
from smtpbook.widgets.condition import Condition
from smtpbook.widgets.letter_preview import letter_preview
from smtpbook.widgets.letter_test import LetterTest
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
    section,
    table,
    text,
)
from smtpbook.widgets.reader import Reader

_BODIES: Final = ("text", "html", "markdown")
_MORE: Final = ("reply_to", "to_name", "reverse_path")
# Where a template's language is written, and so what is inserted may go.
_WRITTEN_IN: Final = ("subject", *_BODIES, "to_name")
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
# What a body may call besides fields, and what each is for.
_BLOCKS: Final = (
    (
        "preheader",
        "{{ preheader('…') }}",
        "a hidden line that a list of mails shows beside the subject; put it first",
    ),
    (
        "links to social networks",
        "{{ social(website='https://…') }}",
        "icons with links, in text one a line: mastodon=, bluesky=, linkedin=, github=, …",
    ),
    (
        "link to unsubscribe",
        "{{ unsubscribe_url }}",
        "the address by which this reader leaves; the letter needs "
        "unsubscribe=sb.Unsubscribe(…)",
    ),
)
_GIVEN: Final = "# letter is the template that the form was given"
_NO_LIST: Final = (
    "no list was given, so fields show their names; template_form(letter, people) shows "
    "what each recipient gets"
)
_WRONG: Final = ("error", "missing", "empty")
_MAX_FINDINGS: Final = 40  # rows of the table shown


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
        self._given = letter
        self._people = people if people else None  # nobody to look at is no list
        self._thread: threading.Thread | None = None
        self._checked: Template | None = None
        self.fields = _fields()
        self._make_insertion()
        self.reader = None if self._people is None else Reader(self._people)
        self.preview_note, self.advice_note = Note(), Note()
        self.preview = ipw.HTML()
        self.check_button = button("Check everybody", self.check)
        self.check_note, self.check_table = Note(), ipw.HTML()
        self.test = LetterTest(lambda: self.letter, lambda: self.row)
        self._put(letter)
        super().__init__(self._layout(), [field.control for field in self.fields.values()])
        for field in self.fields.values():
            field.control.observe(lambda _: self._forget_check(), "value")
            field.control.observe(lambda _: self._follow(), "value")
        if self.reader is not None:
            self.reader.at.observe(lambda _: self._follow(), "value")
        self._follow()

    def _make_insertion(self) -> None:
        """Make the menu of what can be inserted, and the builder of conditions."""
        names = [] if self._people is None else list(self._people.fields)
        offered = [
            (visible(name, max_chars=60), f"{{{{ {field_name(name)} }}}}") for name in names
        ]
        offered += [(title, written) for title, written, _ in _BLOCKS]
        self.insertion = choice("Insert", offered)
        self.insert_button = button(
            "Insert at the cursor", lambda: self.insert(self.insertion.value)
        )
        self.insertion.control.observe(lambda _: self._explain_insertion(), "value")
        self._explain_insertion()
        self.condition = Condition(names) if names else None
        self.condition_button = button("Insert the condition", self._insert_condition)

    def _layout(self) -> list[ipw.Widget]:
        fields = self.fields
        parts = [
            *(fields[name] for name in ("header_from", "subject", "way")),
            row(self.insertion, self.insert_button),
        ]
        if self.condition is not None:
            inside = [self.condition, self.condition_button]
            parts.append(Fold("Insert a condition", inside))
        more = [*_MORE, "priority", "attachments", "flowed"]
        self.more = Fold("More settings", [fields[name] for name in more])
        parts += [*(fields[name] for name in _BODIES), self.more]
        looking = [] if self.reader is None else [self.reader]
        parts.append(section(*looking, self.preview_note, self.advice_note, self.preview))
        if self.reader is not None:
            parts.append(section(self.check_button, self.check_note, self.check_table))
        return [*parts, section(self.test)]

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
        """The recipient who is looked at; without a list, each field's own name.

        Raises
        ------
        TemplateError
            There is no list, and the letter cannot be made.
        """
        if self.reader is not None:
            return self.reader.row
        names = self.letter.fields - {"unsubscribe_url"}  # no list has it
        return {**{name: f"[{name}]" for name in names}, "email": "nobody@example.org"}

    @property
    def code(self) -> str:
        """The cell this form stands for."""
        parameters = self._parameters()
        added = ", ".join(map(literal, self._paths()))
        if self._given is None:
            usual: Mapping[str, Any] = {"flowed": False, "headers": {}, "attachments": []}
            said = _arguments(parameters, usual, f"[{added}]")
            return "\n\n".join(
                ["import smtpbook as sb", assignment("letter", "sb.Template", said)]
            )
        before = {name: getattr(self._given, name) for name in parameters}
        before["headers"] = dict(before["headers"])
        before["attachments"] = list(before["attachments"])
        said = _arguments(parameters, before, f"[*letter.attachments, {added}]")
        changed = assignment("letter", "letter.replace", said) if said else ""
        return "\n".join(filter(None, ["import smtpbook as sb", "", _GIVEN, changed]))

    # -- what the buttons do

    def insert(self, written: str) -> None:
        """Put words where the cursor last was in the letter."""
        self._page.send({"insert": written})

    def check(self) -> None:
        """Fill the letter in for everybody, and show what becomes of it."""
        self._forget_check()
        if self._people is None:
            return
        try:
            letter = self._checked = self.letter
        except TemplateError as error:
            self.check_note.say(str(error), "error")
            return
        self.check_note.say(f"filling in {len(self._people):,} letters …", "hint")
        # With this call's context, messages to the page are known to belong to its cell.
        self._thread = threading.Thread(
            target=contextvars.copy_context().run,
            args=(self._check, letter, self._people),
            name="smtpbook form",
            daemon=True,
        )
        self._thread.start()

    def wait(self) -> None:
        """Return when nobody is checked and nothing is sent any more."""
        if self._thread is not None:
            self._thread.join()
        self.test.wait()

    def _check(self, letter: Template, people: Recipients) -> None:
        coverage = letter.coverage(people, progress=False)
        if letter is not self._checked:  # it has been changed meanwhile
            return
        wrong = int(coverage["kind"].isin(_WRONG).sum())
        if wrong:
            is_one = wrong == 1
            said = f"{wrong} {'thing is' if is_one else 'things are'} wrong; see the first "
            self.check_note.say(said + ("row" if is_one else "rows"), "error")
        else:
            self.check_note.say(f"all {len(people):,} can be made", "done")
        found = coverage[coverage["kind"] != "cluster"]
        columns = ["kind", "part", "line", "what", "recipients", "example"]
        cells = found[columns].head(_MAX_FINDINGS).astype(object)
        rest = len(found) - len(cells)
        self.check_table.value = table(
            "What becomes of the letter" + (f" ({rest:,} rows more)" if rest > 0 else ""),
            columns,
            cells.where(cells.notna(), "").itertuples(index=False),
            classes=["smtpbook-left-out"] * wrong,
        )

    def _forget_check(self) -> None:
        self._checked = None
        self.check_note.clear()
        self.check_table.value = ""

    def _insert_condition(self) -> None:
        if self.condition is not None and (written := self.condition.written):
            self.insert(written)

    # -- what follows what

    def _explain_insertion(self) -> None:
        """Say what a block does, and whom a field is missing for."""
        names = [] if self._people is None else self._people.fields
        at, note = self.insertion.control.index, self.insertion.note
        if self._people is None or at >= len(names):
            _, _, meaning = _BLOCKS[at - len(names)]
            note.say(meaning, "hint")
        elif absent := int(self._people.frame[names[at]].isna().sum()):
            said = (
                f"missing in {absent:,} of {len(self._people):,} rows; what stands there "
            )
            said += f"then is said by {{{{ {field_name(names[at])} | default('…') }}}}"
            note.say(said, "hint")

    def _follow(self) -> None:
        """Show the fields of the chosen way of writing, and the message as it stands."""
        for name in _BODIES:
            self.fields[name].show(name in _SHOWN_FOR[self.fields["way"].value])
        for field in self.fields.values():
            field.note.clear()
        self.test.offer_accounts()
        self.preview_note.clear()
        self.advice_note.clear()
        self.preview.value = self._look()

    def _look(self) -> str:
        """Show the message, and what readers may mind in it; "" = there is none."""
        if not self._is_begun:
            self.preview_note.say("write From and a letter, and it is shown here", "hint")
            return ""
        try:
            message = self.letter.render(self.row)
        except TemplateError as error:
            self._note_of(error).say(str(error), "error")
            return ""
        if self.reader is None:
            self.preview_note.say(_NO_LIST, "hint")
        if found := advice(message):
            self.advice_note.say("\n".join(found), "hint")
        return letter_preview(message)

    @property
    def _is_begun(self) -> bool:
        """Whether there is enough of a letter to complain about it."""
        bodies = _SHOWN_FOR[self.fields["way"].value]
        return bool(
            self.fields["header_from"].value
            and any(self.fields[name].value for name in bodies)
        )

    def _note_of(self, error: TemplateError) -> Note:
        """Find the field a complaint is about: the part it begins with."""
        part = str(error).partition(":")[0].partition(",")[0]
        way = self.fields["way"].value
        if part in ("text", "html") and part not in _SHOWN_FOR[way]:
            part = _SHOWN_FOR[way][0]
        if part.startswith("attachment"):
            part = "attachments"
        if part not in self.fields:
            return self.preview_note
        field = self.fields[part]
        if part in (*_MORE, "attachments"):
            self.more.button.value = True
        return field.note

    def _put(self, letter: Template | None) -> None:
        """Fill the fields in with what a template has."""
        if letter is None:
            return
        for name in ("header_from", "subject", *_BODIES, *_MORE):
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
        way = self.fields["way"].value
        given: dict[str, Any] = {
            name: self.fields[name].value for name in ("header_from", "subject")
        }
        for name in _BODIES:
            is_shown = name in _SHOWN_FOR[way]
            given[name] = self.fields[name].control.value if is_shown else None
        if way == "markdown" and self._given is not None and self._given.markdown:
            # A text or HTML beside it, which stands instead of the one it would make.
            given |= {"text": self._given.text, "html": self._given.html}
        for name in _MORE:
            # Where the template has "", None would be something else.
            is_empty = getattr(self._given, name, None) == ""
            given[name] = self.fields[name].value or ("" if is_empty else None)
        given["flowed"] = self.fields["flowed"].value
        given["headers"] = self._headers()
        own = () if self._given is None else self._given.attachments
        given["attachments"] = [*own, *self._paths()]
        return given

    def _paths(self) -> list[str]:
        lines = self.fields["attachments"].value.splitlines()
        return [line.strip() for line in lines if line.strip()]

    def _headers(self) -> dict[str, str]:
        own = {} if self._given is None else dict(self._given.headers or {})
        for name in priority("high"):
            own.pop(name, None)
        return own | priority(self.fields["priority"].value)


def _arguments(
    parameters: Mapping[str, Any], usual: Mapping[str, Any], attachments: str
) -> list[str]:
    """Write the parameters that are not the usual ones as arguments."""
    said = []
    for name, value in parameters.items():
        if value == usual.get(name):
            continue
        if name == "headers":
            levels = [level for _, level in _PRIORITIES if priority(level) == value]
            written = f"sb.priority({literal(levels[0])})" if levels else repr(value)
        else:
            written = attachments if name == "attachments" else _written(value)
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


def _fields() -> dict[str, Field]:
    def area(label: str, placeholder: str, **options: Any) -> Field:
        given = {"placeholder": placeholder, **LABELLED, **options}
        return Field(ipw.Textarea(description=label, **given))

    fields = {
        "header_from": text("From", placeholder="Ann <ann@example.org>"),
        "subject": text(
            "Subject", placeholder="Hello {{ first_name | default('friend') }}"
        ),
        "way": choice("Write in", _WAYS),
        "text": area("Text", "Dear {{ first_name | default('friend') }}, …", rows=10),
        "html": area(
            "HTML", "<p>Dear {{ first_name | default('friend') }}, …</p>", rows=10
        ),
        "markdown": area(
            "Markdown", "Dear **{{ first_name | default('friend') }}**, …", rows=10
        ),
        "reply_to": text("Answers go to", placeholder="the address in From"),
        "to_name": text("Name in To", placeholder="{{ first_name }} {{ last_name }}"),
        "reverse_path": text("Failures go to", placeholder="the address in From"),
        "priority": choice("Priority", _PRIORITIES),
        # A file is read when its path is there, not letter by letter.
        "attachments": area(
            "Attachments", "files/program.pdf", rows=2, continuous_update=False
        ),
        "flowed": Field(
            ipw.Checkbox(description="paragraphs flow (format=flowed)", indent=True)
        ),
    }
    for name in _WRITTEN_IN:
        fields[name].add_class("smtpbook-letter")
    return fields
