"""The log explorer in JupyterLab: clicked, used by keyboard alone, and looked at."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.conftest import LabPage
from tests.browser.forms import FAULTS, FOCUSED, form_on, note_on

pytestmark = pytest.mark.heavy

CELL = """\
import smtpbook as sb
from smtpbook.log.frame import to_frame
from tests.log.story import day
log = to_frame(list(day(300)))
explorer = sb.log_explorer(log)
display(explorer)
"""
HOSTILE = """\
import smtpbook as sb
from smtpbook.log.frame import to_frame
from tests.log.story import Story
story = Story("<img src=x onerror=stolen=1>")
story.said("<b>", "<script>stolen = 1</script> $x$", "550 <img src=x onerror=stolen=1>")
explorer = sb.log_explorer(to_frame(story.rows))
display(explorer)
"""
SEEN = """log => {
    const box = log.getBoundingClientRect();
    const line = log.querySelector("[data-who=chosen]").getBoundingClientRect();
    return line.top >= box.top && line.bottom <= box.bottom;
}"""
NARROWER = """form =>
    [form, ...form.querySelectorAll(".smtpbook-filters, .smtpbook-beside")]
    .every(node => node.scrollWidth <= node.clientWidth + 4)"""


def rows_of(form: Any) -> Any:
    return form.get_by_role("grid", name="Events").locator("tbody tr")


def test_a_filter_and_a_click_lead_to_the_explanation(lab_page: LabPage) -> None:
    lab_page.open(CELL)
    form = form_on(lab_page)
    form.get_by_label("Code").select_option(label="5yz permanent (44)")
    note_on(form, "44 of 1,727 events").wait_for()
    form.get_by_label("Text", exact=True).fill("such user")
    form.get_by_label("Text", exact=True).press("Enter")
    note_on(form, "22 of 1,727 events").wait_for()
    rows_of(form).nth(2).click()
    form.get_by_text("user_unknown (group address)").wait_for()
    form.locator("svg").wait_for()
    transcript = form.get_by_role("region", name="Transcript")
    assert (
        "550 5.1.1 No such user here"
        in transcript.locator("[data-who=chosen]").last.inner_text()
    )
    form.get_by_role("button", name="Its session").click()
    form.get_by_role("button", name="Show code").click()
    form.get_by_text('selection = log[log["session_id"] == "s0"]').wait_for()
    form.get_by_role("row", selected=True).wait_for()
    assert form.get_by_label("Session", exact=True).input_value() == "s0"
    assert lab_page.execute("print(set(explorer.selection.session_id))") == "{'s0'}\n"


def test_the_chosen_line_of_a_long_transcript_is_in_view(lab_page: LabPage) -> None:
    lab_page.open(CELL)
    form = form_on(lab_page)
    for number in (19, 2, 11):  # the first is shown together with its section
        rows_of(form).nth(number).click()
        label = rows_of(form).nth(number).locator("td").nth(1).inner_text()
        form.get_by_role("heading").get_by_text(label).wait_for()
        transcript = form.get_by_role("region", name="Transcript")
        transcript.locator("[data-who=chosen]").first.wait_for()
        lab_page.page.wait_for_function(SEEN, arg=transcript.element_handle())


def test_it_is_used_by_keyboard_alone(lab_page: LabPage) -> None:
    lab_page.open(CELL)
    page, form = lab_page.page, form_on(lab_page)
    keyboard = page.keyboard
    form.get_by_label("Session").focus()
    names = ["Recipient", "Domain", "Code", "Reason", "Outcome", "Verb", "Text"]
    for name in [*names, "Clear filters"]:
        keyboard.press("Tab")
        assert page.evaluate(FOCUSED).endswith(name)
    keyboard.press("Tab")
    first = page.evaluate(FOCUSED)
    assert first.startswith("1, 2025-11-24 16:00:00.000, connect")
    ring = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.evaluate(ring) == "solid"
    keyboard.press("ArrowDown")
    form.get_by_role("heading").get_by_text("GREETING").wait_for()
    assert page.evaluate(FOCUSED).startswith("2, ")
    keyboard.press("End")
    assert page.evaluate(FOCUSED).startswith("20, ")
    form.get_by_role("heading").get_by_text("GREETING").wait_for(state="detached")
    keyboard.press("ArrowDown")  # over the page's end
    page.wait_for_function(f"({FOCUSED})().startsWith('21, ')")
    keyboard.press("PageUp")
    page.wait_for_function(f"({FOCUSED})().startsWith('1, ')")
    keyboard.press("Tab")
    assert page.evaluate(FOCUSED) == "Page"
    keyboard.press("Tab")  # "Previous" is disabled
    assert page.evaluate(FOCUSED) == "Next"
    keyboard.press("Enter")
    rows_of(form).get_by_text("21", exact=True).wait_for()
    stops = [page.evaluate(FOCUSED)]
    while stops[-1] != "▾ Waterfall" and len(stops) < 9:
        keyboard.press("Tab")
        stops.append(page.evaluate(FOCUSED))
    assert stops[-2:] == ["Transcript", "▾ Waterfall"], stops


def test_hostile_text_is_shown_as_text(lab_page: LabPage) -> None:
    lab_page.open(HOSTILE)
    form = form_on(lab_page)
    rows_of(form).first.click()
    form.locator("svg").wait_for()
    assert "<img src=x" in rows_of(form).first.inner_text()
    assert lab_page.page.evaluate("window.stolen") is None
    assert form.locator("img, script").count() == 0


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_it_is_legible_in_every_theme_and_width(lab_page: LabPage, theme: str) -> None:
    lab_page.theme(theme)
    lab_page.open(CELL)
    form = form_on(lab_page)
    form.get_by_label("Session").fill("s11")
    form.get_by_label("Session").press("Enter")
    note_on(form, "did you mean 's1'").wait_for()
    assert form.evaluate(FAULTS) == []
    form.get_by_role("button", name="Clear filters").click()
    rows_of(form).nth(9).click()
    form.locator("svg").wait_for()
    size = lab_page.page.viewport_size
    try:
        for width in (1280, 800):
            lab_page.page.set_viewport_size({"width": width, "height": 1400})
            assert form.evaluate(FAULTS) == []
            lab_page.page.wait_for_function(NARROWER, arg=form.element_handle())
    finally:
        lab_page.page.set_viewport_size(size)
