"""What a row and a template may do to each other: nothing long, nothing hidden."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from smtpbook.errors import TemplateError
from smtpbook.messages.template import Template


def render(text: str) -> str:
    letter = Template(header_from="ann@x.example", subject="s", text=text)
    row = {"email": "zoe@y.example", "city": "Graz", "n": 7, "cells": ["a", "b"]}
    return letter.render(row).data.partition(b"\r\n\r\n")[2].decode().rstrip("\r\n")


@pytest.mark.parametrize(
    "bomb",
    # Each would give a short text, and so pass, if it were let through.
    [
        "{{ ('a' * 20000000) | length }}",
        "{{ ([0] * 20000000) | length }}",
        "{{ (2 ** 99999) > 0 }}",
        "{{ (2 ** 4000) * (2 ** 4000) > 0 }}",
        "{{ ('%20000000d' % 1) | length }}",
        "{{ '%20000000d' | format(1) | length }}",
        "{{ '%*d' | format(20000000, 1) | length }}",
        "{{ '{:>20000000}'.format(1) | length }}",
        "{{ 'a'.center(20000000) | length }}",
        "{{ city.ljust(20000000) | length }}",
        "{{ range(20000000) | length }}",
        "{% for a in range(1000) %}{% for b in range(1000) %}{% endfor %}{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% set ns = namespace(s='0123456789') %}{% for i in range(21) %}"
        "{% set s %}{{ ns.s }}{{ ns.s }}{% endset %}{% set ns.s = s %}{% endfor %}",
    ],
)
def test_a_bomb_is_an_error_at_once(bomb: str) -> None:
    with pytest.raises(TemplateError, match=r"text, for zoe@y\.example: "):
        render(bomb)


@pytest.mark.parametrize(
    "escape",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ city['__class__'] }}",
        "{{ city | attr('__class__') }}",
        "{{ cells.append('c') }}",
        "{{ range.__globals__ }}",
        "{{ self.__init__.__globals__ }}",
    ],
)
def test_a_template_reaches_nothing_but_its_values(escape: str) -> None:
    with pytest.raises(TemplateError):
        render(escape)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("{{ n * 3 }}", "21"),
        ("{{ 2 ** 10 }}", "1024"),
        ("{{ n * 1.5 }}", "10.5"),
        ("{{ '%.2f' | format(n) }}", "7.00"),
        ("{% for i in range(3) %}{{ i }}{% endfor %}", "012"),
        ("{{ city | upper }} {{ cells | join('+') }}", "GRAZ a+b"),
        ("{{ n // 2 }} {{ n % 2 }}", "3 1"),
        ("[{{ 'x' if n > 9 }}]", "[]"),
        ("{% set a = 'x' if n > 9 %}[{{ a }}]", "[]"),
    ],
)
def test_ordinary_expressions_work(text: str, result: str) -> None:
    assert render(text) == result


def test_each_rendering_has_its_own_loop_budget() -> None:
    for _ in range(3):
        assert render("{% for i in range(60000) %}{% endfor %}") == ""


def test_an_expression_that_fails_names_part_and_recipient() -> None:
    with pytest.raises(TemplateError) as caught:
        render("{{ n / 0 }}")
    assert str(caught.value) == (
        "text, for zoe@y.example: ZeroDivisionError: division by zero"
    )


def test_numbers_of_numpys_are_values_and_its_nan_is_none() -> None:
    """A row of a DataFrame holds them; compiled, only a bool of Python's is one."""
    letter = Template(
        header_from="ann@x.example",
        subject="s",
        text="{{ n }} {{ missing | default('-') }}",
    )
    frame = pd.DataFrame({"email": ["zoe@y.example"], "n": [0.5], "missing": [np.nan]})
    for row in (frame.iloc[0], {"email": "zoe@y.example", "n": np.float64(0.5)}):
        assert letter.render(row).data.endswith(b"\r\n\r\n0.5 -\r\n")
