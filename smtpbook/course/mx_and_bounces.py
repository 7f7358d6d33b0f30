"""Lesson 12, MX, relays and bounces: the way of a letter, and the way back."""

from __future__ import annotations

import re
from itertools import pairwise
from random import Random
from typing import Final

from smtpbook.errors import near_miss
from smtpbook.grading import draws
from smtpbook.grading.answers import text, texts
from smtpbook.grading.exercise import Exercise, LessonPlan, Work
from smtpbook.grading.verdict import Verdict, right, wrong

_MX: Final = "RFC 5321 section 5.1"
_SCENES: Final = (
    ("5.1.1", "550 5.1.1 User unknown", "remove"),
    ("5.2.2", "552 5.2.2 Mailbox full, gave up after five days", "retry"),
    ("5.7.26", "550 5.7.26 The sender is not authenticated", "fix setup"),
)
_ACTS: Final = ("retry", "remove", "fix setup")


def _draw(rng: Random) -> dict[str, str]:
    domain, plain, nobody = draws.host(rng), draws.host(rng), draws.host(rng)
    hosts = [f"mx{number}.{domain}" for number in rng.sample(range(1, 10), 3)]
    preferences = sorted(rng.sample(range(5, 60, 5), 3))
    records = [
        f"{domain}. MX {preference} {host}."
        for preference, host in zip(preferences, hosts, strict=True)
    ]
    rng.shuffle(records)
    relays = [draws.host(rng) for _ in range(3)]
    status, reply, act = rng.choice(_SCENES)
    recipient = draws.address(rng)
    return {
        "domain": domain,
        "hosts": " ".join(hosts),
        "zone": "\n".join(records),
        "plain": plain,
        "nobody": nobody,
        "relays": " ".join(relays),
        "received": _received(relays),
        "recipient": recipient,
        "status": status,
        "act": act,
        "bounce": _bounce(recipient, reply, status, f"mx.{recipient.partition('@')[2]}"),
    }


def _received(relays: list[str]) -> str:
    """Write the Received lines of a letter that went through the relays in this order."""
    ways = pairwise(relays)
    lines = [
        f"Received: from {sender} by {receiver} with ESMTP; Tue, 1 Dec 2026 09:0{minute}:00"
        " +0000"
        for minute, (sender, receiver) in enumerate(ways)
    ]
    return "\n".join(reversed(lines))


def _bounce(recipient: str, reply: str, status: str, server: str) -> str:
    # RFC 3464's form: text for people, fields for programs.
    return "\n".join(
        (
            f"From: Mail Delivery System <MAILER-DAEMON@{server}>",
            "Subject: Undelivered Mail Returned to Sender",
            "MIME-Version: 1.0",
            "Content-Type: multipart/report; report-type=delivery-status; boundary=cut",
            *("", "--cut", "", "Your letter could not be delivered.", "", "--cut"),
            *("Content-Type: message/delivery-status", ""),
            *(f"Reporting-MTA: dns; {server}", ""),
            *(f"Final-Recipient: rfc822; {recipient}", "Action: failed"),
            *(f"Status: {status}", f"Diagnostic-Code: smtp; {reply}", "", "--cut--", ""),
        )
    )


def _order(work: Work) -> Verdict:
    hosts = tuple(work.given["hosts"].split())
    answer = tuple(host.removesuffix(".") for host in texts(work.answer))
    if sorted(answer) != sorted(hosts):
        return wrong("hand in the three hosts, the first to be tried first", source=_MX)
    if answer == hosts[::-1]:
        return wrong("that is the wrong way round: the lowest number first", source=_MX)
    if answer != hosts:
        return wrong("the numbers decide, the lowest first", source=_MX)
    return right("the others are there for when the first cannot be reached", source=_MX)


def _implicit(work: Work) -> Verdict:
    answer = (text(work.answer) or "").removesuffix(".")
    if not answer:
        return wrong('hand in the host\'s name, or "nobody"', source=_MX)
    if answer == "nobody":
        return wrong("mail was there before MX: without one the address counts", source=_MX)
    if answer != work.given["plain"]:
        return wrong(f"{answer} is not what a client would try", source=_MX)
    return right("without an MX a domain is its own mail server", source=_MX)


