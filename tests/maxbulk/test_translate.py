"""A translated letter prints for every row what the MaxBulk template says."""

from __future__ import annotations

import html
import math
import operator
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpbook.errors import TemplateError
from smtpbook.fields import field_name
from smtpbook.language.part import Part
from smtpbook.maxbulk.report import Note
from smtpbook.maxbulk.translate import Translation, translate_maxbulk
from smtpbook.messages.template import Template

MANUAL = (
    '<IF [[Gender]] = "M" <AND> [[Surname]] <> "">Dear Mr. [Surname],'
    '<ELSEIF [[Gender]] = "F" <AND> [[Surname]] <> "">Dear Mrs. [Surname],'
    "<ELSE>Dear Friend,</IF>"
)


def prints(text: str, row: Mapping[str, object], **options: Any) -> str:
    """Translate, and render as the sandbox does."""
    return Part.compile("body", translate_maxbulk(text, **options).source).render(row)


def notes_of(text: str, kind: str, **options: Any) -> list[tuple[int, str, str]]:
    return [
        (note.line, note.found, note.meaning)
        for note in translate_maxbulk(text, **options).notes
        if note.kind == kind
    ]


def assumed(text: str, **options: Any) -> list[str]:
    return [meaning for _, _, meaning in notes_of(text, "assumed", **options)]


# The manual's example


@pytest.mark.parametrize(
    "surname", ["Byrd", 'O\'Neil <x> & "y"', "", None, math.nan, pd.NA]
)
@pytest.mark.parametrize("gender", ["M", "F", "m", "X", "", 1, None, math.nan, pd.NaT])
def test_the_manuals_example_is_right_for_every_row(
    gender: object, surname: object
) -> None:
    letter = Template(
        header_from="Ann <ann@x.example>",
        subject="Hello",
        text=translate_maxbulk(MANUAL).source,
    )
    title = {"M": "Mr.", "F": "Mrs."}.get(str(gender))
    named = isinstance(surname, str) and surname != ""
    expected = f"Dear {title} {surname}," if title and named else "Dear Friend,"
    row = {"email": "zoe@y.example", "Gender": gender, "Surname": surname}
    data = letter.render(row).data
    assert data.rpartition(b"\r\n\r\n")[2].decode() == f"{expected}\r\n"


@pytest.mark.parametrize("missing", ["Gender", "Surname"])
def test_the_manuals_example_is_right_where_a_column_is_missing(missing: str) -> None:
    row = {"Gender": "M", "Surname": "Byrd"}
    del row[missing]
    assert prints(MANUAL, row) == "Dear Friend,"


def test_the_manuals_example_is_plain_to_read_and_leaves_one_thing_open() -> None:
    translation = translate_maxbulk(MANUAL)
    assert translation.source == (
        """{% if Gender | default('') == "M" and Surname | default('') != "" %}"""
        "Dear Mr. {{ Surname | default('') }},"
        """{% elif Gender | default('') == "F" and Surname | default('') != "" %}"""
        "Dear Mrs. {{ Surname | default('') }},{% else %}Dear Friend,{% endif %}"
    )
    assert translation.fields == {"Gender", "Surname"}
    assert translation.notes == (
        Note(
            line=1,
            found='[[Gender]] = "M"',
            meaning="letter case counts; ignore_case=True takes 'm' for 'M'",
            kind="assumed",
            times=2,
        ),
        Note(
            line=1,
            found="[Surname]",
            meaning="{{ Surname | default('') }}",
            kind="exact",
            times=2,
        ),
    )
    told = translate_maxbulk(MANUAL, ignore_case=False)
    assert {note.kind for note in told.notes} == {"exact"}
    assert told.source == translation.source


# Random letters against an interpreter of the rules, written without the translator

