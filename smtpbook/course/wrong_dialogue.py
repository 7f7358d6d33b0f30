"""Lesson 3, the help page's wrong dialogue: find both its faults, and do it right."""

from __future__ import annotations

from random import Random
from typing import Any, Final

from smtpbook.errors import near_miss
from smtpbook.grading import draws
from smtpbook.grading.answers import number, text
from smtpbook.grading.exercise import Exercise, LessonPlan, Work
from smtpbook.grading.verdict import Verdict, right, wrong

_TERMINAL: Final = 4  # SEND FROM
_NOBODY: Final = (8, 9)  # DATA, and its 354
_LINES: Final = 15
_WORDS: Final = ("done", "later", "no")


def _draw(rng: Random) -> dict[str, str]:
    return {
        "sender": draws.address(rng),
        "recipient": f"450-4.2.1.{draws.word(rng)}@lab.test",
    }


def _line(answer: Any) -> int | Verdict:
    read = number(answer)
    if read is None or not 1 <= read <= _LINES:
        return wrong(f"hand in the number of a line, from 1 to {_LINES}")
    return read


def _terminal(work: Work) -> Verdict:
    line = _line(work.answer)
    if isinstance(line, Verdict):
        return line
    if line in _NOBODY:
        return wrong(f"line {line} is wrong, too, but another one before it is already")
    if line != _TERMINAL:
        return wrong(f"line {line} is as it should be: look at each verb of the client")
    return right(
        "SEND delivers to a terminal, not to a mailbox; mail begins with MAIL",
        source="RFC 5321 appendix F.6",
    )


def _nobody(work: Work) -> Verdict:
    line = _line(work.answer)
    if isinstance(line, Verdict):
        return line
    if line == _TERMINAL:
        return wrong("that is the first fault; there is a second one further down")
    if line not in _NOBODY:
        return wrong(f"line {line} is as it should be: who is to get the letter?")
    return right(
        "the only recipient was refused; DATA has nobody to go to, and 354 is a wrong "
        "answer",
        source="RFC 5321 section 3.3",
    )


def _later(work: Work) -> Verdict:
    answer = text(work.answer)
    if answer not in _WORDS:
        hint = near_miss(answer or "", _WORDS)
        return wrong(f"hand in one of {', '.join(_WORDS)}{hint}")
    if answer != "later":
        return wrong(
            f"450 is not {answer!r}: its first digit is a 4", source="RFC 5321 4.2.1"
        )
    return right("not now: the letter waits, and is tried again later")


def _play(work: Work) -> Verdict:
    for heard in work.heard("seed-dialogue"):
        refused = heard.first("RCPT")
        data = heard.first("DATA")
        if refused is not None and data is not None and data.code == 354:
            return right(
                "that server says 354 for nobody, as the page has it",
                str(refused),
                str(data),
            )
    if not work.heard("seed-dialogue"):
        return wrong('nobody has spoken to lesson.connect("seed-dialogue") yet')
    return wrong("say all its lines, up to DATA, in one session")


def _right_way(work: Work) -> Verdict:
    source = "RFC 5321 section 3.3"
    recipient = work.given["recipient"]
    for heard in reversed(work.heard("ordinary")):
        refused = next((s for s in heard.said("RCPT") if recipient in s.line), None)
        if refused is None:
            continue
        if heard.first("SEND") is not None:
            return wrong("it began with SEND again", str(heard.first("SEND")))
        if (data := heard.first("DATA", "BDAT")) is not None:
            return wrong(
                "nobody was accepted, and DATA was said nevertheless",
                str(data),
                source=source,
            )
        if heard.first("RSET", "QUIT") is None:
            return wrong(
                "nobody was accepted; take the letter back with RSET, or leave with QUIT",
                source=source,
            )
        return right(
            "refused for now, taken back, no harm done",
            str(refused),
            source="RFC 821 appendix F, scenario 5",
        )
    return wrong(f"on the ordinary server nobody has named {recipient} yet", source=source)


PLAN: Final = LessonPlan(
    number=3,
    name="wrong-dialogue",
    title="The help page's wrong dialogue",
    about="A mail program's help page shows a dialogue with two faults. Find both.",
    scenarios=("ordinary", "seed-dialogue"),
    draw=_draw,
    exercises=(
        Exercise(
            name="first-fault",
            title="The first fault",
            task="Which line is wrong first? Lines are counted from 1.",
            hints=(
                "Look at what the client says.",
                "Which verb begins a letter? The page has another one.",
            ),
            solution='lesson.check("first-fault", 4)',
            answer="the line's number",
            check=_terminal,
        ),
        Exercise(
            name="second-fault",
            title="The second fault",
            task="And which is wrong after that?",
            hints=(
                "Read the codes of the replies in order; one is a refusal.",
                "Nobody is left to get the letter. What should not come then?",
            ),
            solution='lesson.check("second-fault", 8)',
            answer="the line's number",
            check=_nobody,
        ),
        Exercise(
            name="later",
            title="What 450 says",
            task="The recipient gets a 450. Is that `done`, `later` or `no`?",
            hints=("The first digit decides.",),
            solution='lesson.check("later", "later")',
            answer="the word",
            check=_later,
        ),
        Exercise(
            name="play",
            title="Play it",
            task='`lesson.connect("seed-dialogue")` speaks to a server that behaves as the '
            "page has it. Say the client's lines up to DATA.",
            hints=("The lines with C: are yours, without the C:.",),
            solution='talk = lesson.connect("seed-dialogue")\n'
            'talk.say("HELO MIT-MC.ARPA", "SEND FROM:<EAK@MIT-MC.ARPA>",\n'
            '         "RCPT TO:<Admin.MRC@SU-SCORE.ARPA>", "DATA", "Blah", ".", "QUIT")',
            check=_play,
        ),
        Exercise(
            name="right-way",
            title="Do it right",
            task="Now on the ordinary server: from {sender} to {recipient}, which is "
            "refused for now. Do what a client should do.",
            hints=(
                "It begins with MAIL FROM:<…>.",
                "With nobody accepted there is nothing to send: RSET takes it back.",
            ),
            solution='talk = lesson.connect()\ntalk.say("EHLO me.example", '
            '"MAIL FROM:<{sender}>",\n         "RCPT TO:<{recipient}>", "RSET", "QUIT")',
            check=_right_way,
            points=2,
        ),
    ),
)
