"""Lesson 5, replies of several lines: EHLO and the extensions it lists."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any, Final

from smtpbook.grading.answers import number, text
from smtpbook.grading.exercise import MISSING, Exercise, LessonPlan, Work
from smtpbook.grading.verdict import Verdict, right, wrong

# What a drawn server may offer besides what it offers anyhow.
_MORE: Final = ("DSN", "ETRN", "DELIVERBY", "MT-PRIORITY", "FUTURERELEASE 86400")
_SOURCE: Final = "RFC 5321 section 4.1.1.1"


def _draw(rng: Random) -> dict[str, str]:
    offered = rng.sample(_MORE, 3)
    missing = next(one for one in _MORE if one not in offered)
    asked = [offered[0].split()[0], missing.split()[0], "PIPELINING"]
    rng.shuffle(asked)
    return {
        "size": str(rng.randrange(10_000, 60_000)),
        "extensions": ",".join(offered),
        "asked": ", ".join(asked),
        "missing": missing.split()[0],
    }


def _options(given: Mapping[str, str]) -> dict[str, Any]:
    return {
        "max_size_bytes": int(given["size"]),
        "extensions": tuple(given["extensions"].split(",")),
    }


def _lines(work: Work) -> Verdict:
    replies = [step for heard in work.heard() for step in heard.said("EHLO")]
    if not replies:
        return wrong("say EHLO to your server first, and count", source=_SOURCE)
    count = len(replies[-1].text.split("\n"))
    answer = number(work.answer)
    if answer is None:
        return wrong("hand in a number: how many lines the reply has")
    if answer == count - 1:
        return wrong(
            f"there are {answer} extensions; the first line is one of the reply, too",
            str(replies[-1]),
        )
    if answer != count:
        return wrong(
            f"it is not {answer}", str(replies[-1]), source="RFC 5321 section 4.2.1"
        )
    return right(
        "`250-` goes on, `250 ` with a blank is the last", source="RFC 5321 section 4.2.1"
    )


def _size(work: Work) -> Verdict:
    source = "RFC 1870 section 4"
    answer = number(work.answer)
    if answer is None:
        return wrong("hand in a number of octets", source=source)
    if answer != int(work.given["size"]):
        return wrong(f"it would not take {answer} octets; look for SIZE", source=source)
    return right("whoever knows it need not send a letter in vain", source=source)


def _missing(work: Work) -> Verdict:
    asked = work.given["asked"].split(", ")
    answer = text(work.answer)
    if answer is None or answer.upper() not in asked:
        return wrong(f"hand in one of {', '.join(asked)}")
    if answer.upper() != work.given["missing"]:
        return wrong(f"{answer.upper()} is on the list that EHLO gets", source=_SOURCE)
    return right("what is not offered must not be used", source="RFC 5321 section 2.2.1")


def _helo(work: Work) -> Verdict:
    replies = [step for heard in work.heard() for step in heard.said("HELO")]
    if not replies:
        return wrong("say HELO to your server, in a session of its own", source=_SOURCE)
    if "\n" in replies[-1].text:
        return wrong("that reply has several lines: it was EHLO's", str(replies[-1]))
    answer = number(work.answer)
    if work.answer is MISSING or answer is None:
        return wrong("hand in a number: how many extensions HELO was told of")
    if answer != 0:
        return wrong("HELO is told the server's name and nothing else", str(replies[-1]))
    return right("HELO is the hello of a time before extensions", source=_SOURCE)


def _declare(work: Work) -> Verdict:
    source = "RFC 1870 section 6.1"
    mails = [step for heard in work.heard() for step in heard.said("MAIL")]
    declared = [step for step in mails if "SIZE=" in step.line.upper()]
    if not declared:
        return wrong("no MAIL with SIZE=… was said yet", source=source)
    step = declared[-1]
    if any(one.code == 552 for one in declared):
        step = next(one for one in declared if one.code == 552)
        return right(
            "refused before a single octet of it was sent", str(step), source=source
        )
    if step.code == 250:
        return wrong("that size was taken; declare more than the server takes", str(step))
    return wrong(f"the reply was {step.code}, not the one about size", str(step))


PLAN: Final = LessonPlan(
    number=5,
    name="ehlo",
    title="EHLO and its list",
    about="One command, a reply of many lines: what this server can do, and what not.",
    draw=_draw,
    answers=frozenset({"size", "extensions", "missing"}),
    options=_options,
    exercises=(
        Exercise(
            name="lines",
            title="Count the lines",
            task="Say EHLO. How many lines does the reply have?",
            hints=(
                "Each line begins with the code; all but the last have `-` after it.",
                '`len(talk.say("EHLO me.example").reply.lines)`',
            ),
            solution='hello = talk.say("EHLO me.example")\n'
            'lesson.check("lines", len(hello.reply.lines))',
            answer="the number of lines",
            check=_lines,
        ),
        Exercise(
            name="size",
            title="How large may it be?",
            task="What is the largest letter that your server takes, in octets?",
            hints=("One of the lines says SIZE and a number.",),
            solution='lesson.check("size", {size})',
            answer="the number of octets",
            check=_size,
        ),
        Exercise(
            name="missing",
            title="What is missing?",
            task="One of {asked} is not offered. Which?",
            hints=("Compare the three with the list.",),
            solution='lesson.check("missing", "{missing}")',
            answer="its name",
            check=_missing,
        ),
        Exercise(
            name="helo",
            title="The old hello",
            task="In another session say HELO. How many extensions are you told of?",
            hints=("`lesson.connect()` opens another session.",),
            solution='old = lesson.connect()\nold.say("HELO me.example", "QUIT")\n'
            'lesson.check("helo", 0)',
            answer="the number of extensions",
            check=_helo,
        ),
        Exercise(
            name="declare",
            title="Too big to begin",
            task="A letter may be announced with its size: `MAIL FROM:<…> SIZE=…`. "
            "Announce one that is too big.",
            hints=("Behind the address, a blank, then SIZE= and a number over the limit.",),
            solution='talk.say("MAIL FROM:<a@me.example> SIZE=99999999")',
            check=_declare,
            points=2,
        ),
    ),
)
