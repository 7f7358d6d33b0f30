"""A MaxBulk template is taken apart as it was meant, or its author learns where not."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpbook.errors import TemplateError
from smtpbook.maxbulk.rules import MAX_DEPTH, Condition, Oddity, Rule, Statement, Tag, parse

OPERATORS = ["*", "!*", "=", "<>", "#?", "?#", ">", "<", ">=", "<="]


def condition_of(text: str, **options: Any) -> Condition:
    statement = parse(text, **options).pieces[0]
    assert isinstance(statement, Statement)
    condition = statement.branches[0].condition
    assert condition is not None
    return condition


def tags_of(text: str, fields: list[str] | None = None) -> list[str]:
    return [
        piece.name for piece in parse(text, fields=fields).pieces if isinstance(piece, Tag)
    ]


def hint_of(text: str, fields: list[str] | None = None) -> list[str]:
    pieces = parse(text, fields=fields).pieces
    assert "".join(p.text if isinstance(p, Oddity) else str(p) for p in pieces) == text
    return [piece.hint for piece in pieces if isinstance(piece, Oddity)]


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("space", ["", " ", "\n\t "])
def test_a_rule_is_a_tag_an_operator_and_a_value(operator: str, space: str) -> None:
    rule = f'[[First Name]]{space}{operator}{space}"a > b"'
    assert condition_of(f"<IF{space}{rule}{space}>x</IF>").rules == (
        Rule(
            line=1 + (space == "\n\t "),
            tag="First Name",
            operator=operator,
            value="a > b",
            source=rule,
        ),
    )


def test_rules_are_joined_by_any_number_of_and_and_or() -> None:
    condition = condition_of(
        '<IF [[A]] = "1" <AND> [[B]] <> "" <OR> [[C]] > "3" <AND> [[D]] * ">">x</IF>'
    )
    assert [rule.tag for rule in condition.rules] == ["A", "B", "C", "D"]
    assert condition.rules[-1].value == ">"
    assert condition.joints == ("AND", "OR", "AND")


@pytest.mark.parametrize(
    ("written", "quotes", "value"),
    [
        ('""', "kept", ""),
        ('"5" disk"', "kept", '5" disk'),
        ('"""', "kept", '"'),
        ('"a""b"', "kept", 'a""b'),
        ('""', "doubled", ""),
        ('"5"" disk"', "doubled", '5" disk'),
        ('""""', "doubled", '"'),
        ('"<AND> [[B]] = [[C"', "kept", "<AND> [[B]] = [[C"),
        (r'"C:\x"', "kept", r"C:\x"),
    ],
)
def test_a_value_holds_what_stands_between_its_quotes(
    written: str, quotes: str, value: str
) -> None:
    text = f'<IF [[A]] = {written} <AND> [[B]] = "x">y</IF>'
    first, second = condition_of(text, quotes=quotes).rules
    assert (first.value, second.value) == (value, "x")


def test_a_value_that_holds_quotes_does_not_swallow_the_next_rule() -> None:
    with pytest.raises(TemplateError, match=r"column 17: expected '>', .*found '<and>"):
        parse('<IF [[A]] = "1" <and> [[B]] = "2">x</IF>')


def test_branches_hold_the_text_tags_and_statements_between_the_keywords() -> None:
    text = 'a<IF [[A]] = "1">a[A]<ELSEIF [[A]] = "2"><IF [[B]] = "3">b</IF><ELSE></IF>z'
    before, statement, rest = parse(text).pieces
    assert isinstance(statement, Statement)
    assert (before, rest) == ("a", "z")
    first, second, last = statement.branches
    assert first.pieces == ("a", Tag(line=1, name="A", doubled=False))
    assert isinstance(second.pieces[0], Statement)
    assert last.condition is None
    assert last.pieces == ()


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_what_stands_above_the_marker_is_ignored(end: str) -> None:
    letter = parse(f"[no tag] <IF no rule{end}<-- START -->{end}{end}Hello{end}[Name]")
    assert letter.start == 2
    assert letter.pieces == ("\nHello\n", Tag(line=5, name="Name", doubled=False))


