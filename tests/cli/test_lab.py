"""``smtpbook lab``: what its options do to the server, and what it prints."""

from __future__ import annotations

import http.client
import mailbox
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from smtpbook.cli.main import main
from smtpbook.lab.lab import Lab
from smtpbook.lab.scenarios import SCENARIOS
from tests.lab.wire import Wire
from tests.servers.process import ROOT


@contextmanager
def running(*args: str, **environment: str) -> Iterator[tuple[int, str, list[str]]]:
    """Run it; give its port, what it said first, and what it says until its end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "smtpbook", "lab", *args],
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
        stdout=subprocess.PIPE,
        text=True,
    )
    later: list[str] = []
    with process:
        assert process.stdout is not None
        said = ""
        while "mailbox: " not in said if "--web" in args else "try: " not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
        found = re.search(r"listening on 127\.0\.0\.1:(\d+)", said)
        assert found is not None
        try:
            yield int(found[1]), said, later
        finally:
            process.send_signal(signal.SIGINT)
            later += process.stdout.read().splitlines()


def test_a_login_is_wanted_and_its_password_is_never_printed(tmp_path: Path) -> None:
    with (
        running(
            *(
                "--protocol",
                "lmtp",
                "--user",
                "ann",
                "--web",
                "--maildir",
                str(tmp_path / "m"),
            ),
            SMTPBOOK_PASSWORD="horse battery",
        ) as (port, said, later),
        Wire(port) as wire,
    ):
        assert "--auth-user ann" in said
        wire.ask("LHLO c.test")
        assert wire.codes("MAIL FROM:<a@x.test>", "AUTH PLAIN") == [530, 334]
        assert wire.codes("AGFubgBob3JzZSBiYXR0ZXJ5", "MAIL FROM:<a@x.test>") == [235, 250]
        assert wire.codes("RCPT TO:<b@y.test>", "DATA", "hi\r\n.") == [250, 354, 250]
        page = http.client.HTTPConnection(
            said.split("mailbox: http://")[1].split("/")[0], timeout=20
        )
        page.request("GET", "/")
        assert b"b@y.test" in page.getresponse().read()
        page.close()
        wire.codes("QUIT")
    assert len(mailbox.Maildir(tmp_path / "m")) == 1
    assert later[-1] == "1 messages; recipients: 1 accepted"
    assert any("-> RCPT TO:<b@y.test>" in line for line in later)
    assert not any("horse" in line or "AGFubg" in line for line in [said, *later])


def test_a_password_that_is_nowhere_is_asked_for() -> None:
    done = CliRunner().invoke(main, ["lab", "--user", "ann"], input="")
    assert "Password of ann" in done.output
    assert done.exit_code == 1


def test_the_list_names_every_scenario() -> None:
    done = CliRunner().invoke(main, ["lab", "--list"])
    assert [line.split()[0] for line in done.output.splitlines()] == [*SCENARIOS]


def test_what_no_scenario_is_suggests_the_near_one() -> None:
    done = CliRunner().invoke(main, ["lab", "graylisting"])
    assert done.exit_code == 2
    assert "did you mean 'greylisting'" in done.output


def talked(*args: str, lines: tuple[str, ...]) -> list[str]:
    """Talk to it in its console, and give the replies."""
    done = CliRunner().invoke(
        main, ["lab", *args, "--console"], input="".join(f"{line}\n" for line in lines)
    )
    assert done.exit_code == 0, done.output
    return [line[3:] for line in done.output.splitlines() if line.startswith("<- ")]


TWICE = ("EHLO me.test", "MAIL FROM:<a@x.test>", "RCPT TO:<b@y.test>", "RCPT TO:<b@y.test>")


def test_in_the_console_one_talks_and_the_log_is_not_printed_between() -> None:
    done = CliRunner().invoke(
        main, ["lab", "full-mailboxes", "--console"], input="EHLO me.test\n:leave\n"
    )
    assert "-> EHLO me.test" in done.output
    assert "now READY" in done.output
    assert "lab-1" not in done.output
    assert "listening on" not in done.output


def test_times_are_divided_by_the_speed() -> None:
    slow = talked("greylisting", lines=TWICE)
    assert [line[:3] for line in slow[-2:]] == ["450", "450"]
    quick = talked("greylisting", "--speed", "1e9", lines=TWICE)
    assert [line[:3] for line in quick[-2:]] == ["450", "250"]


def test_chance_is_drawn_from_the_seed() -> None:
    lines = (*TWICE[:2], *(f"RCPT TO:<p{n}@hiccup.example>" for n in range(20)))
    one, again, other = (
        talked("mixed-day", "--seed", seed, lines=lines) for seed in ("1", "1", "2")
    )
    assert one == again
    assert {"451 4.3.0 Temporary lookup failure"} < set(one)
    assert one != other


def test_quiet_prints_no_conversation_and_still_the_sum() -> None:
    with running("--quiet") as (port, said, later), Wire(port) as wire:
        wire.codes(*TWICE[:3], "DATA", "hi\r\n.", "QUIT")
    assert "listening on" in said
    assert later == ["", "1 messages; recipients: 1 accepted"]


def test_the_port_asked_for_is_taken_or_it_says_why_not() -> None:
    with Lab() as there:
        done = CliRunner().invoke(main, ["lab", "--port", str(there.port)])
    assert done.exit_code == 2
    assert f"port {there.port} of 127.0.0.1: Address already in use; 0 " in done.output


@pytest.mark.parametrize(
    ("option", "value"),
    [("--port", "65536"), ("--speed", "0"), ("--seed", "x"), ("--protocol", "http")],
)
def test_what_an_option_cannot_be_is_wrong_usage(option: str, value: str) -> None:
    done = CliRunner().invoke(main, ["lab", option, value])
    assert done.exit_code == 2
    assert option in done.output
