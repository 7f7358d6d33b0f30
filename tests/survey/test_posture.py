"""Mail hosts are looked at politely, and whatever they do there is a clear row."""

from __future__ import annotations

import base64
import socket
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest
import trio

from smtpbook.events import COLUMNS
from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab
from smtpbook.log.transcript import transcript
from smtpbook.lookup.zone import Zone
from smtpbook.session.probe import probe
from smtpbook.survey.posture import posture, posture_async
from smtpbook.survey.table import Posture
from tests.session.scripted import BYE, CLOSE, READY, SILENCE, Item, Scripted

ENFORCE = "version: STSv1\nmode: enforce\nmx: localhost\nmax_age: 60"
ZONE: dict[str, dict[str, Any]] = {
    "example.org": {"MX": ["20 mx.example.org", "10 localhost"]},
    "example.net": {"MX": "5 localhost"},
    "null.example": {"MX": "0 ."},
    "gone.example": {"MX": "10 mx.gone.example"},
    "localhost": {"A": "127.0.0.1"},
    "mx.example.org": {"A": "127.0.0.1"},
    "_mta-sts.example.org": {"TXT": "v=STSv1; id=1"},
}


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab(tls="starttls") as lab:
        yield lab


def seen(lab: Lab, *domains: str, zone: Any = ZONE, **options: Any) -> Posture:
    """Look at domains whose hosts all are the lab's server."""
    options = {"policies": {"example.org": ENFORCE}} | options
    return posture(
        domains,
        zone=zone,
        port=lab.port,
        ca_file=lab.ca_file,
        pause_s=0,
        progress=False,
        **options,
    )


def row_of(table: pd.DataFrame, number: int = 0) -> dict[str, Any]:
    """Give the cells of a row that are not null."""
    return {str(name): cell for name, cell in table.iloc[number].dropna().items()}


# --- what is found ------------------------------------------------------------------------


def test_a_host_is_told_ehlo_starttls_ehlo_and_quit_and_nothing_else(lab: Lab) -> None:
    table = seen(lab, "example.net")
    said = lab.log["verb"].dropna().tolist()
    assert said == ["GREETING", "EHLO", "STARTTLS", "EHLO", "QUIT"]
    row = row_of(table)
    assert (
        row
        | {
            "domain": "example.net",
            "preference": 5,
            "server": "localhost",
            "server_address": "127.0.0.1",
            "family": "IPv4",
            "is_connected": True,
            "has_starttls": True,
            "tls_version": "TLSv1.3",
            "certificate_names": "localhost, 127.0.0.1, ::1",
            "is_verified": True,
            "dane": "insecure",
            "policy": "no-policy-found",
        }
        == row
    )
    assert row["greeting"].startswith("220 ")
    assert "STARTTLS" in row["extensions"]
    assert "STARTTLS" not in row["tls_extensions"]
    assert row["certificate_until"].year == 3000
    times = ("connect_ms", "greeting_ms", "ehlo_ms", "tls_ms")
    assert all(row[name] > 0 for name in times)
    assert not {"error", "certificate_problem", "result_type", "mta_sts"} & row.keys()


def test_hosts_stand_in_the_order_of_mail_and_one_of_two_domains_is_called_at_once(
    lab: Lab,
) -> None:
    table = seen(lab, "example.org", "example.net", "EXAMPLE.net.")
    assert table[["domain", "preference", "server"]].to_numpy().tolist() == [
        ["example.org", 10, "localhost"],
        ["example.org", 20, "mx.example.org"],
        ["example.net", 5, "localhost"],
    ]
    assert (lab.log["kind"] == "greeting").sum() == 3  # twice at the one of another name


def test_a_certificate_that_is_not_accepted_is_shown_all_the_same(lab: Lab) -> None:
    row = row_of(seen(lab, "example.org"), 1)
    assert (row["is_verified"], row["certificate_problem"]) == (False, "another name")
    assert row["certificate_names"] == "localhost, 127.0.0.1, ::1"
    assert row["tls_version"] == "TLSv1.3"
    assert "error" not in row


