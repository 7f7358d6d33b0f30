"""Lesson 6, STARTTLS: certificates, and what stripping does."""

from __future__ import annotations

from random import Random
from typing import Final

from smtpbook.errors import near_miss
from smtpbook.grading import draws
from smtpbook.grading.answers import text
from smtpbook.grading.exercise import Exercise, LessonPlan, Work
from smtpbook.grading.heard import Heard
from smtpbook.grading.verdict import Verdict, right, wrong

_STARTTLS: Final = "RFC 3207 section 4"
_STRIPPING: Final = "RFC 3207 section 6"
_OVERWRITTEN: Final = "xxxxxxxa"
_WAYS: Final = ("leave", "go on")
_FAULTS: Final = ("expired", "unknown issuer", "wrong name")


def _draw(rng: Random) -> dict[str, str]:
    return {
        "sender": draws.address(rng),
        "recipient": draws.address(rng),
        "word": draws.word(rng),
    }


def _began(heard: Heard) -> bool:
    step = heard.first("STARTTLS")
    return step is not None and step.code == 220


def _begin(work: Work) -> Verdict:
    sessions = work.heard()
    begun = [heard for heard in sessions if _began(heard)]
    if not begun:
        tried = next((s for heard in sessions for s in heard.said("STARTTLS")), None)
        if tried is not None:
            return wrong("STARTTLS was refused: is it its turn?", str(tried))
        return wrong(
            "nobody has said STARTTLS to the ordinary server yet", source=_STARTTLS
        )
    for heard in begun:
        verbs = heard.verbs
        if "EHLO" in verbs[verbs.index("STARTTLS") :]:
            return right(
                "what was said in clear is forgotten; both begin anew", source=_STARTTLS
            )
    return wrong(
        "TLS has begun; now say EHLO again: whoever was on the line could have written "
        "into the first answer",
        source="RFC 3207 section 4.2",
    )


def _gone(work: Work) -> Verdict:
    answer = text(work.answer)
    if answer is None:
        return wrong("hand in a keyword of EHLO's list")
    if answer != "starttls":
        offered = any(
            answer.upper() in step.text.upper().split()
            for heard in work.heard()
            for step in heard.said("EHLO")
        )
        there = "is in both lists" if offered else "is in neither list"
        return wrong(f"{answer.upper()} {there}: compare them line by line")
    return right("what has begun is not offered again", source="RFC 3207 section 4.2")


def _letter(work: Work) -> Verdict:
    word = work.given["word"].encode()
    letters = [one for one in work.received() if word in one.data]
    if not letters:
        return wrong(f"no letter with {work.given['word']} in it has come")
    sessions = {heard.session_id: heard for heard in work.heard()}
    for letter in letters:
        heard = sessions[letter.session_id]
        if not _began(heard):
            continue
        mail = heard.first("MAIL")
        if mail is not None and heard.follows("STARTTLS", "MAIL"):
            return right("nobody on the way could read it", source=_STARTTLS)
    return wrong(
        "the letter came in clear: in its session there was no STARTTLS before MAIL"
    )


def _stripped(work: Work) -> Verdict:
    if not any(h.first("EHLO") for h in work.heard("stripped-starttls")):
        return wrong('say EHLO to lesson.connect("stripped-starttls") first')
    answer = text(work.answer)
    if answer is None:
        return wrong("hand in the keyword that stands where STARTTLS should be")
    if answer == "starttls":
        return wrong("that is what the server offered; somebody on the way changed it")
    if answer != _OVERWRITTEN:
        return wrong(
            f"{answer.upper()} is not it: one line of the list means nothing at all"
        )
    return right(
        "eight letters for eight letters: the length stays, the offer is gone",
        source=_STRIPPING,
    )


