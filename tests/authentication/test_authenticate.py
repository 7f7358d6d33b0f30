"""A message is judged as its receiver would judge it, whatever it and the DNS hold."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import smtpbook as sb
from smtpbook.authentication.authenticate import (
    Authentication,
    authenticate_async,
    author_domains,
)
from smtpbook.authentication.authentication_results import read_results
from smtpbook.escape import visible
from smtpbook.lookup.answer import Answer
from smtpbook.lookup.zone import Data
from tests.dkim.keys import records, signer

IP = "192.0.2.7"
NAME, KEY = next(iter(records(signer()).items()))
ZONE: Data = {
    "x.example": {"TXT": "v=spf1 ip4:192.0.2.0/24 -all"},
    "_dmarc.x.example": {"TXT": "v=DMARC1; p=reject; sp=quarantine"},
    NAME: {"TXT": KEY.strip('"')},
    "list.example": {"TXT": "v=spf1 ip4:198.51.100.1 -all"},
}
MESSAGE = b"From: Ann <ann@x.example>\r\nTo: bob@y.example\r\n\r\nhi\r\n"
SIGNED = signer().sign(MESSAGE)


def judged(data: bytes = SIGNED, **given: object) -> Authentication:
    defaults = {"ip": IP, "reverse_path": "ann@x.example", "zone": ZONE}
    return sb.authenticate(data, **defaults | given)  # type: ignore[arg-type]


def verdicts(found: Authentication) -> tuple[str, list[str], str]:
    return found.spf.result, [one.result for one in found.dkim], found.dmarc.result


@pytest.mark.parametrize(
    ("data", "given", "expected"),
    [
        (SIGNED, {}, ("pass", ["pass"], "pass")),
        (MESSAGE, {}, ("pass", [], "pass")),
        (SIGNED, {"ip": "203.0.113.1"}, ("fail", ["pass"], "pass")),
        (MESSAGE, {"ip": "203.0.113.1"}, ("fail", [], "fail")),
        (SIGNED + b"changed\r\n", {"ip": "203.0.113.1"}, ("fail", ["fail"], "fail")),
        # A mailing list: SPF is the list's, and From's domain is known by its signature.
        (
            SIGNED,
            {"ip": "198.51.100.1", "reverse_path": "bounce@list.example"},
            ("pass", ["pass"], "pass"),
        ),
        (
            MESSAGE,
            {"ip": "198.51.100.1", "reverse_path": "bounce@list.example"},
            ("pass", [], "fail"),
        ),
        # The null reverse-path: SPF judges the name in EHLO.
        (MESSAGE, {"reverse_path": "", "helo": "x.example"}, ("pass", [], "pass")),
        (MESSAGE, {"reverse_path": "", "helo": "localhost"}, ("none", [], "fail")),
        (MESSAGE, {"reverse_path": ""}, ("none", [], "fail")),
        # Lines that end in LF alone, as in a file.
        (SIGNED.replace(b"\r\n", b"\n"), {}, ("pass", ["pass"], "pass")),
        # From must name one domain, in one field.
        (b"From: a@y.example\r\n" + SIGNED, {}, ("pass", ["fail"], "permerror")),
        (MESSAGE[6:], {}, ("pass", [], "permerror")),
    ],
)
def test_verdicts(
    data: bytes, given: dict[str, object], expected: tuple[str, list[str], str]
) -> None:
    assert verdicts(judged(data, **given)) == expected


def test_what_the_record_asks_for() -> None:
    found = judged(MESSAGE, ip="203.0.113.1")
    assert found.dmarc.disposition == "reject"
    below = MESSAGE.replace(b"ann@", b"ann@mail.")
    assert judged(below, ip="203.0.113.1").dmarc.disposition == "quarantine"


def test_a_message_of_ours_brings_its_reverse_path() -> None:
    message = sb.Message.from_bytes("ann@x.example", "bob@y.example", SIGNED)
    found = sb.authenticate(message, ip=IP, zone=ZONE)
    assert found.reverse_path == "ann@x.example"
    assert verdicts(found) == ("pass", ["pass"], "pass")


def test_the_field_for_the_message_reads_the_same_again() -> None:
    found = judged(ip="203.0.113.1")
    field = found.results_header("mx.y.example")
    assert re.match(r"Authentication-Results: mx\.y\.example;\r\n\tspf=fail ", field)
    read = read_results(field.partition(":")[2])
    assert read == found.results("mx.y.example")
    dkim, dmarc = read.of("dkim")[0], read.of("dmarc")[0]
    assert dkim.properties == {
        "header.d": "x.example",
        "header.s": "ed25519",
        "header.a": "ed25519-sha256",
    }
    assert (dmarc.properties["header.from"], dmarc.comment) == (
        "x.example",
        "p=reject dis=none",
    )
    assert read.of("spf")[0].properties == {"smtp.mailfrom": "ann@x.example"}


def test_the_field_of_an_unsigned_message_without_reverse_path() -> None:
    found = judged(MESSAGE, reverse_path="", helo="x.example").results()
    assert found.of("dkim")[0].result == "none"
    assert found.of("spf")[0].properties == {"smtp.helo": "x.example"}


def test_no_answer_leaves_the_verdict_open() -> None:
    class Silent:
        async def ask(self, name: str, record: str) -> Answer:
            return Answer(name=name, record=record, status="error", error="SERVFAIL")

    assert verdicts(judged(zone=Silent())) == ("temperror", ["temperror"], "temperror")


@pytest.mark.parametrize(
    ("field", "domains"),
    [
        (b"From: ann@x.example", ("x.example",)),
        (b"FROM : Ann <ann@X.Example>", ("x.example",)),
        (b"From: a@x.example, b@x.example", ("x.example", "x.example")),
        (b"From: a@x.example,\r\n b@y.example", ("x.example", "y.example")),
        (b'From: "ann@evil.example" <ann@x.example>', ("x.example",)),
        (b"From: friends: a@x.example;", ("x.example",)),
        ("From: ann@bücher.example".encode(), ("bücher.example",)),
        (b"From: ann", ()),
        (b"From:", ()),
        (b"From: a@x.example\r\nFrom: a@x.example", ()),
        (b"To: a@x.example", ()),
    ],
)
def test_the_author_s_domains(field: bytes, domains: tuple[str, ...]) -> None:
    assert author_domains(field + b"\r\n\r\nhi\r\n") == domains


async def test_inside_trio_there_is_the_async_form() -> None:
    with pytest.raises(RuntimeError, match="authenticate_async"):
        judged()
    found = await authenticate_async(SIGNED, ip=IP, reverse_path="ann@x.example", zone=ZONE)
    assert found.dmarc.result == "pass"


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(ValueError, match="address"):
        judged(ip="nonsense")


REVERSE_PATHS = ["", "a@x.example", "@", "\x1b@\u202e", "a@" + "x" * 300, "a b@\t", "é@é"]
HELOS = ["", "x.example", "[192.0.2.1]", "\t", "\0.\0", "\udcff.example", "-.."]
PIECES = st.sampled_from(
    [
        *(
            b"From",
            b":",
            b"a@x.example",
            b"\r\n",
            b"\n",
            b" ",
            b"<",
            b"=",
            b";",
            b",",
            b'"',
        ),
        *(b"\xff", b"\0", b"DKIM-Signature: v=1; d=", b"b=;bh=;h=from;s=k;a=rsa-sha256;"),
    ]
)


@settings(max_examples=25)
@given(
    st.lists(PIECES, max_size=20).map(b"".join),
    st.sampled_from(REVERSE_PATHS),
    st.sampled_from(HELOS),
)
def test_any_message_is_judged(data: bytes, reverse_path: str, helo: str) -> None:
    found = judged(data, reverse_path=reverse_path, helo=helo)
    assert visible(str(found), newlines=True) == str(found)
    line = found.results_header()
    assert read_results(line.partition(":")[2]).of("dmarc")
