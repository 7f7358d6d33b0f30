"""A message is ready for the wire: envelope checked, lines in CRLF, Bcc left out."""

from __future__ import annotations

import hashlib
from email import message_from_bytes
from email.message import EmailMessage
from email.message import Message as OldMessage
from email.policy import SMTP

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpbook.errors import LocalProtocolError
from smtpbook.protocol.message import MAX_LINE, Message


def made(data: bytes) -> Message:
    return Message.from_bytes("a@x.example", ["b@y.example"], data)


@pytest.mark.parametrize(
    ("given_data", "data"),
    [
        (b"", b"\r\n"),
        (b"hi", b"hi\r\n"),
        (b"hi\n", b"hi\r\n"),
        (b"hi\r\n", b"hi\r\n"),
        (b"hi\r", b"hi\r\n"),
        (b"S: x\n\nhi\n", b"S: x\r\n\r\nhi\r\n"),
        (b"S: x\r\n\nhi\r\r\n", b"S: x\r\n\r\nhi\r\n\r\n"),
        (b"a\rb\nc\r\nd", b"a\r\nb\r\nc\r\nd\r\n"),
        (b".\n..\n", b".\r\n..\r\n"),
    ],
)
def test_every_line_ends_in_crlf(given_data: bytes, data: bytes) -> None:
    assert made(given_data).data == data


@given(st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"x", b".", b"\xff"])))
def test_no_cr_or_lf_stands_alone_and_what_is_right_stays(words: list[bytes]) -> None:
    data = made(b"".join(words)).data
    assert data.endswith(b"\r\n")
    bare = data.replace(b"\r\n", b"")
    assert b"\r" not in bare
    assert b"\n" not in bare
    assert made(data).data == data


def test_line_of_998_octets_is_taken_and_one_more_is_not() -> None:
    assert MAX_LINE == 998
    assert made(b"S: x\n\n" + b"x" * 998 + b"\n").data
    with pytest.raises(
        LocalProtocolError, match="line 3 of the mail data is longer than 998"
    ):
        made(b"S: x\n\n" + b"x" * 999 + b"\n")


def test_nul_is_refused_with_its_line() -> None:
    with pytest.raises(LocalProtocolError, match=r"NUL octet \(line 3\)"):
        made(b"S: x\n\nhi\0\n")


@pytest.mark.parametrize(
    ("reverse_path", "recipients"),
    [
        ("a@x.example", []),
        ("a@x.example", ()),
        ("a@x.example", ""),
        ("a@x.example", [""]),
        ("a@x.example", ["b@y.example", "c"]),
        ("a@x.example", "b@y.example, c@z.example"),
        ("a@x.example\r\nRSET", "b@y.example"),
        ("a", "b@y.example"),
        (" ", "b@y.example"),
        ("<>", "b@y.example"),
        ("a@x.example", "b@y.example\r\nDATA"),
        ("a@x.example", "b@y.exam\u2028ple"),
    ],
)
def test_envelope_that_is_none_is_refused(reverse_path: str, recipients: object) -> None:
    with pytest.raises(LocalProtocolError):
        Message.from_bytes(reverse_path, recipients, b"hi")  # type: ignore[arg-type]


def test_recipients_may_be_one_text_or_any_iterable_and_keep_their_order() -> None:
    assert len(Message.from_bytes("", "b@y.example", b"").recipients) == 1
    several = Message.from_bytes("", (f"{c}@y.example" for c in "cab"), b"")
    assert [m.local_part for m in several.recipients] == ["c", "a", "b"]


def test_null_reverse_path() -> None:
    assert Message.from_bytes("", "b@y.example", b"").reverse_path is None


@pytest.mark.parametrize(
    ("data", "message_id"),
    [
        (b"Message-ID: <1@x.example>\n\nhi", "<1@x.example>"),
        (b"S: x\nmessage-id:<1@x.example>\n\n", "<1@x.example>"),
        (b"Message-ID:\n <1@x.example>\n\n", "<1@x.example>"),
        (b"Message-ID:  \r\n\t<1@x.example>\r\n\r\n", "<1@x.example>"),
        (b"Message-ID: <1@x.example>", "<1@x.example>"),
        (b"S: x\n\nMessage-ID: <1@x.example>\n", None),
        (b"\nMessage-ID: <1@x.example>\n\n", None),
        (b"X-Message-ID: <1@x.example>\n\n", None),
        (b"S: x\n Message-ID: <1@x.example>\n\n", None),
        (b"Message-ID: 1@x.example\n\n", None),
        (b"Message-ID: <a b@x.example>\n\n", None),
        (b"", None),
    ],
)
def test_message_id_is_that_of_the_header(data: bytes, message_id: str | None) -> None:
    assert made(data).message_id == message_id


