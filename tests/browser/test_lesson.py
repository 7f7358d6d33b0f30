"""The first lesson in JupyterLab: its students' notebook is solved by clicking."""

from __future__ import annotations

import json
from typing import Any

import pytest

from smtpbook.lessons.notebooks import student_version
from tests.browser.conftest import LabPage
from tests.browser.forms import form_on
from tests.browser.test_console import press, said_on, say, state_on
from tests.lessons.sources import code_cells, source

pytestmark = pytest.mark.heavy

NAME = "first-conversation"


def type_in(console: Any, line: str) -> None:
    """Type what is to be said, send it, and wait for the reply."""
    console.get_by_label("Line", exact=True).fill(line)
    press(console, "Send")
    said_on(console, line)


def test_the_first_lesson_is_solved_in_its_console(lab_page: LabPage) -> None:
    cells = code_cells(student_version(source(NAME)))
    lab_page.open(*("".join(cell["source"]) for cell in cells))
    given = json.loads(
        lab_page.execute("import json; print(json.dumps(dict(lesson.given)))")
    )
    console = form_on(lab_page)
    press(console, "Connect")
    state_on(console, "GREETED")
    greeting = console.get_by_role("log").inner_text()
    assert f"220 {given['server']} ESMTP" in greeting
    type_in(console, f"EHLO {given['client']}")
    type_in(console, f"RCPT TO:<{given['recipient']}>")
    assert "503 5.5.1" in console.get_by_role("log").inner_text()
    type_in(console, f"MAIL FROM:<{given['sender']}>")
    type_in(console, f"RCPT TO:<{given['recipient']}>")
    say(console, "DATA", "DATA")
    letter = f"Subject: {given['subject']}\n\nHello from the console!"
    console.get_by_label("Mail data", exact=True).fill(letter)
    press(console, "Send all lines and the dot")
    state_on(console, "READY")
    say(console, "QUIT", "CLOSED")
    handed_in = f"lesson.check('greeting', (220, '{given['server']}'))"
    lab_page.execute(f"{handed_in}; lesson.check('order', 503)")
    solved = lab_page.execute("print(lesson.check()['solved'].tolist())")
    assert solved == f"{[True] * 5}\n"