COLUMNS = ["Vorname", "Größe (cm)", "or"]
NASTY = st.text(
    st.sampled_from("xyzqXYZ019 .-+'\\\"<>{}%#[]$&;\t\nöÖßİ́名👍\u202e\x85\u2028"),
    max_size=6,
)
TEXTS = NASTY | st.sampled_from(
    ["{{", "{%", "{#", "%}", "{% raw %}", "{{ x }}", "\\n", "<b>"]
)
# Few words, so that cells and values meet.
WORDS = st.sampled_from(["", "x", "xy", "yx", "X", 'x"', "18", "2.5", "True"])
# A value stays in its line, and one that holds quotes is not what could also end it.
VALUES = (
    (WORDS | WORDS | WORDS | NASTY)
    .map(lambda value: value.replace("\n", " "))
    .filter(lambda value: not re.search(r'"\s*>|".*\[\[|\[\[.*"', value))
)
CELLS = (
    (WORDS | WORDS | WORDS | NASTY)
    | st.sampled_from([18, 18.0, 2.5, -3, 0, 19, "18.0", " 18", "nan", "inf"])
    | st.integers(-999, 999)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.booleans()
)
ROWS = st.fixed_dictionaries({}, optional=dict.fromkeys(COLUMNS, CELLS))
ORDERINGS: dict[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}


@dataclass(frozen=True)
class Test:
    column: str
    operator: str
    value: str

    __test__ = False

    def written(self, quotes: str) -> str:
        value = self.value.replace('"', '""') if quotes == "doubled" else self.value
        return f'[[{self.column}]] {self.operator} "{value}"'

    def holds(self, row: Mapping[str, object], *, ignore_case: bool, numbers: bool) -> bool:
        cell, value = str(row.get(self.column, "")), self.value
        if self.operator in ORDERINGS and numbers and is_number(value):
            return compare_numbers(row.get(self.column, ""), self.operator, float(value))
        if ignore_case and value.lower() != value.upper():
            cell, value = cell.lower(), value.lower()
        match self.operator:
            case "*":
                return value in cell
            case "!*":
                return value not in cell
            case "=":
                return cell == value
            case "<>":
                return cell != value
            case "#?":
                return cell[: len(value)] == value
            case "?#":
                return not value or cell[-len(value) :] == value
        return ORDERINGS[self.operator](cell, value)


def is_number(value: str) -> bool:
    return bool(re.fullmatch(r"[+-]?\d+([.]\d+)?", value, re.ASCII))


def compare_numbers(cell: Any, sign: str, value: float) -> bool:
    try:
        return ORDERINGS[sign](float(cell), value)
    except ValueError:
        return False


@dataclass(frozen=True)
class Choice:
    """An IF: for each branch its tests with AND and OR between them, and its pieces."""

    branches: tuple[tuple[tuple[Any, ...] | None, tuple[Any, ...]], ...]


def write_down(pieces: tuple[Any, ...], quotes: str) -> str:
    written = ""
    for piece in pieces:
        if not isinstance(piece, Choice):
            written += f"[{piece[0]}]" if isinstance(piece, tuple) else piece
            continue
        for number, (tests, inner) in enumerate(piece.branches):
            if tests is None:
                written += "<ELSE>"
            else:
                words = [t if isinstance(t, str) else t.written(quotes) for t in tests]
                words = [f"<{word}>" if word in ("AND", "OR") else word for word in words]
                written += f"<{'ELSEIF' if number else 'IF'} {' '.join(words)}>"
            written += write_down(inner, quotes)
        written += "</IF>"
    return written


def evaluate(
    tests: tuple[Any, ...], truth: Callable[[Test], bool], precedence: str
) -> bool:
    if precedence == "left":
        result = truth(tests[0])
        for word, test in zip(tests[1::2], tests[2::2], strict=True):
            result = (result and truth(test)) if word == "AND" else (result or truth(test))
        return result
    either = [True]
    for item in tests:
        if item == "OR":
            either.append(True)
        elif item != "AND":
            either[-1] = either[-1] and truth(item)
    return any(either)


def interpret(
    pieces: tuple[Any, ...], row: Mapping[str, object], options: Mapping[str, Any]
) -> str:
    def truth(test: Test) -> bool:
        return test.holds(
            row, ignore_case=options["ignore_case"], numbers=options["numbers"]
        )

    printed = ""
    for piece in pieces:
        if isinstance(piece, str):
            printed += piece
        elif isinstance(piece, tuple):
            cell = str(row.get(piece[0], "")) or options["empty"]
            printed += html.escape(cell) if options["html"] else cell
        else:
            for tests, inner in piece.branches:
                if tests is None or evaluate(tests, truth, options["precedence"]):
                    printed += interpret(inner, row, options)
                    break
    return printed


