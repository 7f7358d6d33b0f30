"""Mails become outcome rows, joined to what was sent, from wherever they lie."""

from __future__ import annotations

import mailbox
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from smtpbook.bounces.join import encoded_in
from smtpbook.bounces.read import read_bounces
from smtpbook.errors import SMTPBookError
from smtpbook.events import row_of
from smtpbook.log.frame import to_frame
from smtpbook.log.join import join_logs
from smtpbook.log.store import read_log, write_log
from smtpbook.mailboxes.mails import mails_in
from smtpbook.samples import share_path
from smtpbook.tables.outcomes import outcomes

SAMPLE = share_path("data") / "logs" / "bounces.mbox"


def sent(*people: str, **cells: Any) -> pd.DataFrame:
    """Give the log of a send in which each was accepted."""
    rows = [
        row_of(
            **{
                "time": n,
                "kind": "outcome",
                "verb": "END-OF-DATA",
                "campaign_id": "november-1",
                "session_id": "s1",
                "transaction_id": f"t{n}",
                "message_id": f"<{n}@bulletin.example>",
                "reverse_path": "bounces@bulletin.example",
                "recipient": to,
                "attempt": 1,
                "outcome": "accepted",
                "reply_code": 250,
                "source": "live",
            }
            | cells
        )
        for n, to in enumerate(people, 1)
    ]
    return to_frame(rows)


def dsn(to: str, addressed: str = "bounces@bulletin.example", **fields: str) -> bytes:
    about = {
        "Reporting-MTA": "dns; mx.example",
        **{k.replace("_", "-"): v for k, v in fields.items()},
    }
    message_id = about.pop("Message-ID", "")
    lines = "\n".join(f"{name}: {value}" for name, value in about.items())
    original = (
        f"--b\nContent-Type: message/rfc822\n\nMessage-ID: {message_id}\n\n"
        if message_id
        else ""
    )
    return (
        f"From: mailer-daemon@mx.example\nTo: {addressed}\nSubject: failed\n"
        f"Date: Sat, 28 Nov 2026 12:00:00 +0000\n"
        f'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\n\n'
        f"--b\nContent-Type: message/delivery-status\n\n{lines}\n\n"
        f"Final-Recipient: rfc822; {to}\nAction: failed\nStatus: 5.1.1\n"
        f"Diagnostic-Code: smtp; 550 5.1.1 gone\n\n{original}--b--\n"
    ).encode()


def read(
    tmp_path: Path, octets: bytes, campaign: object
) -> tuple[pd.Series[Any], str | None]:
    path = tmp_path / "one.eml"
    path.write_bytes(octets)
    log = read_bounces(path, campaign)
    assert len(log) == 1
    (way,) = log.attrs["read"]["joined"]
    return log.iloc[0], None if way == "not joined" else way


def test_the_sample_is_counted_and_stands_in_the_order_of_time() -> None:
    log = read_bounces(SAMPLE)
    read = log.attrs["read"]
    assert (read["mails"], read["rows"], read["skipped"]) == (19, 17, 1)
    assert read["examples"] == ["bounces.mbox:19: Hm"]
    assert read["what"] == {
        **{"dsn": 6, "bounce": 6, "arf": 2, "report that it is no spam": 1},
        **{"autoresponder": 1, "read receipt": 1, "other mail": 1},
        "bounce of unknown form": 1,
    }
    assert log["time"].is_monotonic_increasing
    assert log["outcome"].value_counts()[["bounced", "complaint"]].tolist() == [11, 2]
    assert set(log["source"]) == {"dsn", "bounce", "arf"}
    assert log["reason"].dropna().isin(["user_unknown"]).sum() >= 8


def test_a_maildir_a_folder_and_an_mbox_hold_the_same(tmp_path: Path) -> None:
    maildir = mailbox.Maildir(tmp_path / "maildir", create=True)
    folder = tmp_path / "folder"
    folder.mkdir()
    for number, mail in enumerate(mails_in(SAMPLE)):
        maildir.add(mail.octets)
        (folder / f"{number}.eml").write_bytes(mail.octets)
    expected = read_bounces(SAMPLE)
    columns = ["recipient", "outcome", "reply_code", "message_id"]
    for place in (tmp_path / "maildir", folder):
        found = read_bounces(place)
        assert len(found) == len(expected)
        key = ["message_id", "recipient"]
        pd.testing.assert_frame_equal(
            found[columns].sort_values(key, ignore_index=True),
            expected[columns].sort_values(key, ignore_index=True),
        )


