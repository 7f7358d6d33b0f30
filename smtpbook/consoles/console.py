"""Console: a step debugger for a conversation, in a notebook.

It shows where the session stands, proposes what comes next, says what is typed, right or
wrong, and shows what came of it.  What may be said and what it means is `stepping`'s.
"""

from __future__ import annotations

import contextvars
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final

import ipywidgets as ipw

from smtpbook.accounts.account import Account
from smtpbook.consoles.views import picture, standing, step_name, step_view
from smtpbook.errors import SMTPBookError
from smtpbook.lab.behaviours import PLACES, Behaviour
from smtpbook.protocol.states import State
from smtpbook.session.script import Script
from smtpbook.stepping.situation import SAMPLE
from smtpbook.stepping.step import Step, written
from smtpbook.stepping.stepper import Stepper, Target
from smtpbook.widgets.conversation import Conversation, Who
from smtpbook.widgets.parts import (
    LABELLED,
    Field,
    Fold,
    Form,
    Note,
    button,
    choice,
    literal,
    row,
    section,
    text,
)

_BDAT: Final = re.compile(r"(BDAT) +\d+", re.IGNORECASE)
_HIDDEN: Final = (
    "[redacted] is filled in from the account when it is sent, and shown nowhere; what you "
    "type yourself stands in this page until you send it"
)


