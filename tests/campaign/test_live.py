"""A send that goes on by itself: paused, stopped, waited for, asked how far it is."""

from __future__ import annotations

import asyncio
import contextvars
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from types import FrameType
from typing import Any

import pandas as pd
import pytest
import trio

from smtpbook import progress
from smtpbook.campaign.campaign import Campaign
from smtpbook.campaign.live import Live
from smtpbook.delivery.run import Run
from smtpbook.errors import SendStopped, TemplateError, TransportError
from smtpbook.events import Event
from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab
from smtpbook.ledger.writer import Writer
from smtpbook.messages.template import Template
from smtpbook.processes import leaving
from smtpbook.runner import SENDER

People = Callable[[int], pd.DataFrame]


class Gate:
    """Holds the server at its answer to the n-th end of mail data, until opened."""

    def __init__(self, number: int) -> None:
        self.reached, self._open = threading.Event(), threading.Event()
        self._left = number

    def __call__(self, event: Event) -> None:
        if event.verb == "END-OF-DATA":
            self._left -= 1
            if self._left == 0:
                self.reached.set()
                assert self._open.wait(30)

    def open(self) -> None:
        self._open.set()


@contextmanager
def held(count: int, people: People, letter: Template, **options: Any) -> Iterator[Any]:
    """Start a campaign, and give all that plays a part while the server holds still."""
    gate = Gate(5)
    with Lab(record=gate) as lab:
        campaign = Campaign("c", lab.account, people(count), letter, **options)
        live = campaign.start(progress=False)
        assert gate.reached.wait(30)
        try:
            yield lab, campaign, live, gate
        finally:
            gate.open()
            live.stop()
            assert live.join(30)


def until(condition: Callable[[], bool], live: Live) -> None:
    """Wait for what must come."""
    for _ in range(3000):
        if condition():
            return
        live.join(0.01)
    raise AssertionError("it did not come")


def until_it_waits(thread: int) -> None:
    """Wait until that thread is inside the wait of `Live.wait`."""
    while True:
        frame: FrameType | None = sys._current_frames()[thread]
        while frame is not None:
            if frame.f_code is threading.Event.wait.__code__:
                caller = frame.f_back
                if caller is not None and caller.f_code is Live.wait.__code__:
                    return
            frame = frame.f_back


def settle() -> None:
    """Return when the sender has done all it can do now."""
    SENDER.run(trio.testing.wait_all_tasks_blocked)


def check_clean(run: Run, lab: Lab, count: int) -> None:
    """Some were written to, nobody is in doubt, every session that wrote said QUIT."""
    assert run.counts["accepted"] == lab.counts["accepted"] == len(lab.received)
    assert 0 < run.counts["accepted"] < count
    assert run.counts["in_doubt"] == run.counts["failed"] == 0
    said = run.log[run.log["kind"] == "command"].groupby("session_id")["verb"].agg(list)
    assert {verbs[-1] for verbs in said if "MAIL" in verbs} == {"QUIT"}


# --- going on and ending ------------------------------------------------------------------


def test_it_goes_on_by_itself_and_gives_the_run_at_its_end(
    people: People, letter: Template
) -> None:
    with held(40, people, letter) as (lab, campaign, live, gate):
        assert not live.is_done
        assert campaign.live is live
        assert live.status().state == "running"
        gate.open()
        run = live.wait()
        assert run is live.run
        assert live.is_done
        assert run.counts["accepted"] == len(lab.received) == 40
    status = live.status()
    assert (status.state, status.done, status.total, status.why) == ("done", 40, 40, None)
    assert status.counts == {"accepted": 40}
    assert live.wait() is run


