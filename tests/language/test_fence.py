"""What a template may not do, and may never print."""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
import pytest

from smtpbook.errors import TemplateError
from smtpbook.language.fence import Environment, MissingField, MissingValue
from smtpbook.language.filters import FILTERS
from smtpbook.language.part import Part

ROW: dict[str, Any] = {
    "city": "Graz",
    "n": 7,
    "cells": ["a", "b"],
    "item": {"name": "tea", "price": 3.5, "note": None},
    "when": datetime(2026, 11, 23, 9, 30, tzinfo=UTC),
}


def render(source: str, *, html: bool = False, **values: Any) -> str:
    return Part.compile("text", source, html=html).render(ROW | values)


# --- values are data --------------------------------------------------------------------


@dataclass
class Customer:
    name: str
    written: list[str]

    def save(self, text: str = "") -> str:
        self.written.append(text)
        return "saved"


@pytest.mark.parametrize(
    "source",
    [
        "{{ customer.save('x') }}",
        "{{ customer['save']('x') }}",
        "{{ (customer | attr('save'))('x') }}",
        "{{ ([customer] | map(attribute='save') | first)('x') }}",
        "{% call customer.save() %}{% endcall %}",
        "{% set f = customer.save %}{{ f('x') }}",
        "{{ customer.written.append('x') }}",
        "{{ frame.to_csv(path) }}",
        "{{ frame.city.to_csv(path) }}",
        "{{ frame.eval('1') }}",
        "{{ array.tofile(path) }}",
        "{{ price.tofile(path) }}",
        "{{ file.write('x') }}",
        "{{ path.touch() }}",
        "{{ path / 'x' }}",
        "{{ write('x') }}",
        "{{ cells.append('c') }}",
        "{{ item.update(a=1) }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ city['__class__'] }}",
        "{{ city | attr('__class__') }}",
        "{{ cells | map(attribute='__class__') | list }}",
        "{{ cells | groupby('__class__') }}",
        "{{ cells | sort(attribute='__class__') }}",
        "{{ cells | sum(attribute='__class__') }}",
        "{{ cells | selectattr('__class__') | list }}",
        "{{ cells | join(attribute='__class__') }}",
        "{{ customer._private }}",
        "{{ '{0.__class__}'.format(city) }}",
        "{{ '%s' | format(city.__class__) }}",
        "{{ range.__globals__ }}",
        "{{ self._TemplateReference__context }}",
        "{{ when.now() }}",
        "{{ when.today() }}",
        "{{ stamp.day_name('C') }}",
        "{{ stamp.tz_localize('dateutil//etc/localtime') }}",
        "{{ cells | random }}",
        "{{ cells | pprint }}",
        "{% for x in cells %}{{ loop._iterable }}{% endfor %}",
        "{% macro m() %}{% endmacro %}{{ m._func }}",
    ],
)
def test_a_template_reaches_values_and_changes_nothing(source: str, tmp_path: Path) -> None:
    written: list[str] = []
    path = tmp_path / "out"
    file = io.StringIO()
    values = {
        "customer": Customer("Zoë", written),
        "frame": pd.DataFrame({"city": ["Graz"]}),
        "array": np.zeros(3),
        "price": np.float64(3.5),
        "file": file,
        "path": path,
        "write": written.append,
        "stamp": pd.Timestamp("2026-11-23"),
        "cells": ["a", "b"],
        "item": {"name": "tea"},
    }
    with pytest.raises((TemplateError, jinja2.TemplateError, TypeError)):
        render(source, **values)
    assert written == []
    assert file.getvalue() == ""
    assert list(tmp_path.iterdir()) == []
    assert values["cells"] == ["a", "b"]
    assert values["item"] == {"name": "tea"}


def test_a_function_of_the_environment_can_be_called() -> None:
    environment = Environment(autoescape=False)
    environment.globals["twice"] = lambda text: text * 2
    assert environment.from_string("{{ twice('ab') }}").render() == "abab"


