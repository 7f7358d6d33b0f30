"""Readers leave through a server, or by mail, that somebody runs from a terminal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from smtpbook.cli.main import main
from smtpbook.recipients.suppression import SuppressionList
from smtpbook.unsubscribe import Unsubscribe

URL = "https://news.example.org/leave"
MAIL = "leave@news.example.org"


def run(*args: str | Path) -> Result:
    return CliRunner().invoke(main, ["unsubscribes", *map(str, args)])


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return Unsubscribe.new_secret(tmp_path / "secret")


@pytest.fixture
def letters(tmp_path: Path, key: Path) -> Path:
    token = Unsubscribe(mailto=MAIL, secret=key).token("ann@x.example")
    path = tmp_path / "leave.mbox"
    path.write_text(
        f"From a Mon Nov 23 10:00:00 2026\nSubject: unsubscribe {token}\n\n"
        f"\nFrom b Mon Nov 23 10:00:00 2026\nSubject: take me off \x1b[31m\n\n"
    )
    return path


def test_a_secret_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    result = run("secret", path)
    assert result.exit_code == 0
    assert f"wrote {path}" in result.output
    assert path.read_text().strip() not in result.output
    before = path.read_bytes()
    result = run("secret", path)
    assert result.exit_code == 2
    assert "there is a file" in result.output
    assert path.read_bytes() == before


def test_requests_by_mail_are_kept_and_others_shown(letters: Path, key: Path) -> None:
    result = run("read", letters, "--mailto", MAIL, "--secret", key)
    assert result.exit_code == 1
    assert "messages      2\nunsubscribed  1\nnew           1\nothers        1\n" in (
        result.output
    )
    assert "take me off \\x1b[31m" in result.output
    stop = SuppressionList.open()
    assert [entry.reason for entry in stop] == ["unsubscribed"]
    assert "ann@x.example" in stop
    again = run("read", letters, "--mailto", MAIL, "--secret", key)
    assert "new           0\n" in again.output


def test_a_mailbox_of_requests_alone_is_all_done(letters: Path, key: Path) -> None:
    letters.write_text(letters.read_text().partition("\nFrom b")[0])
    assert run("read", letters, "--mailto", MAIL, "--secret", key).exit_code == 0


def test_requests_by_mail_for_programs_without_keeping_them(
    letters: Path, key: Path, tmp_path: Path
) -> None:
    older = Unsubscribe.new_secret(tmp_path / "newer")
    options = ("--mailto", MAIL, "--secret", older, "--old-secret", key, "--json")
    stop = tmp_path / "never.csv"
    result = run("read", letters, *options, "--dry-run", "--suppress", stop)
    assert json.loads(result.output) == {
        "unsubscribed": [{"address": "ann@x.example", "label": None}],
        "others": ["take me off \x1b[31m"],
    }
    assert not stop.exists()
    run("read", letters, *options, "--suppress", stop)
    assert len(SuppressionList.open(stop)) == 1


def test_many_others_are_cut_and_counted(tmp_path: Path, key: Path) -> None:
    path = tmp_path / "spam.mbox"
    path.write_text("From b Mon Nov 23 10:00:00 2026\nSubject: no\n\n\n" * 100)
    output = run("read", path, "--mailto", MAIL, "--secret", key).output
    assert "… and 80 more; --json shows everything" in output


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("read", "none.mbox", "--mailto", MAIL), "no file 'none.mbox'"),
        (("read", "none.mbox", "--mailto", "nobody"), "address has no @"),
        (("serve", "--url", "http://news.example.org/"), "must be https://"),
        (("serve", "--url", URL, "--old-secret", "none"), "there is no file 'none'"),
        (("serve",), "Missing option '--url'"),
        (("sevre",), "did you mean 'serve'?"),
    ],
)
def test_wrong_input_is_told(key: Path, args: tuple[str, ...], said: str) -> None:
    result = run(*args, "--secret", key)
    assert result.exit_code == 2
    assert said in result.output


@pytest.mark.skipif(os.name != "posix", reason="SIGINT is POSIX")
def test_links_are_served_until_interrupted(key: Path, tmp_path: Path, home: Path) -> None:
    command = [sys.executable, "-m", "smtpbook", "unsubscribes", "serve", "--url", URL]
    stop = tmp_path / "never.csv"
    with subprocess.Popen(
        [*command, "--secret", key, "--suppress", stop],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            where = process.stdout.readline().split()[-1]
            assert str(stop) in process.stdout.readline()
            token = Unsubscribe(url=URL, secret=key).token("ann@x.example")
            link = f"{where}/leave?token={token}"
            click = b"List-Unsubscribe=One-Click"
            with urllib.request.urlopen(link, click, timeout=60) as answer:
                assert answer.status == 200
            assert process.stdout.readline().endswith("Z POST 200 a•••@x.example\n")
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 130
            assert process.stderr.read() == "interrupted\n"
        finally:
            process.kill()
    assert "ann@x.example" in SuppressionList.open(stop)
