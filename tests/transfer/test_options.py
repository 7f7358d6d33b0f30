"""What a message asks of the server: what is sent, left out, and refused."""

from __future__ import annotations

import pickle
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpbook.errors import LocalProtocolError
from smtpbook.protocol.addresses import Mailbox
from smtpbook.protocol.commands import Mail, Rcpt, encode
from smtpbook.protocol.extensions import Extensions, ehlo_reply
from smtpbook.protocol.message import Message
from smtpbook.protocol.parameters import decode_utf8_xtext, decode_xtext, fault_in
from smtpbook.transfer.options import WITHOUT, DeliveryOptions
from smtpbook.transfer.transaction import mail_parameters, rcpt_parameters

BOB = Mailbox.parse("bob@y.example")
NEW_YEAR = datetime(2030, 1, 1, tzinfo=UTC)
EVERYTHING = (
    *("DSN", "REQUIRETLS", "DELIVERBY", "FUTURERELEASE", "MT-PRIORITY", "AUTH PLAIN"),
    *("PRDR", "BINARYMIME", "CHUNKING"),
)

# Options, their row of the table, and what MAIL and the first RCPT say then.
SENT: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "reports": (
        {"notify": "success,failure"},
        "DSN",
        "",
        " NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;bob@y.example",
    ),
    "no reports": ({"notify": "never"}, "DSN", "", " NOTIFY=NEVER"),
    "several words": (
        {"notify": ["delay", "failure"]},
        "DSN",
        "",
        " NOTIFY=FAILURE,DELAY ORCPT=rfc822;bob@y.example",
    ),
    "another original": (
        {"original_recipients": {"bob@y.example": "b+c=d@z.example"}},
        "DSN",
        "",
        " ORCPT=rfc822;b+2Bc+3Dd@z.example",
    ),
    "an original that is not ASCII": (
        {"notify": "failure", "original_recipients": {"bob@y.example": "böb@z.example"}},
        "DSN",
        "",
        r" NOTIFY=FAILURE ORCPT=utf-8;b\x{F6}b@z.example",
    ),
    "an original of somebody else": (
        {"original_recipients": {"eve@y.example": "e@z.example"}},
        "DSN",
        "",
        "",
    ),
    "headers come back": ({"returns": "headers"}, "DSN", " RET=HDRS", ""),
    "all comes back": ({"returns": "full"}, "DSN", " RET=FULL", ""),
    "a name of its own": ({"envelope_id": "a b+1"}, "DSN", " ENVID=a+20b+2B1", ""),
    "TLS": ({"requires_tls": True}, "REQUIRETLS", " REQUIRETLS", ""),
    "returned if late": ({"deliver_by_s": 120}, "DELIVERBY R", " BY=120;R", ""),
    "told if late": (
        {"deliver_by_s": -20, "if_late": "notify", "traces_relay": True},
        "DELIVERBY N",
        " BY=-20;NT",
        "",
    ),
    "held for a day": ({"hold_for_s": 86400}, "FUTURERELEASE", " HOLDFOR=86400", ""),
    "held until": (
        {"hold_until": NEW_YEAR.astimezone(timezone(timedelta(hours=1)))},
        "FUTURERELEASE",
        " HOLDUNTIL=2030-01-01T00:00:00Z",
        "",
    ),
    "urgent": ({"priority": 4}, "MT-PRIORITY", " MT-PRIORITY=4", ""),
    "not urgent": ({"priority": -9}, "MT-PRIORITY", " MT-PRIORITY=-9", ""),
    "submitted by": (
        {"submitter": "e=mc2@x.example"},
        "AUTH",
        " AUTH=e+3Dmc2@x.example",
        "",
    ),
    "submitted by nobody": ({"submitter": ""}, "AUTH", " AUTH=<>", ""),
    "a reply each": ({"reply_per_recipient": True}, "PRDR", " PRDR", ""),
    "binary": ({"is_binary": True}, "BINARYMIME", " BODY=BINARYMIME", ""),
}


def offered(*keywords: str) -> Extensions:
    return Extensions.from_reply(ehlo_reply("mx", keywords))


def message(**options: Any) -> Message:
    to = ["bob@y.example", "carl@y.example"]
    asked = DeliveryOptions(**options)
    return Message.from_bytes("ann@x.example", to, b"S: hi\n\nhello\n", options=asked)


