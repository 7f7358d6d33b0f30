"""Reading a list: what is found out, what is said, and that good rows are kept."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from smtpbook.errors import RecipientsError
from smtpbook.recipients.hints import RULES
from smtpbook.recipients.read import read_recipients
from smtpbook.recipients.recipients import Recipients

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


def faults(people: Recipients) -> pd.DataFrame:
    """The problems that are not hints; every address here is at a reserved name."""
    problems = people.problems
    return problems[~problems["rule"].isin(RULES)].reset_index(drop=True)


def rules(people: Recipients) -> list[tuple[int | None, str]]:
    problems = faults(people)
    rows = [None if pd.isna(row) else int(row) for row in problems["row"]]
    return list(zip(rows, problems["rule"], strict=True))


# --- delimited text --------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(write: Write, delimiter: str) -> None:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(
        [
            ["email", "first_name", "note"],
            ["a@x.example", "Ann", "one, two; three"],
            ["b@x.example", "Bob", "tab\t|bar"],
        ]
    )
    path = write(text.getvalue())
    people = read_recipients(path)
    assert people.frame["note"].tolist() == ["one, two; three", "tab\t|bar"]
    assert list(people.frame.columns) == [
        "email",
        "first_name",
        "note",
        "source",
        "source_row",
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_utf_is_found_by_its_mark_or_its_shape(write: Write, encoding: str) -> None:
    people = read_recipients(write("email,name\na@x.example,Zoë 山田\n", encoding=encoding))
    assert people.frame["name"][0] == "Zoë 山田"
    assert rules(people) == []


def test_a_file_that_is_not_utf8_is_read_as_windows_1252_and_that_is_said(
    write: Write,
) -> None:
    people = read_recipients(write("email,name\n\na@x.example,Zoë €\n", encoding="cp1252"))
    assert people.frame["name"][0] == "Zoë €"
    assert faults(people).to_dict("records")[0] | {"row": None, "address": None} == {
        "row": None,
        "address": None,
        "rule": "encoding",
        "message": "people.csv is not UTF-8 (line 3 holds the octet 0xEB), read as "
        "Windows-1252; pass encoding= if names look wrong",
        "dropped": False,
        "source": "people.csv",
    }


def test_a_file_cut_off_inside_a_character_is_not_utf8(write: Write) -> None:
    people = read_recipients(
        write("name,email\nAnn,a@x.example\nZo\u00eb", encoding="cp1252")
    )
    assert rules(people) == [(None, "encoding"), (3, "missing")]


def test_a_character_cut_by_a_block_edge_is_still_utf8(write: Write) -> None:
    line = "a@x.example,ë\n".encode()
    head = b"email,name\n" + b"\n" * (2**20 - len("email,name\n") - line.index(b"\xab"))
    people = read_recipients(write(head + line))
    assert rules(people) == []
    assert people.frame["name"][0] == "ë"


def test_everything_is_text_and_an_empty_cell_is_missing(write: Write) -> None:
    path = write(
        'email,zip,score,note\na@x.example,01234,,"two\nlines"\nb@x.example,NA,  ,\n'
    )
    frame = read_recipients(path).frame
    assert frame["zip"].tolist() == ["01234", "NA"]
    assert frame["score"].isna().all()
    assert frame["note"][0] == "two\nlines"
    assert frame["note"][1] is pd.NA
    assert frame["source_row"].tolist() == [2, 4]
    assert frame["source"].tolist() == ["people.csv", "people.csv"]


def test_bad_rows_are_named_and_the_good_ones_kept(write: Write) -> None:
    people = read_recipients(
        write(
            "email,name,city\n"
            "a@x.example,Ann,Graz\n"
            'b@x.example,"Bob,Graz\n'
            "c@x.example,Cid,Graz\n"
            'd@x.example,"Dan" II,Graz\n'
            "e@x.example,Eve,Graz,one,more\n"
            "f@x.example,F\0,Graz\n"
            "g@x.example\n"
            ",,\n"
            "\n"
            "h@x.example,Hal,Graz,,\n"
            ",Ida,Graz\n"
            "no address,Jim,Graz\n"
            "A@X.example,Again,Graz\n"
            "k@x.example,Kim,Graz"
        )
    )
    assert people.addresses == [f"{name}@x.example" for name in "acghk"]
    assert faults(people)[["row", "rule", "message"]].to_numpy().tolist() == [
        [
            3,
            "unbalanced_quote",
            "people.csv, line 3: column 2: a quote is not closed or not doubled "
            "(',' expected after '\"')",
        ],
        [
            5,
            "unbalanced_quote",
            "people.csv, line 5: column 2: a quote is not closed or not doubled "
            "(',' expected after '\"')",
        ],
        [
            6,
            "too_many_cells",
            "people.csv, line 6: 5 cells, but the header has 3; column 4 should not be "
            "there",
        ],
        [7, "nul", "people.csv, row 7: column 'name' holds a NUL"],
        [12, "missing", "people.csv, row 12: no address"],
        [
            13,
            "invalid",
            "people.csv, row 13: address has no @: 'no address'",
        ],
        [14, "duplicate", "people.csv, row 14: the address of row 2 again"],
    ]


def test_an_unclosed_quote_costs_one_line_not_the_rest_of_the_file(write: Write) -> None:
    good = "".join(f"u{number}@x.example,Ann\n" for number in range(20_000))
    people = read_recipients(write(f'email,name\nbad@x.example,"Bob\n{good}'))
    assert len(people) == 20_000
    assert rules(people) == [(2, "unbalanced_quote")]


def test_a_header_without_rows_is_an_empty_list_that_says_so(write: Write) -> None:
    people = read_recipients(write("email,name\n"))
    assert len(people) == 0
    assert rules(people) == [(None, "empty")]
    assert list(people) == []
    added = ["a@x.example"]
    assert len(people + added) == 1


def test_a_second_header_is_a_bad_row(write: Write) -> None:
    people = read_recipients(write("email,name\nemail,name\na@x.example,Ann\n"))
    assert rules(people) == [(2, "invalid")]
    assert people.addresses == ["a@x.example"]


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("", "people.csv' is empty; expected a header"),
        ("\n\n", "people.csv is empty"),
        ("a@x.example,Ann\nb@x.example,Bob\n", "people.csv has no header: .*'a@x.example'"),
        ('email,"name\n', r"people.csv, line 1 \(the header\): column 2: a quote"),
        (
            "name,city\nAnn,Graz\n",
            r"no column holds addresses in .*columns: 'name', 'city'",
        ),
        (
            "work mail,private mail\na@x.example,b@x.example\n",
            "several columns of people.csv may hold the addresses: "
            "'work mail', 'private mail'; say which: address='work mail'",
        ),
        ("email,name\nx,y\n".encode("utf-16-le"), "pass encoding='utf-16-le'"),
    ],
)
def test_a_file_that_is_no_list_is_refused(
    write: Write, content: str | bytes, error: str
) -> None:
    with pytest.raises(RecipientsError, match=error):
        read_recipients(write(content))


def test_encoding_and_delimiter_can_be_given(write: Write) -> None:
    path = write("email:name\na@x.example:Żak\n", encoding="cp1250")
    people = read_recipients(path, encoding="cp1250", delimiter=":")
    assert people.frame["name"].tolist() == ["Żak"]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"encoding": "utf-8"}, "people.csv cannot be read as utf-8: .*; pass another"),
        ({"encoding": "klingon"}, "people.csv cannot be read as klingon"),
        ({"delimiter": "::"}, "delimiter= is one character"),
        ({"address": "emial"}, "column 'emial' not found .*; did you mean 'email'"),
    ],
)
def test_a_wrong_option_is_refused(
    write: Write, options: dict[str, str], error: str
) -> None:
    path = write("email,name\na@x.example,Zoë\n", encoding="latin-1")
    with pytest.raises(RecipientsError, match=error):
        read_recipients(path, **options)


def test_what_cannot_be_read_is_answered_with_what_can(
    write: Write, tmp_path: Path
) -> None:
    write("email\na@x.example\n", name="people.csv")
    with pytest.raises(
        RecipientsError, match=r"no file .*peple\.csv'; did you mean 'people"
    ):
        read_recipients(tmp_path / "peple.csv")
    with pytest.raises(RecipientsError, match="there is no folder"):
        read_recipients(tmp_path / "lists" / "people.csv")
    with pytest.raises(RecipientsError, match="cannot read a list; expected a path"):
        read_recipients(["a@x.example"])  # type: ignore[arg-type]
    with pytest.raises(RecipientsError, match="encoding= cannot be used with a DataFrame"):
        read_recipients(pd.DataFrame({"email": []}), encoding="utf-8")


# --- the columns -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header", ["email", "E-Mail", "Mail", "Email Address", "Adresse", "メール", "contact"]
)
def test_the_address_column_is_found_by_name_or_content(header: str) -> None:
    people = read_recipients(
        pd.DataFrame({"Name": ["Ann", "Bob"], header: ["a@x.example", "b@x.example"]})
    )
    assert people.addresses == ["a@x.example", "b@x.example"]
    assert people.labels == {"name": "Name", "email": header}


def test_a_column_that_its_name_and_its_cells_speak_for_is_taken() -> None:
    frame = pd.DataFrame({"login": ["b@x.example"], "E-Mail": ["a@x.example"]})
    assert read_recipients(frame).addresses == ["a@x.example"]


def test_a_postal_address_is_no_candidate() -> None:
    people = read_recipients(
        pd.DataFrame({"address": ["1 Quay Street"], "mail": ["a@x.example"]})
    )
    assert people.addresses == ["a@x.example"]


def test_the_column_that_was_named_email_makes_way() -> None:
    people = read_recipients(
        pd.DataFrame({"Email": ["a@x.example"], "Second": ["b@x.example"]}),
        address="Second",
    )
    assert people.addresses == ["b@x.example"]
    assert people.frame["email_2"].tolist() == ["a@x.example"]
    assert people.labels == {"email_2": "Email", "email": "Second"}


def test_headers_become_field_names_and_doubts_are_said(write: Write) -> None:
    path = write("First Name,,first-name,source,class,E-Mail\nA,B,C,D,E,a@x.example\n")
    people = read_recipients(path)
    assert next(iter(people)) == {
        "email": "a@x.example",
        "first_name": "A",
        "column_2": "B",
        "first_name_2": "C",
        "source_2": "D",
        "class_": "E",
        "source": "people.csv",
        "source_row": 2,
    }
    assert faults(people)["message"].tolist() == [
        "people.csv: column 2, without a name, is called 'column_2'",
        "people.csv: column 3, 'first-name', a name already taken, is called "
        "'first_name_2'",
        "people.csv: column 4, 'source', a name already taken, is called 'source_2'",
    ]


# --- DataFrames --------------------------------------------------------------------------


def test_a_dataframe_keeps_its_dtypes_and_is_not_changed() -> None:
    frame = pd.DataFrame(
        {"Email": ["a@x.example", None, "A@x.example"], "score": [1.5, 2.0, None]},
        index=[7, 7, 9],
    )
    before = frame.copy()
    people = read_recipients(frame)
    assert people.frame["score"].dtype == "float64"
    assert people.frame["source_row"].tolist() == [0]
    assert rules(people) == [(1, "missing"), (2, "duplicate")]
    pd.testing.assert_frame_equal(frame, before)


def test_a_lists_own_frame_keeps_its_provenance(write: Write) -> None:
    people = read_recipients(write("email,city\na@x.example,Graz\nb@x.example,Rome\n"))
    again = read_recipients(people.frame[1:])
    assert again.frame["source"].tolist() == ["people.csv"]
    assert again.frame["source_row"].tolist() == [3]


def test_hostile_cells_of_a_dataframe_are_shown_as_escapes() -> None:
    people = read_recipients(
        pd.DataFrame(
            {
                "email": ["a@x.example", "\x1b[2J@x.example", "\udce9@x.example", 7],
                "n": [1] * 4,
            }
        )
    )
    assert people.addresses == ["a@x.example"]
    assert faults(people)["address"].tolist() == [
        r"\x1b[2J@x.example",
        r"\xe9@x.example",
        "7",
    ]
    assert "\x1b" not in people.problems.to_string()


def test_a_duplicate_of_a_bad_row_is_good() -> None:
    people = read_recipients(
        pd.DataFrame({"email": ["a@x.example"] * 2, "name": ["nul\0", "Ann"]})
    )
    assert people.frame["name"].tolist() == ["Ann"]