def test_what_a_sender_would_meet_has_the_name_of_rfc_8460(lab: Lab) -> None:
    named = "\nmx: mx.example.org"
    table = seen(lab, "example.org", policies={"example.org": ENFORCE + named})
    assert table["mta_sts"].tolist() == ["enforce", "enforce"]
    assert table["policy"].tolist() == ["sts", "sts"]
    first, second = row_of(table), row_of(table, 1)
    assert "result_type" not in first
    assert second["result_type"] == "certificate-host-mismatch"
    other = row_of(seen(lab, "example.org"), 1)
    assert other["result_type"] == "validation-failure"
    assert other["result"] == "the MTA-STS policy of example.org does not name it"
    none = row_of(seen(lab, "example.org", policies={"example.org": "junk"}))
    assert none["result_type"] == "sts-policy-invalid"


def test_without_starttls_an_enforced_policy_fails() -> None:
    with Lab("no-starttls") as lab:
        row = row_of(seen(lab, "example.org"))
    assert not row["has_starttls"]
    assert row["result_type"] == "starttls-not-supported"
    assert "does not offer STARTTLS" in row["error"]
    assert "tls_version" not in row


def test_a_certificate_is_held_against_dane(lab: Lab) -> None:
    def dane(*records: str) -> str:
        data = ZONE | {f"_{lab.port}._tcp.localhost": {"TLSA": records}}
        return str(seen(lab, "example.net", zone=Zone(data, secure=True))["dane"].iloc[0])

    key = lab_key(lab)
    assert dane() == "absent"
    assert dane(f"3 1 1 {key}") == "matches"
    assert dane(f"3 1 1 {'ab' * 32}") == "differs"
    assert dane(f"1 1 1 {key}") == "unusable"


def lab_key(lab: Lab) -> str:
    """Give the SHA-256 of the public key of the lab's certificate, in hexadecimal."""
    pin = probe(lab.account).attrs["certificate"]["pin"]
    return base64.b64decode(pin.removeprefix("sha256//")).hex()


def test_the_log_of_all_sessions_is_kept(lab: Lab) -> None:
    table = seen(lab, "example.net", "null.example")
    assert list(table.log.columns) == list(COLUMNS)
    assert "-> QUIT" in transcript(table.log)
    assert table.head(1)["domain"].tolist() == ["example.net"]
    assert len(pd.concat([table.head(1), table.tail(1)])) == 2


def test_a_domain_without_a_host_has_a_row_that_says_why(lab: Lab) -> None:
    table = seen(lab, "null.example", "gone.example", "elsewhere.example", "a\x1b[2Jb")
    assert table["domain"].tolist() == [
        *("null.example", "gone.example", "elsewhere.example", "a\\x1b[2jb")
    ]
    assert table["server"].fillna("").tolist() == ["", "mx.gone.example", "", ""]
    errors = table["error"].tolist()
    for part, error in zip(
        ("null MX", "no address", "says nothing of", "no name"), errors, strict=True
    ):
        assert part in error
    assert not lab.received
    assert len(table.log) == 0


def test_columns_are_the_same_whatever_was_found(lab: Lab) -> None:
    assert seen(lab, "null.example").dtypes.equals(seen(lab, "example.org").dtypes)


# --- what servers do ----------------------------------------------------------------------

OFFERS = "250-mx.test\r\n250 STARTTLS"


async def visited(*scripts: tuple[Item, ...], patience_s: float = 5.0) -> dict[str, Any]:
    """Look at one host, which plays these scripts, a connection each."""
    waiting = list(scripts)

    async def serve(stream: trio.SocketStream) -> None:
        await Scripted(waiting.pop(0)).serve(stream)

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        table = await posture_async(
            "example.net",
            zone=ZONE,
            port=listener.socket.getsockname()[1],
            helo="client.test",
            pause_s=0,
            patience_s=patience_s,
        )
        nursery.cancel_scope.cancel()
    assert len(table) == 1
    return row_of(table)


