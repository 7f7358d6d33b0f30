"""Secret field: a password typed in the browser, kept in the kernel and nowhere else.

The value of an ordinary widget, `ipywidgets.Password` included, is part of the widget's
state: it is echoed to every front end and saved with the notebook, in plain text.  This
field's text travels once, as the buffer of a message of its own, and is no state of
anything.  What the secret is for is not known here.
"""

from __future__ import annotations

import getpass
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import anywidget
import traitlets

from smtpbook.accounts.secret import Secret

KEPT: Final = "kept in the kernel's memory"

_HERE: Final = Path(__file__).parent


class SecretField(anywidget.AnyWidget):
    """A field for a password: Enter, or leaving it, hands the text over and empties it.

    Where the front end cannot show it, `ask` does the same in a prompt.

    Parameters
    ----------
    label : str
        What stands before the field.
    placeholder : str
        What stands in it while it is empty.

    Examples
    --------
    >>> field = SecretField("Password")
    >>> field.keep("correct horse")
    >>> field.secret
    Secret(••••••)
    >>> "correct horse" in str(field.get_state())
    False
    """

    _esm = _HERE / "secret_field.js"
    _css = _HERE / "secret_field.css"
    label = traitlets.Unicode().tag(sync=True)
    placeholder = traitlets.Unicode().tag(sync=True)
    _masked = traitlets.Bool(True).tag(sync=True)

    def __init__(self, label: str = "Password", *, placeholder: str = "") -> None:
        self._secret: Secret | None = None
        self._note = ""
        self._callbacks: list[Callable[[], object]] = []
        super().__init__(label=label, placeholder=placeholder)
        self.on_msg(self._hear)

    def __repr__(self) -> str:
        state = "kept" if self._secret else "empty"
        return f"<SecretField {self.label!r}: {state}; without a browser: .ask()>"

    @property
    def secret(self) -> Secret | None:
        """What was typed; None = nothing, or it was cleared."""
        return self._secret

    def on_change(self, callback: Callable[[], object]) -> None:
        """Have a function called, without arguments, when the secret changes."""
        self._callbacks.append(callback)

    def keep(self, text: str) -> None:
        """Take a secret as if it had been typed."""
        self._put(Secret(text))

    def clear(self) -> None:
        """Forget the secret."""
        self._put(None)

    def ask(self) -> None:
        """Ask for it in a prompt that does not show what is typed.

        For front ends that show no widgets.  Call it from a cell: a kernel that is asked
        by a button has nobody to pass the question to.
        """
        self.keep(getpass.getpass(f"{self.label}: "))

    def say(self, note: str) -> None:
        """Show a remark where the field would say that a secret is kept."""
        self._note = note
        self._tell()

    def _put(self, secret: Secret | None) -> None:
        self._secret = secret or None
        self._note = KEPT if secret else ""
        self._tell()
        for callback in self._callbacks:
            callback()

    def _tell(self, **more: str) -> None:
        is_kept = self._secret is not None
        self.send({"kind": "status", "text": self._note, "is_kept": is_kept, **more})

    def _hear(
        self, _: object, content: dict[str, Any], buffers: Sequence[memoryview | bytes]
    ) -> None:
        match content.get("kind"):
            case "text":
                self._take(bytes(buffers[0]).decode())
            case "forget":
                self.clear()
            case "status?":  # a view has come up, perhaps after the page was reloaded
                self._tell()

    def _take(self, text: str) -> None:
        """Do what is to be done with a text from the browser."""
        self.keep(text)
