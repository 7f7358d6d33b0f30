"""A list is a value: each operation gives a new one and leaves the old as it was."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from smtpbook.errors import ColumnError, RecipientsError
from smtpbook.recipients.hints import RULES
from smtpbook.recipients.read import read_recipients
from smtpbook.recipients.recipients import Recipients


def faults(people: Recipients) -> pd.DataFrame:
    """The problems that are not hints; every address here is at a reserved name."""
    problems = people.problems
    return problems[~problems["rule"].isin(RULES)].reset_index(drop=True)


@pytest.fixture
def people() -> Recipients:
    return read_recipients(
        pd.DataFrame(
            {
                "email": [
                    "ann@x.example",
                    "bob@y.example",
                    "cid@x.example",
                    "dan@z.example",
                ],
                "city": ["Paris", "Rome", None, "Paris"],
                "age": ["30", "7", "x", None],
                "points": [1.5, np.nan, 3, 4],
                "vip": [True, False, True, False],
                "joined": pd.to_datetime(["2024-01-01", "2025-01-01", None, "2026-01-01"]),
            }
        ),
        address="email",
    )


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        ("city == 'Paris'", "ad"),
        ("city != 'Paris'", "bc"),
        ("city == ''", "c"),
        ("city in ['Rome', 'Oslo']", "b"),
        ("city not in ('Rome', 'Paris')", "c"),
        ("city == 'Paris' and not vip", "d"),
        ("(city == 'Rome') | (vip & (points > 2))", "bc"),
        ("~vip", "bd"),
        ("age >= 18", "a"),
        ("7 < age", "a"),
        ("age in [7, 30]", "ab"),
        ("age == '7'", "b"),
        ("points > -1", "acd"),
        ("1 < points <= 3", "ac"),
        ("joined >= '2025-01-01'", "bd"),
        ("city ==\t'Paris' and (\n age == 30)", "a"),
        ("email == 'bob@y.example' or source_row == 3", "bd"),
    ],
)
def test_where(people: Recipients, condition: str, names: str) -> None:
    assert "".join(address[0] for address in people.where(condition).addresses) == names


@pytest.mark.parametrize(
    ("condition", "error"),
    [
        ("@people", "not a condition"),
        ("city == ", "not a condition"),
        ("", "not a condition"),
        ("city = 'Paris'", "not a condition"),
        ("city == 'Paris'\nvip", "not a condition"),
        ("city.str.len() > 3", "Call is not available"),
        ("city.values", "Attribute is not available"),
        ("__import__('os').system('id')", "Call is not available"),
        ("city[0] == 'P'", "Subscript is not available"),
        ("points ** 9 > 1", "Pow is not available"),
        ("[x for x in city]", "ListComp is not available"),
        ("(a := 1) == 1", "NamedExpr is not available"),
        ("f'{city}' == ''", "JoinedStr is not available"),
        ("city", "not true or false for each row"),
        ("1 == 1", "not true or false for each row"),
        ("(" * 500 + "vip" + ")" * 500, "not a condition"),
    ],
)
def test_a_condition_compares_and_does_nothing_else(
    people: Recipients, condition: str, error: str
) -> None:
    with pytest.raises(RecipientsError, match=re.escape(error)):
        people.where(condition)


def test_an_unknown_column_gets_the_near_miss(people: Recipients) -> None:
    with pytest.raises(ColumnError) as caught:
        people.where("ctiy == 'Paris'")
    assert str(caught.value) == "column 'ctiy' not found; did you mean 'city'?"


def test_comparing_what_cannot_be_compared_is_an_error(people: Recipients) -> None:
    with pytest.raises(RecipientsError, match="cannot evaluate"):
        people.where("joined > 'some day'")


def test_where_leaves_the_list_alone_and_keeps_its_problems(people: Recipients) -> None:
    nobody = ["nobody"]
    with_problem = people + nobody
    chosen = with_problem.where("vip")
    assert len(with_problem) == 4
    assert len(faults(chosen)) == 1
    assert chosen.frame.index.tolist() == [0, 1]


def test_plus_joins_and_names_what_was_listed_already(people: Recipients) -> None:
    more = read_recipients(
        pd.DataFrame(
            {"E-Mail": ["BOB@Y.example", "eve@x.example"], "City": ["Oslo", "Bern"]}
        )
    )
    both = people + more
    assert both.addresses == [*people.addresses, "eve@x.example"]
    assert both.frame["city"].tolist()[1] == "Rome"
    assert both.frame["city"].tolist()[-1] == "Bern"
    assert both.frame["age"].isna().tolist()[-1]
    assert list(both.frame.columns)[-2:] == ["source", "source_row"]
    assert faults(both).to_dict("records") == [
        {
            "row": 0,
            "address": "BOB@y.example",
            "rule": "duplicate",
            "message": "DataFrame, row 0: listed already",
            "dropped": True,
            "source": "DataFrame",
        }
    ]


@pytest.mark.parametrize(
    "form",
    [list, set, iter, pd.Series, lambda rows: pd.DataFrame({"mail": rows})],
    ids=["list", "set", "iterator", "Series", "DataFrame"],
)
def test_minus_takes_addresses_in_any_form(
    people: Recipients, form: Callable[[list[str]], object]
) -> None:
    rest = people - form(["ANN@X.EXAMPLE", "dan@z.example", "who@x.example"])  # type: ignore[operator]
    assert rest.addresses == ["bob@y.example", "cid@x.example"]
    assert len(faults(rest)) == 0


def test_minus_another_list_and_one_address(people: Recipients) -> None:
    assert (people - people.where("vip")).addresses == ["bob@y.example", "dan@z.example"]
    assert len(people - "bob@y.example") == 3


def test_an_entry_of_a_stop_list_that_cannot_be_read_is_said(people: Recipients) -> None:
    rest = people - ["ann@x.example", "bob at y.example"]
    assert len(rest) == 3
    assert faults(rest)["rule"].tolist() == ["invalid"]
    assert not faults(rest)["dropped"].any()


def test_in_compares_addresses(people: Recipients) -> None:
    assert "Ann@X.example" in people
    assert "eve@x.example" not in people
    assert "nonsense" not in people


def test_a_sample_is_repeatable_and_in_order(people: Recipients) -> None:
    first, second = people.sample(2, seed=1), people.sample(2, seed=1)
    assert first.addresses == second.addresses == sorted(first.addresses)
    assert len(people.sample(0)) == 0
    with pytest.raises(RecipientsError, match="cannot draw 5 recipients from a list of 4"):
        people.sample(5)


def test_rows_are_dicts_of_plain_values(people: Recipients) -> None:
    row = list(people)[2]
    assert row["city"] is None
    assert row["age"] == "x"
    assert row["points"] == 3.0
    assert type(row["source_row"]) is int
    assert list(people)[1]["points"] is None
    assert list(people)[2]["joined"] is None


def test_iteration_crosses_its_batches() -> None:
    people = read_recipients(
        pd.DataFrame({"email": [f"u{n}@x.example" for n in range(2500)]})
    )
    assert [row["email"] for row in people] == people.addresses


def test_frame_and_problems_are_the_callers_own(people: Recipients) -> None:
    frame, problems = people.frame, people.problems
    frame.loc[0, "email"] = "changed"
    problems["rule"] = "changed"
    assert "rule" in people.problems.columns
    assert people.addresses[0] == "ann@x.example"
    with pytest.raises(AttributeError):
        people.frame = people.frame  # type: ignore[misc]
    with pytest.raises(TypeError):
        people.labels["email"] = "x"  # type: ignore[index]


def test_csv_neutralises_formulas_and_reads_back(tmp_path: Path) -> None:
    people = read_recipients(
        pd.DataFrame(
            {
                "email": ["a@x.example", "b@x.example"],
                "note": ["=1+1", None],
                "object": pd.Series(["@SUM", -3], dtype=object),
                "kind": pd.Categorical(["+x", "y"]),
                "n": [-1, 2],
            }
        )
    )
    people.to_csv(tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text("utf-8") == (
        "email,note,object,kind,n\na@x.example,'=1+1,'@SUM,'+x,-1\nb@x.example,,'-3,y,2\n"
    )
    again = read_recipients(tmp_path / "out.csv").frame
    assert again["note"].tolist() == ["=1+1", pd.NA]
    assert again["object"].tolist() == ["@SUM", "-3"]


def test_it_shows_itself_escaped_and_short() -> None:
    people = read_recipients(
        pd.DataFrame(
            {
                "email": [f"u{n}@x.example" for n in range(7)],
                "Name": ["<script>alert(1)</script>", "\x1b[31m$x$", None, *"abcd"],
            }
        )
    )
    assert repr(people) == (
        "Recipients: 7 addresses at 1 domain, 0 problems, 1 hint; fields: email, name"
    )
    html = people._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "\x1b" not in html
    assert "$" not in html
    assert html.count("<tr>") == 6
    assert "… and 2 more" in html


def test_a_list_shows_itself_when_it_is_empty(people: Recipients) -> None:
    nobody = people - people
    assert repr(nobody).startswith("Recipients: 0 addresses at 0 domains")
    assert "<tbody></tbody>" in nobody._repr_html_()