TESTS = st.builds(
    Test,
    st.sampled_from(COLUMNS),
    st.sampled_from(["*", "!*", "=", "<>", "#?", "?#", *ORDERINGS]),
    VALUES,
)


@st.composite
def conditions(draw: st.DrawFn) -> tuple[Any, ...]:
    found: list[Any] = [draw(TESTS)]
    for _ in range(draw(st.integers(0, 3))):
        found += [draw(st.sampled_from(["AND", "OR"])), draw(TESTS)]
    return tuple(found)


def choices(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Choice]:
    pieces = st.lists(inner, max_size=3).map(tuple)
    branches = st.lists(st.tuples(conditions(), pieces), min_size=1, max_size=3)
    last = st.just(()) | pieces.map(lambda found: ((None, found),))
    return st.builds(lambda first, end: Choice((*first, *end)), branches, last)


PLAIN = TEXTS | st.sampled_from(COLUMNS).map(lambda column: (column,))
LETTERS = st.lists(
    choices(PLAIN) | choices(PLAIN | choices(PLAIN)) | PLAIN, min_size=1, max_size=3
).map(tuple)
OPTIONS = st.fixed_dictionaries(
    {
        "html": st.booleans(),
        "precedence": st.sampled_from(["and", "left"]),
        "ignore_case": st.booleans(),
        "numbers": st.booleans(),
        "quotes": st.sampled_from(["kept", "doubled"]),
        "empty": st.sampled_from(["", 'a "b" {{ c }}\n\\', "<i>"]),
    }
)


@settings(max_examples=120)
@given(LETTERS, st.lists(ROWS, min_size=1, max_size=8), OPTIONS)
def test_a_letter_prints_what_its_rules_say(
    pieces: tuple[Any, ...], rows: list[dict[str, object]], options: dict[str, Any]
) -> None:
    text = write_down(pieces, options["quotes"])
    translation = translate_maxbulk(text, fields=COLUMNS, **options)
    part = Part.compile("body", translation.source, html=options["html"])
    assert part.fields == translation.fields
    for row in rows:
        values = {field_name(column): cell for column, cell in row.items()}
        printed = part.render(values)
        if options["html"]:  # quotes have two spellings there
            printed = printed.replace("&#34;", "&quot;").replace("&#39;", "&#x27;")
        assert printed == interpret(pieces, row, options)


@pytest.mark.parametrize(
    "text",
    [
        *("{", "{{", "{{{", "}}", "{%", "%}", "{#", "#}", "{%-", "{% raw %}", "{{ x }}"),
        *("{[A]}", "{{[A]}}", "{%[A]%}", "{#[A]#}", "{{{[A]", "[A]{"),
        *("\\", "\\n{", "a\n", "\n", "\u2028{", "'\"", "# x", "## x"),
    ],
)
def test_text_that_jinja_would_read_is_printed_as_it_is(text: str) -> None:
    printed = text.replace("[A]", "-")
    assert prints(text, {"A": "-"}) == printed
    within = f'<IF [[A]] <> "">{text}<ELSE>{text}</IF>{text}'
    assert prints(within, {"A": "-"}) == printed * 2


