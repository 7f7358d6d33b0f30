"""The panel of a send in JupyterLab: clicked while it goes on, interrupted, looked at."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.browser.conftest import LabPage
from tests.browser.forms import FAULTS, form_on

pytestmark = pytest.mark.heavy

COUNT = 20_000
SETUP = f"""\
import pandas as pd
import smtpbook as sb
lab = sb.Lab().start()
lab.set(end_of_data=sb.Behaviour(delay_s=0.02))
lab.set("p3@*", rcpt=sb.Behaviour(reply="550 5.1.1 no <b>such</b> user"))
people = pd.DataFrame({{"email": [f"p{{n}}@y.test" for n in range({COUNT})]}})
letter = sb.Template(header_from="ann@x.test", subject="Hello", text="Come.")
campaign = sb.Campaign("november", lab.account, people, letter, connections=2, folder=None)
"""
START = f"{SETUP}live = campaign.start()"
SEND = f"{SETUP}run = campaign.send()"
STOPPED = """\
try:
    {0}
except sb.errors.SendStopped as stop:
    print("stopped with", stop.run)
"""
# How many the server has taken, once all that had begun is through.
REACHED = """\
while campaign.live._delivery._outbox.in_flight:
    campaign.live.wait(0.01)
print(len(lab.received))
"""
# What the server and the sender think of it, when it is over.
RESULT = """\
import json
assert campaign.live.join(60)
counts = campaign.live.run.counts
lost = counts["in_doubt"] + counts["failed"]
print(json.dumps([len(lab.received), counts["accepted"], lost]))
"""


def panel_on(lab: LabPage) -> Any:
    """Give the panel on the page, once it shows that something has been sent."""
    panel = lab.page.locator(".smtpbook-live")
    panel.get_by_text("rejected 1").wait_for()
    return panel


def check_stopped(lab: LabPage) -> None:
    """Some were written to, and nobody is in doubt."""
    received, accepted, lost = json.loads(lab.execute(RESULT))
    assert received == accepted
    assert 0 < accepted < COUNT
    assert lost == 0


def summary_on(lab: LabPage, text: str) -> Any:
    """Give the table that remains of a panel."""
    summary = lab.page.locator(".jp-OutputArea-output table", has_text="550 5.1.1")
    lab.page.locator(".jp-OutputArea-output", has_text=text).first.wait_for()
    lab.page.locator(".smtpbook-live").wait_for(state="detached")
    assert summary.locator("b").count() == 0
    return summary


def test_started_it_is_paused_resumed_and_stopped_by_clicks_while_cells_run(
    lab_page: LabPage, kernel: str
) -> None:
    lab_page.open(START, kernel=kernel)
    panel = panel_on(lab_page)
    panel.get_by_role("button", name="Pause").click()
    panel.get_by_text("paused: as you asked").wait_for()
    reached = lab_page.execute(REACHED)
    assert 0 < int(reached) < COUNT
    lab_page.execute("campaign.live.wait(0.2)")
    assert lab_page.execute(REACHED) == reached
    panel.get_by_role("button", name="Resume").click()
    panel.get_by_text("running").wait_for()
    panel.get_by_role("button", name="Stop").click()
    summary_on(lab_page, "done: you stopped it")
    check_stopped(lab_page)
    assert int(lab_page.execute(REACHED)) > int(reached)


def test_a_blocking_send_is_paused_and_stopped_by_clicks(lab_page: LabPage) -> None:
    lab_page.open(SEND, wait=False)
    panel = panel_on(lab_page)
    panel.get_by_role("button", name="Pause").click()
    panel.get_by_text("paused: as you asked").wait_for()
    panel.get_by_role("button", name="Resume").click()
    panel.get_by_text("running").wait_for()
    panel.get_by_role("button", name="Stop").click()
    summary_on(lab_page, "done: you stopped it")
    check_stopped(lab_page)


def test_an_interrupt_ends_a_blocking_send_cleanly(lab_page: LabPage, kernel: str) -> None:
    lab_page.open(SETUP, STOPPED.format("campaign.send()"), kernel=kernel, wait=False)
    panel = panel_on(lab_page)
    if kernel == "older":
        panel.get_by_text("need campaign.start() here").wait_for()
        assert panel.get_by_role("button").count() == 0
    lab_page.interrupt()
    lab_page.page.get_by_text("stopped with <Run of 'november': ").wait_for()
    summary_on(lab_page, "done: interrupted")
    check_stopped(lab_page)


def test_an_interrupt_ends_the_wait_and_the_send(lab_page: LabPage, kernel: str) -> None:
    lab_page.open(START, STOPPED.format("live.wait()"), kernel=kernel, wait=False)
    panel_on(lab_page)
    lab_page.interrupt()
    lab_page.page.get_by_text("stopped with <Run of 'november': ").wait_for()
    summary_on(lab_page, "done: interrupted")
    check_stopped(lab_page)


def test_an_interrupt_ends_the_await_and_the_send(lab_page: LabPage, kernel: str) -> None:
    # An interrupt that comes before its cell has begun is nobody's.
    lab_page.open(START, "print('I wait'); await live", kernel=kernel, wait=False)
    panel_on(lab_page)
    lab_page.page.get_by_text("I wait", exact=True).wait_for()
    lab_page.interrupt()
    summary_on(lab_page, "done: interrupted")
    lab_page.page.get_by_text("CancelledError").first.wait_for()
    check_stopped(lab_page)


def test_the_panel_of_a_campaign_is_started_and_stopped_by_clicks(
    lab_page: LabPage, kernel: str
) -> None:
    lab_page.open(f"{SETUP}display(sb.campaign_panel(campaign))", kernel=kernel)
    form = form_on(lab_page)
    form.get_by_text("About to send 20,000 messages from ann@x.test").wait_for()
    form.get_by_role("button", name="Start").click()
    panel_on(lab_page)
    form.get_by_role("button", name="Stop").click()
    form.get_by_text("done: you stopped it").wait_for()
    form.get_by_role("button", name="Start").wait_for()
    check_stopped(lab_page)


def test_a_kernel_that_is_restarted_finishes_what_is_on_the_wire(
    lab_page: LabPage, kernel: str
) -> None:
    kept = SETUP.replace("folder=None", "folder='kept'")
    lab_page.open(f"{kept}live = campaign.start()", kernel=kernel)
    panel_on(lab_page)
    lab_page.restart()
    counts = lab_page.execute(
        "import smtpbook as sb\n"
        "account = sb.Account(host='127.0.0.1', port=9, tls='none')\n"
        "campaign = sb.open_campaign('kept/november', account)\n"
        "print(campaign.counts)\n"
        "import shutil; shutil.rmtree('kept')"
    )
    assert "accepted" in counts
    assert "in_doubt" not in counts
    assert "failed" not in counts


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_it_is_legible_in_every_state(lab_page: LabPage, theme: str) -> None:
    lab_page.theme(theme)
    lab_page.open(START)
    panel = panel_on(lab_page)
    assert panel.evaluate(FAULTS) == []
    panel.get_by_role("button", name="Pause").click()
    panel.get_by_text("paused: as you asked").wait_for()
    assert panel.evaluate(FAULTS) == []
    panel.get_by_role("button", name="Stop").click()
    summary = summary_on(lab_page, "done: you stopped it")
    assert summary.evaluate(FAULTS) == []
