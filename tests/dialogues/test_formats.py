"""Every client's transcript gives the same event log; what they do not tell is null."""

from __future__ import annotations

import io
import smtplib as real_smtplib
from contextlib import redirect_stderr
from functools import cache
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import smtpbook as sb
from smtpbook.dialogues import (
    aiosmtpd,
    curl,
    dialogue,
    mailpit,
    maxbulk,
    msmtp,
    nodemailer,
    smtplib,
    swaks,
    thunderbird,
    transcript,
)
from smtpbook.events import Event
from smtpbook.logfile.reading import Reading

DATA = Path(__file__).parents[2] / "data"
SAMPLES = {
    "aiosmtpd": "aiosmtpd.log",
    "curl": "curl.txt",
    "mailpit": "mailpit.log",
    "maxbulk": "maxbulk.txt",
    "msmtp": "msmtp.txt",
    "nodemailer": "nodemailer.log",
    "smtplib": "smtplib.txt",
    "swaks": "swaks.txt",
    "thunderbird": "thunderbird.log",
}
MODULES = (
    *(curl, dialogue, maxbulk, msmtp, nodemailer, smtplib, swaks, thunderbird),
    *(transcript, aiosmtpd, mailpit),
)
FORMATS = {module.FORMAT.name: module.FORMAT for module in MODULES}
TEXTS = {name: (DATA / "logs" / file).read_text() for name, file in SAMPLES.items()}


def read(text: str, format: str | None = None) -> pd.DataFrame:
    return sb.read_log(io.BytesIO(text.encode("utf-8", "surrogateescape")), format)


@cache
def sample(name: str) -> pd.DataFrame:
    """Read a sample, once for all tests: none of them changes it."""
    return read(TEXTS[name])


def said(log: pd.DataFrame) -> list[tuple[str, int | None]]:
    rows = log[log["kind"].isin(["greeting", "command"])]
    codes = rows["reply_code"].astype(object).where(rows["reply_code"].notna(), None)
    return list(zip(rows["verb"], codes, strict=True))


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_told_by_its_lines_and_nothing_of_it_is_skipped(name: str) -> None:
    log = sample(name)
    told = log.attrs["read"]
    assert [one["format"] for one in told["files"]] == [name]
    assert told["skipped"] == 0
    assert set(log["source"]) == {name}
    assert log["seq"].tolist() == list(range(len(log)))


@pytest.mark.parametrize("name", ["curl", "msmtp", "nodemailer", "smtplib"])
def test_one_message_to_two_recipients_reads_alike_whoever_sent_it(name: str) -> None:
    log = sample(name)
    assert said(log)[:7] == [
        ("GREETING", 220),
        ("EHLO", 250),
        ("MAIL", 250),
        ("RCPT", 250),
        ("RCPT", 250),
        ("DATA", 354),
        ("END-OF-DATA", 250),
    ]
    outcomes = log[log["kind"] == "outcome"]
    assert outcomes["recipient"].tolist() == ["bob@example.net", "carl@example.net"]
    assert outcomes["outcome"].tolist() == ["accepted", "accepted"]
    assert outcomes["enhanced_status"].tolist() == ["2.0.0", "2.0.0"]
    assert outcomes["queue_id"].str.startswith("4Xk7").all()
    assert set(log["reverse_path"].dropna()) == {"ann@example.org"}
    assert set(log["recipient_domain"].dropna()) == {"example.net"}
    ehlo = log[log["verb"] == "EHLO"].iloc[0]
    assert ehlo["reply_text"].split("\n")[1] == "SIZE 10485760"


@pytest.mark.parametrize("name", ["msmtp", "nodemailer"])
def test_commands_written_before_any_reply_are_one_group(name: str) -> None:
    groups = sample(name).set_index("verb")["pipelined"].dropna()
    assert groups.index.tolist() == ["MAIL", "RCPT", "RCPT", "DATA"]
    assert set(groups) == {1}


@pytest.mark.parametrize("name", ["swaks", "maxbulk"])
def test_what_a_login_says_never_gets_into_a_row(name: str) -> None:
    log = sample(name)
    auth = log[log["verb"] == "AUTH"]
    assert auth["command"].tolist() == ["AUTH LOGIN", "[redacted]", "[redacted]"]
    assert auth["reply_code"].tolist() == [334, 334, 235]
    assert "Y29ycmVjdCBob3JzZQ==" not in log.to_csv()


def test_tls_is_a_row_and_stands_on_those_after_it() -> None:
    log = sample("swaks")
    tls = log[log["kind"] == "tls"].iloc[0]
    assert (tls["tls_version"], tls["tls_cipher"]) == ("TLSv1.3", "TLS_AES_256_GCM_SHA384")
    assert log.loc[log["seq"] < tls["seq"], "tls_version"].isna().all()
    assert (log.loc[log["seq"] >= tls["seq"], "tls_version"] == "TLSv1.3").all()
    assert log[log["kind"] == "disconnect"]["error"].isna().all()


