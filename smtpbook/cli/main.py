"""The command ``smtpbook`` and its smaller subcommands.

Exit status: 0 done, 1 not everything was accepted, 2 wrong usage or input, 130 interrupted.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

import smtpbook
from smtpbook.cli.accounts import accounts
from smtpbook.cli.campaigns import compact, outcomes, resume, retry, send, status
from smtpbook.cli.check import check
from smtpbook.cli.demo import demo
from smtpbook.cli.group import Group
from smtpbook.cli.lab import lab
from smtpbook.cli.lessons import lessons
from smtpbook.cli.moving import export_settings, import_settings
from smtpbook.cli.posture import posture
from smtpbook.cli.probe import probe
from smtpbook.cli.recipients import recipients
from smtpbook.cli.unsubscribes import unsubscribes
from smtpbook.errors import SMTPBookError, near_miss
from smtpbook.lab.behaviours import PLACES
from smtpbook.protocol import connection

# Compiled at installation (HATCH_BUILD_HOOKS_ENABLE=1), or not.
_ENGINE = "Python" if connection.__file__.endswith(".py") else "compiled"


class _Main(Group):
    """Says our own errors in one line."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(130)
        except (SMTPBookError, ValueError) as exc:
            click.echo(f"smtpbook: {exc}", err=True)
            ctx.exit(2)
        except OSError as exc:
            place = f": {exc.filename}" if exc.filename else ""
            click.echo(f"smtpbook: {exc.strerror or exc}{place}", err=True)
            ctx.exit(2)


@click.group(cls=_Main)
@click.version_option(
    smtpbook.__version__,
    prog_name="smtpbook",
    message=f"%(prog)s, version %(version)s (engine: {_ENGINE})",
)
def main() -> None:
    """Send mail, and see every word of the SMTP conversation as data."""


for command in (
    demo,
    send,
    resume,
    retry,
    status,
    outcomes,
    compact,
    lab,
    lessons,
    accounts,
    probe,
    posture,
    check,
    recipients,
    unsubscribes,
    export_settings,
    import_settings,
):
    main.add_command(command)


@main.command()
@click.argument("words", nargs=-1, required=True)
@click.option("--verb", help="The command that drew the reply, such as RCPT.")
@click.option("--host", help="The server that said it.")
@click.option("--json", "as_json", is_flag=True, help="The answer's fields, for programs.")
def explain(
    words: tuple[str, ...], verb: str | None, host: str | None, *, as_json: bool
) -> None:
    """Explain a reply, a command, or a whole dialogue ("-" reads standard input).

    Exit status: 0 it is explained, 2 wrong usage, or nothing that could be explained.
    """
    from smtpbook.codes.explain import explain as explain_reply

    if verb is not None and verb.upper() not in PLACES:
        raise click.UsageError(f"no command {verb!r}{near_miss(verb.upper(), PLACES)}")
    said = sys.stdin.read() if words == ("-",) else " ".join(words)
    explained = explain_reply(said, verb=verb, host=host)
    if as_json:
        click.echo(json.dumps(asdict(explained), indent=1))
    else:
        click.echo(explained)


@main.command()
@click.argument("log", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--out",
    default="report.html",
    show_default=True,
    help="The file to write: .html, .pdf, .md, or with --share .parquet.",
)
@click.option("--title", help="The heading; default: the campaign's name.")
@click.option(
    "--share", is_flag=True, help="No address and no secret in it: pseudonyms instead."
)
def report(log: Path, out: str, title: str | None, *, share: bool) -> None:
    """Write a report of a log: ours, a mail server's, or a campaign's folder.

    With --share it can be given away; --out case.parquet is the log itself, made so.
    """
    from smtpbook.formats.read import read_log
    from smtpbook.reports.report import report as write_report
    from smtpbook.tables.scan import scan_log

    # A campaign's folder may hold more than memory does.
    is_campaign = (log / "events").is_dir()
    read = scan_log(log) if is_campaign else read_log(log)
    click.echo(f"wrote {write_report(read, out, title=title, share=share)}")


@main.command()
@click.option("--out", default="smtpbook-notebooks", show_default=True, help="The folder.")
def notebooks(out: str) -> None:
    """Copy the notebooks into a folder, ready to open in JupyterLab."""
    from smtpbook.samples import share_path

    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    for source in sorted(share_path("notebooks").glob("*.ipynb")):
        target = folder / source.name
        if target.exists():
            click.echo(f"kept  {target} (it is already there)")
        else:
            shutil.copyfile(source, target)
            click.echo(f"wrote {target}")
    click.echo(f"next: jupyter lab {folder}")
