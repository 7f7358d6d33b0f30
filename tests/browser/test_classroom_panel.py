"""The classroom's panel in JupyterLab: it follows a student, and is looked at."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.browser.conftest import LabPage
from tests.browser.forms import FAULTS, form_on

pytestmark = pytest.mark.heavy

CLASS = """\
import smtpbook as sb
from tempfile import mkdtemp
names = ["Ann Álvarez", "ben", "Zoë", "<b>$x$", *(f"s-{n:02}" for n in range(5, 31))]
classroom = sb.Classroom(names, scores=mkdtemp()).start()
panel = sb.classroom_panel(classroom)
panel
"""
STUDENT = """\
for number, name in enumerate(names[:6]):
    with sb.open_lesson("first-conversation", classroom=classroom.invitations[name]) as one:
        talk = one.connect()
        one.check("greeting", (220, talk.greeting.text.split()[0]))
        talk.say(f"EHLO {one.given['client']}")
        one.check("hello")
        one.check("order", talk.say("RCPT TO:<a@b.example>").code)
        talk.say(*["VRFY bob", "FOO"][:number])
        if number == 2:
            talk.say(f"MAIL FROM:<{one.given['sender']}>", "RCPT TO:<450.x@lab.test>",
                     f"RCPT TO:<{one.given['recipient']}>", "DATA",
                     f"Subject: {one.given['subject']}", "", "Hi", ".", "QUIT")
            one.check()
panel.student.control.value = names[2]
"""


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_it_follows_the_class_and_is_readable(lab_page: LabPage, theme: str) -> None:
    lab_page.open(CLASS)
    lab_page.theme(theme)
    panel = form_on(lab_page)
    panel.get_by_text("0 of 30 students were here").wait_for()
    lab_page.execute(STUDENT)
    panel.get_by_text("6 of 30 students were here, 1 have solved all").wait_for()
    panel.locator("td", has_text="all solved").wait_for()
    panel.locator("pre", has_text="450").wait_for()
    assert panel.evaluate(FAULTS) == []
    folder = os.environ.get("SMTPBOOK_PICTURES")
    for width in (1280, 800):
        lab_page.page.set_viewport_size({"width": width, "height": 2600})
        assert panel.evaluate("form => form.scrollWidth <= form.clientWidth + 1")
        if folder:
            name = f"classroom-{theme.split()[1].lower()}-{width}.png"
            panel.screenshot(path=Path(folder) / name)
    lab_page.page.set_viewport_size({"width": 1280, "height": 1400})
    lab_page.execute("classroom.stop()")
    panel.get_by_text("classroom closed").wait_for()
