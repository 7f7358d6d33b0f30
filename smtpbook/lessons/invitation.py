"""Invitation: a student's way into a classroom, and the seat found there.

The lab servers run in the teacher's process; what they heard is asked for when it is looked
at, and what a check came to is told.  Judged is here: an answer may be a function.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Self

import pyarrow as pa

from smtpbook.accounts.account import Account
from smtpbook.errors import TransportError
from smtpbook.escape import visible
from smtpbook.grading.exercise import Exercise, LessonPlan
from smtpbook.lab.received import Received
from smtpbook.lessons.seat import drawn
from smtpbook.log.frame import from_table

if TYPE_CHECKING:
    from smtpbook.log.frame import Log

_TIMEOUT_S: Final = 60.0  # a log of many thousand rows is made within it on a slow machine
MAX_WHY: Final = 2000
"""Characters of a reason that are told; it may quote what was handed in."""

_FORM: Final = re.compile(
    r"http://(?P<host>127\.0\.0\.1):(?P<port>\d{1,5})/(?P<token>[\w-]+)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """Where a classroom is, and the word by which one student gets in.

    Attributes
    ----------
    port : int
        Of the classroom, on 127.0.0.1.
    token : str
        A secret: whoever has it is that student.
    """

    port: int
    token: str = field(repr=False)

    @classmethod
    def read(cls, text: str | os.PathLike[str]) -> Self:
        """Read an invitation, or the file that holds it.

        Raises
        ------
        ValueError
            It is none; it may be a secret, so it is not shown.
        FileNotFoundError
            There is no such file.
        """
        told = os.fspath(text).strip()
        if "://" not in told:
            told = Path(told).read_text("utf-8", "replace").strip()
        match = _FORM.fullmatch(told)
        if match is None or int(match["port"]) > 65535:
            raise ValueError(
                "this is no invitation to a classroom: it reads http://127.0.0.1:, a port, "
                "/ and a word, as the teacher's classroom.invitations have it"
            )
        return cls(port=int(match["port"]), token=match["token"])

    def __str__(self) -> str:
        return f"{self.place}/{self.token}"

    @property
    def place(self) -> str:
        """The classroom's address, which is no secret."""
        return f"http://127.0.0.1:{self.port}"

    def ask(self, path: str, body: Mapping[str, Any] | None = None) -> bytes:
        """Ask the classroom, or tell it something.

        Raises
        ------
        ValueError
            It refuses; the message has its words.
        TransportError
            It does not answer.
        """
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_TIMEOUT_S)
        sent = None if body is None else json.dumps(body).encode("ascii")
        fields = {"Authorization": f"Bearer {self.token}"}
        try:
            line.request("GET" if body is None else "POST", path, sent, fields)
            reply = line.getresponse()
            octets = reply.read()
        except (OSError, http.client.HTTPException) as exc:
            raise TransportError(
                f"the classroom at {self.place} does not answer "
                f"({visible(str(exc) or type(exc).__name__)}): does it run?  With "
                'classroom="" a lesson opens without it'
            ) from exc
        finally:
            line.close()
        if reply.status != 200:
            said = visible(octets.decode("utf-8", "replace").strip(), max_chars=500)
            raise ValueError(f"the classroom at {self.place} refuses: {said}")
        return octets


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassroomLab:
    """A lab server of the classroom, as its student sees it.

    Attributes
    ----------
    name : str
        Of its scenario.
    account : Account
        An account that sends to it.
    """

    name: str
    account: Account
    _invitation: Invitation

    @property
    def port(self) -> int:
        """Where it listens, on 127.0.0.1."""
        return self.account.port

    @property
    def log(self) -> Log:
        """Its side of every conversation so far, as an event log."""
        octets = self._invitation.ask(f"/labs/{self.name}/log")
        table = pa.ipc.open_stream(octets).read_all()
        table.validate(full=True)  # Arrow trusts codes, and these come from elsewhere
        return from_table(table)

    @property
    def received(self) -> list[Received]:
        """The messages it accepted, in order."""
        told = json.loads(self._invitation.ask(f"/labs/{self.name}/received"))
        return [
            Received(
                reverse_path=one["reverse_path"],
                recipients=tuple(one["recipients"]),
                data=base64.b64decode(one["data"]),
                queue_id=one["queue_id"],
                time=datetime.fromisoformat(one["time"]),
                session_id=one["session_id"],
            )
            for one in told
        ]


class ClassroomSeat:
    """A seat in a classroom: the servers are there, and the scores go there.

    Parameters
    ----------
    plan : LessonPlan
        Of the lesson that is to be opened.
    invitation : str or path
    student : str, optional
        Who is expected; default: whoever the invitation is for.

    Raises
    ------
    ValueError
        The invitation is none, or for another lesson or student, or is not taken.
    FileNotFoundError
        There is no such file.
    TransportError
        The classroom does not answer.
    """

    def __init__(
        self,
        plan: LessonPlan,
        invitation: str | os.PathLike[str],
        *,
        student: str | None = None,
    ) -> None:
        self._invitation = Invitation.read(invitation)
        told = json.loads(self._invitation.ask("/seat"))
        if told["lesson"] != plan.name:
            raise ValueError(
                f"the classroom's lesson is {told['lesson']!r}, not {plan.name!r}; with "
                'classroom="" this one opens without it'
            )
        if student not in (None, told["student"]):
            raise ValueError(f"this is {told['student']!r}'s invitation, not {student!r}'s")
        self.student: str = told["student"]
        self.given = drawn(plan, self.student)
        self._folder = tempfile.TemporaryDirectory(prefix="smtpbook-classroom-")
        self.labs: Mapping[str, ClassroomLab] = MappingProxyType(
            {one["scenario"]: self._lab(**one) for one in told["labs"]}
        )

    def _lab(self, scenario: str, authority: str, **account: Any) -> ClassroomLab:
        # The teacher's own file is none that a student may read.
        ca_file = Path(self._folder.name, f"{len(os.listdir(self._folder.name))}.pem")
        ca_file.write_text(authority, "ascii")
        return ClassroomLab(
            name=scenario,
            account=Account(**account, ca_file=ca_file, name="lab", is_lab=True),
            _invitation=self._invitation,
        )

    def keep(self, exercise: Exercise, *, is_solved: bool, hints: int, why: str) -> None:
        """Tell the classroom what a check came to."""
        score = {
            "exercise": exercise.name,
            "is_solved": is_solved,
            "hints": hints,
            "why": why[:MAX_WHY],
        }
        self._invitation.ask("/scores", score)

    def close(self) -> None:
        """Leave the seat; the servers are the classroom's, and run on."""
        self._folder.cleanup()
