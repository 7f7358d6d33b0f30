"""Lists are checked, kept, exported and suppressed from a terminal."""

from __future__ import annotations

import csv
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from smtpbook.cli.main import main
from smtpbook.recipients.read import read_recipients
from smtpbook.recipients.saved import list_recipients, load_recipients
from smtpbook.recipients.suppression import SuppressionList

LIST = "E-Mail;City\nann@x.org;Paris\nbad;Rome\nANN@x.org;Oslo\nbob@gmial.com;\x1b[31mred\n"


def run(*args: str, **options: object) -> Result:
    return CliRunner().invoke(main, ["recipients", *args], **options)  # type: ignore[arg-type]


@pytest.fixture
def source(tmp_path: Path) -> str:
    path = tmp_path / "people.csv"
    path.write_text(LIST)
    return str(path)


@pytest.fixture
def clean(tmp_path: Path) -> str:
    path = tmp_path / "clean.csv"
    path.write_text("email,city\nann@x.org,Paris\n")
    return str(path)


@pytest.fixture
def url(tmp_path: Path) -> str:
    path = tmp_path / "people.db"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("create table people (email text, city text)")
        database.execute("insert into people values ('ann@x.org', 'Paris')")
    return f"sqlite:///{path}"


def test_check_counts_and_names_what_is_wrong(source: str) -> None:
    result = run("check", source)
    assert result.exit_code == 1
    assert "read          4\nkept          2\n" in result.output
    assert "row 3: address has no @: 'bad'" in result.output
    assert "gmial.com may be a slip for gmail.com" in result.output
    assert len(list_recipients()) == 0


def test_a_list_without_faults_is_all_done(clean: str) -> None:
    assert run("check", clean).exit_code == 0


@pytest.mark.parametrize(
    "args",
    [(), ("no such.csv",), ("people.csv", "--sheet", "x")],
)
def test_what_cannot_be_read_is_wrong_input(args: tuple[str, ...]) -> None:
    assert run("check", *args).exit_code == 2


def test_check_for_programs(source: str) -> None:
    result = run("check", source, "--json")
    told = json.loads(result.stdout)
    assert told["counts"] == {"read": 4, "kept": 2, "invalid": 1, "duplicate": 1}
    assert told["fields"] == ["email", "city"]
    assert {row["rule"] for row in told["problems"]} == {"invalid", "duplicate", "typo"}


def test_problems_are_written_for_a_spreadsheet(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("email\n=HYPERLINK(1)\nann@x.org\n")
    out = tmp_path / "problems.csv"
    assert run("check", str(path), "--problems", str(out)).exit_code == 1
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["row"] for row in rows] == ["2"]
    assert rows[0]["address"] == "'=HYPERLINK(1)"


def test_many_problems_are_cut_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("email\nann@x.org\n" + "no\n" * 500)
    output = run("check", str(path)).output
    assert "… and 480 more; --problems FILE writes all" in output
    assert len(output.splitlines()) < 40


def test_standard_input_and_the_column_can_be_named() -> None:
    text = "first,second\nann@x.org,bob@x.org\n"
    result = run("check", "-", "--address", "second", "--json", input=text)
    assert json.loads(result.stdout)["counts"] == {"read": 1, "kept": 1}


def test_a_list_is_saved_shown_and_removed(source: str) -> None:
    assert "no list is saved yet" in run().output
    assert run("save", "readers", source).exit_code == 0
    assert load_recipients("readers").addresses == ["ann@x.org", "bob@gmial.com"]
    assert "readers" in run().output
    assert json.loads(run("--json").output)[0]["recipients"] == 2

    shown = run("show", "readers", "--problems").output
    assert "Paris" in shown
    assert "\\x1b[31mred" in shown
    assert "\x1b" not in shown
    assert "address has no @" in shown
    rows = json.loads(run("show", "readers", "--json").output)
    assert rows[0]["email"] == "ann@x.org"
    assert "… and 1 more" in run("show", "readers", "--rows", "1").output

    assert run("remove", "readers", input="n\n").exit_code == 1
    assert run("remove", "readers", "--yes").exit_code == 0
    assert len(list_recipients()) == 0


