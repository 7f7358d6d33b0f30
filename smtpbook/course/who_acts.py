"""Lesson 2, reply codes and who acts: what the first digit says, and whose turn it is."""

from __future__ import annotations

from random import Random
from typing import Final, NamedTuple

from smtpbook.errors import near_miss
from smtpbook.grading import draws
from smtpbook.grading.answers import filled_in, text
from smtpbook.grading.exercise import Exercise, LessonPlan, Work
from smtpbook.grading.verdict import Verdict, right, wrong

_CLASSES: Final = {2: "done", 3: "go on", 4: "later", 5: "no"}
_ACTS: Final = ("retry", "remove", "fix setup", "fix letter")
_CODES: Final = {
    2: ("250", "251", "220", "221", "235"),
    3: ("354", "334"),
    4: ("421", "450", "451", "452", "454"),
    5: ("500", "503", "550", "552", "554"),
}


class _Refusal(NamedTuple):
    reply: str
    act: str
    why: str


_REFUSALS: Final = (
    _Refusal(
        "450 4.7.1 Greylisted, please try again in 5 minutes", "retry", "it asks for it"
    ),
    _Refusal("421 4.3.2 Shutting down for maintenance", "retry", "the server will be back"),
    _Refusal("452 4.2.2 The mailbox is over its quota", "retry", "mailboxes get emptied"),
    _Refusal("451 4.3.0 Temporary lookup failure", "retry", "the trouble is the server's"),
    _Refusal("550 5.1.1 User unknown", "remove", "the address does not exist"),
    _Refusal("550 5.2.1 Mailbox disabled for good", "remove", "nobody reads it any more"),
    _Refusal("556 5.1.10 This domain accepts no mail", "remove", "there is no mailbox"),
    _Refusal(
        "535 5.7.8 Authentication failed", "fix setup", "user name or password is wrong"
    ),
    _Refusal(
        "550 5.7.26 SPF and DKIM both failed", "fix setup", "the sender is not proved"
    ),
    _Refusal(
        "550 5.7.25 No reverse DNS for your address", "fix setup", "DNS lacks a record"
    ),
    _Refusal("552 5.3.4 Message too big", "fix letter", "a smaller one would be taken"),
    _Refusal("554 5.6.0 Header has no From", "fix letter", "the letter is not in order"),
    _Refusal("550 5.7.1 Message looks like spam", "fix letter", "its content is the cause"),
)
_EACH: Final = {"retry": 2, "remove": 1, "fix setup": 1, "fix letter": 1}
_UNSURE: Final = (
    "450 4.1.1 User unknown",
    "451 4.1.1 No such mailbox here",
    "450 4.1.1 Recipient address rejected: unknown user",
)


def _draw(rng: Random) -> dict[str, str]:
    codes = [rng.choice(_CODES[digit]) for digit in (2, 3, 4, 5, 4, 5)]
    rng.shuffle(codes)
    refusals = [
        one.reply
        for act, count in _EACH.items()
        for one in rng.sample([each for each in _REFUSALS if each.act == act], count)
    ]
    rng.shuffle(refusals)
    return {
        "codes": " ".join(dict.fromkeys(codes)),
        "refusals": "\n".join(refusals),
        "unsure": rng.choice(_UNSURE),
        "someone": draws.address(rng),
    }


def _digits(work: Work) -> Verdict:
    source = "RFC 5321 section 4.2.1"
    given = filled_in(work.answer)
    for code in work.given["codes"].split():
        expected = _CLASSES[int(code[0])]
        said = given.get(code)
        if said is None:
            return wrong(
                f"hand in a dict with a word for each of {work.given['codes']}; "
                f"{code} is not in it",
                source=source,
            )
        if said not in _CLASSES.values():
            hint = near_miss(said, _CLASSES.values())
            return wrong(f"{said!r} for {code} is none of the four words{hint}")
        if said != expected:
            return wrong(f"{code} is not {said!r}: its first digit decides", source=source)
    return right("the first digit is all that a client may act on", source=source)


