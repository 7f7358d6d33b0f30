"""A command is one line, the same line on both sides, and shows no secret."""

from __future__ import annotations

import base64
import dataclasses
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpbook.errors import LocalProtocolError
from smtpbook.protocol.addresses import Mailbox
from smtpbook.protocol.commands import (
    MAX_AUTH_LINE,
    MAX_ENVELOPE_LINE,
    MAX_LINE,
    Auth,
    AuthResponse,
    Bdat,
    Command,
    CommandSyntaxError,
    Data,
    Ehlo,
    EndOfData,
    Greeting,
    Helo,
    Lhlo,
    Mail,
    Quit,
    Raw,
    Rcpt,
    Rset,
    StartTls,
    XClient,
    decode_base64,
    encode,
    parse_command,
)

BOB = Mailbox.parse("bob@example.org")
JURGEN = Mailbox.parse("jürgen@example.org")

LINES: list[tuple[Command, bytes]] = [
    (Ehlo("client.example"), b"EHLO client.example"),
    (Ehlo("[192.0.2.1]"), b"EHLO [192.0.2.1]"),
    (Helo("client.example"), b"HELO client.example"),
    (Mail(BOB), b"MAIL FROM:<bob@example.org>"),
    (Mail(None), b"MAIL FROM:<>"),
    (
        Mail(BOB, (("SIZE", "1000"), ("BODY", "8BITMIME"), ("SMTPUTF8", None))),
        b"MAIL FROM:<bob@example.org> SIZE=1000 BODY=8BITMIME SMTPUTF8",
    ),
    (Mail(JURGEN), "MAIL FROM:<jürgen@example.org>".encode()),
    (Rcpt(BOB), b"RCPT TO:<bob@example.org>"),
    (Rcpt(BOB, (("NOTIFY", "NEVER"),)), b"RCPT TO:<bob@example.org> NOTIFY=NEVER"),
    (Rcpt(Mailbox.parse('"a> b"@x.example')), b'RCPT TO:<"a> b"@x.example>'),
    (Rcpt(Mailbox("Postmaster", "")), b"RCPT TO:<Postmaster>"),
    (Data(), b"DATA"),
    (Bdat(1000), b"BDAT 1000"),
    (Bdat(0, True), b"BDAT 0 LAST"),
    (Rset(), b"RSET"),
    (Quit(), b"QUIT"),
    (StartTls(), b"STARTTLS"),
    (Auth("PLAIN"), b"AUTH PLAIN"),
    (Auth("PLAIN", b""), b"AUTH PLAIN ="),
    (Auth("PLAIN", b"\0ann\0pw"), b"AUTH PLAIN AGFubgBwdw=="),
    (Raw("NOOP"), b"NOOP"),
    (Raw("VRFY bob"), b"VRFY bob"),
    (Raw("SEND FROM:<a@b.example>"), b"SEND FROM:<a@b.example>"),
]


@pytest.mark.parametrize(("command", "line"), LINES, ids=lambda value: repr(value)[:40])
def test_command_is_written_as_its_line_and_read_back(
    command: Command, line: bytes
) -> None:
    assert encode(command) == line + b"\r\n"
    assert parse_command(line) == command


