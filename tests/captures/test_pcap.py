"""A capture gives the conversation with the times of the wire, however its packets came."""

from __future__ import annotations

import gzip
import io
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import smtpbook as sb
from smtpbook.captures.connection import CapturedConnection
from smtpbook.captures.packets import segment_of
from smtpbook.errors import SMTPBookError
from smtpbook.events import Event
from tests.captures.capture import (
    ACK,
    RST,
    SYN,
    T0,
    Frame,
    Wire,
    talk,
    write_pcap,
    write_pcapng,
)

ETHERNET = 1


def read(tmp_path: Path, *wires: Wire) -> pd.DataFrame:
    frames = sorted(frame for wire in wires for frame in wire.frames)
    return sb.read_log(write_pcap(tmp_path / "x.pcap", frames))


def events(frames: list[Frame]) -> list[Event]:
    """Follow the frames of one connection, without a file."""
    segments = [segment_of(ETHERNET, frame, at) for at, frame in frames]
    first = segments[0]
    assert first is not None
    one = CapturedConnection(first.source, first.target, first.at, is_begun=True)
    for segment in segments:
        if segment is not None:
            one.take(segment)
    one.end(segments[-1].at if segments[-1] else T0)
    return [Event.from_row(row) for row in one.rows()]


def said(found: list[Event]) -> list[tuple[Any, ...]]:
    return [
        (one.kind, one.verb, one.command, one.reply_code, one.reply_text, one.outcome)
        for one in found
        if one.kind != "disconnect"
    ]


STORY = talk(Wire().open()).close(90)


@pytest.mark.parametrize("write", [write_pcap, write_pcapng])
def test_a_capture_has_the_dialogue_and_true_latencies(tmp_path: Path, write: Any) -> None:
    path = write(tmp_path / "capture", STORY.frames)
    packed = io.BytesIO(gzip.compress(path.read_bytes()))
    log = sb.read_log(packed)
    told = log.attrs["read"]
    assert (told["lines"], told["skipped"]) == (len(STORY.frames), 0)
    assert [one["lines"] for one in told["files"]] == [told["lines"]]
    assert log["kind"].iloc[[0, 1, -1]].tolist() == ["connect", "greeting", "disconnect"]
    assert set(log["server_address"]) == {"192.0.2.25"}
    rows = log[log["kind"].isin(["connect", "greeting", "command"])]
    times = rows.set_index(rows["verb"].astype(object).fillna("connect"))
    assert (times["time"] - pd.Timestamp(T0, unit="us", tz="UTC")).dt.total_seconds()[
        ["connect", "GREETING", "EHLO", "MAIL"]
    ].tolist() == [0, 0.01, 0.025, 0.035]
    columns = ["latency_s", "first_byte_s", "service_s"]
    assert times.loc["GREETING", columns].tolist() == [0.01, 0.01, 0.01]
    assert times.loc["MAIL", columns].tolist() == [0.01, 0.01, 0.01]
    # DATA ended 5 ms later, in the second segment, and was answered with the others.
    assert times.loc["DATA", columns].tolist() == [0.005, 0.005, 0]
    assert times.loc["EHLO", ["bytes_sent", "bytes_received"]].tolist() == [21, 50]
    assert times["pipelined"].dropna().index.tolist() == ["MAIL", "RCPT", "RCPT", "DATA"]
    outcomes = sb.outcomes(log).set_index("recipient")
    assert outcomes["outcome"].to_dict() == {
        "bob@example.net": "accepted",
        "x@y.example": "rejected",
    }
    assert set(outcomes["message_id"]) == {"<1@example.org>"}


def test_first_byte_and_last_byte_of_a_slow_reply_are_told_apart(tmp_path: Path) -> None:
    wire = Wire().open().send(1, b"220 mx\r\n", 20).send(0, b"EHLO me\r\n", 30)
    wire.send(1, b"250-mx\r\n25", 40).send(1, b"0 SIZE\r\n", 90)
    ehlo = read(tmp_path, wire).set_index("verb").loc["EHLO"]
    assert (ehlo["first_byte_s"], ehlo["latency_s"]) == (0.01, 0.06)