def _meet(work: Work) -> Verdict:
    source = "RFC 5321 section 4.2.1"
    steps = [step for heard in work.heard() for step in heard.steps]
    met = {step.code // 100: step for step in steps if step.code is not None}
    missing = [f"{digit}yz" for digit in (2, 3, 4, 5) if digit not in met]
    if missing:
        return wrong(
            f"your server has not said {', '.join(missing)} to you yet", source=source
        )
    return right("you have met all four", *(str(met[digit]) for digit in sorted(met)))


def _acts(work: Work) -> Verdict:
    given = filled_in(work.answer)
    by_reply = {one.reply: one for one in _REFUSALS}
    for reply in work.given["refusals"].splitlines():
        act = given.get(reply)
        if act is None:
            return wrong(
                "hand in a dict with an act for each reply; this one has none", reply
            )
        if act not in _ACTS:
            return wrong(
                f"{act!r} is none of {', '.join(_ACTS)}{near_miss(act, _ACTS)}", reply
            )
        if act != by_reply[reply].act:
            return wrong(f"{act!r} would not help here: {by_reply[reply].why}", reply)
    return right("a list is kept clean, and nobody is given up too early")


def _conflict(work: Work) -> Verdict:
    source = "RFC 5321 section 4.2.1"
    answer = text(work.answer)
    if answer == "remove":
        return wrong(
            "the text says that there is no such user, but the code says 4: not now. Some "
            "servers say it while their directory is out of reach",
            work.given["unsure"],
            source=source,
        )
    if answer != "retry":
        return wrong('hand in one of the acts: "retry" or "remove"', work.given["unsure"])
    return right("the code counts, whatever the text says", source=source)


PLAN: Final = LessonPlan(
    number=2,
    name="who-acts",
    title="Reply codes, and who acts",
    about="Three digits say whether it went well; the rest says whose turn it is.",
    draw=_draw,
    exercises=(
        Exercise(
            name="digits",
            title="The first digit",
            task="What do these codes say: {codes}? The words are `done`, `go on`, `later` "
            "and `no`.",
            hints=(
                "2 done, 3 go on: the server waits for more.",
                "4 is not now, try later; 5 is no, and the same again stays no.",
            ),
            solution="meaning = dict(zip('2345', ('done', 'go on', 'later', 'no')))\n"
            "codes = '{codes}'.split()\n"
            "lesson.check('digits', {{code: meaning[code[0]] for code in codes}})",
            answer="a dict from code to word",
            check=_digits,
        ),
        Exercise(
            name="meet",
            title="Meet all four",
            task="Have your server say a 2yz, a 3yz, a 4yz and a 5yz to you. Addresses "
            "such as `450-4.2.1.anyone@lab.test` get just that reply.",
            hints=(
                "A greeting is a 2yz already; DATA draws a 3yz once somebody is accepted.",
                "`RCPT TO:<450-4.2.1.anyone@lab.test>` and `RCPT "
                "TO:<550-5.1.1.a@lab.test>`.",
            ),
            solution='talk = lesson.connect()\ntalk.say("EHLO me.example", '
            '"MAIL FROM:<{someone}>",\n         "RCPT TO:<450-4.2.1.anyone@lab.test>",\n'
            '         "RCPT TO:<550-5.1.1.anyone@lab.test>",\n'
            '         "RCPT TO:<{someone}>", "DATA", ".")',
            check=_meet,
            points=2,
        ),
        Exercise(
            name="acts",
            title="Who acts?",
            task="You sent a letter and were told:\n\n```\n{refusals}\n```\n\nWhat do you "
            "do about each? `retry` the same later, `remove` the address from your list, "
            "`fix setup` (login, DNS), or `fix letter`.",
            hints=(
                "A 4 says that the same may work later.",
                "Of the 5s: 5.1.z and 5.2.z are about the address, 5.7.z about you or the "
                "letter, 5.3.4 and 5.6.z about the letter.",
                "`sb.explain(reply)` says whose turn it is.",
            ),
            solution="# Read each with sb.explain(reply).",
            answer="a dict from reply to act",
            check=_acts,
            points=3,
        ),
        Exercise(
            name="conflict",
            title="Code against text",
            task="To RCPT a server says `{unsure}`. Do you `retry` or `remove`?",
            hints=("Which of the two may a program act on, the code or the text?",),
            solution='lesson.check("conflict", "retry")',
            answer="the act",
            check=_conflict,
        ),
    ),
)