@pytest.mark.parametrize(
    ("line", "command"),
    [
        (b"ehlo CLIENT.example", Ehlo("CLIENT.example")),
        (b"mail from:<Bob@EXAMPLE.org>", Mail(Mailbox("Bob", "example.org"))),
        (b"MAIL FROM: <bob@example.org>", Mail(BOB)),
        (b"MAIL FROM:<bob@example.org> size=10", Mail(BOB, (("SIZE", "10"),))),
        (b"MAIL FROM:<bob@example.org>  SIZE=10  ", Mail(BOB, (("SIZE", "10"),))),
        (b"RCPT TO:<@a.example,@b.example:bob@example.org>", Rcpt(BOB)),
        (b"rcpt to:<postmaster>", Rcpt(Mailbox("postmaster", ""))),
        (b"DATA \t", Data()),
        (b"bdat 12 last", Bdat(12, True)),
        (b"auth plain", Auth("PLAIN")),
        (b"NOOP anything at all", Raw("NOOP anything at all")),
    ],
)
def test_server_reads_what_a_liberal_server_reads(line: bytes, command: Command) -> None:
    assert parse_command(line) == command


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"", 500),
        (b"HELLO client.example", 500),
        (b"XYZZY", 500),
        (b"\xff\xfe", 500),
        (b"MAIL\tFROM:<a@b.example>", 500),
        (b" NOOP", 500),
        (b"EHLO", 501),
        (b"EHLO a b", 501),
        (b"EHLO a\0b", 501),
        (b"EHLO a>b", 501),
        ("EHLO é\u2028.example".encode(), 501),
        (b"MAIL", 501),
        (b"MAIL FROM", 501),
        (b"MAIL FROM:a@b.example", 501),
        (b"MAIL FROM:<a@b.example", 501),
        (b"MAIL TO:<a@b.example>", 501),
        (b"RCPT FROM:<a@b.example>", 501),
        (b"RCPT TO:<>", 501),
        (b"RCPT TO:<bob>", 501),
        (b"RCPT TO:<a@b.example>NOTIFY=NEVER", 501),
        (b"RCPT TO:<a@b.example> =", 501),
        (b"RCPT TO:<a@b.example> A=B=C", 501),
        (b"RCPT TO:<a@b.example> A=\x0bB", 501),
        ("RCPT TO:<a@b.example> A=\u2028".encode(), 501),
        (b"RCPT TO:<a\0@b.example>", 501),
        (b"RCPT TO:<a@b.example>\r", 501),
        (b"DATA now", 501),
        (b"RSET x", 501),
        (b"QUIT x", 501),
        (b"STARTTLS x", 501),
        (b"BDAT " + b"9" * 5000, 501),
        (b"BDAT", 501),
        (b"BDAT x", 501),
        (b"BDAT -1", 501),
        (b"BDAT 10 FIRST", 501),
        ("BDAT \u0661".encode(), 501),
        (b"AUTH", 501),
        (b"AUTH PLAIN !!!", 501),
        (b"AUTH PLAIN AA=A", 501),
        (b"AUTH PL/AIN", 501),
        (b"NOOP \x1b[2J", 501),
    ],
)
def test_server_answers_an_unknown_verb_500_and_a_wrong_argument_501(
    line: bytes, code: int
) -> None:
    with pytest.raises(CommandSyntaxError) as info:
        parse_command(line)
    assert info.value.code == code
    assert info.value.text[:2] == "5."
    assert info.value.text.isprintable()
    assert len(info.value.text) < 480


def test_enhanced_status_says_which_argument_is_wrong() -> None:
    for line, status in (
        (b"MAIL FROM:<bob>", "5.1.7"),
        (b"RCPT TO:<bob>", "5.1.3"),
        (b"EHLO a>b", "5.5.4"),
    ):
        with pytest.raises(CommandSyntaxError, match=f"^{status} "):
            parse_command(line)


INJECTIONS = ["\r\nRSET", "\n", "\r", "\0", "\x1b[2J", "\x85", "\u2028", "\u202e", "\udce9"]


@pytest.mark.parametrize(
    "make",
    [
        lambda text: Ehlo(f"client{text}.example"),
        lambda text: Helo(f"client{text}.example"),
        lambda text: Mail(Mailbox.parse(f"bob{text}@example.org")),
        lambda text: Mail(Mailbox.parse(f"bob@example{text}.org")),
        lambda text: Mail(Mailbox(f"bob{text}", "example.org")),
        lambda text: Mail(BOB, ((f"SIZE{text}", "10"),)),
        lambda text: Mail(BOB, (("SIZE", f"10{text}"),)),
        lambda text: Rcpt(Mailbox.parse(f'"a{text}b"@example.org')),
        lambda text: Rcpt(Mailbox("bob", f"example.org{text}")),
        lambda text: Rcpt(BOB, (("NOTIFY", f"NEVER{text}"),)),
        lambda text: Auth(f"PLAIN{text}"),
        lambda text: Raw(f"NOOP {text}"),
        lambda text: Raw(f"{text}"),
    ],
)
def test_nothing_can_be_injected_through_any_field(
    make: object, subtests: pytest.Subtests
) -> None:
    for text in INJECTIONS:
        with subtests.test(text=text):
            with pytest.raises(LocalProtocolError) as info:
                encode(make(text))  # type: ignore[operator]
            assert str(info.value).isprintable()


