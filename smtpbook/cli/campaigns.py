"""``smtpbook send``, ``resume``, ``retry``, ``status``, ``outcomes``, ``compact``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from smtpbook.cli.table import shown, table
from smtpbook.states import STATES

if TYPE_CHECKING:
    from smtpbook.campaign.campaign import Campaign

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_yes = click.option("--yes", is_flag=True, help="Do not ask first.")
_limit = click.option("--limit", type=click.IntRange(min=0), help="At most so many now.")
_dry_run = click.option(
    "--dry-run", is_flag=True, help="Check every row, say what would be sent, send nothing."
)
_json = click.option("--json", "as_json", is_flag=True, help="For programs.")
_account = click.option(
    "--account", "account", help="A saved account; default: the one it began with."
)
_cluster = click.option(
    "--cluster",
    metavar="ADDRESS",
    help='The Dask cluster whose workers send: "tcp://scheduler:8786".',
)
_processes = click.option(
    "--processes",
    type=click.IntRange(min=1),
    default=1,
    help="So many of this computer send, each some connections.",
)
_Command = TypeVar("_Command", bound="Callable[..., Any]")


def _how(command: _Command) -> _Command:
    """Give a command the options that all have that send."""
    for option in (_json, _processes, _cluster, _yes, _dry_run, _limit):
        command = option(command)
    return command


@click.command()
@click.argument("name")
@click.option("--account", required=True, help="A saved account: smtpbook accounts.")
@click.option("--people", required=True, help="A list: a file, or a saved list's name.")
@click.option("--from", "header_from", required=True, help='"Ann <ann@example.org>"')
@click.option("--subject", required=True, help="Jinja2, on one line.")
@click.option("--text", type=_FILE, help="The text body, Jinja2.")
@click.option("--html", type=_FILE, help="The HTML body, Jinja2.")
@click.option("--markdown", type=_FILE, help="Both bodies, from Markdown.")
@click.option("--attach", "attachments", type=_FILE, multiple=True, help="For everybody.")
@click.option("--never", help="A suppression list.")
@click.option("--pace", help='Such as "100/min" or "50 every 5 min".')
@click.option("--connections", type=click.IntRange(min=1), default=4, show_default=True)
@click.option("--folder", default="campaigns", show_default=True, help="Where it is kept.")
@click.option("--ledger", help='For a cluster: "postgresql://user@host/database".')
@click.option("--events", help='Where its log goes, also "s3://bucket/november".')
@click.option("--test", metavar="ADDRESS", help="Send it to yourself only, as a test.")
@_how
@click.pass_context
def send(
    ctx: click.Context,
    /,
    name: str,
    account: str,
    people: str,
    never: str | None,
    pace: str | None,
    connections: int,
    folder: str,
    ledger: str | None,
    events: str | None,
    test: str | None,
    limit: int | None,
    dry_run: bool,
    yes: bool,
    cluster: str | None,
    processes: int,
    as_json: bool,
    **letter: Any,
) -> None:
    """Begin a campaign: a letter to a list, kept in the folder campaigns/NAME.

    Exit status: 0 all accepted, 1 not everything was, 2 wrong usage, 130 interrupted.
    """
    from smtpbook.accounts.store import load_account
    from smtpbook.campaign.campaign import Campaign
    from smtpbook.messages.template import Template
    from smtpbook.recipients.suppression import SuppressionList

    bodies = {kind: letter.pop(kind) for kind in ("text", "html", "markdown")}
    sources = {
        kind: path.read_text("utf-8") for kind, path in bodies.items() if path is not None
    }
    campaign = Campaign(
        name,
        load_account(account),
        _people(people),
        Template(**letter, **sources),
        pace=pace,
        connections=connections,
        suppress=() if never is None else SuppressionList.open(never),
        folder=folder,
        ledger=ledger,
        events=events,
    )
    if test is not None:
        run = campaign.test(test)
        click.echo(str(run.recipient(test)).partition("\n")[0])
        ctx.exit(0 if run.counts["accepted"] else 1)
    _send(
        ctx,
        campaign,
        yes=yes,
        dry_run=dry_run,
        as_json=as_json,
        limit=limit,
        cluster=cluster,
        processes=processes,
    )


@click.command()
@click.argument("name")
@_account
@_how
@click.pass_context
def resume(ctx: click.Context, /, name: str, account: str | None, **how: Any) -> None:
    """Go on with a campaign after anything: those never tried get their letter.

    Exit status: 0 all accepted, 1 not everything was, 2 wrong usage, 130 interrupted.
    """
    _send(ctx, _open(name, account), **how)


@click.command()
@click.argument("name")
@click.argument("only", nargs=-1)
@_account
@_how
@click.pass_context
def retry(
    ctx: click.Context, /, name: str, only: tuple[str, ...], account: str | None, **how: Any
) -> None:
    """Send to just those again: outcomes, reasons or addresses; default: deferred.

    Exit status: 0 all accepted, 1 not everything was, 2 wrong usage, 130 interrupted.
    """
    _send(ctx, _open(name, account), only=only or ("deferred",), **how)


@click.command()
@click.argument("name")
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a report of it as HTML: setup, servers, timing, sizes, results.",
)
@_account
@_json
def status(name: str, report: Path | None, account: str | None, as_json: bool) -> None:
    """Say how many recipients of a campaign stand where, and who runs it."""
    import json
    from datetime import UTC, datetime

    from smtpbook.folder.folder import CampaignFolder

    if report is not None:
        _open(name, account).report().to_html(report)
    with CampaignFolder.find(name).standings() as standings:
        counts, runner = dict(standings.counts), standings.runner
    if as_json:
        click.echo(json.dumps(counts))
        return
    rows = [
        (shown(name), counts[name], one.meaning)
        for name, one in STATES.items()
        if name in counts
    ]
    click.echo(table(["state", "recipients", "meaning"], rows))
    if runner is not None:
        seen = datetime.fromtimestamp(runner.heartbeat, UTC)
        click.echo(f"\nlast run by process {runner.pid} on {runner.host}, {seen:%F %T} UTC")


@click.command()
@click.argument("name")
@click.option("--only", multiple=True, help="Outcomes or reasons; default: all.")
@_json
def outcomes(name: str, only: tuple[str, ...], as_json: bool) -> None:
    """Say of each recipient of a campaign what became of it, and why."""
    import json

    from smtpbook.folder.folder import CampaignFolder

    with CampaignFolder.find(name).standings() as standings:
        found = [
            one
            for one in standings.outcomes()
            if not only or one.outcome in only or one.reason in only
        ]
    if as_json:
        for one in found:
            click.echo(json.dumps(one._asdict()))
        return
    rows = [
        (one.address, shown(one.outcome), one.reason, one.attempts, one.reply_text)
        for one in found
    ]
    click.echo(table(["recipient", "state", "reason", "tries", "reply"], rows))


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@_json
def compact(names: tuple[str, ...], as_json: bool) -> None:
    """Put the event logs of campaigns into few, well compressed files.

    The logs stay the same, row for row.  A campaign that is being sent is refused.
    """
    import json
    from dataclasses import asdict

    from smtpbook.campaign.compacting import compact

    for name in names:
        done = compact(name, progress=not as_json)
        told = json.dumps({"name": name, **asdict(done)}) if as_json else f"{name}: {done}"
        click.echo(told)


def _open(name: str, account: str | None) -> Campaign:
    from smtpbook.accounts.store import load_account
    from smtpbook.campaign.opening import open_campaign

    return open_campaign(name, None if account is None else load_account(account))


def _people(source: str) -> Any:
    from smtpbook.recipients.read import read_recipients
    from smtpbook.recipients.saved import list_recipients, load_recipients

    if not Path(source).exists() and source in list(list_recipients()["name"]):
        return load_recipients(source)
    return read_recipients(source)


def _send(
    ctx: click.Context,
    campaign: Campaign,
    *,
    yes: bool,
    dry_run: bool,
    as_json: bool,
    limit: int | None,
    cluster: str | None,
    processes: int,
    only: tuple[str, ...] | None = None,
) -> None:
    """Send, or say what would be sent; with JSON, standard output is the program's."""
    if dry_run and as_json:
        found = campaign.preflight(only=only, limit=limit)
        click.echo(found.to_json(orient="records", lines=True), nl=False)
        return
    with (
        redirect_stdout(sys.stderr) if as_json else nullcontext(),
        nullcontext() if cluster is None else _connected(cluster) as client,
    ):
        run = campaign.send(
            only=only,
            limit=limit,
            dry_run=dry_run,
            confirm=False if yes else None,
            cluster=client,
            processes=processes,
        )
    if not dry_run:
        _tell(ctx, campaign, run.counts, as_json=as_json)


def _connected(address: str) -> Any:
    from smtpbook.cluster.workers import connect  # with it comes Dask

    return connect(address)


def _tell(
    ctx: click.Context, campaign: Campaign, counts: dict[str, int], *, as_json: bool
) -> None:
    """Print what this send came to, and where the whole campaign stands."""
    import json

    whole = campaign.counts
    if as_json:
        click.echo(json.dumps({"sent": counts, "campaign": whole}))
    else:
        sent = {name: number for name, number in counts.items() if number}
        rows = [
            (shown(name), sent.get(name, 0), whole.get(name, 0))
            for name in dict.fromkeys([*sent, *whole])
        ]
        click.echo(table(["state", "this send", "campaign"], rows))
    done = set(whole) <= {"accepted", "suppressed"}
    ctx.exit(0 if done else 1)
