from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from smtpbook.campaign.campaign import Campaign
from smtpbook.cli.main import main
from smtpbook.lab.lab import Lab
from smtpbook.log.store import read_log
from smtpbook.samples import sample
from smtpbook.tables.outcomes import write_outcomes

pytestmark = pytest.mark.side_by_side

FILES = {
    "events.parquet",
    "outcomes.csv",
    "transcript.txt",
    "outcomes.png",
    "domains.png",
    "reply_codes.png",
    "latency.png",
    "throughput.png",
    "sessions.png",
    "timeline.png",
    "report.html",
}


def run(*args: str, **options: object) -> Result:
    return CliRunner().invoke(main, args, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    out = tmp_path_factory.mktemp("demo")
    return run("demo", "--out", str(out)), out


def counts(output: str) -> dict[str, int]:
    pattern = r"^  ([a-z ]+?) +([\d,]+)   "
    return {m[1]: int(m[2].replace(",", "")) for m in re.finditer(pattern, output, re.M)}


def test_it_ends_well_and_writes_every_file(demo: tuple[Result, Path]) -> None:
    result, out = demo
    assert result.exit_code == 0, result.output
    assert {path.name for path in out.iterdir()} == FILES
    assert all(path.stat().st_size > 1000 for path in out.iterdir())


def test_the_counts_add_up_to_the_list_and_to_the_servers_own(
    demo: tuple[Result, Path],
) -> None:
    result, _ = demo
    told = counts(result.output)
    total = told.pop("total")
    assert total == sum(told.values()) == 300
    assert told["deferred"] > 0
    assert told["rejected"] > 0
    assert told["suppressed"] == 6
    server = re.search(r"counted (.*): the same", result.output)
    assert server
    assert server[1] == ", ".join(
        f"{told[name]} {name}" for name in ("accepted", "deferred", "rejected")
    )


def test_it_names_the_slowest_command_the_refusal_and_what_to_type_next(
    demo: tuple[Result, Path],
) -> None:
    output = demo[0].output
    assert re.search(r"Slowest command: [A-Z-]+, median [\d.]+ ms, p95 [\d.]+ ms", output)
    assert re.search(r"Most frequent refusal: [45]\d\d .* recipients: \d+\)\n  \w", output)
    typed = next(line for line in output.splitlines() if "smtpbook explain" in line)
    assert run(*shlex.split(typed)[1:]).exit_code == 0


def test_the_log_holds_what_the_summary_says(demo: tuple[Result, Path]) -> None:
    result, out = demo
    log = read_log(out / "events.parquet")
    table = pd.read_csv(out / "outcomes.csv")
    assert table["outcome"].value_counts()["accepted"] == counts(result.output)["accepted"]
    assert (log["kind"] == "outcome").sum() == len(table) == 300
    sessions = log["session_id"].nunique()
    assert sessions == 4
    assert log["pipelined"].notna().any()
    assert "RCPT TO:<" in (out / "transcript.txt").read_text("utf-8")


@pytest.mark.heavy
def test_the_same_seed_gives_the_same_outcomes(
    demo: tuple[Result, Path], tmp_path: Path
) -> None:
    """Those of the same campaign without the command, which need no charts."""
    with Lab("mixed-day", seed=1) as lab:  # the default
        people, letter, never = sample("people", seed=1), sample("letter"), sample("never")
        campaign = Campaign(
            "again", lab.account, people, letter, connections=4, suppress=never
        )
        again = write_outcomes(campaign.send().log, tmp_path / "outcomes.csv")
    tables = []
    for path in (demo[1] / "outcomes.csv", again):
        table = pd.read_csv(path).sort_values("recipient")
        tables.append(table[["recipient", "outcome", "reply_code"]].reset_index(drop=True))
    pd.testing.assert_frame_equal(*tables)


@pytest.mark.heavy
def test_it_sends_to_a_server_of_the_users_own(tmp_path: Path) -> None:
    with Lab(tls="starttls", users={"ann": "s3cret"}) as lab:
        args = ["--host", "127.0.0.1", "--port", str(lab.port), "--tls", "starttls"]
        args += ["--username", "ann", "--ca-file", str(lab.ca_file), "--yes"]
        args += ["--recipients", "20", "--out", str(tmp_path)]
        env = {"SMTPBOOK_PASSWORD": "s3cret"}
        result = run("demo", *args, env=env)
        assert result.exit_code == 0, result.output
        accepted = lab.counts["accepted"]
    assert counts(result.output)["accepted"] == accepted > 0
    log = read_log(tmp_path / "events.parquet")
    assert (log.loc[log["verb"] == "MAIL", "tls_version"] == "TLSv1.3").all()
    for path in tmp_path.iterdir():
        assert b"s3cret" not in path.read_bytes()


def test_a_wrong_password_is_said_in_one_line(tmp_path: Path) -> None:
    with Lab(users={"ann": "s3cret"}) as lab:
        args = ["--host", "127.0.0.1", "--port", str(lab.port), "--tls", "none"]
        args += ["--username", "ann", "--yes", "--out", str(tmp_path)]
        result = run("demo", *args, env={"SMTPBOOK_PASSWORD": "wrong"})
        assert not lab.received
    assert result.exit_code == 2
    assert result.stderr.startswith("smtpbook: AUTH SCRAM-SHA-512: 535 ")
    assert "wrong" not in result.output


def test_nobody_to_ask_means_nothing_is_sent(tmp_path: Path) -> None:
    with Lab() as lab:
        args = ["--host", "127.0.0.1", "--port", str(lab.port), "--tls", "none"]
        result = run("demo", *args, "--out", str(tmp_path))
        assert not lab.received
    assert result.exit_code == 2
    assert "--yes" in result.stderr


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--port", "25"], "--port goes with --host"),
        (["--ca-file", "x.pem"], "--ca-file goes with --host"),
        (["--recipients", "0"], "0 is not in the range"),
        (["--tls", "maybe", "--host", "x"], "'maybe' is not one of"),
        (["--host", "bad host", "--yes"], "is not a host name"),
    ],
)
def test_wrong_usage_says_what_is_wrong(args: list[str], said: str, tmp_path: Path) -> None:
    result = run("demo", *args, "--out", str(tmp_path))
    assert result.exit_code == 2
    assert said in result.output


def test_a_place_that_cannot_be_written_to_is_said_before_anything_is_sent(
    tmp_path: Path,
) -> None:
    (tmp_path / "taken").write_text("a file")
    result = run("demo", "--out", str(tmp_path / "taken"))
    assert result.exit_code == 2
    assert result.stderr == f"smtpbook: File exists: {tmp_path / 'taken'}\n"


@pytest.mark.heavy
def test_interrupted_it_keeps_what_was_sent(tmp_path: Path) -> None:
    """One SIGINT: what had begun comes to its verdict, and everything is written."""
    command = [sys.executable, "-m", "smtpbook", "demo", "--recipients", "400"]
    command += ["--seed", "2"]
    process = subprocess.Popen(
        [*command, "--out", str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    first = process.stderr.readline()  # a quarter has been sent
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=90)
    assert first.startswith(b"sending: ")
    assert process.returncode == 130
    assert b"Traceback" not in errors
    told = counts(output.decode())
    total = told.pop("total")
    assert total == sum(told.values()) < 400
    assert told["in doubt"] == 0
    assert b": the same" in output
    assert {path.name for path in tmp_path.iterdir()} == FILES