def test_paused_nothing_begins_and_resumed_everybody_is_written_to(
    people: People, letter: Template
) -> None:
    with held(60, people, letter) as (lab, _campaign, live, gate):
        live.pause()
        live.pause()
        gate.open()
        settle()
        until(lambda: live._delivery._outbox.in_flight == 0, live)
        settle()
        reached = len(lab.received)
        assert 0 < reached < 60
        assert live.status().state == "paused"
        assert live.status().why == "as you asked"
        assert live.status().rate_per_s == 0
        assert live.wait(0) is live.run  # which a timeout does not stop
        settle()
        assert len(lab.received) == reached == live.status().done
        live.resume()
        assert live.status().state == "running"
        assert live.wait().counts["accepted"] == 60


def test_stopped_it_finishes_what_has_begun_and_gives_what_was_sent(
    people: People, letter: Template
) -> None:
    with held(600, people, letter) as (lab, campaign, live, gate):
        live.stop()
        assert live.status().state == "stopping"
        live.pause()  # too late
        gate.open()
        run = live.wait()
        check_clean(run, lab, 600)
        assert (live.status().state, live.status().why) == ("done", "you stopped it")
        live.stop()
        rest = campaign.start(progress=False).wait()
        assert rest.counts["accepted"] == 600 - run.counts["accepted"]
        assert len(lab.received) == 600


def test_a_stop_ends_a_pause(people: People, letter: Template) -> None:
    with held(600, people, letter) as (lab, _campaign, live, gate):
        live.pause()
        live.stop()
        gate.open()
        check_clean(live.wait(), lab, 600)


def test_stopped_before_the_first_connection_nothing_is_sent(
    people: People, letter: Template
) -> None:
    with Lab() as lab:
        campaign = Campaign("c", lab.account, people(9), letter)
        live = Live("c", is_blocking=False, is_shown=False)
        live.stop()
        body = partial(campaign._send, live, None, None, lambda *_: True, progress=False)
        live.begin(body)
        assert len(live.wait().log) == 0
        assert lab._shared.sessions == 0
    assert campaign.counts == {"pending": 9}


def test_a_stop_rule_says_why(people: People, letter: Template) -> None:
    with Lab() as lab:
        campaign = Campaign(
            "c", lab.account, people(90), letter, stop_when=lambda tally: "it is enough"
        )
        live = campaign.start(progress=False)
        live.wait()
    assert (live.status().state, live.status().why) == ("done", "it is enough")


# --- what goes wrong ----------------------------------------------------------------------


def test_an_error_comes_to_whoever_waits_however_often(
    people: People, letter: Template
) -> None:
    with Lab() as lab:
        account = lab.account
    live = Campaign("c", account, people(3), letter).start(progress=False)
    for _ in range(2):
        with pytest.raises(TransportError, match="connecting to"):
            live.wait()
    with pytest.raises(TransportError, match="connecting to"):
        asyncio.run(_await(live))
    assert live.is_done
    assert live.status().state == "failed"
    assert "connecting to" in str(live.status().why)


def test_what_cannot_be_sent_is_said_by_the_wait(people: People, letter: Template) -> None:
    broken = people(5)
    broken.loc[3, "first_name"] = None
    with Lab() as lab:
        live = Campaign("c", lab.account, broken, letter).start(progress=False)
        with pytest.raises(TemplateError, match="nothing has been sent"):
            live.wait()
        live = Campaign("c", lab.account, people(3), letter).start(
            only="defered", progress=False
        )
        with pytest.raises(ValueError, match="did you mean 'deferred'"):
            live.wait()
        assert lab._shared.sessions == 0
    assert live.status().state == "failed"


def test_it_never_asks(people: People, letter: Template) -> None:
    with Lab() as lab:
        campaign = Campaign("c", lab.account.replace(is_lab=False), people(3), letter)
        for confirm in (None, True):
            with pytest.raises(RuntimeError, match="never asks; say confirm=False"):
                campaign.start(confirm=confirm)
        assert campaign.live is None
        run = campaign.start(confirm=False, limit=2, progress=False).wait()
        assert run.counts["accepted"] == len(lab.received) == 2