def test_latencies_are_there_only_where_the_format_measures_them() -> None:
    measured = {name: sample(name)["latency_s"].notna().any() for name in TEXTS}
    assert [name for name, one in measured.items() if one] == ["smtplib"]
    timed = sample("smtplib").set_index("verb")
    assert timed.loc["EHLO", "latency_s"] == pytest.approx(0.000851)
    assert timed["time"].isna().all()  # a time of day is no time


def test_times_with_a_date_are_kept() -> None:
    log = sample("nodemailer")
    assert log["time"].notna().all()
    assert str(log["time"].iloc[0]) == "2026-11-28 12:23:35+00:00"


def test_the_reply_swaks_has_timed_says_what_the_server_took() -> None:
    text = "<-  220 mx\n -> EHLO me\n=== response in 0.25s\n<-  250 mx\n"
    log = read(text, "swaks").set_index("verb")
    assert log.loc["EHLO", "service_s"] == 0.25
    assert pd.isna(log.loc["GREETING", "service_s"])


def test_the_help_pages_form_with_labels_alone_reads_like_the_other() -> None:
    seed = (DATA / "transcripts" / "seed-dialogue.txt").read_text()
    alone = seed.replace("S:", "Server:\n").replace("C:", "Client:\n")
    slashes = seed.strip().replace("\n", " / ")
    logs = [read(seed), read(alone), read(slashes)]
    assert [set(log["source"]) for log in logs] == [{"dialogue"}, {"maxbulk"}, {"dialogue"}]
    for log in logs:
        assert said(log) == said(logs[0])
        outcome = log[log["kind"] == "outcome"].iloc[0]
        assert outcome["recipient"] == "Admin.MRC@SU-SCORE.ARPA"
        assert outcome["outcome"] == "deferred"  # its RCPT was, whatever came after
        assert outcome["reply_text"] == "User not active now"


def test_a_greeting_after_the_last_answer_begins_another_session() -> None:
    one = "C: EHLO me\nS: 250 mx\nC: QUIT\nS: 221 bye\n"
    log = read(f"S: 220 mx\n{one}S: 220 mx\n{one}")
    assert log.groupby("session_id")["seq"].max().tolist() == [2, 2]


@pytest.mark.parametrize("other", ["a b/tuesday.txt", "c/monday.txt"])
@pytest.mark.parametrize("name", ["swaks.txt", "maxbulk.txt", "aiosmtpd.log"])
def test_sessions_of_two_logs_stay_apart_when_they_are_joined(
    tmp_path: Path, name: str, other: str
) -> None:
    octets = (DATA / "logs" / name).read_bytes()
    paths = [tmp_path / "a b" / "monday.txt", tmp_path / other]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(octets)
    apart = [sb.read_log(path) for path in paths]
    together = sb.join_logs(apart)
    ids = [str(log["session_id"].iloc[0]) for log in apart]
    assert ids == ["a_b/monday.txt-1", f"{other.replace(' ', '_')}-1"]
    assert sb.read_log(paths)["session_id"].nunique() == 2
    for log, session_id in zip(apart, ids, strict=True):
        assert sb.transcript(together, session_id=session_id) == sb.transcript(log)
    found = [row for log in apart for row in sb.lint_dialogue(log).to_dict("records")]
    assert sb.lint_dialogue(together).to_dict("records") == found


def test_sessions_of_nodemailer_that_overlap_are_told_apart() -> None:
    line = "[2026-11-28 12:00:00] DEBUG [{}] {}\n".format
    text = "".join(
        line(*one)
        for one in (
            *(("aa", "S: 220 mx"), ("bb", "S: 220 mx"), ("aa", "C: EHLO me")),
            *(("bb", "C: QUIT"), ("aa", "S: 250 mx"), ("bb", "S: 221 bye")),
        )
    )
    log = read(text)
    assert said(log[log["session_id"] == "aa"]) == [("GREETING", 220), ("EHLO", 250)]
    assert said(log[log["session_id"] == "bb"]) == [("GREETING", 220), ("QUIT", 221)]


def test_nodemailers_objects_read_like_its_lines() -> None:
    text = (
        '{"level":30,"time":1790000000000,"tnx":"server","sid":"q","msg":"220 mx"}\n'
        '{"level":30,"time":1790000000100,"tnx":"client","sid":"q","msg":"QUIT"}\n'
        '{"level":30,"time":1790000000200,"tnx":"server","sid":"q","msg":"221 bye"}\n'
    )
    log = read(text)
    assert said(log) == [("GREETING", 220), ("QUIT", 221)]
    assert log["time"].iloc[0] == pd.Timestamp(1790000000000, unit="ms", tz="UTC")