def test_reading_leaves_no_trace(tmp_path: Path) -> None:
    shutil.copy(SAMPLE, tmp_path / "box")
    before = (tmp_path / "box").stat()
    read_bounces(tmp_path / "box")
    assert (tmp_path / "box").stat().st_mtime_ns == before.st_mtime_ns
    assert [path.name for path in tmp_path.iterdir()] == ["box"]


@pytest.mark.parametrize(
    ("octets", "campaign", "way"),
    [
        (
            dsn("elsewhere@y.example", **{"Message-ID": "<1@bulletin.example>"}),
            sent("ann@x.example", "bob@x.example"),
            "message_id",
        ),
        (
            dsn("elsewhere@y.example", addressed="bounces+ann=x.example@bulletin.example"),
            sent("ann@x.example", "bob@x.example"),
            "reverse_path",
        ),
        (
            dsn("elsewhere@y.example", addressed="b-17@bulletin.example"),
            join_logs(
                [
                    sent("ann@x.example", reverse_path="b-17@bulletin.example"),
                    sent("bob@x.example", reverse_path="b-18@bulletin.example"),
                ]
            ),
            "reverse_path",
        ),
        (
            dsn("elsewhere@y.example", X_Postfix_Queue_ID="4FXk1T"),
            join_logs([sent("ann@x.example", queue_id="4FXk1T"), sent("bob@x.example")]),
            "queue_id",
        ),
        (dsn("Ann@X.example"), sent("ann@x.example", "bob@x.example"), "recipient"),
    ],
)
def test_a_report_finds_its_message(
    octets: bytes, campaign: pd.DataFrame, way: str, tmp_path: Path
) -> None:
    row, joined = read(tmp_path, octets, campaign)
    assert joined == way
    assert row["recipient"] == "ann@x.example"
    assert row["recipient_domain"] == "x.example"
    assert (row["campaign_id"], row["attempt"], row["transaction_id"]) == (
        "november-1",
        1,
        "t1",
    )
    assert (row["outcome"], row["reply_code"]) == ("bounced", 550)


@pytest.mark.parametrize("reported", ["nov+41", "nov+2B41"])
def test_an_envid_is_found_in_the_command_it_was_sent_with(
    reported: str, tmp_path: Path
) -> None:
    """Servers give it back decoded, as RFC 3464 has it, or as they got it."""
    mail = row_of(
        time=0,
        kind="command",
        verb="MAIL",
        transaction_id="t1",
        command="MAIL FROM:<bounces@bulletin.example> RET=HDRS ENVID=nov+2B41",
    )
    campaign = join_logs([to_frame([mail]), sent("ann@x.example", "bob@x.example")])
    octets = dsn("elsewhere@y.example", Original_Envelope_Id=reported)
    row, joined = read(tmp_path, octets, campaign)
    assert (joined, row["recipient"]) == ("envelope_id", "ann@x.example")


def test_of_a_message_to_several_the_address_tells_who_it_was(tmp_path: Path) -> None:
    campaign = sent("ann@x.example", "bob@x.example", message_id="<1@bulletin.example>")
    row, joined = read(
        tmp_path, dsn("BOB@x.example", **{"Message-ID": "<1@bulletin.example>"}), campaign
    )
    assert (joined, row["recipient"]) == ("message_id", "bob@x.example")
    row, joined = read(
        tmp_path, dsn("eve@x.example", **{"Message-ID": "<1@bulletin.example>"}), campaign
    )
    assert (joined, row["recipient"]) == (None, "eve@x.example")


def test_a_bounce_of_another_message_is_not_joined_by_its_address(tmp_path: Path) -> None:
    octets = dsn("ann@x.example", **{"Message-ID": "<other@bulletin.example>"})
    row, joined = read(tmp_path, octets, sent("ann@x.example"))
    assert joined is None
    assert pd.isna(row["campaign_id"])


