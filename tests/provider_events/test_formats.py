"""Whatever a provider or anybody else writes is counted, and nothing is raised."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpbook.events import COLUMNS
from smtpbook.formats.registry import format_of
from smtpbook.log.frame import to_frame
from smtpbook.logfile.format import LogFormat
from smtpbook.logfile.reading import Reading
from smtpbook.provider_events.objects import find_objects
from tests.provider_events.test_samples import LOGS, OURS

NAMES = sorted(set(OURS.values()))
LINES = {
    OURS[file]: (LOGS / file)
    .read_text("utf-16" if file == "exchange-trace.csv" else "utf-8")
    .splitlines()
    for file in OURS
}


def read(name: str, *lines: str) -> tuple[pd.DataFrame, Reading]:
    form = format_of(name)
    assert isinstance(form, LogFormat)
    reading = Reading()
    return to_frame(form.events(lines, reading)), reading


def event(name: str, **fields: Any) -> tuple[pd.DataFrame, Reading]:
    return read(name, json.dumps(fields))


SENDGRID = {"email": "ann@x.example", "timestamp": 1795856400, "sg_event_id": "1"}


def test_an_event_of_a_kind_that_is_new_is_skipped_with_an_example() -> None:
    log, reading = event("sendgrid", **SENDGRID, event="teleported")
    assert log.empty
    assert reading.skips == 1
    assert "teleported" in reading.examples[0]


def test_opens_and_clicks_are_counted_apart_from_what_nobody_understood() -> None:
    lines = [json.dumps(SENDGRID | {"event": kind}) for kind in ("open", "click", "open")]
    _, reading = read("sendgrid", *lines, "?")
    assert reading.skips == 4
    assert reading.examples == [
        "not about delivery: sendgrid open",
        "not about delivery: sendgrid click",
        "?",
    ]


def test_a_line_is_skipped_once_and_its_other_events_are_read() -> None:
    events = [SENDGRID | {"event": kind} for kind in ("new", "delivered", "newer")]
    log, reading = read("sendgrid", json.dumps(events))
    assert log["outcome"].tolist() == ["delivered"]
    assert reading.skips == 1


def test_an_event_about_nobody_is_skipped() -> None:
    log, reading = event("mailgun", event="delivered", timestamp=1795856400.5)
    assert log.empty
    assert reading.skips == 1


def test_a_complaint_that_is_none_is_not_read_as_one() -> None:
    """Postmark counts answers of autoresponders as bounces."""
    common = {"RecordType": "Bounce", "Email": "a@x.example", "Details": "away"}
    log, _ = event("postmark", **common, Type="AutoResponder")
    assert log.empty


def test_sparkposts_auto_replies_are_no_bounces() -> None:
    bounce = {"type": "out_of_band", "rcpt_to": "a@x.example", "bounce_class": "60"}
    log, reading = event("sparkpost", msys={"message_event": bounce})
    assert log.empty
    assert reading.examples == ["not about delivery: sparkpost auto_reply"]


@pytest.mark.parametrize(
    ("when", "told"),
    [
        (1795856400, "2026-11-28 09:00:00"),
        (1795856400123, "2026-11-28 09:00:00.123"),
        ("1795856400", "2026-11-28 09:00:00"),
        ("2026-11-28T10:00:00+01:00", None),
        (-5, None),
        (True, None),
        (10**400, None),
        (float("nan"), None),
    ],
)
def test_times_are_seconds_or_milliseconds_or_none(when: object, told: str | None) -> None:
    log, _ = event("sendgrid", **SENDGRID | {"timestamp": when}, event="delivered")
    expected = pd.NaT if told is None else pd.Timestamp(told, tz="UTC")
    found = log["time"].iloc[0]
    assert found is expected or found == expected


def test_two_files_of_powermta_may_have_other_columns() -> None:
    log, reading = read(
        "powermta",
        "type,timeLogged,rcpt,dsnDiag",
        'b,1795856400,a@x.example,"smtp;550 5.1.1 ""gone"", he said"',
        "type,timeLogged,orig,rcpt",
        "d,1795856401,s@x.example,b@x.example",
        "d,1795856401,b@x.example",
        "z,1795856401,s@x.example,b@x.example",
    )
    assert log["recipient"].tolist() == ["a@x.example", "b@x.example"]
    assert log["reply_text"].iloc[0] == '5.1.1 "gone", he said'
    assert reading.skips == 2


def test_of_several_recipients_each_has_its_own_error() -> None:
    log, _ = read(
        "exchange",
        "#Fields: date-time,event-id,message-id,recipient-address,recipient-status",
        "2026-11-28T09:00:00Z,FAIL,<1@x.example>,a@x.example;b@x.example,"
        '"[{LRT=};{LED=550 5.1.1 gone};{FQDN=mx.x.example};{IP=192.0.2.1}];'
        '[{LRT=};{LED=552 5.2.2 full};{FQDN=mx.x.example};{IP=192.0.2.1}]"',
    )
    assert log["reply_code"].tolist() == [550, 552]
    assert set(log["server"]) == {"mx.x.example"}
    assert set(log["server_address"]) == {"192.0.2.1"}


def test_a_summary_as_the_page_exports_it_is_read_too() -> None:
    log, _ = read(
        "exchange",
        "Received,Sender Address,Recipient Address,Subject,Status,To IP,From IP,Size,"
        "Message ID,Message Trace ID",
        "11/28/2026 9:00:00 AM,s@x.example,a@x.example,Hi,Delivered,,,1,<1@x.example>,t1",
        "2026-11-28T09:00:01,s@x.example,b@x.example,Hi,Failed,,,1,<2@x.example>,t2",
        "2026-11-28T09:00:02,s@x.example,c@x.example,Hi,FilteredAsSpam,,,1,<3@x.example>,t",
        "2026-11-28T09:00:03,s@x.example,all@x.example,Hi,Expanded,,,1,<4@x.example>,t4",
        "2026-11-28T09:00:04,s@x.example,d@x.example,Hi,Delivered,192.0.2.1,,1,<5@x>,t5",
    )
    assert log["outcome"].tolist() == ["delivered", "bounced", "bounced", "accepted"]
    assert log["time"].dt.second.tolist() == [0, 1, 2, 4]
    assert log["reason"].iloc[2] == "spam"


def test_what_powershell_exports_has_other_names_for_the_same() -> None:
    log, _ = read(
        "exchange",
        "#TYPE Deserialized.Microsoft.Exchange.MessageTrace",
        '"MessageTraceId","SenderAddress","RecipientAddress","Status","MessageId","Received"',
        '"t1","s@x.example","a@x.example","Pending","<1@x.example>","2026-11-28T09:00:00"',
    )
    assert log[["recipient", "outcome"]].to_numpy().tolist() == [
        ["a@x.example", "deferred"]
    ]


KUMOMTA = {"recipient": "a@x.example", "timestamp": 1795856400, "num_attempts": 0}
PEER = {"name": "mx.x.example.", "addr": "192.0.2.1"}


@pytest.mark.parametrize(
    ("kind", "code", "peer", "outcome"),
    [
        ("Delivery", 250, PEER, "accepted"),
        ("Bounce", 550, PEER, "rejected"),
        ("Bounce", 550, None, "bounced"),
        ("Bounce", 451, PEER, "bounced"),
        ("AdminBounce", 551, PEER, "bounced"),
        ("Expiration", 551, PEER, "bounced"),
        ("OOB", 550, PEER, "bounced"),
    ],
)
def test_what_a_mail_server_heard_in_its_session_is_told_as_one_of_ours_would_be(
    kind: str, code: int, peer: dict[str, str] | None, outcome: str
) -> None:
    said = {"code": code, "content": "so it is"}
    log, _ = event("kumomta", **KUMOMTA, type=kind, response=said, peer_address=peer)
    assert log["outcome"].tolist() == [outcome]


@pytest.mark.parametrize(
    ("record", "outcome"),
    [
        ("d,relayed,smtp;250 ok", "accepted"),
        ("b,failed,smtp;550 5.1.1 gone", "rejected"),
        ("b,failed,smtp;550 5.4.4 [internal] no such host", "bounced"),
        ("b,failed,smtp;554 5.4.7 too old", "bounced"),
        ("b,failed,", "bounced"),
        ("rb,failed,smtp;550 5.1.1 gone", "bounced"),
        ("rs,delivered,smtp;250 ok", "delivered"),
        ("rs,relayed,smtp;250 ok", "accepted"),
    ],
)
def test_powermta_is_refused_in_a_session_or_told_later(record: str, outcome: str) -> None:
    kind, action, said = record.split(",")
    header = "type,timeLogged,rcpt,dsnAction,dsnDiag"
    log, _ = read("powermta", header, f"{kind},1795856400,a@x.example,{action},{said}")
    assert log["outcome"].tolist() == [outcome]


@pytest.mark.parametrize(
    ("source", "kind", "said", "outcome"),
    [
        ("SMTP", "SEND", "250 2.1.5 ok", "accepted"),
        ("STOREDRIVER", "DELIVER", "", "delivered"),
        ("SMTP", "FAIL", "550 5.1.1 gone", "rejected"),
        (
            "QUEUE",
            "FAIL",
            "[{LRT=};{LED=550 5.1.1 gone};{FQDN=mx.x.example}]",
            "rejected",
        ),
        (
            "QUEUE",
            "FAIL",
            "[{LRT=};{LED=550 4.4.7 QUEUE.Expired; expired};{FQDN=mx.x.example}]",
            "bounced",
        ),
        (
            "ROUTING",
            "FAIL",
            "550 5.1.10 RESOLVER.ADR.RecipientNotFound; not found",
            "bounced",
        ),
    ],
)
def test_exchange_is_refused_by_another_server_or_gives_up_itself(
    source: str, kind: str, said: str, outcome: str
) -> None:
    log, _ = read(
        "exchange",
        "#Fields: date-time,source,event-id,message-id,recipient-address,recipient-status",
        f'2026-11-28T09:00:00Z,{source},{kind},<1@x.example>,a@x.example,"{said}"',
    )
    assert log["outcome"].tolist() == [outcome]


def test_a_servers_own_reception_is_not_about_delivery() -> None:
    reception = json.dumps(KUMOMTA | {"type": "Reception", "response": {"code": 250}})
    received = {
        "kumomta": [reception],
        "powermta": ["type,timeLogged,rcpt", "r,1795856400,a@x.example"],
        "exchange": [
            "origin_timestamp_utc,sender_address,recipient_status,message_id",
            "2026-11-28T09:00:00Z,s@x.example,a@x.example##Receive,<1@x.example>",
        ],
    }
    for name, lines in received.items():
        log, reading = read(name, *lines)
        assert log.empty
        assert reading.skips == 1
        assert reading.examples[0].startswith(f"not about delivery: {name} ")


@pytest.mark.parametrize(
    ("said", "outcome"),
    [("550 5.7.1 recipient address suppressed", "suppressed"), ("no template", "failed")],
)
def test_what_sparkpost_would_not_send_was_rejected_by_no_server(
    said: str, outcome: str
) -> None:
    about = {"rcpt_to": "a@x.example", "type": "policy_rejection", "raw_reason": said}
    log, _ = event("sparkpost", msys={"message_event": about})
    assert log["outcome"].tolist() == [outcome]


HOSTILE = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["550 5.1.1 x", "\x1b[31m", "\ud800", "9" * 5000, "<>;@"])
    | st.sampled_from([[], {}, [None], [{}], {"a": 1}, [["a@x.example"]]])
)
OF_JSON = [name for name in NAMES if name not in ("powermta", "exchange")]


def samples(name: str) -> list[Any]:
    """Give the objects of a sample."""
    found = [one.value for one in find_objects(LINES[name])]
    return [json.loads(json.dumps(one)) for one in found]


def put(value: Any, place: int, odd: Any) -> tuple[Any, int]:
    """Put something odd in place of one value of an object, counted through."""
    if place == 0:
        return odd, -1
    place -= 1
    keys: Any = range(len(value)) if isinstance(value, list) else value
    for key in keys if isinstance(value, dict | list) else ():
        if place < 0:
            break
        value[key], place = put(value[key], place, odd)
    return value, place


@settings(max_examples=60)
@given(st.sampled_from(OF_JSON), st.integers(0, 20), st.integers(1, 60), HOSTILE)
def test_a_field_of_any_type_in_any_place_raises_nothing(
    name: str, which: int, place: int, odd: Any
) -> None:
    form = format_of(name)
    assert isinstance(form, LogFormat)
    events = samples(name)
    spoilt, _ = put(events[which % len(events)], place, odd)
    for row in form.events([json.dumps(spoilt)], Reading()):
        assert len(row) == len(COLUMNS)


@settings(max_examples=60)
@given(
    st.sampled_from(NAMES), st.integers(0, 400), st.integers(0, 300), st.text(max_size=5)
)
def test_a_line_that_is_spoilt_raises_nothing(
    name: str, which: int, place: int, odd: str
) -> None:
    form = format_of(name)
    assert isinstance(form, LogFormat)
    lines = list(LINES[name])
    line = lines[which % len(lines)]
    lines[which % len(lines)] = spoilt = line[:place] + odd + line[place:]
    reading = Reading()
    assert form.sniff(spoilt) in (True, False)
    for row in form.events(lines, reading):
        assert len(row) == len(COLUMNS)


@pytest.mark.parametrize("name", NAMES)
def test_text_from_strangers_is_escaped(name: str) -> None:
    odd = "e\u202ex\x1b[31m" if name in ("powermta", "exchange") else "e\u202ex\\u001b[31m"
    lines = [line.replace("ex", odd) for line in LINES[name]]
    header = [line for line in LINES[name] if line.startswith(("#Fields", "type,"))]
    log, _ = read(name, *header, *lines)
    said = "".join("".join(log[one].dropna().astype(str)) for one in log if one != "time")
    assert "\\u202e" in said
    assert "\x1b" not in said
    assert "\u202e" not in said
