"""Lesson 10, temporary failure: greylisting, and when to try again."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Final

from smtpbook.errors import near_miss
from smtpbook.grading import draws
from smtpbook.grading.answers import number, text
from smtpbook.grading.exercise import Exercise, LessonPlan, Work
from smtpbook.grading.heard import Step
from smtpbook.grading.verdict import Verdict, right, wrong
from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab

_SOURCE: Final = "RFC 6647 section 2"
_ACTS: Final = ("retry", "remove")
_PEOPLE: Final = 8


def _draw(rng: Random) -> dict[str, str]:
    domain = draws.host(rng)
    people = {draws.address(rng, domain) for _ in range(_PEOPLE)}
    pauses = [rng.choice((300, 600, 900)), rng.choice((1800, 3600))]
    return {
        "sender": draws.address(rng),
        "recipient": draws.address(rng),
        "people": " ".join(sorted(people)),
        "first": str(pauses[0]),
        "then": str(pauses[1]),
        "attempt": str(rng.randrange(4, 7)),
    }


def _prepare(lab: Lab, given: Mapping[str, str]) -> None:
    greylisting = Behaviour(reply="450 4.7.1 Greylisted, please try again later", times=1)
    for pattern in (given["recipient"], *given["people"].split()):
        lab.set(pattern, rcpt=greylisting)


def _tries(work: Work, recipient: str) -> list[Step]:
    return [
        step
        for heard in work.heard()
        for step in heard.said("RCPT")
        if recipient in step.line.lower()
    ]


def _met(work: Work) -> Verdict:
    tries = _tries(work, work.given["recipient"])
    if not tries:
        return wrong(f"nobody has named {work.given['recipient']} to your server yet")
    return right("a stranger is asked to come back", str(tries[0]), source=_SOURCE)


def _again(work: Work) -> Verdict:
    recipient = work.given["recipient"]
    tries = _tries(work, recipient)
    if len(tries) < 2:
        return wrong(f"{recipient} was tried {len(tries)} times; come back once more")
    if not any(recipient in message.recipients for message in work.received()):
        return wrong(
            "now it is accepted; the letter itself is still missing", str(tries[-1])
        )
    return right(
        "who comes back is no stranger any more; most spam never does", source=_SOURCE
    )


def _schedule(work: Work) -> Verdict:
    first, then = int(work.given["first"]), int(work.given["then"])
    attempt = int(work.given["attempt"])
    expected = first + then * (attempt - 2)
    answer = number(work.answer)
    if answer is None:
        return wrong("hand in seconds, counted from the first attempt")
    if answer == expected + then:
        return wrong("the first attempt is number 1, at 0 s: you are one pause too far")
    if answer == first + then:
        return wrong("the last pause is repeated until the attempt that is asked for")
    if answer != expected:
        return wrong(f"it is not {answer} s: add up the pauses before attempt {attempt}")
    return right("first soon, then less and less often", source="RFC 5321 section 4.5.4.1")


def _campaign(work: Work) -> Verdict:
    people = set(work.given["people"].split())
    accepted = {
        recipient.lower() for message in work.received() for recipient in message.recipients
    }
    tried = {one for one in people if _tries(work, one)}
    if not tried:
        return wrong("no campaign to the people of the task has been heard yet")
    missing = sorted(people - accepted)
    if missing:
        again = sum(len(_tries(work, one)) > 1 for one in missing)
        return wrong(
            f"{len(missing)} of {len(people)} have no letter yet, {missing[0]} among them; "
            + (
                "nobody was tried a second time"
                if not again
                else "some were tried again, but not until they were accepted"
            )
        )
    letters = sum(
        recipient.lower() in people
        for message in work.received()
        for recipient in message.recipients
    )
    if letters > len(people):
        return wrong(f"{letters} letters for {len(people)} people: somebody got it twice")
    return right("all of them, and each once")


def _keep(work: Work) -> Verdict:
    answer = text(work.answer)
    if answer not in _ACTS:
        return wrong(f"hand in one of {', '.join(_ACTS)}{near_miss(answer or '', _ACTS)}")
    if answer == "remove":
        return wrong(
            "that would take everyone behind a greylisting server off your list",
            source=_SOURCE,
        )
    return right("a 4yz says nothing about the address", source="RFC 5321 section 4.2.1")


PLAN: Final = LessonPlan(
    number=10,
    name="trying-again",
    title="Temporary failure: greylisting and retries",
    about="Not now is not no. When to come back, and how a campaign does it for you.",
    draw=_draw,
    prepare=_prepare,
    exercises=(
        Exercise(
            name="met",
            title="Be asked to come back",
            task="Send from {sender} to {recipient}. What does your server say?",
            hints=("EHLO, MAIL, RCPT as in the first lesson.",),
            solution="talk = lesson.connect()\ntalk.say('EHLO me.example', "
            "'MAIL FROM:<{sender}>', 'RCPT TO:<{recipient}>', 'RSET')",
            check=_met,
        ),
        Exercise(
            name="keep",
            title="On the list, or off it?",
            task="The address got a 450. Do you `retry` or `remove` it?",
            hints=("What does the first digit say about tomorrow?",),
            solution="lesson.check('keep', 'retry')",
            answer="the act",
            check=_keep,
        ),
        Exercise(
            name="again",
            title="Come back",
            task="Come back to {recipient}, and this time deliver a letter.",
            hints=("The very same commands again; then DATA and the letter.",),
            solution="talk.say('MAIL FROM:<{sender}>', 'RCPT TO:<{recipient}>', 'DATA',\n"
            "         'Subject: again', '', 'Here I am.', '.')",
            check=_again,
        ),
        Exercise(
            name="schedule",
            title="A schedule",
            task="Pauses of {first} s, then {then} s, the last one repeated: how many "
            "seconds after the first attempt is attempt {attempt}?",
            hints=(
                "The first attempt is at 0 s; attempt 2 is one pause later.",
                "Attempt {attempt} comes after the first pause and some of the second "
                "kind.",
            ),
            solution="lesson.check('schedule', {first} + {then} * ({attempt} - 2))",
            answer="the seconds",
            check=_schedule,
        ),
        Exercise(
            name="campaign",
            title="Have it done",
            task="Send a campaign to these people: {people}. Have it come back by itself, "
            "a second later, so that everyone gets it.",
            hints=(
                "`sb.Campaign(…, retry=sb.Retry(after_s={{…}}))`",
                'The reason is `"greylisted"`: `sb.Retry(after_s={{"greylisted": [1]}})`.',
            ),
            solution="people = sb.read_recipients(pd.DataFrame("
            "{{'email': '{people}'.split()}}))\n"
            "retry = sb.Retry(after_s={{'greylisted': [1]}})\n"
            "campaign = sb.Campaign('again', lesson.lab.account, people, letter, "
            "retry=retry)\ncampaign.send()",
            check=_campaign,
            points=3,
        ),
    ),
)
