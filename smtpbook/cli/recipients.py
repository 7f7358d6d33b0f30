"""``smtpbook recipients``: read, check, keep and export lists; who is never written to."""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from smtpbook.cli.group import Group
from smtpbook.cli.table import labelled, table
from smtpbook.errors import RecipientsError
from smtpbook.escape import to_cell, visible

if TYPE_CHECKING:
    from smtpbook.log.frame import Log as Frame  # pandas is not at home here
    from smtpbook.recipients.recipients import Recipients

_Command = TypeVar("_Command", bound=Callable[..., Any])

_SHOWN = 20  # problems that are printed
_FIELDS = 6  # columns of a list that are printed
_PASSWORD_IN_URL = re.compile(r"[A-Za-z][\w+]*://[^/\s@]*:[^/\s]+@")
_READING = (
    click.option("--url-from-env", metavar="NAME", help="A database's URL, instead."),
    click.option("--address", metavar="COLUMN", help="The column with the addresses."),
    click.option("--query", help="What to read from a database."),
    click.option("--table", help="What to read from a database, whole."),
    click.option("--sheet", help="Of a spreadsheet."),
    click.option("--encoding", help="Of text; default: found out."),
    click.option("--delimiter", help="Of delimited text; default: found out."),
)


def _reading(command: _Command) -> _Command:
    """Give a command the options that say how a source is read."""
    for option in reversed(_READING):
        command = option(command)
    return command


