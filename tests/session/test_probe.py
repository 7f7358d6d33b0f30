"""Probe: everything up to the login, nothing sent, and no server makes it raise."""

from __future__ import annotations

import datetime
import json
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import trio
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from smtpbook.accounts.account import Account
from smtpbook.accounts.secret import Secret
from smtpbook.errors import SMTPBookError
from smtpbook.events import COLUMNS, Event
from smtpbook.insight.explain_probe import explain_probe
from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab
from smtpbook.sasl.registry import BY_TOKEN
from smtpbook.session.probe import probe, probe_async
from tests.session.scripted import BYE, CLOSE, SILENCE, Item, Scripted, secured

OFFERED = "250-mx.test\r\n250 STARTTLS"
PATIENCE_S = 0.3  # for servers that never answer


def steps(log: pd.DataFrame) -> list[str]:
    """Name the rows: by verb, or by kind where there is none."""
    return log["verb"].astype(object).fillna(log["kind"].astype(object)).tolist()


class Server:
    """Scripted servers on a loopback port, one for each connection."""

    def __init__(self, *scripts: tuple[Item, ...]) -> None:
        self.scripts = list(scripts)
        self.heard: list[list[bytes]] = []

    async def serve(self, stream: trio.SocketStream) -> None:
        server = Scripted(self.scripts.pop(0))
        self.heard.append(server.heard)
        await server.serve(stream)

    async def probe(self, patience_s: float = 10.0, **changes: object) -> pd.DataFrame:
        """Probe an account at this server."""
        async with trio.open_nursery() as nursery:
            (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
            nursery.start_soon(trio.serve_listeners, self.serve, [listener])
            account = Account(
                host="127.0.0.1",
                port=listener.socket.getsockname()[1],
                **({"tls": "none", "helo": "client.test"} | changes),  # type: ignore[arg-type]
            )
            log = await probe_async(account, patience_s=patience_s)
            nursery.cancel_scope.cancel()
        return log


# --- what is found ------------------------------------------------------------------------


def test_a_probe_is_an_event_log_that_ends_before_mail() -> None:
    with Lab(users={"ann": "horse"}, tls="starttls") as lab:
        log = probe(lab.account)
        assert not lab.received
        assert "MAIL" not in set(lab.log["verb"])
    assert list(log.columns) == list(COLUMNS)
    assert steps(log) == [
        *("dns", "connect", "GREETING", "EHLO", "STARTTLS", "tls", "EHLO"),
        *("AUTH", "AUTH", "AUTH", "QUIT", "disconnect"),
    ]
    assert log["error"].isna().all()
    assert "error" not in log.attrs
    assert (log["latency_s"].iloc[:2] >= 0).all()
    before, after = log.loc[log["verb"] == "EHLO", "reply_text"]
    assert "STARTTLS" in before
    assert "STARTTLS" not in after


def test_what_has_no_column_is_in_attrs_as_plain_values() -> None:
    with Lab(tls="starttls") as lab:
        log = probe(lab.account)
    assert log.attrs["tls"] == "starttls"
    assert log.attrs["addresses"] == [{"address": "127.0.0.1", "record": "A"}]
    certificate = log.attrs["certificate"]
    assert certificate["names"] == ["localhost", "127.0.0.1", "::1"]
    assert "trustme" in certificate["issuer"]
    assert certificate["not_after"].startswith("3000-01-01T00:00:00")
    assert certificate["is_self_signed"] is False
    assert len(certificate["sha256"]) == 64
    assert json.loads(json.dumps(log.attrs)) == log.attrs
    assert log.head(2).attrs == log.attrs
    # Of two probes joined, nobody could say whose certificate it is.
    assert len(pd.concat([log, log.head(1)])) == len(log) + 1


def test_without_a_user_name_there_is_no_login() -> None:
    with Lab() as lab:
        log = probe(lab.account)
    assert steps(log)[-3:] == ["EHLO", "QUIT", "disconnect"]
    assert "certificate" not in log.attrs


def test_rows_are_shown_while_they_come() -> None:
    seen: list[Event] = []
    with Lab(users={"ann": "horse"}) as lab:
        log = probe(lab.account, on_event=seen.append)
    assert [event.kind for event in seen] == log["kind"].tolist()
    assert [event.seq for event in seen] == list(range(len(log)))


def test_a_callback_that_raises_is_not_the_servers_doing() -> None:
    def fail(event: Event) -> None:
        raise ZeroDivisionError

    with Lab() as lab, pytest.raises(ZeroDivisionError):
        probe(lab.account, on_event=fail)


def test_inside_trio_the_other_form_is_named() -> None:
    async def main() -> None:
        probe(Account(host="127.0.0.1"))

    with pytest.raises(RuntimeError, match="use probe_async"):
        trio.run(main)


# --- failures -----------------------------------------------------------------------------


def test_a_refused_login_is_the_last_row() -> None:
    with Lab(users={"ann": "another"}) as lab:
        log = probe(lab.account.replace(password="horse battery"))
    assert steps(log)[-3:] == ["AUTH", "QUIT", "disconnect"]
    assert log["error"].iloc[-1] == "AuthenticationError"
    assert "535 5.7.8" in log.attrs["error"]
    assert "horse battery" not in str(log.attrs) + log.to_csv()


def test_why_a_token_was_refused_is_in_the_failure() -> None:
    class Token:
        mechanisms = BY_TOKEN

        def __call__(self) -> Secret:
            return Secret("expired-token")

    with Lab(users={"ann": "another"}) as lab:
        log = probe(lab.account.replace(password=Token()))
    assert log.attrs["error"].endswith(
        "the server says status=invalid_token, schemes=bearer"
    )


def test_what_a_source_of_passwords_raises_is_a_row() -> None:
    def ask() -> str:
        raise SMTPBookError("the keyring is locked")

    with Lab(users={"ann": "horse"}) as lab:
        log = probe(lab.account.replace(password=ask))
    assert steps(log)[-2:] == ["QUIT", "disconnect"]
    assert log["error"].iloc[-1] == "SMTPBookError"
    assert log.attrs["error"] == "the keyring is locked"


def test_a_name_that_is_none_is_the_last_row() -> None:
    log = probe(Account(host="a..test"))
    assert steps(log) == ["dns"]
    assert log["error"].tolist() == ["TransportError"]
    assert "not a host name" in log.attrs["error"]


def test_a_closed_port_is_the_last_row() -> None:
    with socket.socket() as taken:  # bound, not listening: nobody else gets the port
        taken.bind(("127.0.0.1", 0))
        log = probe(Account(host="127.0.0.1", port=taken.getsockname()[1]))
    assert steps(log) == ["dns", "connect"]
    assert log["error"].iloc[-1] == "TransportError"
    assert "refused" in log.attrs["error"]
    assert log.attrs["addresses"] == [{"address": "127.0.0.1", "record": "A"}]


def test_starttls_that_is_not_offered_is_the_last_row() -> None:
    with Lab("no-starttls") as lab:
        log = probe(lab.account.replace(tls="starttls", port=lab.port))
    assert steps(log)[-3:] == ["EHLO", "QUIT", "disconnect"]
    assert log["error"].iloc[-1] == "TLSError"
    assert "does not offer STARTTLS" in log.attrs["error"]


def test_implicit_tls_where_the_server_speaks_first_is_the_last_row() -> None:
    with Lab() as lab:
        log = probe(lab.account.replace(tls="implicit", port=lab.port))
    assert steps(log) == ["dns", "connect", "tls", "disconnect"]
    assert log["error"].tolist()[2:] == ["TLSError", "TLSError"]
    assert "certificate" not in log.attrs


@pytest.mark.parametrize(
    ("script", "error", "last"),
    [
        ((SILENCE,), "TransportTimeout", "GREETING"),
        ((CLOSE,), "TransportError", "GREETING"),
        (("SSH-2.0-OpenSSH_9",), "RemoteProtocolError", "GREETING"),
        (("554 no service", BYE), "RejectedError", "QUIT"),
        (("421 too many",), "TransportError", "GREETING"),
        (("220 mx", SILENCE), "TransportTimeout", "EHLO"),
        (("220 mx", "550 no", "550 no", BYE), "RejectedError", "QUIT"),
        (("220 mx", "250 mx", CLOSE), None, "QUIT"),
    ],
)
async def test_no_server_makes_it_raise(
    script: tuple[Item, ...], error: str | None, last: str
) -> None:
    server = Server(script)
    log = await server.probe(PATIENCE_S if SILENCE in script else 10.0)
    assert steps(log)[-2:] == [last, "disconnect"]
    if error is not None:
        assert log["error"].iloc[-1] == error
        assert log.attrs["error"]


async def test_a_server_that_waits_for_tls_is_not_waited_for() -> None:
    """Port 465 with starttls: each side waits for the other."""
    log = await Server((SILENCE,)).probe(PATIENCE_S, tls="starttls")
    assert steps(log) == ["dns", "connect", "GREETING", "disconnect"]
    assert log["error"].tolist()[2] == "TransportTimeout"
    assert log.attrs["error"] == "no reply to GREETING within 0.3 s"


def test_a_login_that_would_travel_in_the_clear_is_not_begun() -> None:
    with Lab(users={"ann": "horse"}) as lab:
        lab.set(ehlo=Behaviour(reply="250-lab.test\n250 STARTTLS"))
        log = probe(lab.account)
    assert "AUTH" not in steps(log)
    assert log["error"].iloc[-1] == "LocalProtocolError"


# --- certificates that are not accepted ---------------------------------------------------


def self_signed(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "my server")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = folder / "own.pem"
    pem.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem)
    return context


