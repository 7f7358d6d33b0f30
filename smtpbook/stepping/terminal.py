"""Terminal: the console for a terminal, a line at a time.

What is typed is said to the server as it stands; what begins with ``?`` or ``:`` is for the
console.  It reads and prints; what is said and what it means is the `stepper`'s.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TextIO

from smtpbook.errors import SMTPBookError, near_miss
from smtpbook.escape import visible
from smtpbook.lab.behaviours import PLACES, Behaviour
from smtpbook.protocol.states import State
from smtpbook.session.script import chunk_size
from smtpbook.stepping.ruling import rule
from smtpbook.stepping.situation import OBSOLETE, SAMPLE_CHUNK
from smtpbook.stepping.step import Step, written
from smtpbook.stepping.stepper import Stepper, Target

_HELP: Final = """\
What you type is said to the server as it stands: right, wrong or misspelt.
Enter alone says the line proposed between [ and ]; after DATA it is an empty line.

  ?              this, and what may be said now
  ?LINE          what the RFC says about a line here, without saying it
  :bytes         the octets of the last step, and what TLS hid of them
  :back [N]      begin anew, and say all again but the last step (or the first N)
  :again         begin anew
  :fault PLACE REPLY   the lab server says so from now on: :fault rcpt 450 4.2.0 Later
  :fault PLACE drop    or hangs up there; :fault PLACE alone: as ordinary servers do
  :script        what was said, to be played again (:play FILE does, :save FILE keeps it)
  :transcript    the dialogue with its times
  :leave         QUIT and end; so does Ctrl-D

