"""Mail hosts are looked at from a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from smtpbook.cli.main import main
from smtpbook.lab.lab import Lab
from smtpbook.survey.table import COLUMNS

ZONE = """
example.org. MX 10 localhost.
null.example. MX 0 .
localhost. A 127.0.0.1
"""


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab(tls="starttls") as lab:
        yield lab


def run(lab: Lab, folder: Path, *args: str) -> Result:
    zone = folder / "zone"
    zone.write_text(ZONE)
    place = ("--port", str(lab.port), "--ca-file", str(lab.ca_file), "--pause", "0")
    return CliRunner().invoke(main, ["posture", "--zone", str(zone), *place, *args])


def test_each_host_is_told_in_a_few_lines(lab: Lab, tmp_path: Path) -> None:
    result = run(lab, tmp_path, "example.org")
    assert result.exit_code == 0, result.output
    labels = [line.split()[0] for line in result.stdout.splitlines() if line[0] != " "]
    assert labels == [
        *("domain", "server", "greeting", "extensions", "TLS", "certificate", "policy")
    ]
    assert "10 localhost, 127.0.0.1" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert not lab.received


def test_what_is_wrong_is_the_exit_status_too(lab: Lab, tmp_path: Path) -> None:
    result = run(lab, tmp_path, "null.example", "example.org")
    assert result.exit_code == 1
    assert "wrong         null.example takes no mail" in result.stdout


def test_programs_get_the_rows(lab: Lab, tmp_path: Path) -> None:
    result = run(lab, tmp_path, "--json", "example.org")
    (row,) = json.loads(result.stdout)
    assert list(row) == list(COLUMNS)
    assert row["certificate_until"].startswith("3000-01-01T")


def test_too_many_domains_are_wrong_usage(lab: Lab, tmp_path: Path) -> None:
    result = run(lab, tmp_path, "--limit", "1", "example.org", "null.example")
    assert result.exit_code == 2
    assert "2 domains are more than limit=1" in result.stderr
    assert not len(lab.log)
