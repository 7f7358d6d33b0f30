"""Classroom panel: who is where and which replies occur, in a notebook, as it happens.

It looks at a `Classroom` and changes nothing in it; closing it leaves the classroom open.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Iterable, Sequence
from typing import Any, Final

import ipywidgets as ipw
import pandas as pd

from smtpbook.escape import to_html, visible
from smtpbook.lessons.classroom import Classroom
from smtpbook.log.transcript import transcript
from smtpbook.palette import SEVERITY_COLORS, SEVERITY_NAMES
from smtpbook.widgets.parts import Form, choice, literal, scrolling, section

_EVERY_S: Final = 1.0  # what a teacher who walks about can follow
_MAX_COMMAND: Final = 60  # characters
_MAX_NAME: Final = 30
_NOBODY: Final = "choose a student"
_STUDENTS: Final = (
    *("Student", "Port", "Works at", "Solved", "Points", "Sessions", "Replies"),
    *("Last command", "Last seen (UTC)"),
)
_CODES: Final = ("Code", "It means", "Replies", "Students", "Last command that got it")


class ClassroomPanel(Form):
    """A classroom, drawn anew each second while it runs.

    Parameters
    ----------
    classroom : Classroom
        Looked at; it is started and stopped by whoever made it.
    """

    def __init__(self, classroom: Classroom) -> None:
        self.classroom = classroom
        self.standing, self.students = ipw.HTML(), ipw.HTML()
        self.codes, self.said = ipw.HTML(), ipw.HTML()
        names = [(visible(name), name) for name in classroom.students]
        self.student = choice("Conversation of", [(_NOBODY, ""), *names], "")
        super().__init__(
            [
                *(self.standing, self.students, self.codes),
                section(self.student, self.said),
            ]
        )
        self.add_class("smtpbook-classroom")
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self.student.control.observe(lambda _: self.draw(), "value")
        self.draw()
        # With this call's context, messages to the page are known to belong to its cell.
        threading.Thread(
            target=contextvars.copy_context().run,
            args=(self._follow,),
            name="smtpbook classroom panel",
            daemon=True,
        ).start()

    def draw(self) -> None:
        """Show how it is now; from any thread."""
        with self._lock:
            if self._closed.is_set():
                return
            self.standing.value = _standing(self.classroom)
            self.students.value = students_table(self.classroom)
            self.codes.value = codes_table(self.classroom)
            self.said.value = self._last_session()

    def _follow(self) -> None:
        while self.classroom.is_running and not self._closed.wait(_EVERY_S):
            self.draw()
        self.draw()

    def close(self) -> None:
        """Take it off the page."""
        with self._lock:
            self._closed.set()
            super().close()

    def _last_session(self) -> str:
        name = self.student.control.value
        if not name:
            return ""
        log = self.classroom.log(name)
        if log.empty:
            return "<p>Nothing was said yet.</p>"
        said = transcript(log[log["session_id"] == log["session_id"].iloc[-1]])
        shown = to_html(said, newlines=True)
        return f'<pre tabindex="0" aria-label="last session">{shown}</pre>'

    @property
    def code(self) -> str:
        """The cell that shows it."""
        students = self.classroom.students
        shown = ", ".join(map(literal, students[:3])) + ", …" * (len(students) > 3)
        return (
            "import smtpbook as sb\n\n"
            f"classroom = sb.Classroom([{shown}], {literal(self.classroom.plan.name)})\n"
            "sb.classroom_panel(classroom.start())"
        )

    def __repr__(self) -> str:
        return repr(self.classroom)

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        bundle = super()._repr_mimebundle_(**options)
        still = _standing(self.classroom) + students_table(self.classroom)
        return {**bundle, "text/plain": repr(self), "text/html": still}


def _standing(classroom: Classroom) -> str:
    frame = classroom.progress
    here, done = int(frame["last_seen"].notna().sum()), int(frame["works_at"].isna().sum())
    state = "open" if classroom.is_running else "closed"
    return (
        f'<p role="status"><b>{to_html(classroom.plan.title)}</b>: classroom {state}; '
        f"{here} of {len(classroom.students)} students were here, "
        f"{done if len(frame) else 0} have solved all</p>"
    )


def students_table(classroom: Classroom) -> str:
    """Give the table of the students as HTML."""
    by_student: dict[str, list[str]] = {name: [] for name in classroom.students}
    codes: Any = classroom.codes.itertuples()
    students: Any = classroom.progress.itertuples()
    for row in codes:
        by_student[row.student].append(_chip(row.reply_code, row.replies))
    rows = [
        (
            to_html(visible(row.student, max_chars=_MAX_NAME)),
            str(row.port),
            "all solved" if pd.isna(row.works_at) else to_html(row.works_at),
            f"{row.solved} of {row.of}",
            str(row.points),
            str(row.sessions),
            _wide(" ".join(by_student[row.student])) or "none yet",
            _command(row.last_command)
            + ("" if pd.isna(row.last_reply_code) else f" → {row.last_reply_code}"),
            "not yet" if pd.isna(row.last_seen) else f"{row.last_seen:%H:%M:%S}",
        )
        for row in students
    ]
    return _table("Who is where", _STUDENTS, rows)


def codes_table(classroom: Classroom) -> str:
    """Give the table of the reply codes that occur as HTML."""
    codes = classroom.codes
    if codes.empty:
        return ""
    by_code: Any = codes.groupby("reply_code")
    rows = [
        (
            _chip(code),
            SEVERITY_NAMES[code // 100],
            f"{int(them['replies'].sum()):,}",
            str(len(them)),
            _command(them["command"].iloc[-1]) or "(greeting)",
        )
        for code, them in by_code
    ]
    return _table("Which reply codes occur", _CODES, rows)


def _chip(code: int, replies: int | None = None) -> str:
    """Show a code; its first digit says what the colour repeats."""
    often = "" if replies is None else f"&nbsp;×{replies}"  # noqa: RUF001
    color = SEVERITY_COLORS[code // 100]
    return (
        f'<span style="border-left: 4px solid {color}; padding: 0 6px 0 4px; '
        f'white-space: nowrap">{code}{often}</span>'
    )


def _wide(chips: str) -> str:
    """Keep chips beside each other where the page is narrow: the table scrolls."""
    return f'<div style="min-width: 15em">{chips}</div>' if chips else ""


def _command(line: Any) -> str:
    if pd.isna(line):
        return ""
    return f"<code>{to_html(visible(line, max_chars=_MAX_COMMAND))}</code>"


def _table(caption: str, headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Give a table of cells that are HTML already; the keyboard scrolls it."""
    head = "".join(f'<th scope="col">{name}</th>' for name in headers)
    body = "".join(
        f'<tr><th scope="row" style="white-space: nowrap">{row[0]}</th>'
        + "".join(f"<td>{cell}</td>" for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    return scrolling(
        caption,
        f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table>",
    )


def classroom_panel(classroom: Classroom) -> ClassroomPanel:
    """Show who is where in a classroom, and which reply codes occur.

    Parameters
    ----------
    classroom : Classroom
        A running one is drawn anew each second; it shows what a stopped one came to.

    Returns
    -------
    ClassroomPanel
        A widget; as text, one line for each student.
    """
    return ClassroomPanel(classroom)
