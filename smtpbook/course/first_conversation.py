"""Lesson 1, the first conversation by hand: greeting, hello, one letter, goodbye."""

from __future__ import annotations

from collections.abc import Mapping
from email import message_from_bytes, policy
from random import Random
from typing import Final

from smtpbook.grading import draws
from smtpbook.grading.exercise import MISSING, Exercise, LessonPlan, Work
from smtpbook.grading.heard import Heard
from smtpbook.grading.verdict import Verdict, right, wrong
from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab

_OPENING: Final = ("EHLO", "HELO")


def _draw(rng: Random) -> dict[str, str]:
    return {
        "server": draws.host(rng),
        "client": draws.host(rng),
        "sender": draws.address(rng),
        "recipient": draws.address(rng),
        "subject": draws.word(rng),
    }


def _prepare(lab: Lab, given: Mapping[str, str]) -> None:
    lab.set(greeting=Behaviour(reply=f"220 {given['server']} ESMTP ready for you"))


def _greeting(work: Work) -> Verdict:
    source = "RFC 5321 sections 3.1 and 4.3.1"
    answer = work.answer.split() if isinstance(work.answer, str) else work.answer
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        return wrong(
            'hand in two things, the code and the host name: lesson.check("greeting", '
            '(250, "mx.example"))'
        )
    code, name = answer
    if str(code) != "220":
        return wrong(
            f"the server did not greet with {code}; the code is the first three digits it "
            "says, before you have said anything",
            source=source,
        )
    if name != work.given["server"]:
        return wrong(
            f"220 is right, {name!r} is not its name: the word after the code is",
            source=source,
        )
    return right("220 means ready, and the first word after it is the name", source=source)


def _hello(work: Work) -> Verdict:
    source = "RFC 5321 section 4.1.1.1"
    steps = [step for heard in work.heard() for step in heard.said(*_OPENING)]
    if not steps:
        return wrong("nobody has said EHLO to your server yet", source=source)
    client = work.given["client"]
    named = [step for step in steps if step.line.split()[1:2] == [client]]
    if not named:
        return wrong(
            f"EHLO was said, but not by {client}: after the verb stands the name of the "
            "client, that is yours, not the server's",
            str(steps[-1]),
            source=source,
        )
    if all(step.verb == "HELO" for step in named):
        return wrong(
            "HELO is the hello of 1982; say EHLO, and the server lists its extensions",
            str(named[-1]),
            source=source,
        )
    return right("the server knows who is calling, and said what it can do", source=source)


def _letter(work: Work) -> Verdict:
    source = "RFC 5321 section 3.3"
    given = work.given
    if not work.received():
        return _why_nothing_came(work.heard())
    for message in reversed(work.received()):
        if message.reverse_path.lower() != given["sender"]:
            why = f"a letter came, but MAIL named {message.reverse_path!r} as its sender"
        elif given["recipient"] not in map(str.lower, message.recipients):
            why = f"a letter came, but for {', '.join(message.recipients)}"
        else:
            parsed = message_from_bytes(message.data, policy=policy.default)
            subject = str(parsed["Subject"] or "").strip()
            if subject == given["subject"]:
                return right(
                    f"{message.queue_id} is the number under which it took the letter: "
                    "from here on the server answers for it",
                    source="RFC 5321 section 6.1",
                )
            why = (
                f"the envelope is right, but the header says {subject!r} as its subject"
                if subject
                else "the envelope is right, but there is no Subject in the header: it is "
                "the first line after DATA, and an empty line ends the header"
            )
    return wrong(why, source=source)


def _why_nothing_came(sessions: tuple[Heard, ...]) -> Verdict:
    """Say how far the latest try has come."""
    source = "RFC 5321 section 3.3"
    steps = [step for heard in sessions for step in heard.steps]
    for verb, then in (
        ("DATA", "the lone dot that ends the letter"),
        ("RCPT", "DATA"),
        ("MAIL", "RCPT TO:<…>"),
    ):
        said = [step for step in steps if step.verb == verb]
        done = [step for step in said if step.code is not None and step.code < 400]
        if done:
            return wrong(f"no letter came: after {verb} comes {then}", str(done[-1]))
        if said:
            return wrong(
                f"no letter came: {verb} was refused, and the reply says why",
                str(said[-1]),
                source=source,
            )
    return wrong("no letter came: after EHLO it begins with MAIL FROM:<…>", source=source)


