"""What a template may not take: bombs, and the bounds of one rendering."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2.exceptions import SecurityError
from markupsafe import Markup

from smtpbook.errors import TemplateError
from smtpbook.language.fence import MAX_OUTPUT, MAX_STEPS, Environment
from smtpbook.language.limits import MAX_HANDLED, METHODS, weight
from smtpbook.language.part import Part


def render(source: str, *, html: bool = False, **values: Any) -> str:
    return Part.compile("text", source, html=html).render(values)


def doubling(first: str, step: str, times: int = 60) -> str:
    """Give a template that replaces ns.x by `step` again and again."""
    return (
        f"{{% set ns = namespace(x={first}) %}}{{% for i in range({times}) %}}"
        f"{{% set ns.x = {step} %}}{{% endfor %}}done"
    )


# --- bombs ------------------------------------------------------------------------------

# Each gives a short text, and so passes, if it is let through.
BOMBS = [
    # texts and lists that double
    doubling("'ab'", "ns.x ~ ns.x"),
    doubling("'ab'", "ns.x + ns.x"),
    doubling("[0]", "ns.x + ns.x"),
    doubling("(0,)", "ns.x + ns.x"),
    doubling("[0]", "[ns.x, ns.x]") + "{{ ns.x | length }}",
    doubling("(0,)", "(ns.x, ns.x)"),
    doubling("1", "{'a': ns.x, 'b': ns.x}"),
    doubling("1", "dict(a=ns.x, b=ns.x)"),
    doubling("[0]", "(ns.x, ns.x) | list"),
    doubling("[0]", "[ns.x] | slice(1) | list + ns.x"),
    doubling("'ab'", "ns.x | replace('a', 'aa') | replace('b', 'bb')"),
    doubling("'ab'", "ns.x.replace('a', 'aa').replace('b', 'bb')"),
    doubling("'ab'", "[ns.x, ns.x] | join"),
    doubling("'ab'", "''.join([ns.x, ns.x])"),
    doubling("'ab'", "('%s%s' | format(ns.x, ns.x))"),
    doubling("'ab'", "(ns.x ~ ns.x) | urlencode"),
    doubling("'\"'", "(ns.x | forceescape ~ ns.x)"),
    doubling("'ab'", "{'a': ns.x, 'b': ns.x} | string"),
    doubling("'ab'", "[ns.x, ns.x] | tojson"),
    doubling("'a b'", "ns.x | wordwrap(1, true, ns.x)"),
    doubling("'a'", "ns.x | indent(ns.x, true)"),
    doubling("'a'", "'a' | truncate(1, true, '') ~ ns.x ~ ns.x"),
    doubling("'0123456789'", "ns.x[:] + ns.x[::-1]"),
    "{% set ns = namespace(x='0123456789') %}{% for i in range(30) %}{% set s %}"
    "{{ ns.x }}{{ ns.x }}{% endset %}{% set ns.x = s %}{% endfor %}",
    "{% set ns = namespace(x='ab') %}{% for i in range(60) %}{% set y %}"
    "{% filter replace('a', 'aaaa') %}{{ ns.x }}{% endfilter %}{% endset %}"
    "{% set ns.x = y %}{% endfor %}",
    "{% macro twice(x) %}{{ x }}{{ x }}{% endmacro %}" + doubling("'ab'", "twice(ns.x)"),
    # texts that are kept, each of them within the limit
    "{% set ns = namespace(x=[]) %}{% for i in range(9000) %}"
    "{% set ns.x = ns.x + [big[1:]] %}{% endfor %}",
    "{% set ns = namespace(x=[]) %}{% for i in range(9000) %}"
    "{% set ns.x = ns.x + [(big, i)] %}{% endfor %}",
    "{% for i in range(9000) %}{% set x = big | upper %}{% endfor %}",
    "{% for i in range(9000) %}{% if big == big ~ '' %}{% endif %}{% endfor %}",
    "{% for i in range(9000) %}{% if 'y' in big %}{% endif %}{% endfor %}",
    "{% for i in range(9000) %}{% set x %}{{ big }}{% endset %}{% endfor %}",
    # one operation
    "{{ ('a' * 20000000) | length }}",
    "{{ ([0] * 20000000) | length }}",
    "{{ (n * 'a') | length }}",
    "{{ ('a' * 2e9) | length }}",
    "{{ 2 ** 99999 > 0 }}",
    "{{ 2 ** 4000 * 2 ** 4000 > 0 }}",
    "{{ 10 ** (10 ** 10) > 0 }}",
    "{{ ('%20000000d' % 1) | length }}",
    "{{ '%20000000d' is odd }}",
    "{{ '%20000000d' is divisibleby(1) }}",
    "{{ '%20000000d' | format(1) | length }}",
    "{{ '%*d' | format(20000000, 1) | length }}",
    "{{ (big | replace('x', '%999d')) | format(1) | length }}",
    "{{ ('%(a)s%(a)s%(a)s%(a)s' | format(a=big)) | length }}",
    "{{ '{:>20000000}'.format(1) | length }}",
    "{{ '{a}{a}'.format_map({'a': 1}) }}",
    "{{ ['%20000000d'] | map('format', 1) | list | length }}",
    "{{ 'a'.center(20000000) | length }}",
    "{{ 'a' | center(20000000) | length }}",
    "{{ 'a'.ljust(20000000) | length }}",
    "{{ 'a'.rjust(20000000) | length }}",
    "{{ 'a'.zfill(20000000) | length }}",
    "{{ '\t'.expandtabs(20000000) | length }}",
    "{{ 'a' | indent(20000000, true) | length }}",
    "{{ ('aaaaaaaaaa' * 1) if false else 'a\nb' | indent(20000000) | length }}",
    "{{ big | replace('x', 'yyyyyyyyyy') | length }}",
    "{{ big.replace('', 'yyyyyyyyyy') | length }}",
    "{{ ['x'] | map('replace', 'x', big) | map('replace', 'x', big) | list | length }}",
    "{{ big.join(big) | length }}",
    "{{ big | join(big) | length }}",
    "{{ big | list | length }}",
    "{{ big | map('string') | list | length }}",
    "{{ big.split('x') | length }}",
    "{{ big | wordwrap(1) | length }}",
    "{{ big | urlize | length }}",
    "{{ ('a@' ~ big) | urlize | length }}",
    "{{ big | title | length }}",
    "{{ big.rfind(big[:1500000] ~ 'y') }}",
    "{{ big.strip('y' ~ big) | length }}",
    "{{ big | trim('y' ~ big) | length }}",
    "{{ big.encode('punycode') | length }}",
    "{{ big.encode('ascii', 'namereplace') | length }}",
    "{{ big.translate({120: big}) | length }}",
    "{{ raw.decode('punycode') | length }}",
    "{{ when.strftime(big) | length }}",
    "{{ [1] | batch(2000000000, 0) | list | length }}",
    "{{ [1] | slice(2000000000) | list | length }}",
    "{{ [1] | tojson(indent=2000000000) | length }}",
    "{{ 1.5 | round(1000000000, 'ceil') }}",
    "{{ 5 | round(-1000000000) }}",
    "{{ n.to_bytes(2000000000, 'big') | length }}",
    "{{ vast | int > 0 }}",
    "{{ '%d' | format(vast) | length }}",
    "{{ (vast // 1) > 0 }}",
    "{{ (big | replace('x', 'f') | int(0, 16)) // 3 > 0 }}",
    "{{ [[0], [1]] | sum(start=[]) | length }}",
    "{{ {} .fromkeys(range(100000)) | length }}",
    # hostile keys: all of these numbers have the hash 0
    "{{ range(0, 2305843009213693951 * 90000, 2305843009213693951) | unique | list"
    " | length }}",
    "{{ dict(range(90000) | map('string') | batch(2)) | length }}",
    "{% for i in range(99) %}{{ range(90000) == range(90000) | list }}{% endfor %}",
    "{% for i in range(9000) %}{% if 'a' in range(90000) %}{% endif %}{% endfor %}",
    "{% for i in range(9000) %}{{ [big] | select('in', big) | list | length }}{% endfor %}",
    "{% for i in range(9000) %}{% if big is lower %}{% endif %}{% endfor %}",
    "{% for i in range(9000) %}{% if loop.changed(big ~ i) %}{% endif %}{% endfor %}",
    "{% set ns = namespace() %}{% set ns.a = ns %}{{ [ns] | length }}",
    "{% for i in range(99) %}{% set x = range(50000) | sort %}{% endfor %}",
    "{% set ns = namespace(t=()) %}{% for i in range(90000) %}{% set ns.t = (ns.t,) %}"
    "{% endfor %}{{ {ns.t: 1} | length }}",
    # loops
    "{{ range(20000000) | length }}",
    "{{ range(10 ** 12) | length }}",
    "{{ range(10 ** 30) | length }}",
    "{{ range(-(10 ** 12), 10 ** 12, 7) | length }}",
    "{% for a in range(1000) %}{% for b in range(1000) %}{% endfor %}{% endfor %}",
    "{% for a in big %}{% endfor %}",
    "{% for a in big if a == 'y' %}{% endfor %}",
    "{% for a in range(99999) %}{% for b in cells %}{% endfor %}{% endfor %}",
    "{% for a in range(29999) %}{% for b in item %}{% for c in b %}{% endfor %}{% endfor %}"
    "{% endfor %}",
    "{% for a in range(9999) %}{{ range(9999) | sum }}{% endfor %}",
    "{% for a in range(9999) %}{{ range(9999) | select('odd') | first }}{% endfor %}",
    "{% for a in range(9999) %}{{ range(9999) | map('abs') | list | length }}{% endfor %}",
    "{% for a in endless() %}{% endfor %}",
    "{% for a in forever %}{% endfor %}",
    "{{ forever | list | length }}",
    "{{ forever | join | length }}",
    "{% for a in forever %}{{ loop.length }}{% endfor %}",
    "{% for a in [0, 1] recursive %}{{ loop([0, 1]) }}{% endfor %}",
    "{% for a in [5] recursive %}{% if loop.depth < 40 %}{{ loop([0, 1]) }}{% endif %}"
    "{% endfor %}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}"
    "{{ m(60) }}",
    "{% macro m(n) %}{% if n %}{% for i in range(9) %}{{ m(n - 1) }}{% endfor %}{% endif %}"
    "{% endmacro %}{{ m(60) }}",
    "{% block b %}{{ self.b() }}{% endblock %}",
    "{% macro m() %}{{ caller() }}{% endmacro %}{% for i in range(99999) %}"
    "{% call m() %}{% endcall %}{% endfor %}",
    "{{ [0] | map('default', *big) | list }}",
    "{% macro m() %}{{ varargs | length }}{% endmacro %}{{ m(*big) }}",
    # what one turn of a loop writes counts, too
    "{% set x %}{% for i in range(99999) %}" + "word " * 99 + "{% endfor %}{% endset %}",
    "{% set x %}{% for i in range(99999) %}" + "{{ '' }}" * 99 + "{% endfor %}{% endset %}",
    # what Jinja2 has and a letter does not need
    "{{ lipsum(n=100000) | length }}",
    "{{ cycler('a').next() }}",
    "{{ joiner()() }}",
]
CHILD = """
import json, resource, sys
from datetime import datetime
from decimal import Decimal
from itertools import count
from smtpbook.language.part import Part