@pytest.mark.parametrize("isn", [1000, 2**32 - 30, 2**31 - 20])
def test_sequence_numbers_may_begin_anywhere(isn: int) -> None:
    wire = talk(Wire(isn=isn).open()).close(90)
    assert said(events(wire.frames)) == said(events(STORY.frames))


def test_what_ethernet_pads_a_short_frame_with_was_never_sent() -> None:
    v6 = talk(Wire(("2001:db8::7", 50001), ("2001:db8::25", 25)).open()).close(90)
    for frames in (STORY.frames, v6.frames):
        padded = [(at, frame + b"\0" * 6) for at, frame in frames]
        assert said(events(padded)) == said(events(STORY.frames))


def test_ipv6_is_read_alike(tmp_path: Path) -> None:
    wire = talk(Wire(("2001:db8::7", 50001), ("2001:db8::25", 587)).open()).close(90)
    log = read(tmp_path, wire)
    assert set(log["server_address"]) == {"2001:db8::25"}
    assert sb.outcomes(log)["outcome"].tolist() == ["accepted", "rejected"]


@given(st.data())
@settings(max_examples=12)
def test_segments_cut_anywhere_sent_twice_and_out_of_order_tell_the_same(
    data: st.DataObject,
) -> None:
    wire = Wire().open()
    for at, frame in STORY.frames[3:-2]:
        segment = segment_of(ETHERNET, frame, at)
        assert segment is not None
        who = int(segment.source == wire.ends[1])
        octets, begin = segment.octets, len(wire.frames)
        while octets:
            size = data.draw(st.integers(1, len(octets)))
            wire.send(who, octets[:size], (at - T0) / 1000)
            octets = octets[size:]
        turn = wire.frames[begin:]
        again = data.draw(st.lists(st.sampled_from(turn), max_size=3))
        wire.frames[begin:] = data.draw(st.permutations(turn + again))
    assert said(events(wire.close(90).frames)) == said(events(STORY.frames))


def without(number: int) -> list[Event]:
    """Give what is told when one data segment of the story was not captured."""
    frames = STORY.frames.copy()
    del frames[3 + number]
    return events(frames)


def test_a_gap_in_mail_data_is_counted_and_the_dialogue_goes_on() -> None:
    wire = Wire().open()
    turns = STORY.frames[3:9]
    for at, frame in turns:
        segment = segment_of(ETHERNET, frame, at)
        assert segment is not None
        wire.send(int(segment.source == wire.ends[1]), segment.octets)
    wire.send(0, b"Subject: x\r\n\r\n").send(0, b"lost\r\n" * 10).send(0, b"end\r\n.\r\n")
    del wire.frames[-2]
    wire.send(1, b"250 2.0.0 Ok\r\n").send(0, b"QUIT\r\n").send(1, b"221 Bye\r\n")
    found = events(wire.frames)
    data = next(one for one in found if one.kind == "data")
    assert data.bytes_sent == len("Subject: x\r\n\r\n") + 60 + len("end\r\n")
    outcomes = [one.outcome for one in found if one.kind == "outcome"]
    assert outcomes == ["accepted", "rejected"]


@pytest.mark.parametrize("number", [3, 4, 5])
def test_a_gap_elsewhere_ends_what_is_told_and_nothing_is_guessed(number: int) -> None:
    found = without(number)
    assert found[-1].error == "CaptureGap"
    decided = [one.outcome for one in found if one.kind == "outcome"]
    assert set(decided) <= {"in_doubt"}
    assert "QUIT" not in [one.verb for one in found]


def test_a_capture_that_stops_before_the_verdict_leaves_it_in_doubt() -> None:
    found = events(STORY.frames[:7])
    assert {one.outcome for one in found if one.kind == "outcome"} == {"in_doubt"}


def test_a_packet_cut_by_the_capture_is_a_gap(tmp_path: Path) -> None:
    frames = [(at, frame[: 54 + 10]) for at, frame in STORY.frames]
    assert "CaptureGap" in {one.error for one in events(frames)}


