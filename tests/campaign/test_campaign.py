"""Campaign: send, and send again, and be interrupted; against a lab in its own thread."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from smtpbook import progress
from smtpbook.accounts.account import Account
from smtpbook.campaign.campaign import Campaign
from smtpbook.errors import RecipientsError, SendStopped, TemplateError, TransportError
from smtpbook.events import Event
from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab
from smtpbook.messages.template import Template
from smtpbook.recipients.suppression import SuppressionList

People = Callable[[int], pd.DataFrame]


def addresses(lab: Lab) -> list[str]:
    return [who for one in lab.received for who in one.recipients]


# --- sending ------------------------------------------------------------------------------


@pytest.mark.parametrize("connections", [1, 4])
def test_everybody_gets_their_own_letter_once(
    connections: int, people: People, letter: Template
) -> None:
    with Lab("mixed-day", seed=3) as lab:
        campaign = Campaign("c", lab.account, people(36), letter, connections=connections)
        run = campaign.send(progress=False)
        assert {name: run.counts[name] for name in lab.counts} == lab.counts
        assert sum(run.counts.values()) == sum(lab.counts.values()) == 36
        for one in lab.received:
            (who,) = one.recipients
            number = who.partition("@")[0][1:]
            assert f"Subject: Hello Person {number}\r\n".encode() in one.data
        assert len(set(addresses(lab))) == len(lab.received) == run.counts["accepted"]
    assert set(run.log["campaign_id"]) == {campaign.id}
    assert set(run.log["account"]) == {"lab"}


def test_what_was_deferred_is_sent_again_on_wish(people: People, letter: Template) -> None:
    with Lab("greylisting", speed=1e9) as lab:
        campaign = Campaign("c", lab.account, people(10), letter, connections=2)
        assert campaign.send(progress=False).counts["deferred"] == 10
        assert len(campaign.send(progress=False).log) == 0  # those never tried: nobody
        run = campaign.send(only=["greylisted"], limit=4, progress=False)
        assert run.counts["accepted"] == 4
        assert set(run.outcomes["attempt"]) == {2}
        run = campaign.send(only="deferred", progress=False)
        assert run.counts["accepted"] == 6
        assert len(set(addresses(lab))) == len(lab.received) == 10
        assert campaign.counts == {"accepted": 10}
        again = campaign.send(only=["p3@gone.example"], progress=False)
        assert again.outcomes["recipient"].tolist() == ["p3@gone.example"]


def test_a_limit_leaves_the_rest_for_later(people: People, letter: Template) -> None:
    with Lab() as lab:
        campaign = Campaign("c", lab.account, people(10), letter)
        assert sum(campaign.send(limit=3, progress=False).counts.values()) == 3
        assert campaign.counts == {"accepted": 3, "pending": 7}
        assert sum(campaign.send(progress=False).counts.values()) == 7
        assert sorted(addresses(lab)) == sorted(people(10)["email"])


def test_the_suppressed_are_named_and_not_written_to(
    people: People, letter: Template
) -> None:
    with Lab() as lab:
        never = ["P1@PATIENCE.example", "p4@slowlane.example", "stranger@z.test"]
        campaign = Campaign("c", lab.account, people(6), letter, suppress=never)
        run = campaign.send(progress=False)
        assert run.counts["suppressed"] == 2
        assert sum(run.counts.values()) == 6
        assert sorted(set(people(6)["email"]) - set(addresses(lab))) == [
            "p1@patience.example",
            "p4@slowlane.example",
        ]
        assert sum(campaign.send(only="p1@patience.example").counts.values()) == 0
    rows = run.log[run.log["recipient"] == "p1@patience.example"]
    assert rows["outcome"].tolist() == ["suppressed"]


def test_a_suppression_list_is_asked_before_each_send(
    people: People, letter: Template, tmp_path: Path
) -> None:
    stop = SuppressionList.open(tmp_path / "never.csv")
    stop.add("P1@patience.example", reason="unsubscribed")
    stop.add("@gone.example", campaign="c")
    stop.add("p0@ordinary.example", campaign="another")
    with Lab() as lab:
        campaign = Campaign("c", lab.account, people(6), letter, suppress=stop)
        assert campaign.counts == {"pending": 4, "suppressed": 2}
        campaign.send(limit=1, progress=False)
        stop.add_many(people(6))
        run = campaign.send(progress=False)
        assert run.counts["suppressed"] == 5
        assert campaign.counts == {"accepted": 1, "suppressed": 5}
        again = campaign.send(only="p0@ordinary.example", progress=False)
        assert len(again.log) == 0
        assert len(lab.received) == 1


def test_a_dry_run_checks_every_row_and_asks_nobody(
    people: People, letter: Template, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    account = Account(host="127.0.0.1", port=9, tls="none")
    campaign = Campaign("c", account, people(5), letter)
    run = campaign.send(dry_run=True)
    assert len(run.log) == 0
    assert campaign.counts == {"pending": 5}
    broken = people(5)
    broken.loc[3, "first_name"] = None
    with pytest.raises(TemplateError):
        Campaign("c", account, broken, letter).send(dry_run=True)


@pytest.mark.parametrize("cell", [None, "two\r\nlines", "nul\0", "line\u2028separator"])
def test_a_row_that_cannot_be_rendered_stops_everything_before_it_begins(
    cell: str | None, people: People, letter: Template
) -> None:
    frame = people(5)
    frame.loc[3, "first_name"] = cell
    with Lab() as lab:
        campaign = Campaign("c", lab.account, frame, letter)
        if cell == "nul\0":  # such a row is left out of the list, and said to be
            assert "nul" in campaign.people.problems["rule"].tolist()
            return
        with pytest.raises(TemplateError, match="message 4 of 5.*nothing has been sent"):  # noqa: RUF043
            campaign.send(progress=False)
        assert lab._shared.sessions == 0
    assert campaign.counts == {"pending": 5}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"connections": 0}, "connections=0"),
        ({"pace": "soon"}, "pace='soon'"),
        ({"suppress": ["nonsense"]}, "'nonsense' is not an address"),
    ],
)
def test_a_campaign_that_is_none_says_what_is_wrong(
    options: dict[str, object], told: str, people: People, letter: Template
) -> None:
    account = Account(host="127.0.0.1", port=9, tls="none")
    with pytest.raises(ValueError, match=told):
        Campaign("c", account, people(2), letter, **options)  # type: ignore[arg-type]


def test_a_list_that_is_none_says_so(letter: Template, tmp_path: Path) -> None:
    account = Account(host="127.0.0.1", port=9, tls="none")
    with pytest.raises(RecipientsError):
        Campaign("c", account, tmp_path / "missing.csv", letter)


def test_a_server_that_is_not_there_raises_and_changes_nothing(
    people: People, letter: Template
) -> None:
    with Lab() as lab:
        account = lab.account
    campaign = Campaign("c", account, people(3), letter)
    with pytest.raises(TransportError, match="connecting to"):
        campaign.send(progress=False)
    assert campaign.counts == {"pending": 3}
    assert repr(campaign) == "<Campaign 'c': ○ 3 pending>"


# --- asking -------------------------------------------------------------------------------


def test_where_nobody_is_there_send_names_the_way_out(
    people: People, letter: Template, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    with Lab() as lab:
        real = lab.account.replace(is_lab=False)
        campaign = Campaign("c", real, people(3), letter)
        with pytest.raises(RuntimeError, match="confirm=False"):
            campaign.send()
        with pytest.raises(RuntimeError, match="confirm=False"):
            campaign.send(only=None, limit=2)
        assert lab._shared.sessions == 0
        assert campaign.send(confirm=False, progress=False).counts["accepted"] == 3


async def test_send_async_never_asks(people: People, letter: Template) -> None:
    account = Account(host="127.0.0.1", port=9, tls="none")
    campaign = Campaign("c", account, people(3), letter)
    with pytest.raises(RuntimeError, match="never asks"):
        await campaign.send_async()
    with pytest.raises(RuntimeError, match=r"use await campaign\.send_async"):
        campaign.send()
    with pytest.raises(TransportError):
        await campaign.send_async(confirm=False)


# --- one at a time ------------------------------------------------------------------------


def test_a_second_send_gets_an_answer_instead_of_a_wait(
    people: People, letter: Template
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def hold(event: Event) -> None:
        if event.verb == "RCPT":
            begun.set()
            go_on.wait(10)

    with Lab(record=hold) as lab:
        campaign = Campaign("c", lab.account, people(3), letter)
        first = threading.Thread(target=campaign.send, kwargs={"progress": False})
        first.start()
        assert begun.wait(10)
        try:
            with pytest.raises(RuntimeError, match="already sending"):
                campaign.send(progress=False)
        finally:
            go_on.set()
            first.join(20)
        assert sorted(addresses(lab)) == sorted(people(3)["email"])
        assert len(campaign.send(progress=False).log) == 0  # and then it may


# --- progress -----------------------------------------------------------------------------


def test_progress_is_shown_and_ends_at_the_total(people: People, letter: Template) -> None:
    shown: list[tuple[int, dict[str, int]]] = []
    opened: list[tuple[str, int]] = []
    closed: list[bool] = []

    class Display:
        def update(self, done: int, counts: object) -> None:
            shown.append((done, dict(counts)))  # type: ignore[call-overload]

        def close(self) -> None:
            closed.append(True)

    def open_display(title: str, total: int) -> Display:
        opened.append((title, total))
        return Display()

    progress.use(open_display)
    try:
        with Lab("greylisting") as lab:
            Campaign("c", lab.account, people(12), letter).send()
    finally:
        progress.use(None)
    assert opened == [("sending", 12)]
    assert [done for done, _ in shown] == list(range(1, 13))
    assert shown[-1][1] == {"deferred": 12}
    assert closed == [True]


# --- interrupted --------------------------------------------------------------------------


def interrupt_when(wanted: str, count: int) -> Callable[[Event], None]:
    """Press Ctrl-C when the server has said so many replies to a verb."""
    left = [count]

    def watch(event: Event) -> None:
        if event.verb == wanted:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGINT)

    return watch


def test_an_interrupt_finishes_what_has_begun(people: People, letter: Template) -> None:
    with Lab(record=interrupt_when("END-OF-DATA", 20)) as lab:
        campaign = Campaign("c", lab.account, people(600), letter, connections=4)
        with pytest.raises(SendStopped) as caught:
            campaign.send(progress=False)
        assert isinstance(caught.value, KeyboardInterrupt)
        run = caught.value.run
        assert run.counts["accepted"] == lab.counts["accepted"] == len(lab.received)  # type: ignore[attr-defined]
        assert 20 <= run.counts["accepted"] < 600  # type: ignore[attr-defined]
        assert run.counts["in_doubt"] == run.counts["failed"] == 0  # type: ignore[attr-defined]
        said = run.log.loc[run.log["kind"] == "command", ["session_id", "verb"]]  # type: ignore[attr-defined]
        assert set(said.groupby("session_id")["verb"].last()) == {"QUIT"}
        # And it goes on where it was stopped.
        rest = campaign.send(progress=False)
        assert rest.counts["accepted"] == 600 - run.counts["accepted"]  # type: ignore[attr-defined]
        assert len(set(addresses(lab))) == len(lab.received) == 600


def test_an_interrupt_does_not_wait_for_a_connection(
    people: People, letter: Template
) -> None:
    with Lab() as lab:
        lab.set(greeting=Behaviour(delay_s=200))
        lab.set("nobody", noop=Behaviour())
        campaign = Campaign("c", lab.account, people(9), letter)
        caller = threading.get_ident()

        def press() -> None:
            _wait_until_in(caller, "result", lambda: lab._shared.sessions == 1)
            os.kill(os.getpid(), signal.SIGINT)

        pressing = threading.Thread(target=press)
        pressing.start()
        with pytest.raises(SendStopped):
            campaign.send(progress=False)
        pressing.join(10)
    assert campaign.counts == {"pending": 9}


def _wait_until_in(thread: int, function: str, also: Callable[[], bool]) -> None:
    while True:
        frame = sys._current_frames()[thread].f_back
        if frame is not None and frame.f_code.co_name == function and also():
            return


def test_a_second_interrupt_cuts_it_off_and_knows_what_is_in_doubt(
    people: People, letter: Template
) -> None:
    said: list[Event] = []
    with Lab(record=said.append) as lab:
        lab.set("p3@*", end_of_data=Behaviour(delay_s=250, times=1))
        campaign = Campaign("c", lab.account, people(9), letter, connections=1)
        caller = threading.get_ident()

        def press_twice() -> None:
            # The fourth has begun.
            _wait_until_in(
                caller, "result", lambda: sum(e.verb == "RCPT" for e in list(said)) >= 4
            )
            os.kill(os.getpid(), signal.SIGINT)
            _wait_until_in(caller, "exception", lambda: True)
            os.kill(os.getpid(), signal.SIGINT)
            # One that comes just before the caller begins to wait is not seen until
            # the wait is over: CPython looks for signals first and then waits.
            while not ended.wait(1):
                os.kill(os.getpid(), signal.SIGINT)

        ended = threading.Event()
        pressing = threading.Thread(target=press_twice)
        pressing.start()
        with pytest.raises(SendStopped) as caught:
            campaign.send(progress=False)
        ended.set()
        pressing.join(10)
        run = caught.value.run
        assert run.counts["accepted"] == 3  # type: ignore[attr-defined]
        assert sum(run.counts.values()) + campaign.counts["pending"] == 9  # type: ignore[attr-defined]
        begun = run.counts["in_doubt"] + run.counts["failed"]  # type: ignore[attr-defined]
        assert 1 <= begun <= 2
        campaign.send(progress=False)
        received = addresses(lab)
        assert len(set(received)) == len(received)


SCRIPT = """
import sys
import pandas as pd
from smtpbook.campaign.campaign import Campaign
from smtpbook.errors import SendStopped
from smtpbook.lab.lab import Lab
from smtpbook.messages.template import Template
from smtpbook.recipients.suppression import SuppressionList

letter = Template(header_from="ann@x.test", subject="Hello", text="Come.")
people = pd.DataFrame({"email": [f"p{n}@y.test" for n in range(5_000)]})
told = [False]

def tell(event):
    if event.verb == "END-OF-DATA" and not told[0]:
        told[0] = True
        print("begun", flush=True)

with Lab(record=tell) as lab:
    try:
        Campaign("c", lab.account, people, letter).send(progress=False)
    except SendStopped as stop:
        counts = stop.run.counts
        print(counts["accepted"], counts["in_doubt"], counts["failed"], len(lab.received))
        sys.exit(130)
"""


def test_ctrl_c_in_a_script_ends_it_cleanly() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SCRIPT)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=30)
    accepted, in_doubt, failed, received = map(int, out.split())
    assert (process.returncode, errors) == (130, "")
    assert 0 < accepted == received < 5_000
    assert (in_doubt, failed) == (0, 0)