def issued(*names: str, days: int = 90, trusted: Path | None = None) -> ssl.SSLContext:
    authority = trustme.CA()
    if trusted is not None:
        authority.cert_pem.write_to_path(str(trusted))
    ends = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*names, not_after=ends).configure_cert(context)
    return context


FAULTS: dict[str, Callable[[Path], ssl.SSLContext]] = {
    "expired": lambda folder: issued("127.0.0.1", days=-2, trusted=folder / "ca.pem"),
    "another name": lambda folder: issued("mx.other.test", trusted=folder / "ca.pem"),
    "self-signed": self_signed,
    "unknown authority": lambda folder: issued("127.0.0.1"),
}


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_certificate_that_is_not_accepted_is_shown_all_the_same(
    fault: str, tls: str, tmp_path: Path
) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = FAULTS[fault](tmp_path)
    script: tuple[Item, ...] = (secured(context, b""),)
    if tls == "starttls":
        script = ("220 mx", OFFERED, secured(context))
    server = Server(script, script)
    log = await server.probe(
        tls=tls, ca_file=tmp_path / "ca.pem", username="ann", password="horse battery"
    )
    assert log["error"].iloc[-1] == "TLSError"
    certificate = log.attrs["certificate"]
    assert certificate["problem"] == fault
    assert certificate["is_self_signed"] is (fault == "self-signed")
    names = {"another name": ["mx.other.test"], "self-signed": []}
    assert certificate["names"] == names.get(fault, ["127.0.0.1"])
    # Seen twice, believed never.
    before = [b"EHLO client.test", b"STARTTLS"] if tls == "starttls" else []
    assert server.heard == [before, before]
    assert len(set(log["session_id"])) == 1


