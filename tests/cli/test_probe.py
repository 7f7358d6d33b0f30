"""A server is tried from a terminal: every word as it is said, then what it means."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from smtpbook.accounts.passwords import FromEnvironment
from smtpbook.accounts.store import save_account
from smtpbook.cli.main import main
from smtpbook.events import COLUMNS
from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab

TEXT = "open sesame"


def run(*args: str) -> Result:
    return CliRunner().invoke(main, ["probe", *args])


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab(tls="starttls", users={"ann": TEXT}) as lab:
        yield lab


def options(lab: Lab, *more: str) -> tuple[str, ...]:
    place = f"127.0.0.1:{lab.port}"
    return (place, "--tls", "starttls", "--ca-file", str(lab.ca_file), *more)


def test_every_word_is_shown_and_every_step_explained(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMTPBOOK_PASSWORD", TEXT)
    result = run(*options(lab, "--username", "ann"))
    assert result.exit_code == 0, result.output
    dialogue, explained = result.output.split("\n\n", 1)
    assert "-> STARTTLS" in dialogue
    assert "TLSv1.3" in dialogue
    assert "<-  235 " in dialogue
    for step in ("Name", "Connection", "Greeting", "Extensions", "TLS", "Login", "Goodbye"):
        assert f"\n{step:<14}" in f"\n{explained}"
    assert result.output.endswith("it works; nothing was sent\n")
    assert TEXT not in result.output
    assert max(map(len, explained.splitlines())) <= 80


def test_a_saved_account_is_tried_by_its_name(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_PASSWORD", TEXT)
    save_account(lab.account.replace(password=FromEnvironment("LAB_PASSWORD")), "lab")
    result = run("lab")
    assert result.exit_code == 0, result.output
    assert "<-  235 " in result.output


def test_a_refused_login_is_explained_and_fails(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMTPBOOK_PASSWORD", "wrong horse")
    result = run(*options(lab, "--username", "ann"))
    assert result.exit_code == 1
    assert "<-  535 " in result.output
    assert "\nfailed: " in result.output
    assert "wrong horse" not in result.output


def test_what_a_hostile_server_says_does_not_act() -> None:
    with Lab() as lab:
        lab.set(greeting=Behaviour(reply="220 \x1b[31mred\u202e"))
        result = run(f"127.0.0.1:{lab.port}", "--tls", "none")
    assert "red" in result.output
    assert not {"\x1b", "\u202e"} & set(result.output)


def test_json_is_the_event_log_and_nothing_else(lab: Lab) -> None:
    result = run(*options(lab), "--json")
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)
    assert [set(row) for row in rows] == [set(COLUMNS)] * len(rows)
    assert [row["kind"] for row in rows][:3] == ["dns", "connect", "greeting"]
    assert rows[0]["time"].endswith("Z")


def test_a_proxy_that_is_not_there_is_told_as_that(lab: Lab) -> None:
    lab.stop()
    result = run("mx.test:25", "--tls", "none", "--proxy", f"http://127.0.0.1:{lab.port}")
    assert result.exit_code == 1
    assert "→ Check proxy=" in result.output


def test_a_unix_socket_is_probed_by_its_path(tmp_path: Path) -> None:
    result = run(str(tmp_path / "lmtp"))
    assert result.exit_code == 1
    assert "No such file" in result.output


def test_a_port_where_nobody_listens_fails_and_says_what_to_check(lab: Lab) -> None:
    lab.stop()
    result = run(f"127.0.0.1:{lab.port}", "--tls", "none", "--timeout", "5")
    assert result.exit_code == 1
    assert "refused" in result.output
    assert "→ Check port" in result.output


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((), "say what to try"),
        (("a.example", "--preset", "gmail"), "say what to try"),
        (("a.example", "--region", "x"), "--region goes with --preset"),
        (("--preset", "gmial"), "did you mean 'gmail'?"),
        (("a b:c",), "no HOST"),
        (("a.example:70000",), "70000"),
        (("lba",), "did you mean 'lab'?"),
        (("a.example", "--timeout", "0"), "--timeout"),
    ],
    ids=str,
)
def test_wrong_usage(args: tuple[str, ...], message: str, lab: Lab) -> None:
    save_account(lab.account.replace(password=FromEnvironment("X")), "lab")
    result = run(*args)
    assert result.exit_code == 2
    assert message in result.output


def test_an_address_of_ipv6_stands_in_brackets() -> None:
    with Lab(host="::1") as lab:
        result = run(f"[::1]:{lab.port}", "--tls", "none")
    assert result.exit_code == 0, result.output
    assert "::1 (AAAA)" in result.output


def test_a_password_that_nobody_can_type_is_an_error_at_once(lab: Lab) -> None:
    result = run(*options(lab, "--username", "ann"))
    assert result.exit_code == 2
    assert "nobody can be asked" in result.output