@pytest.mark.parametrize(
    ("rule", "holding", "failing"),
    [
        ('* "ar"', ["Paris", "ar"], ["PAR", "", None, 1]),
        ('!* "ar"', ["PAR", "", None, 1], ["Paris", "ar"]),
        ('= "Paris"', ["Paris"], ["paris", "Paris ", "", None, 1]),
        ('<> "Paris"', ["paris", "Paris ", "", None, 1], ["Paris"]),
        ('#? "Pa"', ["Paris", "Pa"], ["APa", "pa", "", None]),
        ('?# "is"', ["Paris", "is"], ["isa", "IS", "", None]),
        ('= ""', ["", None], [" ", 0, False]),
        ('<> ""', [" ", 0, False], ["", None]),
        ('= "1"', [1, "1"], ["01", 1.0, True, None]),
        ('* "1"', [1, 210, "a1", 1.5], [2, "", None]),
        ('#? "1"', [1, 12.5, "1"], [21, None]),
        ('?# ".5"', [1.5, "x.5"], [15, None]),
        ('= "True"', [True, "True"], [1, "true", None]),
        ('> "1.5"', [2, "1.6", 1e300, "inf"], [1.5, "1", "x", "", None, "nan"]),
        ('>= "-3"', [-3, "-3.0", 0], [-3.5, "x", None]),
        ('< "-3"', [-4, "-3.1", "-inf"], [-3, 0, "x", None]),
        ('<= "0"', [0, "-1", False], [True, 0.5, "x", "", None]),
        ('> "b"', ["c", "ba"], ["b", "B", "", None, 1]),
        ('<= "b"', ["b", "B", "", None, 1], ["c", "ba"]),
        ('= "a\\b"', ["a\\b"], ["ab", "a\\\\b"]),
        ('= "{{ x }} %} #}"', ["{{ x }} %} #}"], ["", None]),
    ],
)
def test_every_operator_compares_a_cell_with_the_value(
    rule: str, holding: list[object], failing: list[object]
) -> None:
    part = Part.compile(
        "text", translate_maxbulk(f"<IF [[A]] {rule}>yes<ELSE>no</IF>").source
    )
    for cells, printed in ((holding, "yes"), (failing, "no")):
        rows: list[dict[str, object]] = [{} if c is None else {"A": c} for c in cells]
        assert [part.render(row) for row in rows] == [printed] * len(cells)


# What each option does, and what the report says without it


@pytest.mark.parametrize(("options", "printed"), [({}, "x"), ({"precedence": "left"}, "")])
def test_and_binds_tighter_than_or_unless_the_rules_are_read_from_the_left(
    options: dict[str, Any], printed: str
) -> None:
    text = '<IF [[A]] = "x" <OR> [[A]] = "y" <AND> [[B]] = "z">x</IF>'
    assert prints(text, {"A": "x"}, **options) == printed
    doubts = [meaning for meaning in assumed(text, **options) if "binds" in meaning]
    assert len(doubts) == (not options)


@pytest.mark.parametrize("joints", ["<AND> <AND>", "<OR> <OR>", "<AND> <OR>"])
def test_precedence_is_open_only_where_an_and_follows_an_or(joints: str) -> None:
    first, second = joints.split()
    text = f'<IF [[A]] = "" {first} [[B]] = "" {second} [[C]] = "">x</IF>'
    assert not assumed(text)


@pytest.mark.parametrize(("options", "printed"), [({}, ""), ({"ignore_case": True}, "x")])
def test_letter_case_counts_unless_it_is_to_be_ignored(
    options: dict[str, Any], printed: str
) -> None:
    text = '<IF [[A]] = "PARIS">x</IF>'
    assert prints(text, {"A": "Paris"}, **options) == printed
    assert len(assumed(text, **options)) == (not options)
    assert not assumed('<IF [[A]] #? "7-" <OR> [[A]] = "">x</IF>')


@pytest.mark.parametrize(
    ("cell", "as_numbers", "as_texts"),
    [
        (9, "<", ">"),
        ("9", "<", ">"),
        (" 9.5 ", "<", "<"),
        (18, ">=", ">="),
        (18.0, ">=", ">"),
        (True, "<", ">"),
        ("ten", "", ">"),
        ("", "", "<"),
        (None, "", "<"),
        (pd.Timestamp("2026-11-28"), "", ">"),
    ],
)
def test_orderings_compare_numbers_unless_they_are_to_compare_texts(
    cell: object, as_numbers: str, as_texts: str
) -> None:
    text = '<IF [[A]] > "18">&gt;<ELSEIF [[A]] < "18">&lt;<ELSEIF [[A]] >= "18">&ge;</IF>'
    row = {} if cell is None else {"A": cell}
    signs = {">": "&gt;", "<": "&lt;", ">=": "&ge;", "": ""}
    assert prints(text, row) == signs[as_numbers]
    assert prints(text, row, numbers=False) == signs[as_texts if as_texts else ""]
    (doubt,) = assumed(text)
    assert doubt == (
        "numbers are compared, and a cell that is none is on neither side; "
        "numbers=False compares texts"
    )
    assert not assumed(text, numbers=True)