def test_a_saved_list_is_replaced_only_when_told(source: str, clean: str) -> None:
    run("save", "readers", source)
    assert run("save", "readers", clean).exit_code == 2
    assert len(load_recipients("readers")) == 2
    assert run("save", "readers", clean, "--overwrite").exit_code == 0
    assert len(load_recipients("readers")) == 1


def test_a_damaged_list_is_listed_as_such(source: str, home: Path) -> None:
    run("save", "readers", source)
    (home / "recipients" / "broken.parquet").write_text("no")
    output = run().output
    assert "damaged" in output
    assert "readers" in output


def test_names_that_are_not_there_get_the_near_miss(source: str) -> None:
    run("save", "readers", source)
    for args in (
        ("show", "reader"),
        ("remove", "reader", "--yes"),
        ("export", "reader", "--out", "x.csv"),
    ):
        result = run(*args)
        assert result.exit_code == 2
        assert "did you mean 'readers'?" in result.output


def test_lists_are_exported_into_one_file(source: str, clean: str, tmp_path: Path) -> None:
    run("save", "one", source)
    run("save", "two", clean)
    out = tmp_path / "all.csv"
    assert run("export", "one", "two", "--out", str(out)).exit_code == 0
    with out.open(newline="") as file:
        assert [row["list"] for row in csv.DictReader(file)] == ["one", "one", "two"]
    assert run("export", "one", "--out", str(out)).exit_code == 2
    sheet = tmp_path / "one.xlsx"
    assert run("export", "one", "--out", str(sheet)).exit_code == 0
    assert len(read_recipients(sheet)) == 2


def test_a_database_is_read_by_its_url_or_from_a_variable(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = run("check", url, "--table", "people")
    assert result.exit_code == 0, result.output
    monkeypatch.setenv("PEOPLE_URL", url)
    query = "select email from people"
    result = run("check", "--url-from-env", "PEOPLE_URL", "--query", query)
    assert result.exit_code == 0, result.output
    monkeypatch.delenv("PEOPLE_URL")
    result = run("check", "--url-from-env", "PEOPLE_URL", "--table", "people")
    assert result.exit_code == 2
    assert "'PEOPLE_URL' is not set" in result.output


def test_a_password_in_a_url_is_warned_of_and_not_repeated(url: str) -> None:
    result = run("check", "sqlite://ann:hunter2@host/none.db", "--table", "people")
    assert result.exit_code == 2
    assert "--url-from-env" in result.stderr
    assert "hunter2" not in result.output
    assert "--url-from-env" not in run("check", url, "--table", "people").stderr


def test_who_is_suppressed_is_listed_with_reason_and_date() -> None:
    assert "nobody is suppressed" in run("suppressed").output
    args = ("ann@x.org", "@y.org", "--reason", "complaint")
    assert run("suppress", *args).output == "2 added\n"
    assert run("suppress", *args).output == "0 added, 2 were there already\n"
    run("suppress", "may@x.org", "--campaign", "may")
    assert "ann@x.org" in SuppressionList.open()
    output = run("suppressed").output
    assert "complaint" in output
    assert "suppressed.csv" in output

    assert "@y.org" in run("suppressed", "bob@y.org").output
    assert "none of them is suppressed" in run("suppressed", "may@x.org").output
    assert "may@x.org" in run("suppressed", "may@x.org", "--campaign", "may").output
    rows = json.loads(run("suppressed", "--json").output)
    assert [row["campaign"] for row in rows] == [None, None, "may"]


def test_what_cannot_be_suppressed_suppresses_nothing() -> None:
    assert run("suppress", "ann@x.org", "nobody").exit_code == 2
    assert len(SuppressionList.open()) == 0


def test_a_wrong_command_gets_the_near_miss() -> None:
    result = run("chek")
    assert result.exit_code == 2
    assert "did you mean 'check'?" in result.output
