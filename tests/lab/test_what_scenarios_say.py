"""Scenarios: each does what the sentence about it says, by the clock where it tells times.

What a strict provider looks at is in `test_strict`; a day's mix in `test_scenarios`.
"""

from __future__ import annotations

import re
import ssl
from datetime import UTC, datetime, timedelta

import pytest
import trio
from cryptography import x509

from smtpbook.errors import SMTPBookError, TLSError
from smtpbook.lab.behaviours import PLACES
from smtpbook.lab.lab import Lab
from smtpbook.lab.scenarios import MAX_AT_ONCE, MAX_CONNECTIONS, MAX_MESSAGES, scenario
from smtpbook.protocol.message import Message
from smtpbook.samples import sample
from smtpbook.sasl.registry import BY_DOMAIN, MECHANISMS
from smtpbook.session.session import open_session
from tests.lab.line import Line
from tests.lab.wire import Wire

GOOD = (
    b"From: Ann <ann@x.test>\r\nDate: Sat, 28 Nov 2026 17:00:00 +0000\r\n"
    b"Message-ID: <1@x.test>\r\nList-Unsubscribe: <https://x.test/u>\r\n"
    b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n\r\nhi\r\n"
)
ENVELOPE = ("EHLO me.test", "MAIL FROM:<ann@x.test>", "RCPT TO:<bob@y.test>")


def last_word(lab: Lab, data: bytes = GOOD, sender: str = "ann@x.test") -> str:
    """Send a message as the lab's own account would, and give the reply that decided."""

    async def main() -> str:
        async with open_session(lab.account) as session:
            message = Message.from_bytes(sender, ["bob@y.test"], data)
            (one,) = (await session.send(message)).recipients
            return f"{one.reply.code} {one.reply.text}" if one.reply else one.outcome

    return trio.run(main)


# --- what is said to whom -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "lines", "reply"),
    [
        ("ordinary", (*ENVELOPE, "DATA", "hi\r\n."), "250 2.0.0 Ok: queued as L000001"),
        ("full-mailboxes", ENVELOPE, "452 4.2.2 The mailbox is over its quota"),
        ("full-mailboxes", (*ENVELOPE, "RCPT TO:<eve@z.test>"), "452 4.2.2 The mailbox"),
        ("no-starttls", ("EHLO me.test", "STARTTLS"), "503 5.5.1 STARTTLS is not offered"),
        ("no-starttls", (*ENVELOPE, "DATA", "hi\r\n."), "250 2.0.0 Ok"),
        ("stripped-starttls", ("EHLO me.test", "STARTTLS"), "500 5.5.1 Command unrec"),
        ("drops-after-dot", (*ENVELOPE, "DATA"), "354 "),
        ("rfc821", ("EHLO me.test",), "500 Syntax error, command unrecognized"),
        ("rfc821", ("STARTTLS",), "500 Syntax error, command unrecognized"),
        ("rfc821", ("AUTH PLAIN",), "500 Syntax error, command unrecognized"),
        ("rfc821", ("HELO me.test", "BDAT 0 LAST"), "500 Syntax error, command unrec"),
        ("rfc821", ("HELO USC-ISIF.ARPA",), "250 BBN-UNIX.ARPA"),
        ("rfc821", ("HELO me.test", "SEND FROM:<a@x.test>"), "250 OK"),
        ("rfc821", ("HELO me.test", "SOML FROM:<a@x.test>"), "250 OK"),
        ("rfc821", ("HELO me.test", "SAML FROM:<a@x.test>"), "250 OK"),
        ("rfc821", ("HELO me.test", "VRFY Smith"), "250 Fred Smith <Smith@USC-ISIF.ARPA>"),
        ("rfc821", ("HELO me.test", "EXPN Example-People"), "250-Jon Postel <Postel@USC"),
        ("rfc821", ("HELO me.test", "EXPN Executive-Wash"), "550 Access Denied to You."),
    ],
)
def test_it_says(name: str, lines: tuple[str, ...], reply: str) -> None:
    with Lab(name) as lab, Wire(lab.port) as wire:
        assert [wire.ask(line) for line in lines][-1].startswith(reply)


