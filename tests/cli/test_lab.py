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

from click.testing import CliRunner

from smtpbook.cli.main import main
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