def test_a_second_one_gets_an_answer_instead_of_a_wait(
    people: People, letter: Template
) -> None:
    with held(30, people, letter) as (lab, campaign, live, gate):
        with pytest.raises(RuntimeError, match="already sending"):
            campaign.start()
        with pytest.raises(RuntimeError, match="already sending"):
            campaign.send()
        assert campaign.live is live
        gate.open()
        live.wait()
        assert len(lab.received) == 30


def test_a_blocking_send_is_live_too(people: People, letter: Template) -> None:
    gate = Gate(5)
    with Lab(record=gate) as lab:
        campaign = Campaign("c", lab.account, people(600), letter)
        sender = threading.Thread(target=campaign.send, kwargs={"progress": False})
        sender.start()
        assert gate.reached.wait(30)
        live = campaign.live
        assert live is not None
        assert live.is_blocking
        assert live.status().total == 600
        live.stop()
        gate.open()
        sender.join(30)
        check_clean(live.wait(), lab, 600)


# --- left early ---------------------------------------------------------------------------


def test_an_interrupt_of_the_wait_finishes_what_has_begun(
    people: People, letter: Template
) -> None:
    with held(600, people, letter) as (lab, _campaign, live, gate):
        caller = threading.get_ident()

        def press() -> None:
            until_it_waits(caller)
            os.kill(os.getpid(), signal.SIGINT)
            until(lambda: live.status().state == "stopping", live)
            gate.open()

        pressing = threading.Thread(target=press)
        pressing.start()
        with pytest.raises(SendStopped) as caught:
            live.wait()
        pressing.join(30)
        assert caught.value.run is live.run
        check_clean(live.run, lab, 600)
        assert live.status().why == "interrupted"


def test_a_second_interrupt_cuts_it_off(people: People, letter: Template) -> None:
    begun = threading.Event()

    def watch(event: Event) -> None:
        if event.verb == "RCPT" and str(event.recipient).startswith("p3@"):
            begun.set()

    with Lab(record=watch) as lab:
        lab.set("p3@*", end_of_data=Behaviour(delay_s=250, times=1))
        campaign = Campaign("c", lab.account, people(9), letter, connections=1)
        live = campaign.start(progress=False)
        assert begun.wait(30)
        until(lambda: live.status().done == 3, live)
        caller = threading.get_ident()

        def press() -> None:
            until_it_waits(caller)
            os.kill(os.getpid(), signal.SIGINT)
            until(lambda: live.status().state == "stopping", live)
            while not live.join(0.2):
                os.kill(os.getpid(), signal.SIGINT)

        pressing = threading.Thread(target=press)
        pressing.start()
        with pytest.raises(KeyboardInterrupt):
            live.wait()
        with suppress(KeyboardInterrupt):  # one that came late
            pressing.join(30)
        counts = live.run.counts
        assert counts["accepted"] == 3
        assert sum(counts.values()) + campaign.counts["pending"] == 9
        assert 1 <= counts["in_doubt"] + counts["failed"] <= 2


def test_an_asyncio_task_that_is_cancelled_stops_it(
    people: People, letter: Template
) -> None:
    async def leave(live: Live, gate: Gate) -> None:
        task = asyncio.create_task(_await(live))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
        gate.open()
        with pytest.raises(asyncio.CancelledError):
            await task

    with held(600, people, letter) as (lab, _campaign, live, gate):
        asyncio.run(leave(live, gate))
        assert live.is_done
        check_clean(live.run, lab, 600)


def test_in_asyncio_other_tasks_go_on_meanwhile(people: People, letter: Template) -> None:
    async def both(live: Live, gate: Gate) -> Run:
        waiting = asyncio.create_task(_await(live))
        await asyncio.sleep(0)
        assert not waiting.done()
        gate.open()
        return await waiting

    with held(30, people, letter) as (_lab, _campaign, live, gate):
        assert asyncio.run(both(live, gate)).counts["accepted"] == 30