@pytest.mark.parametrize(
    ("reverse_path", "recipient", "data", "is_8bit", "needs_smtputf8"),
    [
        ("a@x.example", "b@y.example", b"S: x\n\nhi", False, False),
        ("a@x.example", "b@y.example", b"S: x\n\nh\xe9", True, False),
        ("a@x.example", "b@y.example", b"\nh\xe9\n\n", True, False),
        ("a@x.example", "b@y.example", b"S: \xc3\xa9\n\nhi", True, True),
        ("\xe9@x.example", "b@y.example", b"S: x\n\nhi", False, True),
        ("a@x.example", "\xe9@y.example", b"S: x\n\nhi", False, True),
        ("a@\xe9.example", "b@y.example", b"S: x\n\nhi", False, False),
        ("", "b@y.example", b"S: x\n\nhi", False, False),
    ],
)
def test_what_the_server_must_offer(
    reverse_path: str, recipient: str, data: bytes, is_8bit: bool, needs_smtputf8: bool
) -> None:
    message = Message.from_bytes(reverse_path, recipient, data)
    assert (message.is_8bit, message.needs_smtputf8) == (is_8bit, needs_smtputf8)


def test_repr_leaves_the_mail_data_out() -> None:
    assert "secret text" not in repr(made(b"secret text"))


# -- from the email package


def email(**fields: str) -> EmailMessage:
    found = EmailMessage()
    for name, value in {"From": "a@x.example", "Subject": "hi", **fields}.items():
        found[name.replace("_", "-")] = value
    found.set_content("hello\n")
    return found


def old(**fields: str) -> OldMessage:
    """A message of the older interface, which checks nothing."""
    found = OldMessage()
    for name, value in {"From": "a@x.example", "Subject": "hi", **fields}.items():
        found[name.replace("_", "-")] = value
    found.set_payload("hello\n")
    return found


def envelope(message: Message) -> tuple[str, list[str]]:
    return str(message.reverse_path), [str(mailbox) for mailbox in message.recipients]


@pytest.mark.parametrize("make", [email, old])
def test_envelope_is_read_from_the_header_each_address_once(make: object) -> None:
    message = Message.from_email(
        make(  # type: ignore[operator]
            To='"Bob, the 1st" <b@y.example>, c@y.example',
            Cc="team: d@y.example, b@y.example;",
            Bcc="e@y.example",
        )
    )
    assert envelope(message) == ("a@x.example", [f"{c}@y.example" for c in "bcde"])


@pytest.mark.parametrize("make", [email, old])
@pytest.mark.parametrize("name", ["Bcc", "bcc", "BCC", "Resent_Bcc"])
def test_bcc_is_never_sent_and_the_original_keeps_it(make: object, name: str) -> None:
    original = make(To="b@y.example", **{name: "secret@z.example"})  # type: ignore[operator]
    before = original.as_bytes()
    message = Message.from_email(original)
    assert b"secret" not in message.data
    assert b"bcc" not in message.data.lower()
    assert original.as_bytes() == before


def test_only_bcc_is_an_envelope_too() -> None:
    message = Message.from_email(email(To="undisclosed-recipients:;", Bcc="e@y.example"))
    assert envelope(message)[1] == ["e@y.example"]


def test_sender_goes_before_from() -> None:
    assert envelope(Message.from_email(email(Sender="s@x.example", To="b@y.example")))[
        0
    ] == ("s@x.example")


def test_envelope_given_goes_before_the_header() -> None:
    message = Message.from_email(
        email(To="b@y.example"), reverse_path="", recipients=["z@z.example"]
    )
    assert message.reverse_path is None
    assert [str(mailbox) for mailbox in message.recipients] == ["z@z.example"]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"To": ""},
        {"To": "undisclosed-recipients:;"},
        {"From": "", "To": "b@y.example"},
    ],
)
def test_header_without_sender_or_recipient_is_refused(fields: dict[str, str]) -> None:
    with pytest.raises(LocalProtocolError, match=r"recipient|sender"):
        Message.from_email(old(**fields))


