"""Recipients form: read a list from where it is, see what is wrong with it, narrow it.

What can be read, what an address is and what a condition means is said by the rooms below;
the form passes on what is typed and shows each complaint beside the field it is about.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import ipywidgets as ipw

from smtpbook.accounts.secret import MASK
from smtpbook.errors import RecipientsError, SMTPBookError
from smtpbook.escape import visible
from smtpbook.ledger.entries import key_of
from smtpbook.recipients.read import read_recipients
from smtpbook.recipients.recipients import Recipients
from smtpbook.recipients.saved import list_recipients, save_recipients
from smtpbook.recipients.suppression import SuppressionList
from smtpbook.sources.open import read_table
from smtpbook.widgets.parts import (
    LABELLED,
    REPLACE,
    Field,
    Fold,
    Form,
    Note,
    assignment,
    button,
    choice,
    literal,
    section,
    text,
)
from smtpbook.widgets.preview import preview, problems_table
from smtpbook.widgets.secret_field import SecretField
from smtpbook.widgets.url_field import UrlField, with_password

if TYPE_CHECKING:
    from smtpbook.campaign.campaign import Campaign

# What a Jupyter server takes in one message (tornado's websocket_max_message_size).
_KINDS: Final = (
    ("a file of up to 10 MB on this computer", "upload"),
    ("a file where the kernel runs", "path"),
    ("a database", "database"),
)
_OF_KIND: Final = {
    "upload": ("upload",),
    "path": ("path",),
    "database": ("database", "password", "query", "table"),
}
_OF_FILES: Final = ("sheet", "encoding", "delimiter")
_FOUND: Final = "found by name and content"
_LIVE_ROWS: Final = 100_000  # up to here a condition is tried at every key
_ASKING: Final = ("from getpass import getpass", "from urllib.parse import quote")
_GIVEN: Final = "# people is the list that the form was given"
_NOTHING_YET: Final = "nothing has been read yet: say where the list is and press Read"

Stage = tuple[str, Callable[[Recipients], Recipients], str]


def recipients_form(
    people: Recipients | None = None, *, campaign: Campaign | None = None
) -> RecipientsForm:
    """Show a form for a list of recipients: read it, mend it, narrow it, keep it.

    Parameters
    ----------
    people : Recipients, optional
        A list to begin with; a campaign's own if one is given.
    campaign : Campaign, optional
        Whose outcomes are shown beside its recipients, as they are now and at each reading.

    Returns
    -------
    RecipientsForm
        ``.people`` is the list with all that applies, ``.code`` the cell it stands for.
    """
    return RecipientsForm(people, campaign)


class RecipientsForm(Form):
    """Made by `recipients_form`."""

    def __init__(
        self, people: Recipients | None = None, campaign: Campaign | None = None
    ) -> None:
        if people is None and campaign is not None:
            people = campaign.people
        self._campaign, self._outcomes = campaign, _outcomes_of(campaign)
        self._file: tuple[str, bytes] | None = None
        self._is_reading = False
        self._read = people
        self._narrowed: Recipients | None = None
        self._reading = "" if people is None else _GIVEN
        self._renamed: list[tuple[str, str]] = []
        self._may_replace = ""
        self.upload = ipw.FileUpload(description="Choose a file …")
        self.password = SecretField("Its password", placeholder="if it needs one")
        self.database = UrlField(
            "Database", self.password, placeholder="postgresql://ann@db.example/crm"
        )
        self.fields = _fields() | {
            "upload": Field(self.upload),
            "database": Field(self.database),
            "password": Field(self.password),
        }
        self.read_button = button("Read", self.read, button_style="primary")
        self.rename_button = button("Rename", self.rename)
        self.save_button = button("Save", self.save)
        self.read_note, self.count_note, self.save_note = Note(), Note(), Note()
        self.preview = ipw.HTML()
        self._options_fold = Fold(
            "How to read it", [self.fields[name] for name in _OF_FILES]
        )
        self._result = self._make_result()
        super().__init__(
            [
                *(self.fields[name] for name in ("kind", *sum(_OF_KIND.values(), ()))),
                self._options_fold,
                self.read_button,
                self.read_note,
                self.fields["address"],
                self._result,
            ]
        )
        self._follow()
        self._offer([])
        self._observe()
        self._narrow()

    def _make_result(self) -> ipw.VBox:
        fields = self.fields
        return section(
            Fold("Rename fields", [fields["field"], fields["name"], self.rename_button]),
            fields["where"],
            fields["suppress"],
            self.count_note,
            self.preview,
            section(fields["save_as"], self.save_button, self.save_note),
        )

    def _observe(self) -> None:
        self.fields["kind"].control.observe(lambda _: self._follow(), "value")
        self.upload.observe(self._take_upload, "value")
        self.fields["address"].control.observe(lambda _: self._load(), "value")
        self.fields["suppress"].control.continuous_update = False
        for name in ("where", "suppress"):
            self.fields[name].control.observe(lambda _: self._narrow(), "value")

    # -- what it gives

    @property
    def people(self) -> Recipients:
        """The list, with fields renamed, narrowed, and without those on the stop list.

        Raises
        ------
        RecipientsError
            Nothing has been read yet, or what narrows it cannot be applied.
        ColumnError
            The condition names a field that the list does not have.
        """
        if self._read is None:
            raise RecipientsError(_NOTHING_YET)
        if self._narrowed is None:  # a stage failed; now it says why
            people = self._read
            for _, apply, _ in self._stages():
                people = apply(people)
            return people
        return self._narrowed

    @property
    def code(self) -> str:
        """The cell this form stands for, without secrets."""
        if self._read is None:
            return f"# {_NOTHING_YET}"
        imports, asked = ["import smtpbook as sb"], []
        if "{password}" in self._reading:
            imports = [*_ASKING, "", *imports]
            asked = ['password = quote(getpass("Password of the database: "), safe="")']
        stages = [f"people = people{said}" for _, _, said in self._stages()]
        return "\n".join([*imports, "", *asked, self._reading, *stages])

    # -- what the buttons do

    def read(self) -> None:
        """Read the list from where the fields say; what is wrong is shown."""
        self._renamed = []
        self._outcomes = _outcomes_of(self._campaign)
        self._is_reading = True  # another choice of columns is no reason to read again
        self.fields["address"].control.options = [(_FOUND, "")]
        self._is_reading = False
        self._load()

    def rename(self) -> None:
        """Rename the chosen field."""
        step = (self.fields["field"].value, self.fields["name"].value)
        try:
            if self._read is not None:
                self.people.rename(**{step[1]: step[0]})
        except SMTPBookError as error:
            self.fields["name"].note.say(str(error), "error")
            return
        self._renamed.append(step)
        self.fields["name"].value = ""
        self._narrow()

    def save(self) -> None:
        """Keep the list under its name; what is wrong is shown."""
        field, name = self.fields["save_as"], self.fields["save_as"].value
        field.note.clear()
        self.save_note.clear()
        if name in list(list_recipients()["name"]) and name != self._may_replace:
            self._may_replace = name
            field.note.say(REPLACE.format("a list", name), "error")
            return
        try:
            people = self.people
            save_recipients(people, name, overwrite=name == self._may_replace)
        except SMTPBookError as error:
            field.note.say(str(error), "error")
        else:
            self._may_replace = name
            said = f"{len(people):,} recipients saved; sb.load_recipients({literal(name)})"
            self.save_note.say(f"{said} gives them", "done")

    # -- what follows what

    def _follow(self) -> None:
        """Show the fields of the kind of source that is chosen."""
        chosen = self.fields["kind"].value
        for kind, names in _OF_KIND.items():
            for name in names:
                self.fields[name].show(kind == chosen)
        self._options_fold.layout.display = "none" if chosen == "database" else ""

    def _take_upload(self, change: Mapping[str, Any]) -> None:
        if not change["new"]:
            return
        file = change["new"][0]
        self._file = (Path(file["name"]).name or "list", bytes(file["content"]))
        # A widget's value is saved with the notebook.
        self.upload.value = ()
        self.fields["upload"].note.say(f"{self._file[0]} is here", "done")
        self.read()

    def _load(self) -> None:
        """Read and check the list, with the column of addresses that is chosen."""
        if self._is_reading:
            return
        self._read, headers = None, list[str]()
        field = self.fields["address"]
        field.note.clear()
        self.read_note.clear()
        self._reading = self._reading_code()
        try:
            with self._source() as source:
                headers, self._read = self._read_from(source)
        except Exception as error:  # a button has nobody to raise to
            said = str(error) or type(error).__name__
            self.read_note.say(self._without_password(said), "error")
        self._offer(headers)
        self._narrow()

    def _read_from(self, source: str | Path) -> tuple[list[str], Recipients | None]:
        """Give the columns' headers, and the list; None = its column was not found."""
        options: dict[str, Any] = self._options()
        address = options.pop("address", None)
        try:
            people = read_recipients(source, address=address, **options)
            return list(people.labels.values()), people
        except SMTPBookError as error:
            headers = list(read_table(source, **options).headers)
            self.fields["address"].note.say(self._without_password(str(error)), "error")
            return headers, None

    @contextmanager
    def _source(self) -> Iterator[str | Path]:
        kind = self.fields["kind"].value
        if kind == "database":
            if not self.database.url:
                raise RecipientsError("no database: give its URL")
            yield self.database.full.reveal()
        elif kind == "path":
            if not self.fields["path"].value:
                raise RecipientsError("no file: give its path")
            yield self.fields["path"].value
        elif self._file is None:
            raise RecipientsError("no file: choose one")
        else:
            name, content = self._file
            # Under its own name: the suffix says what it is, and messages name it.
            with tempfile.TemporaryDirectory(prefix="smtpbook-") as folder:
                path = Path(folder, name)
                path.write_bytes(content)
                yield path

    def _options(self) -> dict[str, str]:
        """Give the options of `read_recipients` that are not the usual ones."""
        kind = self.fields["kind"].value
        names = ("query", "table") if kind == "database" else _OF_FILES
        return {
            name: given
            for name in (*names, "address")
            if (given := self.fields[name].value)
        }

    def _offer(self, headers: list[str]) -> None:
        """Offer the columns to choose from."""
        pairs = [(visible(name, max_chars=60), name) for name in headers if name]
        field = self.fields["address"]
        field.show(bool(pairs))
        self._is_reading = True
        if (offered := ((_FOUND, ""), *pairs)) != tuple(field.control.options):
            chosen = field.value
            field.control.options = offered
            field.control.value = chosen
        self._is_reading = False

    def _stages(self) -> Iterator[Stage]:
        """Give what applies, in order: where it is typed, what it does, and its code."""
        for old, new in self._renamed:
            renaming = {new: old}
            said = f".rename({new}={literal(old)})"
            yield "name", _renamer(renaming), said
        if condition := self.fields["where"].value:
            said = f".where({literal(condition)})"
            yield "where", lambda people: people.where(condition), said
        if path := self.fields["suppress"].value:
            said = f" - sb.SuppressionList.open({literal(path)})"
            yield "suppress", lambda people: _without_those_on(people, path), said

    def _narrow(self) -> None:
        """Apply all stages and show what is left, or beside a field why it cannot be."""
        self._narrowed = None
        self._result.layout.display = "none" if self._read is None else ""
        if self._read is not None:
            people = self._read
            for name, apply, _ in self._stages():
                self.fields[name].note.clear()
                try:
                    people = apply(people)
                except (SMTPBookError, OSError) as error:
                    self.fields[name].note.say(str(error), "error")
                    self.count_note.clear()
                    break
            else:
                self._narrowed = people
                self._show(people)
        self._show_code()

    def _show(self, people: Recipients) -> None:
        assert self._read is not None
        condition, stop = self.fields["where"].value, self.fields["suppress"].value
        self.fields["where"].control.continuous_update = len(self._read) <= _LIVE_ROWS
        total = f"{len(self._read):,} recipients"
        said = f"{len(people):,} of {total}" if condition or stop else total
        self.count_note.say(said, "done")
        shown = preview(people, outcomes=self._outcomes, with_problems=not condition)
        self.preview.value = shown + problems_table(people)
        if stop:
            self.fields["suppress"].note.say(repr(SuppressionList.open(stop)), "hint")
        fields = [name for name in people.fields if name != "email"]
        control = self.fields["field"].control
        if fields != list(control.options):
            control.options = fields

    # -- code

    def _reading_code(self) -> str:
        kind = self.fields["kind"].value
        if kind == "database":
            source = literal(self.database.url)
            if self.password.secret is not None:
                safe = self.database.url.replace("{", "{{").replace("}", "}}")
                marked = with_password(safe, "PASSWORD").replace(
                    ":PASSWORD@", ":{password}@"
                )
                source = f"f{literal(marked)}"
        elif kind == "path":
            source = literal(self.fields["path"].value)
        else:
            source = literal(self._file[0] if self._file is not None else "")
        given = [f"{name}={literal(value)}" for name, value in self._options().items()]
        return assignment("people", "sb.read_recipients", [source, *given])

    def _without_password(self, message: str) -> str:
        if self.password.secret is None:
            return message
        plain = self.password.secret.reveal()
        return message.replace(plain, MASK).replace(quote(plain, safe=""), MASK)