@pytest.mark.parametrize(
    ("name", "offers", "never"),
    [
        ("ordinary", "STARTTLS PIPELINING", "AUTH"),
        ("no-starttls", "PIPELINING", "STARTTLS"),
        ("stripped-starttls", "XXXXXXXA", "STARTTLS"),
        ("pipelining-broken", "PIPELINING", "AUTH"),
        ("auth-zoo", "AUTH", "EXTERNAL"),  # a certificate is shown under TLS alone
    ],
)
def test_it_offers(name: str, offers: str, never: str) -> None:
    with Lab(name) as lab, Wire(lab.port) as wire:
        words = wire.ask("EHLO me.test").replace("\n", " ").replace("-", " ").split()
        assert set(offers.split()) <= set(words)
        assert never not in words


def test_rfc821_s_first_example_goes_word_for_word() -> None:
    """Section 3.1 there, and nothing of it needs an extension."""
    with Lab("rfc821") as lab, Wire(lab.port) as wire:
        assert wire.greeting == "220 BBN-UNIX.ARPA Simple Mail Transfer Service Ready"
        assert wire.ask("HELO USC-ISIF.ARPA") == "250 BBN-UNIX.ARPA"
        assert wire.ask("MAIL FROM:<Smith@Alpha.ARPA>") == "250 OK"
        assert wire.ask("RCPT TO:<Jones@Beta.ARPA>") == "250 OK"
        assert wire.ask("RCPT TO:<Green@Beta.ARPA>") == "550 No such user here"
        assert wire.ask("RCPT TO:<Brown@Beta.ARPA>") == "250 OK"
        assert wire.ask("DATA") == "354 Start mail input; end with <CRLF>.<CRLF>"
        assert wire.ask("Blah blah blah...\r\n...etc. etc. etc.\r\n.") == "250 OK"
        assert wire.ask("QUIT") == (
            "221 BBN-UNIX.ARPA Service closing transmission channel"
        )
    assert lab.received[0].recipients == ("Jones@beta.arpa", "Brown@beta.arpa")


def test_the_help_page_s_dialogue_goes_word_for_word() -> None:
    lines = sample("seed-dialogue").splitlines()
    with Lab("seed-dialogue") as lab, Wire(lab.port) as wire:
        heard = [f"S:{wire.greeting}"]
        is_data = False
        for line in lines:
            if not line.startswith("C:"):
                continue
            wire.write(line[2:].encode() + b"\r\n")
            heard.append(line)
            is_data = is_data and line != "C:."
            if not is_data:
                heard.append(f"S:{wire.reply()}")
                is_data = line == "C:DATA"
    assert heard == lines


def test_what_was_in_starttls_place_is_no_offer_and_the_lab_s_account_sees_it() -> None:
    with (
        Lab("stripped-starttls") as lab,
        pytest.raises(SMTPBookError, match="does not offer STARTTLS"),
    ):
        last_word(lab)
    assert lab.received == []


def test_behind_the_dot_there_is_no_reply_and_no_message() -> None:
    with Lab("drops-after-dot") as lab:
        with Wire(lab.port) as wire:
            wire.codes(*ENVELOPE, "DATA")
            assert wire.ask("hi\r\n.") == ""
        assert last_word(lab) == "in_doubt"
    assert lab.received == []


def test_of_what_came_together_all_but_the_first_is_lost() -> None:
    group = "".join(f"{line}\r\n" for line in (*ENVELOPE[1:], "DATA")).encode()
    with Lab("pipelining-broken") as lab, Wire(lab.port) as wire:
        wire.ask("EHLO me.test")
        wire.write(group)
        assert wire.reply().startswith("250 2.1.0")
        assert wire.codes("NOOP", "RSET", *ENVELOPE[1:], "DATA", "hi\r\n.") == [
            *(250, 250, 250, 250, 354, 250)  # one at a time all is well
        ]


# --- TLS and logins -----------------------------------------------------------------------