@pytest.mark.parametrize(
    "to",
    [
        "b@y.example, foo bar",
        "b@y.example; c@y.example",
        "b@y.example c@y.example",
        "b@y.example, c@",
        "b@y.example, c <",
        "b@y.example, c@y.example>",
        "Bob, the 1st <b@y.example>",
        "b@y.example\u202e",
        "b@y.example\r\nX: y",
    ],
)
def test_nobody_is_left_out_of_a_list_that_cannot_be_read_for_sure(to: str) -> None:
    """Other readers take the first of "b@y.example; c@y.example" and forget the second."""
    with pytest.raises(LocalProtocolError) as info:
        Message.from_email(old(To=to, Cc="d@y.example"))
    assert str(info.value).isascii()


@pytest.mark.parametrize(
    "to",
    [
        "=?utf-8?q?J=C3=BCrgen?= <b@y.example>",
        '"=?utf-8?q?J=C3=BCrgen?=" <b@y.example>',
        "=?utf-8?q?J=C3=BCrgen?=<b@y.example>",
        "b@y.example (Bob (the first))",
        "Bob J. <b@y.example>",
        ", b@y.example,",
        "=?utf-8?q?evil=40z=2Eexample=2C?= <b@y.example>",
        '"evil@z.example, " <b@y.example>',
    ],
)
def test_names_do_not_hinder_and_are_no_addresses(to: str) -> None:
    assert envelope(Message.from_email(old(To=to)))[1] == ["b@y.example"]


@pytest.mark.parametrize(
    "value",
    ["x\nBcc: evil@z.example", "x\r\nBcc: e@z.example", "x\rBcc: e@z.example", "x\n\nhi"],
)
@pytest.mark.parametrize("name", ["Subject", "X-Thing", "From"])
def test_header_cannot_bring_a_line_of_its_own(name: str, value: str) -> None:
    message = old(To="b@y.example")
    del message[name]
    message[name] = value
    with pytest.raises(LocalProtocolError):
        Message.from_email(message, reverse_path="a@x.example")


def test_header_of_a_part_cannot_either() -> None:
    message = email(To="b@y.example")
    message.add_alternative("<p>hello</p>", subtype="html")
    part = OldMessage()
    part["X-Thing"] = "x\n\nhi"
    message.attach(part)
    with pytest.raises(LocalProtocolError, match="line break"):
        Message.from_email(message)


def test_folded_header_stays_folded() -> None:
    read = message_from_bytes(
        b"From: a@x.example\r\nTo: b@y.example,\r\n c@y.example\r\n\r\nhi"
    )
    message = Message.from_email(read)
    assert len(message.recipients) == 2
    assert message.data.startswith(
        b"From: a@x.example\r\nTo: b@y.example,\r\n c@y.example\r\n"
    )


def test_body_that_is_not_ascii_is_written_in_seven_bits() -> None:
    letter = email(To="b@y.example", Subject="Grüße")
    letter.set_content("Grüße\n", cte="8bit")
    message = Message.from_email(letter)
    assert message.data.isascii()
    assert not message.is_8bit
    read = message_from_bytes(message.data, policy=SMTP)
    assert read["Subject"] == "Grüße"
    assert read.get_content() == "Grüße\n"  # type: ignore[attr-defined]


@pytest.mark.parametrize("to", ["jürgen@y.example", "info@bücher.example"])
def test_header_with_an_address_that_is_not_ascii_is_written_as_utf_8(to: str) -> None:
    message = Message.from_email(email(To=to))
    assert f"To: {to}\r\n".encode() in message.data
    assert message.needs_smtputf8


def test_message_that_cannot_be_written_is_our_own_error() -> None:
    letter = old(To="b@y.example")
    letter.set_payload("Grüße")
    with pytest.raises(LocalProtocolError, match="cannot be written"):
        Message.from_email(letter)


def test_a_message_is_known_by_the_digest_of_its_octets() -> None:
    one, other = (Message.from_bytes("a@x.test", "b@y.test", data) for data in (b"x", b"y"))
    assert one.sha256 == hashlib.sha256(b"x\r\n").hexdigest()
    assert one.sha256 != other.sha256
