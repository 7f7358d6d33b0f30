"""Condition: field, operator, value, result: an ``if`` written by choosing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import ipywidgets as ipw

from smtpbook.fields import field_name
from smtpbook.widgets.parts import Field, Note, choice, text

# What is compared is text, so that a missing or empty cell compares like any other.
_OPERATORS: Final = (
    ("is", "{field} | default('') | string == {value}"),
    ("is not", "{field} | default('') | string != {value}"),
    ("contains", "{value} in {field} | default('') | string"),
    ("does not contain", "{value} not in {field} | default('') | string"),
    ("begins with", "({field} | default('') | string).startswith({value})"),
    ("ends with", "({field} | default('') | string).endswith({value})"),
    ("is greater than", "{field} | default(0) | float > {number}"),
    ("is less than", "{field} | default(0) | float < {number}"),
    ("has a value", "{field} is defined"),
    ("is missing", "{field} is not defined"),
)
_WITHOUT_VALUE: Final = ("{field} is defined", "{field} is not defined")


class Condition(ipw.VBox):
    """Fields that make up a condition.

    Parameters
    ----------
    names : sequence of str
        The list's fields.
    """

    def __init__(self, names: Sequence[str]) -> None:
        shown = [(name, name) for name in names] or [("no list was given", "field")]
        self.field = choice("If field", shown)
        self.operator = choice("", _OPERATORS)
        self.value = text("Value")
        self.then = text("then write", placeholder="Dear Mr. {{ last_name }}")
        self.otherwise = text("else write", placeholder="nothing")
        self.note = Note()
        self.operator.control.observe(
            lambda change: self.value.show(change["new"] not in _WITHOUT_VALUE), "value"
        )
        self.parts: list[Field] = [
            *(self.field, self.operator, self.value, self.then, self.otherwise)
        ]
        super().__init__([*self.parts, self.note])

    @property
    def written(self) -> str:
        """The condition in the template's language."""
        value = self.value.value
        try:
            number = f"{float(value or 0):g}"
        except ValueError:
            number = repr(value)
        test = self.operator.value.format(
            field=field_name(self.field.value), value=_quoted(value), number=number
        )
        otherwise = self.otherwise.value
        rest = f"{{% else %}}{otherwise}" if otherwise else ""
        return f"{{% if {test} %}}{self.then.value}{rest}{{% endif %}}"


def _quoted(value: str) -> str:
    """Write text as a template's literal."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
