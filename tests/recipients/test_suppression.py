"""Suppression lists: who is hit, what the file holds, and several programs at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from filelock import FileLock

from smtpbook.errors import ColumnError, RecipientsError
from smtpbook.recipients import suppression
from smtpbook.recipients.read import read_recipients
from smtpbook.recipients.suppression import SuppressionList


@pytest.fixture
def stop(tmp_path: Path) -> SuppressionList:
    return SuppressionList.open(tmp_path / "deep" / "never.csv")


@pytest.mark.parametrize(
    ("rule", "hit", "missed"),
    [
        ("Ann@X.example", ["ann@x.example", " ANN@x.EXAMPLE"], ["bob@x.example"]),
        ('"carl"@x.example', ["Carl@x.example"], ["carla@x.example"]),
        ("@x.example", ["ann@x.example", "b@X.example"], ["a@y.x.example", "a@xx.example"]),
        (
            "*.x.example",
            ["a@y.x.example", "a@z.y.x.example"],
            ["a@x.example", "a@ax.example"],
        ),
        ("@*.x.example", ["a@y.x.example"], ["a@x.example"]),
        ("@bücher.example", ["a@xn--bcher-kva.example"], ["a@buecher.example"]),
        ("zoë@x.example", ["ZOË@x.example"], ["zoe@x.example"]),
    ],
)
def test_what_a_rule_hits(
    stop: SuppressionList, rule: str, hit: list[str], missed: list[str]
) -> None:
    stop.add(rule)
    assert all(address in stop for address in hit)
    assert not any(address in stop for address in missed)
    assert stop.match([*hit, *missed])["address"].tolist() == hit


@pytest.mark.parametrize("rule", ["", "ann", "x.example", "*@x.example", "@", "*.", "@a b"])
def test_what_is_no_rule_is_refused(stop: SuppressionList, rule: str) -> None:
    with pytest.raises(RecipientsError, match="neither an address nor a rule; expected"):
        stop.add(rule)
    assert not stop.path.exists()


def test_entries_have_a_reason_a_date_and_a_campaign(stop: SuppressionList) -> None:
    stop.add("a@x.example", reason="bounced")
    stop.add("a@x.example", reason="complaint")  # there already: stays as it is
    stop.add("b@x.example", campaign="november")
    frame = stop.frame
    assert frame["address_or_rule"].tolist() == ["a@x.example", "b@x.example"]
    assert frame["reason"].tolist() == ["bounced", "manual"]
    assert frame["campaign"].fillna("").tolist() == ["", "november"]
    assert str(frame["date"].dtype) == "datetime64[us, UTC]"
    assert (pd.Timestamp.now("UTC") - frame["date"]).max() < pd.Timedelta("1min")
    again = SuppressionList.open(stop.path)
    pd.testing.assert_frame_equal(again.frame, frame)


def test_a_campaigns_entries_are_for_it_alone(stop: SuppressionList) -> None:
    stop.add("b@x.example", campaign="november")
    assert "b@x.example" not in stop
    assert len(stop.match(["b@x.example"])) == 0
    assert len(stop.match(["b@x.example"], campaign="november")) == 1
    assert len(stop.match(["b@x.example"], campaign="may")) == 0


def test_remove_takes_one_out(stop: SuppressionList) -> None:
    stop.add_many(["a@x.example", "@y.example"])
    stop.remove("A@x.example")
    assert [entry.address_or_rule for entry in stop] == ["@y.example"]
    with pytest.raises(RecipientsError, match=r"did you mean '@y.example'"):
        stop.remove("@y.exampel")
    with pytest.raises(RecipientsError, match="for november"):
        stop.remove("@y.example", campaign="november")


def test_many_come_from_a_frame_or_not_at_all(stop: SuppressionList) -> None:
    """As later imports of one-click unsubscribes and bounces will bring them."""
    bounces = pd.DataFrame(
        {
            "email": ["a@x.example", "A@x.example", "b@x.example"],
            "reason": ["bounced", None, None],
            "date": pd.to_datetime(["2026-01-02 03:04:05", None, None]),
        }
    )
    assert stop.add_many(bounces, reason="complaint") == 2
    assert stop.add_many(bounces) == 0
    assert [(entry.address_or_rule, entry.reason) for entry in stop] == [
        ("a@x.example", "bounced"),
        ("b@x.example", "complaint"),
    ]
    assert str(next(iter(stop)).date) == "2026-01-02 03:04:05+00:00"
    with pytest.raises(RecipientsError):
        stop.add_many(["c@x.example", "nonsense"])
    assert "c@x.example" not in stop
    with pytest.raises(ColumnError, match="column 'address_or_rule' not found"):
        stop.add_many(pd.DataFrame({"mail": ["a@x.example"]}))


def test_a_file_made_by_hand_is_read(tmp_path: Path) -> None:
    path = tmp_path / "never.csv"
    path.write_text("\ufeffAddress_or_Rule,note\n ann@x.example \n\n'@y.example,x", "utf-8")
    stop = SuppressionList.open(path)
    assert "ann@x.example" in stop
    assert "bob@y.example" in stop
    assert stop.frame["date"].isna().all()
    stop.add("c@x.example")  # behind a line that did not end
    assert len(SuppressionList.open(path)) == 3


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("email\na@x.example\n", "no suppression list: .* lacks address_or_rule"),
        (
            "address_or_rule\na@x.example\nann\n",
            "line 3: 'ann' is neither.*correct the line",
        ),
        ("address_or_rule,date\na@x.example,soon\n", "line 2: .*correct the line"),
    ],
)
def test_a_line_that_would_protect_nobody_is_an_error(
    tmp_path: Path, text: str, error: str
) -> None:
    (tmp_path / "never.csv").write_text(text)
    with pytest.raises(RecipientsError, match=error):
        SuppressionList.open(tmp_path / "never.csv")


def test_a_line_cut_off_while_it_was_written_is_none(stop: SuppressionList) -> None:
    stop.add("a@x.example")
    whole = stop.path.read_bytes()
    with stop.path.open("ab") as file:
        file.write(b"bo")
    again = SuppressionList.open(stop.path)
    assert len(again) == 1
    again.add("c@x.example")
    assert [entry.address_or_rule for entry in again] == ["a@x.example", "c@x.example"]
    assert again.path.read_bytes().startswith(whole)


def test_the_file_holds_no_formula(stop: SuppressionList) -> None:
    stop.add("@x.example", reason="=1+1", campaign="+c")
    assert stop.path.read_text().splitlines()[1].startswith("'@x.example,'=1+1,")
    (entry,) = SuppressionList.open(stop.path)
    assert (entry.address_or_rule, entry.reason, entry.campaign) == (
        "@x.example",
        "=1+1",
        "+c",
    )


_ADD = """
import sys
from smtpbook.recipients.suppression import SuppressionList
stop = SuppressionList.open(sys.argv[1])
for number in range(25):
    stop.add(f"p{sys.argv[2]}-{number}@x.example")
    if number % 5 == 4:
        stop.remove(f"p{sys.argv[2]}-{number}@x.example")