def _null(work: Work) -> Verdict:
    source = "RFC 7505 section 3"
    answer = (text(work.answer) or "").removesuffix(".")
    if not answer:
        return wrong('hand in the host\'s name, or "nobody"', source=source)
    if answer == work.given["nobody"]:
        return wrong("it has an MX, so its address does not count", source=source)
    if answer != "nobody":
        return wrong(f"{answer} is not what that record says", source=source)
    return right("a lone dot says: no mail here, ever", source=source)


def _way(work: Work) -> Verdict:
    source = "RFC 5321 section 4.4"
    relays = tuple(work.given["relays"].split())
    answer = texts(work.answer)
    if sorted(answer) != sorted(relays):
        return wrong(f"hand in all {len(relays)} hosts, from the first to the last")
    if answer == relays[::-1]:
        return wrong(
            "each server puts its line on top: the way is read from below", source=source
        )
    if answer != relays:
        return wrong(
            "each line says from whom and by whom; put them together", source=source
        )
    return right("the lowest line is the oldest", source=source)


def _read(work: Work) -> Verdict:
    source = "RFC 3464 section 2.3"
    answer = texts(work.answer)
    if len(answer) != 2:
        return wrong("hand in two texts: the recipient and the status", source=source)
    recipient, status = answer
    if recipient != work.given["recipient"]:
        return wrong(f"{recipient} is not who did not get it: see Final-Recipient")
    if status != work.given["status"]:
        shape = re.fullmatch(r"\d\.\d+\.\d+", status)
        return wrong(
            f"the status is not {status}"
            + ("" if shape else ": it has three numbers with dots between them"),
            source=source,
        )
    return right("text for people, fields for programs", source=source)


def _act(work: Work) -> Verdict:
    answer = text(work.answer)
    if answer not in _ACTS:
        return wrong(f"hand in one of {', '.join(_ACTS)}{near_miss(answer or '', _ACTS)}")
    if answer != work.given["act"]:
        return wrong(
            f"{answer!r} would not help: {work.given['status']} says so",
            source="RFC 3463 sections 3.2, 3.3 and 3.8",
        )
    return right("the status says whose turn it is")


PLAN: Final = LessonPlan(
    number=12,
    name="mx-and-bounces",
    title="MX, relays and bounces",
    about="How a letter finds its server, what it collects on the way, and what comes "
    "back.",
    draw=_draw,
    answers=frozenset({"hosts", "relays", "recipient", "status", "act"}),
    exercises=(
        Exercise(
            name="order",
            title="Which server first?",
            task="Mail for {domain}, whose zone says:\n\n```\n{zone}\n```\n\nIn which "
            "order are the hosts tried?",
            hints=("The number before the host is a preference, not a weight.",),
            solution="lesson.check('order', '{hosts}')",
            answer="the hosts in order",
            check=_order,
        ),
        Exercise(
            name="implicit",
            title="No MX",
            task="{plain} has an address record and no MX. Which host is tried, or "
            "`nobody`?",
            hints=("What did one do before there was MX?",),
            solution="lesson.check('implicit', '{plain}')",
            answer="the host, or nobody",
            check=_implicit,
        ),
        Exercise(
            name="null",
            title="An MX that says no",
            task="{nobody} has an address record and `{nobody}. MX 0 .` Which host is "
            "tried, or `nobody`?",
            hints=("The host is the root of all names: there is none.",),
            solution="lesson.check('null', 'nobody')",
            answer="the host, or nobody",
            check=_null,
        ),
        Exercise(
            name="way",
            title="The way it came",
            task="A letter has these lines on top:\n\n```\n{received}\n```\n\nThrough "
            "which hosts did it go, from the first to the last?",
            hints=("Each server that takes a letter puts its line on top of the others.",),
            solution="lesson.check('way', '{relays}')",
            answer="the hosts in order",
            check=_way,
        ),
        Exercise(
            name="read",
            title="Read a bounce",
            task='`lesson.given["bounce"]` came back. Who did not get the letter, and with '
            "which status?",
            hints=(
                "It has fields for programs: Final-Recipient and Status.",
                "`sb.read_bounces` makes a table of such mails.",
            ),
            solution="lesson.check('read', ('{recipient}', '{status}'))",
            answer="the recipient and the status",
            check=_read,
            points=2,
        ),
        Exercise(
            name="act",
            title="And now?",
            task="What do you do about it: `retry` later, `remove` the address, or `fix "
            "setup`?",
            hints=(
                "x.1.z is about the address, x.2.z about the mailbox, x.7.z about you.",
            ),
            solution="lesson.check('act', '{act}')",
            answer="the act",
            check=_act,
        ),
    ),
)
