"""JSON: lines and documents, regular and hostile."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from smtpbook.errors import RecipientsError
from smtpbook.sources import json_lines
from smtpbook.sources.json_lines import read_json
from smtpbook.table import Table


def read(tmp_path: Path, text: str, name: str = "people.json") -> Table:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read_json(path)


def columns(table: Table) -> dict[str, list[Any]]:
    cells = [column.to_pylist() for column in table.cells.columns]
    return dict(zip(table.headers, cells, strict=True))


@pytest.mark.parametrize(
    "text",
    [
        '[{"email": "a@x.example", "n": 1}, {"email": "b@x.example"}]',
        '{"people": [{"email": "a@x.example", "n": 1}, {"email": "b@x.example"}], "v": 2}',
        '{"email": ["a@x.example", "b@x.example"], "n": [1, null]}',
        '{"email": "a@x.example", "n": 1}\n{"email": "b@x.example"}\n',
    ],
)
def test_every_shape_of_list_is_read(tmp_path: Path, text: str) -> None:
    table = read(tmp_path, text)
    assert columns(table) == {"email": ["a@x.example", "b@x.example"], "n": [1, None]}
    assert table.rows.to_pylist() == [1, 2]


def test_objects_are_flattened_one_level_and_the_rest_is_json(tmp_path: Path) -> None:
    table = read(
        tmp_path,
        '[{"email": "a@x.example", "name": {"first": "Ann", "of": {"a": 1}}, '
        '"tags": ["x"], "none": [], "blank": " "}]',
    )
    assert columns(table) == {
        "email": ["a@x.example"],
        "name_first": ["Ann"],
        "name_of": ['{"a": 1}'],
        "tags": ['["x"]'],
        "none": [None],
        "blank": [None],
    }


def test_a_bad_line_is_named_and_the_good_ones_are_kept(tmp_path: Path) -> None:
    table = read(
        tmp_path,
        '\ufeff{"email": "a@x.example", "n": 1}\n{"email": \n\n[1]\n'
        '{"email": "b@x.example", "n": 1.5}\n"c@x.example"\n'
        '{"email": "d@x.example", "email": "e@x.example"}\n{}',
        "people.jsonl",
    )
    assert columns(table) == {
        "email": ["a@x.example", "b@x.example", "c@x.example", "e@x.example"],
        "n": [1.0, 1.5, None, None],
    }
    assert table.rows.to_pylist() == [1, 5, 6, 7]
    assert [problem.message for problem in table.problems] == [
        "people.jsonl, line 2: not JSON (Expecting value: line 2 column 1 (char 11)); "
        "left out",
        'people.jsonl, line 4: not an object such as {"email": …}; left out',
    ]


def test_regular_lines_read_by_arrow_are_as_if_read_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records: list[Any] = [
        {"email": f"u{n}@x.example", "zip": "01234", "on": "2026-11-23", "n": n, "s": n / 2}
        for n in range(5_000)
    ]
    records[2_000]["note"] = "flat"
    records[3_000]["note"] = {"deep": "er"}
    records[4_000]["n"] = "many"
    records[4_500]["zip"] = " "
    lines = list(map(json.dumps, records))
    lines[2_500] += lines[2_501]  # not JSON Lines, though Arrow would take it
    lines[2_501] = ""
    lines[3_600] += lines[3_601]
    text = "\n".join(lines) + "\n"
    monkeypatch.setattr(json_lines, "_BLOCK", 1 << 15)
    by_arrow = read(tmp_path, text, "people.jsonl")
    monkeypatch.setattr(json_lines, "_parsed", lambda *_: None)
    one_by_one = read(tmp_path, text, "people.jsonl")
    assert [problem.row for problem in by_arrow.problems] == [2_501, 3_601]
    assert columns(by_arrow) == columns(one_by_one)
    assert by_arrow.rows.equals(one_by_one.rows)
    assert by_arrow.cells.schema == one_by_one.cells.schema
    assert by_arrow.cells.schema.field(2).type == pa.large_string()


def test_large_numbers_and_lone_surrogates_are_text(tmp_path: Path) -> None:
    table = read(tmp_path, '[{"n": 123456789012345678901234567890, "s": "\\ud800"}]')
    assert columns(table) == {"n": ["123456789012345678901234567890"], "s": ["\\ud800"]}


def test_deep_nesting_costs_a_line_or_the_document_but_not_the_process(
    tmp_path: Path,
) -> None:
    deep = "[" * 1_000_000
    good = '{"email": "a@x.example"}\n' * 5_000  # so many that Arrow reads the next
    table = read(tmp_path, f'{good}{{"email": {deep}\n{{"email": "b@x.example"}}\n')
    assert len(table.rows) == 5_001
    assert [problem.message for problem in table.problems] == [
        "people.json, line 5001: nested too deeply; left out"
    ]
    with pytest.raises(
        RecipientsError, match=r"people.json is not JSON: nested too deeply"
    ):
        read(tmp_path, deep)


def test_a_million_names_are_too_many_columns(tmp_path: Path) -> None:
    lines = "".join(f'{{"k{n}": 1}}\n' for n in range(30_000))
    start = time.process_time()
    with pytest.raises(RecipientsError, match="has more than 1,000 columns"):
        read(tmp_path, lines)
    assert time.process_time() - start < 30


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("5", "holds no list"),
        ("[]", "holds no objects"),
        ('[{"email":', "is not JSON: Expecting value"),
        ('{"a": [{"b": 1}], "c": [{"b": 1}]}', r"several lists of objects \('a', 'c'\)"),
        ('{"email": ["a"], "n": [1, 2]}', "not of equal length"),
    ],
)
def test_what_holds_no_list_is_refused(tmp_path: Path, text: str, error: str) -> None:
    with pytest.raises(RecipientsError, match=error):
        read(tmp_path, text)


def test_a_document_too_large_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_lines, "MAX_DOCUMENT", 10)
    with pytest.raises(RecipientsError, match="save it as JSON Lines"):
        read(tmp_path, '[{"email": "a@x.example"}]')


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_lines_in_utf_16_are_refused_with_what_to_do(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "people.jsonl"
    path.write_text('\ufeff{"email": "a@x.example"}\n' * 3, encoding=encoding)
    with pytest.raises(RecipientsError, match=r"UTF-16; save it again as UTF-8"):
        read_json(path)
