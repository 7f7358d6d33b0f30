"""The letter's form in JupyterLab: written, looked at, and sent to oneself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import SimpleQueue
from threading import Thread
from typing import Any

import pytest

from tests.browser.conftest import LabPage
from tests.browser.forms import FAULTS, FOCUSED, form_on, note_on

pytestmark = pytest.mark.heavy

TEMPLATE_FORM = """\
import pandas as pd
from smtpbook.messages.template import Template
from smtpbook.recipients.read import read_recipients
from smtpbook.widgets.template_form import template_form
people = read_recipients(pd.DataFrame({
    "email": [f"p{n}@x.example.org" for n in range(5)],
    "first_name": ["Ann", None, "Cal", "Dan", "Eve"],
    "city": ["Paris", "Rome", "Oslo", "Rome", "Graz"],
}))
"""
NEW = "form = template_form(people=people)\ndisplay(form)\n"
FILLED_IN = """\
letter = Template(
    header_from="Ann <ann@x.example.org>", subject="Hello!!", text="Dear {{ first_name }}",
    html="<h1>Dear {{ first_name }}</h1>", attachments=[],
)
form = template_form(letter, people)
form.more.button.value = form.code_button.value = True
form.fields["reply_to"].value = "nowhere"
form.fields["reply_to"].value = ""
form.test.to.note.say("wrong", "error")
form.insertion.value = "{{ unsubscribe_url }}"
form.check()
form.wait()
display(form)
"""
# Whatever could reach another server, or the page around it.
REACHING = """\
<link rel="stylesheet" href="{url}/sheet"><link rel="preconnect" href="{url}">
<meta http-equiv="refresh" content="0; url={url}/refresh">
<style>@import "{url}/import"; body {{ background: url({url}/css) }}</style>
<img src="{url}/image" alt="" onerror="top.wasRun = 1"><iframe src="{url}/frame"></iframe>
<p id="who">nobody</p>
<script>document.getElementById("who").textContent = "a script"; top.wasRun = 1</script>
<script src="{url}/script"></script>
<a href="{url}/plain">plain</a> <a href="{url}/self" target="_self">self</a>
<a href="{url}/parent" target="_parent">parent</a> <a href="{url}/top" target="_top">top</a>
<a href="{url}/file" target="_self" download>file</a>
<form action="{url}/form" target="_self"><button>form</button></form>
"""
LINKS = ("plain", "self", "parent", "top", "file", "form")
NASTY = """</textarea></iframe>"'><img src=x onerror=top.wasMarkup=1> $x^2$ \\(y\\)"""