def test_a_conversation_under_tls_ends_with_the_row_that_says_so(tmp_path: Path) -> None:
    hello = bytes.fromhex("16030300300200002c0303") + bytes(32)
    hello += bytes.fromhex("0013010000060" + "02b00020304")
    wire = Wire().open().send(1, b"220 mx\r\n", 20).send(0, b"EHLO me\r\n", 25)
    wire.send(1, b"250-mx\r\n250 STARTTLS\r\n", 30).send(0, b"STARTTLS\r\n", 35)
    wire.send(1, b"220 go\r\n", 40).send(0, b"\x16\x03\x01\x00\x05hello", 45)
    wire.send(1, hello, 50).send(0, b"\x17\x03\x03 EHLO me\r\n", 55).close(60)
    log = read(tmp_path, wire)
    assert log["kind"].tolist()[-2:] == ["tls", "disconnect"]
    assert log["tls_version"].tolist()[-2:] == ["TLSv1.3"] * 2
    assert log["error"].isna().all()
    assert sb.lint_dialogue(log).empty


def test_tls_from_the_first_octet_is_told_too(tmp_path: Path) -> None:
    wire = Wire(server=("192.0.2.25", 465)).open().send(0, b"\x16\x03\x01\0\1x", 20)
    log = read(tmp_path, wire.close(30))
    assert log["kind"].tolist() == ["connect", "tls", "disconnect"]


def test_what_is_no_smtp_is_skipped_and_counted(tmp_path: Path) -> None:
    web = Wire(("192.0.2.7", 40000), ("192.0.2.80", 80)).open()
    web.send(0, b"GET / HTTP/1.1\r\n\r\n", 20).send(1, b"HTTP/1.1 200 OK\r\n\r\n", 30)
    ftp = Wire(("192.0.2.7", 40001), ("192.0.2.80", 21)).open()
    ftp.send(1, b"220 ftp ready\r\n", 20).send(0, b"USER ann\r\n", 30)
    log = read(tmp_path, web, ftp, STORY)
    told = log.attrs["read"]
    assert told["skipped"] == len(web.frames) + len(ftp.frames)
    assert "no SMTP: 192.0.2.7:40000 to 192.0.2.80:80" in told["examples"]
    assert len(log["session_id"].unique()) == 1


def test_smtp_at_another_port_is_known_by_the_clients_first_words(tmp_path: Path) -> None:
    wire = talk(Wire(server=("192.0.2.25", 10025)).open())
    log = read(tmp_path, wire)
    assert log["port"].unique().tolist() == [10025]
    assert sb.outcomes(log)["outcome"].tolist() == ["accepted", "rejected"]


def test_a_capture_may_begin_in_the_middle(tmp_path: Path) -> None:
    frames = STORY.frames[4:]  # the greeting was not captured
    log = sb.read_log(write_pcap(tmp_path / "x.pcap", frames))
    assert log["verb"].iloc[0] == "EHLO"
    assert sb.outcomes(log)["outcome"].tolist() == ["accepted", "rejected"]
    # Inside a reply, then with the message's text, which is no command.
    cut = Wire().send(1, b"ts you\r\n").send(0, b"DATA\r\n").send(1, b"354 go\r\n")
    assert read(tmp_path, cut)["reply_code"].tolist() == [354]
    late = sb.read_log(write_pcap(tmp_path / "y.pcap", STORY.frames[9:]))
    assert late["kind"].tolist()[:2] == ["data", "command"]
    assert late["verb"].dropna().tolist() == ["END-OF-DATA", "QUIT"]
    assert late["reply_code"].dropna().tolist() == [250, 221]


def test_a_refused_connection_and_one_that_is_reset_have_errors(tmp_path: Path) -> None:
    refused = Wire(("192.0.2.7", 1)).send(0, flags=SYN).send(1, ms=1, flags=RST | ACK)
    reset = Wire(("192.0.2.7", 2)).open().send(1, b"220 mx\r\n", 20)
    reset.send(0, b"EHLO me\r\n", 30).send(1, ms=40, flags=RST)
    log = read(tmp_path, refused, reset)
    rows = log[log["error"].notna()]
    assert list(zip(rows["kind"], rows["verb"].isna(), strict=True)) == [
        ("connect", True),
        ("command", False),
        ("disconnect", True),
    ]