def _order(work: Work) -> Verdict:
    source = "RFC 5321 section 4.1.4"
    for heard in work.heard():
        for step in heard.steps:
            if step.verb == "MAIL":
                break
            if step.verb == "RCPT":
                if str(work.answer) == str(step.code):
                    return right(
                        "503 is bad sequence of commands: nothing is wrong with the "
                        "command, only with its place",
                        str(step),
                        source=source,
                    )
                return wrong(
                    f"RCPT was said too early, as asked; the code is not {work.answer!r}"
                    if work.answer is not MISSING
                    else "RCPT was said too early, as asked; hand in the code, too: "
                    'lesson.check("order", 250)',
                    source=source,
                )
    return wrong("in no session was RCPT said before MAIL", source=source)


def _goodbye(work: Work) -> Verdict:
    source = "RFC 5321 section 4.1.1.10"
    sessions = work.heard()
    if not sessions:
        return wrong("there is no session yet to say goodbye in", source=source)
    step = next((s for heard in sessions for s in heard.said("QUIT")), None)
    if step is None:
        return wrong("no session ended with QUIT: hanging up is not saying goodbye")
    return right(
        "221, and only then is the connection closed: nobody is left in doubt",
        str(step),
        source=source,
    )


PLAN: Final = LessonPlan(
    number=1,
    name="first-conversation",
    title="Your first conversation by hand",
    about="Say what a mail program says, and read what a mail server answers.",
    draw=_draw,
    answers=frozenset({"server"}),
    prepare=_prepare,
    exercises=(
        Exercise(
            name="greeting",
            title="Who is there?",
            task="Connect. The server speaks first: which code, and which name?",
            hints=(
                "`talk = lesson.connect()`, then look at `talk.greeting`.",
                "A reply is three digits, a space and text; the first word of a greeting's "
                "text is the server's name.",
            ),
            solution='lesson.check("greeting", (220, "{server}"))',
            answer="the code and the name",
            check=_greeting,
        ),
        Exercise(
            name="hello",
            title="Say who you are",
            task="Your machine is called {client}. Introduce it with EHLO.",
            hints=(
                "The command is the verb, a space, and the client's name.",
                '`talk.say("EHLO …")` with your own name in place of the dots.',
            ),
            solution='talk.say("EHLO {client}")',
            check=_hello,
        ),
        Exercise(
            name="order",
            title="Too early",
            task="In a session with EHLO but without MAIL, name a recipient. What code?",
            hints=(
                "A recipient is named with `RCPT TO:<ann@harbor.example>`.",
                "The server counts it as bad sequence; its reply begins with 5.",
            ),
            solution='code = talk.say("RCPT TO:<{recipient}>").code\n'
            'lesson.check("order", code)',
            answer="the code",
            check=_order,
        ),
        Exercise(
            name="letter",
            title="A letter",
            task="Send a letter from {sender} to {recipient} with the subject {subject}.",
            hints=(
                "The order is MAIL FROM:<…>, RCPT TO:<…>, DATA, the letter, a lone dot.",
                "The letter is its header (`Subject: …`), an empty line, its text.",
                "Each line is one argument of `talk.say`; the last one is `.`.",
            ),
            solution='talk.say("MAIL FROM:<{sender}>", "RCPT TO:<{recipient}>", "DATA",\n'
            '         "Subject: {subject}", "", "Hello!", ".")',
            check=_letter,
            points=3,
        ),
        Exercise(
            name="goodbye",
            title="Goodbye",
            task="End the session as one should.",
            hints=("There is a verb for it, with nothing after it.",),
            solution='talk.say("QUIT")',
            check=_goodbye,
        ),
    ),
)