def test_a_number_is_equal_to_what_it_prints_as() -> None:
    text = '<IF [[A]] = "18">x</IF>'
    assert [prints(text, {"A": cell}) for cell in (18, "18", 18.0, "018")] == [
        "x",
        "x",
        "",
        "",
    ]
    assert assumed(text) == ["texts are compared; a cell that prints as 18.0 is another"]
    assert not assumed('<IF [[A]] = "2.5">x</IF>')


def test_an_order_of_words_is_said_to_be_that_of_unicode() -> None:
    (doubt,) = assumed('<IF [[A]] > "m">x</IF>', ignore_case=False)
    assert doubt == "texts are compared, character by character as in Unicode"
    assert not assumed('<IF [[A]] > "">x</IF>')


def test_a_statement_inside_another_is_read_unless_it_is_refused() -> None:
    text = '<IF [[A]] = "1"><IF [[B]] = "2">x<ELSE>y</IF></IF>'
    assert prints(text, {"A": 1, "B": 2}) == "x"
    assert prints(text, {"A": 1}) == "y"
    assert "belongs to the <IF of line 1; nested=False refuses it" in assumed(text)
    assert not any("belongs" in meaning for meaning in assumed(text, nested=True))
    with pytest.raises(TemplateError, match="nested=False"):
        translate_maxbulk(text, nested=False)


def test_quotes_inside_a_value_stand_for_themselves_unless_doubled() -> None:
    text = '<IF [[A]] = "5"" x">x</IF>'
    assert prints(text, {"A": '5"" x'}) == "x"
    assert prints(text, {"A": '5" x'}, quotes="doubled") == "x"
    doubt = "the value is 5\"\" x; quotes='doubled' takes two quotes for one"
    assert doubt in assumed(text)
    assert doubt not in assumed(text, quotes="kept")


@pytest.mark.parametrize("row", [{}, {"A": ""}])
def test_an_empty_tag_prints_nothing_or_what_is_said(row: dict[str, object]) -> None:
    assert prints("[A].", row) == "."
    assert prints("[A].", row, empty="friend") == "friend."
    assert prints("[A].", {"A": 0}, empty="friend") == "0."
    assert len(assumed("[A] [B] [A]")) == 1
    assert not assumed("[A]", empty="")


@pytest.mark.parametrize(
    "rule", ['= "1"', '* "-"', '#? "-"', '?# "-"', '<> ""', '<> "" <AND> [[B]] = "1"']
)
def test_nothing_is_open_where_a_rule_says_that_the_tag_is_filled(rule: str) -> None:
    def speaks_of_empty(text: str) -> bool:
        return any("empty" in meaning for meaning in assumed(text))

    assert not speaks_of_empty(f'<IF [[A]] {rule}>[A]<IF [[B]] = "">[A]</IF></IF>')
    assert speaks_of_empty(f"<IF [[A]] {rule}>x<ELSE>[A]</IF>")
    assert speaks_of_empty(f"<IF [[A]] {rule}>x</IF>[A]")
    assert speaks_of_empty(f'<IF [[A]] {rule} <OR> [[B]] = "1">[A]</IF>')


@pytest.mark.parametrize(
    "rule", ['= ""', '* ""', '<> "1"', '!* "1"', '< "1"', '<= "x"', '#? ""', '?# ""']
)
def test_a_tag_is_open_where_the_rule_also_holds_for_an_empty_cell(rule: str) -> None:
    text = f"<IF [[A]] {rule}>[A]</IF>"
    assert any("empty or missing" in meaning for meaning in assumed(text))


# The rest of the report


