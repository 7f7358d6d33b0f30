"""Settings are exported and imported from a terminal, and the next step is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from smtpbook.accounts.account import Account
from smtpbook.accounts.store import load_account, save_account
from smtpbook.cli.main import main
from smtpbook.recipients.suppression import SuppressionList
from tests.accounts.keyrings import MemoryKeyring


def run(*args: str) -> Result:
    return CliRunner().invoke(main, args)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vault: MemoryKeyring) -> Path:
    """Settings of another computer."""
    home = tmp_path / "other"
    with monkeypatch.context() as there:
        there.setenv("SMTPBOOK_HOME", str(home))
        save_account(Account(host="a.example", username="ann", password="x"), "work")
        SuppressionList.open().add("never@x.org")
        result = run("export", str(tmp_path / "settings.zip"))
    assert result.exit_code == 0, result.output
    assert "smtpbook import settings.zip" in result.output
    vault.kept.clear()
    return tmp_path / "settings.zip"


def test_what_arrives_is_named_and_what_is_missing(file: Path) -> None:
    result = run("import", str(file))
    assert result.exit_code == 0, result.output
    assert "1 added, 0 were here already" in result.output
    assert "smtpbook accounts password 'work'" in result.output
    assert load_account("work").host == "a.example"
    assert "never@x.org" in SuppressionList.open()


def test_what_is_kept_is_not_all_done(file: Path) -> None:
    save_account(Account(host="b.example"), "work")
    result = run("import", str(file))
    assert result.exit_code == 1
    assert "--overwrite" in result.output
    assert load_account("work").host == "b.example"
    assert run("import", str(file), "--overwrite").exit_code == 0
    assert load_account("work").host == "a.example"


def test_json_names_each_thing(file: Path) -> None:
    rows = json.loads(run("import", str(file), "--json").stdout)
    assert [(row["kind"], row["done"]) for row in rows] == [
        ("suppressions", "merged"),
        ("account", "added"),
    ]
    assert rows[1]["needs_password"] is True


def test_a_file_is_not_written_over_unless_told(file: Path) -> None:
    before = file.read_bytes()
    result = run("export", str(file))
    assert result.exit_code == 2
    assert file.read_bytes() == before
    assert run("export", str(file), "--overwrite").exit_code == 0
    assert file.read_bytes() != before


def test_what_is_left_out_is_not_all_done(home: Path, tmp_path: Path) -> None:
    save_account(Account(host="a.example"), "work")
    (home / "accounts" / "bad.toml").write_text("host = ")
    result = run("export", str(tmp_path / "settings.zip"))
    assert result.exit_code == 1
    assert "left out" in result.output


def test_what_is_no_settings_file_is_wrong_input(tmp_path: Path) -> None:
    (tmp_path / "settings.zip").write_text("no")
    result = run("import", str(tmp_path / "settings.zip"))
    assert result.exit_code == 2
    assert "it is no settings file" in result.output
    assert run("import", str(tmp_path / "none.zip")).exit_code == 2
