"""Parameters of MAIL and RCPT: what they need, what is refused, and xtext both ways."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpbook.protocol.commands import Mail, Rcpt, parse_command
from smtpbook.protocol.parameters import (
    PARAMETERS,
    decode_utf8_xtext,
    decode_xtext,
    encode_utf8_xtext,
    encode_xtext,
    fault_in,
    needed_extension,
)

EVERYTHING = {known.extension for known in PARAMETERS.values()} | {"BINARYMIME"}
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))

# Lines of the RFCs' own examples, each with its source.
EXAMPLES = {
    "MAIL FROM:<Alice@Example.ORG> RET=HDRS ENVID=QQ314159": "RFC 3461 section 10.1",
    "RCPT TO:<Bob@Example.COM> NOTIFY=SUCCESS ORCPT=rfc822;Bob@Example.COM": "10.1",
    "RCPT TO:<Dana@Ivory.EDU> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Dana@Ivory.EDU": "10.1",
    "RCPT TO:<Eric@Bombs.AF.MIL> NOTIFY=NEVER": "RFC 3461 section 10.1",
    "MAIL FROM:<eljefe@bigbiz.com> BY=120;R": "RFC 2852",
    "MAIL FROM:<eljefe@bigbiz.com> BY=-20;NT": "RFC 2852",
    "MAIL FROM:<e=mc2@example.com> AUTH=e+3Dmc2@example.com": "RFC 4954 section 5",
    "MAIL FROM:<john@example.org> AUTH=<>": "RFC 4954 section 5",
    "MAIL FROM:<eljefe@example.net> MT-PRIORITY=3": "RFC 6710",
    "MAIL FROM:<ned@ymir.claremont.edu> BODY=BINARYMIME": "RFC 3030 section 4.2",
    "MAIL FROM:<roger@example.org> REQUIRETLS": "RFC 8689 section 2",
    "MAIL FROM:<a@x.example> HOLDFOR=86400": "RFC 4865",
    "MAIL FROM:<a@x.example> HOLDUNTIL=2030-01-01T00:00:00Z": "RFC 4865",
    "MAIL FROM:<a@x.example> PRDR": "draft-hall-prdr-00",
    r"RCPT TO:<a@x.example> ORCPT=utf-8;\x{3B4}\x{3BF}@x.example": "RFC 6533 section 3",
}


@pytest.mark.parametrize("line", EXAMPLES)
def test_examples_are_read_and_are_in_order(line: str) -> None:
    command = parse_command(line.encode())
    assert isinstance(command, Mail | Rcpt)
    assert command.parameters
    assert fault_in(command.verb, command.parameters, EVERYTHING) is None
    assert fault_in(command.verb, command.parameters, ()) is not None


@pytest.mark.parametrize(
    ("verb", "name", "value", "code"),
    [
        ("MAIL", "XYZZY", None, 555),
        ("MAIL", "NOTIFY", "NEVER", 555),
        ("RCPT", "SIZE", "1", 555),
        ("MAIL", "SIZE", None, 501),
        ("MAIL", "SIZE", "big", 501),
        ("MAIL", "SIZE", "1" * 21, 501),
        ("MAIL", "SMTPUTF8", "yes", 501),
        ("MAIL", "PRDR", "1", 501),
        ("MAIL", "REQUIRETLS", "1", 501),
        ("MAIL", "BODY", "9BIT", 501),
        ("MAIL", "RET", "ALL", 501),
        ("MAIL", "ENVID", "a+b", 501),
        ("MAIL", "ENVID", "a+2b", 501),
        ("MAIL", "ENVID", "x" * 101, 501),
        ("MAIL", "AUTH", "a+b", 501),
        ("MAIL", "AUTH", None, 501),
        ("RCPT", "NOTIFY", "NEVER,DELAY", 501),
        ("RCPT", "NOTIFY", "SOMETIMES", 501),
        ("RCPT", "ORCPT", "bob@x.example", 501),
        ("RCPT", "ORCPT", "rfc822;" + "b" * 494, 501),
        ("RCPT", "ORCPT", r"utf-8;\x{3B", 501),
        ("MAIL", "BY", "0;R", 501),
        ("MAIL", "BY", "-1;R", 501),
        ("MAIL", "BY", "000;RT", 501),
        ("MAIL", "BY", "1", 501),
        ("MAIL", "BY", "1234567890;N", 501),
        ("MAIL", "HOLDFOR", "-1", 501),
        ("MAIL", "HOLDUNTIL", "tomorrow", 501),
        ("MAIL", "MT-PRIORITY", "10", 501),
        ("MAIL", "MT-PRIORITY", "-10", 501),
    ],
)
def test_what_is_not_known_gets_555_and_what_is_wrong_501(
    verb: str, name: str, value: str | None, code: int
) -> None:
    """RFC 5321 section 4.1.1.11."""
    fault = fault_in(verb, ((name, value),), EVERYTHING)
    assert fault is not None
    assert fault[0] == code


def test_a_parameter_stands_there_once() -> None:
    fault = fault_in("MAIL", (("RET", "FULL"), ("RET", "HDRS")), EVERYTHING)
    assert fault == (501, "5.5.4 RET stands there twice")


def test_hold_for_and_hold_until_contradict_each_other() -> None:
    both = (("HOLDFOR", "1"), ("HOLDUNTIL", "2030-01-01T00:00:00Z"))
    fault = fault_in("MAIL", both, EVERYTHING)
    assert fault is not None
    assert fault[0] == 501


@pytest.mark.parametrize(
    ("name", "value", "extension"),
    [
        ("BODY", "8BITMIME", "8BITMIME"),
        ("BODY", "binarymime", "BINARYMIME"),
        ("BY", "1;R", "DELIVERBY"),
        ("HOLDFOR", "1", "FUTURERELEASE"),
        ("ORCPT", "rfc822;a", "DSN"),
        ("X-OWN", None, "X-OWN"),
    ],
)
def test_each_parameter_needs_its_extension(
    name: str, value: str | None, extension: str
) -> None:
    assert needed_extension(name, value) == extension


@given(TEXTS)
def test_xtext_comes_back_as_it_was_and_holds_nothing_but_what_it_may(text: str) -> None:
    encoded = encode_xtext(text)
    assert decode_xtext(encoded) == text
    assert re.fullmatch(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*", encoded)


@given(TEXTS)
def test_utf8_xtext_comes_back_as_it_was_and_is_ascii(text: str) -> None:
    encoded = encode_utf8_xtext(text)
    assert decode_utf8_xtext(encoded) == text
    assert re.fullmatch(r"(?:[!-*,-<>-\[\]-~]|\\x\{[0-9A-F]{2,6}\})*", encoded)


@given(TEXTS)
def test_whatever_stands_there_is_read_or_refused(text: str) -> None:
    for decode in (decode_xtext, decode_utf8_xtext):
        try:
            decode(text)
        except ValueError:
            continue


@pytest.mark.parametrize("text", ["a=b", "a b", "+", "+2", "+2b", "+G0", "é", "+FF"])
def test_what_is_no_xtext_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"xtext|utf-8"):
        decode_xtext(text)


@pytest.mark.parametrize(
    "text", ["a=b", "a+b", "\\", r"\x{}", r"\x{3b4}", r"\x{D800}", r"\x{110000}"]
)
def test_what_is_no_utf8_xtext_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"xtext|Unicode"):
        decode_utf8_xtext(text)


def test_unitext_is_read_too() -> None:
    assert decode_utf8_xtext("δοκιμή@x.example") == "δοκιμή@x.example"
