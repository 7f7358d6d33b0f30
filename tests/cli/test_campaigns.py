"""Campaigns from a terminal: begun, looked at, gone on with, sent to just those again."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from smtpbook.accounts.store import save_account
from smtpbook.cli.main import main
from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab
from tests.servers.process import ROOT


def run(*args: str) -> Result:
    return CliRunner().invoke(main, args)


def at_terminal(args: tuple[str, ...], answer: str) -> subprocess.CompletedProcess[str]:
    """Run a command with somebody at its terminal, who types an answer."""
    ours, theirs = pty.openpty()
    try:
        os.write(ours, f"{answer}\n".encode())
        return subprocess.run(
            [sys.executable, "-m", "smtpbook", *args],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdin=theirs,
            capture_output=True,
            text=True,
        )
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab() as lab:
        yield lab


@pytest.fixture
def begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lab: Lab) -> tuple[str, ...]:
    """Give the arguments that begin a campaign to three people."""
    monkeypatch.chdir(tmp_path)
    save_account(lab.account, "lab")
    Path("people.csv").write_text(
        "email,city\nann@x.example,Graz\nbob@y.example,Linz\ncal@x.example,Wien\n"
    )
    Path("letter.txt").write_text("See you in {{ city }}.\n")
    return (
        *("send", "may", "--account", "lab", "--people", "people.csv", "--yes"),
        *("--from", "Me <me@x.example>", "--subject", "Hi", "--text", "letter.txt"),
    )


def test_a_campaign_is_begun_and_resumed(begin: tuple[str, ...], lab: Lab) -> None:
    result = run(*begin, "--limit", "1")
    assert result.exit_code == 1
    assert "pending" in result.output
    assert "pending" in run("status", "may").output
    result = run("resume", "may", "--account", "lab", "--yes", "--json")
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert said["sent"]["accepted"] == 2
    assert said["campaign"] == {"accepted": 3}
    assert len(lab.received) == 3
    assert json.loads(run("status", "may", "--json").stdout) == {"accepted": 3}


def test_just_those_again(begin: tuple[str, ...], lab: Lab) -> None:
    lab.set(rcpt=Behaviour(reply="450 4.2.2 mailbox full"))
    assert run(*begin).exit_code == 1
    table = run("outcomes", "may").output
    assert table.count("deferred") == 3
    assert "mailbox full" in table
    lab.set(rcpt=Behaviour())
    assert run("retry", "may", "ann@x.example", "--account", "lab", "--yes").exit_code == 1
    assert run("retry", "may", "--account", "lab", "--yes").exit_code == 0
    rows = run("outcomes", "may", "--json").stdout.splitlines()
    assert [json.loads(row)["attempts"] for row in rows] == [2, 2, 2]
    assert run("outcomes", "may", "--only", "deferred", "--json").stdout == ""


def test_every_recipient_has_an_icon_where_the_output_can_show_it(
    begin: tuple[str, ...],
) -> None:
    run(*begin, "--limit", "1")
    assert "✓ accepted           1  sent: the server took it" in run("status", "may").output
    assert run("outcomes", "may").output.count("○ pending") == 2
    plain = CliRunner(charset="ascii").invoke(main, ["outcomes", "may"])
    assert plain.exit_code == 0
    assert plain.output.count("pending") == 2
    assert plain.output.isascii()


def test_status_writes_a_report(begin: tuple[str, ...]) -> None:
    run(*begin)
    result = run("status", "may", "--account", "lab", "--report", "may.html")
    assert result.exit_code == 0, result.output
    assert "may: ✓ 3 accepted" in Path("may.html").read_text("utf-8")


def test_compact_tells_what_became_of_the_files(begin: tuple[str, ...]) -> None:
    run(*begin)
    result = run("compact", "may")
    assert result.exit_code == 0, result.output
    assert "may: " in result.output
    assert "events: 1 file of" in result.output
    told = json.loads(run("compact", "may", "--json").stdout)
    assert (told["name"], told["files"], told["bytes"]) == ("may", 1, told["bytes_before"])
    assert run("compact", "mai").exit_code == 2


def test_a_dry_run_keeps_nothing(begin: tuple[str, ...], lab: Lab) -> None:
    result = run(*begin, "--dry-run")
    assert result.exit_code == 0
    assert "About to send 3 messages from Me <me@x.example>\n" in result.output
    assert "never tried with a test" in result.output
    assert result.output.endswith("Dry run: nothing was sent.\n")
    result = run(*begin, "--dry-run", "--json", "--limit", "2")
    checks = [json.loads(line) for line in result.stdout.splitlines()]
    assert {"check", "verdict", "evidence", "remedy", "source"} == set(checks[0])
    assert "all 2 can be made" in [one["evidence"] for one in checks]
    assert not Path("campaigns/may").exists()
    assert lab.received == []


def test_a_test_goes_to_oneself_and_is_remembered(begin: tuple[str, ...], lab: Lab) -> None:
    result = run(*begin, "--test", "me@x.example")
    assert result.exit_code == 0
    assert result.output.startswith("me@x.example: ✓ accepted")
    (received,) = lab.received
    assert received.recipients == ("me@x.example",)
    assert not Path("campaigns/may").exists()
    assert "never tried" not in run(*begin, "--dry-run").output
    lab.set(rcpt=Behaviour(reply="550 5.1.1 no"))
    assert run(*begin, "--test", "me@x.example").exit_code == 1


def test_without_yes_somebody_is_asked_or_the_way_out_is_named(
    begin: tuple[str, ...], lab: Lab
) -> None:
    save_account(lab.account.replace(is_lab=False), "real")
    real = tuple("real" if word == "lab" else word for word in begin if word != "--yes")
    result = run(*real)
    assert result.exit_code == 2
    assert "nobody to ask" in result.stderr
    assert "--yes" in result.stderr
    assert "Send? [y/N]" in at_terminal(real, "n").stdout
    assert lab.received == []
    done = at_terminal((*real, "--json"), "y")
    assert "Send? [y/N]" in done.stderr
    assert json.loads(done.stdout)["campaign"] == {"accepted": 3}


def test_where_nobody_is_left_that_is_said(begin: tuple[str, ...]) -> None:
    run(*begin)
    result = run("resume", "may", "--account", "lab")
    assert result.exit_code == 0
    assert result.output.startswith("nobody is left to write to: 3 accepted\n")
    result = run("resume", "may", "--account", "lab", "--json")
    assert json.loads(result.stdout)["campaign"] == {"accepted": 3}
    result = run("retry", "may", "--account", "lab", "--dry-run")
    assert "nobody is left to write to" in result.output


def test_what_is_not_there_is_named(begin: tuple[str, ...]) -> None:
    run(*begin)
    result = run("status", "mai")
    assert result.exit_code == 2
    assert "did you mean 'may'" in result.stderr
    result = run(*begin)
    assert result.exit_code == 0  # nobody is left
    Path("people.csv").write_text("email,city\nzoe@x.example,Graz\n")
    result = run(*begin)
    assert result.exit_code == 2
    assert "the list is not the one" in result.stderr
