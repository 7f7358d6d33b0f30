"""Lesson 9, pipelining and latency: count round trips, and measure them."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Final

from smtpbook.grading import draws
from smtpbook.grading.answers import number, texts
from smtpbook.grading.exercise import Exercise, LessonPlan, Work
from smtpbook.grading.verdict import Verdict, right, wrong

_SOURCE: Final = "RFC 2920 section 3.1"
_LAST: Final = ("EHLO", "DATA", "QUIT")  # what must be the last of a group, of those asked


def _draw(rng: Random) -> dict[str, str]:
    asked = [*_LAST, "MAIL", "RCPT", "RSET"]
    rng.shuffle(asked)
    return {
        "sender": draws.address(rng),
        "recipients": " ".join(draws.address(rng) for _ in range(rng.randrange(3, 7))),
        "milliseconds": str(rng.choice((40, 60, 80))),
        "asked": ", ".join(asked),
    }


def _trips(given: Mapping[str, str]) -> int:
    # MAIL, each RCPT, DATA, the letter with its dot.
    return len(given["recipients"].split()) + 3


def _alone(work: Work) -> Verdict:
    answer, expected = number(work.answer), _trips(work.given)
    if answer is None:
        return wrong("hand in a number of round trips")
    if answer == expected - 1:
        return wrong(
            "one is missing: the letter itself, with its dot, gets a reply as well"
        )
    if answer == expected + 1:
        return wrong("one too many: from MAIL to the reply to the dot, and no further")
    if answer != expected:
        return wrong(f"it is not {answer}: each command that waits is one round trip")
    return right("MAIL, each RCPT, DATA, and the letter", source=_SOURCE)


def _together(work: Work) -> Verdict:
    answer = number(work.answer)
    if answer is None:
        return wrong("hand in a number of round trips")
    if answer == 1:
        return wrong(
            "the letter cannot go along: only after the 354 may it be sent", source=_SOURCE
        )
    if answer != 2:
        return wrong(
            f"it is not {answer}: MAIL, all RCPTs and DATA go in one piece", source=_SOURCE
        )
    return right("one for the envelope, one for the letter", source=_SOURCE)


def _last(work: Work) -> Verdict:
    asked = work.given["asked"].split(", ")
    answer = {one.upper() for one in texts(work.answer)}
    if not answer or not answer <= set(asked):
        return wrong(f"hand in some of {work.given['asked']}")
    extra, missing = answer - set(_LAST), set(_LAST) - answer
    if extra:
        return wrong(
            f"{min(extra)} may stand anywhere in a group: its reply changes nothing for "
            "what follows",
            source=_SOURCE,
        )
    if missing:
        return wrong(
            f"{len(missing)} of them are missing: what the reply changes for what follows "
            "must be waited for",
            source=_SOURCE,
        )
    return right("what comes next depends on the reply to those", source=_SOURCE)


def _measure(work: Work) -> Verdict:
    round_trip_s = int(work.given["milliseconds"]) / 1000
    try:
        off, auto = (float(one) for one in work.answer)
    except (TypeError, ValueError):
        return wrong("hand in two times in seconds: without pipelining, and with it")
    # Less than that the line does not let through; more is a slow machine's business.
    least = (_trips(work.given) * round_trip_s, 2 * round_trip_s)
    for time_s, least_s, how in zip((off, auto), least, ("without", "with"), strict=True):
        if time_s < 0.9 * least_s:
            return wrong(
                f"{time_s:.3f} s {how} pipelining cannot be: that many round trips of "
                f"{round_trip_s * 1000:.0f} ms take {least_s:.2f} s; are these seconds, "
                "from MAIL to the reply to the dot?"
            )
    recipients = set(work.given["recipients"].split())
    letters = [one for one in work.received() if set(one.recipients) == recipients]
    if len(letters) < 2:
        return wrong(
            f"your server has {len(letters)} letters to all those recipients; send two, "
            "one without pipelining and one with it"
        )
    if auto > 0.8 * off:
        return wrong(
            f"with pipelining it took {auto / off:.0%} of the time: that is no gain"
        )
    return right(f"{off / auto:.1f} times as fast, on a line of {round_trip_s:.2f} s")


PLAN: Final = LessonPlan(
    number=9,
    name="pipelining",
    title="Pipelining and latency",
    about="On a long line, waiting is what costs. How much of it can be saved?",
    draw=_draw,
    exercises=(
        Exercise(
            name="alone",
            title="One after the other",
            task="A letter to these {recipients}. Each command waits for its reply. How "
            "many round trips from MAIL to the reply to the dot?",
            hints=(
                "Write down what the client says; each waits once.",
                "MAIL, one RCPT for each recipient, DATA, the letter with its dot.",
            ),
            solution="lesson.check('alone', len('{recipients}'.split()) + 3)",
            answer="the number",
            check=_alone,
        ),
        Exercise(
            name="together",
            title="All at once",
            task="The server offers PIPELINING: the client says all it can without "
            "waiting. How many round trips now?",
            hints=(
                "Which reply must be there before the letter may be sent?",
                "DATA's 354: what comes before it is one group, the letter another.",
            ),
            solution="lesson.check('together', 2)",
            answer="the number",
            check=_together,
        ),
        Exercise(
            name="last",
            title="The last of a group",
            task="Which of {asked} must be the last of a group, so that their reply is "
            "waited for?",
            hints=(
                "Does the reply change what may come next?",
                "EHLO's list, DATA's 354, QUIT's end.",
            ),
            solution="lesson.check('last', 'EHLO, DATA, QUIT')",
            answer="their names",
            check=_last,
        ),
        Exercise(
            name="measure",
            title="Measure it",
            task="`lesson.far_away({milliseconds})` is an account at the end of a line of "
            "{milliseconds} ms. Send a letter from {sender} to all of {recipients} without "
            'pipelining (`pipelining="off"`) and with it ("auto"); measure both.',
            hints=(
                "`session.send_many([letter], pipelining=…)` under trio.",
                "`trio.current_time()` before and after; the session's opening does not "
                "count.",
            ),
            solution="# The teacher's version of this notebook measures both in 20 lines.",
            answer="two times in seconds",
            check=_measure,
            points=3,
        ),
    ),
)
