"""Checking: each row dropped is named, hints drop nothing, and types are kept."""

from __future__ import annotations

import datetime
import decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from smtpbook.recipients.cells import to_series
from smtpbook.recipients.checking import check
from smtpbook.recipients.recipients import Recipients
from smtpbook.recipients.syntax import check_column
from smtpbook.table import Problem, Table, numbered, text_table


def people_of(table: Table) -> Recipients:
    frame, note, labels = check(table)
    return Recipients(frame, [note], labels)


def emails(*texts: str | None) -> Recipients:
    cells = text_table([texts])
    rows = pa.array(range(2, len(texts) + 2), pa.int64())
    return people_of(Table(name="f.csv", headers=("email",), cells=cells, rows=rows))


def test_each_row_is_dropped_by_the_first_thing_that_is_wrong_with_it() -> None:
    cells = text_table(
        [
            ["a@x.org", "no", None, "A@x.org", "b@x.org", "a@X.org", "b@x.org"],
            ["", "nul\0", "nul\0", "nul\0", "nul\0", None, None],
        ]
    )
    table = Table(
        name="f.csv",
        headers=("email", "note"),
        cells=cells,
        rows=pa.array([2, 3, 4, 5, 6, 7, 8]),
        problems=(
            Problem(9, None, "unbalanced_quote", "f.csv, line 9: …"),
            Problem(8, None, "merged", "f.csv, row 8: a merged cell"),
            Problem(None, None, "encoding", "f.csv is not UTF-8"),
        ),
    )
    people = people_of(table)
    assert people.addresses == ["a@x.org", "b@x.org"]
    assert people.frame["source_row"].tolist() == [2, 8]
    found = people.problems[["row", "rule", "dropped"]].astype(object)
    assert found.where(found.notna(), None).to_numpy().tolist() == [
        [None, "encoding", False],
        [3, "invalid", True],
        [4, "missing", True],
        [5, "nul", True],
        [6, "nul", True],
        [7, "duplicate", True],
        [8, "merged", False],
        [9, "unbalanced_quote", True],
    ]
    assert people.counts == {
        "read": 8,
        "kept": 2,
        "invalid": 1,
        "missing": 1,
        "nul": 2,
        "duplicate": 1,
        "unbalanced_quote": 1,
    }


def test_duplicates_name_the_row_of_the_first() -> None:
    people = emails("a@x.org", "b@x.org", "A@X.org", '"B"@x.org', "a@x.org")
    assert people.problems["message"].tolist() == [
        "f.csv, row 4: the address of row 2 again",
        "f.csv, row 5: the address of row 3 again",
        "f.csv, row 6: the address of row 2 again",
    ]


def test_an_address_behind_a_name_is_taken_and_that_is_said() -> None:
    people = emails('"Marsh, Ann" <ann@x.org>', "bob@x.org", "Cid <ann@x.org>")
    assert people.addresses == ["ann@x.org", "bob@x.org"]
    assert people.problems[["rule", "dropped"]].to_numpy().tolist() == [
        ["display_name", False],
        ["duplicate", True],
    ]
    assert people.problems["address"][0] == '"Marsh, Ann" <ann@x.org>'


def test_columns_keep_their_types_and_no_cell_becomes_an_object() -> None:
    columns = {
        "email": pa.array(["a@x.org", "no", "b@x.org"], pa.large_string()),
        "whole": pa.array([1, 2, None]),
        "full": pa.array([1, 2, 3]),
        "yes": pa.array([True, None, None]),
        "share": pa.array([0.5, None, None]),
        "price": pa.array([decimal.Decimal("1.50")] * 3),
        "day": pa.array([datetime.date(2026, 1, 2)] * 3),
        "time": pa.array([datetime.datetime(2026, 1, 2)] * 3),
        "text": pa.array(["x", "y", None], pa.large_string()),
    }
    table = Table(
        name="db",
        headers=tuple(columns),
        cells=numbered(columns.values()),
        rows=pa.array([0, 1, 2]),
    )
    people = people_of(table)
    assert people.frame.dtypes.astype(str).to_dict() == {
        "email": "string",
        "whole": "Int64",
        "full": "int64",
        "yes": "boolean",
        "share": "float64",
        "price": "decimal128(3, 2)[pyarrow]",
        "day": "date32[day][pyarrow]",
        "time": "datetime64[us]",
        "text": "string",
        "source": "category",
        "source_row": "int64",
    }
    assert people.where("day >= '2026-01-01' and price > 1 and text == ''").addresses == [
        "b@x.org"
    ]
    assert next(iter(people))["price"] == decimal.Decimal("1.50")


