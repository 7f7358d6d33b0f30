"""Classroom: a lab for each student in one process, and how far each of them is.

Students work in processes of their own and come in by an `Invitation`; what one may ask for
is `desk`'s.  All is on loopback: a lab server itself asks nobody who he is, so students who
find each other's ports can talk there.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Mapping
from concurrent.futures import CancelledError
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Final, Self

import pandas as pd
import trio

from smtpbook.escape import to_html, visible
from smtpbook.lessons.catalogue import find_plan
from smtpbook.lessons.desk import MAX_REQUEST_BYTES, Desk, Place, failed
from smtpbook.lessons.invitation import Invitation
from smtpbook.lessons.scores import read_scores, score_file
from smtpbook.lessons.seat import OwnSeat
from smtpbook.lessons.standing import Standing
from smtpbook.loopback import serve_http
from smtpbook.runner import Job, TrioThread

_THREAD: Final = TrioThread("smtpbook classroom")
MAX_STUDENTS: Final = 500  # each has ports and a certificate of its own
_MAX_NAME: Final = 60  # characters: with .jsonl, a file name of 255 octets holds them
_DTYPES: Final[dict[str, Any]] = {
    "student": "string",
    "port": "Int32",
    "works_at": "string",
    "solved": "int64",
    "of": "int64",
    "points": "int64",
    "tries": "int64",
    "sessions": "int64",
    "success": "int64",
    "intermediate": "int64",
    "transient": "int64",
    "permanent": "int64",
    "last_command": "string",
    "last_reply_code": "Int16",
    "last_seen": "datetime64[us, UTC]",
}
_CODE_DTYPES: Final[dict[str, Any]] = {
    "student": "string",
    "reply_code": "Int16",
    "replies": "int64",
    "command": "string",
}


class Classroom:
    """A lesson for many students on this machine: one process, a lab for each.

    Parameters
    ----------
    students : int or iterable of str
        Their names, or how many: ``student-01`` and so on.
    lesson : str
        `list_lessons` names them.
    scores : path, optional
        The folder for the score files; default: ``smtpbook-scores`` here.  Who has some of
        this lesson begins where he was.
    port : int
        Of the classroom, on 127.0.0.1; 0 = any free one.

    Attributes
    ----------
    students : tuple of str

    Raises
    ------
    ValueError
        There is no such lesson, or a name is empty, too long, or there twice.

    Examples
    --------
    >>> with Classroom(["ann", "ben"], scores="scores") as classroom:
    ...     classroom.progress["works_at"].tolist()
    ['greeting', 'greeting']
    """

    def __init__(
        self,
        students: int | Iterable[str],
        lesson: str = "first-conversation",
        *,
        scores: str | os.PathLike[str] | None = None,
        port: int = 0,
    ) -> None:
        self.plan = find_plan(lesson)
        self.students = _checked(students)
        self._scores = scores
        self._wanted_port = port
        self._places: dict[str, Place] = {}
        self._invitations: dict[str, Invitation] = {}
        self._job: Job[None] | None = None

    # -- starting and stopping

    def start(self) -> Self:
        """Start all lab servers, and let students in until `stop`.

        Raises
        ------
        OSError
            The port is taken.
        ValueError
            A score file holds a line that is no score.
        """
        if self._job is not None:
            return self
        try:
            for student in self.students:
                self._places[student] = self._place_of(student)
            tokens = {student: secrets.token_urlsafe(16) for student in self.students}
            desk = Desk({tokens[name]: place for name, place in self._places.items()})
            listeners = _THREAD.start(_open, self._wanted_port).result()
            port = listeners[0].socket.getsockname()[1]
            self._invitations = {
                name: Invitation(port=port, token=token) for name, token in tokens.items()
            }
            serve = partial(serve_http, max_body_bytes=MAX_REQUEST_BYTES)
            self._job = _THREAD.start(serve, listeners, desk.answer, failed)
        except BaseException:
            self.stop()
            raise
        return self

    def _place_of(self, student: str) -> Place:
        path = score_file(student, self._scores)
        solved: list[str] = []
        if path.exists():
            known = read_scores(path).dropna(subset="solved_at")
            is_mine = (known["student"] == student) & (known["lesson"] == self.plan.name)
            solved = known.loc[is_mine, "exercise"].tolist()
        standing = Standing(self.plan.exercises, solved)
        seat = OwnSeat(self.plan, student, path, record=standing.hear)
        return Place(seat=seat, standing=standing)

    def stop(self) -> None:
        """Close every port; invitations end, and what was reached stays readable."""
        job, self._job = self._job, None
        self._invitations = {}
        if job is not None:
            job.cancel()
            with suppress(CancelledError):
                job.result()
        for place in self._places.values():
            place.seat.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def is_running(self) -> bool:
        """Whether students are let in."""
        return self._job is not None

    # -- letting students in

    @property
    def invitations(self) -> Mapping[str, str]:
        """By student, what ``open_lesson(…, classroom=…)`` takes; each is a secret.

        Whoever has it is that student.  Empty while the classroom is not running.
        """
        return MappingProxyType({name: str(one) for name, one in self._invitations.items()})

    def write_invitations(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write each student's invitation into a file that its owner alone may read.

        Parameters
        ----------
        folder : path
            Made if it is not there, for its owner alone.  A file that is there already is
            replaced.

        Returns
        -------
        list of Path
            In the students' order; ``open_lesson(…, classroom=path)`` takes one.

        Raises
        ------
        RuntimeError
            The classroom is not running.
        OSError
            It cannot be written.
        """
        if self._job is None:
            raise RuntimeError("the classroom is not running; start it before inviting")
        Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
        return [
            _write_secret(score_file(name, folder).with_suffix(".txt"), invitation)
            for name, invitation in self.invitations.items()
        ]

    # -- seeing who is where

    @property
    def progress(self) -> pd.DataFrame:
        """Who is where.

        A row for each student: ``student`` (string), ``port`` (Int32, of the lab server),
        ``works_at`` (string, the first exercise not solved; null = all are), ``solved``,
        ``of``, ``points``, ``tries``, ``sessions`` (int64), replies by first digit as
        ``success``, ``intermediate``, ``transient``, ``permanent`` (int64),
        ``last_command`` (string; null = none yet), ``last_reply_code`` (Int16; null = no
        reply), ``last_seen`` (datetime64[us, UTC]; null = not yet).
        """
        rows = [self._row(name, place) for name, place in self._places.items()]
        return pd.DataFrame(rows, columns=list(_DTYPES)).astype(_DTYPES)

    def _row(self, student: str, place: Place) -> tuple[Any, ...]:
        now = place.standing
        digits = dict.fromkeys((2, 3, 4, 5), 0)
        for seen in now.codes:
            digits[seen.code // 100] += seen.replies
        return (
            student,
            next(iter(place.seat.labs.values())).port,
            now.works_at,
            now.solved,
            len(self.plan.exercises),
            now.points,
            now.tries,
            now.sessions,
            *digits.values(),
            None if now.last_command is None else visible(now.last_command),
            now.last_code,
            now.last_seen,
        )

    @property
    def codes(self) -> pd.DataFrame:
        """Which reply codes occur.

        A row for each student and code: ``student`` (string), ``reply_code`` (Int16),
        ``replies`` (int64), ``command`` (string, the last that got it; null = the
        greeting).
        """
        rows = [
            (
                name,
                seen.code,
                seen.replies,
                None if seen.command is None else visible(seen.command),
            )
            for name, place in self._places.items()
            for seen in place.standing.codes
        ]
        return pd.DataFrame(rows, columns=list(_CODE_DTYPES)).astype(_CODE_DTYPES)

    def log(self, student: str) -> pd.DataFrame:
        """Give what a student's lab servers heard and said, as an event log.

        Raises
        ------
        KeyError
            There is no such student, or the classroom was never started.
        """
        logs = [lab.log for lab in self._places[student].seat.labs.values()]
        return logs[0] if len(logs) == 1 else pd.concat(logs, ignore_index=True)

    def __repr__(self) -> str:
        where = "stopped" if not self._invitations else f"{len(self.students)} students"
        rows: Any = self.progress.itertuples()
        lines = [f"Classroom, {self.plan.name!r}, {where}"]
        lines += [
            f"  {visible(row.student, max_chars=20):<20} {row.solved} of {row.of} solved, "
            + (f"at {row.works_at}" if isinstance(row.works_at, str) else "done")
            for row in rows
        ]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return f"<pre>{to_html(repr(self), newlines=True)}</pre>"


def _checked(students: int | Iterable[str]) -> tuple[str, ...]:
    """Give the names; no two may share a file."""
    if isinstance(students, int):
        width = max(2, len(str(students)))
        students = [f"student-{number:0{width}}" for number in range(1, students + 1)]
    elif isinstance(students, str):
        raise TypeError(f"students={students!r} is one text; give a list of names")
    names = tuple(name.strip() for name in students)
    if not 1 <= len(names) <= MAX_STUDENTS:
        raise ValueError(f"a classroom has 1 to {MAX_STUDENTS} students, not {len(names)}")
    by_file: dict[str, str] = {}
    for name in names:
        if not 1 <= len(name) <= _MAX_NAME or any("\ud800" <= c <= "\udfff" for c in name):
            raise ValueError(f"a student's name is a text of 1 to {_MAX_NAME}: {name!a}")
        file = score_file(name).name.casefold()  # as some file systems see it
        if file in by_file:
            raise ValueError(
                f"{name!a} and {by_file[file]!a} would share a score file; add a letter or "
                "number to one of them"
            )
        by_file[file] = name
    return names


async def _open(port: int) -> list[trio.SocketListener]:
    return await trio.open_tcp_listeners(port, host="127.0.0.1")


def _write_secret(path: Path, text: str) -> Path:
    path.unlink(missing_ok=True)  # made anew, so that it is nobody else's
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(number, "w", encoding="ascii") as file:
        file.write(f"{text}\n")
    return path