A line that begins with ? or : is said with a backslash in front: \\:
"""
_ABOUT: Final = ("bytes", "back", "again", "fault", "script", "play", "save", "transcript")
_COMMANDS: Final = (*_ABOUT, "leave")
# SGR: green, cyan, yellow, red, by the first digit of a reply; bold is what is ours.
_COLORS: Final = {2: "32", 3: "36", 4: "33", 5: "31"}
_BOLD: Final = "1"


class Terminal:
    """A console in a terminal.

    Parameters
    ----------
    stepper : Stepper
        Closed when it ends.
    source, target : text file, optional
        Default: the process's own.  Colours and completion only where these are a terminal.
    """

    def __init__(
        self,
        stepper: Stepper,
        *,
        source: TextIO | None = None,
        target: TextIO | None = None,
    ) -> None:
        self._stepper = stepper
        self._source = source
        self._target = sys.stdout if target is None else target
        is_terminal = self._target.isatty() and os.environ.get("TERM") != "dumb"
        self._has_colors = is_terminal and not os.environ.get("NO_COLOR")
        self._verbs: Final[dict[str, Callable[[str], None]]] = {
            "bytes": self._bytes,
            "back": self._back,
            "again": lambda _: self._tell(self._stepper.start()),
            "fault": self._fault,
            "script": lambda _: self._print(str(self._stepper.script), newlines=True),
            "play": self._play,
            "save": self._save,
            "transcript": lambda _: self._print(self._stepper.transcript, newlines=True),
        }

    def run(self) -> None:
        """Converse until the user leaves."""
        if self._source is None and sys.stdin.isatty():
            self._complete()
        try:
            self._print("A line is said as you type it; ? helps, Ctrl-D ends.")
            self._tell(self._stepper.start())
            while (line := self._next()) is not None:
                self._obey(line)
        finally:
            self._stepper.close()

    # -- reading

    def _prompt(self) -> str:
        now = self._stepper.situation
        proposed = f" [{now.proposed}]" if now.proposed and now.state != State.DATA else ""
        return f"{now.state.name}{proposed}> "

    def _next(self) -> str | None:
        """Read what is to be done; None = the user leaves."""
        while True:
            try:
                line = self._read(self._prompt())
            except KeyboardInterrupt:  # of a line that is being typed
                self._target.write("^C\n")
                continue
            return None if line is None or line.strip() == ":leave" else line

    def _read(self, prompt: str) -> str | None:
        """Read a line; None = there are no more."""
        try:
            if self._source is None:
                return input(prompt)
            self._target.write(prompt)
            line = self._source.readline()
            self._target.write(line if line else "\n")
        except EOFError:
            self._target.write("\n")
            return None
        return line.rstrip("\n") if line else None

    def _complete(self) -> None:
        """Complete verbs with Tab, and recall lines; nothing is kept in a file."""
        try:
            import readline
        except ImportError:  # a Python without it
            return
        readline.set_completer(self._completion)
        readline.set_completer_delims("\n")
        is_libedit = "libedit" in (readline.__doc__ or "")
        readline.parse_and_bind("bind ^I rl_complete" if is_libedit else "tab: complete")

    def completions(self, text: str) -> list[str]:
        """Give the lines that begin so, whatever the state makes of them."""
        if text.startswith(":"):
            found = [f":{name} " for name in _COMMANDS]
        else:
            now = self._stepper.situation
            found = [line for _, line in (*now.choices, *now.mistakes)]
            found = [*found, *(one for one in OBSOLETE if one not in found)]
        return [one for one in dict.fromkeys(found) if one.upper().startswith(text.upper())]

    def _completion(self, text: str, number: int) -> str | None:
        found = self.completions(text)
        return found[number] if number < len(found) else None

    # -- obeying

    def _obey(self, line: str) -> None:
        try:
            if line.startswith("?"):
                self._help(line[1:].strip())
            elif line.startswith(":"):
                self._command(line[1:])
            else:
                self._say(line)
        except KeyboardInterrupt:
            is_open = self._stepper.is_open
            dropped = "" if is_open else "; the connection was dropped, :again begins anew"
            self._print(f"stopped{dropped}")
        except (SMTPBookError, ValueError, RuntimeError) as error:
            self._print(f"! {error}", newlines=True, color=_COLORS[5])
        except OSError as error:  # of a file
            self._print(f"! {error.filename}: {error.strerror}", color=_COLORS[5])

    def _say(self, line: str) -> None:
        now = self._stepper.situation
        if not self._stepper.is_open:
            self._print("the session is over; :again begins anew, Ctrl-D ends")
            return
        if line.startswith(("\\?", "\\:")):
            line = line[1:]
        elif not line and now.state is not State.DATA:
            line = now.proposed
        is_data = now.state in (State.DATA, State.AUTH)
        chunk = b"" if is_data else self._chunk(line)
        step = self._stepper.say(line, chunk=chunk)
        if now.state is State.AUTH or step.line != line:
            _forget_last()
        if now.state is not State.DATA or step.replies or step.error:
            self._tell(step)

    def _chunk(self, line: str) -> bytes:
        """Ask for what BDAT announces."""
        size = chunk_size(line)
        if not size:
            return b""
        if size == len(SAMPLE_CHUNK):
            self._print(f"{size} octets; Enter alone sends the sample letter")
        else:
            self._print(f"{size} octets, line by line; each line's end counts two")
        octets = b""
        while len(octets) < size:
            text = self._read(f"{size - len(octets)} left> ")
            if text is None:
                raise ValueError("the chunk is not complete; nothing was said")
            if not octets and not text and size == len(SAMPLE_CHUNK):
                return SAMPLE_CHUNK
            octets += text.encode("utf-8", "surrogateescape")
            octets += b"\r\n" if len(octets) + 2 <= size else b""
        return octets

    def _command(self, text: str) -> None:
        name, _, rest = text.strip().partition(" ")
        if name not in self._verbs:
            self._print(f"there is no :{name}{near_miss(name, _COMMANDS)}; ? lists them")
            return
        self._verbs[name](rest.strip())

    def _help(self, line: str) -> None:
        now = self._stepper.situation
        if line:
            found = rule(now, line)
            self._print(f"{found.kind}: {found.says} ({found.source})")
            return
        self._print(_HELP, newlines=True)
        for title, lines in (("now", now.choices), ("mistakes", now.mistakes)):
            told = ", ".join(line for _, line in lines)
            self._print(f"{title}: {told or 'nothing'}")

    def _bytes(self, _: str) -> None:
        self._print(str(self._stepper.steps[-1].wire) or "nothing", newlines=True)

    def _back(self, count: str) -> None:
        said = len(self._stepper.steps) - 1
        if count and not count.isdecimal():
            raise ValueError(f":back takes how many lines to say again, not {count!r}")
        wanted = int(count or said - 1)
        for step in self._stepper.go_back(wanted):
            self._tell(step, is_short=True)

    def _play(self, name: str) -> None:
        with open(_file("play", name), encoding="utf-8") as file:
            text = file.read()
        for step in self._stepper.play(text):
            self._tell(step, is_short=True)

    def _save(self, name: str) -> None:
        with open(_file("save", name), "x", encoding="utf-8") as file:
            file.write(str(self._stepper.script))
        self._print(f"{name} written")

    def _fault(self, text: str) -> None:
        place, _, reply = text.partition(" ")
        if place.upper().replace("_", "-") not in PLACES:
            raise ValueError(
                f":fault takes a place and a reply; places are {', '.join(PLACES).lower()}"
                f"{near_miss(place.upper(), PLACES)}"
            )
        reply = reply.strip()
        behaviour = Behaviour(drop=reply == "drop", reply=_reply(reply))
        self._stepper.fault(place, behaviour)
        self._print(f"from now on, {place} gets {reply or 'what it gets ordinarily'}")

    # -- printing

    def _tell(self, step: Step, *, is_short: bool = False) -> None:
        """Print a step: what was said, what came, what it means, what the RFC has."""
        if step.ruling is not None:
            self._print(f"-> {step.line}", color=_BOLD)
            if not is_short and not step.ruling.is_right:
                self._print(f"   {step.ruling.kind}: {step.ruling.says}")
                self._print(f"   ({step.ruling.source})")
        for reply in step.replies:
            for line in written(reply):
                self._print(f"<- {line}", color=_COLORS.get(reply.code // 100, ""))
        if step.error:
            self._print(f"! {step.error}", color=_COLORS[5])
        if not is_short and (told := step.explanation) is not None:
            self._print(f"   {told.meaning}")
        if step.after.state is not step.before.state:
            self._print(f"   now {step.after.state.name}: {step.after.state.value}")

    def _print(self, text: str, *, newlines: bool = False, color: str = "") -> None:
        shown = visible(text.removesuffix("\n"), newlines=newlines)
        if color and self._has_colors:
            shown = f"\x1b[{color}m{shown}\x1b[0m"
        self._target.write(f"{shown}\n")


def _file(command: str, name: str) -> str:
    if not name:
        raise ValueError(f":{command} takes the name of a file")
    return name


def _reply(text: str) -> str | None:
    return None if text in ("", "drop") else text


def _forget_last() -> None:
    """Take a line that holds a login out of what the arrow keys recall."""
    with suppress(ImportError, ValueError):
        import readline

        if (last := readline.get_current_history_length()) > 0:
            readline.remove_history_item(last - 1)


def run_console(target: Target) -> None:
    """Converse with a server in this terminal, until the user leaves.

    Parameters
    ----------
    target : Account or Lab
    """
    Terminal(Stepper(target)).run()
