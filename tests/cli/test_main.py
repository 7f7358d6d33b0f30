from __future__ import annotations

import json
import os
import signal
import smtplib
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import smtpbook
from smtpbook.cli.main import main
from smtpbook.lab.scenarios import SCENARIOS
from smtpbook.log.frame import to_frame
from smtpbook.log.store import read_log, write_log
from smtpbook.protocol import connection
from smtpbook.samples import share_path
from tests.log.story import day

README = Path(__file__).parent.parent.parent / "README.md"


def run(*args: str, **options: object) -> Result:
    return CliRunner().invoke(main, args, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sorted(main.commands))
def test_every_command_has_help_and_stands_in_the_readme(name: str) -> None:
    result = run(name, "--help")
    assert result.exit_code == 0
    assert result.output.startswith("Usage: ")
    assert f"smtpbook {name}" in README.read_text("utf-8")


def test_version_says_whether_the_engine_is_compiled() -> None:
    engine = "Python" if connection.__file__.endswith(".py") else "compiled"
    said = f"smtpbook, version {smtpbook.__version__} (engine: {engine})\n"
    assert run("--version").output == said


def test_a_wrong_command_gets_the_near_miss() -> None:
    result = run("dmo")
    assert result.exit_code == 2
    assert "did you mean 'demo'?" in result.output


def test_explain_a_reply_and_a_dialogue() -> None:
    assert "4.2.2" in run("explain", "452 4.2.2 Mailbox full", "--verb", "RCPT").output
    dialogue = smtpbook.sample("seed-dialogue")
    output = run("explain", "-", input=dialogue).output
    assert "MAIL FROM" in output
    assert "503 or 554" in output


def test_explain_takes_words_as_they_are_typed() -> None:
    output = run("explain", "550", "5.1.1", "no", "such", "user").output
    assert output.startswith("550 5.1.1 no such user")


def test_explain_as_json_holds_every_field_and_nothing_that_acts() -> None:
    result = run("explain", "450 4.2.2 \x1b[31m full", "--verb", "RCPT", "--json")
    assert result.exit_code == 0
    assert result.output.isascii()
    assert "\x1b" not in result.output
    told = json.loads(result.output)
    assert (told["code"], told["reason"], told["verb"]) == (450, "mailbox_full", "RCPT")
    assert set(told) == {field.name for field in fields(smtpbook.Explanation)}


def test_explain_knows_the_commands() -> None:
    result = run("explain", "550 no", "--verb", "RCTP")
    assert result.exit_code == 2
    assert "did you mean 'RCPT'?" in result.stderr


def test_explain_says_what_it_expected() -> None:
    result = run("explain", "what?")
    assert result.exit_code == 2
    assert result.output.startswith("smtpbook: ")


def test_report_of_a_log_file(tmp_path: Path) -> None:
    log = write_log(to_frame(day(20)), tmp_path / "log.parquet")
    out = tmp_path / "report.html"
    assert run("report", str(log), "--out", str(out)).exit_code == 0
    assert "<html" in out.read_text("utf-8")


def test_a_log_is_shared_as_a_case_file_that_opens_again(tmp_path: Path) -> None:
    log = write_log(to_frame(day(20)), tmp_path / "log.parquet")
    case = tmp_path / "case.parquet"
    assert run("report", str(log), "--out", str(case), "--share").exit_code == 0
    assert len(read_log(case)) == len(read_log(log))
    assert "person1@" not in str(read_log(case)["recipient"].tolist())
    refused = run("report", str(log), "--out", str(tmp_path / "case.zip"), "--share")
    assert refused.exit_code == 2
    assert "'case.zip' ends in '.zip'" in refused.output


def test_notebooks_are_copied_once(tmp_path: Path) -> None:
    out = tmp_path / "mine"
    assert run("notebooks", "--out", str(out)).exit_code == 0
    names = {path.name for path in out.glob("*.ipynb")}
    assert names == {path.name for path in share_path("notebooks").glob("*.ipynb")}
    first = out / sorted(names)[0]
    assert json.loads(first.read_text("utf-8"))["nbformat"] == 4
    first.write_text("mine")
    assert "kept" in run("notebooks", "--out", str(out)).output
    assert first.read_text() == "mine"


def test_lab_lists_its_scenarios() -> None:
    output = run("lab", "--list").output
    assert all(name in output for name in SCENARIOS)


def test_lab_refuses_a_port_that_is_none() -> None:
    assert run("lab", "--port", "70000").exit_code == 2
    with pytest.raises(ValueError, match="70000"):
        smtpbook.Lab(port=70000)


def test_lab_refuses_an_unknown_scenario() -> None:
    result = run("lab", "greylist")
    assert result.exit_code == 2
    assert "did you mean 'greylisting'?" in result.output


def test_lab_serves_until_interrupted_and_prints_what_is_said() -> None:
    command = [sys.executable, "-m", "smtpbook", "lab", "greylisting"]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            port = int(process.stdout.readline().partition("127.0.0.1:")[2].split(";")[0])
            with smtplib.SMTP("127.0.0.1", port, local_hostname="c.example") as client:
                client.ehlo()
                assert client.docmd("MAIL FROM:<a@x.example>")[0] == 250
                assert client.docmd("RCPT TO:<b@y.example>")[0] == 450
        finally:
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "-> RCPT TO:<b@y.example>" in output
    assert "<- 450 4.7.1 Greylisted" in output
    assert "1 deferred" in output