def test_rows_of_several_sources_are_named_by_theirs() -> None:
    table = Table(
        name="mail",
        headers=("email",),
        cells=text_table([["a@x.org", "no"]]),
        rows=pa.array([1, 1]),
        sources=pa.array(["one.eml", "two.eml"], pa.large_string()),
    )
    people = people_of(table)
    assert people.frame["source"].tolist() == ["one.eml"]
    assert people.problems["source"].tolist() == ["two.eml"]
    assert people.problems["message"][0].startswith("two.eml, row 1: ")


@pytest.mark.parametrize(
    ("address", "rule"),
    [
        ("Info@firm.org", "role"),
        ("postmaster@firm.org", "role"),
        ("rock-request@lists.firm.org", "role"),
        ("information@firm.org", None),
        ("ann@mailinator.com", "disposable"),
        ("ann@x.mailinator.com", "disposable"),
        ("ann@gmial.com", "typo"),
        ("ann@gmal.com", "typo"),
        ("ann@gmail.con", "typo"),
        ("ann@hotmial.co.uk", "typo"),
        ("ann@yahooo.de", "typo"),
        ("zoë@firm.org", "smtputf8"),
        ("ann@faß.de", None),
    ],
)
def test_hints_do_not_drop_a_row(address: str, rule: str | None) -> None:
    people = emails(address)
    assert len(people) == 1
    assert people.problems["rule"].tolist() == ([] if rule is None else [rule])
    assert not people.problems["dropped"].any()
    assert people.counts == {"read": 1, "kept": 1}


REAL = (
    "gmail.com googlemail.com yahoo.com yahoo.co.uk ymail.com rocketmail.com hotmail.com "
    "outlook.com live.com msn.com icloud.com me.com mac.com aol.com aim.com mail.com "
    "email.com gmx.com gmx.de gmx.net gmx.at gmx.ch web.de t-online.de freenet.de arcor.de "
    "orange.fr wanadoo.fr laposte.net free.fr sfr.fr libero.it virgilio.it alice.it tin.it "
    "mail.ru yandex.ru bk.ru list.ru inbox.ru rambler.ru qq.com 163.com 126.com sina.com "
    "protonmail.com proton.me pm.me tutanota.com fastmail.com fastmail.fm zoho.com hey.com "
    "comcast.net verizon.net att.net sbcglobal.net bellsouth.net cox.net charter.net "
    "btinternet.com sky.com virginmedia.com ntlworld.com talktalk.net bigpond.com "
    "optusnet.com.au shaw.ca rogers.com telus.net sympatico.ca uol.com.br bol.com.br "
    "terra.es seznam.cz centrum.cz wp.pl o2.pl onet.pl interia.pl abv.bg ukr.net i.ua "
    "naver.com hanmail.net daum.net rediffmail.com ge.com gail.com goo.com fmail.com "
    "hmail.com"
)


def test_no_real_domain_is_taken_for_a_slip() -> None:
    people = emails(*(f"ann@{domain}" for domain in REAL.split()))
    assert people.problems.query("rule == 'typo'").empty


def test_reserved_names_are_said_once_at_their_first_row() -> None:
    people = emails(
        "a@firm.org", "b@x.example", "c@y.example", "d@localhost", "e@intranet", "f@[::1]"
    )
    assert people.problems.query("not dropped")[["row", "message"]].to_numpy().tolist() == [
        [
            3,
            "f.csv, row 3: 2 addresses at 'example', a name kept for examples (RFC 2606): "
            "no mail is delivered there",
        ],
        [
            5,
            "f.csv, row 5: 1 address at 'localhost', a name kept for the computer itself "
            "(RFC 2606): no mail is delivered there",
        ],
        [
            6,
            "f.csv, row 6: 1 address at a name without a dot, known in a local network at "
            "most: no mail is delivered there",
        ],
    ]


