"""Hearing: which rows of the event log an adaptive pace learns from."""

from __future__ import annotations

from smtpbook.campaign.adaptive import Adaptive
from smtpbook.campaign.clock import Clock
from smtpbook.campaign.hearing import Hearing
from smtpbook.campaign.run import Run
from smtpbook.events import Event
from smtpbook.log.frame import Recorder


async def test_replies_are_heard_and_outcomes_only_recorded(autojump_clock: object) -> None:
    """An outcome repeats a reply that has been heard."""
    run, changed = Run(Recorder(), "c"), []
    limiter = Adaptive().limiter()
    hearing = Hearing(run, limiter, Clock(), "mx.test", lambda: changed.append(True))
    hearing.begin()
    for kind, said in (
        ("outcome", "4.7.0 too many messages"),
        ("command", None),
        ("command", "4.7.0 too many\u202e messages"),
    ):
        code = None if said is None else 451
        hearing(Event(kind=kind, verb="MAIL", reply_code=code, reply_text=said).to_row())
        assert len(changed) == (1 if said and "\u202e" in said else 0)
    assert len(run.log) == 3
    assert run.pace["why"].tolist() == [
        "begun",
        r"halved: 451 4.7.0 too many\u202e messages to MAIL",
    ]
    assert set(run.pace["server"]) == {"mx.test"}
    assert run.pace["rate_per_min"].tolist() == [60, 30]