def test_what_was_never_taken_cannot_come_back(tmp_path: Path) -> None:
    campaign = sent("ann@x.example", outcome="rejected", reply_code=550)
    _, joined = read(tmp_path, dsn("ann@x.example"), campaign)
    assert joined is None


def test_of_several_attempts_the_last_one_is_meant(tmp_path: Path) -> None:
    log = join_logs([sent("ann@x.example"), sent("ann@x.example", attempt=2)])
    row, _ = read(tmp_path, dsn("ann@x.example"), log)
    assert row["attempt"] == 2


@pytest.mark.parametrize("people", [["ann@x.example"], ["ann@x.example", "bob@x.example"]])
def test_a_reverse_path_that_is_everybodys_joins_nobody(
    people: list[str], tmp_path: Path
) -> None:
    _, joined = read(tmp_path, dsn("elsewhere@y.example"), sent(*people))
    assert joined is None


def test_what_somebody_else_got_at_a_shared_path_joins_nobody(tmp_path: Path) -> None:
    own = sent("cy@x.example", reverse_path="b-1@bulletin.example")
    log = join_logs([sent("ann@x.example", "bob@x.example"), own])
    (tmp_path / "1.eml").write_bytes(dsn("ann@x.example"))
    (tmp_path / "2.eml").write_bytes(dsn("elsewhere@y.example"))
    joined = read_bounces(tmp_path, log).attrs["read"]["joined"]
    assert joined == {"recipient": 1, "not joined": 1}


def test_lines_that_an_mbox_had_to_mark_are_as_they_were(tmp_path: Path) -> None:
    (tmp_path / "box").write_bytes(
        b"From a@x.example Sat Nov 28 09:00:00 2026\nSubject: a\n\n>From here\n>>From it\n"
        b"\nFrom a@x.example Sat Nov 28 09:00:00 2026\nSubject: b\n\nx\n"
    )
    first, second = mails_in(tmp_path / "box")
    assert first.octets == b"Subject: a\n\nFrom here\n>From it\n\n"
    assert (second.place, second.octets) == ("box:2", b"Subject: b\n\nx\n")


def test_outcomes_tell_where_everybody_stands_after_the_bounces(tmp_path: Path) -> None:
    campaign = sent("ann@x.example", "bob@x.example")
    (tmp_path / "one.eml").write_bytes(dsn("ann@x.example"))
    bounces = read_bounces(tmp_path / "one.eml", campaign)
    table = outcomes(join_logs([campaign, bounces])).set_index("recipient")
    assert table["outcome"].to_dict() == {
        "ann@x.example": "bounced",
        "bob@x.example": "accepted",
    }
    assert table.loc["ann@x.example", "reason"] == "user_unknown"


def test_how_it_was_joined_is_kept_with_the_log(tmp_path: Path) -> None:
    log = read_bounces(SAMPLE, sent("cy@gone.example"))
    path = write_log(log, tmp_path / "bounces.parquet")
    again = read_log(path)
    assert again.attrs["read"] == log.attrs["read"]
    assert log.attrs["read"]["joined"] == {"message_id": 2, "not joined": 15}


def test_a_campaign_by_name_is_refused_with_the_way_to_it() -> None:
    with pytest.raises(TypeError, match="open_campaign"):
        read_bounces(SAMPLE, "november")


def test_a_name_that_is_nearly_right_is_suggested(tmp_path: Path) -> None:
    (tmp_path / "bounces.mbox").write_bytes(b"")
    with pytest.raises(SMTPBookError, match=r"did you mean 'bounces.mbox'"):
        read_bounces(tmp_path / "bouncs.mbox")


def test_an_empty_mailbox_is_an_empty_log(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    log = read_bounces(tmp_path)
    assert log.empty
    assert log.attrs["read"]["mails"] == 0


@pytest.mark.parametrize(
    ("address", "people"),
    [
        ("bounces+ann=x.example@n.example", ["ann@x.example"]),
        (
            "b-1-ann+tag=x.example@n.example",
            ["1-ann+tag@x.example", "ann+tag@x.example", "tag@x.example"],
        ),
        ("bounces@n.example", []),
        ("bounces+x=y@n.example", []),
        ("", []),
    ],
)
def test_an_address_is_read_out_of_a_reverse_path(address: str, people: list[str]) -> None:
    assert encoded_in(address) == people
