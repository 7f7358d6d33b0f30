"""The console's widget: what it shows, says and refuses, without a browser."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import ipywidgets
import pytest

from smtpbook.accounts.account import Account
from smtpbook.consoles.console import Console, console
from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab
from tests.widgets.browser import state_of_all


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab(users={"ann": "s3cret"}) as server:
        yield server


@pytest.fixture
def widget(lab: Lab) -> Iterator[Console]:
    one = console(lab)
    yield one
    one.close()
    ipywidgets.Widget.close_all()


def say(widget: Console, *lines: str) -> None:
    for line in lines:
        widget.line.value = line
        widget.send_button.click()
        widget.wait()


def state(widget: Console) -> str:
    return widget.stepper.situation.state.name


def connect(widget: Console) -> None:
    widget.start_button.click()
    widget.wait()


def press(widget: Console, name: str) -> None:
    """Click what is to be said, and send it."""
    buttons = (*widget.choices.children, *widget.mistakes.children)
    next(one for one in buttons if one.description == name).click()
    widget.send_button.click()
    widget.wait()


def test_it_begins_unconnected_and_connects_on_a_click(widget: Console, lab: Lab) -> None:
    assert "CONNECTED" in widget.standing.value
    assert widget.send_button.disabled
    assert lab.log.empty
    connect(widget)
    assert "GREETED" in widget.standing.value
    assert 'class="here"' in widget.picture.value
    assert "<style" not in widget.picture.value
    assert widget.line.value.startswith("EHLO ")


def test_what_is_clicked_is_proposed_and_said_by_send(widget: Console) -> None:
    connect(widget)
    for name, after in (
        ("EHLO", "READY"),
        ("AUTH PLAIN", "AUTH"),
        ("fill in", "READY"),
        ("MAIL", "MAIL"),
        ("DATA", "MAIL"),
        ("RCPT", "RCPT"),
        ("BDAT", "CHUNKS"),
        ("BDAT LAST", "READY"),
        ("QUIT", "CLOSED"),
    ):
        press(widget, name)
        assert state(widget) == after, widget.note.text
    assert "RFC 5321" in widget.step.value


def test_bdat_counts_what_stands_in_the_field(widget: Console, lab: Lab) -> None:
    connect(widget)
    say(widget, "EHLO me", "AUTH PLAIN [redacted]")
    say(widget, "MAIL FROM:<a@x.test>", "RCPT TO:<b@y.test>")
    widget.line.value = "BDAT 1 LAST"
    widget.block.value = "caf\N{LATIN SMALL LETTER E WITH ACUTE}"
    assert widget.line.value == "BDAT 7 LAST"
    say(widget, widget.line.value)
    assert lab.received[0].data == b"caf\xc3\xa9\r\n"


def test_mail_data_is_sent_as_a_block(widget: Console, lab: Lab) -> None:
    connect(widget)
    say(widget, "EHLO me", "AUTH PLAIN [redacted]")
    say(widget, "MAIL FROM:<a@x.test>", "RCPT TO:<b@y.test>", "DATA")
    assert widget.block_button.layout.display == ""
    widget.block.value = "Subject: dots\n\n.hidden"
    widget.block_button.click()
    widget.wait()
    assert lab.received[0].data == b"Subject: dots\r\n\r\n.hidden\r\n"


def test_the_step_shows_ruling_reply_meaning_and_octets_all_escaped(
    widget: Console, lab: Lab
) -> None:
    lab.set(noop=Behaviour(reply="250 <b>bold</b>\x1b"))
    connect(widget)
    say(widget, "NOOP", "<i>MIAL</i>")
    step = widget.step.value
    assert "&lt;i&gt;MIAL&lt;/i&gt;" in step
    assert "<b>unknown</b>" in step
    assert "It means" in step
    assert "<details>" in step
    widget.at.value = 1
    assert "250 &lt;b&gt;bold&lt;/b&gt;&#92;x1b" in widget.step.value


def test_a_line_that_cannot_be_said_is_told_beside_it(widget: Console) -> None:
    connect(widget)
    say(widget, "NO\x07OP")
    assert "control character" in widget.note.text
    say(widget, "NOOP")
    assert widget.note.text == ""


def test_a_typed_login_is_in_no_widget_once_it_is_sent(widget: Console) -> None:
    connect(widget)
    say(widget, "EHLO me", "AUTH LOGIN")
    assert "filled in from the account" in widget.note.text
    say(widget, "YW5u", "c2VjcmV0LXdyb25n")
    assert state(widget) == "READY"
    told = state_of_all()
    assert "c2VjcmV0" not in told
    assert "s3cret" not in told


def test_it_goes_back_to_a_step(widget: Console) -> None:
    connect(widget)
    say(widget, "HELO me", "NOOP", "RSET")
    widget.at.value = 1
    widget.back_button.click()
    widget.wait()
    assert [step.line for step in widget.stepper.steps] == ["", "HELO me"]
    assert "NOOP" not in widget.conversation.text
    assert "C: HELO me" in widget.conversation.text


def test_a_fault_is_injected_on_the_servers_side_and_taken_back(widget: Console) -> None:
    widget.fault_place.value = "NOOP"
    widget.fault_reply.value = "nonsense"
    widget.fault_button.click()
    assert "does not begin with a reply code" in widget.fault_note.text
    widget.fault_reply.value = "450 4.2.0 Later"
    widget.fault_button.click()
    connect(widget)
    say(widget, "NOOP")
    assert "S: 450 4.2.0 Later" in widget.conversation.text
    widget.ordinary_button.click()
    say(widget, "NOOP")
    assert widget.conversation.text.endswith("S: 250 2.0.0 OK")


def test_what_was_said_is_a_script_to_be_changed_and_played(widget: Console) -> None:
    connect(widget)
    say(widget, "NOOP")
    assert widget.script.control.value == "S: 220\nC: NOOP\nS: 250\n"
    widget.script.control.value = "C: HELO me\nnonsense"
    widget.play_button.click()
    assert "line 2" in widget.script_note.text
    widget.script.control.value = "C: HELO me\nC: RSET"
    widget.play_button.click()
    widget.wait()
    assert [step.line for step in widget.stepper.steps] == ["", "HELO me", "RSET"]


def test_its_code_is_a_cell_that_plays_it(widget: Console, lab: Lab) -> None:
    connect(widget)
    say(widget, "HELO me", 'MAIL FROM:<"a"@x.test>')
    names: dict[str, Any] = {"sb": SimpleNamespace(console=console), "lab": lab}
    exec(widget.code.replace("import smtpbook as sb\n", ""), names)
    again = names["console"]
    assert str(again.stepper.script) == str(widget.stepper.script)
    assert "MAIL FROM" in again.conversation.text
    again.close()


def test_a_server_that_hangs_up_is_shown(widget: Console, lab: Lab) -> None:
    connect(widget)
    lab.set(noop=Behaviour(drop=True))
    say(widget, "NOOP")
    assert "closed the connection" in widget.step.value
    assert "CLOSED" in widget.standing.value
    assert widget.start_button.description == "Start again"
    assert widget.send_button.disabled


def test_closing_it_ends_the_session(lab: Lab) -> None:
    widget = console(lab)
    connect(widget)
    widget.close()
    assert lab.log["verb"].iloc[-1] == "QUIT"


def test_an_account_without_a_lab_has_no_faults_to_inject(lab: Lab) -> None:
    account = Account(host="127.0.0.1", port=lab.port, tls="none")
    widget = console(account)
    folds = [part for part in widget.children if hasattr(part, "button")]
    assert not any("inject" in fold.button.description for fold in folds)
    assert "sb.console(account)" in widget.code
    widget.close()


def test_something_else_is_refused() -> None:
    with pytest.raises(TypeError, match="an Account or a Lab, not str"):
        console("localhost")  # type: ignore[arg-type]
