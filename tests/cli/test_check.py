"""A domain is checked from a terminal: rows with remedies, a page, or JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from smtpbook.cli.main import main

ZONE = """
example.org. IN MX 10 mail.example.org.
example.org. IN TXT "v=spf1 ip4:198.51.100.7 -all"
_dmarc.example.org. IN TXT "v=DMARC1; p=reject; rua=mailto:d@example.org"
mail.example.org. IN A 198.51.100.7
7.100.51.198.in-addr.arpa. IN PTR mail.example.org.
"""


@pytest.fixture
def zone(tmp_path: Path) -> Path:
    path = tmp_path / "example.zone"
    path.write_text(ZONE)
    return path


def run(*args: str | Path) -> Result:
    return CliRunner().invoke(main, ["check", *map(str, args)])


def test_rows_are_shown_with_remedies_and_nothing_fails(zone: Path) -> None:
    result = run("example.org", "--zone", zone, "--ip", "198.51.100.7")
    assert result.exit_code == 0, result.output
    assert "SPF of example.org for 198.51.100.7: pass" in " ".join(result.output.split())
    assert "→ --helo …" in result.output
    assert "→ --probe-mx asks them" in result.output
    assert "unknown, 1" in result.output.splitlines()[-1]
    assert max(map(len, result.output.splitlines())) <= 80


def test_the_next_step_is_one_of_the_command_line(zone: Path, tmp_path: Path) -> None:
    page = tmp_path / "example.html"
    shown = run(
        "example.org", "--zone", zone, "--ip", "198.51.100.7", "--html", page
    ).output
    for text in (" ".join(shown.split()), page.read_text("utf-8")):
        assert "--helo …" in text
        assert "--reverse-path was not given" in text
    assert "→ smtpbook check example.org" in run("ann@example.org").output


def test_what_the_zone_does_not_say_is_to_be_added_to_it(zone: Path) -> None:
    zone.write_text(ZONE.replace("ip4:198.51.100.7", "include:_spf.example.com"))
    shown = run("example.org", "--zone", zone).output
    assert "where --zone was given, add it there" in " ".join(shown.split())


def test_the_rules_that_are_missed_are_named(zone: Path) -> None:
    asked = ("example.org", "--zone", zone, "--ip", "198.51.100.8", "--volume")
    few, many = (" ".join(run(*asked, volume).output.split()) for volume in ("10", "9000"))
    assert "rules of large providers that are missed" in few
    assert "icloud spf_and_dkim SPF and DKIM authenticate the mail." in few
    assert "gmail" not in few
    assert "gmail spf_and_dkim" in many
    assert "outlook spf SPF passes for the sending domain" in many


def test_something_that_fails_is_exit_status_1(zone: Path) -> None:
    result = run("example.org", "--zone", zone, "--ip", "192.0.2.1")
    assert result.exit_code == 1
    assert result.output.index("fail     spf_result") < result.output.index("unknown")


def test_json_is_the_rows_and_nothing_else(zone: Path) -> None:
    rows = json.loads(run("example.org", "--zone", zone, "--json").output)
    assert set(rows[0]) == {"check", "verdict", "evidence", "remedy", "source"}
    assert {"spf_record", "dmarc_record"} <= {row["check"] for row in rows}


def test_a_page_has_every_row_and_nothing_in_it_acts(zone: Path, tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>"
    zone.write_text(f'{ZONE}_dmarc.example.org. IN TXT "v=DMARC1; p=none; x={evil}"\n')
    page = tmp_path / "example.html"
    result = run("example.org", "--zone", zone, "--html", page)
    assert f"wrote {page}" in result.output
    html = page.read_text("utf-8")
    assert "What is not known" in html
    assert "spf_record" in html
    assert "&lt;script&gt;alert(1)" in html
    assert evil not in html


def test_a_message_is_looked_at_too(zone: Path, tmp_path: Path) -> None:
    letter = tmp_path / "letter.eml"
    letter.write_bytes(b"From: ann@example.org\nSubject: hi\n\nhello\n")
    result = run("example.org", "--zone", zone, "--message", letter, "--json")
    verdicts = {row["check"]: row["verdict"] for row in json.loads(result.output)}
    assert verdicts["dkim_signature"] == "fail"
    assert verdicts["date"] == "fail"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("example.org", "--ip", "nowhere"), "'nowhere' does not appear to be"),
        (("example.org", "--zone", "not-there"), "does not exist"),
        ((), "Missing argument 'DOMAIN'"),
        (("example.org", "--account", "nobody"), "nobody"),
    ],
)
def test_wrong_usage(args: tuple[str, ...], message: str) -> None:
    result = run(*args)
    assert result.exit_code == 2
    assert message in result.output


def test_what_is_no_domain_fails_in_one_row() -> None:
    result = run("exa\x1b[31mmple")
    assert result.exit_code == 1
    assert "\x1b" not in result.output
