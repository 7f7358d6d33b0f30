"""``smtpbook demo``: a whole campaign, from the list to the report, in one command.

It does nothing a notebook could not: every step is a call of the public API.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from smtpbook.escape import visible

if TYPE_CHECKING:
    from smtpbook.accounts.account import Account
    from smtpbook.delivery.run import Run
    from smtpbook.lab.lab import Lab

_MEANINGS = {
    "accepted": "the server took responsibility",
    "deferred": "4yz: the same may succeed later",
    "rejected": "5yz: do not repeat it unchanged",
    "failed": "no reply before the mail data was complete",
    "in_doubt": "lost after the last octet: taken or not",
    "suppressed": "left out on purpose",
}


@click.command()
@click.option("--out", default="smtpbook-demo", show_default=True, help="Where to write.")
@click.option("--recipients", type=click.IntRange(1), help="How many; default: 300.")
@click.option("--seed", default=1, show_default=True, help="Chance is drawn from it.")
@click.option("--connections", default=4, show_default=True, type=click.IntRange(1))
@click.option("--host", help="Send to this server instead of the lab server.")
@click.option("--port", type=click.IntRange(1, 65535), help="Default: the usual one.")
@click.option("--tls", type=click.Choice(["implicit", "starttls", "none"]))
@click.option("--username", help="The password is asked for, or SMTPBOOK_PASSWORD's.")
@click.option("--ca-file", help="Certificates to trust, as PEM.")
@click.option("--yes", is_flag=True, help="Do not ask before sending to --host.")
@click.pass_context
def demo(
    ctx: click.Context,
    out: str,
    recipients: int | None,
    seed: int,
    connections: int,
    host: str | None,
    port: int | None,
    tls: str | None,
    username: str | None,
    ca_file: str | None,
    yes: bool,
) -> None:
    """Send the sample campaign and write its log, charts and report.

    Without --host it goes to the lab server on loopback: nothing leaves this machine.
    """
    from smtpbook.campaign.campaign import Campaign
    from smtpbook.errors import SendStopped
    from smtpbook.samples import sample

    if host is not None and not yes and not sys.stdin.isatty():
        raise click.UsageError("there is nobody to ask before mail leaves; say --yes")
    people = sample("people", size=recipients, seed=seed)
    # What stands in the way of writing shows before anything is sent.
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    with _server(host, port, tls, username, ca_file, seed) as (account, lab):
        campaign = Campaign(
            "demo",
            account,
            people,
            sample("letter"),
            connections=connections,
            suppress=sample("never"),
            folder=None,
        )
        started = time.perf_counter()
        is_stopped = False
        try:
            run = campaign.send(confirm=False if yes else None)
        except SendStopped as stop:
            run, is_stopped = cast("Run", stop.run), True
        took_s = time.perf_counter() - started
        counted = None if lab is None else _count(lab)
    place = f"{account.host}:{account.port}" if lab is None else "the lab server"
    sent = sum(run.counts.values())
    click.echo(
        f"\n{sent:,} of {len(people):,} recipients, {place}, at most {connections} "
        f"connections, {took_s:.1f} s, {len(run.log):,} events\n"
    )
    _print_counts(run, counted)
    _print_findings(run)
    _write_files(run, folder)
    _print_next(run, folder)
    if is_stopped:
        click.echo("\ninterrupted: what had begun came to its verdict", err=True)
        ctx.exit(130)
    if lab is None and run.counts["accepted"] + run.counts["suppressed"] < sent:
        ctx.exit(1)
    if counted is not None and not _agrees(run, counted):
        ctx.exit(1)


@contextmanager
def _server(
    host: str | None,
    port: int | None,
    tls: str | None,
    username: str | None,
    ca_file: str | None,
    seed: int,
) -> Iterator[tuple[Account, Lab | None]]:
    """Give the account to send by, and the lab server if it is one."""
    if host is None:
        needless = {
            "--port": port,
            "--tls": tls,
            "--username": username,
            "--ca-file": ca_file,
        }
        for name, value in needless.items():
            if value is not None:
                raise click.UsageError(f"{name} goes with --host")
        from smtpbook.lab.lab import Lab

        with Lab("mixed-day", seed=seed) as lab:
            yield lab.account, lab
        return
    from smtpbook.accounts.account import Account

    password = None
    if username is not None:
        password = os.environ.get("SMTPBOOK_PASSWORD") or click.prompt(
            f"Password of {username}", hide_input=True
        )
    yield (
        Account(
            host=host,
            port=port or 0,
            tls=tls,  # type: ignore[arg-type]
            username=username,
            password=password,
            ca_file=ca_file,
        ),
        None,
    )


def _count(lab: Lab) -> dict[str, int]:
    """Give the server's own count; a message that came twice counts twice."""
    accepted = sum(len(message.recipients) for message in lab.received)
    return dict(lab.counts) | {"accepted": accepted}


