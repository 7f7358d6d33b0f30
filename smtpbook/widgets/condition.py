"""Condition: field, operator, value, result: an ``if`` written by choosing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import ipywidgets as ipw

from smtpbook.escape import visible
from smtpbook.fields import field_name
from smtpbook.widgets.parts import choice, text

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


class Condition(ipw.VBox):
    """Fields that make up a condition.

    Parameters
    ----------
    names : sequence of str, length >= 1
        The list's fields.
    """

    def __init__(self, names: Sequence[str]) -> None:
        shown = [(visible(name, max_chars=60), name) for name in names]
        self.field = choice("If field", shown)
        self.operator = choice("Operator", _OPERATORS)
        self.value = text("Value")
        self.then = text("Then write", placeholder="Dear Mr. {{ last_name }}")
        self.otherwise = text("Else write", placeholder="nothing")
        self.operator.control.observe(lambda _: self._follow(), "value")
        super().__init__([self.field, self.operator, self.value, self.then, self.otherwise])

    @property
    def written(self) -> str | None:
        """The condition in the template's language; None = it says what is wrong."""
        value, number = self.value.value, ""
        if "{number}" in self.operator.value:
            number = _number(value)
            if not number:
                self.value.note.say("this operator compares numbers, such as 18", "error")
                return None
        test = self.operator.value.format(
            field=field_name(self.field.value), value=_quoted(value), number=number
        )
        # The blanks around a result are part of it.
        then, otherwise = self.then.control.value, self.otherwise.control.value
        rest = f"{{% else %}}{otherwise}" if otherwise else ""
        return f"{{% if {test} %}}{then}{rest}{{% endif %}}"

    def _follow(self) -> None:
        operator = self.operator.value
        self.value.note.clear()
        self.value.show("{value}" in operator or "{number}" in operator)


def _number(text: str) -> str:
    """Write a number as a template's literal; "" = it is none."""
    try:
        number = float(text)
    except ValueError:
        return ""
    return f"{number:.15g}" if math.isfinite(number) else ""


def _quoted(value: str) -> str:
    """Write text as a template's literal."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
