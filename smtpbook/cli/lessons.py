"""``smtpbook lessons``: list them, hand them out, hold a class, see who is where."""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from smtpbook.cli.group import Group
from smtpbook.cli.table import table

if TYPE_CHECKING:
    from smtpbook.lessons.classroom import Classroom

_EVERY_S: Final = 2.0


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


@lessons.command("hub")
@click.argument("name", default="first-conversation")
@click.option(
    "--students",
    default="30",
    show_default=True,
    metavar="FILE|N",
    help="A file with a name on each line, or how many.",
)
@click.option(
    "--port",
    default=0,
    type=click.IntRange(0, 65535),
    show_default="any free one",
    help="Of the classroom, on 127.0.0.1.",
)
@click.option("--scores", type=click.Path(file_okay=False), help="Folder of score files.")
@click.option(
    "--invitations",
    default="smtpbook-invitations",
    show_default=True,
    type=click.Path(file_okay=False),
    help="Each student's way in is written there, for its owner's eyes.",
)
def hub(name: str, students: str, port: int, scores: str | None, invitations: str) -> None:
    """Hold a class in lesson NAME until Ctrl-C: a lab server for each student.

    A student's kernel finds it by the environment's SMTPBOOK_CLASSROOM: an invitation, or
    the path of the file that holds it.
    """
    from smtpbook.lessons.classroom import Classroom

    with Classroom(_students(students), name, scores=scores, port=port) as classroom:
        written = classroom.write_invitations(invitations)
        click.echo(f"{len(written)} invitations in {invitations}: hand each to its student")
        click.echo(f'try: SMTPBOOK_CLASSROOM="{written[0]}" jupyter lab')
        try:
            _follow(classroom)
        finally:
            for path in written:
                path.unlink(missing_ok=True)
            click.echo(_progress(classroom))


def _students(told: str) -> int | list[str]:
    """Read how many, or who; a file may be called 30."""
    path = Path(told)
    if path.is_file():
        lines = path.read_text("utf-8-sig", "replace").splitlines()
        return [line for line in lines if line.strip()]
    if told.isascii() and told.isdigit():
        return int(told)
    raise click.UsageError(
        f"--students {told!a} is neither a number nor a file with a name on each line"
    )


def _follow(classroom: Classroom) -> None:
    """Show the table whenever it has changed, for ever; in a terminal in one place."""
    if not sys.stdout.isatty():
        threading.Event().wait()
    shown = ""
    while True:
        now = _progress(classroom)
        if now != shown:
            click.clear()
            click.echo(f"{now}\n\nCtrl-C ends the class")
            shown = now
        time.sleep(_EVERY_S)


def _progress(classroom: Classroom) -> str:
    headers = ["student", "port", "at", "solved", "2yz", "3yz", "4yz", "5yz", "last reply"]
    rows = [
        (
            row.student,
            str(row.port),
            row.works_at if isinstance(row.works_at, str) else "done",
            f"{row.solved} of {row.of}",
            *(row.success, row.intermediate, row.transient, row.permanent),
            f"{row.last_command} -> {row.last_reply_code}" if row.sessions else "",
        )
        for row in classroom.progress.itertuples()
    ]
    return table(headers, rows)
