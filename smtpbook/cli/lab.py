"""``smtpbook lab``: the lab server in a terminal, with every word as it is said."""

from __future__ import annotations

import os
import threading
from typing import Final

import click

from smtpbook.errors import near_miss
from smtpbook.escape import visible
from smtpbook.events import Event
from smtpbook.lab.scenarios import SCENARIOS
from smtpbook.protocol.verdicts import PROTOCOLS, Protocol

_PASSWORD: Final = "SMTPBOOK_PASSWORD"  # noqa: S105 - where it stands


@click.command()
@click.argument("scenario", default="ordinary")
@click.option(
    "--port",
    default=0,
    type=click.IntRange(0, 65535),
    show_default="any free one",
    help="Port on 127.0.0.1.",
)
@click.option("--seed", default=0, show_default=True, help="Chance is drawn from it.")
@click.option(
    "--speed",
    default=1.0,
    show_default=True,
    type=click.FloatRange(min=0, min_open=True),
    help="The scenario's times are divided by it.",
)
@click.option(
    "--web",
    is_flag=False,
    flag_value=0,
    type=click.IntRange(0, 65535),
    help="Show what is accepted on a web page, at this port or any free one.",
)
@click.option(
    "--maildir", type=click.Path(file_okay=False), help="Keep what is accepted there, too."
)
@click.option(
    "--protocol",
    type=click.Choice(PROTOCOLS),
    default="smtp",
    show_default=True,
    help="With lmtp each recipient gets a reply of its own at the end of the mail data.",
)
@click.option(
    "--user",
    metavar="NAME",
    help=f"Want a login: as NAME, with the password in {_PASSWORD}, or else typed now.",
)
@click.option(
    "--list",
    "--scenario-list",
    "lists",
    is_flag=True,
    help="List the scenarios and leave.",
)
@click.option("--quiet", is_flag=True, help="Do not print the conversations.")
@click.option("--console", "talks", is_flag=True, help="Talk to it, step by step.")
def lab(
    scenario: str,
    port: int,
    seed: int,
    speed: float,
    web: int | None,
    maildir: str | None,
    protocol: Protocol,
    user: str | None,
    *,
    lists: bool,
    quiet: bool,
    talks: bool,
) -> None:
    """Serve the lab server on loopback until Ctrl-C.

    SCENARIO says how it behaves; --list names them.
    """
    from smtpbook.lab.lab import Lab
    from smtpbook.stepping.terminal import run_console

    if lists:
        width = max(map(len, SCENARIOS))
        for one in SCENARIOS.values():
            click.echo(f"{one.name:<{width}}  {one.about}")
        return
    if scenario not in SCENARIOS:
        raise click.UsageError(
            f"no scenario {scenario!r}{near_miss(scenario, SCENARIOS)}; see --list"
        )
    said = None if quiet or talks else _print
    users = None if user is None else {user: _password(user)}
    with Lab(
        scenario,
        seed=seed,
        speed=speed,
        port=port,
        maildir=maildir,
        protocol=protocol,
        users=users,
        record=said,
    ) as server:
        if talks:
            run_console(server)
            return
        click.echo(f"{server.scenario.about}")
        click.echo(f"listening on 127.0.0.1:{server.port}; certificate: {server.ca_file}")
        login = "" if user is None else f" --auth-user {visible(user)}"
        click.echo(
            f"try: swaks --server 127.0.0.1:{server.port} --to ann@lab.test"
            f"{' --protocol LMTP' if protocol == 'lmtp' else ''}{login}"
        )
        if web is not None:
            click.echo(f"mailbox: {server.web(web)}")
        try:
            threading.Event().wait()
        finally:
            told = ", ".join(f"{n} {name}" for name, n in server.counts.items()) or "nobody"
            click.echo(f"\n{len(server.received)} messages; recipients: {told}")


def _password(user: str) -> str:
    """Give the password of the lab's user, which is never an argument."""
    given = os.environ.get(_PASSWORD)
    if given is None:
        given = str(click.prompt(f"Password of {visible(user)}", hide_input=True))
    return given


def _print(event: Event) -> None:
    at = event.time.strftime("%H:%M:%S.%f")[:-3]
    if event.command is not None:
        click.echo(f"{at} {event.session_id:<8} -> {visible(event.command)}")
    if event.reply_code is not None:
        for line in (event.reply_text or "").split("\n"):
            click.echo(f"{at} {event.session_id:<8} <- {event.reply_code} {line}")
