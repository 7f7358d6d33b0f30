"""Lesson 4, envelope versus header: who gets it, and who it says it is for."""

from __future__ import annotations

from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage
from random import Random
from typing import Final

from smtpbook.grading import draws
from smtpbook.grading.answers import text
from smtpbook.grading.exercise import Exercise, LessonPlan, Work
from smtpbook.grading.verdict import Verdict, right, wrong
from smtpbook.lab.received import Received

_SOURCE: Final = "RFC 5321 section 2.3.1"


def _draw(rng: Random) -> dict[str, str]:
    names = ("sender", "recipient", "shown", "hidden", "bounces")
    return {name: draws.address(rng) for name in names}


def _header(message: Received) -> EmailMessage:
    return message_from_bytes(message.data, policy=policy.default)


def _addresses(message: EmailMessage, *fields: str) -> set[str]:
    found = [str(value) for field in fields for value in message.get_all(field, [])]
    pieces = ",".join(found).replace("<", ",").replace(">", ",").split(",")
    return {piece.strip().lower() for piece in pieces if "@" in piece}


def _judge_latest(work: Work, judge: Callable[[Received], Verdict]) -> Verdict:
    """Judge the letters that came, the latest first; one that is right is enough."""
    verdicts = [judge(message) for message in reversed(work.received())]
    found = next((verdict for verdict in verdicts if verdict), None)
    if found is not None:
        return found
    return verdicts[0] if verdicts else wrong("no letter has come to your server yet")


def _differ(work: Work) -> Verdict:
    given = work.given

    def judge(message: Received) -> Verdict:
        shown = _addresses(_header(message), "To")
        if given["recipient"] not in map(str.lower, message.recipients):
            return wrong(
                f"the latest letter's envelope names {', '.join(message.recipients)}"
            )
        if given["shown"] not in shown:
            said = ", ".join(sorted(shown)) or "nobody"
            return wrong(f"the envelope is right; the header's To names {said}")
        if given["shown"] in map(str.lower, message.recipients):
            return wrong("the envelope should not name the one whom the header shows")
        return right("it went to one, and says that it is for another", source=_SOURCE)

    return _judge_latest(work, judge)


def _hidden(work: Work) -> Verdict:
    given = work.given

    def judge(message: Received) -> Verdict:
        wanted = {given["shown"], given["hidden"]}
        named = {recipient.lower() for recipient in message.recipients}
        if named != wanted:
            return wrong(
                f"the latest letter's envelope names {', '.join(message.recipients)}; it "
                "should name both, in two RCPTs"
            )
        header = _header(message)
        if given["hidden"].encode() in message.data.lower():
            return wrong(
                f"{given['hidden']} is in the letter: everyone who gets it can read that",
                source="RFC 5322 section 3.6.3",
            )
        if _addresses(header, "To") != {given["shown"]}:
            return wrong(f"the header's To should name {given['shown']}")
        return right("that is all that a blind copy is", source="RFC 5322 section 3.6.3")

    return _judge_latest(work, judge)


def _bounce_to(work: Work) -> Verdict:
    answer = text(work.answer)
    source = "RFC 5321 section 3.6.3"
    if answer == work.given["sender"]:
        return wrong("From is for people; no server looks there for this", source=source)
    if answer == work.given["recipient"]:
        return wrong("that is who did not get it", source=source)
    if answer != work.given["bounces"]:
        return wrong("hand in one of the addresses of the task", source=source)
    return right("bounces go to the envelope's sender, the reverse-path", source=source)


def _null(work: Work) -> Verdict:
    source = "RFC 5321 section 4.5.5"

    def judge(message: Received) -> Verdict:
        if message.reverse_path:
            return wrong(
                f"the latest letter's sender is <{message.reverse_path}>; a bounce has "
                "none, so that no bounce is ever bounced",
                source=source,
            )
        if work.given["bounces"] not in map(str.lower, message.recipients):
            return wrong(f"the sender is right; it went to {', '.join(message.recipients)}")
        return right("nobody can be told that this one did not arrive", source=source)

    return _judge_latest(work, judge)


PLAN: Final = LessonPlan(
    number=4,
    name="envelope-and-header",
    title="Envelope versus header",
    about="Servers read the envelope, people read the header. They need not agree.",
    draw=_draw,
    exercises=(
        Exercise(
            name="differ",
            title="To one, for another",
            task="Send a letter to {recipient} whose header says `To: {shown}`.",
            hints=(
                "RCPT is the envelope; To is a line of the letter, after DATA.",
                "Name {shown} in the header only.",
            ),
            solution='talk.say("MAIL FROM:<{sender}>", "RCPT TO:<{recipient}>", "DATA",\n'
            '         "From: {sender}", "To: {shown}", "", "Hello.", ".")',
            check=_differ,
        ),
        Exercise(
            name="hidden",
            title="A blind copy",
            task="Send a letter to {shown} and {hidden}; {shown} must not see that "
            "{hidden} got it, too.",
            hints=(
                "The envelope has room for several RCPTs.",
                "What is not in the letter, nobody can read. A Bcc line would be in it.",
            ),
            solution='talk.say("MAIL FROM:<{sender}>", "RCPT TO:<{shown}>", '
            '"RCPT TO:<{hidden}>",\n         "DATA", "From: {sender}", "To: {shown}", "", '
            '"Psst.", ".")',
            check=_hidden,
            points=2,
        ),
        Exercise(
            name="bounce-to",
            title="Where bounces go",
            task="A letter goes out with `MAIL FROM:<{bounces}>`, `RCPT TO:<{recipient}>` "
            "and the header `From: {sender}`. Days later it cannot be delivered. Who is "
            "told?",
            hints=("A server reads the envelope.",),
            solution='lesson.check("bounce-to", "{bounces}")',
            answer="the address",
            check=_bounce_to,
        ),
        Exercise(
            name="null",
            title="A bounce itself",
            task="Be the server that gives up: send a bounce to {bounces}.",
            hints=(
                "Nobody must be told that a bounce did not arrive: who is its sender?",
                "The empty reverse-path is written `<>`.",
            ),
            solution='talk.say("MAIL FROM:<>", "RCPT TO:<{bounces}>", "DATA",\n'
            '         "Subject: Undelivered mail", "", "It did not arrive.", ".")',
            check=_null,
        ),
    ),
)
