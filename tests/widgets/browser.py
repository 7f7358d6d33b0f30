"""What a browser does to widgets, done by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from ipywidgets.widgets.widget import _instances

from smtpbook.accounts.account import Account
from smtpbook.accounts.passwords import FromPrompt
from smtpbook.accounts.store import load_account
from smtpbook.messages.template import Template, priority
from smtpbook.recipients.read import read_recipients
from smtpbook.recipients.suppression import SuppressionList
from smtpbook.widgets.secret_field import SecretField


def typed(field: SecretField, text: str) -> None:
    """Type a text into a secret field, and leave it."""
    field._handle_custom_msg({"kind": "text"}, [memoryview(text.encode())])


def messages_of(widget: Any) -> list[Any]:
    """Give the list that what the widget sends from now on is put into."""
    sent: list[Any] = []
    widget.send = lambda content, buffers=None: sent.append(content)
    return sent


def run(code: str, **given: Any) -> dict[str, Any]:
    """Run a form's code as a cell, and give the names it leaves."""
    names: dict[str, Any] = {"sb": _SB, **given}
    cell = code.replace("import smtpbook as sb\n", "")
    exec(compile(cell, "<cell>", "exec"), names)
    return names


_SB = SimpleNamespace(
    Account=Account,
    FromPrompt=FromPrompt,
    SuppressionList=SuppressionList,
    load_account=load_account,
    read_recipients=read_recipients,
    Template=Template,
    priority=priority,
)


def state_of_all() -> str:
    """Give the state of every widget there is, as text."""
    return "\n".join(repr(widget.get_state()) for widget in _instances.values())
