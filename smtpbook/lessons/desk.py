"""Desk: what a student may ask of a classroom, each for himself alone.

A token in the ``Authorization`` field says who asks (RFC 6750 section 2.1); nobody is told
of another's servers, log or letters.  HTTP itself is `loopback`'s.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import pyarrow as pa
import trio

from smtpbook.accounts.secret import Secret
from smtpbook.errors import near_miss
from smtpbook.escape import visible
from smtpbook.lab.lab import Lab
from smtpbook.lessons.invitation import MAX_WHY
from smtpbook.lessons.seat import OwnSeat
from smtpbook.lessons.standing import Standing
from smtpbook.loopback import Request

MAX_REQUEST_BYTES: Final = 32 * 1024
"""Of a body; a score has some hundred octets, and its reason may quote an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A student's place in a classroom: the seat, and how far he is."""

    seat: OwnSeat
    standing: Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An answer of the desk."""

    status: int = 200
    kind: str = "application/json"
    body: bytes = field(repr=False)

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The fields of the answer."""
        return [
            ("Content-Type", self.kind),
            ("Content-Length", str(len(self.body))),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
        ]


def failed(status: int, words: str) -> Told:
    """Say why something is not answered."""
    return Told(status=status, kind="text/plain; charset=utf-8", body=f"{words}\n".encode())


class Desk:
    """Answers the students of a classroom.

    Parameters
    ----------
    places : mapping of str to Place
        By token.
    """

    def __init__(self, places: Mapping[str, Place]) -> None:
        # By digest: how long it takes to find one tells nothing of the token.
        self._places = {_digest(token): place for token, place in places.items()}

    async def answer(self, request: Request) -> Told:
        """Answer a request; anything wrong in it is answered, too."""
        kind, _, token = request.fields.get("authorization", "").partition(" ")
        place = self._places.get(_digest(token)) if kind.lower() == "bearer" else None
        if place is None:
            return failed(401, "this invitation is not, or no longer, of this classroom")
        # In a thread: a log of many rows takes longer than a conversation may wait.
        return await trio.to_thread.run_sync(self._answer, request, place)

    def _answer(self, request: Request, place: Place) -> Told:
        match request.method, request.target.strip("/").split("/"):
            case "GET", ["seat"]:
                return _json(_seat(place.seat))
            case "GET", ["labs", name, "log"] if name in place.seat.labs:
                return _log(place.seat.labs[name])
            case "GET", ["labs", name, "received"] if name in place.seat.labs:
                return _json(_received(place.seat.labs[name]))
            case "POST", ["scores"]:
                try:
                    _keep(place, request.body)
                except (ValueError, RecursionError) as exc:
                    return failed(400, visible(str(exc), max_chars=300))
                return _json({})
        return failed(404, "there is nothing of this name here")


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


def _json(told: object) -> Told:
    return Told(body=json.dumps(told).encode("ascii"))


def _seat(seat: OwnSeat) -> dict[str, Any]:
    return {
        "student": seat.student,
        "lesson": seat.plan.name,
        "labs": [_lab(name, lab) for name, lab in seat.labs.items()],
    }


def _lab(scenario: str, lab: Lab) -> dict[str, Any]:
    account = lab.account
    password = account.password
    return {
        "scenario": scenario,
        "authority": lab.ca_file.read_text("ascii"),
        "host": account.host,
        "port": account.port,
        "protocol": account.protocol,
        "tls": account.tls,
        "username": account.username,
        "password": password.reveal() if isinstance(password, Secret) else None,
    }


def _log(lab: Lab) -> Told:
    table = pa.Table.from_pandas(lab.log, preserve_index=False)
    out = io.BytesIO()
    with pa.ipc.new_stream(out, table.schema) as stream:
        stream.write_table(table)
    return Told(kind="application/vnd.apache.arrow.stream", body=out.getvalue())


def _received(lab: Lab) -> list[dict[str, Any]]:
    return [
        {
            "reverse_path": one.reverse_path,
            "recipients": one.recipients,
            "data": base64.b64encode(one.data).decode("ascii"),
            "queue_id": one.queue_id,
            "time": one.time.isoformat(),
            "session_id": one.session_id,
        }
        for one in lab.received
    ]


def _keep(place: Place, body: bytes) -> None:
    """Keep what a student's check came to; what it is worth is the lesson's to say.

    Raises
    ------
    ValueError
        It is no score, or of no exercise of the lesson.
    """
    score = json.loads(body)
    if not isinstance(score, dict):
        raise ValueError("a score is an object")
    name, hints = score.get("exercise"), score.get("hints")
    is_solved, why = score.get("is_solved"), score.get("why")
    exercises = {one.name: one for one in place.seat.plan.exercises}
    if not isinstance(name, str) or name not in exercises:
        hint = near_miss(str(name), exercises)
        raise ValueError(f"no exercise {name!a} in this lesson{hint}")
    if not isinstance(is_solved, bool) or not isinstance(why, str):
        raise ValueError("a score has is_solved, true or false, and why, a text")
    if not isinstance(hints, int) or not 0 <= hints <= len(exercises[name].hints):
        raise ValueError(f"the exercise has {len(exercises[name].hints)} hints")
    place.seat.keep(
        exercises[name],
        is_solved=is_solved,
        hints=hints,
        why=visible(why, max_chars=MAX_WHY),
    )
    place.standing.check(name, datetime.now(UTC), is_solved=is_solved)