@pytest.mark.parametrize(
    "make",
    [
        lambda: Mail(Mailbox.parse("bob@example.org> SIZE=1 X<")),
        lambda: Mail(Mailbox.parse("bob@[IPv6:::1%> SIZE=1]")),
        lambda: Mail(BOB, (("SIZE", "1 BODY=8BITMIME"),)),
        lambda: Mail(BOB, (("SIZE 1", None),)),
        lambda: Mail(BOB, (("SIZE", "1=2"),)),
        lambda: Mail(BOB, (("SIZE", ""),)),
        lambda: Mail(BOB, (("", None),)),
        lambda: Rcpt(BOB, (("-X", None),)),
        lambda: Ehlo("client.example SIZE"),
        lambda: Auth("PLAIN AGEAYg=="),
        lambda: Auth(""),
        lambda: Auth("A" * 21),
    ],
)
def test_no_field_can_add_a_second_argument(make: object) -> None:
    with pytest.raises(LocalProtocolError):
        encode(make())  # type: ignore[operator]


@given(st.text(max_size=30))
def test_a_raw_line_is_one_line_or_refused(text: str) -> None:
    try:
        octets = encode(Raw(text))
    except LocalProtocolError:
        return
    assert octets == text.encode() + b"\r\n"
    assert octets.count(b"\n") == octets.count(b"\r") == 1


@pytest.mark.parametrize(
    ("make", "limit"),
    [
        (lambda n: Mail(BOB, (("X", "y" * (n - 32)),)), MAX_ENVELOPE_LINE),
        (lambda n: Rcpt(BOB, (("X", "y" * (n - 30)),)), MAX_ENVELOPE_LINE),
        (lambda n: Raw("x" * (n - 2)), MAX_AUTH_LINE),
        (lambda n: Bdat(int("1" * (n - 7))), MAX_LINE),
    ],
)
def test_longest_line_is_written_and_one_octet_more_is_refused(
    make: object, limit: int
) -> None:
    assert len(encode(make(limit))) == limit  # type: ignore[operator]
    with pytest.raises(LocalProtocolError, match=f"{limit + 1} octets long"):
        encode(make(limit + 1))  # type: ignore[operator]


def test_limits_are_those_of_the_rfcs() -> None:
    assert (MAX_LINE, MAX_ENVELOPE_LINE, MAX_AUTH_LINE) == (512, 1647, 12288)


def test_response_of_12288_octets_is_written_and_four_more_are_refused() -> None:
    # Four octets of base64 for three of the response.
    assert len(encode(AuthResponse(b"x" * 9213))) == 12286
    with pytest.raises(LocalProtocolError, match="12290 octets long") as info:
        encode(AuthResponse(b"x" * 9216))
    shown = traceback.TracebackException.from_exception(info.value, capture_locals=True)
    assert "eHh4eHh4" not in "".join(shown.format())


def test_initial_response_that_the_line_has_no_room_for_waits_for_the_challenge() -> None:
    """Longer than 512 octets an AUTH line must not be (RFC 4954 section 4)."""
    fits, too_long = Auth("XOAUTH2", b"t" * 372), Auth("XOAUTH2", b"t" * 373)
    assert len(encode(fits)) == 511
    assert encode(too_long) == b"AUTH XOAUTH2\r\n"
    assert too_long.shown == "AUTH XOAUTH2"