@pytest.mark.parametrize(
    ("source", "error"),
    [
        (
            "{{ city.uper() }}",
            "'str object' has no attribute 'uper'; did you mean 'upper'?",
        ),
        ("{{ city.nope }}", "'str object' has no attribute 'nope'"),
        ("{{ item.nmae }}", "'dict object' has no attribute 'nmae'; did you mean 'name'?"),
        (
            "{{ item['prize'] }}",
            "'dict object' has no attribute 'prize'; did you mean 'price",
        ),
        ("{{ when.day_of_week() }}", "no attribute 'day_of_week'"),
        ("{{ cells[9] }}", "list object has no element 9"),
        ("{{ city.upper }}", "prints upper, which has to be called: upper()"),
        ("{{ cells | map('upper') }}", "prints a sequence; add | join(', ')"),
        ("{{ city.encode() }}", "str.encode() is not for templates"),
        ("{{ city.format(1) }}", "str.format() is not for templates"),
        ("{{ (city | attr('isoformat'))() }}", "'str object' has no attribute 'isoformat'"),
        ("{{ cells * 2 }}", "'*' takes numbers only"),
        ("{{ frame + 1 }}", "'+' does not work on DataFrame"),
        ("{{ -frame }}", "'-' does not work on DataFrame"),
    ],
)
def test_an_error_says_what_there_is_instead(source: str, error: str) -> None:
    with pytest.raises(jinja2.TemplateError) as caught:
        render(source, frame=pd.DataFrame({"a": [1]}))
    assert error in str(caught.value)


# --- missing values ---------------------------------------------------------------------

MISSING = [
    None,
    float("nan"),
    np.float32("nan"),
    pd.NA,
    pd.NaT,
    np.datetime64("NaT", "s"),
    Decimal("NaN"),
    Decimal("sNaN"),
]


@pytest.mark.parametrize(
    "source",
    [
        "{{ item.gone }}",
        "{{ item['gone'] }}",
        "{{ item }}",
        "{{ list }}",
        "{{ [[list]] }}",
        "{{ item.values() | list }}",
        "{{ false or item.gone }}",
        "{{ item.gone if true }}",
        "{% set x = item.gone %}{{ x }}",
        "{% set x %}{{ item.gone }}{% endset %}",
        "{% macro m(x) %}{{ x }}{% endmacro %}{{ m(item.gone) }}",
        "{% macro m(x=item.gone) %}{{ x }}{% endmacro %}{{ m() }}",
        "{% for x in list %}{{ x }}{% endfor %}",
        "{% filter upper %}{{ item.gone }}{% endfilter %}",
        "{{ 'a' ~ item.gone }}",
        "{{ list | join }}",
        "{{ list | join(', ') }}",
        "{{ [item] | join(attribute='gone') }}",
        "{{ [item] | map(attribute='gone') | join }}",
        "{{ list | map('string') | join }}",
        "{{ list | last }}",
        "{{ list | string }}",
        "{{ item.gone | string }}",
        "{{ item.gone | upper }}",
        "{{ item.gone | lower }}",
        "{{ item.gone | title }}",
        "{{ item.gone | capitalize }}",
        "{{ item.gone | trim }}",
        "{{ item.gone | replace('a', 'b') }}",
        "{{ item.gone | center }}",
        "{{ item.gone | e }}",
        "{{ item.gone | forceescape }}",
        "{{ item.gone | safe }}",
        "{{ item.gone | striptags }}",
        "{{ item.gone | urlencode }}",
        "{{ {'a': item.gone} | urlencode }}",
        "{{ item.gone | urlize }}",
        "{{ item.gone | wordcount }}",
        "{{ '%s' | format(item.gone) }}",
        "{{ '%s' | format(list) }}",
        "{{ '%(a)s' | format(a=item.gone) }}",
    ],
)
def test_a_missing_value_never_becomes_text(source: str, subtests: pytest.Subtests) -> None:
    for gone, html in product(MISSING, (False, True)):
        with (
            subtests.test(gone=gone, html=html),
            pytest.raises(MissingValue, match="default"),
        ):
            render(source, html=html, item={"gone": gone}, list=["a", gone])


@pytest.mark.parametrize(
    "source",
    [
        "{{ none }}",
        "{{ '' or none }}",
        "{{ inf - inf }}",
        "{{ 'nan' | float }}",
        "{{ item.note }}",
        "{{ [inf - inf] | sum }}",
        "{{ [inf - inf] | max }}",
        "{{ '%.2f' | format(inf - inf) }}",
        "{{ none ~ '' }}",
        "{{ frame }}",
        "{{ frame.a }}",
        "{{ array }}",
        "{{ {none: 1} }}",
        "{{ nat.isoformat() }}",
        "{{ nat.strftime('%Y') }}",
        "{{ nat.year }}",
        "{{ {'a': inf - inf} | xmlattr }}",
    ],
)
def test_a_missing_value_made_in_the_template_is_none_either(source: str) -> None:
    with pytest.raises(MissingValue):
        render(
            source,
            inf=float("inf"),
            nat=pd.NaT,
            frame=pd.DataFrame({"a": [1.0, None]}),
            array=np.array([1.0, float("nan")]),
        )


