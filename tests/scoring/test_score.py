"""Whoever answers as a filter, or does not: a table, or a sentence, within bounds."""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pandas as pd
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpbook.errors import LocalProtocolError, SMTPBookError, TransportTimeout
from smtpbook.protocol.message import Message
from smtpbook.scoring import rspamd, spamassassin
from smtpbook.scoring.ask import MAX_ANSWER, Place
from smtpbook.scoring.score import content_score, content_score_async

MESSAGE = Message.from_bytes("a@sender.example", ["b@x.example"], b"Subject: hi\n\nhi\n")
PLACE = Place(scheme="http", host="127.0.0.1", port=1)
ODD = "\u202e<b>$x$</b>"


def told(**changed: Any) -> dict[str, Any]:
    symbols = {
        "GOOD": {"name": "GOOD", "score": -1.5},
        "BAD": {"name": "BAD", "score": 4, "description": ODD, "options": ["a", 7]},
    }
    score = {"score": 2.5, "required_score": 15.0, "action": "no action"}
    return {**score, "symbols": symbols} | changed


def http(body: bytes, status: str = "200 OK", length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    return f"HTTP/1.1 {status}\r\nContent-Length: {size}\r\n\r\n".encode() + body


REPORT = """\
Content analysis details:   (6.3 points, 5.0 required)

 pts rule name              description
---- ---------------------- --------------------------------------------------
-0.0 NO_RELAYS              Informational: message was not relayed via SMTP
 2.8 DRUG_ED_CAPS           BODY: Mentions an E.D. drug
 0.2 NORMAL_HTTP_TO_IP      URI: URI host has a public dotted-decimal IPv4
                            address

"""


def spamd(report: str = REPORT, first: str = "SPAMD/1.1 0 EX_OK") -> bytes:
    fields = f"Content-length: {len(report)}\r\nSpam: True ; 6.3 / 5.0"
    return f"{first}\r\n{fields}\r\n\r\n{report}".encode()


async def ask(
    scheme: str, answer: bytes, *, heard: bytearray | None = None, **more: Any
) -> pd.DataFrame:
    """Ask one that says the answer when it has read a whole question."""
    question = bytearray() if heard is None else heard

    async def serve(stream: trio.SocketStream) -> None:
        question.clear()
        while not question.endswith(b"hi\r\n"):
            question.extend(await stream.receive_some())
        await stream.send_all(answer)
        await stream.aclose()

    return await ask_who(serve, scheme, **more)


async def ask_who(
    serve: Callable[[trio.SocketStream], Awaitable[None]], scheme: str, **more: Any
) -> pd.DataFrame:
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        port = listeners[0].socket.getsockname()[1]
        try:
            table = await content_score_async(
                MESSAGE, url=f"{scheme}://127.0.0.1:{port}", **more
            )
        except SMTPBookError as exc:
            failure = exc  # raised here, it would be one of a group
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
    return table


async def test_rspamds_symbols_become_rows_the_worst_first() -> None:
    heard = bytearray()
    answer = http(json.dumps(told()).encode())
    table = await ask("http", answer, heard=heard, ip="192.0.2.1", helo="x.example")
    assert table["rule"].tolist() == ["BAD", "GOOD"]
    assert table["score"].tolist() == [4.0, -1.5]
    assert table["description"][0] == "\\u202e<b>$x$</b>"
    assert table["options"][0] == "a, 7"
    assert table[["description", "options"]].isna().all(axis="columns").tolist()[1]
    about = {name: table.attrs[name] for name in ("filter", "total", "threshold", "action")}
    assert about == {
        "filter": "rspamd",
        "total": 2.5,
        "threshold": 15.0,
        "action": "no action",
    }
    head, _, body = bytes(heard).partition(b"\r\n\r\n")
    assert body == MESSAGE.data
    lines = head.decode().lower().split("\r\n")
    assert lines[0] == "post /checkv2 http/1.1"
    assert {"from: a@sender.example", "rcpt: b@x.example", "ip: 192.0.2.1"} <= set(lines)


async def test_spamds_report_becomes_rows() -> None:
    heard = bytearray()
    table = await ask("spamd", spamd(), heard=heard)
    assert table["rule"].tolist() == ["DRUG_ED_CAPS", "NORMAL_HTTP_TO_IP", "NO_RELAYS"]
    assert (
        table["description"][1] == "URI: URI host has a public dotted-decimal IPv4 address"
    )
    assert (table.attrs["total"], table.attrs["threshold"]) == (6.3, 5.0)
    assert table.attrs["action"] == "spam"
    assert bytes(heard).startswith(b"REPORT SPAMC/1.5\r\nContent-length: 19\r\n\r\n")


@pytest.mark.parametrize(
    ("scheme", "answer", "why"),
    [
        ("http", b"", "ends before its end|not in HTTP"),
        ("http", b"220 mx ESMTP\r\n", "not in HTTP"),
        ("http", http(b"{}", length=99), "ends before its end|not in HTTP"),
        ("http", http(b"<html>"), "not as rspamd does"),
        ("http", http(b"[" * 100_000), "not as rspamd does"),
        ("http", http(json.dumps(told(score="NaN")).encode()), "not as rspamd does"),
        ("http", http(json.dumps(told(symbols=[1])).encode()), "not as rspamd does"),
        ("http", http(b'{"error":"no\x1b[2J"}', "403 No"), r"refuses \(403\)"),
        ("http", http(b" " * (MAX_ANSWER + 1)), "too long"),
        ("spamd", b"", "not as spamd does"),
        ("spamd", http(b"{}"), "not as spamd does"),
        ("spamd", spamd(first="SPAMD/1.0 76 Bad header line"), "refuses.*Bad header line"),
        ("spamd", spamd()[:-20], "ends before its end"),
        ("spamd", spamd().replace(b"Spam:", b"Ham:"), "ends before its end"),
    ],
)
async def test_what_no_filter_says_is_told_in_words(
    scheme: str, answer: bytes, why: str
) -> None:
    with pytest.raises(SMTPBookError, match=why) as caught:
        await ask(scheme, answer)
    assert "\x1b" not in str(caught.value)


async def test_a_filter_that_says_nothing_is_waited_for_so_long_and_no_longer(
    autojump_clock: object,
) -> None:
    async def silent(stream: trio.SocketStream) -> None:
        await trio.sleep(3600)

    before = trio.current_time()
    with pytest.raises(TransportTimeout, match="within 60 s"):
        await ask_who(silent, "http")
    assert trio.current_time() - before == pytest.approx(60, abs=1)


def test_where_nobody_listens_it_says_what_to_install() -> None:
    with pytest.raises(SMTPBookError, match=r"no spam filter answers.*apt-get install"):
        content_score(MESSAGE, url="http://127.0.0.1:1")


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"url": "http://filter.example:11333"}, "another machine"),
        ({"url": "http://192.0.2.1"}, "another machine"),
        ({"url": "htp://127.0.0.1"}, "did you mean 'http'"),
        ({"url": "spamd://"}, "no place of a filter"),
        ({"url": "http://[x"}, "no URL"),
        ({"url": "http://me:pw@127.0.0.1"}, "no place of a filter"),
        ({"by": "rspam"}, "did you mean 'rspamd'"),
        ({"by": "rspamd", "url": "spamd://127.0.0.1"}, "is spamassassin's"),
        ({"ip": "sender.example"}, "not an IP address"),
        ({"helo": "a b\r\nX: y"}, "a b"),
    ],
)
def test_what_cannot_be_asked_is_refused(given: dict[str, Any], why: str) -> None:
    with pytest.raises(LocalProtocolError, match=why):
        content_score(MESSAGE, **given)