def test_every_field_that_is_called_otherwise_is_said() -> None:
    text = '[First Name] <IF [[or]] = "1">[Name]</IF>'
    translation = translate_maxbulk(text, empty="")
    assert translation.fields == {"First_Name", "or_", "Name"}
    assert notes_of(text, "exact", empty="")[0] == (1, "First Name", "the field First_Name")
    assert (1, "or", "the field or_") in notes_of(text, "exact", empty="")
    assert not any(found == "Name" for _, found, _ in notes_of(text, "exact"))


@pytest.mark.parametrize("columns", [None, ["First Name", "First-Name"]])
def test_two_columns_with_one_name_are_said(columns: list[str] | None) -> None:
    (doubt,) = assumed("[First Name]\n[First-Name]", fields=columns, empty="")
    assert doubt == (
        "'First Name' and 'First-Name' come to the same field, First_Name; a row gives one "
        "of them"
    )
    assert not assumed("[First Name] [First_Name]", fields=["First Name"], empty="")


def test_what_is_not_understood_is_printed_as_it_is_and_said() -> None:
    text = "[Nme]\n</if> <AND> [Name]"
    assert prints(text, {"Name": "Zoë"}, fields=["Name"]) == "[Nme]\n</if> <AND> Zoë"
    assert notes_of(text, "not understood", fields=["Name"]) == [
        (1, "[Nme]", "left as text, no column of the list; did you mean 'Name'?"),
        (2, "</if>", "left as text; did you mean '</IF>'?"),
        (2, "<AND>", "left as text; outside a condition"),
    ]


@pytest.mark.parametrize(
    ("text", "options", "meaning"),
    [
        ("[[A]]", {}, "double brackets are for rules; the outer ones are printed"),
        (
            "[A]",
            {"html": True},
            "a cell is text: its <, > and & are escaped and do not act as HTML",
        ),
        (
            '<IF [[A]] = "1 &amp; 2">x</IF>',
            {"html": True},
            "the cell holds it as it is written, with & and ;",
        ),
        (
            '<IF [[A]] * "-">x\n</IF>',
            {},
            "line breaks next to <IF …>, <ELSE> and </IF> belong to the branch",
        ),
    ],
)
def test_what_no_option_settles_is_said(
    text: str, options: dict[str, Any], meaning: str
) -> None:
    decided = {"empty": "", "ignore_case": False}
    assert assumed(text, **decided, **options) == [meaning]


def test_the_marker_and_plain_conditions_are_noted_as_exact() -> None:
    text = 'For the office.\n<-- START -->\n<IF [[A]] <> ""><ELSE></IF>'
    assert notes_of(text, "exact") == [
        (2, "<-- START -->", "what stands above is ignored"),
        (3, '<IF [[A]] <> "">', "A | default('') != \"\""),
    ]
    assert prints(text, {}) == ""


# Sizes


@pytest.mark.parametrize("joint", ["AND", "OR"])
def test_a_condition_of_hundreds_of_rules_works(joint: str) -> None:
    rules = [
        f'[[Zip]] <> "{n}"' if joint == "AND" else f'[[Zip]] = "{n}"' for n in range(410)
    ]
    text = f"<IF {f' <{joint}> '.join(rules)}>x<ELSE>y</IF>"
    found, other = ("y", "x") if joint == "AND" else ("x", "y")
    part = Part.compile("text", translate_maxbulk(text).source)
    assert [part.render({"Zip": zip_code}) for zip_code in (0, 409, 410)] == [
        found,
        found,
        other,
    ]


def test_a_condition_that_turns_between_and_and_or_works() -> None:
    rules = " <OR> ".join([f'[[A]] = "{n}" <AND> [[B]] = "{n}"' for n in range(50)])
    part = Part.compile("text", translate_maxbulk(f"<IF {rules}>x</IF>").source)
    assert [part.render({"A": a, "B": 49}) for a in (49, 48)] == ["x", ""]


def test_turns_are_bounded_where_rules_are_read_from_the_left() -> None:
    def text(turns: int) -> str:
        words = "".join(
            f' <{"AND" if n % 2 else "OR"}> [[A]] = "{n}"' for n in range(turns + 1)
        )
        return f'\n <IF [[A]] = "x"{words}>x</IF>'

    assert prints(text(20), {"A": "20"}, precedence="left") == "\n x"
    with pytest.raises(TemplateError, match=r"^line 2, column 2: .* more than 20 times"):
        translate_maxbulk(text(21), precedence="left")