def test_its_certificate_was_valid_until_yesterday() -> None:
    with Lab("expired-certificate") as lab:
        with pytest.raises(TLSError, match="expired"):
            last_word(lab)
        until = shown_certificate(lab).not_valid_after_utc
        log = lab.log
    age = datetime.now(UTC) - until
    assert timedelta(days=1) <= age < timedelta(days=1, minutes=5)
    first = log[log["session_id"] == "lab-1"].iloc[-1]  # the server knows who hung up
    assert (first["kind"], first["error"]) == ("tls", "TLSError")
    assert lab.received == []


def shown_certificate(lab: Lab) -> x509.Certificate:
    """Look at the certificate without minding its day."""
    context = ssl.create_default_context(cafile=str(lab.ca_file))
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with Wire(lab.port) as wire:
        wire.codes("EHLO me.test", "STARTTLS")
        with context.wrap_socket(wire.socket, server_hostname="localhost") as secure:
            der = secure.getpeercert(binary_form=True)
    assert der is not None
    return x509.load_der_x509_certificate(der)


def test_every_way_to_log_in_leads_in() -> None:
    ways = [name for name in MECHANISMS if name not in BY_DOMAIN]

    with Lab("auth-zoo") as lab:

        async def main() -> list[str]:
            told = []
            for name in ways:
                account = lab.account.replace(auth=name)
                if name == "EXTERNAL":
                    shown = lab.client_certificate("ann")
                    account = account.replace(client_certificate=shown)
                async with open_session(account) as session:
                    told.append(session.transcript())
            return told

        told = trio.run(main)
    for name, said in zip(ways, told, strict=True):
        assert re.search(rf"-> AUTH {name}\b", said), said
        assert "235 2.7.0" in said
    log = lab.log
    assert log.loc[log["kind"] == "tls", "tls_version"].str.startswith("TLSv1.").all()
    # What proves that the server knows the password would help whoever tries some.
    hidden = log.loc[log["reply_text"] == "[redacted]", "reply_code"].tolist()
    assert hidden == [334] * sum(name.startswith("SCRAM") for name in ways)
    assert not log["reply_text"].str.startswith("dj").any()  # base64 of "v="


STRICT = [
    ("ann@x.test", GOOD, "250 2.0.0 Ok"),
    ("ann@forged.example", GOOD, "550 5.7.23 SPF"),
    ("ann@nospf.example", GOOD, "550 5.7.26 Neither SPF nor DKIM"),
    ("ann@other.test", GOOD, "550 5.7.1 From is not of the domain"),
    ("ann@x.test", GOOD.replace(b"=One-Click", b"=No"), "550 5.7.1 Bulk mail needs one-"),
    ("ann@x.test", GOOD.replace(b"Date", b"X-Date"), "554 5.6.0 From, Date and Message-ID"),
]


def test_a_strict_provider_takes_what_has_all_and_refuses_what_lacks_one() -> None:
    with Lab("strict-provider") as lab:
        for sender, data, reply in STRICT:
            assert last_word(lab, data, sender).startswith(reply)
        with Wire(lab.port) as wire:
            assert wire.ask(ENVELOPE[0])[:3] == "250"
            assert wire.ask(ENVELOPE[1]).startswith("530 5.7.0 Must issue a STARTTLS")
    assert len(lab.received) == 1


# --- what goes by the clock ---------------------------------------------------------------


async def test_an_ordinary_server_takes_no_time(
    nursery: trio.Nursery, autojump_clock: object
) -> None:
    line = await Line.to(Lab(), nursery)
    assert (await line.ask(*ENVELOPE, "DATA", "hi\r\n.")).startswith("250 2.0.0 Ok")
    assert trio.current_time() == 0
    await line.close()


async def test_greylisting_lasts_five_minutes_from_the_first_try_on(
    nursery: trio.Nursery, autojump_clock: object
) -> None:
    line = await Line.to(lab := Lab("greylisting"), nursery)
    await line.ask(*ENVELOPE[:2])
    told = {}
    for at in (0, 150, 299.9, 300, 300.1, 5000):
        await trio.sleep(at - trio.current_time())
        if at == 5000:  # a client that was silent so long is left
            await line.close()
            line = await Line.to(lab, nursery)
            await line.ask(*ENVELOPE[:2])
        told[at] = (await line.ask(ENVELOPE[2]))[:3]
    assert told == {
        0: "450",
        150: "450",
        299.9: "450",
        300: "250",
        300.1: "250",
        5000: "250",
    }
    assert (await line.ask("RCPT TO:<eve@y.test>"))[:3] == "450"  # each on his own
    await line.close()


