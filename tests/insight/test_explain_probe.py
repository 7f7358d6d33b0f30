"""The usual traps are named, with the way out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pandas as pd
import pytest

from smtpbook.accounts.account import Account
from smtpbook.errors import ColumnError
from smtpbook.events import Event
from smtpbook.insight.explain_probe import explain_probe
from smtpbook.lab.lab import Lab
from smtpbook.log.frame import to_frame
from smtpbook.protocol.verdicts import Protocol
from smtpbook.session.probe import probe

SHA256 = "ab" * 32
CERTIFICATE = {
    "names": ["smtp.example.org", "*.example.org"],
    "subject": "CN=smtp.example.org",
    "issuer": "CN=Some Authority",
    "not_before": "1969-01-01T00:00:00+00:00",
    "not_after": "1971-01-01T00:00:00+00:00",
    "is_self_signed": False,
    "sha256": SHA256,
}
GREETED = Event(kind="greeting", verb="GREETING", reply_code=220, reply_text="mx")


def ehlo(*keywords: str, tls: str | None = None) -> Event:
    text = "\n".join(["mx", *keywords])
    return Event(verb="EHLO", reply_code=250, reply_text=text, tls_version=tls)


def probed(
    *events: Event, host: str = "mx.example.org", port: int = 587, **attrs: Any
) -> pd.DataFrame:
    """Make the log of a probe that came so far."""
    log = to_frame(event.to_row() for event in events)
    log["server"], log["port"] = host, port
    log["port"] = log["port"].astype("Int32")
    log["server_address"] = "192.0.2.1"
    log.attrs.update(attrs)
    return log


def end(error: str) -> Event:
    return Event(kind="disconnect", error=error)


def refused(verb: str, code: int, text: str, error: str) -> tuple[Event, Event]:
    return Event(verb=verb, reply_code=code, reply_text=text), end(error)


def last(log: pd.DataFrame) -> pd.Series:
    return explain_probe(log).iloc[-1]


def test_a_good_probe_asks_for_nothing() -> None:
    with Lab(users={"ann": "horse"}, tls="starttls") as lab:
        told = explain_probe(probe(lab.account))
    assert list(told.columns) == ["step", "said", "meaning", "advice"]
    assert told["step"].tolist() == [
        *("Name", "Connection", "Greeting", "Extensions", "STARTTLS", "TLS"),
        *("Extensions", "Login", "Goodbye"),
    ]
    assert set(told["advice"]) == {""}
    assert not told.isna().any(axis=None)
    assert told["said"][0] == "127.0.0.1 (A)"
    assert "certificate for localhost" in told["said"][5]
    assert "gone: STARTTLS" in told["meaning"][6]
    assert told["meaning"].iloc[-1] == "The session is over; nothing was sent."


def test_without_attrs_it_tells_what_the_rows_tell() -> None:
    with Lab(users={"ann": "another"}, tls="starttls") as lab:
        log = probe(lab.account.replace(password="horse"))
    with_attrs = explain_probe(log)
    log.attrs.clear()
    told = explain_probe(log)
    assert told["step"].tolist() == with_attrs["step"].tolist()
    assert told["advice"].tolist() == with_attrs["advice"].tolist()


def test_an_empty_log_has_no_steps() -> None:
    assert explain_probe(probed()).empty


def test_a_missing_column_is_named() -> None:
    with pytest.raises(ColumnError, match="'reply_code' not found"):
        explain_probe(probed().drop(columns="reply_code"))


@pytest.mark.parametrize(
    ("make_log", "step", "meaning", "advice"),
    [
        (
            partial(
                probed, Event(kind="dns", error="TransportError"), host="smtp.gmial.com"
            ),
            "Name",
            "No server of the name smtp.gmial.com was found",
            "Did you mean 'smtp.gmail.com'?",
        ),
        (
            partial(
                probed, Event(kind="dns", error="TransportError"), host="mail.zebra.test"
            ),
            "Name",
            "No server",
            "Check how host= is spelled",
        ),
        (
            partial(
                probed,
                Event(kind="connect", error="TransportError"),
                error="connecting to mx: Connection refused",
            ),
            "Connection",
            "nothing listens at 192.0.2.1 port 587",
            '465 with tls="implicit", or 587 with tls="starttls"',
        ),
        (
            partial(probed, Event(kind="connect", error="TransportTimeout"), port=25),
            "Connection",
            "does not answer at all",
            "block port 25",
        ),
        (
            partial(probed, Event(kind="connect", error="TransportTimeout")),
            "Connection",
            "does not answer at all",
            "firewall",
        ),
        (
            partial(probed, Event(kind="connect", error="TransportError")),
            "Connection",
            "cannot be reached",
            "Check host=",
        ),
        (
            partial(
                probed,
                Event(kind="greeting", verb="GREETING", error="TransportTimeout"),
                end("TransportTimeout"),
                port=465,
                tls="starttls",
            ),
            "Greeting",
            "does not greet",
            'waiting for TLS: use tls="implicit" (port 465',
        ),
        (
            partial(
                probed,
                Event(kind="tls", error="TLSError"),
                end("TLSError"),
                tls="implicit",
                error="TLS handshake: wrong version number",
            ),
            "TLS",
            "does not begin with TLS",
            'Port 587 begins in clear text: use tls="starttls"',
        ),
        (
            partial(
                probed, Event(kind="tls", error="TransportTimeout"), tls="implicit", port=25
            ),
            "TLS",
            "does not begin with TLS",
            'Port 25 begins in clear text: use tls="starttls"',
        ),
        (
            partial(
                probed,
                Event(kind="tls", error="TLSError"),
                tls="starttls",
                error="ca_file 'x.pem' cannot be read",
            ),
            "TLS",
            "authorities to trust cannot be used",
            "Check ca_file=",
        ),
        (
            partial(
                probed,
                GREETED,
                ehlo("STARTTLS"),
                Event(kind="tls", error="TLSError"),
                error="unsupported protocol",
            ),
            "TLS",
            "could not agree",
            "At least TLS 1.2",
        ),
        (
            partial(probed, GREETED, ehlo("SIZE"), end("TLSError"), tls="starttls"),
            "STARTTLS",
            "does not offer to encrypt",
            'port 465 with tls="implicit"',
        ),
        (
            partial(
                probed, GREETED, ehlo("STARTTLS"), end("LocalProtocolError"), tls="none"
            ),
            "Login",
            "does not offer a login",
            'under TLS only: use tls="starttls"',
        ),
        (
            partial(
                probed,
                GREETED,
                ehlo("SIZE", tls="TLSv1.3"),
                end("LocalProtocolError"),
                port=25,
            ),
            "Login",
            "does not offer a login",
            "leave out username=",
        ),
        (
            partial(
                probed,
                GREETED,
                ehlo("AUTH PLAIN"),
                end("OAuthError"),
                error="authorize again",
            ),
            "Login",
            "not begun",
            "",
        ),
        (
            partial(
                probed,
                *refused("AUTH", 535, "5.7.8 not accepted", "AuthenticationError"),
                host="smtp.gmail.com",
                port=465,
            ),
            "Login",
            "refused",
            "Google",
        ),
        (
            partial(probed, *refused("AUTH", 454, "4.7.0 later", "AuthenticationError")),
            "Login",
            "cannot check logins now",
            "Try again later",
        ),
        (
            partial(probed, *refused("GREETING", 554, "no", "RejectedError")),
            "Greeting",
            "gives this client no SMTP service",
            "blocklist",
        ),
        (
            partial(
                probed,
                GREETED,
                Event(verb="EHLO", error="TransportError"),
                end("TransportError"),
            ),
            "Extensions",
            "gave no reply to EHLO",
            "Try again",
        ),
        (
            partial(
                probed,
                Event(kind="dns", command="http://p.test:1", error="TransportError"),
            ),
            "Name",
            "The proxy http://p.test:1 was not found",
            "Check proxy=",
        ),
        (
            partial(
                probed,
                Event(kind="connect", command="http://p.test:1", error="TransportTimeout"),
            ),
            "Connection",
            "The proxy http://p.test:1 cannot be reached at 192.0.2.1",
            "Check proxy=",
        ),
        (
            partial(
                probed,
                Event(kind="connect", command="http://p.test:1", latency_s=0.1),
                Event(kind="proxy", command="http://p.test:1", error="TransportError"),
                error="the proxy http://p.test:1 does not connect: 403",
            ),
            "Proxy",
            "was reached, and does not connect to mx.example.org port 587",
            "Ask who runs the proxy",
        ),
        (
            partial(
                probed,
                Event(kind="tls", error="TLSError"),
                tls="starttls",
                error="the certificate of mx is not one of those pinned: it is sha256//x",
            ),
            "TLS",
            "valid, and not one of those that you expect",
            "give the new fingerprint in pin=",
        ),
        (
            partial(
                probed,
                Event(kind="tls", error="TLSError"),
                tls="starttls",
                error="client_certificate 'x.pem' cannot be used",
            ),
            "TLS",
            "Your own certificate, or its key, cannot be used",
            "Check client_certificate=",
        ),
        (
            partial(
                probed,
                Event(kind="tls", tls_version="TLSv1.3", tls_cipher="X"),
                Event(kind="greeting", verb="GREETING", error="TLSError"),
                tls="implicit",
                error="connection lost: tlsv13 alert certificate required",
            ),
            "TLS",
            "wants you to prove who you are",
            "Give client_certificate=",
        ),
        (
            partial(probed, Event(kind="tls", command="clear text"), tls="opportunistic"),
            "TLS",
            "for everybody to read",
            'use tls="starttls"',
        ),
        (partial(probed, end("TransportError")), "Connection", "ended before", ""),
    ],
)
def test_the_usual_traps(
    make_log: Callable[[], pd.DataFrame], step: str, meaning: str, advice: str
) -> None:
    told = last(make_log())
    assert told["step"] == step
    assert meaning in told["meaning"]
    assert advice in told["advice"]
    assert bool(told["advice"]) is bool(advice)


@pytest.mark.parametrize(
    ("problem", "changes", "meaning", "advice"),
    [
        ("expired", {"not_after": "1969-06-01T00:00:00+00:00"}, "on 1969-06-01", "clock"),
        ("not yet valid", {}, "not valid yet", "clock"),
        (
            "another name",
            {},
            "is not for mx.example.org, but for smtp.example.org, *.example.org",
            "Perhaps host='smtp.example.org'",
        ),
        (
            "self-signed",
            {},
            "is self-signed",
            f"give ca_file=; compare its SHA-256 .*{SHA256}",
        ),
        ("unknown authority", {}, "was issued by CN=Some Authority, which", "ca_file="),
        ("certificate revoked", {}, "not accepted: certificate revoked", "ca_file="),
    ],
)
def test_certificates_that_are_not_accepted(
    problem: str, changes: dict[str, str], meaning: str, advice: str
) -> None:
    facts = CERTIFICATE | changes | {"problem": problem}
    event = Event(kind="tls", error="TLSError")
    told = last(probed(event, tls="implicit", certificate=facts, error="not accepted"))
    assert meaning in told["meaning"]
    assert pd.Series(told["advice"]).str.contains(advice).all()
    # The server may not have shown it a second time.
    told = last(probed(event, tls="implicit", certificate={"problem": problem}))
    assert told["step"] == "TLS"
    assert told["advice"]


@pytest.mark.parametrize(("days", "is_soon"), [(13, True), (15, False)])
def test_a_certificate_that_ends_soon_is_told(days: int, is_soon: bool) -> None:
    facts = CERTIFICATE | {"not_after": f"1970-01-{days + 1:02}T00:00:00+00:00"}
    event = Event(kind="tls", tls_version="TLSv1.3", tls_cipher="X")
    told = last(probed(event, certificate=facts))
    assert ("ends on 1970-01" in told["advice"]) is is_soon


def test_an_address_that_failed_is_forgotten_when_the_next_one_answers() -> None:
    log = probed(
        Event(kind="connect", error="TransportError"),
        Event(kind="connect", latency_s=0.1),
        GREETED,
        ehlo("SIZE"),
        end("TLSError"),
        tls="starttls",
    )
    assert explain_probe(log)["step"].tolist()[-1] == "STARTTLS"


def test_why_it_ended_comes_before_the_goodbye() -> None:
    bye = Event(verb="QUIT", reply_code=221, reply_text="bye")
    log = probed(GREETED, ehlo("SIZE"), bye, end("TLSError"), tls="starttls")
    assert explain_probe(log)["step"].tolist()[-2:] == ["STARTTLS", "Goodbye"]


def test_a_password_in_clear_text_is_warned_of() -> None:
    told = last(probed(GREETED, ehlo("STARTTLS"), tls="none"))
    assert 'use tls="starttls"' in told["advice"]


def test_the_reason_of_a_refused_token_is_said() -> None:
    log = probed(
        Event(verb="AUTH", reply_code=334, reply_text="eyJzIjoxfQ=="),
        *refused("AUTH", 535, "5.7.8 no", "AuthenticationError"),
        error="AUTH XOAUTH2: 535 5.7.8 no; the server says status=invalid_token",
    )
    assert explain_probe(log)["said"].tolist() == ["535 5.7.8 no; status=invalid_token"]


def test_what_came_from_the_server_does_not_act() -> None:
    log = probed(
        Event(kind="greeting", verb="GREETING", reply_code=220, reply_text="\x1b[2J\u202e"),
        ehlo("X\x1b[31m"),
        ehlo("Y\x1b[31m", tls="TLSv1.3"),
        Event(kind="tls", error="TLSError"),
        host="mx\u202e.test",
        certificate=CERTIFICATE | {"names": ["\x1b[2J"], "problem": "another name"},
        error="\x1b[2J",
    )
    text = explain_probe(log).to_csv()
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_encryption_that_proves_nothing_is_told_as_that() -> None:
    event = Event(kind="tls", tls_version="TLSv1.3", command="unauthenticated")
    told = last(probed(event, tls="opportunistic"))
    assert "anybody could be at the other end" in told["meaning"]


def test_an_address_that_was_slower_than_another_is_no_failure() -> None:
    log = probed(
        Event(kind="connect", error="Cancelled"), Event(kind="connect", latency_s=0.1)
    )
    told = explain_probe(log)
    assert told["meaning"].tolist() == ["Another address was faster.", "Somebody listens."]
    assert set(told["advice"]) == {""}


def test_a_unix_socket_is_called_by_its_path() -> None:
    log = probed(Event(kind="connect", error="TransportError"), host="/run/lmtp")
    log["port"], log["server_address"] = None, None
    log["port"] = log["port"].astype("Int32")
    told = last(log)
    assert "Unix socket /run/lmtp" in told["meaning"]
    assert "permissions" in told["advice"]


@pytest.mark.parametrize("protocol", ["smtp", "lmtp"])
def test_a_server_of_the_other_protocol_is_met_by_saying_so(protocol: Protocol) -> None:
    with Lab(protocol=protocol) as lab:
        other = "smtp" if protocol == "lmtp" else "lmtp"
        account = lab.account.replace(protocol=other, port=lab.account.port, tls="none")
        told = explain_probe(probe(account))
    advice = told["advice"][told["step"] == "Extensions"]
    assert all('protocol="lmtp"' in said for said in advice)
    assert all(("leave out" in said) == (protocol == "smtp") for said in advice)


@pytest.mark.parametrize(
    "fields",
    [
        {"host": "a..b", "proxy": "http://127.0.0.1:1"},
        {"host": "127.0.0.1", "source_address": "::1"},
    ],
    ids=str,
)
def test_what_ends_before_a_connection_is_told(fields: dict[str, Any]) -> None:
    log = probe(Account(tls="none", **fields))
    assert last(log)["said"] == log.attrs["error"]
    assert last(log)["advice"]