def lines(one: Message, extensions: Extensions, **session: bool) -> tuple[str, str]:
    """Give MAIL and the first RCPT behind their addresses, as they go over the wire."""
    mail = Mail(one.reverse_path, mail_parameters(one, extensions, **session))
    rcpt = Rcpt(BOB, rcpt_parameters(one, BOB, extensions))
    written = [encode(command).decode().rstrip("\r\n") for command in (mail, rcpt)]
    return tuple(text.partition(">")[2] for text in written)  # type: ignore[return-value]


@pytest.mark.parametrize("name", SENT)
def test_offered_it_is_sent_as_the_rfc_spells_it(name: str) -> None:
    options, _, mail, rcpt = SENT[name]
    extensions = offered(*EVERYTHING)
    one = message(**options)
    assert lines(one, extensions, is_secure=True, is_chunked=True) == (mail, rcpt)
    for verb, parameters in (
        ("MAIL", mail_parameters(one, extensions, is_secure=True, is_chunked=True)),
        ("RCPT", rcpt_parameters(one, BOB, extensions)),
    ):
        assert fault_in(verb, parameters, extensions.keywords) is None


@pytest.mark.parametrize("name", SENT)
def test_not_offered_it_is_left_out_or_refused_as_the_table_says(name: str) -> None:
    options, row, _, _ = SENT[name]
    extensions = offered("CHUNKING")
    if WITHOUT[row] == "refused":
        with pytest.raises(LocalProtocolError, match="does not offer"):
            lines(message(**options), extensions, is_secure=True, is_chunked=True)
    else:
        assert lines(message(**options), extensions, is_secure=True) == ("", "")


def test_every_row_of_the_table_and_every_option_is_tried() -> None:
    assert {row for _, row, _, _ in SENT.values()} == set(WITHOUT)
    tried = {name for options, _, _, _ in SENT.values() for name in options}
    assert tried == {field.name for field in fields(DeliveryOptions) if field.init}


@pytest.mark.parametrize(
    ("options", "keywords", "complaint"),
    [
        ({"deliver_by_s": 59}, "DELIVERBY 60", "needs 60 seconds or more"),
        ({"hold_for_s": 61}, "FUTURERELEASE 60 2030-01-01T00:00:00Z", "60 seconds at most"),
        (
            {"hold_until": NEW_YEAR + timedelta(seconds=1)},
            "FUTURERELEASE 60 2030-01-01T00:00:00Z",
            "holds until 2030",
        ),
        ({}, "LIMITS RCPTMAX=1", "2 recipients, the server takes at most 1"),
        ({}, "SIZE 10", "the server takes at most 10"),
    ],
)
def test_what_the_server_announced_not_to_take_is_not_sent(
    options: dict[str, Any], keywords: str, complaint: str
) -> None:
    with pytest.raises(LocalProtocolError, match=complaint):
        lines(message(**options), offered(keywords))


@pytest.mark.parametrize(
    ("options", "keywords"),
    [
        ({"deliver_by_s": 60}, "DELIVERBY 60"),
        ({"deliver_by_s": 1, "if_late": "notify"}, "DELIVERBY 60"),
        ({"hold_for_s": 60}, "FUTURERELEASE 60 2030-01-01T00:00:00Z"),
        ({"hold_until": NEW_YEAR}, "FUTURERELEASE 60 2030-01-01T00:00:00Z"),
        ({}, "LIMITS RCPTMAX=2 RCPTDOMAINMAX=1"),
    ],
)
def test_what_it_announced_to_take_is_sent(options: dict[str, Any], keywords: str) -> None:
    lines(message(**options), offered(keywords))


def test_several_domains_count() -> None:
    one = Message.from_bytes("a@x.example", ["b@y.example", "c@z.example"], b"S: x\n\n")
    with pytest.raises(LocalProtocolError, match="2 domains"):
        mail_parameters(one, offered("LIMITS RCPTDOMAINMAX=1"))


def test_tls_is_required_of_this_session_too() -> None:
    with pytest.raises(LocalProtocolError, match="this session has none"):
        lines(message(requires_tls=True), offered("REQUIRETLS"), is_secure=False)


@pytest.mark.parametrize(
    ("keywords", "is_chunked"),
    [(("BINARYMIME",), True), (("BINARYMIME", "CHUNKING"), False)],
)
def test_binary_mail_data_goes_by_bdat_alone(
    keywords: tuple[str, ...], is_chunked: bool
) -> None:
    """RFC 3030 section 3."""
    with pytest.raises(LocalProtocolError, match="BDAT alone"):
        lines(message(is_binary=True), offered(*keywords), is_chunked=is_chunked)


