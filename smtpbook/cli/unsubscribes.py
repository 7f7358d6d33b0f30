"""``smtpbook unsubscribes``: make the secret, serve the links, read what came by mail."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from smtpbook.cli.group import Group
from smtpbook.cli.table import labelled, table
from smtpbook.escape import visible

if TYPE_CHECKING:
    from smtpbook.receiver.mailbox import MailedRequest
    from smtpbook.receiver.server import UnsubscribeServer

_Command = TypeVar("_Command", bound=Callable[..., Any])

_SHOWN = 20  # messages without a token that are printed
_FILE = click.Path(dir_okay=False, path_type=Path)
_KEEPING = (
    click.option(
        "--secret", required=True, type=_FILE, help="The file the letters are signed with."
    ),
    click.option(
        "--old-secret",
        "old_secrets",
        multiple=True,
        type=_FILE,
        help="One used before; may be repeated.",
    ),
    click.option(
        "--suppress",
        type=_FILE,
        help="The suppression list; default: the one for all campaigns.",
    ),
)


def _keeping(command: _Command) -> _Command:
    """Give a command the options that say how tokens are read, and where kept."""
    for option in reversed(_KEEPING):
        command = option(command)
    return command


@click.group(cls=Group)
def unsubscribes() -> None:
    """Let readers leave: serve the links of letters, read the mail that came."""


@unsubscribes.command("secret")
@click.argument("path", type=_FILE)
def secret(path: Path) -> None:
    """Make a file PATH with a new secret that letters are signed with."""
    from smtpbook.unsubscribe import Unsubscribe

    made = Unsubscribe.new_secret(path)
    click.echo(f"wrote {visible(str(made))}; keep it as long as letters are about")


@unsubscribes.command("serve")
@click.option("--url", required=True, help="As in the letters: https://….")
@_keeping
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option(
    "--port",
    default=0,
    type=click.IntRange(0, 65535),
    show_default="any free one",
    help="Where to listen.",
)
@click.option("--quiet", is_flag=True, help="Do not print the requests.")
def serve(
    url: str,
    secret: Path,
    old_secrets: tuple[Path, ...],
    suppress: Path | None,
    host: str,
    port: int,
    quiet: bool,
) -> None:
    """Answer the links of letters until Ctrl-C, and keep who followed them.

    Over plain HTTP: put a web server that ends TLS before it, and let that pass the path
    of --url as it is.
    """
    from smtpbook.receiver.server import serve_unsubscribes
    from smtpbook.recipients.suppression import SuppressionList
    from smtpbook.unsubscribe import Unsubscribe

    unsubscribe = Unsubscribe(url=url, secret=secret, old_secrets=old_secrets)
    stop = SuppressionList.open(suppress)

    def tell(server: UnsubscribeServer) -> None:
        click.echo(f"listening on {server.url}")
        click.echo(f"keeping who leaves in {visible(str(stop.path))}")

    serve_unsubscribes(
        unsubscribe,
        stop,
        host=host,
        port=port,
        ready=tell,
        log=_say_nothing if quiet else click.echo,
    )


@unsubscribes.command("read")
@click.argument("mailbox", type=click.Path(path_type=Path))
@click.option("--mailto", required=True, help="As in the letters: the address it came to.")
@_keeping
@click.option("--dry-run", is_flag=True, help="Keep nothing.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def read(
    ctx: click.Context,
    /,
    mailbox: Path,
    mailto: str,
    secret: Path,
    old_secrets: tuple[Path, ...],
    suppress: Path | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Read requests from MAILBOX (.mbox, .eml, a maildir) and keep who asked.

    Exit status: 0 done, 1 some messages hold no token of ours and may need an answer, 2 it
    cannot be read.
    """
    from smtpbook.receiver.mailbox import read_unsubscribes
    from smtpbook.recipients.suppression import SuppressionList
    from smtpbook.unsubscribe import Unsubscribe

    unsubscribe = Unsubscribe(mailto=mailto, secret=secret, old_secrets=old_secrets)
    stop = SuppressionList.open(suppress)
    before = len(stop)
    requests = read_unsubscribes(mailbox, unsubscribe, None if dry_run else stop)
    others = [one.subject for one in requests if one.unsubscribed is None]
    if as_json:
        asked = [one.unsubscribed._asdict() for one in requests if one.unsubscribed]
        click.echo(json.dumps({"unsubscribed": asked, "others": others}, indent=1))
    else:
        _tell(requests, others, None if dry_run else len(stop) - before)
    ctx.exit(1 if others else 0)


def _tell(requests: list[MailedRequest], others: list[str], new: int | None) -> None:
    counts = [
        ("messages", len(requests)),
        ("unsubscribed", len(requests) - len(others)),
        ("new", new),
        ("others", len(others)),
    ]
    click.echo(labelled(counts))
    if others:
        rows = [[subject] for subject in others[:_SHOWN]]
        click.echo(f"\n{table(['no token of ours; subject'], rows)}")
    if len(others) > _SHOWN:
        click.echo(f"… and {len(others) - _SHOWN:,} more; --json shows everything")


def _say_nothing(line: str) -> None:
    """Keep the terminal empty; what could not be kept is said on standard error."""
