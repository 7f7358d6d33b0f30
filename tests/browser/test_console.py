"""The console in JupyterLab: clicked through all its states, by keyboard too, looked at."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import LabPage
from tests.browser.forms import FAULTS, FOCUSED, form_on

pytestmark = pytest.mark.heavy

SMTP = """\
import smtpbook as sb
lab = sb.Lab(users={"ann": "s3cret"}).start()
console = sb.console(lab)
console
"""
LMTP = SMTP.replace('users={"ann": "s3cret"}', 'protocol="lmtp"')


def state_on(console: Any, name: str) -> None:
    """Wait until the console says that it is in a state, and the picture shows it."""
    console.locator(".smtpbook-standing b", has_text=name).wait_for()
    console.locator(".smtpbook-map .here .name", has_text=name).first.wait_for()


def press(console: Any, name: str) -> None:
    console.get_by_role("button", name=name, exact=True).first.click()


def say(console: Any, name: str, state: str) -> None:
    """Click what is to be said, send it, and wait for the state."""
    press(console, name)
    press(console, "Send")
    state_on(console, state)


def said_on(console: Any, text: str) -> None:
    """Wait until the step shown is of this line, and the next can be taken."""
    console.locator(".smtpbook-said", has_text=text).wait_for()
    console.locator('button:enabled:text-is("Send")').wait_for()


def test_every_state_of_smtp_is_reached_by_clicking(lab_page: LabPage) -> None:
    lab_page.open(SMTP)
    console = form_on(lab_page)
    state_on(console, "CONNECTED")
    press(console, "Connect")
    state_on(console, "GREETED")
    say(console, "EHLO", "READY")
    say(console, "STARTTLS", "GREETED")
    console.get_by_text("Octets on the wire, and what TLS hid").click()
    console.get_by_text("what a wiretapper sees of it").wait_for()
    say(console, "EHLO", "READY")
    say(console, "AUTH LOGIN", "AUTH")
    press(console, "Send")
    said_on(console, "[redacted]")
    press(console, "Send")
    state_on(console, "READY")
    console.get_by_text("logged in").wait_for()
    say(console, "MAIL", "MAIL")
    say(console, "RCPT", "RCPT")
    say(console, "BDAT", "CHUNKS")
    say(console, "BDAT LAST", "READY")
    say(console, "MAIL", "MAIL")
    say(console, "RCPT", "RCPT")
    say(console, "DATA", "DATA")
    press(console, "Send")
    said_on(console, "From: Ann")
    press(console, "Send all lines and the dot")
    state_on(console, "READY")
    say(console, "QUIT", "CLOSED")
    assert lab_page.execute("print(len(lab.received))") == "2\n"
    assert "s3cret" not in console.inner_html()
    notebook = lab_page.page.evaluate(
        "JSON.stringify(window.jupyterapp.shell.currentWidget.context.model.toJSON())"
    )
    assert notebook.count("s3cret") == 1  # in the cell that made the lab


def test_a_refused_session_and_lmtp_are_reached_by_clicking(lab_page: LabPage) -> None:
    lab_page.open(LMTP)
    console = form_on(lab_page)
    press(console, "▸ On the server's side: inject a fault")
    console.get_by_label("At", exact=True).select_option("GREETING")
    console.get_by_label("Reply", exact=True).fill("554 No mail here")
    press(console, "Have the server do so")
    console.get_by_text("from now on GREETING").first.wait_for()
    press(console, "Connect")
    state_on(console, "REFUSED")
    say(console, "QUIT", "CLOSED")
    press(console, "As an ordinary server there")
    console.get_by_text("an ordinary server's reply").first.wait_for()
    press(console, "Start again")
    say(console, "LHLO", "READY")
    say(console, "MAIL", "MAIL")
    say(console, "RCPT", "RCPT")
    console.get_by_label("Line", exact=True).fill("RCPT TO:<eve@y.test>")
    press(console, "Send")
    said_on(console, "eve@y.test")
    say(console, "DATA", "DATA")
    press(console, "Send all lines and the dot")
    state_on(console, "READY")
    replies = console.get_by_label("reply: success")
    assert replies.all_inner_texts() == ["250 2.0.0 Ok: queued as L000001"] * 2


def test_the_keyboard_alone_will_do_and_a_step_is_taken_back(lab_page: LabPage) -> None:
    lab_page.open(SMTP)
    console = form_on(lab_page)
    keyboard = lab_page.page.keyboard
    console.get_by_role("button", name="Connect").focus()
    keyboard.press("Enter")
    state_on(console, "GREETED")
    while lab_page.page.evaluate(FOCUSED) != "Line":
        keyboard.press("Tab")
    for line in ("EHLO me.test", "MIAL FROM:<ann@x.test>", "RCPT TO:<bob@y.test>"):
        keyboard.press("ControlOrMeta+a")
        keyboard.type(line)
        keyboard.press("Enter")
        said_on(console, line)
        assert lab_page.page.evaluate(FOCUSED) == "Line"
    console.get_by_text("out of order").first.wait_for()
    console.get_by_label("Step", exact=True).select_option(index=2)
    said_on(console, "MIAL")
    console.locator(".smtpbook-ruling", has_text="Did you mean 'MAIL'").wait_for()
    press(console, "Go back to this step")
    dialogue = console.get_by_role("log")
    dialogue.get_by_text("RCPT TO").wait_for(state="detached")
    state_on(console, "READY")
    assert "MIAL" in dialogue.inner_text()


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_it_is_legible_and_fits_its_page(lab_page: LabPage, theme: str) -> None:
    lab_page.open(SMTP)
    lab_page.theme(theme)
    console = form_on(lab_page)
    press(console, "Connect")
    say(console, "EHLO", "READY")
    for title in ("Out of order", "On the server's side", "Script", "The whole state"):
        console.get_by_role("button", name=title).click()
    say(console, "DATA", "READY")
    said_on(console, "DATA")
    assert console.evaluate(FAULTS) == []
    folder = os.environ.get("SMTPBOOK_PICTURES")
    for width in (1280, 800):
        lab_page.page.set_viewport_size({"width": width, "height": 2600})
        assert console.evaluate("form => form.scrollWidth <= form.clientWidth + 1")
        if folder:
            name = f"console-{theme.split()[1].lower()}-{width}.png"
            console.screenshot(path=Path(folder) / name)
    lab_page.page.set_viewport_size({"width": 1280, "height": 1400})