def test_a_missing_number_is_no_json() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        render("{{ {'a': nan} | tojson }}", nan=float("nan"))
    assert render("{{ {'a': none} | tojson }}") == '{"a": null}'


@pytest.mark.parametrize("gone", MISSING, ids=repr)
def test_default_stands_in_for_every_missing_value(gone: object) -> None:
    assert render("{{ item.gone | default('-') }}", item={"gone": gone}) == "-"
    assert render("{{ list | map('default', '-') | join }}", list=["a", gone]) == "a-"


def test_an_undefined_field_inside_a_list_is_still_an_error() -> None:
    for source in ("{{ [nope] }}", "{{ [nope] | join }}", "{{ {'a': nope} }}"):
        with pytest.raises(MissingField) as caught:
            render(source)
        assert caught.value.field == "nope"


# --- what letters do all the time -------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ("{{ city }} {{ n }} {{ 3.50 }} {{ true }}", "Graz 7 3.5 True"),
        (
            "{{ n + 1 }} {{ n - 1 }} {{ n * 2 }} {{ n / 2 }} {{ n // 2 }} {{ n % 2 }}",
            "8 6 14 3.5 3 1",
        ),
        ("{{ -n }} {{ 2 ** 10 }} {{ 10 ** -1 }}", "-7 1024 0.1"),
        ("{{ city ~ '-' ~ n }} {{ city + '!' }}", "Graz-7 Graz!"),
        (
            "{{ city[:2] }} {{ city[::-1] }} {{ cells[0] }} {{ cells[1:] | first }}",
            "Gr zarG a b",
        ),
        ("{{ city == 'Graz' }} {{ 'a' in cells }} {{ 1 < n < 9 }}", "True True True"),
        ("{{ city in ['Wien', other] }}", "False"),
        ("{{ cells }} {{ ('a', n) }} {{ {'a': n} }}", "['a', 'b'] ('a', 7) {'a': 7}"),
        ("{% for k, v in {'a': 1, 'b': 2}.items() %}{{ k }}{{ v }}{% endfor %}", "a1b2"),
        (
            "{% for x in cells %}{{ loop.index }}/{{ loop.length }}{{ x }}{% endfor %}",
            "1/2a2/2b",
        ),
        (
            "{% for x in cells %}{{ loop.cycle(1, 2) }}{{ loop.changed(1) }}{% endfor %}",
            "1True2False",
        ),
        ("{% for x in cells if x != 'a' %}{{ x }}{% else %}none{% endfor %}", "b"),
        ("{% for x in [] %}{% else %}empty{% endfor %}", "empty"),
        ("{% for i in range(3) %}{{ i }}{% endfor %}", "012"),
        ("{% for x in tree recursive %}{{ x.n }}{{ loop(x.c) }}{% endfor %}", "123"),
        ("{% macro m(x, y='!') %}{{ x }}{{ y }}{% endmacro %}{{ m('a') }}", "a!"),
        (
            "{% macro m() %}<{{ caller() }}>{% endmacro %}{% call m() %}a{% endcall %}",
            "<a>",
        ),
        (
            "{% set ns = namespace(s=0) %}{% for i in range(4) %}{% set ns.s = ns.s + i %}",
            "6",
        ),
        ("{{ city | upper }} {{ city.lower() }} {{ cells | join('+') }}", "GRAZ graz a+b"),
        ("{{ 'a,b'.split(',') | join('/') }} {{ '-'.join(cells) }}", "a/b a-b"),
        (
            "{{ city.ljust(6) }}|{{ city | center(6) }}|{{ '7'.zfill(3) }}",
            "Graz  | Graz |007",
        ),
        (
            "{{ '%.2f' | format(n) }} {{ '%-5s|' | format(city) }} {{ '50%%' | format }}",
            "7.00 Graz | 50%",
        ),
        (
            "{{ when.strftime('%d.%m.%Y') }} {{ when.date().isoformat() }}",
            "23.11.2026 2026-11-23",
        ),
        ("{{ stamp.day_name() }} {{ stamp.year }}", "Monday 2026"),
        (
            "{{ (when - day).days }} {{ (day + week).isoformat() }}",
            "22 2026-11-08T00:00:00+00:00",
        ),
        ("{{ price * 2 }} {{ price.quantize(price) }}", "7.00 3.50"),
        ("{{ count * 2 }} {{ count ** 20 }}", "10 95367431640625"),
        ("{{ item.get('x', 'no') }} {{ item.keys() | join }}", "no namepricenote"),
        ("{{ cells | map('upper') | list }} {{ [3, 1] | sort }}", "['A', 'B'] [1, 3]"),
        ("{{ [3, 1] | sum }} {{ [3, 1] | max }} {{ [1, 1] | unique | list }}", "4 3 [1]"),
        (
            "{{ cells | reverse | join }} {{ 'ab' | reverse }} {{ cells | length }}",
            "ba ba 2",
        ),
        (
            "{{ range(5) | batch(2) | list }} {{ [1, 2] | slice(2) | list }}",
            "[[0, 1], [2, 3], [4]] [[1], [2]]",
        ),
        (
            "{{ 2.567 | round(1) }} {{ '7' | int + 1 }} {{ 1500 | filesizeformat }}",
            "2.6 8 1.5 kB",
        ),
        (
            "{{ 'a b' | urlencode }} {{ 'see www.x.example' | urlize | length > 20 }}",
            "a%20b True",
        ),
        ("{{ 'aa bb' | wordwrap(2) }} {{ 'a\nb' | indent(2) }}", "aa\nbb a\n  b"),
        ("{{ {'a': [1]} | tojson }} {{ {'b': 1} | dictsort }}", "{\"a\": [1]} [('b', 1)]"),
        (
            "{{ n is odd }} {{ n is divisibleby(7) }} {{ nope is defined }}",
            "True True False",
        ),
        (
            "{{ cells is sequence }} {{ city is string }} {{ none is none }}",
            "True True True",
        ),
        ("{{ nope | default('x') }} {{ '' | default('x', true) }}", "x x"),
        ("{% with x = 1 %}{{ x }}{% endwith %}{% filter upper %}a{% endfilter %}", "1A"),
        ("{% block b %}a{% endblock %}{{ self.b() }}", "aa"),
        ("{{ dict(a=1).a }}", "1"),
    ],
)
def test_an_ordinary_template_gives_what_jinja2_gives(source: str, result: str) -> None:
    if "namespace" in source:
        source += "{% endfor %}{{ ns.s }}"
    values: dict[str, Any] = {
        "other": "Linz",
        "tree": [{"n": 1, "c": [{"n": 2, "c": []}]}, {"n": 3, "c": []}],
        "day": datetime(2026, 11, 1, tzinfo=UTC),
        "week": timedelta(days=7),
        "stamp": pd.Timestamp("2026-11-23"),
        "price": Decimal("3.50"),
        "count": np.int64(5),
        "birthday": date(1990, 5, 1),
    }
    assert render(source, **values) == result


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ("{{ x }}", "&lt;b&gt;"),
        ("{{ x | safe }}", "<b>"),
        ("{{ '<i>' | safe ~ x }}", "<i>&lt;b&gt;"),
        ("{{ [x, '<i>' | safe] | join('&') }}", "&lt;b&gt;&amp;<i>"),
        ("{{ ('<i>' | safe) + x }}", "<i>&lt;b&gt;"),
        ("{% macro m() %}<i>{{ x }}{% endmacro %}{{ m() }}", "<i>&lt;b&gt;"),
        ("{% set y %}<i>{{ x }}{% endset %}{{ y }}", "<i>&lt;b&gt;"),
        ("{% autoescape false %}{{ x ~ x }}{% endautoescape %}{{ x }}", "<b><b>&lt;b&gt;"),
    ],
)
def test_html_is_escaped_once(source: str, result: str) -> None:
    assert render(source, html=True, x="<b>") == result


def test_every_filter_is_one_of_jinja2s() -> None:
    known = set(jinja2.Environment().filters)
    assert known - set(FILTERS) == {"pprint", "random"}
    assert set(FILTERS) <= known
