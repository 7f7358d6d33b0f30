"""Letter test: a letter sent to oneself, by a saved account, and what became of it.

What is sent is `campaign.trial`'s.  It is sent from a thread, so that the kernel answers
other buttons and cells meanwhile.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

import ipywidgets as ipw

from smtpbook.accounts.account import Account
from smtpbook.accounts.store import list_accounts, load_account
from smtpbook.campaign.trial import send_test
from smtpbook.errors import TemplateError
from smtpbook.escape import visible
from smtpbook.messages.template import Template
from smtpbook.widgets.parts import Note, button, choice, text

_NONE: Final = ("none is saved", "")


class LetterTest(ipw.VBox):
    """Sends a letter to the one who writes it.

    Parameters
    ----------
    letter : callable
        Gives the letter as it stands, or raises TemplateError.
    row : callable
        Gives the fields it is filled in with.
    """

    def __init__(
        self, letter: Callable[[], Template], row: Callable[[], Mapping[str, Any]]
    ) -> None:
        self._letter, self._row = letter, row
        self._thread: threading.Thread | None = None
        self.to = text("Send a test to", placeholder="your own address")
        self.account = choice("by account", [_NONE])
        self.button = button("Send a test to myself", self.send)
        self.note = Note()
        self.offer_accounts()
        self.to.control.observe(lambda _: self.offer_accounts(), "value")
        super().__init__([self.to, self.account, self.button, self.note])

    def offer_accounts(self) -> None:
        """Offer what is saved now: an account may have been, since the form was made."""
        offered = tuple((name, name) for name in list_accounts()) or (_NONE,)
        control = self.account.control
        if offered != tuple(control.options):
            chosen = control.value
            control.options = offered
            if chosen in dict(offered):
                control.value = chosen

    def send(self) -> None:
        """Send the letter, filled in for the recipient who is looked at."""
        self.note.clear()
        to, name = self.to.value, self.account.value
        self.offer_accounts()
        if not to:
            self.to.note.say("your own address is missing", "error")
            return
        if not name:
            self.account.note.say("save an account first: sb.account_form()", "error")
            return
        try:
            letter, account = self._letter(), load_account(name)
        except (TemplateError, ValueError, OSError) as error:
            self.note.say(str(error), "error")
            return
        self.button.disabled = True
        self.note.say(f"sending to {visible(to)} …", "hint")
        # With this call's context, messages to the page are known to belong to its cell.
        self._thread = threading.Thread(
            target=contextvars.copy_context().run,
            args=(self._send, letter, account, to, dict(self._row())),
            name="smtpbook form",
            daemon=True,
        )
        self._thread.start()

    def wait(self) -> None:
        """Return when nothing is being sent."""
        if self._thread is not None:
            self._thread.join()

    def _send(
        self, letter: Template, account: Account, to: str, row: Mapping[str, Any]
    ) -> None:
        try:
            run = send_test(letter, account, to, row)
        except Exception as error:  # a password's function may raise anything
            self.note.say(str(error) or type(error).__name__, "error")
        else:
            story = run.recipient(run.outcomes["recipient"].iloc[0])
            is_taken = story.outcome == "accepted"
            self.note.say(story.summary, "done" if is_taken else "error")
        finally:
            self.button.disabled = False
