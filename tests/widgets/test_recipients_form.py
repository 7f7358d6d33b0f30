"""The form of a list: read from anywhere, with its problems marked, narrowed and kept."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from smtpbook.campaign.campaign import Campaign
from smtpbook.errors import ColumnError, RecipientsError
from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab
from smtpbook.messages.template import Template
from smtpbook.recipients.read import read_recipients
from smtpbook.recipients.saved import load_recipients, save_recipients
from smtpbook.recipients.suppression import SuppressionList
from smtpbook.states import state
from smtpbook.widgets.recipients_form import RecipientsForm, recipients_form
from tests.widgets.browser import run, state_of_all, typed

CSV = """\
E-Mail,First Name,City
ann@x.example.org,Ann,Paris
bob@,Bob,Rome
cal@x.example.org,Cal,Rome
ANN@x.example.org,Anna,Oslo
dan@y.example.org,<script>alert(1)</script>,Paris
"""
HEAD = "import smtpbook as sb\n\n"


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    path.write_text(CSV)
    return path


def uploaded(form: RecipientsForm, name: str, content: bytes) -> None:
    """Choose a file as the browser does."""
    file = {"name": name, "type": "", "size": len(content), "last_modified": 0}
    form.upload.set_state({"value": [{**file, "content": memoryview(content)}]})


def read(path: Path | str, **values: str) -> RecipientsForm:
    form = recipients_form()
    form.fields["kind"].value = "path"
    for name, value in ({"path": str(path)} | values).items():
        form.fields[name].value = value
    form.read_button.click()
    return form


# -- reading


def test_an_uploaded_file_is_read_and_kept_in_no_state() -> None:
    form = recipients_form()
    uploaded(form, "people.csv", CSV.encode())
    assert form.people.addresses == [
        f"{name}.example.org" for name in ("ann@x", "cal@x", "dan@y")
    ]
    assert form.upload.value == ()
    assert form.people.frame["source"].unique().tolist() == ["people.csv"]
    assert form.code == f'{HEAD}people = sb.read_recipients("people.csv")'


def test_an_upload_can_be_read_again_otherwise() -> None:
    form = recipients_form()
    uploaded(
        form, "people.csv", "email;city\nann@x.example.org;Orléans\n".encode("latin-1")
    )
    form.fields["encoding"].value = "latin-1"
    form.read_button.click()
    assert form.people.frame["city"].tolist() == ["Orléans"]
    assert 'encoding="latin-1"' in form.code


def test_an_uploads_name_reaches_no_other_folder(tmp_path: Path) -> None:
    form = recipients_form()
    uploaded(form, "../../evil.csv", CSV.encode())
    assert form.people.frame["source"].unique().tolist() == ["evil.csv"]


def test_a_path_is_read(csv: Path) -> None:
    form = read(csv)
    assert form.people.addresses == read_recipients(csv).addresses
    assert run(form.code)["people"].addresses == form.people.addresses


def test_a_database_is_read_by_a_query(tmp_path: Path) -> None:
    path = tmp_path / "crm.db"
    with closing(sqlite3.connect(path)) as crm, crm:
        crm.execute("create table people (email text, city text)")
        crm.execute("insert into people values ('ann@x.example.org', 'Paris')")
    form = recipients_form()
    form.fields["kind"].value = "database"
    typed(form.database, f"sqlite:///{path}")
    form.fields["query"].value = "select * from people"
    form.read_button.click()
    assert form.people.addresses == ["ann@x.example.org"]
    assert run(form.code)["people"].addresses == form.people.addresses


def test_a_password_in_a_pasted_url_is_taken_out_of_it() -> None:
    form = recipients_form()
    form.fields["kind"].value = "database"
    typed(form.database, "postgresql://ann:swordfish@127.0.0.1:1/crm")
    assert form.database.url == "postgresql://ann@127.0.0.1:1/crm"
    assert form.password.secret is not None
    assert form.database.full.reveal() == "postgresql://ann:swordfish@127.0.0.1:1/crm"
    form.fields["query"].value = "select * from people"
    form.read_button.click()  # nobody listens there
    assert form.read_note.text
    assert "swordfish" not in state_of_all() + form.code + form.read_note.text


def test_the_code_of_a_database_asks_for_the_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = recipients_form()
    form.fields["kind"].value = "database"
    typed(form.database, "postgresql://ann@db.example/{crm}")
    typed(form.password, "p@ss")
    form.fields["table"].value = "people"
    read_from: list[str] = []
    monkeypatch.setattr("getpass.getpass", lambda prompt: "p@ss")
    form._reading = form._reading_code()
    form._read = read_recipients_of("ann@x.example.org")
    names = {
        "sb": type("sb", (), {"read_recipients": lambda url, table: read_from.append(url)})
    }
    exec(form.code.replace("import smtpbook as sb\n", ""), names)
    assert read_from == [form.database.full.reveal()]
    assert "p@ss" not in form.code


def read_recipients_of(*addresses: str) -> Any:
    import pandas as pd

    return read_recipients(pd.DataFrame({"email": addresses}))


@pytest.mark.parametrize(
    ("kind", "said"),
    [("upload", "choose one"), ("path", "give its path"), ("database", "give its URL")],
)
def test_reading_nothing_says_what_is_missing(kind: str, said: str) -> None:
    form = recipients_form()
    form.fields["kind"].value = kind
    form.read_button.click()
    assert said in form.read_note.text
    with pytest.raises(RecipientsError, match="nothing has been read yet"):
        _ = form.people
    assert form.code.startswith("# nothing has been read yet")


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    form = read(tmp_path / "people.csv")
    assert "no file" in form.read_note.text


def test_a_file_whose_name_has_a_meaning_is_not_read_as_people(tmp_path: Path) -> None:
    path = tmp_path / "DELETE.csv"
    path.write_text(CSV)
    form = read(path)
    assert "not to write to" in form.fields["address"].note.text
    with pytest.raises(RecipientsError):
        _ = form.people


# -- problems and columns


def test_problems_are_marked_in_their_rows_and_counted(csv: Path) -> None:
    shown = read(csv).preview.value
    assert shown.index("ann@x.") < shown.index("bob@") < shown.index("cal@x.")
    assert shown.count("smtpbook-left-out") == 2
    assert "1 invalid" in shown
    assert "1 duplicate" in shown
    assert "row 3" in shown


def test_every_row_shows_an_icon_and_a_word_for_its_state(csv: Path) -> None:
    shown = read(csv).preview.value
    assert shown.count(state("checked").to_html()) == 3
    for rule in ("invalid", "duplicate"):
        assert f">≠</span> {rule}</span>" in shown
    assert 'aria-label="address checked, not yet sent"' in shown


def test_a_campaigns_outcomes_are_shown_beside_its_recipients() -> None:
    letter = Template(header_from="me@x.test", subject="s", text="t")
    people = read_recipients_of("ann@x.example.org", "bob@y.example.org")
    with Lab() as lab:
        lab.set(rcpt=Behaviour(reply="450 4.2.1 later"))
        campaign = Campaign("c", lab.account, people, letter)
        campaign.send(limit=1, progress=False)
        form = recipients_form(campaign=campaign)
    assert form.people.addresses == people.addresses
    assert form.preview.value.count(state("deferred").to_html()) == 1
    assert form.preview.value.count(state("checked").to_html()) == 1


def test_cells_are_shown_as_text(csv: Path) -> None:
    shown = read(csv).preview.value
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown


def test_of_several_columns_of_addresses_one_is_chosen(tmp_path: Path) -> None:
    path = tmp_path / "two.csv"
    path.write_text("Private,Work\nann@x.example.org,ann@y.example.org\n")
    form = read(path)
    assert "several columns" in form.fields["address"].note.text
    form.fields["address"].value = "Work"
    assert form.fields["address"].note.text == ""
    assert form.people.addresses == ["ann@y.example.org"]
    assert run(form.code)["people"].addresses == form.people.addresses


def test_fields_are_renamed(csv: Path) -> None:
    form = read(csv)
    form.fields["field"].value, form.fields["name"].value = "first_name", "name"
    form.rename_button.click()
    form.fields["field"].value, form.fields["name"].value = "city", "town"
    form.rename_button.click()
    assert form.people.fields == ["email", "name", "town"]
    assert run(form.code)["people"].fields == form.people.fields


def test_a_name_that_is_taken_is_said_beside_it(csv: Path) -> None:
    form = read(csv)
    form.fields["field"].value, form.fields["name"].value = "first_name", "city"
    form.rename_button.click()
    assert "already" in form.fields["name"].note.text
    assert form.people.fields == ["email", "first_name", "city"]


# -- narrowing


def test_a_condition_narrows_and_counts_while_it_is_typed(csv: Path) -> None:
    form = read(csv)
    assert form.count_note.text == "3 recipients"
    form.fields["where"].value = "city == 'Paris'"
    assert form.count_note.text == "2 of 3 recipients"
    assert len(form.people) == 2
    assert len(run(form.code)["people"]) == 2
    assert form.fields["where"].control.continuous_update


@pytest.mark.parametrize(
    ("condition", "error", "said"),
    [
        ("ctiy == 'Paris'", ColumnError, "did you mean 'city'"),
        ("city ==", RecipientsError, "not a condition"),
        ("__import__('os')", RecipientsError, "not available"),
    ],
)
def test_a_condition_that_is_none_is_said_beside_it(
    csv: Path, condition: str, error: type[Exception], said: str
) -> None:
    form = read(csv)
    form.fields["where"].value = condition
    assert said in form.fields["where"].note.text
    with pytest.raises(error):
        _ = form.people
    form.fields["where"].value = ""
    assert len(form.people) == 3


def test_those_on_the_stop_list_are_left_out(csv: Path, tmp_path: Path) -> None:
    stop = tmp_path / "never.csv"
    SuppressionList.open(stop).add("cal@x.example.org", reason="unsubscribed")
    form = read(csv, suppress=str(stop))
    assert form.people.addresses == ["ann@x.example.org", "dan@y.example.org"]
    assert form.count_note.text == "2 of 3 recipients"
    assert "1 entry" in form.fields["suppress"].note.text
    assert run(form.code)["people"].addresses == form.people.addresses


def test_a_stop_list_that_is_not_there_is_not_taken_for_an_empty_one(csv: Path) -> None:
    form = read(csv, suppress="nevr.csv")
    assert form.fields["suppress"].note.text == "no file 'nevr.csv'"
    with pytest.raises(RecipientsError):
        _ = form.people


# -- keeping


def test_what_is_saved_is_what_is_loaded(csv: Path) -> None:
    form = read(csv, where="city == 'Paris'")
    form.fields["save_as"].value = "parisians"
    form.save_button.click()
    assert "2 recipients saved" in form.save_note.text
    assert load_recipients("parisians").addresses == form.people.addresses


def test_a_list_is_replaced_only_when_asked_twice(csv: Path) -> None:
    save_recipients(read_recipients_of("old@x.example.org"), "all")
    form = read(csv)
    form.fields["save_as"].value = "all"
    form.save_button.click()
    assert "press Save again" in form.fields["save_as"].note.text
    assert load_recipients("all").addresses == ["old@x.example.org"]
    form.save_button.click()
    assert len(load_recipients("all")) == 3


def test_a_list_that_is_given_is_the_beginning() -> None:
    people = read_recipients_of("ann@x.example.org", "bob@y.example.org")
    form = recipients_form(people)
    form.fields["where"].value = "email == 'bob@y.example.org'"
    assert form.people.addresses == ["bob@y.example.org"]
    assert run(form.code, people=people)["people"].addresses == ["bob@y.example.org"]


def test_a_long_list_is_shown_by_its_first_rows(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    lines = [f"{n}@x.example.org" if n != 500 else "bad" for n in range(1000)]
    path.write_text("\n".join(["email", *lines]))
    form = read(path)
    assert form.preview.value.count("<tr") < 40
    assert "500@" not in form.preview.value
    assert "smtpbook-left-out" not in form.preview.value  # it is further down
    assert "1 invalid" in form.preview.value