class Console(Form):
    """A conversation with a server, a line at a time.

    Parameters
    ----------
    stepper : Stepper
        Closed with the widget.
    name : str
        Of its server, in the code shown.

    Attributes
    ----------
    stepper : Stepper
        What happened so far: ``stepper.steps``, ``.log``, ``.transcript``, ``.script``.
    """

    def __init__(self, stepper: Stepper, name: str) -> None:
        self.stepper = stepper
        self.stepper.on_end = self._hang_up
        self._name = name
        self._thread: threading.Thread | None = None
        self._is_busy = False
        self._told: list[tuple[Who, str]] = []  # the lines of the dialogue shown
        self.standing, self.picture, self.whole = ipw.HTML(), ipw.HTML(), ipw.HTML()
        self.start_button = button("Connect", self.start, button_style="primary")
        self.stop_button = button("Stop waiting", self.stepper.stop, disabled=True)
        self.line = text("Line")
        self.send_button = button("Send", self.send, button_style="primary")
        self.note = Note()
        self.choices, self.mistakes = _strip(), _strip()
        self._made: dict[str, _Proposal] = {}
        self.block = Field(
            ipw.Textarea(
                description="Mail data", value="\n".join(SAMPLE), rows=6, **LABELLED
            )
        )
        self.block.control.observe(lambda _: self._count_octets(), "value")
        self.block_button = button("Send all lines and the dot", self.send_block)
        self.at = choice("Step", [("", -1)])
        self.at.control.observe(lambda _: self._show_step(), "value")
        self.back_button = button("Go back to this step", self.go_back)
        self.step = ipw.HTML()
        self.conversation = Conversation("What was said")
        super().__init__(self._parts(), watched=())
        self.add_class("smtpbook-console")
        self._show()

    def _parts(self) -> list[ipw.Widget]:
        now = ipw.VBox(
            [
                self.standing,
                ipw.HBox([self.start_button, self.stop_button]),
                ipw.HTML("<b>In order now</b>"),
                self.choices,
                Fold("Out of order, misspelt, of another time", [self.mistakes]),
            ]
        )
        top = ipw.HBox([self.picture, now])
        top.add_class("smtpbook-top")
        self._mail_data = ipw.VBox([self.block, self.block_button])
        return [
            top,
            section(row(self.line, self.send_button), self.note, self._mail_data),
            section(row(self.at, self.back_button), self.step),
            self.conversation,
            *self._fault_parts(),
            Fold(
                "Script: keep it, change it, play it from the start", self._script_parts()
            ),
            Fold("The whole state machine", [self.whole]),
        ]

    def _fault_parts(self) -> list[ipw.Widget]:
        places = [(place, place) for place in PLACES]
        self.fault_place = choice("At", places, "RCPT")
        self.fault_reply = text("Reply", placeholder="450 4.2.0 Try later")
        self.fault_recipients = text("Recipients", placeholder="*@y.test; empty: all")
        self.fault_delay = Field(
            ipw.BoundedFloatText(description="Delay in s", max=600, **LABELLED)
        )
        self.fault_times = Field(
            ipw.BoundedIntText(description="Times, 0 = always", **LABELLED)
        )
        self.fault_drop = Field(
            ipw.Checkbox(description="hang up instead of replying", indent=False)
        )
        self.fault_button = button("Have the server do so", self.fault)
        self.ordinary_button = button("As an ordinary server there", self.make_ordinary)
        self.fault_note = Note()
        if self.stepper.lab is None:
            return []
        parts = [
            *(self.fault_place, self.fault_reply, self.fault_recipients),
            *(self.fault_delay, self.fault_times, self.fault_drop),
            _strip(self.fault_button, self.ordinary_button),
            self.fault_note,
        ]
        return [Fold("On the server's side: inject a fault", parts)]

    def _script_parts(self) -> list[ipw.Widget]:
        self.script = Field(ipw.Textarea(description="Script", rows=10, **LABELLED))
        self.play_button = button("Play it from the start", self._play_typed)
        self.script_note = Note()
        return [self.script, self.play_button, self.script_note]

    # -- what the buttons do

    def start(self) -> None:
        """Connect, or begin anew; returns at once."""
        self._do(self.stepper.start, self.note)

    def send(self) -> None:
        """Say the line; returns at once."""
        line = self.line.control.value
        chunk = self._octets() if _BDAT.match(line) and not self._is_in_data() else b""
        self._do(partial(self.stepper.say, line, chunk=chunk), self.note)

    def send_block(self) -> None:
        """Say the mail data, dots doubled, and the lone dot; returns at once."""
        self._do(partial(self.stepper.say_block, self.block.control.value), self.note)

    def go_back(self) -> None:
        """Begin anew and say again what was said up to the step chosen; returns at once."""
        self._do(partial(self.stepper.go_back, self.at.control.value), self.note)

    def _play_typed(self) -> None:
        script = self.script.control.value
        try:
            read = Script.parse(script)
        except ValueError as error:
            self.script_note.say(str(error), "error")
            return
        self.script_note.clear()
        self._do(partial(self.stepper.play, read), self.script_note)

    def play(self, script: str | Script) -> Sequence[Step]:
        """Begin anew, say what a script says, and wait for the end of it.

        Raises
        ------
        ValueError
            It is no script.
        LocalProtocolError, TransportError
            A line cannot be said.
        """
        try:
            return self.stepper.play(script)
        finally:
            self._show()

    def fault(self) -> None:
        """Have the lab server behave as the fields say."""
        try:
            behaviour = Behaviour(
                reply=self.fault_reply.value or None,
                delay_s=self.fault_delay.value,
                times=self.fault_times.value or None,
                drop=self.fault_drop.value,
            )
        except ValueError as error:
            self.fault_note.say(str(error), "error")
            return
        self._set(behaviour)

    def make_ordinary(self) -> None:
        """Have the lab server do at that place what an ordinary server does."""
        self._set(Behaviour())

    def _set(self, behaviour: Behaviour) -> None:
        place = self.fault_place.value
        recipients = self.fault_recipients.value or None
        self.stepper.fault(place, behaviour, recipients)
        told = "an ordinary server's" if behaviour == Behaviour() else "this"
        self.fault_note.say(f"from now on {place} gets {told} reply", "done")

    def wait(self) -> None:
        """Return when no step is under way."""
        if self._thread is not None:
            self._thread.join()

    def close(self) -> None:
        """Leave the session, and take the widget off the page."""
        self.stepper.on_end = None
        self.stepper.close()
        super().close()

    # -- doing it

    def _do(self, action: Callable[[], object], note: Note) -> None:
        """Take a step in a thread of its own, so that other buttons answer meanwhile."""
        if self._is_busy:
            return
        note.clear()
        self._set_busy(True)
        # With this call's context, messages to the page are known to belong to its cell.
        self._thread = threading.Thread(
            target=contextvars.copy_context().run,
            args=(self._take_step, action, note),
            name="smtpbook console",
            daemon=True,
        )
        self._thread.start()

    def _take_step(self, action: Callable[[], object], note: Note) -> None:
        try:
            action()
        except (SMTPBookError, ValueError, RuntimeError) as error:
            note.say(str(error), "error")
        except Exception as error:  # a password's function may raise anything
            note.say(str(error) or type(error).__name__, "error")
        finally:
            self._show()

    def _hang_up(self) -> None:
        """Show that the server has gone, though nothing was asked of it."""
        self.note.say("the server has ended the session", "hint")
        threading.Thread(target=self._show, name="smtpbook console", daemon=True).start()

    # -- showing it

    def _set_busy(self, is_busy: bool) -> None:
        # Before any button is enabled, or a quick click would come to nothing.
        self._is_busy = is_busy
        is_open = self.stepper.is_open
        self.start_button.disabled = is_busy
        self.start_button.description = "Start again" if self.stepper.steps else "Connect"
        self.stop_button.disabled = not is_busy
        self.send_button.disabled = is_busy or not is_open
        self.back_button.disabled = is_busy or len(self.stepper.steps) < 2
        self.play_button.disabled = self.block_button.disabled = is_busy
        self.standing.value = standing(
            self.stepper.situation,
            self.stepper.account.place,
            is_open=is_open,
            is_busy=is_busy,
        )

    def _show(self) -> None:
        """Show where things stand; called after each step.  Then the next may be taken."""
        now = self.stepper.situation
        self.picture.value = picture(now.state, f"{self.model_id}-map", is_small=True)
        self.whole.value = picture(now.state, f"{self.model_id}-all", is_small=False)
        self.choices.children = self._buttons(now.choices)
        self.mistakes.children = self._buttons(now.mistakes)
        self.line.value = now.proposed
        takes_data = now.state in (State.DATA, State.RCPT, State.CHUNKS)
        self._mail_data.layout.display = "" if takes_data else "none"
        self.block_button.layout.display = "" if self._is_in_data() else "none"
        if takes_data:
            self._count_octets()
        if now.state is State.AUTH:
            self.note.say(_HIDDEN, "hint")
        self._show_steps()
        self.script.value = str(self.stepper.script)
        self._show_code()
        self._set_busy(False)

    def _show_steps(self) -> None:
        steps = self.stepper.steps
        names = [(step_name(at, step), at) for at, step in enumerate(steps)]
        self.at.control.options = names or [("nothing yet", -1)]
        self.at.control.value = len(steps) - 1
        self._show_step()
        lines = list(_dialogue(steps))
        if lines[: len(self._told)] != self._told:  # begun anew
            self.conversation.clear()
            self._told = []
        for who, line in lines[len(self._told) :]:
            self.conversation.append(who, line)
        self._told = lines

    def _show_step(self) -> None:
        number = self.at.control.value
        is_there = number is not None and 0 <= number < len(self.stepper.steps)
        self.step.value = step_view(self.stepper.steps[number]) if is_there else ""

    def _buttons(self, choices: Sequence[tuple[str, str]]) -> tuple[ipw.Button, ...]:
        """Give a button for each; those that were there before stay the same ones."""
        return tuple(self._button(name, line) for name, line in choices)

    def _button(self, name: str, line: str) -> ipw.Button:
        if name not in self._made:
            self._made[name] = _Proposal(name, self._propose)
        self._made[name].line = line
        return self._made[name]

    def _propose(self, line: str) -> None:
        self.line.value = line
        is_needed = self._is_in_data() or _BDAT.match(line)
        self._mail_data.layout.display = "" if is_needed else "none"
        self._count_octets()

    def _is_in_data(self) -> bool:
        return self.stepper.situation.state is State.DATA

    def _octets(self) -> bytes:
        lines = self.block.control.value.split("\n")
        return "".join(f"{line}\r\n" for line in lines).encode("utf-8", "replace")

    def _count_octets(self) -> None:
        """Have BDAT announce what stands in the field for the mail data."""
        line = self.line.control.value
        if _BDAT.match(line) and not self._is_in_data():
            self.line.value = _BDAT.sub(rf"\1 {len(self._octets())}", line, count=1)

    @property
    def code(self) -> str:
        """The cell that plays what was said."""
        lines = str(self.stepper.script).splitlines(keepends=True)
        script = "".join(f"    {literal(line)}\n" for line in lines)
        return (
            "import smtpbook as sb\n\n"
            f"console = sb.console({self._name})\n"
            + (f"console.play(\n{script})\n" if script else "")
            + "console"
        )


