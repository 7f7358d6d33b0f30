"""Terminal: the console through pipes and through a terminal of its own."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner

from smtpbook.cli.main import main
from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab
from smtpbook.stepping.stepper import Stepper
from smtpbook.stepping.terminal import Terminal

pytestmark = pytest.mark.side_by_side
ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab(users={"ann": "s3cret"}) as server:
        yield server


def converse(lab: Lab, *lines: str) -> str:
    """Type these lines, then leave; give what was printed."""
    printed = io.StringIO()
    source = io.StringIO("".join(f"{line}\n" for line in lines))
    Terminal(Stepper(lab), source=source, target=printed).run()
    return printed.getvalue()


def test_enter_alone_says_what_is_proposed(lab: Lab) -> None:
    told = converse(lab, "", "", "", "", "", "", "", "Subject: hi", "", "hello", ".", "")
    assert "GREETED [EHLO " in told
    assert "AUTH SCRAM-SHA-512 [redacted]" in told
    assert "now READY: ready" in told
    assert "<- 221 " in told
    assert lab.received[0].data == b"Subject: hi\r\n\r\nhello\r\n"


def test_a_mistake_is_said_answered_and_explained(lab: Lab) -> None:
    told = converse(lab, "EHLO me.test", "MIAL FROM:<a@x.test>", "DATA")
    assert "-> MIAL FROM:<a@x.test>\n   unknown: No command begins so" in told
    assert "Did you mean 'MAIL'?" in told
    assert "<- 500 5.5.1 Command not recognized" in told
    assert "   (RFC 5321 section 3.3)\n<- 503 " in told
    assert "<- 250-SIZE 10485760" in told


def test_what_begins_with_a_question_mark_is_not_said(lab: Lab) -> None:
    told = converse(lab, "?", "?RCPT TO:<a@x.test>", "\\?hello")
    assert "now: EHLO" in told
    assert "out of order: A session is opened with EHLO" in told
    assert "-> ?hello" in told
    assert lab.log["verb"].tolist()[1:] == ["?HELLO", "QUIT"]


def test_the_octets_the_script_and_the_transcript_are_there_on_demand(lab: Lab) -> None:
    told = converse(lab, "NOOP", ":bytes", ":script", ":transcript")
    assert "4e 4f 4f 50 0d 0a" in told
    assert "S: 220\nC: NOOP\nS: 250\n" in told
    assert "-> NOOP" in told


def test_it_goes_back_and_begins_anew(lab: Lab) -> None:
    told = converse(lab, "HELO me", "NOOP", "RSET", ":back", ":script", ":again", ":script")
    assert "S: 220\nC: HELO me\nS: 250\nC: NOOP\nS: 250\nGREETED" not in told
    assert "C: HELO me\nS: 250\nC: NOOP\nS: 250\nREADY" in told
    assert told.rstrip().endswith("GREETED [EHLO [127.0.0.1]]>")
    assert lab.log["verb"].tolist().count("GREETING") == 3


def test_a_fault_is_injected_and_taken_back(lab: Lab) -> None:
    told = converse(lab, ":fault noop 421 Busy", ":fault rctp 450 no", "NOOP", ":again")
    assert "from now on, noop gets 421 Busy" in told
    assert "did you mean 'RCPT'" in told
    assert "<- 421 Busy" in told
    assert "now CLOSED" in told


def test_a_chunk_is_asked_for_until_it_is_whole(lab: Lab) -> None:
    login = ("EHLO me", "AUTH PLAIN [redacted]")
    envelope = ("MAIL FROM:<a@x.test>", "RCPT TO:<b@y.test>")
    converse(lab, *login, *envelope, "BDAT 5", "abc", "BDAT 2 LAST", "de")
    assert lab.received[0].data == b"abc\r\nde"


def test_a_script_is_saved_and_played(lab: Lab, tmp_path: Path) -> None:
    path = tmp_path / "noop.txt"
    converse(lab, "NOOP", f":save {path}")
    assert path.read_text() == "S: 220\nC: NOOP\nS: 250\n"
    told = converse(lab, f":play {path}", f":play {path}.gone", f":save {path}")
    assert "-> NOOP\n<- 250 " in told
    assert "No such file" in told
    assert "File exists" in told


def test_what_is_no_word_of_the_console_gets_the_near_miss(lab: Lab) -> None:
    assert "there is no :byts; did you mean 'bytes'" in converse(lab, ":byts")


def test_a_session_that_is_over_says_how_to_go_on(lab: Lab) -> None:
    told = converse(lab, "QUIT", "NOOP", ":again")
    assert "the session is over; :again begins anew" in told


def test_a_line_that_cannot_be_said_is_refused_in_words(lab: Lab) -> None:
    assert "! command holds a line end or control character" in converse(lab, "NO\x07OP")


def test_foreign_text_does_nothing_to_the_terminal(lab: Lab) -> None:
    lab.set(noop=Behaviour(reply="250 \x1b[2Jred"))
    told = converse(lab, "NOOP")
    assert "\x1b" not in told
    assert "\\x1b[2Jred" in told


def test_lines_are_completed_from_what_the_state_has(lab: Lab) -> None:
    stepper = Stepper(lab)
    stepper.start()
    terminal = Terminal(stepper, target=io.StringIO())
    assert terminal.completions("eh") == ["EHLO [127.0.0.1]"]
    assert "MAIL FROM:<ann@x.test>" in terminal.completions("m")
    assert terminal.completions(":tr") == [":transcript "]
    assert "SEND FROM:<ann@x.test>" in terminal.completions("SE")
    stepper.close()


def test_the_command_is_a_flag_of_the_lab() -> None:
    told = CliRunner().invoke(main, ["lab", "--console"], input="HELO me\nQUIT\n")
    assert told.exit_code == 0, told.output
    assert "<- 221 " in told.output
    assert "\x1b" not in told.output


@pytest.mark.heavy
def test_the_command_runs_in_a_terminal_with_colours_and_completion() -> None:
    """A pseudo-terminal: readline is there, Tab completes, Ctrl-D ends."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "smtpbook", "lab", "--console"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=ROOT,
        env={**os.environ, "TERM": "xterm", "NO_COLOR": "", "INPUTRC": os.devnull},
        start_new_session=True,
    )
    os.close(theirs)
    told = ""

    def until(text: str) -> None:
        nonlocal told
        while text not in told:
            read = os.read(ours, 4096)
            assert read, told
            told += read.decode()
        told = told.partition(text)[2]

    try:
        until("GREETED [EHLO")
        until("> ")
        os.write(ours, b"EHL\t\n")
        until("\x1b[32m<- 250-lab.test")
        until("READY [MAIL")
        os.write(ours, b"NOPE\n")
        until("\x1b[31m<- 500")
        until("> ")
        os.write(ours, b"\x04")
        with suppress(OSError):  # Linux says so at a terminal's end
            while read := os.read(ours, 4096):
                told += read.decode()
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    assert not re.search("Traceback", told)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (":back x", "! :back takes how many lines to say again, not 'x'"),
        (":back -1", "! :back takes how many lines to say again, not '-1'"),
        (":play", "! :play takes the name of a file"),
        (":save", "! :save takes the name of a file"),
        (":play not there", "! not there: No such file or directory"),
    ],
)
def test_what_a_command_lacks_is_said(lab: Lab, line: str, told: str) -> None:
    assert told in converse(lab, line, "NOOP").splitlines()