def test_a_list_of_nothing_but_trouble_stays_arrow() -> None:
    """One message a row, and still no Python object for each."""
    people = emails(*["ann@x.org"] * 50_000)
    problems = people.problems
    assert len(problems) == 49_999
    assert not {str(kind) for kind in problems.dtypes} & {"object", "str"}
    assert isinstance(people.frame["source_row"].to_numpy(), np.ndarray)
    assert isinstance(problems["row"].dtype, pd.Int64Dtype)


def test_a_nul_is_found_in_text_that_repeats_itself() -> None:
    table = Table(
        name="db",
        headers=("email", "city"),
        cells=numbered(
            [
                pa.array(["a@x.org", "b@x.org", "c@x.org"], pa.large_string()),
                pa.array(["Graz", "nul\0", None], pa.large_string()).dictionary_encode(),
            ]
        ),
        rows=pa.array([1, 2, 3]),
    )
    people = people_of(table)
    assert people.addresses == ["a@x.org", "c@x.org"]
    assert people.problems["rule"].tolist() == ["nul"]


def test_an_address_is_known_again_a_hundred_thousand_rows_later() -> None:
    texts = [f"p{number}@x.org" for number in range(100_000)]
    people = emails(*texts, "P7@x.org", "no", "p7@X.org")
    assert people.addresses == texts
    assert people.problems["message"].tolist() == [
        "f.csv, row 100002: the address of row 9 again",
        "f.csv, row 100003: address has no @: 'no'",
        "f.csv, row 100004: the address of row 9 again",
    ]


def test_addresses_that_may_stay_as_they_are_take_no_room_again() -> None:
    texts = pa.array([f"p{number}@x.org" for number in range(100_000)], pa.large_string())
    before = pa.total_allocated_bytes()
    checked = check_column(texts)
    assert pa.total_allocated_bytes() - before < texts.nbytes / 10
    assert checked.addresses.combine_chunks().equals(texts)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "+02:00"])
def test_times_that_python_has_none_for_are_missing_and_said(
    unit: str, zone: str | None
) -> None:
    most = (1 << 63) - 1
    times = pa.array([0, most, None, -most], pa.timestamp(unit, zone))
    days = pa.array([0, 1 << 30, None, -(1 << 30)], pa.date32())
    cells = numbered(
        [
            pa.chunked_array(
                [pa.array([f"{it}@x.org" for it in "abcd"], pa.large_string())]
            ),
            pa.chunked_array([times[:1], times[1:]]),
            pa.chunked_array([days]),
        ]
    )
    table = Table(
        name="f.parquet",
        headers=("email", "when", "day"),
        cells=cells,
        rows=pa.array([1, 2, 3, 4], pa.int64()),
    )
    people = people_of(table)
    said = people.problems["message"].tolist()
    assert people.frame["day"].isna().tolist() == [False, True, True, True]
    if unit == "ns" and zone != "+02:00":  # from 1677 to 2262
        assert people.frame["when"].isna().tolist() == [False, False, True, False]
        assert len(said) == 1
    else:
        assert people.frame["when"].isna().tolist() == [False, True, True, True]
        assert said[0] == (
            "f.parquet: column 'when' has dates before the year 1 or after 9999, 2 times, "
            "first in row 2; they are read as missing"
        )
    repr(people)
    assert people.counts == {"read": 4, "kept": 4}


@pytest.mark.parametrize("zone", ["UTC", "Europe/Vienna", "+02:00"])
@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_with_a_zone_are_what_arrow_makes_of_them(unit: str, zone: str) -> None:
    cells = pa.array([0, None, -5, 10**9], pa.timestamp(unit, zone))
    for column in (cells, cells[:0], pa.chunked_array([cells, cells[1:], cells[:0]])):
        made, arrows = to_series(column), column.to_pandas()
        # Arrow 18 writes an offset with pytz: the same times, another type.
        assert str(made.dt.tz).removeprefix("UTC+") == zone.removeprefix("+")
        pd.testing.assert_series_equal(
            made.dt.tz_convert("UTC"), arrows.dt.tz_convert("UTC")
        )
