"""``smtpbook export`` and ``smtpbook import``: the settings, to another computer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from smtpbook.cli.table import table
from smtpbook.escape import visible

if TYPE_CHECKING:
    from smtpbook.moving.moved import Moved


@click.command("export")
@click.argument("file", type=click.Path(dir_okay=False))
@click.option("--overwrite", is_flag=True, help="Replace a file that is there.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def export_settings(ctx: click.Context, file: str, overwrite: bool, as_json: bool) -> None:
    """Write accounts (without passwords), lists and suppressions into FILE.

    Exit status: 1 if something had to be left out.
    """
    from smtpbook.moving import outgoing

    if Path(file).exists() and not overwrite:
        raise click.UsageError(f"there is a file {file!a} already; --overwrite replaces it")
    moved = outgoing.export_settings(file, overwrite=overwrite)
    _tell(moved, as_json)
    if not as_json:
        click.echo(
            f"\nwrote {visible(file)}: people's addresses, no passwords. On the other "
            f"computer:\nsmtpbook import {visible(Path(file).name)}"
        )
    ctx.exit(0 if moved.is_complete else 1)


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option("--overwrite", is_flag=True, help="Replace accounts and lists of that name.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def import_settings(ctx: click.Context, file: str, overwrite: bool, as_json: bool) -> None:
    """Take over what FILE of smtpbook export holds.

    Suppressions are merged, never lost; accounts and lists that are here are kept.  Import
    only what somebody you trust has exported: an account says where a password is sent.

    Exit status: 1 if something was kept or refused.
    """
    from smtpbook.moving import incoming

    moved = incoming.import_settings(file, overwrite=overwrite)
    _tell(moved, as_json)
    if not as_json and any(item.done == "kept" for item in moved.items):
        click.echo("\n--overwrite replaces what was kept.")
    if not as_json and moved.need_password:
        click.echo("\nPasswords did not travel; give them again:")
        for name in moved.need_password:
            click.echo(f"  smtpbook accounts password {visible(name)!r}")
    ctx.exit(0 if moved.is_complete else 1)


def _tell(moved: Moved, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([item._asdict() for item in moved.items], indent=1))
    elif moved.items:
        headers = ["kind", "name", "done", "about"]
        click.echo(table(headers, [item[:4] for item in moved.items]))
    else:
        click.echo("nothing is saved yet")
