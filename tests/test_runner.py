"""Runner: the trio thread, and the way into it and out again."""

from __future__ import annotations

import contextvars
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import CancelledError
from typing import Any

import pytest
import trio

from smtpbook.runner import SENDER, TrioThread, lag_gauge, refuse_inside_trio

colour: contextvars.ContextVar[str] = contextvars.ContextVar("colour", default="none")


@pytest.fixture(scope="module")
def thread() -> TrioThread:
    """A thread of the tests' own, which lives as long as they do."""
    return TrioThread("tests")


async def double(number: int) -> int:
    await trio.lowlevel.checkpoint()
    return 2 * number


# --- results and errors -------------------------------------------------------------------


def test_a_result_crosses_the_thread(thread: TrioThread) -> None:
    assert thread.run(double, 21) == 42
    jobs = [thread.start(double, number) for number in range(100)]
    assert [job.result(10) for job in jobs] == [2 * number for number in range(100)]


def test_all_jobs_share_one_thread_that_is_not_ours(thread: TrioThread) -> None:
    async def where() -> threading.Thread:
        return threading.current_thread()

    first, second = thread.run(where), thread.run(where)
    assert first is second
    assert first is not threading.current_thread()
    assert (first.name, first.daemon) == ("tests", True)


def test_many_callers_get_one_thread() -> None:
    async def where() -> threading.Thread:
        return threading.current_thread()

    fresh, found = TrioThread("fresh"), []
    barrier = threading.Barrier(8)

    def ask() -> None:
        barrier.wait()
        found.append(fresh.run(where))

    callers = [threading.Thread(target=ask) for _ in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(10)
    assert len(found) == 8
    assert len(set(found)) == 1


@pytest.mark.parametrize("error", [KeyError("mine"), SystemExit(3), KeyboardInterrupt()])
def test_an_error_crosses_the_thread_and_leaves_it_running(
    error: BaseException, thread: TrioThread
) -> None:
    async def fail() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        thread.run(fail)
    assert caught.value is error
    assert thread.run(double, 1) == 2


def test_call_calls_a_plain_function_there(thread: TrioThread) -> None:
    called = threading.Event()
    where: list[str] = []

    def note(name: str) -> None:
        where.append(f"{name} {threading.current_thread().name}")
        called.set()

    thread.call(note, "in")
    assert called.wait(10)
    assert where == ["in tests"]


# --- cancelling ---------------------------------------------------------------------------


def test_a_cancelled_job_cleans_up_before_it_ends(thread: TrioThread) -> None:
    steps: list[str] = []
    begun = threading.Event()

    async def work() -> None:
        try:
            begun.set()
            await trio.sleep_forever()
        finally:
            steps.append("cleaned up")

    job = thread.start(work)
    assert begun.wait(10)
    assert job.cancel()
    with pytest.raises(CancelledError):
        job.result(10)
    assert steps == ["cleaned up"]
    assert job.cancelled()
    assert not job.cancel()  # it has ended


def test_a_job_cancelled_before_it_began_does_not_begin(thread: TrioThread) -> None:
    for _ in range(50):
        job = thread.start(trio.sleep_forever)
        job.cancel()
        with pytest.raises(CancelledError):
            job.result(10)


def test_a_job_that_has_ended_is_not_cancelled(thread: TrioThread) -> None:
    job = thread.start(double, 4)
    assert job.result(10) == 8
    assert not job.cancel()
    assert job.result() == 8


def is_in(thread: int, function: str) -> bool:
    """Whether a thread waits in a function of this name."""
    frame = sys._current_frames()[thread].f_back
    return frame is not None and frame.f_code.co_name == function


def test_an_interrupted_wait_cancels_what_nobody_waits_for_any_more(
    thread: TrioThread,
) -> None:
    ended = threading.Event()
    caller = threading.get_ident()

    async def work() -> None:
        try:
            while not is_in(caller, "result"):
                await trio.lowlevel.checkpoint()
            os.kill(os.getpid(), signal.SIGINT)
            await trio.sleep_forever()
        finally:
            ended.set()

    with pytest.raises(KeyboardInterrupt):
        thread.run(work)
    assert ended.wait(10)
    assert thread.run(double, 1) == 2


# --- the caller ---------------------------------------------------------------------------


def test_a_job_sees_its_callers_context(thread: TrioThread) -> None:
    async def look() -> str:
        await trio.lowlevel.checkpoint()
        return colour.get()

    def as_seen_from(name: str) -> str:
        colour.set(name)
        return thread.run(look)

    seen = [contextvars.copy_context().run(as_seen_from, name) for name in ("red", "blue")]
    assert seen == ["red", "blue"]
    assert colour.get() == "none"


async def test_a_blocking_call_is_refused_where_trio_runs(thread: TrioThread) -> None:
    with pytest.raises(RuntimeError, match="this thread runs trio"):
        thread.run(double, 1)
    with pytest.raises(RuntimeError, match=r"use await it\(\)"):
        refuse_inside_trio("await it()")
    job = thread.start(double, 1)  # which does not block
    assert await trio.to_thread.run_sync(job.result) == 2
    # A worker thread of trio's is no trio loop.
    assert await trio.to_thread.run_sync(thread.run, double, 2) == 4


def test_a_blocking_call_is_refused_on_its_own_thread(thread: TrioThread) -> None:
    async def wait_for_itself() -> None:
        thread.run(double, 1)

    with pytest.raises(RuntimeError, match="this thread runs trio"):
        thread.run(wait_for_itself)


def test_nothing_is_refused_where_no_trio_runs() -> None:
    refuse_inside_trio("anything")


# --- the process --------------------------------------------------------------------------


def python(code: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, **options
    )


def test_a_process_ends_although_the_thread_runs() -> None:
    done = python(
        "import trio\n"
        "from smtpbook.runner import SENDER\n"
        "async def hello(): print('hello')\n"
        "SENDER.run(hello)\n"
        "SENDER.start(trio.sleep_forever)\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "hello\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_forked_child_has_a_thread_of_its_own() -> None:
    done = python(
        "import os, sys, warnings\n"
        # Python 3.12 and later warn of every fork beside a thread; that is what is tried.
        "warnings.simplefilter('ignore', DeprecationWarning)\n"
        "from smtpbook.runner import SENDER\n"
        "async def who(): return os.getpid()\n"
        "assert SENDER.run(who) == os.getpid()\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    os._exit(0 if SENDER.run(who) == os.getpid() else 1)\n"
        "_, status = os.waitpid(child, 0)\n"
        "assert SENDER.run(who) == os.getpid()\n"
        "sys.exit(os.waitstatus_to_exitcode(status))\n"
    )
    assert (done.returncode, done.stderr) == (0, "")


# --- the gauge ----------------------------------------------------------------------------


def test_outside_a_trio_thread_nothing_is_measured() -> None:
    async def look() -> object:
        return lag_gauge()

    assert trio.run(look) is None


def test_inside_the_gauge_says_how_late_the_loop_is() -> None:
    async def look() -> float:
        gauge = lag_gauge()
        assert gauge is not None
        return gauge[0]

    assert 0 <= SENDER.run(look) < 10


def test_the_gauge_grows_while_another_thread_holds_the_interpreter(
    thread: TrioThread,
) -> None:
    watching = threading.Event()

    async def watch() -> float:
        """Wait until the loop was late once; how late it was."""
        gauge = lag_gauge()
        assert gauge is not None
        watching.set()
        while gauge[0] < 0.1:
            await trio.lowlevel.checkpoint()
        return gauge[0]

    job = thread.start(watch)
    assert watching.wait(10)
    while not job.done():
        sum(range(10_000_000))  # one call in C: the interpreter is not given away
    assert job.result() >= 0.1