@click.group(cls=Group, invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def recipients(ctx: click.Context, as_json: bool) -> None:
    """Keep lists of people: list them, or check, save, show and export one."""
    from smtpbook.recipients.saved import list_recipients

    if ctx.invoked_subcommand is not None:
        return
    saved = list_recipients()
    if as_json:
        click.echo(_to_json(saved))
    elif len(saved):
        saved["recipients"] = saved["recipients"].astype(object).fillna("damaged")
        click.echo(table(["name", "recipients", "saved (UTC)"], _rows(saved)))
    else:
        click.echo("no list is saved yet; smtpbook recipients save --help")


@recipients.command("check")
@click.argument("source", required=False)
@_reading
@click.option("--problems", type=click.Path(dir_okay=False), help="Write all here, as CSV.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def check(
    ctx: click.Context,
    /,
    source: str | None,
    problems: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Read a list from SOURCE and say what is wrong with it; nothing is kept.

    SOURCE: a file of any kind, "-", "clipboard", or a database's URL.

    Exit status: 0 every row can be written to, 1 some cannot, 2 it cannot be read.
    """
    people = _read(source, options)
    if problems is not None:
        _write_problems(people.problems, Path(problems))
    if as_json:
        said = {"counts": people.counts, "fields": people.fields}
        rows = json.loads(_to_json(people.problems))
        click.echo(json.dumps(said | {"problems": rows}, indent=1))
    else:
        _tell(people)
        _tell_problems(people.problems, "--problems FILE writes all")
    ctx.exit(1 if people.problems["dropped"].any() else 0)


@recipients.command("save")
@click.argument("name")
@click.argument("source", required=False)
@_reading
@click.option("--overwrite", is_flag=True, help="Replace a list of that name.")
def save(name: str, source: str | None, overwrite: bool, **options: Any) -> None:
    """Read a list from SOURCE and keep it under NAME, with its problems."""
    from smtpbook.recipients.saved import save_recipients

    people = _read(source, options)
    save_recipients(people, name, overwrite=overwrite)
    _tell(people)
    click.echo(f"\nsaved {name!r}")


@recipients.command("show")
@click.argument("name")
@click.option("--rows", type=click.IntRange(0), default=10, show_default=True)
@click.option("--problems", is_flag=True, help="What was wrong with it, too.")
@click.option("--json", "as_json", is_flag=True, help="All its rows, for programs.")
def show(name: str, rows: int, problems: bool, as_json: bool) -> None:
    """Show a saved list."""
    from smtpbook.recipients.saved import load_recipients

    people = load_recipients(name)
    if as_json:
        click.echo(_to_json(people.frame))
        return
    _tell(people)
    shown, left = people.fields[:_FIELDS], people.fields[_FIELDS:]
    if rows and len(people):
        cells = [[row[field] for field in shown] for row in people[:rows]]
        click.echo(f"\n{table(shown, cells)}")
        if len(people) > rows:
            click.echo(f"… and {len(people) - rows:,} more")
        if left:
            click.echo(f"not shown: {visible(', '.join(left))}")
    if problems:
        _tell_problems(people.problems, "--json shows everything")


@recipients.command("remove")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove(name: str, yes: bool) -> None:
    """Delete a saved list."""
    from smtpbook.recipients.saved import delete_recipients, load_recipients

    if not yes:
        click.confirm(f"Delete {len(load_recipients(name)):,} recipients?", abort=True)
    delete_recipients(name)
    click.echo(f"deleted {name!r}")


@recipients.command("export")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False),
    help=".csv .xlsx .parquet .json .jsonl; several lists get a sheet each in .xlsx.",
)
@click.option("--overwrite", is_flag=True, help="Replace a file that is there.")
def export(names: tuple[str, ...], out: str, overwrite: bool) -> None:
    """Write saved lists into one file for other programs."""
    from smtpbook.recipients.export import export_recipients
    from smtpbook.recipients.saved import load_recipients

    if Path(out).exists() and not overwrite:
        raise click.UsageError(f"there is a file {out!a} already; --overwrite replaces it")
    lists = {name: load_recipients(name) for name in names}
    export_recipients(lists if len(lists) > 1 else lists[names[0]], out)
    total = sum(map(len, lists.values()))
    click.echo(f"wrote {visible(out)}: {total:,} recipients")


@recipients.command("suppress")
@click.argument("addresses", nargs=-1, required=True, metavar="ADDRESS...")
@click.option("--reason", default="manual", show_default=True, help="Any word.")
@click.option("--campaign", help="Only in this campaign; default: in all.")
def suppress(addresses: tuple[str, ...], reason: str, campaign: str | None) -> None:
    """Never write to ADDRESS; @x.org is a domain, *.x.org its subdomains."""
    from smtpbook.recipients.suppression import SuppressionList

    stop = SuppressionList.open()
    new = stop.add_many(addresses, reason=reason, campaign=campaign)
    known = len(addresses) - new
    click.echo(f"{new:,} added" + (f", {known:,} were there already" if known else ""))


@recipients.command("suppressed")
@click.argument("addresses", nargs=-1, metavar="[ADDRESS...]")
@click.option("--campaign", help="With ADDRESS: its entries count, too.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def suppressed(addresses: tuple[str, ...], campaign: str | None, as_json: bool) -> None:
    """List who is never written to, or say it of each ADDRESS."""
    from smtpbook.recipients.suppression import SuppressionList

    stop = SuppressionList.open()
    frame = stop.match(addresses, campaign=campaign) if addresses else stop.frame
    if as_json:
        click.echo(_to_json(frame))
        return
    if len(frame):
        headers = [name.replace("_", " ") for name in frame.columns]
        click.echo(table(headers, _rows(frame)))
    else:
        click.echo("none of them is suppressed" if addresses else "nobody is suppressed")
    if not addresses:
        click.echo(f"\nThe file, to be edited by hand: {visible(str(stop.path))}")


# --- reading ------------------------------------------------------------------------------


def _read(source: str | None, options: dict[str, Any]) -> Recipients:
    from smtpbook.recipients.read import read_recipients

    variable = options.pop("url_from_env")
    if (source is None) is (variable is None):
        raise click.UsageError("say what to read: SOURCE, or --url-from-env NAME")
    if source is not None and _PASSWORD_IN_URL.match(source):
        click.echo(
            "note: a password on the command line is seen in the list of processes, and "
            "typed\nit stays in the shell's history; --url-from-env NAME avoids both",
            err=True,
        )
    if variable is not None and not (source := os.environ.get(variable)):
        raise RecipientsError(f"the environment variable {variable!a} is not set")
    assert source is not None
    return read_recipients(source, **options)


# --- showing ------------------------------------------------------------------------------


def _tell(people: Recipients) -> None:
    counts = {name.replace("_", " "): count for name, count in people.counts.items()}
    click.echo(labelled([*counts.items(), ("fields", ", ".join(people.fields))]))


def _tell_problems(problems: Frame, more: str) -> None:
    if not len(problems):
        return
    dropped = problems[problems["dropped"]]
    hints = problems[~problems["dropped"]]
    for title, rows in (("not in the list", dropped), ("in doubt", hints)):
        if len(rows):
            shown = _rows(rows[["rule", "message"]].head(_SHOWN))
            click.echo(f"\n{table([title, 'why'], shown)}")
            if len(rows) > _SHOWN:
                click.echo(f"… and {len(rows) - _SHOWN:,} more; {more}")


def _write_problems(problems: Frame, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(problems.columns)
        for row in _rows(problems):
            writer.writerow(
                to_cell(cell) if isinstance(cell, str) else cell for cell in row
            )


def _rows(frame: Frame) -> Iterator[list[Any]]:
    """Give rows for people: a missing cell is None, a time ends with its minute."""
    cells = frame.astype(object).where(frame.notna(), None)
    for row in cells.itertuples(index=False):
        yield [
            f"{cell:%Y-%m-%d %H:%M}" if hasattr(cell, "strftime") else cell for cell in row
        ]


def _to_json(frame: Frame) -> str:
    return str(frame.to_json(orient="records", date_format="iso", indent=1))