def test_a_statement_of_a_thousand_branches_works() -> None:
    branches = "".join(f'<ELSEIF [[A]] = "{n}">{n}' for n in range(999))
    part = Part.compile(
        "text", translate_maxbulk(f'<IF [[A]] = "x">x{branches}</IF>').source
    )
    assert [part.render({"A": cell}) for cell in ("x", 0, 998, 999)] == [
        "x",
        "0",
        "998",
        "",
    ]


def test_statements_inside_each_other_work_up_to_the_limit() -> None:
    depth = 20
    text = '<IF [[A]] = "1">x' * depth + "</IF>" * depth
    assert prints(text, {"A": 1}) == "x" * depth


HOSTILE = {
    "open brackets": "[",
    "open tags": "[A",
    "open rules": "<IF [[",
    "tags": "[A]",
    "ever new tags": "[aN]",
    "tags of one name": "[a.N.a N]",
    "quotes": '"',
    "keywords": "<AND>",
    "near keywords": "<if ",
    "braces": "{{",
    "lines": "\n",
    "statements": '<IF [[A]] = "N">{{</IF>',
    "spaces": " ",
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("start", ["", '<IF [[A]] = "x" ', '<IF [[A]] = "x'])
def test_four_times_the_text_takes_not_much_more_than_four_times_the_time(
    name: str, start: str
) -> None:
    piece = HOSTILE[name]

    def seconds(chars: int) -> float:
        text = start + "".join(
            piece.replace("N", str(n)) for n in range(chars // len(piece))
        )
        best = math.inf
        for _ in range(2):
            began = time.process_time()
            with suppress(TemplateError):
                translate_maxbulk(text)
            best = min(best, time.process_time() - began)
        return best

    # Sixteen times would be a quadratic search; what takes no time cannot be compared.
    assert seconds(80_000) < 10 * max(seconds(20_000), 0.002)


# How it shows itself


def test_it_prints_its_source_and_its_report() -> None:
    translation = translate_maxbulk('<IF [[A]] = "x">[A]</IF>\x1b</if>', empty="")
    assert repr(translation) == str(translation)
    assert str(translation).splitlines() == [
        """{% if A | default('') == "x" %}{{ A | default('') }}{% endif %}\\x1b</if>""",
        "",
        "  line  how             found: how it was read",
        '     1  assumed         [[A]] = "x": letter case counts; ignore_case=True takes',
        "                        'm' for 'M'",
        "     1  exact           [A]: {{ A | default('') }}",
        "     1  not understood  </if>: left as text; did you mean '</IF>'?",
    ]


def test_in_a_notebook_it_is_a_table_in_which_nothing_acts() -> None:
    translation = translate_maxbulk(
        "<script>$x$</script>[<b>]</if>[A\u202e]", fields=["A\u202e"]
    )
    shown = translation._repr_html_()
    assert "<script" not in shown
    assert "&lt;script&gt;&#36;x&#36;" in shown
    assert "\u202e" not in shown
    assert "\\u202e" in shown.replace("&#92;", "\\")
    assert "var(--jp-content-font-color1, CanvasText)" in shown
    assert translation._repr_mimebundle_() == {
        "text/plain": str(translation),
        "text/html": shown,
    }


def test_a_long_report_is_cut_and_says_so() -> None:
    translation = translate_maxbulk(
        "".join(f"[a{n}]" for n in range(150)) + f"[{'b' * 100}]"
    )
    assert len(translation.notes) == 152
    assert str(translation).endswith("…: 52 more, all in .notes")
    assert "<td" in translation._repr_html_()
    assert translation._repr_html_().count("<tr>") == 102


def test_a_text_without_a_mark_is_its_own_translation() -> None:
    text = "Dear all,\n\tsee you at 5 > 4 } \\n.\n"
    assert translate_maxbulk(text) == Translation(source=text, fields=frozenset(), notes=())