def test_a_letter_is_no_message() -> None:
    with pytest.raises(TypeError, match=r"letter\.render"):
        content_score("hello")  # type: ignore[arg-type]


def test_another_machine_may_be_named_on_purpose() -> None:
    place = Place.parse("http://filter.example", elsewhere=True)
    assert str(place) == "filter.example:11333"
    assert Place.parse("spamd:///run/spamd.sock").path == "/run/spamd.sock"


def test_a_report_that_the_message_quotes_is_not_the_reports() -> None:
    quoted = "---- ---------- ----------\n 9.9 MADE_UP  by the message\n"
    found = spamassassin.read_answer(spamd(quoted + REPORT), PLACE)
    assert "MADE_UP" not in {rule.name for rule in found.rules}
    assert len(found.rules) == 3


def test_the_program_is_read_by_its_own_header() -> None:
    output = f"X-Spam-Status: Yes, score=6.3 required=5.0 tests=A\n\nhi\n{REPORT}".encode()
    done = subprocess.CompletedProcess([], 0, output, b"")
    assert spamassassin.read_output(done).total == 6.3
    for status, printed in ((1, output), (0, b"hi\n")):
        done = subprocess.CompletedProcess([], status, printed, b"broken \x1b[2J")
        with pytest.raises(SMTPBookError, match=r"fails \(status \d\): broken"):
            spamassassin.read_output(done)


@settings(max_examples=40)
@given(
    st.recursive(
        st.none() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(list(told())), inner)
        ),
        max_leaves=8,
    )
)
def test_any_json_is_a_verdict_or_an_error(value: Any) -> None:
    try:
        found = rspamd.read_answer(json.dumps(value).encode(), PLACE)
    except SMTPBookError:
        return
    assert math.isfinite(found.total)


@settings(max_examples=40)
@given(st.text(alphabet="-—.0123 ABx\n", max_size=200))
def test_any_report_is_read(report: str) -> None:
    ruler = "---- ----------- -----------\n"
    answer = f"SPAMD/1.1 0 EX_OK\r\nSpam: False ; 1 / 5\r\n\r\n{ruler}{report}".encode()
    assert spamassassin.read_answer(answer, PLACE).action == "no spam"