def test_a_reply_each_is_asked_for_where_there_are_several() -> None:
    one = replace(message(reply_per_recipient=True), recipients=(BOB,))
    assert mail_parameters(one, offered("PRDR")) == ()


def test_binary_data_stays_as_it_is() -> None:
    data = b"S: x\r\n\r\n\0a\nb\rc" + b"x" * 2000
    options = DeliveryOptions(is_binary=True)
    assert Message.from_bytes("a@x.example", "b@y.example", data, options=options).data == (
        data
    )


def test_a_message_without_options_says_nothing_more() -> None:
    one = Message.from_bytes("ann@x.example", ["bob@y.example"], b"S: hi\n\nhello\n")
    assert one.options is None
    assert lines(one, offered(*EVERYTHING)) == ("", "")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"notify": "sucess"}, "did you mean 'success'"),
        ({"notify": "never,delay"}, "stands alone"),
        ({"notify": 5}, "notify=5 is not one of"),
        ({"envelope_id": 5}, "envelope_id 5 is not printable"),
        ({"original_recipients": "x"}, "does not name an address for each"),
        ({"submitter": 5}, "submitter=5 is not an address"),
        ({"returns": "some"}, "'full', 'headers'"),
        ({"envelope_id": ""}, "printable ASCII"),
        ({"envelope_id": "ä"}, "printable ASCII"),
        ({"envelope_id": "a\r\nb"}, "printable ASCII"),
        ({"envelope_id": "+" * 34}, "longer than 100"),
        ({"original_recipients": {"bob": "a@x.example"}}, "address has no @"),
        ({"original_recipients": {"a@x.example": "bob>"}}, "address has no @"),
        ({"deliver_by_s": 0}, "from 1 to 999999999"),
        ({"deliver_by_s": -1}, "from 1 to 999999999"),
        ({"deliver_by_s": 10**9}, "999999999"),
        ({"deliver_by_s": -(10**9), "if_late": "notify"}, "-999999999"),
        ({"deliver_by_s": 1.5}, "whole number"),
        ({"if_late": "drop"}, "'return', 'notify'"),
        ({"hold_for_s": 0}, "from 1"),
        ({"hold_for_s": 10**9}, "999999999"),
        ({"hold_until": datetime(2030, 1, 1)}, "time zone"),
        ({"hold_until": "2030-01-01T00:00:00Z"}, "hold_until is a datetime"),
        ({"hold_for_s": 1, "hold_until": NEW_YEAR}, "exclude each other"),
        ({"priority": 10}, "from -9 to 9"),
        ({"priority": True}, "whole number"),
        ({"submitter": "ann"}, "address has no @"),
        ({"submitter": "änn@x.example"}, "not ASCII"),
    ],
)
def test_what_is_no_value_is_refused_when_it_is_given(
    options: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        DeliveryOptions(**options)


def test_options_are_values() -> None:
    one = DeliveryOptions(
        notify="failure", original_recipients={"a@x.example": "b@x.example"}
    )
    assert one == DeliveryOptions(
        notify=["failure"], original_recipients=[("a@x.example", "b@x.example")]
    )
    assert pickle.loads(pickle.dumps(one)) == one
    assert len({one, replace(one)}) == 1
    assert replace(one, notify="never").for_rcpt(BOB, offered("DSN")) == (
        ("NOTIFY", "NEVER"),
    )


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=33))
def test_an_envelope_id_comes_out_as_it_went_in(text: str) -> None:
    ((_, value),) = DeliveryOptions(envelope_id=text).for_mail(offered("DSN"))
    assert value is not None
    assert decode_xtext(value) == text


@given(st.text(st.characters(categories=["L"]), min_size=1, max_size=10))
def test_an_original_recipient_comes_out_as_it_went_in(name: str) -> None:
    address = f"{name}@z.example"
    options = DeliveryOptions(original_recipients={"bob@y.example": address})
    ((_, value),) = options.for_rcpt(BOB, offered("DSN"))
    assert value is not None
    kind, _, encoded = value.partition(";")
    decode = decode_xtext if kind == "rfc822" else decode_utf8_xtext
    assert decode(encoded) == address
