"""``smtpbook lab``: the lab server in a terminal, with every word as it is said."""

from __future__ import annotations

import threading

import click

from smtpbook.errors import near_miss
from smtpbook.escape import visible
from smtpbook.events import Event
from smtpbook.lab.scenarios import SCENARIOS


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
        for one in SCENARIOS.values():
            click.echo(f"{one.name:<16} {one.about}")
        return
    if scenario not in SCENARIOS:
        raise click.UsageError(
            f"no scenario {scenario!r}{near_miss(scenario, SCENARIOS)}; see --list"
        )
    said = None if quiet or talks else _print
    with Lab(
        scenario, seed=seed, speed=speed, port=port, maildir=maildir, record=said
    ) as server:
        if talks:
            run_console(server)
            return
        click.echo(f"{server.scenario.about}")
        click.echo(f"listening on 127.0.0.1:{server.port}; certificate: {server.ca_file}")
        click.echo(f"try: swaks --server 127.0.0.1:{server.port} --to ann@lab.test")
        if web is not None:
            click.echo(f"mailbox: {server.web(web)}")
        try:
            threading.Event().wait()
        finally:
            told = ", ".join(f"{n} {name}" for name, n in server.counts.items()) or "nobody"
            click.echo(f"\n{len(server.received)} messages; recipients: {told}")


def _print(event: Event) -> None:
    at = event.time.strftime("%H:%M:%S.%f")[:-3]
    if event.command is not None:
        click.echo(f"{at} {event.session_id:<8} -> {visible(event.command)}")
    if event.reply_code is not None:
        for line in (event.reply_text or "").split("\n"):
            click.echo(f"{at} {event.session_id:<8} <- {event.reply_code} {line}")
