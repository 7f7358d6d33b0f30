"""Lessons in JupyterLab: what a conversation solves is solved by clicking in a console.

The first lesson's notebook has a console; in the others a student opens one.
"""

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
# Lesson, the server's scenario, the exercise that is solved; then lines that are typed, and
# letters that are sent as a whole.
TYPED = [
    (
        *("wrong-dialogue", "seed-dialogue", "play"),
        (
            "HELO MIT-MC.ARPA",
            "SEND FROM:<EAK@MIT-MC.ARPA>",
            "RCPT TO:<a@b.example>",
            "DATA",
        ),
    ),
    (
        *("wrong-dialogue", "ordinary", "right-way"),
        ("EHLO me.example", "MAIL FROM:<{sender}>", "RCPT TO:<{recipient}>", "RSET"),
    ),
    (
        *("envelope-and-header", "ordinary", "differ"),
        ("EHLO me.example", "MAIL FROM:<{sender}>", "RCPT TO:<{recipient}>", "DATA"),
        "From: {sender}\nTo: {shown}\n\nHello.",
    ),
    (
        *("envelope-and-header", "ordinary", "hidden"),
        ("EHLO me.example", "MAIL FROM:<{sender}>", "RCPT TO:<{shown}>"),
        ("RCPT TO:<{hidden}>", "DATA"),
        "From: {sender}\nTo: {shown}\n\nPsst.",
    ),
    (
        *("envelope-and-header", "ordinary", "null"),
        ("EHLO me.example", "MAIL FROM:<>", "RCPT TO:<{bounces}>", "DATA"),
        "Subject: Undelivered mail\n\nIt did not arrive.",
    ),
    (
        *("ehlo", "ordinary", "declare"),
        ("EHLO me.example", "MAIL FROM:<a@me.example> SIZE=99999999"),
    ),
    ("starttls", "ordinary", "begin", ("EHLO me.example", "STARTTLS", "EHLO me.example")),
    (
        *("starttls", "ordinary", "letter"),
        ("EHLO me.example", "STARTTLS", "EHLO me.example", "MAIL FROM:<{sender}>"),
        ("RCPT TO:<{recipient}>", "DATA"),
        "Subject: for you\n\n{word}",
    ),
    ("logging-in", "ordinary", "login", ("EHLO me.example", "AUTH PLAIN [redacted]")),
    (
        *("the-dot", "ordinary", "stuff"),
        ("EHLO me.example", "MAIL FROM:<{sender}>", "RCPT TO:<{recipient}>", "DATA"),
        "Subject: all of it\n\n{before}\n.\n{after}",
    ),
]


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
    server = greeting.partition("220 ")[2].split()[0]
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
    handed_in = f"lesson.check('greeting', (220, '{server}'))"
    lab_page.execute(f"{handed_in}; lesson.check('order', 503)")
    solved = lab_page.execute("print(lesson.check()['solved'].tolist())")
    assert solved == f"{[True] * 5}\n"


@pytest.mark.parametrize(
    ("name", "scenario", "exercise", "said"),
    [(*one[:3], one[3:]) for one in TYPED],
    ids=["-".join(one[:3:2]) for one in TYPED],
)
def test_what_a_conversation_solves_is_solved_in_a_console(
    lab_page: LabPage, name: str, scenario: str, exercise: str, said: tuple[Any, ...]
) -> None:
    lab_page.open(
        "import json, tempfile\nimport smtpbook as sb\n"
        f"lesson = sb.open_lesson({name!r}, scores=tempfile.mkdtemp())\n"
        f"sb.console(lesson.labs[{scenario!r}])"
    )
    given = json.loads(lab_page.execute("print(json.dumps(dict(lesson.given)))"))
    assert lab_page.execute(f"print(bool(lesson.check({exercise!r})))") == "False\n"
    console = form_on(lab_page)
    press(console, "Connect")
    state_on(console, "GREETED")
    for part in said:
        if isinstance(part, str):
            console.get_by_label("Mail data", exact=True).fill(part.format_map(given))
            press(console, "Send all lines and the dot")
            state_on(console, "READY")
        for line in part if isinstance(part, tuple) else ():
            type_in(console, line.format_map(given))
    assert lab_page.execute(f"print(lesson.check({exercise!r}).passed)") == "True\n"
    lab_page.execute("lesson.close()")
