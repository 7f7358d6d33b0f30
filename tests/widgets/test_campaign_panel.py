"""The panel shows what will be sent, how far it is, and in the end what became of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from smtpbook import progress
from smtpbook.accounts.account import Account
from smtpbook.accounts.passwords import FromPrompt
from smtpbook.campaign.campaign import Campaign
from smtpbook.campaign.live import Live
from smtpbook.errors import TransportError
from smtpbook.events import Event
from smtpbook.lab.lab import Lab
from smtpbook.messages.template import Template
from smtpbook.widgets import campaign_panel as module
from smtpbook.widgets.campaign_panel import LiveView, Panel, campaign_panel, open_panel

LETTER = Template(header_from="Ann <ann@x.test>", subject="Hello", text="Come.")


class Gate:
    """Holds the server at its first answer to RCPT until opened."""

    def __init__(self) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()

    def __call__(self, event: Event) -> None:
        if event.verb == "RCPT":
            self.reached.set()
            assert self.opened.wait(30)


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def lab(gate: Gate) -> Iterator[Lab]:
    with Lab(record=gate) as lab:
        yield lab
        gate.opened.set()


def campaign_for(account: Account, count: int = 40) -> Campaign:
    people = pd.DataFrame({"email": [f"p{n}@y.test" for n in range(count)]})
    return Campaign("november", account, people, LETTER)


def until_drawn(view: LiveView, text: str) -> None:
    """Wait until the view shows a text."""
    seen = threading.Event()

    def look(_: object) -> None:
        if text in view.words.value:
            seen.set()

    view.words.observe(look, "value")
    look(None)
    assert seen.wait(30), view.words.value


class Screen:
    """Stands for the page: keeps what is displayed, and what takes its place."""

    def __init__(self) -> None:
        self.shown: list[dict[str, str]] = []

    def display(self, bundle: dict[str, str], **options: object) -> Screen:
        self.shown.append(bundle)
        return self

    def update(self, bundle: dict[str, str], **options: object) -> None:
        self.shown.append(bundle)


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    screen = Screen()
    monkeypatch.setattr(module, "display", screen.display)
    return screen


# --- before and after ---------------------------------------------------------------------


def test_it_says_what_will_be_sent_and_a_click_sends_it(lab: Lab, gate: Gate) -> None:
    campaign = campaign_for(lab.account.replace(is_lab=False))
    panel = campaign_panel(campaign)
    assert "About to send 40 messages from Ann" in panel._plan.value
    assert panel.view is None
    panel.start_button.click()
    assert gate.reached.wait(30)
    view = panel.view
    assert view is not None
    assert panel.start_button.layout.display == "none"
    until_drawn(view, "running")
    gate.opened.set()
    assert campaign.live is not None
    campaign.live.wait()
    until_drawn(view, "done, 40 of 40 (100 %)")
    assert view.buttons.layout.display == "none"
    assert view.bar.value == 1


def test_what_a_stop_left_can_be_started_again(lab: Lab, gate: Gate) -> None:
    campaign = campaign_for(lab.account)
    panel = campaign_panel(campaign)
    shown = threading.Event()
    panel.start()
    assert gate.reached.wait(30)
    panel.start_button.layout.observe(lambda _: shown.set(), "display")
    assert panel.view is not None
    panel.view.stop_button.click()
    gate.opened.set()
    assert shown.wait(30)
    left = campaign.counts["pending"]
    assert 0 < left < 40
    assert f"About to send {left} messages" in panel._plan.value
    panel.start_button.click()
    assert campaign.live is not None
    campaign.live.wait()
    assert campaign.counts == {"accepted": 40}


def test_a_send_that_goes_on_is_shown_at_once(lab: Lab, gate: Gate) -> None:
    campaign = campaign_for(lab.account)
    live = campaign.start(progress=False)
    assert gate.reached.wait(30)
    panel = campaign_panel(campaign)
    assert panel.view is not None
    assert "running" in panel.view.words.value
    gate.opened.set()
    live.wait()


def test_what_is_in_the_way_is_said(lab: Lab) -> None:
    broken = Template(header_from="a@x.test", subject="{{ missing }}", text="Come.")
    people = pd.DataFrame({"email": ["p@y.test"]})
    panel = campaign_panel(Campaign("c", lab.account, people, broken))
    assert "nothing has been sent" in panel.note.text
    assert panel.start_button.disabled
    asks = lab.account.replace(username="ann", password=FromPrompt())
    panel = campaign_panel(campaign_for(asks))
    panel.start_button.click()
    assert "campaign.account.ask()" in panel.note.text
    assert panel.view is None
    campaign = campaign_for(lab.account)
    panel = campaign_panel(campaign)
    with campaign._sending.alone():
        campaign.live = Live("c", is_blocking=True, is_shown=False)
        panel.start_button.click()
    assert "already sending" in panel.note.text


def test_the_code_it_shows_does_the_same(lab: Lab, gate: Gate) -> None:
    campaign = campaign_for(lab.account)
    gate.opened.set()
    names: dict[str, Any] = {"campaign": campaign}
    exec(campaign_panel(campaign).code, names)
    assert names["live"].wait().counts["accepted"] == 40


# --- while it goes on ---------------------------------------------------------------------


def test_the_buttons_pause_resume_and_stop(lab: Lab, gate: Gate) -> None:
    live = campaign_for(lab.account).start(progress=False)
    assert gate.reached.wait(30)
    view = LiveView(live)
    view.pause_button.click()
    assert live.status().state == "paused"
    assert view.pause_button.description == "Resume"
    assert "paused: as you asked" in view.words.value
    view.pause_button.click()
    assert live.status().state == "running"
    assert view.pause_button.description == "Pause"
    view.stop_button.click()
    assert view.pause_button.disabled
    assert view.stop_button.disabled
    assert "stopping" in view.words.value
    gate.opened.set()
    live.wait()


def test_a_failure_is_told_where_the_progress_was() -> None:
    with Lab() as lab:
        account = lab.account
    live = campaign_for(account).start(progress=False)
    view = LiveView(live)
    with pytest.raises(TransportError):
        live.wait()
    until_drawn(view, "failed: connecting to")


def test_clicks_are_heard_in_the_subshell_that_they_come_through(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """ipykernel 7.4 would hand them on to the shell that is busy with sending."""
    from ipykernel.comm.comm import BaseComm
    from ipykernel.kernelbase import Kernel

    assert hasattr(BaseComm, "_reply_subshell_for")
    assert hasattr(Kernel, "_supports_kernel_subshells")
    comm = SimpleNamespace(_reply_subshell_for=lambda data, default: default)
    module._let_hear_while_busy(SimpleNamespace(comm=comm))  # type: ignore[arg-type]
    assert comm._reply_subshell_for is None
    older = SimpleNamespace()
    module._let_hear_while_busy(SimpleNamespace(comm=older))  # type: ignore[arg-type]
    assert not vars(older)


@pytest.mark.parametrize(("subshells", "buttons"), [(True, 2), (False, 0)])
def test_buttons_that_cannot_be_heard_are_not_offered(
    subshells: bool, buttons: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = SimpleNamespace(_supports_kernel_subshells=subshells)
    monkeypatch.setattr(module, "get_ipython", lambda: SimpleNamespace(kernel=kernel))
    live = Live("c", is_blocking=True, is_shown=False)
    view = LiveView(live)
    named = [one for one in view.buttons.children if hasattr(one, "icon")]
    assert len(named) == buttons
    if not subshells:
        assert "campaign.start()" in view.buttons.children[0].value
    live.hold(lambda: None)


# --- what remains -------------------------------------------------------------------------


def test_at_the_end_a_table_takes_its_place_and_again_where_somebody_waits(
    lab: Lab, gate: Gate, screen: Screen
) -> None:
    progress.use(None, lambda work: Panel(work))  # type: ignore[arg-type]
    try:
        gate.opened.set()
        live = campaign_for(lab.account).start()
        live.wait()
    finally:
        progress.use(None)
    first, *rest = screen.shown
    assert "application/vnd.jupyter.widget-view+json" in first
    assert "november: preparing" in first["text/plain"]
    assert len(rest) == 2
    for last in rest:
        assert set(last) == {"text/plain", "text/html"}
        assert "november: done, 40 of 40 (100 %)" in last["text/plain"]
        assert "✓ 40 accepted" in last["text/plain"]


def test_outside_a_kernel_there_is_no_panel() -> None:
    live = Live("c", is_blocking=True, is_shown=True)
    assert open_panel(live) is None