def _leave(work: Work) -> Verdict:
    answer = text(work.answer)
    if answer not in _WAYS:
        return wrong(f"hand in one of {', '.join(_WAYS)}{near_miss(answer or '', _WAYS)}")
    if answer == "go on":
        return wrong(
            "then whoever stripped it reads your password and your letter",
            source=_STRIPPING,
        )
    return right("a client that needs TLS leaves when it is not offered", source=_STRIPPING)


def _fault(work: Work) -> Verdict:
    if not work.heard("expired-certificate"):
        return wrong(
            "nobody has called on it yet: hand "
            'lesson.labs["expired-certificate"].account to sb.probe'
        )
    answer = text(work.answer)
    if answer not in _FAULTS:
        hint = near_miss(answer or "", _FAULTS)
        return wrong(f"hand in one of {', '.join(_FAULTS)}{hint}")
    if answer != "expired":
        return wrong(
            f"not {answer!r}: read the error, or the certificate's last day in the probe's "
            'attrs["certificate"]',
            source="RFC 5280 section 6.1.3",
        )
    return right("it was valid until yesterday", source="RFC 5280 section 6.1.3")


PLAN: Final = LessonPlan(
    number=6,
    name="starttls",
    title="STARTTLS, certificates, and stripping",
    about="From clear text to TLS in the middle of a conversation, and how it goes wrong.",
    scenarios=("ordinary", "stripped-starttls", "expired-certificate"),
    draw=_draw,
    exercises=(
        Exercise(
            name="begin",
            title="Begin TLS",
            task="Say EHLO, STARTTLS, and then what has to be said once more.",
            hints=(
                "After the 220 to STARTTLS both sides do the handshake; `talk` does it.",
                "Nothing of what was said in clear is to be believed: say EHLO again.",
            ),
            solution="talk = lesson.connect()\n"
            "talk.say('EHLO me.example', 'STARTTLS', 'EHLO me.example')",
            check=_begin,
        ),
        Exercise(
            name="gone",
            title="What is gone?",
            task="One keyword of the first EHLO's list is missing in the second. Which?",
            hints=("Print `talk` and compare the two lists.",),
            solution="lesson.check('gone', 'STARTTLS')",
            answer="the keyword",
            check=_gone,
        ),
        Exercise(
            name="letter",
            title="A letter nobody reads on the way",
            task="Under TLS send a letter from {sender} to {recipient} with {word} in it.",
            hints=("MAIL, RCPT, DATA as always, after STARTTLS and the second EHLO.",),
            solution="talk.say('MAIL FROM:<{sender}>', 'RCPT TO:<{recipient}>', 'DATA', "
            "'',\n         '{word}', '.')",
            check=_letter,
        ),
        Exercise(
            name="stripped",
            title="Stripped",
            task='`lesson.connect("stripped-starttls")` goes through somebody who does not '
            "want you to use TLS. What stands where STARTTLS should be?",
            hints=("Say EHLO and read the list.", "It has as many letters as STARTTLS."),
            solution="other = lesson.connect('stripped-starttls')\n"
            "other.say('EHLO me.example')\nlesson.check('stripped', 'XXXXXXXA')",
            answer="the keyword",
            check=_stripped,
        ),
        Exercise(
            name="leave",
            title="Leave, or go on?",
            task="Your client needs TLS and it is not offered. Does it `leave` or `go on`?",
            hints=("Who would read along?",),
            solution="lesson.check('leave', 'leave')",
            answer="one of the two",
            check=_leave,
        ),
        Exercise(
            name="fault",
            title="A certificate that is no good",
            task='Call on `lesson.labs["expired-certificate"].account` with `sb.probe`. '
            "What "
            "is wrong: `expired`, `unknown issuer` or `wrong name`?",
            hints=("`sb.explain_probe(sb.probe(…))` says it in words.",),
            solution="probe = sb.probe(lesson.labs['expired-certificate'].account)\n"
            "print(probe.attrs['error'])\nlesson.check('fault', 'expired')",
            answer="one of the three",
            check=_fault,
            points=2,
        ),
    ),
)