SECRET = b"\0ann\0correct horse"
ENCODED = base64.b64encode(SECRET).decode()


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (Auth("PLAIN", SECRET), "AUTH PLAIN [redacted]"),
        (Auth("PLAIN", b""), "AUTH PLAIN [redacted]"),
        (Auth("LOGIN"), "AUTH LOGIN"),
        (AuthResponse(SECRET), "[redacted]"),
        (AuthResponse(b""), "[redacted]"),
        (AuthResponse(None), "*"),
        (Raw(f"AUTH PLAIN {ENCODED}"), "AUTH PLAIN [redacted]"),
        (Raw(f"auth plain {ENCODED}"), "auth plain [redacted]"),
        (Raw(f" AUTH  PLAIN   {ENCODED} x"), "AUTH PLAIN [redacted]"),
        (Raw("AUTH LOGIN"), "AUTH LOGIN"),
        (Raw("NOOP x y"), "NOOP x y"),
        (Mail(BOB), "MAIL FROM:<bob@example.org>"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_secret_of_auth_is_redacted_where_a_command_is_shown(
    command: Command, shown: str
) -> None:
    assert command.shown == shown
    for text in (repr(command), str(command), f"{command}", command.shown):
        assert ENCODED not in text
        assert "correct horse" not in text


def test_error_of_encode_does_not_repeat_the_line() -> None:
    for command in (AuthResponse(b"correct horse" * 1000), Raw(f"AUTH PLAIN {ENCODED}\0")):
        with pytest.raises(LocalProtocolError) as info:
            encode(command)
        assert "correct horse" not in str(info.value)
        assert ENCODED not in str(info.value)


def test_keys_are_the_words_of_the_state_table() -> None:
    assert Bdat(1).key == "BDAT"
    assert Bdat(1, True).key == "BDAT LAST"
    assert Auth("PLAIN").key == "AUTH"
    assert AuthResponse(b"x").key == "RESPONSE"
    assert AuthResponse(b"x").verb == "AUTH"
    assert EndOfData().key == "END-OF-DATA"
    assert Greeting().key == "GREETING"


@pytest.mark.parametrize("word", ["END-OF-DATA", "GREETING", "HANDSHAKE", "RESPONSE", "."])
def test_typed_line_is_never_taken_for_an_event_of_the_state_table(word: str) -> None:
    assert Raw(word).key == "(unknown)"
    assert Raw("data").key == "DATA"


def test_commands_are_values() -> None:
    assert Rcpt(BOB) == Rcpt(Mailbox.parse("bob@example.org"))
    assert len({Rcpt(BOB), Rcpt(BOB), Mail(BOB)}) == 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        Rcpt(BOB).recipient = JURGEN  # type: ignore[misc]


@pytest.mark.parametrize(
    "text", ["A", "AA", "AAA", "A===", "AA=A", "=AAA", "AAA=BBB", "é", "A A="]
)
def test_base64_of_an_auth_exchange_is_read_strictly(text: str) -> None:
    """ "=AAA" and "AAA=BBB" are not allowed -- RFC 4954 section 4."""
    with pytest.raises(CommandSyntaxError, match=r"5\.5\.2") as info:
        decode_base64(text)
    assert info.value.code == 501


def test_empty_response_is_no_octets() -> None:
    assert decode_base64("") == b""


# --- commands of extensions ---------------------------------------------------------------


def test_xclient_is_written_as_xtext_and_read_again() -> None:
    """The example of Postfix's XCLIENT_README, and what needs encoding."""
    said = XClient((("NAME", "spike.example"), ("ADDR", "168.100.189.2")))
    assert encode(said) == b"XCLIENT NAME=spike.example ADDR=168.100.189.2\r\n"
    odd = XClient((("LOGIN", "a b=c+d"), ("HELO", "[UNAVAILABLE]")))
    assert encode(odd) == b"XCLIENT LOGIN=a+20b+3Dc+2Bd HELO=[UNAVAILABLE]\r\n"
    assert parse_command(encode(odd).rstrip()) == odd


@pytest.mark.parametrize(
    "attributes", [(), (("NAME", ""),), (("", "x"),), (("name", "x"),), (("A B", "x"),)]
)
def test_xclient_needs_attributes_with_values(
    attributes: tuple[tuple[str, str], ...],
) -> None:
    with pytest.raises(LocalProtocolError, match=r"XCLIENT|attribute"):
        XClient(attributes)


@pytest.mark.parametrize(
    ("line", "command"),
    [
        (b"lhlo client.example", Lhlo("client.example")),
        (b"ETRN example.org", Raw("ETRN example.org")),
        (b"ETRN @example.org", Raw("ETRN @example.org")),
        (b"TURN", Raw("TURN")),
        (b"xclient name=a+2Bb", XClient((("NAME", "a+b"),))),
    ],
)
def test_a_server_reads_them(line: bytes, command: Command) -> None:
    assert parse_command(line) == command


@pytest.mark.parametrize(
    "line", [b"LHLO", b"ETRN", b"VRFY", b"EXPN", b"TURN now", b"XCLIENT", b"XCLIENT NAME=+"]
)
def test_and_refuses_them_with_501_where_an_argument_is_missing_or_wrong(
    line: bytes,
) -> None:
    with pytest.raises(CommandSyntaxError) as refused:
        parse_command(line)
    assert refused.value.code == 501