@contextmanager
def web_server() -> Iterator[tuple[str, SimpleQueue[str]]]:
    """Serve on loopback; give the address, and the paths that are asked for."""
    asked: SimpleQueue[str] = SimpleQueue()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.put(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


def html_in(form: Any) -> Any:
    """Give the letter's HTML, which stands in a frame within a frame."""
    return form.frame_locator("iframe").frame_locator("iframe")


def value_of(lab: LabPage, field: str) -> str:
    return lab.execute(f"print(form.fields[{field!r}].control.value, end='')")


def test_what_is_inserted_stands_at_the_cursor_and_reaches_the_kernel(
    lab_page: LabPage,
) -> None:
    lab_page.open(TEMPLATE_FORM + NEW)
    form, keyboard = form_on(lab_page), lab_page.page.keyboard
    insert = form.get_by_role("button", name="Insert at the cursor")
    subject, text = form.get_by_label("Subject"), form.get_by_label("Text", exact=True)
    # The cursor was nowhere yet.
    form.get_by_label("Insert").select_option("city")
    insert.click()
    form.locator("textarea:focus").wait_for()
    assert text.input_value() == "{{ city }}"
    keyboard.press("Control+Z")
    assert text.input_value() == ""
    form.get_by_label("From").fill("me@x.example.org")
    subject.fill("To !")
    subject.evaluate("field => field.setSelectionRange(3, 3)")
    insert.click()
    note_on(form, "1 of 5").wait_for()
    form.locator("input:focus").wait_for()
    keyboard.type("?")
    assert subject.input_value() == "To {{ city }}?!"
    text.fill("Dear NAME, come.")
    text.evaluate("field => field.setSelectionRange(5, 9)")
    form.get_by_role("button", name="Insert a condition").click()
    form.get_by_label("If field").select_option("first_name")
    form.get_by_label("Operator").select_option("has a value")
    form.get_by_label("Value").wait_for(state="hidden")
    form.get_by_label("Then write").fill("{{ first_name }}")
    form.get_by_label("Else write").fill("reader")
    form.get_by_role("button", name="Insert the condition").click()
    form.get_by_text("Dear Ann, come.").wait_for()
    written = "{% if first_name is defined %}{{ first_name }}{% else %}reader{% endif %}"
    assert value_of(lab_page, "text") == f"Dear {written}, come."
    assert value_of(lab_page, "subject") == "To {{ city }}?!"


def test_a_letter_is_written_and_looked_at_by_keyboard_alone(lab_page: LabPage) -> None:
    lab_page.open(TEMPLATE_FORM + NEW)
    form, keyboard = form_on(lab_page), lab_page.page.keyboard
    form.get_by_label("From").focus()
    keyboard.type("me@x.example.org")
    visited = []

    def to(name: str, *, keys: str = "", key: str = "Tab") -> None:
        """Go on to the next stop, which must be this one, and type there."""
        keyboard.press(key)
        visited.append(lab_page.page.evaluate(FOCUSED))
        assert visited[-1].endswith(name), visited
        keyboard.type(keys)

    to("Subject", keys="Come to ")
    to("Write in")
    to("Insert")
    keyboard.type("city")
    to("Insert at the cursor")
    keyboard.press("Enter")
    form.locator("input:focus").wait_for()
    assert form.get_by_label("Subject").input_value() == "Come to {{ city }}"
    for name in ("Write in", "Insert", "Insert at the cursor", "Insert a condition"):
        to(name)
    to("Text", keys="Dear {{ first_name | default('friend') }},")
    to("More settings")
    to("Recipient")
    form.get_by_text("Dear Ann,").wait_for()
    to("Previous")
    to("Next")
    keyboard.press("Enter")
    form.get_by_text("Dear friend,").wait_for()
    keyboard.press("Shift+Tab")
    keyboard.press("Enter")
    keyboard.press("Enter")
    note_on(form, "5 of 5: p4@x.example.org").wait_for()
    to("Next")
    to("Search", keys="rome")
    keyboard.press("Enter")
    note_on(form, "2 of 5").wait_for()
    keyboard.press("Enter")
    note_on(form, "4 of 5").wait_for()
    assert form.get_by_role("cell", name="Come to Rome").is_visible()
    keyboard.press("Control+A")
    keyboard.type("p9@x.example.org")
    to("Find next")
    keyboard.press("Enter")
    note_on(form, "in no row: p9@x.example.org; did you mean").wait_for()


def test_the_html_of_a_letter_reaches_nothing_and_runs_nothing(lab_page: LabPage) -> None:
    lab_page.open(TEMPLATE_FORM + NEW)
    form, page = form_on(lab_page), lab_page.page
    with web_server() as (url, asked):
        form.get_by_label("From").fill("me@x.example.org")
        form.get_by_label("Write in").select_option("HTML and text")
        html = REACHING.format(url=url)
        form.get_by_label("HTML").fill(html)
        shown, address = html_in(form), page.url
        for number, link in enumerate(LINKS):
            form.get_by_role("cell", name=f"p{number % 5}@x.example.org").wait_for()
            shown.get_by_text(link, exact=True).click()
            # A frame whose link leads nowhere is empty; the next letter's is a new one.
            form.get_by_role("button", name="Next", exact=True).click()
        # What was asked for before this would have arrived before it.
        page.evaluate("url => fetch(url, {mode: 'no-cors'})", f"{url}/last")
        assert asked.get(timeout=180) == "/last"
        shown.get_by_text("nobody").wait_for()
        assert page.evaluate("window.wasRun") is None
        assert (page.url, len(page.context.pages)) == (address, 1)
        # All of it does reach out where nothing holds it.
        bare = "html => { const f = document.createElement('iframe'); f.srcdoc = html; "
        page.evaluate(bare + "document.body.append(f) }", html.replace("refresh", "none"))
        page.wait_for_function("window.wasRun === 1")
        expected = {f"/{name}" for name in ("sheet", "import", "image", "frame", "script")}
        while expected:
            expected.discard(asked.get(timeout=180))


def test_nothing_of_a_hostile_list_becomes_markup(lab_page: LabPage) -> None:
    hostile = (
        f"people = read_recipients(pd.DataFrame({{'email': ['a@x.example.org'], "
        f"{NASTY!r}: [{NASTY!r}], 'name': [{NASTY!r}]}}))\n"
        "letter = Template(header_from='me@x.example.org', subject='S {{ name }}', "
        "text='T {{ name }}', html='<h1>{{ name }}</h1>')\n"
        "form = template_form(letter, people)\n"
        "form.check(); form.wait(); form.code_button.value = True\n"
        "display(form)\n"
    )
    lab_page.open(TEMPLATE_FORM + hostile)
    form = form_on(lab_page)
    assert html_in(form).get_by_role("heading").inner_text() == NASTY
    assert form.get_by_role("cell", name="S <", exact=False).inner_text() == f"S {NASTY}"
    assert form.locator(".smtpbook-bodies pre").inner_text().split() == f"T {NASTY}".split()
    assert form.locator("img, script, mjx-container, .MathJax").count() == 0
    assert lab_page.page.evaluate("window.wasMarkup") is None


def test_a_test_goes_to_oneself_by_an_account_that_was_saved_meanwhile(
    lab_page: LabPage,
) -> None:
    lab_page.open(TEMPLATE_FORM + FILLED_IN)
    form = form_on(lab_page)
    lab_page.execute(
        "from smtpbook.accounts.store import delete_account, save_account\n"
        "from smtpbook.lab.lab import Lab\n"
        "lab = Lab().start(); save_account(lab.account, 'the lab')"
    )
    form.get_by_label("Send a test to").fill("me@x.example.org")
    form.get_by_label("by account").select_option("the lab")
    form.get_by_role("button", name="Send a test to myself").click()
    note_on(form, "accepted").wait_for()
    received = lab_page.execute(
        "print([one.recipients for one in lab.received]); delete_account('the lab')"
    )
    assert received == "[('me@x.example.org',)]\n"


def test_all_of_it_can_be_read_in_both_themes_and_has_a_name(lab_page: LabPage) -> None:
    lab_page.open(TEMPLATE_FORM + FILLED_IN)
    form = form_on(lab_page)
    form.get_by_role("button", name="Insert a condition").click()
    form.get_by_label("Operator").wait_for()
    form.get_by_role("cell", name="missing", exact=True).first.wait_for()
    html_in(form).get_by_text("Dear Ann").wait_for()
    for theme in ("JupyterLab Dark", "JupyterLab Light"):
        lab_page.theme(theme)
        assert form.evaluate(FAULTS) == []