def test_the_same_ends_may_connect_again(tmp_path: Path) -> None:
    first, second = talk(Wire().open()).close(90), Wire(isn=7777).open(1000)
    log = read(tmp_path, first, talk(second, start_ms=1020))
    assert log["session_id"].nunique() == 2


def test_a_syn_sent_twice_begins_one_connection(tmp_path: Path) -> None:
    wire = talk(Wire().open())
    wire.frames.insert(2, (T0 + 11_000, wire.frames[0][1]))
    log = read(tmp_path, wire)
    assert len(log["session_id"].unique()) == 1
    assert sb.outcomes(log)["outcome"].tolist() == ["accepted", "rejected"]


def test_a_chunk_is_as_long_as_it_says_whatever_it_holds(tmp_path: Path) -> None:
    wire = Wire().open().send(1, b"220 mx\r\n").send(0, b"EHLO me\r\n")
    wire.send(1, b"250-mx\r\n250 CHUNKING\r\n").send(
        0, b"MAIL FROM:<>\r\nRCPT TO:<a@x.example>\r\nBDAT 12 LAST\r\nQUIT\r\nQU"
    )
    wire.send(0, b"IT\r\nQUIT\r\n")
    wire.send(1, b"250 ok\r\n" * 3 + b"221 bye\r\n")
    log = read(tmp_path, wire)
    assert log[log["kind"] == "data"]["bytes_sent"].tolist() == [12]
    assert log["verb"].dropna().tolist().count("QUIT") == 1
    assert sb.outcomes(log)["outcome"].tolist() == ["accepted"]


def test_a_bare_lf_is_no_end_of_mail_data_and_is_found(tmp_path: Path) -> None:
    wire = Wire().open()
    for at, frame in STORY.frames[3:9]:
        segment = segment_of(ETHERNET, frame, at)
        assert segment is not None
        wire.send(int(segment.source == wire.ends[1]), segment.octets)
    wire.send(0, b"x\n.\nMAIL FROM:<eve@example.org>\n\r\n.\r\n").send(1, b"250 ok\r\n")
    log = read(tmp_path, wire)
    assert "eve@example.org" not in log.to_csv()
    assert "bare_lf" in sb.lint_dialogue(log)["rule"].tolist()


def test_a_capture_that_breaks_off_gives_what_it_holds(tmp_path: Path) -> None:
    path = write_pcap(tmp_path / "x.pcap", STORY.frames)
    path.write_bytes(path.read_bytes()[:-7])
    log = sb.read_log(path)
    assert sb.outcomes(log)["outcome"].tolist() == ["accepted", "rejected"]
    assert "breaks off" in log.attrs["read"]["examples"][-1]


def test_without_libpcap_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_pcap(tmp_path / "x.pcap", [])
    monkeypatch.setitem(sys.modules, "cypcap", None)
    with pytest.raises(SMTPBookError, match=r"smtpbook\[pcap\]"):
        sb.read_log(path)


def test_what_is_no_capture_behind_its_first_octets_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.pcap").write_bytes(b"\xd4\xc3\xb2\xa1nonsense" * 9)
    with pytest.raises(SMTPBookError, match="no capture that libpcap can read"):
        sb.read_log(tmp_path / "x.pcap")


@given(st.sampled_from(STORY.frames), st.data())
@settings(max_examples=40)
def test_no_octets_make_a_frame_or_a_connection_raise(
    frame: Frame, data: st.DataObject
) -> None:
    at, octets = frame
    spoilt = bytearray(octets[: data.draw(st.integers(0, len(octets)))])
    for _ in range(data.draw(st.integers(0, 4))):
        if spoilt:
            spoilt[data.draw(st.integers(0, len(spoilt) - 1))] = data.draw(
                st.integers(0, 255)
            )
    for link in (0, 1, 12, 113, 276, 999):
        segment_of(link, bytes(spoilt), at)
    segment = segment_of(ETHERNET, bytes(spoilt), at)
    if segment is not None:
        frames = STORY.frames.copy()
        one = CapturedConnection(segment.source, segment.target, at, is_begun=False)
        one.take(segment)
        for then, other in frames:
            follows = segment_of(ETHERNET, other, then)
            if follows and {follows.source, follows.target} == {one.client, one.server}:
                one.take(follows)
        one.end(at)
