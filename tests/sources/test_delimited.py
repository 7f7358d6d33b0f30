"""Delimited text: Arrow's parser and the csv module give the same rows."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from smtpbook import progress
from smtpbook.errors import RecipientsError
from smtpbook.sources import delimited
from smtpbook.sources.delimited import detect_encoding, read_delimited
from smtpbook.table import Table

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(
        content: str | bytes, name: str = "people.csv", encoding: str = "utf-8"
    ) -> Path:
        path = tmp_path / name
        path.write_bytes(
            content if isinstance(content, bytes) else content.encode(encoding)
        )
        return path

    return write


def rows(table: Table) -> list[tuple[int, list[str | None]]]:
    columns = [column.to_pylist() for column in table.cells.columns]
    cells = [list(row) for row in zip(*columns, strict=True)]
    return list(zip(table.rows.to_pylist(), cells, strict=True))


def faults(table: Table) -> list[tuple[int | None, str]]:
    return [(problem.row, problem.rule) for problem in table.problems]


LINE = st.one_of(
    st.text(st.sampled_from('ab,"\n '), max_size=8),
    st.sampled_from(["a,b", 'x,"y"', '"x\ny",z', '"x""y",', ",", "", "a", "a,b,", "a,b,c"]),
)


@settings(
    max_examples=250,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(lines=st.lists(LINE, max_size=12), block=st.integers(1, 60))
@example(lines=['"a', 'b",c', "d,e", 'f,"g'], block=1)
@example(lines=['x,"', "y,z", "", '"'], block=2)
@example(lines=["a,b", 'c,"d', "e", 'f"', "g,h"], block=3)
def test_any_text_gives_what_the_csv_module_gives(
    tmp_path: Path, lines: list[str], block: int
) -> None:
    """Whatever the blocks: the oracle reads all lines, and goes on after a faulty one."""
    text = "\n".join(["left,right", *lines])
    path = tmp_path / "any.csv"
    path.write_text(text, "utf-8", newline="")
    expected: list[tuple[int, list[str | None]]] = []
    wrong: list[tuple[int | None, str]] = []
    left, number = text.split("\n")[1:], 2
    while left:
        reader = csv.reader((f"{line}\n" for line in left), strict=True)
        try:
            cells, used = next(reader), reader.line_num
        except csv.Error:
            cells, used = [], 1
            wrong.append((number, "unbalanced_quote"))
        if any(cells[2:]):
            wrong.append((number, "too_many_cells"))
        elif any(cells):
            padded = [*cells, ""][:2]
            expected.append((number, [cell if cell.strip() else None for cell in padded]))
        left, number = left[used:], number + used
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delimited, "_BLOCK", block)
        table = read_delimited(path, delimiter=",")
    assert rows(table) == expected
    assert faults(table) == wrong


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_kind_of_line_end(write: Write, end: str) -> None:
    text = end.join(["a,b", "1,2", '"x', 'y",4', "", "5,6"])
    assert rows(read_delimited(write(text.encode()))) == [
        (2, ["1", "2"]),
        (3, ["x\ny", "4"]),
        (6, ["5", "6"]),
    ]


def test_blank_and_short_rows(write: Write) -> None:
    table = read_delimited(write("a,b,c\n,,\n1\n\n 2 , ,\n3,4,5,\n"))
    assert rows(table) == [
        (3, ["1", None, None]),
        (5, [" 2 ", None, None]),
        (6, ["3", "4", "5"]),
    ]


def test_an_apostrophe_that_marks_text_is_no_part_of_the_cell(write: Write) -> None:
    table = read_delimited(write("a,b\n'=1+1,'+43 1\n'til,''@x\n\"'-2\",'\n"))
    assert [cells for _, cells in rows(table)] == [
        ["=1+1", "+43 1"],
        ["'til", "'@x"],
        ["-2", "'"],
    ]


def test_nuls_and_quotes_in_the_middle_stay(write: Write) -> None:
    table = read_delimited(write('a,b\nx\0y,5" disk\n'))
    assert rows(table) == [(2, ["x\0y", '5" disk'])]


def test_more_columns_than_the_rule_for_lines_takes(write: Write) -> None:
    names = [f"c{number}" for number in range(300)]
    text = "\n".join(",".join(line) for line in (names, names))
    table = read_delimited(write(text), delimiter=",")
    assert rows(table) == [(2, names)]


@pytest.mark.parametrize("delimiter", ["::", "", '"', "\n"])
def test_what_is_no_delimiter_is_refused(write: Write, delimiter: str) -> None:
    with pytest.raises(RecipientsError, match="delimiter= is one character"):
        read_delimited(write("a,b\n1,2\n"), delimiter=delimiter)


def test_any_character_can_delimit(write: Write) -> None:
    for delimiter in ":§ \\":
        text = f"a{delimiter}b\n1{delimiter}2\n"
        assert rows(read_delimited(write(text), delimiter=delimiter)) == [(2, ["1", "2"])]


def test_a_line_without_end_is_no_delimited_text(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delimited, "_BLOCK", 100)
    monkeypatch.setattr(delimited, "_LINE", 1000)
    with pytest.raises(RecipientsError, match=r"people.csv has a line of more than 1,000"):
        read_delimited(write("a,b\n" + "x" * 5000))


def test_a_long_file_shows_how_far_it_has_come(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = io.StringIO()
    monkeypatch.setattr(delimited, "_LONG", 100)
    monkeypatch.setattr(delimited, "_BLOCK", 4000)
    progress.use(lambda title, total: progress.Lines(title, total, seen))
    try:
        read_delimited(write("a,b\n" + "1,2\n" * 20_000))
    finally:
        progress.use(None)
    told = seen.getvalue().splitlines()
    assert told[-1] == "reading people.csv: 80,004 of 80,004 (100 %),".rstrip(",")
    assert len(told) > 1


def test_the_encoding_is_told_to_other_readers(write: Write) -> None:
    assert detect_encoding(write("ë")) == ("utf-8", None)
    encoding, doubt = detect_encoding(write("ë", encoding="latin-1"))
    assert encoding == "cp1252"
    assert "0xEB" in str(doubt)


@pytest.mark.parametrize("first", ["sep=;\r\n", "SEP=;\n", '"sep=;"\n', "\ufeffsep=;\n"])
def test_excels_line_that_names_the_delimiter_is_understood(
    write: Write, first: str
) -> None:
    table = read_delimited(write(first + "email;note\na@x.org;1,5\nb@x.org;a,b,c\n"))
    assert table.headers == ("email", "note")
    assert rows(table) == [(3, ["a@x.org", "1,5"]), (4, ["b@x.org", "a,b,c"])]
    assert faults(table) == []


def test_a_delimiter_asked_for_is_taken_whatever_the_first_line_names(write: Write) -> None:
    table = read_delimited(write("sep=;\nemail,note\na@x.org,1;5\n"), delimiter=",")
    assert rows(table) == [(3, ["a@x.org", "1;5"])]


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_titles_above_the_header_are_passed_over_and_said(
    write: Write, delimiter: str
) -> None:
    lines = ["Members, 2026", "", "name,email,city", "Ann,a@x.example,Graz"]
    content = "\n".join(
        line if "2026" in line else line.replace(",", delimiter) for line in lines
    )
    table = read_delimited(write(content))
    assert table.headers == ("name", "email", "city")
    assert rows(table) == [(4, ["Ann", "a@x.example", "Graz"])]
    (title,) = table.problems
    assert (title.row, title.rule) == (None, "title")
    assert title.message.startswith("people.csv, line 1 ('Members")
    assert title.message.endswith("above the header, left out")


def test_of_two_header_rows_the_one_that_names_the_addresses_counts(write: Write) -> None:
    table = read_delimited(
        write("Person,,Adresse\nE-Mail,Vorname,Ort\na@x.example,Ann,Graz\n")
    )
    assert table.headers == ("E-Mail", "Vorname", "Ort")
    assert rows(table) == [(3, ["a@x.example", "Ann", "Graz"])]
    assert [problem.message for problem in table.problems] == [
        "people.csv, line 1 ('Person', 'Adresse'), above the header, left out"
    ]


def test_a_first_row_without_an_address_is_no_header(write: Write) -> None:
    table = read_delimited(write("email,name\nno e-mail,Ann\na@x.example,Bob\n"))
    assert table.headers == ("email", "name")
    assert len(rows(table)) == 2


def test_a_file_of_white_space_is_empty(write: Write) -> None:
    with pytest.raises(RecipientsError, match="is empty; expected a header line"):
        read_delimited(write("\n\n  \n"))


def test_a_file_too_large_is_refused_unread(write: Write) -> None:
    path = write("email\na@x.example\n")
    with path.open("r+b") as file:
        file.truncate((2 << 30) + 1)  # takes no room on the disk
    with pytest.raises(RecipientsError, match=r"has 2\.0 GB \(at most 2\); split it"):
        read_delimited(path)
