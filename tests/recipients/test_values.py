"""Lists as values: parts of lists, their fields, and counts that add up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpbook.errors import ColumnError, RecipientsError
from smtpbook.recipients.read import read_onto, read_recipients
from smtpbook.recipients.recipients import Recipients
from smtpbook.recipients.suppression import SuppressionList

pytestmark = pytest.mark.side_by_side


def make(count: int = 10) -> Recipients:
    return read_recipients(
        pd.DataFrame(
            {
                "email": [f"p{number}@x.org" for number in range(count)],
                "Prénom": [f"P{number % 3}" for number in range(count)],
                "city": [("Graz", "Rome", None)[number % 3] for number in range(count)],
            }
        ),
        address="email",
    )


@pytest.mark.parametrize(
    ("part", "names"),
    [
        (lambda people: people[:3], "012"),
        (lambda people: people[-2:], "89"),
        (lambda people: people[::4], "048"),
        (lambda people: people[5:2], ""),
        (lambda people: people.head(2), "01"),
        (lambda people: people.tail(2), "89"),
        (lambda people: people.tail(0), ""),
        (lambda people: people.tail(99), "0123456789"),
    ],
)
def test_slices(part: Callable[[Recipients], Recipients], names: str) -> None:
    assert part(make()).addresses == [f"p{name}@x.org" for name in names]


@pytest.mark.parametrize("key", [0, "city", (1, 2)])
def test_what_is_no_slice_is_told_where_to_look(key: object) -> None:
    with pytest.raises(TypeError, match=r"people.frame, one row in list"):
        make()[key]  # type: ignore[index]


@pytest.mark.parametrize(
    ("parts", "sizes"),
    [
        (3, [4, 3, 3]),
        ([0.5, 0.5], [5, 5]),
        ([0.15, 0.85], [2, 8]),
        (12, [1] * 10 + [0] * 2),
    ],
)
def test_everybody_is_in_one_part(parts: int | list[float], sizes: list[int]) -> None:
    people = make()
    split = people.split(parts, seed=4)
    assert [len(part) for part in split] == sizes
    again = [one.addresses for one in people.split(parts, seed=4)]
    assert [one.addresses for one in split] == again
    assert sorted(address for part in again for address in part) == people.addresses
    assert all(part == sorted(part) for part in again)
    joined = split[0]
    for part in split[1:]:
        joined = joined + part
    assert joined.counts == {"read": 10, "kept": 10}


def test_a_part_for_each_value() -> None:
    parts = make().split(by="city")
    assert list(parts) == ["Graz", "Rome", None]
    assert [len(part) for part in parts.values()] == [4, 3, 3]


@pytest.mark.parametrize("parts", [0, -1, [], [0.5], [0.5, 0.6], [-0.5, 1.5]])
def test_what_is_no_share_is_refused(parts: int | list[float]) -> None:
    with pytest.raises(RecipientsError, match=r"cannot split|do not sum to 1"):
        make().split(parts)


def test_split_needs_one_of_the_two() -> None:
    with pytest.raises(RecipientsError, match="one of the two"):
        make().split()  # type: ignore[call-overload]
    with pytest.raises(ColumnError, match="'ctiy' not found; did you mean 'city'"):
        make().split(by="ctiy")


@pytest.mark.parametrize(
    ("by", "keep", "names"),
    [
        ("city", "first", "01258"),
        ("city", "last", "25789"),
        (["city", "Prénom"], "first", "01258"),
        ("email", "first", "0123456789"),
    ],
)
def test_dedupe_names_whom_it_takes_out(by: str, keep: str, names: str) -> None:
    """Who has no city is like nobody else."""
    people = make()
    rest = people.dedupe(by, keep=keep)  # type: ignore[arg-type]
    assert "".join(address[1] for address in rest.addresses) == names
    assert len(people) == 10
    gone = 10 - len(rest)
    assert rest.counts == {"read": 10, "kept": len(rest)} | (
        {"duplicate": gone} if gone else {}
    )
    if gone:
        assert "alike in city" in rest.problems["message"][0]


def test_fields_are_renamed_chosen_and_left_out() -> None:
    people = make(1)
    assert people.fields == ["email", "prénom", "city"]
    renamed = people.rename(first_name="Prénom", town="city")
    assert renamed.fields == ["email", "first_name", "town"]
    assert renamed.labels["first_name"] == "Prénom"
    assert people.rename(city="prénom", prénom="city").frame["city"][0] == "P0"
    assert people.select("city").fields == ["email", "city"]
    assert people.select("city", "email", "Prénom").fields == ["email", "city", "prénom"]
    assert people.drop("Prénom").labels == {"email": "email", "city": "city"}
    assert people.fields == ["email", "prénom", "city"]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda people: people.rename(x="citty"), "'citty' not found; did you mean 'city'"),
        (lambda people: people.rename(city="prénom"), "a field 'city' already"),
        (lambda people: people.rename(email="city"), "a field 'email' already"),
        (lambda people: people.rename(x="email"), "'email' cannot be renamed"),
        (
            lambda people: people.rename(X="city"),
            "'X' is no name for a field; 'x' would be",
        ),
        (lambda people: people.drop("email"), "'email' cannot be left out"),
        (lambda people: people.drop("ctiy"), "did you mean 'city'"),
        (lambda people: people.select("ctiy"), "did you mean 'city'"),
        (lambda people: people.dedupe("ctiy"), "did you mean 'city'"),
    ],
)
def test_a_wrong_field_is_refused(
    change: Callable[[Recipients], Recipients], error: str
) -> None:
    with pytest.raises((ColumnError, RecipientsError), match=error):
        change(make())


def test_joining_what_was_taken_apart_gives_the_list_again() -> None:
    people = read_recipients(
        pd.DataFrame({"email": ["a@x.org", "no", "b@x.org", "A@x.org", "info@x.org"]}),
        address="email",
    )
    joined = people[:1] + people[1:] + people
    assert joined.addresses == people.addresses
    assert repr(joined) == repr(people)
    assert len(joined.problems) == len(people.problems) == 3


def test_types_survive_a_join() -> None:
    a = read_recipients(pd.DataFrame({"email": ["a@x.org"], "n": [1], "yes": [True]}))
    b = read_recipients(pd.DataFrame({"email": ["b@x.org"], "n": [0.5], "c": ["x"]}))
    c = read_recipients(pd.DataFrame({"email": ["c@x.org"], "n": ["many"]}))
    assert (a + b).frame.dtypes.astype(str).to_dict() == {
        "email": "string",
        "n": "float64",
        "yes": "boolean",
        "c": "string",
        "source": "category",
        "source_row": "int64",
    }
    assert (a + b + c).frame["n"].tolist() == ["1", "0.5", "many"]


@pytest.fixture(scope="module")
def more() -> Recipients:
    return read_recipients(
        pd.DataFrame({"email": ["p1@x.org", "q@x.org", "bad", None], "city": ["Oslo"] * 4}),
        address="email",
    )


@pytest.fixture(scope="module")
def whole(more: Recipients) -> Recipients:
    return make() + more


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["where", "minus", "plus", "sample", "slice", "dedupe", "stop"]),
        st.integers(0, 9),
    ),
    max_size=6,
)


@settings(max_examples=40, deadline=None)
@given(steps=STEPS)
@pytest.mark.heavy
def test_the_counts_add_up_whatever_is_done(
    more: Recipients, whole: Recipients, steps: list[tuple[str, int]]
) -> None:
    people = whole
    for step, n in steps:
        if step == "where":
            people = people.where(f"city == '{('Graz', 'Rome', '')[n % 3]}'")
        elif step == "minus":
            people = people - [f"p{n}@x.org"]
        elif step == "plus":
            people = people + (whole if n % 2 else more)
        elif step == "sample":
            people = people.sample(min(n, len(people)), seed=n)
        elif step == "slice":
            people = people[n % 3 : n + 5]
        elif step == "dedupe":
            people = people.dedupe("city")
        else:
            people = people.without([f"p{n}@x.org"])
        counts = people.counts
        assert all(count >= 0 for count in counts.values()), counts
        assert counts["read"] == 14
        assert sum(counts.values()) == 2 * counts["read"]
        assert counts["kept"] == len(people)


# --- files that MaxBulk Mailer's users have


@pytest.fixture
def stop(tmp_path: Path) -> SuppressionList:
    return SuppressionList.open(tmp_path / "never.csv")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("DELETE.txt", "p1@x.org\nP3@X.org\n"),
        ("delete.csv", "email,name\np1@x.org,Ann\np3@x.org,Bob\n"),
        ("Delete", "p1@x.org\np3@x.org\n"),
        ("DELETE.csv", "p1@x.org,Ann\np3@x.org,Bob\n"),
    ],
)
def test_a_file_named_delete_takes_its_addresses_out(
    tmp_path: Path, name: str, text: str
) -> None:
    (tmp_path / name).write_text(text)
    people = make()
    rest = read_onto(people, tmp_path / name)
    assert rest.addresses == [a for a in people.addresses if a[1] not in "13"]
    assert rest.counts == {"read": 10, "kept": 8, "left_out": 2}


def test_a_file_named_unsubscribe_suppresses_from_now_on(
    tmp_path: Path, stop: SuppressionList
) -> None:
    path = tmp_path / "UNSUBSCRIBE.txt"
    path.write_text("p1@x.org\nelse@x.org\nno address\n")
    with pytest.raises(RecipientsError, match="say where that is kept"):
        read_onto(make(), path)
    rest = read_onto(make(), path, suppress=stop)
    assert rest.counts == {"read": 10, "kept": 9, "suppressed": 1}
    assert {entry.address_or_rule for entry in stop} == {"p1@x.org", "else@x.org"}
    assert {entry.reason for entry in stop} == {"unsubscribed"}


def test_any_other_file_is_added(tmp_path: Path) -> None:
    (tmp_path / "more.csv").write_text("email\nnew@x.org\n")
    assert read_onto(make(), tmp_path / "more.csv").addresses[-1] == "new@x.org"


def test_such_a_file_is_never_a_list_to_write_to(tmp_path: Path) -> None:
    for name, what in (("UNSUBSCRIBE.txt", "unsubscribe"), ("Delete.CSV", "delete")):
        (tmp_path / name).write_text("email\np1@x.org\n")
        with pytest.raises(RecipientsError, match=f"people to {what}, not to write to"):
            read_recipients(tmp_path / name)


def test_rows_of_several_addresses_are_counted_by_what_happened_to_each(
    tmp_path: Path,
) -> None:
    """A message or a card is one row of its source, with an address or many."""
    (tmp_path / "a.eml").write_text(
        "From: a@x.org\nTo: b@x.org, not-one, c@x.org\nCc: d@x.org\n\n"
    )
    people = read_recipients(tmp_path / "a.eml")
    assert people.counts == {"read": 5, "kept": 4, "invalid": 1}
    stop = SuppressionList.open(tmp_path / "never.csv")
    stop.add("b@x.org")
    rest = people - stop
    assert rest.counts == {"read": 5, "kept": 3, "invalid": 1, "suppressed": 1}
    assert rest[:2].counts == {
        "read": 5,
        "kept": 2,
        "invalid": 1,
        "suppressed": 1,
        "left_out": 1,
    }


def test_what_two_operations_took_out_is_counted_once(tmp_path: Path) -> None:
    stop = SuppressionList.open(tmp_path / "never.csv")
    stop.add("p1@x.org")
    people = make(4)
    first, second = people - stop, people - stop
    both = first + second
    assert both.counts["read"] == sum(both.counts.values()) - both.counts["read"]
    assert both.counts["suppressed"] == 1
    assert "suppressed" not in (both + people).counts


def test_a_field_has_one_name_and_stands_once() -> None:
    people = make(3)
    with pytest.raises(RecipientsError, match="'city' is to have two names"):
        people.rename(a="city", b="city")
    assert people.select("city", "city").fields == people.select("city").fields


def test_a_condition_on_none_says_what_a_missing_text_compares_like() -> None:
    with pytest.raises(RecipientsError, match="compares like the empty one"):
        make().where("city == None")
    assert len(make().where("city == ''")) == 3