async def test_a_server_that_never_speaks_costs_its_patience(
    autojump_clock: object,
) -> None:
    row = await visited((SILENCE,), patience_s=20.5)
    assert (row["is_connected"], "greeting" in row) == (True, False)
    assert row["error"] == "no reply to GREETING within 20.5 s"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ((b"\xff\xfe\x00garbage\r\n",), "not an SMTP reply line"),
        (("554 5.7.1 go away", BYE), "554 5.7.1 go away"),
        ((CLOSE,), "closed"),
        (("220 mx", "421 4.3.2 later"), "421 4.3.2 later"),
        (("220 mx", OFFERS, "454 4.7.0 no TLS now", BYE), "454 4.7.0 no TLS now"),
        (("220 mx", OFFERS, READY + b"250 injected\r\n"), "clear text between"),
    ],
)
async def test_what_a_server_does_wrong_is_said(
    script: tuple[Item, ...], said: str
) -> None:
    row = await visited(script)
    assert row["is_connected"]
    assert said in row["error"]
    assert row["error"].isprintable()
    assert "tls_version" not in row


async def test_half_a_handshake_costs_its_patience(autojump_clock: object) -> None:
    row = await visited(("220 mx", OFFERS, READY, SILENCE), patience_s=20.5)
    assert row["has_starttls"]
    assert "nothing within 20.5 s" in row["error"]


async def test_foreign_text_cannot_act() -> None:
    row = await visited(
        ("220 \x1b[2J\u202emx", "250-mx\r\n250-\x1b[31mX\r\n250 SIZE 1", BYE)
    )
    assert row["greeting"] == "220 \\x1b[2J\\u202emx"
    assert row["extensions"] == "\\x1b[31mX, SIZE 1"


async def test_who_only_knows_helo_offers_nothing() -> None:
    row = await visited(("220 mx", "502 what?", "250 mx", BYE))
    assert "extensions" not in row
    assert not row["has_starttls"]


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port at which nobody listens, and that nobody else gets."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


async def test_where_nobody_listens_there_is_a_row(closed_port: int) -> None:
    table = await posture_async("example.net", zone=ZONE, port=closed_port, pause_s=0)
    row = row_of(table)
    assert (row["is_connected"], "server_address" in row) == (False, False)
    assert "refused" in row["error"].lower()


# --- manners ------------------------------------------------------------------------------


async def test_connections_keep_their_distance_whoever_they_are_with(
    closed_port: int, autojump_clock: trio.testing.MockClock
) -> None:
    names = [f"d{number}.example" for number in range(6)]
    zone = {name: {"MX": f"10 mx.{name}"} for name in names}
    zone |= {f"mx.{name}": {"A": "127.0.0.1"} for name in names}
    started = trio.current_time()
    table = await posture_async(names, zone=zone, port=closed_port, pause_s=7.0)
    assert trio.current_time() - started == pytest.approx(35.0)
    assert table["domain"].tolist() == names


@pytest.mark.parametrize(
    ("domains", "options", "said"),
    [
        ([], {}, "needs a domain"),
        (["ann@example.org"], {}, "is an address"),
        (["a.example", "b.example", "A.example"], {"limit": 1}, "2 domains are more than"),
        ("a.example", {"pause_s": -1}, "pause_s=-1"),
        ("a.example", {"patience_s": 0}, "must be positive"),
        ("a.example", {"port": 70_000}, "port 70000"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_asked(
    domains: Any, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        posture(domains, zone={}, progress=False, **options)


def test_inside_trio_the_other_form_is_named() -> None:
    async def main() -> None:
        posture("example.org", zone=ZONE)

    with pytest.raises(RuntimeError, match="use posture_async"):
        trio.run(main)


def test_progress_is_shown_domain_by_domain(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.set(greeting=Behaviour(reply="554 5.7.1 no"))
    posture(["example.net", "null.example"], zone=ZONE, port=lab.port, pause_s=0)
    assert "visiting domains: 2 of 2 (100 %), 1 hosts, 1 failed" in capsys.readouterr().err