def test_the_older_log_of_thunderbird_is_read_with_its_times() -> None:
    text = (
        "2020-03-02 10:15:54.000100 UTC - [Parent 5788: Main]: I/SMTP SMTP Response: "
        "220 mx ready\n"
        "2020-03-02 10:15:54.000200 UTC - [Parent 5788: Main]: D/SMTP SMTP Send: "
        "EHLO [192.0.2.8]\n"
        "5788[1911140]: SMTP Response: 250-mx hello\n"
        "5788[1911140]: SMTP Response: 250 SIZE 10\n"
        "5788[1911140]: SMTP entering state: 14\n"
    )
    log = read(text)
    assert said(log) == [("GREETING", 220), ("EHLO", 250)]
    assert str(log["time"].iloc[0]) == "2020-03-02 10:15:54.000100+00:00"
    assert log.attrs["read"]["skipped"] == 0


def test_thunderbirds_smtps_is_tls_from_the_first_octet() -> None:
    text = TEXTS["thunderbird"].replace("smtp://mail.example.org:587", "smtps://mx:465")
    log = read(text)
    assert log["kind"].tolist()[:3] == ["connect", "tls", "greeting"]
    assert log["port"].iloc[0] == 465


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("swaks", "=== Trying mx:25...\n*** Error connecting to mx:25:\n*** \trefused\n"),
        ("curl", "* connect to 192.0.2.1 port 25 failed: Connection refused\n"),
        ("msmtp", "host = mx\nmsmtp: cannot connect to mx, port 25: refused\n"),
    ],
)
def test_a_connection_that_was_refused_is_a_row_with_its_error(
    name: str, text: str
) -> None:
    log = read(text, name)
    assert log["kind"].tolist() == ["connect"]
    assert log["error"].tolist() == ["TransportError"]
    assert log["port"].tolist() == [25]


def test_what_the_installed_smtplib_prints_is_understood() -> None:
    printed = io.StringIO()
    client = real_smtplib.SMTP(local_hostname="client.example")
    client.set_debuglevel(2)
    with sb.Lab("ordinary") as lab, redirect_stderr(printed):
        client.connect("127.0.0.1", lab.port)
        with client:
            client.sendmail(
                "ann@example.org", ["bob@example.net"], b"Subject: \xe9\r\n\r\n.hi"
            )
    log = read(printed.getvalue())
    assert log.attrs["read"]["skipped"] == 0
    assert log[log["kind"] == "outcome"]["outcome"].tolist() == ["accepted"]
    answered = log[log["reply_code"].notna() & (log["kind"] != "outcome")]
    assert answered["latency_s"].notna().all()


def test_a_bare_lf_that_smtplib_shows_in_mail_data_is_found() -> None:
    text = TEXTS["smtplib"].replace(r"Hello\r\n", r"Hello\n")
    rules = sb.lint_dialogue(read(text))["rule"].tolist()
    assert rules == ["bare_lf"]


_LINES = sorted({line for text in TEXTS.values() for line in text.splitlines()})
_ANY_LINE = st.one_of(
    st.sampled_from(_LINES),
    st.text(max_size=40),
    st.sampled_from(_LINES).flatmap(
        lambda line: st.integers(0, len(line)).map(lambda cut: line[:cut])
    ),
    st.binary(max_size=30).map(lambda octets: octets.decode("utf-8", "surrogateescape")),
)


def events(name: str, lines: list[str], reading: Reading | None = None) -> list[Event]:
    rows = FORMATS[name].events(lines, reading or Reading())
    return [Event.from_row((row[0] or 0, *row[1:])) for row in rows]


@given(st.lists(_ANY_LINE, max_size=25))
@settings(max_examples=30)
def test_no_line_and_no_order_of_lines_makes_a_format_raise(lines: list[str]) -> None:
    for name, format in FORMATS.items():
        for line in lines:
            format.sniff(line)
        for event in events(name, lines):
            assert (event.kind == "outcome") == (event.outcome is not None)


@given(st.sampled_from(sorted(TEXTS)), st.data())
@settings(max_examples=40)
def test_wherever_a_log_is_cut_each_recipient_has_one_outcome(
    name: str, data: st.DataObject
) -> None:
    text = TEXTS[name]
    begin = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(begin, len(text)))
    found = events(name, text[begin:end].split("\n"))
    named = [one for one in found if one.kind == "command" and one.verb == "RCPT"]
    assert sum(one.kind == "outcome" for one in found) == len(named)


@pytest.mark.parametrize("name", ["swaks", "maxbulk"])
def test_wherever_a_log_begins_a_password_is_in_no_row(name: str) -> None:
    lines = TEXTS[name].splitlines()
    for begin in range(len(lines)):
        assert "Y29ycmVjdCBob3JzZQ" not in repr(events(name, lines[begin:]))