async def test_a_trio_program_waits_for_it_or_stops_it(
    people: People, letter: Template
) -> None:
    with Lab() as lab:
        campaign = Campaign("c", lab.account, people(40), letter)
        live = campaign.start(limit=3, progress=False)
        with pytest.raises(RuntimeError, match="use await live"):
            live.wait()
        assert (await live).counts["accepted"] == 3
        live = campaign.start(progress=False)
        with trio.CancelScope() as scope:
            scope.cancel()
            await live
        assert scope.cancelled_caught
        assert live.is_done
        assert live.run.counts["in_doubt"] == live.run.counts["failed"] == 0


async def _await(live: Live) -> Run:
    return await live


# --- what it shows ------------------------------------------------------------------------

CELL: contextvars.ContextVar[str] = contextvars.ContextVar("cell", default="none")


class Shown:
    """A display that keeps what it is told, and where."""

    def __init__(self) -> None:
        self.updates: list[tuple[int, str]] = []
        self.closed: list[str] = []

    def update(self, done: int, counts: object) -> None:
        self.updates.append((done, CELL.get()))

    def close(self) -> None:
        self.closed.append(CELL.get())


@pytest.fixture
def shown() -> Iterator[Shown]:
    shown = Shown()
    progress.use(None, lambda work: shown)
    yield shown
    progress.use(None)


def test_the_panel_is_told_in_the_callers_context_and_closed_again_by_the_wait(
    people: People, letter: Template, shown: Shown
) -> None:
    with Lab() as lab:
        CELL.set("first")
        live = Campaign("c", lab.account, people(9), letter).start()
        CELL.set("second")
        live.wait()
    assert shown.updates == [(done, "first") for done in range(1, 10)]
    assert shown.closed == ["first", "second"]


def test_a_blocking_send_shows_the_same_panel(
    people: People, letter: Template, shown: Shown
) -> None:
    with Lab() as lab:
        campaign = Campaign("c", lab.account, people(9), letter)
        campaign.send(dry_run=True)
        campaign.send(progress=False)
        assert not shown.closed
        campaign.send(only=["p3@gone.example"])
    assert [done for done, _ in shown.updates] == [1]
    assert len(shown.closed) == 1


def test_where_there_is_no_panel_lines_tell_how_far_it_is(
    people: People, letter: Template, capfd: pytest.CaptureFixture[str]
) -> None:
    with Lab() as lab:
        live = Campaign("c", lab.account, people(4), letter).start()
        live.wait()
    assert "sending: 4 of 4 (100 %), 4 accepted\n" in capfd.readouterr().err
    assert "c: done, 4 of 4 (100 %)" in repr(live)
    assert "✓ 4 accepted" in live._repr_mimebundle_()["text/plain"]


@pytest.mark.parametrize("is_blocking", [True, False])
def test_who_is_interrupted_before_anything_began_can_send_again(
    people: People, letter: Template, monkeypatch: pytest.MonkeyPatch, *, is_blocking: bool
) -> None:
    def interrupt(one: object) -> None:
        raise KeyboardInterrupt

    with Lab() as lab:
        campaign = Campaign("c", lab.account, people(3), letter)
        with monkeypatch.context() as patch:
            patch.setattr(leaving, "enter", interrupt)
            with pytest.raises(KeyboardInterrupt):
                campaign.send() if is_blocking else campaign.start()
        assert campaign.send(progress=False).counts["accepted"] == 3


def test_who_is_interrupted_while_the_books_close_can_send_again(
    people: People, letter: Template, monkeypatch: pytest.MonkeyPatch
) -> None:
    close = Writer.close

    def interrupted(writer: Writer) -> None:
        close(writer)
        raise KeyboardInterrupt

    with Lab() as lab:
        campaign = Campaign("c", lab.account, people(3), letter)
        with monkeypatch.context() as patch:
            patch.setattr(Writer, "close", interrupted)
            with pytest.raises(KeyboardInterrupt):
                campaign.send(limit=1, progress=False)
        assert campaign.send(progress=False).counts["accepted"] == 2