async def test_a_server_that_does_not_show_it_twice(tmp_path: Path) -> None:
    server = Server((secured(issued("127.0.0.1"), b""),), (SILENCE,))
    log = await server.probe(1.0, tls="implicit")  # the first handshake takes some of it
    assert log.attrs["certificate"] == {"problem": "unknown authority"}


# --- other ways ---------------------------------------------------------------------------


def test_the_fingerprints_to_pin_are_those_that_a_probe_finds() -> None:
    with Lab(tls="starttls") as lab:
        facts = probe(lab.account).attrs["certificate"]
        for name in ("pin", "sha256"):
            assert "error" not in probe(lab.account.replace(pin=facts[name])).attrs
        log = probe(lab.account.replace(pin="ab" * 32))
    assert facts["pin"] in log.attrs["error"]
    told = explain_probe(log)
    assert "not one of those that you expect" in told["meaning"].iloc[-1]


@pytest.mark.parametrize("scenario", ["no-starttls", "ordinary"])
def test_opportunistic_tls_is_told_as_what_it_came_to(scenario: str) -> None:
    with Lab(scenario) as lab:
        log = probe(lab.account.replace(tls="opportunistic", port=lab.port))
    assert "error" not in log.attrs
    told = explain_probe(log).set_index("step").loc["TLS"]
    expected = "anybody could be" if scenario == "ordinary" else "for everybody to read"
    assert expected in told["meaning"]


async def test_a_unix_socket_is_probed(tmp_path: Path, nursery: trio.Nursery) -> None:
    listening = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    await listening.bind(str(tmp_path / "lmtp"))
    listening.listen()
    server = Scripted(["220 lmtp", OFFERED, BYE])
    listener = trio.SocketListener(listening)
    nursery.start_soon(trio.serve_listeners, server.serve, [listener])
    log = await probe_async(Account(host=str(tmp_path / "lmtp")))
    assert "error" not in log.attrs
    told = explain_probe(log)
    assert told["said"][0].startswith(f"connected to {tmp_path / 'lmtp'}")
    assert set(told["advice"]) == {""}