def _renamer(names: Mapping[str, str]) -> Callable[[Recipients], Recipients]:
    return lambda people: people.rename(**names)


def _fields() -> dict[str, Field]:
    query = ipw.Textarea(
        description="Query",
        placeholder="select email, first_name from people",
        **LABELLED,
    )
    return {
        "kind": choice("Read from", _KINDS),
        "path": text("File", placeholder="people.csv"),
        "query": Field(query),
        "table": text("or table", placeholder="people"),
        "sheet": text("Sheet", placeholder="the one with addresses"),
        "encoding": text("Encoding", placeholder="found out"),
        "delimiter": text("Delimiter", placeholder="found out"),
        "address": choice("Addresses in", [(_FOUND, "")]),
        "field": choice("Rename field", [("no field", "")]),
        "name": text("to", placeholder="first_name"),
        "where": text("Only where", placeholder="city == 'Paris' and age >= 18"),
        "suppress": text("Never write to", placeholder="never.csv"),
        "save_as": text("Save as", placeholder="customers"),
    }


def _outcomes_of(campaign: Campaign | None) -> dict[str, str]:
    """Give where a campaign's recipients stand, by key; those never tried are left out."""
    if campaign is None:
        return {}
    tried = campaign.outcomes.query("outcome != 'pending'")
    return dict(zip(map(key_of, tried["recipient"]), tried["outcome"], strict=True))


def _without_those_on(people: Recipients, path: str) -> Recipients:
    # A list that is not there is made when it is first added to; here it is a slip.
    if not Path(path).expanduser().exists():
        raise RecipientsError(f"no file {path!r}")
    return people - SuppressionList.open(path)
