"""``smtpbook lessons``: list them, hand them out, see who is where."""

from __future__ import annotations

import json
from pathlib import Path

import click

from smtpbook.cli.group import Group
from smtpbook.cli.table import table


@click.group(cls=Group)
def lessons() -> None:
    """Teach SMTP: lessons that grade themselves, offline."""


@lessons.command("list")
@click.option("--json", "as_json", is_flag=True, help="One object for each, for programs.")
def list_them(*, as_json: bool) -> None:
    """List the lessons of the course."""
    from smtpbook.lessons.catalogue import list_lessons

    frame = list_lessons()
    if as_json:
        click.echo(frame.to_json(orient="records", indent=1))
        return
    rows = frame[["number", "lesson", "points", "title"]].itertuples(index=False)
    click.echo(table(["", "lesson", "points", "title"], rows))


@lessons.command("copy")
@click.argument("names", nargs=-1)
@click.option(
    "--out", default="smtpbook-lessons", show_default=True, help="The folder they go to."
)
@click.option(
    "--solutions", is_flag=True, help="The teacher's version, with what is right."
)
def copy(names: tuple[str, ...], out: str, *, solutions: bool) -> None:
    """Write lessons (all, or NAMES) into a folder, ready to open or to hand out."""
    from smtpbook.lessons.notebooks import copy_lessons

    written = copy_lessons(out, *names, solutions=solutions)
    for path in written:
        click.echo(f"wrote {path}")
    if not written:
        click.echo(f"kept  all that are in {out}: they may hold work")
    click.echo(f"next: jupyter lab {out}")


@lessons.command("scores")
@click.argument(
    "where", required=False, type=click.Path(exists=True, path_type=Path), default=None
)
@click.option("--json", "as_json", is_flag=True, help="One object for each, for programs.")
def scores(where: Path | None, *, as_json: bool) -> None:
    """Show what students reached, from their score files at WHERE."""
    from smtpbook.lessons.scores import read_scores

    frame = read_scores(where)
    if as_json:
        frame["solved_at"] = frame["solved_at"].astype("string")
        rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
        click.echo(json.dumps(rows, indent=1))
        return
    shown = frame[["student", "lesson", "exercise", "points", "of", "tries", "hints"]]
    click.echo(table(list(shown.columns), shown.itertuples(index=False)))