"""


def test_several_programs_may_write_at_the_same_time(stop: SuppressionList) -> None:
    workers = [
        subprocess.Popen([sys.executable, "-c", _ADD, str(stop.path), str(number)])
        for number in range(3)
    ]
    assert [worker.wait(60) for worker in workers] == [0, 0, 0]
    assert len(stop) == 3 * 20  # seen without opening again
    assert sum("-4@" in entry.address_or_rule for entry in stop) == 0


def test_without_a_path_it_is_the_users_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMTPBOOK_HOME", str(tmp_path))
    SuppressionList.open().add("a@x.example")
    assert "a@x.example" in SuppressionList.open()
    assert SuppressionList.open().path.is_relative_to(tmp_path)


def test_a_list_without_the_suppressed_names_them(stop: SuppressionList) -> None:
    stop.add("a@x.example", reason="unsubscribed")
    stop.add("@y.example")
    stop.add("d@x.example", campaign="november")
    frame = pd.DataFrame(
        {"email": [f"{who}.example" for who in ("A@x", "b@y", "c@x", "d@x")]}
    )
    people = read_recipients(frame)
    rest = people - stop
    assert rest.addresses == ["c@x.example", "d@x.example"]
    assert rest.counts == {"read": 4, "kept": 2, "suppressed": 2}
    today = stop.frame["date"][0].strftime("%Y-%m-%d")
    assert rest.problems.query("dropped")["message"].tolist() == [
        f"DataFrame, row 0: unsubscribed on {today}",
        f"DataFrame, row 1: manual on {today} (@y.example)",
    ]
    assert people.without(stop, campaign="november").addresses == ["c@x.example"]
    assert read_recipients(frame, suppress=stop).addresses == rest.addresses
    assert read_recipients(frame, suppress=["c@x.example"]).counts["suppressed"] == 1


def test_an_unwritable_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RecipientsError, match=r"cannot read .*never.csv"):
        SuppressionList.open(tmp_path / "file" / "never.csv")
    stop = SuppressionList.open(tmp_path / "folder" / "never.csv")
    (tmp_path / "folder").write_text("")
    with pytest.raises(RecipientsError, match=r"cannot write .*never.csv"):
        stop.add("a@x.example")


@pytest.mark.parametrize(
    "header",
    ["reason,address_or_rule,date,campaign", "address_or_rule", "ADDRESS_OR_RULE,x"],
)
def test_a_file_with_other_columns_is_written_anew(tmp_path: Path, header: str) -> None:
    path = tmp_path / "never.csv"
    place = header.lower().split(",").index("address_or_rule")
    path.write_text(f"{header}\n{',' * place}a@x.example\n")
    stop = SuppressionList.open(path)
    stop.add("b@x.example", reason="bounced", campaign="november")
    frame = SuppressionList.open(path).frame
    assert frame["address_or_rule"].tolist() == ["a@x.example", "b@x.example"]
    assert frame["campaign"].tolist()[1] == "november"
    assert frame["reason"].tolist()[1] == "bounced"


def test_an_apostrophe_of_an_address_stays(stop: SuppressionList) -> None:
    stop.add("'ann@x.example", reason="'asked")
    frame = SuppressionList.open(stop.path).frame
    assert frame["address_or_rule"].tolist() == ["'ann@x.example"]
    assert frame["reason"].tolist() == ["'asked"]
    assert "ann@x.example" not in stop


@pytest.mark.parametrize("date", ["soon", 45000, "2026-99-01", "99999-01-01"])
def test_what_is_no_date_is_refused(stop: SuppressionList, date: object) -> None:
    frame = pd.DataFrame({"address_or_rule": ["a@x.example"], "date": [date]})
    with pytest.raises(RecipientsError, match=r"is no date; expected such as 2026-11-23"):
        stop.add_many(frame)
    assert not stop.path.exists()


def test_a_cell_too_long_for_any_list_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "never.csv"
    path.write_text("address_or_rule\na@x.example\n" + "x" * 200_000 + "\n")
    with pytest.raises(RecipientsError, match=r"never\.csv, line 3: "):
        SuppressionList.open(path)


def test_what_another_program_keeps_locked_is_said(
    stop: SuppressionList, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop.add("a@x.example")
    monkeypatch.setattr(suppression, "_LOCK_S", 0.01)
    with (
        FileLock(f"{stop.path}.lock"),
        pytest.raises(RecipientsError, match="another program"),
    ):
        stop.add("b@x.example")
    stop.add("b@x.example")
    assert len(SuppressionList.open(stop.path)) == 2


def test_a_path_may_begin_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    SuppressionList.open("~/never.csv").add("a@x.example")
    assert (tmp_path / "never.csv").exists()


def test_a_pipe_is_no_list(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "never.csv")
    with pytest.raises(RecipientsError, match="no ordinary file"):
        SuppressionList.open(tmp_path / "never.csv")


def test_to_remove_says_for_which_campaign_there_is_an_entry(stop: SuppressionList) -> None:
    stop.add("a@x.example", campaign="november")
    with pytest.raises(RecipientsError, match="there is one for november"):
        stop.remove("a@x.example")


def test_what_others_add_between_two_of_ours_is_seen(stop: SuppressionList) -> None:
    """Our own lines are not read again; everybody else's are."""
    stop.add("a@x.example")
    for round_ in range(3):
        stop.add(f"ours{round_}@x.example", reason="=x", campaign="'y ")
        SuppressionList.open(stop.path).add(f"theirs{round_}@x.example")
        with stop.path.open("a") as file:  # an editor takes no lock
            file.write(f"hand{round_}@x.example\n")
    again = SuppressionList.open(stop.path)
    assert list(stop) == list(again)
    assert len(again) == 10
