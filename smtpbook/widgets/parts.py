"""Parts: what the forms are made of: the frame, fields with their faults, the code shown.

How a form looks is in ``form.css``; what it does with what is typed is its own matter.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import anywidget
import ipywidgets as ipw
import traitlets

from smtpbook.escape import to_html, visible
from smtpbook.states import State

_HERE: Final = Path(__file__).parent
_MARKS: Final = {"error": "✗", "hint": "ℹ", "done": "✓"}  # noqa: RUF001
_ROLES: Final = {"error": "alert", "hint": "note", "done": "status"}
_LINK: Final = r'<a href="\g<0>" target="_blank" rel="noopener noreferrer">\g<0></a>'
LABELLED: Final[dict[str, Any]] = {
    "style": {"description_width": "var(--smtpbook-label-width, 10em)"}
}
"""For a control whose label is as wide as those of the others."""
REPLACE: Final = "there is {} called {!r} already; press Save again to replace it"
_CODE_WIDTH: Final = 79
_URL: Final = re.compile(r"https://[\w./?=#&;%+~-]*[\w/]")


class _Page(anywidget.AnyWidget):
    """What a form needs of the page it stands in: see ``form.js``; brings the style sheet.

    Parameters
    ----------
    fields : iterable of Widget
        Those whose changes must reach the kernel before a click does.
    """

    _esm = _HERE / "form.js"
    _css = _HERE / "form.css"
    _fields = traitlets.List(traitlets.Unicode()).tag(sync=True)

    def __init__(self, fields: Iterable[ipw.Widget]) -> None:
        super().__init__(_fields=[field.model_id for field in fields])


class Note(ipw.HTML):
    """A line for the reader, beside the field it is about; nothing while it is empty."""

    def __init__(self) -> None:
        super().__init__()
        self.clear()

    def say(self, text: str, kind: Literal["error", "hint", "done"]) -> None:
        """Show a text that may hold anything; only hints, which are ours, have links."""
        self.text = visible(text, newlines=True)
        shown = to_html(text, newlines=True)
        if kind == "hint":
            shown = _URL.sub(_LINK, shown)
        self.value = (
            f'<div class="smtpbook-note smtpbook-{kind}" role="{_ROLES[kind]}">'
            f'<span aria-hidden="true">{_MARKS[kind]}</span> {shown}</div>'
        )
        self.layout.display = ""

    def clear(self) -> None:
        """Show nothing."""
        self.text = self.value = ""
        self.layout.display = "none"


class Field(ipw.VBox):
    """An input with its label, and below it what is wrong with it.

    Parameters
    ----------
    control : Widget
        With a label of its own.
    """

    def __init__(self, control: ipw.Widget) -> None:
        self.control = control
        self.note = Note()
        super().__init__([control, self.note])
        self.add_class("smtpbook-field")
        if control.has_trait("value"):
            # What was wrong may no longer be.
            control.observe(lambda _: self.note.clear(), "value")

    @property
    def value(self) -> Any:
        """What stands in the control; text without the blanks around it."""
        value = self.control.value
        return value.strip() if isinstance(value, str) else value

    @value.setter
    def value(self, value: object) -> None:
        self.control.value = value

    def show(self, is_shown: bool) -> None:
        """Show it, or not."""
        self.layout.display = "" if is_shown else "none"


class Fold(ipw.VBox):
    """Things most people do not need, behind a button."""

    def __init__(self, title: str, children: Sequence[ipw.Widget]) -> None:
        self.button = ipw.ToggleButton(description=f"▸ {title}")
        inside = ipw.VBox(children, layout={"display": "none"})

        def turn(change: Mapping[str, Any]) -> None:
            inside.layout.display = "" if change["new"] else "none"
            self.button.description = f"{'▾' if change['new'] else '▸'} {title}"

        self.button.observe(turn, "value")
        super().__init__([self.button, inside])
        self.add_class("smtpbook-fold")


class Form(ipw.VBox):
    """A form: parts below each other, and at the end the code they stand for.

    Parameters
    ----------
    parts : sequence of Widget
    watched : iterable of Widget
        Those whose values the code depends on.
    """

    def __init__(
        self, parts: Sequence[ipw.Widget], watched: Iterable[ipw.Widget] = ()
    ) -> None:
        self._shown_code = ipw.HTML()
        self.code_button = ipw.ToggleButton(description="Show code")
        self.code_button.observe(lambda _: self._show_code(), "value")
        # Without the style sheet this is seen: the front end lacks anywidget.
        missing = ipw.HTML(f'<div class="smtpbook-without-anywidget">{_WITHOUT}</div>')
        self._page = _Page(widget for widget in _inside(parts) if widget.has_trait("value"))
        self._page.on_msg(self._refuse)
        super().__init__([self._page, missing, *parts, self.code_button, self._shown_code])
        self.add_class("smtpbook-form")
        for control in watched:
            if control.has_trait("value"):
                control.observe(lambda _: self._show_code(), "value")

    @property
    def code(self) -> str:
        """The cell this form stands for, without secrets."""
        raise NotImplementedError

    def _refuse(self, _: ipw.Widget, message: Mapping[str, Any], __: object) -> None:
        """Say beside its field that the page did not send a file."""
        for field in _inside(self.children):
            if isinstance(field, Field) and field.control.model_id == message["field"]:
                said = f"{message['name']} has {message['size_bytes']:,} bytes: more than "
                said += "a page can send; put it where the kernel runs and give its path"
                field.note.say(said, "error")

    def _show_code(self) -> None:
        is_shown = self.code_button.value
        self.code_button.description = "Hide code" if is_shown else "Show code"
        code = to_html(self.code, newlines=True) if is_shown else ""
        self._shown_code.value = f"<pre><code>{code}</code></pre>" if is_shown else ""

    def __repr__(self) -> str:
        name = type(self).__name__
        return f"{name}; a front end that shows no widgets can run this:\n\n{self.code}"

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        bundle: dict[str, Any] = super()._repr_mimebundle_(**options)
        code = to_html(self.code, newlines=True)
        plain = {"text/plain": repr(self), "text/html": f"<pre><code>{code}</code></pre>"}
        return {**bundle, **plain}


def _inside(widgets: Iterable[ipw.Widget]) -> Iterator[ipw.Widget]:
    for widget in widgets:
        yield widget
        yield from _inside(getattr(widget, "children", ()))


_WITHOUT: Final = (
    "This page lacks the extension of anywidget, and so the fields for passwords: install "
    "anywidget where JupyterLab is installed and reload the page, or run <code>"
    "form.password.ask()</code> in a cell."
)


def text(label: str, value: str = "", *, placeholder: str = "") -> Field:
    """Give a field for a line of text."""
    return Field(
        ipw.Text(description=label, value=value, placeholder=placeholder, **LABELLED)
    )


def choice(label: str, options: Iterable[tuple[str, Any]], value: Any = None) -> Field:
    """Give a field to choose from: pairs of what is shown and a value that is not None."""
    pairs = list(options)
    first = pairs[0][1] if value is None else value
    control = ipw.Dropdown(description=label, options=pairs, value=first, **LABELLED)
    return Field(control)


def section(*children: ipw.Widget) -> ipw.VBox:
    """Give parts that belong together, set off from what is above them."""
    box = ipw.VBox(children)
    box.add_class("smtpbook-part")
    return box


def row(*children: ipw.Widget) -> ipw.HBox:
    """Give a field with its buttons beside it; Enter in the field presses the last one."""
    box = ipw.HBox(children)
    box.add_class("smtpbook-row")
    return box


def button(label: str, action: Callable[[], object], **options: Any) -> ipw.Button:
    """Give a button and what it does."""
    made = ipw.Button(description=label, **options)
    made.on_click(lambda _: action())
    return made


def literal(value: object) -> str:
    r"""Write a value as code, text in double quotes where that needs no escapes.

    >>> literal("ann"), literal('say "hi"'), literal(587)
    ('"ann"', '\'say "hi"\'', '587')
    """
    shown = repr(value)
    if isinstance(value, str) and shown[0] == "'" and '"' not in shown:
        return f'"{shown[1:-1]}"'
    return shown


def assignment(name: str, function: str, arguments: Iterable[str]) -> str:
    """Write a call whose value gets a name: on one line if it fits, else on several.

    >>> assignment("account", "sb.load_account", ['"work"'])
    'account = sb.load_account("work")'
    """
    parts = list(arguments)
    line = f"{name} = {function}({', '.join(parts)})"
    if len(line) <= _CODE_WIDTH or not parts:
        return line
    return "\n".join([f"{name} = {function}(", *(f"    {part}," for part in parts), ")"])


def table(
    caption: str,
    headers: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    classes: Iterable[str] = (),
) -> str:
    """Give a table as HTML; all its text may be hostile.  A `State` shows its icon.

    Parameters
    ----------
    classes : iterable of str
        One per row, of our own making; "" = none.  Shorter than `rows`: none for the rest.
    """
    named = list(classes)
    head = "".join(f'<th scope="col">{to_html(name)}</th>' for name in headers)
    body = []
    for number, row in enumerate(rows):
        name = named[number] if number < len(named) else ""
        cells = "".join(
            f"<td>{cell.to_html() if isinstance(cell, State) else to_html(str(cell))}</td>"
            for cell in row
        )
        body.append(f'<tr class="{name}">{cells}</tr>')
    return scrolling(
        caption,
        f"<table><caption>{to_html(caption)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(body)}</tbody></table>",
    )


def scrolling(label: str, inside: str) -> str:
    """Let what may be wider than the page scroll by itself, with the keyboard, too."""
    box = 'class="smtpbook-scroll" tabindex="0" role="group"'
    return f'<div {box} aria-label="{to_html(label)}">{inside}</div>'