def _agrees(run: Run, counted: dict[str, int]) -> bool:
    own = run.counts
    return all(
        own[name] == counted.get(name, 0) for name in ("accepted", "deferred", "rejected")
    )


def _print_counts(run: Run, counted: dict[str, int] | None) -> None:
    for name, number in run.counts.items():
        click.echo(f"  {name.replace('_', ' '):<11}{number:>8,}   {_MEANINGS[name]}")
    total = f"  {'total':<11}{sum(run.counts.values()):>8,}   "
    if counted is None:
        click.echo(total.rstrip())
    else:
        told = ", ".join(f"{counted.get(n, 0):,} {n}" for n in list(_MEANINGS)[:3])
        verdict = "the same" if _agrees(run, counted) else "NOT the same"
        click.echo(f"{total}the server itself counted {told}: {verdict}")
    click.echo()


def _print_findings(run: Run) -> None:
    from smtpbook.codes.explain import explain
    from smtpbook.insight.summaries import most_frequent_refusal
    from smtpbook.tables.latency import slowest_command

    slowest = slowest_command(run.log)
    if slowest is not None:
        verb, median, p95 = slowest
        click.echo(
            f"Slowest command: {verb}, median {1000 * median:.1f} ms, "
            f"p95 {1000 * p95:.1f} ms"
        )
    refusal = most_frequent_refusal(run.log)
    if refusal is not None:
        said = f"{refusal['reply_code']} {refusal['reply_text']}"
        click.echo(
            f"Most frequent refusal: {visible(said, max_chars=80)} "
            f"(to {refusal['verb']}, recipients: {refusal['times']:,})"
        )
        explanation = explain(said, verb=refusal["verb"])
        click.echo(f"  {explanation.meaning}\n  {explanation.remedy}")


def _write_files(run: Run, folder: Path) -> None:
    from smtpbook.log.store import write_log
    from smtpbook.reports.page import write_page
    from smtpbook.reports.pictures import save_pictures
    from smtpbook.reports.sections import content_of
    from smtpbook.tables.outcomes import write_outcomes

    log = run.log
    write_log(log, folder / "events.parquet")
    write_outcomes(log, folder / "outcomes.csv")
    (folder / "transcript.txt").write_text(run.transcript(), encoding="utf-8")
    content = content_of(log, "The sample campaign", {})
    save_pictures(content, folder)
    write_page(content, folder / "report.html")
    names = ", ".join(sorted(path.name for path in folder.iterdir() if path.is_file()))
    click.echo(f"\nWrote {folder}/: {names}")


def _print_next(run: Run, folder: Path) -> None:
    table = run.outcomes
    rejected = table[table["outcome"] == "rejected"]
    # Typed as it was this time: the environment may not be active.
    program = sys.argv[0] if Path(sys.argv[0]).name == "smtpbook" else "smtpbook"
    python = Path(program).with_name("python") if "/" in program else "python"
    click.echo(f"\nNext:\n  open {folder}/report.html in a browser")
    if len(rejected):
        code, text = rejected.iloc[0][["reply_code", "reply_text"]]
        # A stranger's text on a line that is meant to be pasted into a shell.
        said = shlex.quote(f"{code} {visible(text, max_chars=60)}")
        click.echo(f"  {program} explain {said}")
    click.echo(f"  {program} notebooks      # the same, step by step, in JupyterLab")
    log = json.dumps(str(folder / "events.parquet"))
    code = f"import smtpbook as sb; print(sb.reply_codes(sb.read_log({log})))"
    click.echo(f"  {python} -c {shlex.quote(code)}")