resource.setrlimit(resource.RLIMIT_DATA, (1500 << 20, 1500 << 20))
resource.setrlimit(resource.RLIMIT_CPU, (400, 400))
for number, source in enumerate(json.load(sys.stdin)):
    values = {
        "n": 7, "cells": ["a", "b"], "item": {"name": "tea"}, "when": datetime(2026, 1, 1),
        "big": "x" * 3_000_000, "raw": b"x-" * 1_000_000, "vast": Decimal("1E+999999999"),
        "forever": count(), "endless": count,
    }
    try:
        found = "gives " + repr(Part.compile("text", source).render(values)[:80])
    except BaseException as error:
        found = f"{type(error).__name__}: {error}"
    print(json.dumps([number, found]), flush=True)
"""
STOPPED = (
    "SecurityError:",
    "RecursionError:",
    "MissingField: 'lipsum'",
    "MissingField: 'cycler'",
    "MissingField: 'joiner'",
    "OverflowError: Python int too large",
    "InvalidOperation:",
)


@pytest.fixture(scope="module")
def told() -> list[str]:
    """What became of each bomb, in a process with 1.5 GB of memory."""
    found = subprocess.run(
        [sys.executable, "-c", CHILD],
        input=json.dumps(BOMBS),
        text=True,
        capture_output=True,
        cwd=Path(__file__).parents[2],
        check=False,
    )
    lines = [json.loads(line)[1] for line in found.stdout.splitlines()]
    after = f"the process ended: {found.returncode} {found.stderr[-500:]}"
    return lines + [after] * (len(BOMBS) - len(lines))


@pytest.mark.skipif(sys.platform != "linux", reason="counts on Linux's memory limit")
def test_a_bomb_is_stopped_before_it_grows(told: list[str]) -> None:
    said = zip(BOMBS, told, strict=True)
    wrong = [(bomb, text) for bomb, text in said if not text.startswith(STOPPED)]
    assert not wrong, wrong


# --- what one rendering may take --------------------------------------------------------


def test_a_hundred_thousand_steps_are_taken_and_no_more() -> None:
    source = "{% for i in a %}{% endfor %}{% for i in b %}{% endfor %}"
    assert render(source, a=range(MAX_STEPS - 1), b="x") == ""
    with pytest.raises(SecurityError, match="more than 100,000 steps"):
        render(source, a=range(MAX_STEPS - 1), b="xy")


@pytest.mark.parametrize(
    "source",
    [
        "{{ a }}{{ b }}",
        "{% set x %}{{ a }}{{ b }}{% endset %}{{ x }}",
        "{{ a ~ b }}",
        "{{ a + b }}",
        "{{ [a, b] | join }}",
        "{{ '%s%s' | format(a, b) }}",
    ],
)
def test_a_text_of_ten_million_characters_is_the_longest(source: str) -> None:
    half = "x" * (MAX_OUTPUT // 2)
    with pytest.raises(SecurityError):
        render(source, a=half, b=half + "x")


def test_a_letter_of_a_million_characters_is_no_bomb() -> None:
    source = "{% macro m(x) %}<p>{{ x | replace('y', 'z') }}</p>{% endmacro %}{{ m(big) }}"
    assert len(render(source, html=True, big="x" * 1_000_000)) == 1_000_007


def test_a_text_may_grow_by_a_thousand_lines() -> None:
    source = (
        "{% set ns = namespace(s='') %}{% for i in range(999) %}"
        "{% set ns.s = ns.s ~ line %}{% endfor %}{{ ns.s | length }}"
    )
    assert render(source, line="x" * 70) == "69930"


def test_each_rendering_has_a_budget_of_its_own() -> None:
    part = Part.compile("text", "{% for i in range(60000) %}{% endfor %}")
    assert [part.render({}) for _ in range(3)] == [""] * 3


def test_a_context_is_enough_to_render_with_limits() -> None:
    template = Environment(autoescape=False).from_string(
        "{% macro m(i) %}{{ i }},{% endmacro %}{% for i in cells %}{{ m(i) }}{% endfor %}"
    )
    pieces = template.root_render_func(template.new_context({"cells": "ab"}))
    assert "".join(pieces) == "a,b,"
    with pytest.raises(SecurityError):
        list(template.root_render_func(template.new_context({"cells": "ab" * MAX_STEPS})))


def test_a_loop_inside_a_loop_spends_the_same_budget() -> None:
    # A function that takes the context gets a derived one inside a loop.
    with pytest.raises(SecurityError, match="steps"):
        render("{% for i in range(99990) %}{{ dict(a=i) | length }}{% endfor %}")


@pytest.mark.parametrize(
    "source",
    [
        "{{ " + "(" * 1000 + "1" + ")" * 1000 + " }}",
        "{{ " + "[" * 150 + "n" + "]" * 150 + " }}",
        "{% for i in cells %}" * 30 + "{% endfor %}" * 30,
        "{% if n %}" * 500 + "{% endif %}" * 500,
        "{{ cells[1:2, 3] }}",
        "{{ " + "-" * 5000 + "n }}",
    ],
    ids=["parentheses", "lists", "loops", "conditions", "index", "signs"],
)
def test_a_template_nested_too_deeply_is_an_error_when_it_is_compiled(source: str) -> None:
    with pytest.raises(TemplateError, match=r"text, line 1: nested too deeply"):
        Part.compile("text", source)


WORDS = st.text(st.sampled_from("aB .-@<>&\"'ß\tﬃ\n%") | st.characters(), max_size=40)


@settings(max_examples=100, deadline=None)
@given(text=WORDS, other=WORDS, third=WORDS, number=st.integers(0, 50))
def test_no_method_gives_more_than_its_bound(
    text: str, other: str, third: str, number: int
) -> None:
    arguments: dict[str, tuple[Any, ...]] = {
        "center": (number,),
        "expandtabs": (number,),
        "join": ([other, third],),
        "ljust": (number,),
        "partition": (other or "x",),
        "removeprefix": (other,),
        "removesuffix": (other,),
        "replace": (other, third, number),
        "rjust": (number,),
        "rpartition": (other or "x",),
        "zfill": (number,),
    }
    for kind in (str, Markup):
        for name, bound in METHODS[str].items():
            values = arguments.get(name, ())
            try:
                found = getattr(kind(text), name)(*values)
            except TypeError:  # those that look for something give a number
                continue
            parts = found if isinstance(found, list | tuple) else [found]
            if isinstance(found, bool):
                continue
            assert sum(map(len, parts)) <= bound(kind(text), *values), (kind, name)


GROWING = (
    *("center", "forceescape", "indent", "replace", "title", "tojson", "upper"),
    *("urlencode", "urlize", "wordwrap"),
)
COMPILED = {
    (name, html): Environment(autoescape=html).from_string(
        f"{{% set x = text | {name}(*values) %}}"
    )
    for name in GROWING
    for html in (False, True)
}


@settings(max_examples=100, deadline=None)
@given(text=WORDS, other=WORDS, third=WORDS, number=st.integers(0, 8), html=st.booleans())
def test_no_filter_gives_more_than_it_is_charged(
    text: str, other: str, third: str, number: int, html: bool
) -> None:
    arguments: dict[str, tuple[Any, ...]] = {
        "center": (number,),
        "indent": (other, True, True),
        "replace": (other, Markup(third)),
        "tojson": (number,),
        "urlize": (number, True, other, third),
        "wordwrap": (number + 1, True, other),
    }
    for name in GROWING:
        template = COMPILED[name, html]
        values = arguments.get(name, ())
        context = template.new_context({"text": text, "values": values})
        list(template.root_render_func(context))
        spent = MAX_HANDLED - context.budget.characters
        assert len(context.vars["x"]) <= spent, name


def test_weight_looks_into_containers_and_not_at_the_same_list_for_ever() -> None:
    assert weight("x" * 99) == 99
    assert weight(["x" * 99, {"a": "y" * 99}]) > 198
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(SecurityError, match="nested more than 100 deep"):
        weight(loop)
