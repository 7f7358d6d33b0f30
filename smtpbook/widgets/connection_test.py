"""Connection test: a button, the dialogue while it happens, and what each step means.

The dialogue runs on the sender's thread and is shown from a thread of its own, so that the
kernel answers other buttons and cells meanwhile.  What is said is `session.probe`'s,
what it means `insight.explain_probe`'s.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError
from functools import partial
from queue import SimpleQueue

import ipywidgets as ipw
import pandas as pd

from smtpbook.accounts.account import Account
from smtpbook.events import Event
from smtpbook.insight.explain_probe import explain_probe
from smtpbook.log.frame import to_frame
from smtpbook.log.transcript import transcript
from smtpbook.runner import SENDER, Job
from smtpbook.session.probe import probe_async
from smtpbook.widgets.conversation import Conversation, Who
from smtpbook.widgets.parts import Note, button, table


class ConnectionTest(ipw.VBox):
    """Tries an account: connects, logs in, says QUIT; nothing is sent.

    Parameters
    ----------
    account : callable
        Gives the account to try; None = it has said itself what is missing.
    """

    def __init__(self, account: Callable[[], Account | None]) -> None:
        self._account = account
        self._job: Job[pd.DataFrame] | None = None
        self._thread: threading.Thread | None = None
        self.test_button = button("Test connection", self.start, button_style="primary")
        self.stop_button = button("Stop", self.stop, disabled=True)
        self.note = Note()
        self.conversation = Conversation("What was said")
        self.steps = ipw.HTML()
        super().__init__(
            [
                ipw.HBox([self.test_button, self.stop_button]),
                self.note,
                self.conversation,
                self.steps,
            ]
        )

    def start(self) -> None:
        """Begin, unless a test is running; returns at once."""
        if self.is_running or (account := self._account()) is None:
            return
        self.conversation.clear()
        self.steps.value = ""
        self.note.say(f"asking {account.place} …", "hint")
        self.test_button.disabled, self.stop_button.disabled = True, False
        events: SimpleQueue[Event | None] = SimpleQueue()
        self._job = SENDER.start(partial(probe_async, account, on_event=events.put))
        self._job.add_done_callback(lambda _: events.put(None))
        # With this call's context, messages to the page are known to belong to its cell.
        self._thread = threading.Thread(
            target=contextvars.copy_context().run,
            args=(self._show, self._job, events),
            name="smtpbook form",
            daemon=True,
        )
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether a test is under way."""
        return bool(self.test_button.disabled)

    def stop(self) -> None:
        """End the test that is running."""
        if self._job is not None:
            self._job.cancel()

    def wait(self) -> None:
        """Return when no test is running."""
        if self._thread is not None:
            self._thread.join()

    def _show(self, job: Job[pd.DataFrame], events: SimpleQueue[Event | None]) -> None:
        try:
            while (event := events.get()) is not None:
                for line in transcript(to_frame([event.to_row()])).splitlines()[1:]:
                    self.conversation.append(_speaker(line), line)
            self._tell(job.result())
        except CancelledError:
            self.note.say("stopped", "error")
        except Exception as error:  # a password's function may raise anything
            self.note.say(str(error) or type(error).__name__, "error")
        finally:
            self.test_button.disabled, self.stop_button.disabled = False, True

    def _tell(self, log: pd.DataFrame) -> None:
        columns = ["step", "said", "meaning", "advice"]
        rows = explain_probe(log)[columns].itertuples(index=False)
        self.steps.value = table("Step by step", columns, rows)
        if "error" in log.attrs:
            self.note.say(log.attrs["error"], "error")
        else:
            self.note.say("it works; nothing was sent", "done")


def _speaker(line: str) -> Who:
    """Tell whose line of a transcript it is, by the mark after time and duration."""
    mark = line[25:28].strip()
    return "client" if mark == "->" else "server" if mark == "<-" else "note"
