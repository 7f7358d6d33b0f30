"""Lesson 7, AUTH: what goes over the wire, and why PLAIN needs TLS."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from random import Random
from typing import Any, Final

from smtpbook.grading import draws
from smtpbook.grading.answers import number, text
from smtpbook.grading.exercise import MISSING, Exercise, LessonPlan, Work
from smtpbook.grading.verdict import Verdict, right, wrong

_SENT: Final = ("PLAIN", "LOGIN", "XOAUTH2")  # what they send can be used again
_PLAIN: Final = "RFC 4616 section 2"


def _draw(rng: Random) -> dict[str, str]:
    overheard, secret = draws.word(rng), draws.word(rng)
    other = draws.address(rng)
    choice = [rng.choice(("SCRAM-SHA-256", "SCRAM-SHA-512")), *rng.sample(_SENT, 2)]
    rng.shuffle(choice)
    return {
        "username": draws.address(rng),
        "password": secret,
        "overheard": base64.b64encode(f"\0{other}\0{overheard}".encode()).decode(),
        "mechanisms": ", ".join(choice),
    }


def _overheard(given: Mapping[str, str]) -> tuple[str, str]:
    _, username, password = base64.b64decode(given["overheard"]).decode().split("\0")
    return username, password


def _options(given: Mapping[str, str]) -> dict[str, Any]:
    return {"users": {given["username"]: given["password"]}}


def _decode(work: Work) -> Verdict:
    username, password = _overheard(work.given)
    answer = text(work.answer)
    if answer is None:
        return wrong("hand in the password, a text")
    if answer == username:
        return wrong("that is the user name; the password comes after it", source=_PLAIN)
    if answer == work.given["overheard"].lower():
        return wrong("that is still base64; it can be read by anyone", source="RFC 4648")
    if answer != password:
        return wrong(
            "that is not it: decode the base64, and split it at its two NUL octets",
            source=_PLAIN,
        )
    return right("base64 is a way of writing, not a lock", source=_PLAIN)


def _login(work: Work) -> Verdict:
    source = "RFC 4954 section 4"
    steps = [step for heard in work.heard() for step in heard.said("AUTH")]
    if not steps:
        return wrong("nobody has tried to log in yet; it begins with AUTH", source=source)
    done = next((step for step in steps if step.code == 235), None)
    if done is not None:
        return right("logged in", str(done), source=source)
    last = steps[-1]
    if last.code == 535:
        return wrong(
            "user name or password is not right, or the three parts are not: nothing, NUL, "
            "user name, NUL, password, then base64 of the whole",
            str(last),
            source=_PLAIN,
        )
    if last.code == 334:
        return wrong("the server waits for your response", str(last), source=source)
    return wrong("the server refused it, and says why", str(last), source=source)


def _refused(work: Work) -> Verdict:
    source = "RFC 4954 section 6"
    codes = {s.code for heard in work.heard() for s in heard.said("AUTH")} - {235, 334}
    if 535 not in codes:
        return wrong("no login with a wrong password was heard yet", source=source)
    answer = number(work.answer)
    if work.answer is MISSING or answer is None:
        return wrong("hand in the code of the refusal")
    if answer != 535:
        return wrong(f"the server did not say {answer} to a wrong password", source=source)
    return right(
        "535 ends it: the same password again stays wrong, and locks accounts",
        source=source,
    )


def _never_sent(work: Work) -> Verdict:
    choice = work.given["mechanisms"].split(", ")
    answer = text(work.answer)
    if answer is None or answer.upper() not in choice:
        return wrong(f"hand in one of {work.given['mechanisms']}")
    if answer.upper() in _SENT:
        return wrong(
            f"{answer.upper()} sends what would let anyone in who reads it",
            source="RFC 4616",
        )
    return right(
        "SCRAM proves that both sides know it, and neither says it", source="RFC 5802"
    )


PLAN: Final = LessonPlan(
    number=7,
    name="logging-in",
    title="AUTH, and why PLAIN needs TLS",
    about="Log in by hand, read somebody else's password, and see how not to send it.",
    draw=_draw,
    options=_options,
    exercises=(
        Exercise(
            name="decode",
            title="Read a password",
            task="On a line without TLS somebody saw `AUTH PLAIN {overheard}`. What is the "
            "password?",
            hints=(
                "`import base64; base64.b64decode(…)`",
                "What comes out has three parts with NUL octets between them.",
            ),
            solution="import base64\n\nparts = "
            "base64.b64decode('{overheard}').split(b'\\0')\nlesson.check('decode', "
            "parts[2].decode())",
            answer="the password",
            check=_decode,
        ),
        Exercise(
            name="refused",
            title="Be refused",
            task="Try to log in as {username} with a wrong password. Which code?",
            hints=("The same as logging in, with another password.",),
            solution="talk = lesson.connect()\ntalk.say('EHLO me.example')\n"
            "wrong = base64.b64encode(b'\\0{username}\\0wrong').decode()\n"
            "lesson.check('refused', talk.say('AUTH PLAIN ' + wrong).code)",
            answer="the code",
            check=_refused,
        ),
        Exercise(
            name="login",
            title="Log in by hand",
            task="Log in as {username} with the password {password}, by AUTH PLAIN.",
            hints=(
                "The response is base64 of NUL, user name, NUL, password.",
                "It may stand after AUTH PLAIN, or be a line of its own after the 334.",
            ),
            solution="response = base64.b64encode(b'\\0{username}\\0{password}').decode()\n"
            "talk.say('AUTH PLAIN ' + response)",
            check=_login,
            points=2,
        ),
        Exercise(
            name="never-sent",
            title="Without sending it",
            task="Of {mechanisms}, which one never sends the password, nor anything that "
            "lets others in?",
            hints=("One of them answers a challenge: S stands for salted.",),
            solution="# The one that begins with SCRAM.",
            answer="its name",
            check=_never_sent,
        ),
    ),
)
