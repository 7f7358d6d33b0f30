"""A process that ends in the middle of a send brings it to a clean end first."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from jupyter_client.manager import KernelManager

from smtpbook.campaign.opening import open_campaign
from smtpbook.events import Event
from smtpbook.lab.lab import Lab
from smtpbook.processes import leaving
from smtpbook.processes.leaving import end_all, enter, leave
from tests.servers.process import ROOT

SCRIPT = """
import pandas as pd
import sys
import threading
from smtpbook.accounts.account import Account
from smtpbook.campaign.campaign import Campaign
from smtpbook.messages.template import Template
from smtpbook.processes import leaving

leaving._TERM_S = 30.0  # Jupyter is not there to kill it sooner, and this computer is busy
port, folder, way = sys.argv[1:]
account = Account(host="127.0.0.1", port=int(port), tls="none", is_lab=True)
people = pd.DataFrame({"email": [f"p{n}@y.test" for n in range(5_000)]})
letter = Template(header_from="ann@x.test", subject="Hello", text="Come.")
campaign = Campaign("c", account, people, letter, folder=folder)
if way == "send":
    campaign.send(progress=False)
else:
    live = campaign.start(progress=False)
    if way == "end":
        sys.stdin.readline()  # and that is the end of it
    else:
        threading.Event().wait()
"""


class Begun:
    """Knows when the server has taken some, and how each session ended."""

    def __init__(self) -> None:
        self.enough = threading.Event()
        self.last: dict[str | None, str | None] = {}
        self._left = 20

    @property
    def have_left(self) -> bool:
        """Whether each session was left by QUIT, or nothing was asked for in it."""
        return set(self.last.values()) <= {"QUIT", "EHLO"}

    def __call__(self, event: Event) -> None:
        if event.kind == "command":
            self.last[event.session_id] = event.verb
        if event.verb == "END-OF-DATA":
            self._left -= 1
            if not self._left:
                self.enough.set()


class Stubborn:
    """A send that comes to no end before it is given up."""

    is_blocking = False

    def __init__(self) -> None:
        self.waited_s: list[float] = []
        self._over = threading.Event()

    def stop(self) -> None:
        """Begin nothing new, which is not enough."""

    def cut_off(self) -> None:
        self._over.set()

    def join(self, timeout_s: float | None = None) -> bool:
        if not self._over.is_set():
            assert timeout_s is not None
            self.waited_s.append(timeout_s)
        return self._over.wait(timeout_s)


def test_what_comes_to_no_end_is_given_up_when_the_patience_for_all_is_over() -> None:
    sends = Stubborn(), Stubborn(), Stubborn()
    for one in sends:
        enter(one)
    try:
        assert not end_all(0.1)
    finally:
        for one in sends:
            leave(one)
    first, *others = [waited_s for one in sends for waited_s in one.waited_s]
    assert 0 <= first <= 0.1
    assert others == pytest.approx([0, 0], abs=0.01)


def test_on_sigterm_all_is_given_up_before_jupyter_kills() -> None:
    """A kernel's manager does so after half of its ``shutdown_wait_time``."""
    assert KernelManager().shutdown_wait_time / 2 > leaving._TERM_S


@pytest.mark.parametrize("way", ["end", "start", "send"])
def test_what_is_on_the_wire_is_finished(way: str, tmp_path: Path) -> None:
    begun = Begun()
    with Lab(record=begun) as lab:
        with subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(lab.port), str(tmp_path), way],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert begun.enough.wait(30)
            if way != "end":
                process.send_signal(signal.SIGTERM)
            _, errors = process.communicate("\n", timeout=60)
        expected = {"end": 0, "start": -signal.SIGTERM, "send": 128 + signal.SIGTERM}
        assert (process.returncode, errors) == (expected[way], "")
        campaign = open_campaign(tmp_path / "c", lab.account)
        counts = campaign.counts
        assert counts == {
            "accepted": len(lab.received),
            "pending": 5_000 - len(lab.received),
        }
        assert 20 <= counts["accepted"] < 5_000
        for _ in range(3000):  # the server may hear the last word when the client has gone
            if begun.have_left:
                break
            threading.Event().wait(0.01)
        assert begun.have_left, begun.last


def test_who_listens_to_sigterm_already_keeps_it() -> None:
    code = """
import signal
signal.signal(signal.SIGTERM, lambda *_: None)
mine = signal.getsignal(signal.SIGTERM)
from smtpbook.processes.leaving import enter
enter(object())
assert signal.getsignal(signal.SIGTERM) is mine
import os; os._exit(0)
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


STARTING = """
import os
import signal
import sys
import threading
import pandas as pd
import smtpbook as sb
from smtpbook import runner

class Terminated(threading.Thread):
    def start(self):
        super().start()
        if self.name == "smtpbook sender":
            os.kill(os.getpid(), signal.SIGTERM)

account = sb.Account(host="127.0.0.1", port=int(sys.argv[1]), tls="none", is_lab=True)
people = pd.DataFrame({"email": ["p@y.test"]})
letter = sb.Template(header_from="ann@x.test", subject="Hello", text="Come.")
campaign = sb.Campaign("c", account, people, letter, folder=sys.argv[2])
runner.threading.Thread = Terminated
campaign.send(progress=False)
"""


def test_terminated_while_the_sending_thread_is_started_it_ends(tmp_path: Path) -> None:
    with Lab() as lab:
        done = subprocess.run(
            [sys.executable, "-c", STARTING, str(lab.account.port), str(tmp_path)],
            cwd=ROOT,
            check=False,
            timeout=60,
        )
    assert done.returncode == 128 + signal.SIGTERM