@pytest.mark.parametrize(
    "text",
    [
        "a <b>bold</b> <a href='x'> word",
        "<IFRAME src='x'></IFRAME> <IF-x> <IF_2>",
        "a > b < c <> d",
        "<!--[if mso]>x<![endif]-->",
        "footnote [1], a[i=0], [ ], [], [-], [a\nb]",
        "</ifs> <android> <order> <ORDER>",
        "{{ x }} {% if %} {# #}",
    ],
)
def test_everything_else_is_ordinary_text(text: str) -> None:
    assert parse(text).pieces
    assert all(isinstance(piece, str) for piece in parse(text).pieces)
    assert "".join(map(str, parse(text).pieces)) == text


def test_without_columns_a_tag_is_what_looks_like_a_name() -> None:
    text = "[Name] [First Name] [E-mail] [x.y (2)] [Straße] [名前] [1] [a, b] [a:b]"
    assert tags_of(text) == ["Name", "First Name", "E-mail", "Straße", "名前"]


def test_with_columns_a_tag_is_one_of_them_however_it_looks() -> None:
    text = "[1] [First Name] [First_Name] [Other] [a=b] <!--[1]-->"
    columns = ["1", "First Name", "a=b"]
    assert tags_of(text, columns) == ["1", "First Name", "First_Name", "a=b", "1"]


def test_a_tag_in_double_brackets_is_said_to_be_one() -> None:
    (*_, tag, _) = parse("[[Name]]").pieces
    assert tag == Tag(line=1, name="Name", doubled=True)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("</if>", "'</IF>'"),
        ("<ENDIF>", "'</IF>'"),
        ("<end if>", "'</IF>'"),
        ("<if [", "'<IF'"),
        ("<Else>", "'<ELSE>'"),
        ("</ELSE>", "'<ELSE>'"),
        ("<ELSE/>", "'<ELSE>'"),
        ("<ELSE IF", "'<ELSEIF'"),
        ("<elsif", "'<ELSEIF'"),
        ("&lt;IF", "'<IF'"),
        ("&lt;/IF&gt;", "'</IF>'"),
        ("<or>", "'<OR>'"),
        ("<AND>", "outside a condition"),
        ("<!-- START -->", "'<-- START -->'"),
        ("<--start-->", "'<-- START -->'"),
        ("&lt;-- START --&gt;", "'<-- START -->'"),
    ],
)
def test_text_that_is_nearly_a_keyword_is_left_and_reported(text: str, hint: str) -> None:
    (reported,) = hint_of(f"a {text} b")
    assert reported.startswith("left as text")
    assert hint in reported


def test_a_second_marker_is_text() -> None:
    (_, odd) = parse("<-- START -->a<-- START -->").pieces
    assert isinstance(odd, Oddity)
    assert odd.hint == "left as text; the message began above"


