"""The forms in JupyterLab: typed into, clicked, saved with the notebook, and looked at."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from smtpbook.lab.lab import Lab
from tests.browser.conftest import LabPage
from tests.browser.forms import FAULTS, FOCUSED, form_on, note_on

pytestmark = pytest.mark.heavy

PASSWORD = "k33p-Me<0ut>&Zq"
USERNAME = "ann@example.org"
ACCOUNT_FORM = """\
from smtpbook.widgets.account_form import account_form
form = account_form()
display(form)
"""
RECIPIENTS_FORM = """\
from smtpbook.widgets.recipients_form import recipients_form
form = recipients_form()
display(form)
"""
FILLED_IN = """\
form.fields["provider"].value = "gmail"
form.fields["host"].note.say("wrong", "error")
form.save_note.say("saved", "done")
form.code_button.value = True
form.test.conversation.append("client", "-> EHLO me")
"""
LIST_WITH_PROBLEMS = """\
import pandas as pd
from smtpbook.recipients.read import read_recipients
from smtpbook.widgets.recipients_form import recipients_form
people = read_recipients(pd.DataFrame({"email": ["ann@x.com", "bob@", "c@gmial.com"]}))
display(recipients_form(people))
"""
# Everything a front end or a saved notebook could learn from the kernel.
STATES = """\
from ipywidgets.widgets.widget import _instances
print([widget.get_state() for widget in _instances.values()])
"""
# What an attribute or a text says, what stands in fields, and what the browser keeps.
PAGE = """() => [
    document.documentElement.outerHTML,
    ...Array.from(document.querySelectorAll("input, textarea"), field => field.value),
    JSON.stringify({...localStorage}), JSON.stringify({...sessionStorage}),
].join("\\n")"""


@pytest.fixture
def server() -> Iterator[Lab]:
    with Lab(users={USERNAME: PASSWORD}, tls="starttls") as lab:
        yield lab


def spellings(secret: str) -> list[str]:
    """Give the forms in which a text may stand in JSON, HTML, a URL or base64."""
    octets = secret.encode()
    # Within a longer text, base64 depends on where the text begins; the first and the last
    # characters also depend on its neighbours.
    shifted = (
        base64.b64encode(b"\0" * shift + octets).decode().rstrip("=")[shift + 1 : -1]
        for shift in range(3)
    )
    plain = [secret, json.dumps(secret)[1:-1], html.escape(secret), repr(secret)[1:-1]]
    return [*plain, quote(secret), octets.hex(), *shifted]


def places_of(secret: str, lab: LabPage, notebook: Path) -> list[str]:
    """Save the notebook, and say where a secret is to be found."""
    lab.save()
    searched = {
        "the notebook": notebook.read_text("utf-8"),
        "the kernel's widgets": lab.execute(STATES),
        "the page": lab.page.evaluate(PAGE),
    }
    assert "application/vnd.jupyter.widget-state+json" in searched["the notebook"]
    assert "IPY_MODEL" in searched["the kernel's widgets"]
    return [
        place
        for place, text in searched.items()
        if any(spelling in text for spelling in spellings(secret))
    ]


def fill(form: Any, server: Lab) -> None:
    """Fill in all but the password."""
    form.get_by_label("Server", exact=True).fill("127.0.0.1")
    form.get_by_label("Port").fill(str(server.port))
    form.get_by_label("Username").fill(USERNAME)
    form.get_by_role("button", name="More settings").click()
    form.get_by_label("Certificates").fill(str(server.ca_file))


def test_a_password_that_is_typed_and_used_is_found_nowhere(
    lab_page: LabPage, server: Lab
) -> None:
    notebook = lab_page.open(ACCOUNT_FORM)
    form = form_on(lab_page)
    fill(form, server)
    form.get_by_label("Password", exact=True).click()
    lab_page.page.keyboard.type(PASSWORD)
    form.get_by_role("button", name="Test connection").click()
    note_on(form, "it works").wait_for()
    said = form.get_by_role("log").inner_text()
    assert "235 2.7.0 Authentication successful" in said
    assert form.get_by_text("kept in the kernel's memory").is_visible()
    assert places_of(PASSWORD, lab_page, notebook) == []
    same = f"print(form.password.secret.reveal() == {PASSWORD!r})"
    assert lab_page.execute(same) == "True\n"


def test_the_search_would_find_the_value_of_an_ordinary_field(lab_page: LabPage) -> None:
    notebook = lab_page.open(
        "import ipywidgets\nipywidgets.Password(description='Password')"
    )
    lab_page.page.get_by_label("Password", exact=True).click()
    lab_page.page.keyboard.type(PASSWORD)
    lab_page.page.keyboard.press("Tab")
    found = places_of(PASSWORD, lab_page, notebook)
    assert found == ["the notebook", "the kernel's widgets", "the page"]


def test_the_form_is_filled_in_by_keyboard_alone(lab_page: LabPage, server: Lab) -> None:
    lab_page.open(ACCOUNT_FORM)
    page = lab_page.page
    form = form_on(lab_page)
    keyboard = page.keyboard
    form.get_by_label("Provider").focus()
    visited = []

    def to(name: str, *, keys: str = "") -> None:
        """Go on to the next stop, which must be this one, and type there."""
        keyboard.press("Tab")
        visited.append(page.evaluate(FOCUSED))
        assert visited[-1].endswith(name), visited
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid", f"no ring around {name}"
        keyboard.type(keys)

    keyboard.press("ArrowDown")
    hint = note_on(form, "app password at")
    hint.wait_for()
    assert form.get_by_label("Server", exact=True).input_value() == "smtp.gmail.com"
    keyboard.press("ArrowUp")
    hint.wait_for(state="hidden")  # it holds a link, which is a stop for Tab
    to("Server")
    keyboard.press("Control+A")
    keyboard.type("127.0.0.1")
    to("Encryption")
    keyboard.press("ArrowDown")
    # The port follows, and must not do so while it is typed over.
    page.wait_for_function(
        "port => port.value === '587'", arg=form.get_by_label("Port").element_handle()
    )
    to("Port")
    keyboard.press("Control+A")
    keyboard.type(str(server.port))
    to("Username", keys=USERNAME)
    to("Password", keys=PASSWORD)
    to("Show: Password")
    keyboard.press("Space")
    assert form.get_by_label("Password", exact=True).get_attribute("type") == "text"
    keyboard.press("Enter")
    form.get_by_text("kept in the kernel's memory").wait_for()
    to("Show: Password")
    to("Forget: Password")
    to("Login by")
    to("More settings")
    keyboard.press("Enter")
    form.get_by_label("Our name (EHLO)").wait_for()
    to("Our name (EHLO)", keys="client.example.org")
    to("Local address")
    to("Certificates", keys=str(server.ca_file))
    to("Time limit (s)", keys="20")
    to("Test connection")
    keyboard.press("Enter")
    note_on(form, "it works").wait_for()
    assert "EHLO client.example.org" in form.get_by_role("log").inner_text()


def test_a_click_does_not_overtake_what_was_typed_before_it(lab_page: LabPage) -> None:
    lab_page.open(ACCOUNT_FORM)
    form = form_on(lab_page)
    form.get_by_label("Server", exact=True).fill("mx.example.org")
    # A kernel that takes its time, as one far away does.
    lab_page.execute(
        "import time\n"
        "form.name_field.control.observe(lambda _: time.sleep(0.1), 'value')\n"
        "form.password.on_change(lambda: time.sleep(0.3))"
    )
    form.get_by_label("Save as").click()
    lab_page.page.keyboard.type("holiday")
    form.get_by_role("button", name="Save", exact=True).click()
    note_on(form, "saved").wait_for()
    listed = "from smtpbook.accounts.store import list_accounts; print(list_accounts())"
    assert lab_page.execute(listed) == "['holiday']\n"
    form.get_by_label("Password", exact=True).click()
    lab_page.page.keyboard.type(PASSWORD)
    form.get_by_role("button", name="Save", exact=True).click()
    note_on(form, "a password needs a username").wait_for()


def test_a_click_that_waits_for_a_busy_kernel_says_so_and_happens_once(
    lab_page: LabPage,
) -> None:
    lab_page.open(ACCOUNT_FORM)
    form = form_on(lab_page)
    form.get_by_label("Server", exact=True).fill("mx.example.org")
    lab_page.execute(
        "import time\n"
        "from pathlib import Path\n"
        "clicks = []\n"
        "form.save_button.on_click(clicks.append)\n"
        "go_on = Path('go-on'); go_on.unlink(missing_ok=True)\n"
        "def wait(_):\n"
        "    while not go_on.exists(): time.sleep(0.01)\n"
        "form.name_field.control.observe(wait, 'value')"
    )
    form.get_by_label("Save as").fill("journey")
    save = form.get_by_role("button", name="Save", exact=True)
    save.click()
    save.click()
    waiting = note_on(form, "waiting until the kernel has taken")
    waiting.wait_for()
    assert waiting.count() == 1
    lab_page.touch("go-on")
    note_on(form, "saved").wait_for()
    assert waiting.count() == 0
    assert lab_page.execute("print(len(clicks))") == "1\n"


def test_a_click_whose_kernel_has_gone_is_given_up(lab_page: LabPage) -> None:
    lab_page.open(ACCOUNT_FORM)
    form = form_on(lab_page)
    form.get_by_label("Server", exact=True).fill("mx.example.org")
    lab_page.execute(
        "import threading\n"
        "form.name_field.control.observe(lambda _: threading.Event().wait(), 'value')"
    )
    form.get_by_label("Save as").fill("journey")
    form.get_by_role("button", name="Save", exact=True).click()
    waiting = note_on(form, "waiting until the kernel has taken")
    waiting.wait_for()
    lab_page.restart()
    waiting.wait_for(state="detached")


def test_what_is_wrong_with_a_field_is_heard_at_the_field(lab_page: LabPage) -> None:
    lab_page.open(ACCOUNT_FORM)
    form = form_on(lab_page)
    name = form.get_by_label("Save as")
    more = form.get_by_role("button", name="More settings")
    assert more.get_attribute("aria-expanded") == "false"
    more.click()
    form.locator("[aria-expanded=true]").wait_for()
    lab_page.execute("form.name_field.note.say('this name is taken', 'error')")
    form.locator("input[aria-invalid=true]").wait_for()
    assert name.get_attribute("aria-invalid") == "true"
    note = form.locator(f"#{name.get_attribute('aria-describedby')}")
    assert "this name is taken" in note.inner_text()
    name.fill("work")
    form.locator("input[aria-invalid=true]").wait_for(state="detached")
    assert name.get_attribute("aria-describedby") is None
    # Only what is put into a node that was there is read aloud.
    lab_page.execute("form.save_note.say('it is saved', 'done')")
    form.locator(".smtpbook-page[role=status]", has_text="it is saved").wait_for()


def test_a_file_larger_than_a_page_can_send_is_refused_beside_its_field(
    lab_page: LabPage, tmp_path: Path
) -> None:
    path = tmp_path / "all <b>.csv"
    path.write_bytes(b"email\n" + b"ann@example.org\n" * 700_000)
    lab_page.open(RECIPIENTS_FORM)
    form = form_on(lab_page)
    for file, said in (
        (path, "all <b>.csv has 11,200,006 bytes"),
        (tmp_path / "few.csv", "few.csv is here"),
    ):
        if not file.exists():
            file.write_text("email\nann@example.org\n")
        with lab_page.page.expect_file_chooser() as chooser:
            form.get_by_role("button", name="Choose a file").click()
        chooser.value.set_files(file)
        note_on(form, said).wait_for()
    assert lab_page.execute("print(len(form.people))") == "1\n"


def test_an_uploaded_list_shows_its_problems_and_narrows_as_one_types(
    lab_page: LabPage, tmp_path: Path
) -> None:
    rows = [
        f"p{n}@x.example.org,Name {n},{'Paris' if n % 2 else 'Rome'}" for n in range(99)
    ]
    rows[2] = "not an address,<img src=x onerror=alert(1)>,Rome"
    rows[4] = rows[3]
    path = tmp_path / "people.csv"
    path.write_text("\n".join(["E-Mail,First Name,City", *rows]))
    notebook = lab_page.open(RECIPIENTS_FORM)
    form = form_on(lab_page)
    with lab_page.page.expect_file_chooser() as chooser:
        form.get_by_role("button", name="Choose a file").click()
    chooser.value.set_files(path)
    note_on(form, "97 recipients").wait_for()
    left_out = form.locator("tr.smtpbook-left-out")
    left_out.last.wait_for()
    assert left_out.count() == 2
    assert form.get_by_text("1 invalid, 1 duplicate").is_visible()
    assert form.locator("img").count() == 0
    condition = form.get_by_label("Only where")
    condition.click()
    lab_page.page.keyboard.type("cty == 'Paris'")
    note_on(form, "did you mean 'city'").wait_for()
    condition.fill("city == 'Paris'")
    note_on(form, "49 of 97 recipients").wait_for()
    assert lab_page.execute("print(len(form.people))") == "49\n"
    # What is not in the preview stays out of the notebook.
    lab_page.save()
    assert "p11@x.example.org" in notebook.read_text("utf-8")
    assert places_of("p90@x.example.org", lab_page, notebook) == []


def test_all_can_be_read_in_both_themes_and_has_a_name(lab_page: LabPage) -> None:
    lab_page.open(ACCOUNT_FORM + FILLED_IN, LIST_WITH_PROBLEMS)
    forms = form_on(lab_page)
    forms.get_by_text("EHLO me").wait_for()
    forms.get_by_role("cell", name="invalid", exact=True).wait_for()
    for theme in ("JupyterLab Dark", "JupyterLab Light"):
        lab_page.theme(theme)
        assert [form.evaluate(FAULTS) for form in forms.all()] == [[], []]


def test_a_page_that_is_reloaded_shows_what_was_said_and_no_password(
    lab_page: LabPage,
) -> None:
    notebook = lab_page.open(ACCOUNT_FORM)
    form_on(lab_page)
    lab_page.execute(f"form.password.keep({PASSWORD!r})")
    lab_page.execute("form.test.conversation.append('server', '220 <b>')")
    lab_page.save()
    lab_page.reload(notebook)
    form = form_on(lab_page)
    form.get_by_text("kept in the kernel's memory").wait_for()
    assert form.get_by_role("log").inner_text() == "220 <b>"
    assert form.get_by_label("Password", exact=True).input_value() == ""


def test_a_progress_bar_leaves_a_line_in_the_notebook(lab_page: LabPage) -> None:
    notebook = lab_page.open(
        "from smtpbook import progress\n"
        "bar = progress.show('sending', 1000)\n"
        "bar.update(500, {'accepted': 500})"
    )
    lab_page.page.get_by_text("500 of 1,000 (50 %)").wait_for()
    lab_page.execute("bar.update(1000, {'accepted': 999, 'deferred': 1}); bar.close()")
    lab_page.page.get_by_text("999 accepted, 1 deferred").wait_for()
    lab_page.save()
    assert "sending: 1,000 of 1,000 (100 %)" in notebook.read_text("utf-8")
