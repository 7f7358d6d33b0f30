"""The classroom's panel: what it shows a teacher, and that names in it do nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import ipywidgets
import pytest

from smtpbook.consoles.classroom_panel import ClassroomPanel, classroom_panel
from smtpbook.lessons.classroom import Classroom
from smtpbook.lessons.lesson import open_lesson
from tests.widgets.browser import state_of_all

EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture
def classroom(tmp_path: Path) -> Iterator[Classroom]:
    with Classroom(["ann", EVIL], scores=tmp_path) as one:
        yield one


@pytest.fixture
def panel(classroom: Classroom) -> Iterator[ClassroomPanel]:
    one = classroom_panel(classroom)
    yield one
    one.close()
    ipywidgets.Widget.close_all()


def test_it_shows_who_is_where_and_which_codes_occur(
    panel: ClassroomPanel, classroom: Classroom
) -> None:
    assert "not yet" in panel.students.value
    assert panel.codes.value == ""
    with open_lesson(
        "first-conversation", classroom=classroom.invitations["ann"]
    ) as lesson:
        lesson.connect().say("EHLO a.example", "RCPT TO:<$x$@b.example>")
        lesson.check("hello")
        panel.draw()
    assert "0 of 5" in panel.students.value
    assert "RCPT TO:&lt;&#36;x&#36;@b.example&gt;</code> → 503" in panel.students.value
    assert "permanent" in panel.codes.value
    assert "1 of 2 students were here, 0 have solved all" in panel.standing.value
    panel.student.control.value = "ann"
    assert "EHLO a.example" in panel.said.value


def test_foreign_text_is_escaped_wherever_it_is_shown(
    panel: ClassroomPanel, classroom: Classroom
) -> None:
    with open_lesson("first-conversation", classroom=classroom.invitations[EVIL]) as lesson:
        lesson.connect().say("EHLO <script>x</script>")
    panel.student.control.value = EVIL
    shown = panel._repr_mimebundle_()["text/html"]
    for html in (panel.students.value, panel.codes.value, panel.said.value, shown):
        assert "<img" not in html
        assert "<script" not in html
    assert "&lt;script&gt;" in panel.said.value


def test_it_holds_no_invitation(panel: ClassroomPanel, classroom: Classroom) -> None:
    tokens = [one.rsplit("/", 1)[1] for one in classroom.invitations.values()]
    shown = f"{state_of_all()} {panel._repr_mimebundle_()} {panel.code}"
    assert not any(token in shown for token in tokens)


def test_without_widgets_it_is_text(panel: ClassroomPanel) -> None:
    assert repr(panel).splitlines()[1].split() == [
        *("ann", "0", "of", "5", "solved,", "at", "greeting")
    ]
    assert panel.code.startswith("import smtpbook as sb")


def test_it_outlives_its_classroom_and_the_classroom_outlives_it(
    panel: ClassroomPanel, classroom: Classroom
) -> None:
    classroom_panel(classroom).close()
    assert classroom.is_running
    classroom.stop()
    panel.draw()
    assert "classroom closed" in panel.standing.value