async def test_a_tarpit_takes_its_time_over_every_command(
    nursery: trio.Nursery, autojump_clock: object
) -> None:
    lab = Lab("tarpit")
    line = await Line.to(lab, nursery)
    await line.ask(
        *("HELO me.test", *ENVELOPE, "RSET", "NOOP", "VRFY bob", "EXPN all", "HELP"),
        *(*ENVELOPE[1:], "DATA", "hi\r\n.", "AUTH PLAIN", "TURN", "ETRN y.test"),
        *("SEND FROM:<a@x.test>", "SOML FROM:<a@x.test>", "SAML FROM:<a@x.test>"),
        *(*ENVELOPE[1:], "BDAT 0 LAST", "XCLIENT NAME=x", "STARTTLS", "QUIT"),
    )
    rows = lab.log
    assert set(PLACES) - set(rows["verb"]) == set()
    assert rows["service_s"].between(0.2, 1.0).all()
    assert rows["service_s"].nunique() > 5
    assert rows["service_s"].sum() == pytest.approx(trio.current_time())


async def test_a_busy_server_serves_so_many_sessions_at_once(
    nursery: trio.Nursery, autojump_clock: object
) -> None:
    lab = Lab("busy")
    lines = [await Line.to(lab, nursery) for _ in range(MAX_AT_ONCE)]
    assert {line.greeting[:3] for line in lines} == {"220"}
    more = await Line.to(lab, nursery)
    assert more.greeting == "421 4.7.0 Too many connections at once, try again later"
    assert await more.ask("EHLO me.test") == ""
    await lines[0].close()
    await trio.testing.wait_all_tasks_blocked()
    assert (await Line.to(lab, nursery)).greeting[:3] == "220"
    nursery.cancel_scope.cancel()


async def test_a_busy_server_counts_the_connections_of_any_minute(
    nursery: trio.Nursery, autojump_clock: object
) -> None:
    lab = Lab("busy")
    most, within_s = MAX_CONNECTIONS
    greeted = []
    for number in range(2 * most):  # one a second
        await trio.sleep(number - trio.current_time())
        line = await Line.to(lab, nursery)
        greeted.append(line.greeting[:3])
        await line.close()
    assert greeted == ["220"] * most + ["421"] * most
    await trio.sleep(within_s - trio.current_time())
    codes = []
    for _ in range(2):  # the minute since the first is over, and but that
        line = await Line.to(lab, nursery)
        codes.append(line.greeting[:3])
        await line.close()
    assert codes == ["220", "421"]


async def test_a_busy_server_counts_the_messages_of_any_minute(
    nursery: trio.Nursery, autojump_clock: object
) -> None:
    lab = Lab("busy")
    most, within_s = MAX_MESSAGES
    line = await Line.to(lab, nursery)
    await line.ask(ENVELOPE[0])
    for number in range(most):
        await trio.sleep(number / 2 - trio.current_time())
        assert (await line.ask(*ENVELOPE[1:], "DATA", "hi\r\n."))[:3] == "250"
    refused = await line.ask(ENVELOPE[1])
    assert refused == "421 4.7.0 Too many messages in the last minute, slow down"
    assert await line.ask("NOOP") == ""  # a 421 ends the session
    await trio.sleep(within_s - trio.current_time())
    line = await Line.to(lab, nursery)
    assert [(await line.ask(*ENVELOPE[:2]))[:3], (await line.ask("RSET"))[:3]] == [
        *("250", "250")
    ]
    assert (await line.ask(ENVELOPE[1]))[:3] == "421"
    assert len(lab.received) == most
    await line.close()


def test_the_sentence_about_a_limit_has_its_numbers() -> None:
    numbers = (MAX_AT_ONCE, MAX_CONNECTIONS[0], MAX_MESSAGES[0])
    assert re.findall(r"\d+", scenario("busy").about) == [*map(str, numbers), "421"]