class _Proposal(ipw.Button):
    """A button that puts a line into the field."""

    def __init__(self, name: str, propose: Callable[[str], None]) -> None:
        self.line = ""
        super().__init__(description=name, tooltip=f"put {name} into the field")
        self.on_click(lambda _: propose(self.line))


def _strip(*buttons: ipw.Button) -> ipw.HBox:
    """Give a place for buttons, which go on below where the page is narrow."""
    strip = ipw.HBox(buttons)
    strip.add_class("smtpbook-strip")
    return strip


def _dialogue(steps: Sequence[Step]) -> Iterator[tuple[Who, str]]:
    """Give the lines of the dialogue: whose each is, and its text."""
    for step in steps:
        if step.note:
            yield "note", f"   {step.note}"
        if step.ruling is not None:
            yield "client", f"C: {step.line}"
        for reply in step.replies:
            for line in written(reply):
                yield "server", f"S: {line}"
        if step.error:
            yield "note", f"   {step.error}"


def console(target: Target) -> Console:
    """Open a console: step through a session, and see what each line comes to.

    The state machine with the current state, the next command proposed and editable, the
    octets, the reply and its meaning, what is allowed next and what the RFC says of it.
    Wrong commands can be said, too.

    Parameters
    ----------
    target : Account or Lab
        A lesson's lab server, too, in a classroom or not.  A lab that has not been started
        is started; closing the console stops it.

    Returns
    -------
    Console
        A widget.  ``.stepper`` has the steps, the event log, the transcript and the
        script; ``.close()`` ends the session.

    Raises
    ------
    TypeError
        `target` is neither.
    LocalProtocolError
        The account's password was to be typed, and there is nobody to ask.

    References
    ----------
    RFC 5321 sections 4.1.4 (order of commands) and 4.3.2 (which reply answers what).
    """
    name = "account" if isinstance(target, Account) else "lab"
    return Console(Stepper(target), name)
