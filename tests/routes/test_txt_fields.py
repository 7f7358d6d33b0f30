"""The one record of a version, and its fields."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpbook.routes.txt_fields import RecordError, single_record, txt_fields


def test_records_of_other_versions_are_discarded() -> None:
    records = ("v=spf1 -all", "v=STSv2; id=1", "v=STSv1", "v=STSv1 ; id=2")
    assert single_record(records, "STSv1") == "v=STSv1 ; id=2"
    assert single_record(records[:3], "STSv1") is None


def test_two_records_are_one_too_many() -> None:
    with pytest.raises(RecordError, match="2 records begin with v=STSv1"):
        single_record(("v=STSv1; id=1", "v=STSv1; id=1"), "STSv1")


def test_of_a_field_that_stands_there_twice_the_first_counts() -> None:
    assert txt_fields("v=STSv1;\tid=1 ; id=2;x.y=Z; ") == {"id": "1", "x.y": "Z"}


@pytest.mark.parametrize("text", ["id", "=1", "id=", "id=1;;x=2", "-id=1", "id=\x1b[2J"])
def test_what_is_no_field_is_named_and_cannot_act(text: str) -> None:
    with pytest.raises(RecordError, match="is no field and its value") as caught:
        txt_fields(f"v=STSv1; {text}")
    assert str(caught.value).isprintable()


@settings(max_examples=40)
@given(st.text(max_size=40))
def test_whatever_stands_there_is_read_or_refused(text: str) -> None:
    said = ""
    try:
        assert all(txt_fields(f"v=X;{text}"))
    except RecordError as exc:
        said = str(exc)
    assert said.isprintable()