def test_a_word_in_brackets_that_is_no_column_is_left_and_reported() -> None:
    assert hint_of("[SURNAME] [Nme] [zebra] [1]", ["Surname", "Name"]) == [
        "left as text, no column of the list; did you mean 'Surname'?",
        "left as text, no column of the list; did you mean 'Name'?",
        "left as text, no column of the list",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("</IF>", "line 1, column 1: </IF> without an <IF before it"),
        ("a\n b<ELSE>", "line 2, column 3: <ELSE> without an <IF before it"),
        ("\r\n\r<ELSEIF", "line 3, column 1: <ELSEIF without an <IF before it"),
        ('<IF [[A]] = "1">', "line 1, column 1: <IF without an </IF>"),
        (
            '<IF [[A]] = "1">x\n</if>',
            "line 1, column 1: <IF without an </IF>; '</if>' in line 2 left as text; "
            "did you mean '</IF>'?",
        ),
        (
            '<IF [[A]] = "1"><ELSE><ELSE></IF>',
            "line 1, column 23: <ELSE> after <ELSE>, which comes once and last",
        ),
        (
            '<IF [[A]] = "1"><ELSE><ELSEIF [[A]] = "2"></IF>',
            "line 1, column 23: <ELSEIF after <ELSE>, which comes once and last",
        ),
        (
            '<IF [A] = "1">x</IF>',
            "line 1, column 5: expected a tag in double brackets, [[Tag]], found "
            "'[A] = \"1\">x</IF>'; did you mean '[[A]]'?",
        ),
        (
            '<IF ([[A]] = "1")>x</IF>',
            "line 1, column 5: expected a tag in double brackets, [[Tag]], found "
            "'([[A]] = \"1\")>x</IF>'; a condition has no parentheses",
        ),
        (
            "<IF",
            "line 1, column 4: expected a tag in double brackets, [[Tag]], the text ends",
        ),
        (
            '<IF [[A]] == "1">x</IF>',
            "line 1, column 11: expected an operator (* !* = <> #? ?# > < >= <=), found "
            "'== \"1\">x</IF>'; did you mean '='?",
        ),
        (
            '<IF [[A]] &lt;&gt; "1">x</IF>',
            "line 1, column 11: expected an operator (* !* = <> #? ?# > < >= <=), found "
            "'&lt;&gt; \"1\">x</IF>'; did you mean '<>'?",
        ),
        (
            "<IF [[A]]\n is 1>x</IF>",
            "line 2, column 2: expected an operator (* !* = <> #? ?# > < >= <=), found "
            "'is 1>x</IF>'",
        ),
        (
            "<IF [[A]] = “1”>x</IF>",
            'line 1, column 13: expected a value in straight double quotes, "…", found '
            "'“1”>x</IF>'",
        ),
        (
            '<IF [[A]] = "1>x</IF>\n"',
            "line 1, column 13: a value without a closing quote in its line",
        ),
        (
            '<IF [[A]] = "1" AND [[B]] = "2">x</IF>',
            "line 1, column 17: expected '>', '<AND>' or '<OR>' after the value, found "
            "'AND [[B]] = \"2\">x</I'",
        ),
        (
            '<IF [[A]] = "1"\x1b>x</IF>',
            "line 1, column 16: expected '>', '<AND>' or '<OR>' after the value, found "
            "'\\x1b>x</IF>'",
        ),
    ],
)
def test_an_error_names_line_column_and_the_near_miss(text: str, message: str) -> None:
    with pytest.raises(TemplateError) as caught:
        parse(text)
    assert str(caught.value) == message


def test_a_rule_about_no_column_of_the_list_is_an_error() -> None:
    with pytest.raises(TemplateError) as caught:
        parse('<IF [[gender]] = "M">x</IF>', fields=["Gender", "Name"])
    assert str(caught.value) == (
        "line 1, column 5: [[gender]] is no column of the list; did you mean 'Gender'?"
    )


def test_a_statement_inside_another_is_an_error_where_that_is_wanted() -> None:
    text = '<IF [[A]] = "1">x\n <IF [[B]] = "2">y</IF></IF>'
    assert parse(text)
    with pytest.raises(TemplateError, match="line 2, column 2: <IF inside another"):
        parse(text, nested=False)


def test_statements_are_nested_up_to_a_limit() -> None:
    start = '<IF [[A]] = "1">'
    assert parse(start * MAX_DEPTH + "</IF>" * MAX_DEPTH)
    assert parse(start * MAX_DEPTH + "</IF>" * MAX_DEPTH + start + "</IF>")
    with pytest.raises(TemplateError, match=f"column 321: <IF inside {MAX_DEPTH} others"):
        parse(start * (MAX_DEPTH + 1))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('<IF [[A]] = "1">' + '<ELSEIF [[A]] = "2">' * 1000 + "</IF>", "1,000 branches"),
        ("<IF " + '[[A]] = "1" <OR> ' * 1000 + '[[A]] = "2"></IF>', "1,000 rules"),
    ],
)
def test_a_statement_has_a_bounded_size(text: str, message: str) -> None:
    with pytest.raises(TemplateError, match=f"line 1, column .*more than {message}"):
        parse(text)


SNIPPETS = [
    "<IF ",
    "[[A]]",
    " = ",
    '"x"',
    ">",
    "<ELSE>",
    "</IF>",
    "[A]",
    "\n",
    '<IF [[A]]="">',
]


@given(st.lists(st.sampled_from(SNIPPETS) | st.text(max_size=3)).map("".join))
def test_any_text_is_taken_apart_or_refused_with_its_place(text: str) -> None:
    try:
        letter = parse(text)
    except TemplateError as error:
        place = str(error)
    else:
        place = "line "
        plain = [piece for piece in letter.pieces if isinstance(piece, str)]
        assert all(piece in re.sub("\r\n?", "\n", text) for piece in plain)
    assert place.startswith("line ")
