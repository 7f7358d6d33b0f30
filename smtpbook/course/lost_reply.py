"""Lesson 11, the lost reply: what is in doubt, and what to do about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from random import Random
from typing import Final

from smtpbook.errors import near_miss
from smtpbook.grading import draws
from smtpbook.grading.answers import number, text
from smtpbook.grading.exercise import MISSING, Exercise, LessonPlan, Work
from smtpbook.grading.verdict import Verdict, right, wrong
from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab

_SOURCE: Final = "RFC 1047 section 2"
_OUTCOMES: Final = ("accepted", "deferred", "rejected", "failed", "in_doubt")
_PEOPLE: Final = 6
_HEADERS: Final = ("message-id", "subject", "date", "from")


def _draw(rng: Random) -> dict[str, str]:
    people = sorted({draws.address(rng) for _ in range(_PEOPLE)})
    rng.shuffle(people)
    both = draws.address(rng), draws.address(rng)
    taken, lost = rng.sample(both, 2)
    return {
        "sender": draws.address(rng),
        "one": both[0],
        "other": both[1],
        "taken": taken,
        "lost": lost,
        "people": " ".join(people),
    }


def _in_doubt(given: Mapping[str, str]) -> tuple[str, str]:
    """Give two of the people: whose letter is taken, and whose is lost."""
    first, second, *_ = given["people"].split()
    return first, second


def _prepare(lab: Lab, given: Mapping[str, str]) -> None:
    taken, lost = _in_doubt(given)
    for recipient, behaviour in (
        (given["taken"], Behaviour(loses_reply=True)),
        (given["lost"], Behaviour(drop=True)),
        # For the campaign, once each.
        (taken, Behaviour(loses_reply=True, times=1)),
        (lost, Behaviour(drop=True, times=1)),
    ):
        lab.set(recipient, end_of_data=behaviour)


def _letters(work: Work) -> Counter[str]:
    """Count the letters that each recipient has."""
    return Counter(
        recipient.lower() for message in work.received() for recipient in message.recipients
    )


def _tried(work: Work, recipient: str) -> int:
    """Count the letters to somebody that went out to their last octet."""
    return sum(
        any(
            recipient in step.line.lower() and step.code == 250
            for step in heard.said("RCPT")
        )
        and heard.first("DATA", "BDAT") is not None
        for heard in work.heard()
    )


def _outcome(work: Work) -> Verdict:
    answer = text(work.answer)
    if answer is None or (answer := answer.replace(" ", "_")) not in _OUTCOMES:
        hint = near_miss(answer or "", _OUTCOMES)
        return wrong(f"hand in one of {', '.join(_OUTCOMES)}{hint}")
    if not _tried(work, work.given["one"]):
        return wrong(f"no letter to {work.given['one']} went out yet")
    if answer == "accepted":
        return wrong("nobody said 250 to the letter: you cannot know", source=_SOURCE)
    if answer == "failed":
        return wrong(
            "failed is when the letter was not out to its last octet; this one was",
            source=_SOURCE,
        )
    if answer != "in_doubt":
        return wrong(f"{answer} needs a reply, and there was none", source=_SOURCE)
    return right("sent to its last octet, and no reply: in doubt", source=_SOURCE)


def _which(work: Work) -> Verdict:
    given = work.given
    missing = [one for one in (given["one"], given["other"]) if not _tried(work, one)]
    if missing:
        return wrong(f"no letter to {missing[0]} went out yet; send one to both")
    answer = text(work.answer)
    if answer not in (given["taken"], given["lost"]):
        return wrong("hand in one of the two addresses")
    if answer == given["lost"]:
        return wrong("look into the mailbox: lesson.lab.received", source=_SOURCE)
    return right("on your side both looked the same, and only one has it", source=_SOURCE)


def _twice(work: Work) -> Verdict:
    given = work.given
    if _tried(work, given["taken"]) < 2:
        return wrong("send the letter once more to the one who has it")
    answer, has = number(work.answer), _letters(work)[given["taken"]]
    if work.answer is MISSING or answer is None:
        return wrong("hand in how many letters there are for that one now")
    if answer != has:
        return wrong(f"it is not {answer}: count in lesson.lab.received")
    return right(
        "whoever repeats what is in doubt may write twice; whoever does not may never",
        source=_SOURCE,
    )


def _campaign(work: Work) -> Verdict:
    people = work.given["people"].split()
    letters = _letters(work)
    if not any(letters[one] or _tried(work, one) for one in people):
        return wrong("no campaign to the people of the task has been heard yet")
    twice = [one for one in people if letters[one] > 1]
    if twice:
        return wrong(f"{twice[0]} has {letters[twice[0]]} letters: look before you repeat")
    missing = [one for one in people if not letters[one]]
    if missing:
        return wrong(
            f"{missing[0]} has no letter; who was in doubt can be looked up in "
            "lesson.lab.received, and only who has none is written to again"
        )
    return right("everybody has it, and nobody has it twice")


def _header(work: Work) -> Verdict:
    answer = (text(work.answer) or "").removesuffix(":")
    source = "RFC 5322 section 3.6.4"
    if answer not in _HEADERS:
        hint = near_miss(answer, _HEADERS)
        return wrong(f"hand in one of {', '.join(_HEADERS)}{hint}")
    if answer != "message-id":
        return wrong(f"two different letters may have the same {answer}", source=source)
    return right("repeated with the same Message-ID, it can be told as one", source=source)


PLAN: Final = LessonPlan(
    number=11,
    name="lost-reply",
    title="The lost reply: in doubt",
    about="The letter is out, the line is dead, and no reply came. Has it arrived?",
    draw=_draw,
    answers=frozenset({"taken", "lost"}),
    prepare=_prepare,
    exercises=(
        Exercise(
            name="outcome",
            title="What became of it?",
            task="Send a letter from {sender} to {one}. The connection ends after the "
            "last octet. What is the outcome?",
            hints=(
                "`session.send(message)` gives a result; it has an outcome.",
                "Neither accepted nor refused: you do not know.",
            ),
            solution='lesson.check("outcome", "in_doubt")',
            answer="the outcome",
            check=_outcome,
        ),
        Exercise(
            name="which",
            title="Two that look alike",
            task="Send one to {other}, too. To you it looks the same. Whose letter does "
            "the server have?",
            hints=("You own the server: `lesson.lab.received` is its mailbox.",),
            solution='lesson.check("which", "{taken}")',
            answer="the address",
            check=_which,
        ),
        Exercise(
            name="twice",
            title="Repeat it",
            task="Send the letter once more to the one who has it. How many are there "
            "for that one now?",
            hints=("Count the messages in `lesson.lab.received` that name that address.",),
            solution='lesson.check("twice", 2)',
            answer="the number",
            check=_twice,
        ),
        Exercise(
            name="header",
            title="Told as one",
            task="Which header field lets the receiver see that the second letter is the "
            "first one again: From, Subject, Date or Message-ID?",
            hints=("One of them is meant to be unlike that of any other letter.",),
            solution='lesson.check("header", "Message-ID")',
            answer="its name",
            check=_header,
        ),
        Exercise(
            name="campaign",
            title="A campaign with doubts",
            task="Send a campaign to {people}. For some of them the reply gets lost. In "
            "the end each shall have one letter, and nobody two.",
            hints=(
                "A campaign holds who is in doubt: `campaign.outcomes` says who.",
                "`lesson.lab.received` says who has it. Settle the doubts: a frame with "
                "`recipient` and `outcome` for `campaign.settle`.",
                "`accepted` for who has it, `failed` for who has not; then "
                '`campaign.send(only="failed")`.',
            ),
            solution="# The teacher's version of this notebook settles them in 8 lines.",
            check=_campaign,
            points=3,
        ),
    ),
)
