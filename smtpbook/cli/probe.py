"""``smtpbook probe``: try a server or a saved account, see every word, explained."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import click

from smtpbook.cli.table import labelled
from smtpbook.errors import near_miss
from smtpbook.escape import visible

if TYPE_CHECKING:
    from smtpbook.accounts.account import Account
    from smtpbook.events import Event
    from smtpbook.log.frame import Log as Frame  # pandas is not at home here

_HOST_AND_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.%]+)\]|([^:\s]+))(?::([0-9]{1,5}))?")


@click.command()
@click.argument("target", metavar="[NAME|HOST[:PORT]]", required=False)
@click.option(
    "--preset", help="A provider instead; smtpbook accounts providers names them."
)
@click.option("--region", help="Where a provider has a server in each.")
@click.option("--tls", type=click.Choice(["implicit", "starttls", "none", "opportunistic"]))
@click.option(
    "--username", help="Log in; the password is asked for, or SMTPBOOK_PASSWORD's."
)
@click.option("--auth", help="A SASL mechanism; default: the strongest that fits.")
@click.option("--ca-file", type=click.Path(exists=True), help="Certificates, as PEM.")
@click.option("--proxy", metavar="URL", help="Such as socks5h://user@proxy.example:1080.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=15.0,
    show_default=True,
    help="Seconds for each step.",
)
@click.option("--json", "as_json", is_flag=True, help="The event log's rows, for programs.")
@click.pass_context
def probe(
    ctx: click.Context,
    /,
    target: str | None,
    preset: str | None,
    region: str | None,
    timeout: float,
    as_json: bool,
    **fields: Any,
) -> None:
    """Connect, greet, encrypt, log in and say QUIT; nothing is sent.

    A saved account's NAME goes before a HOST of that name.

    Exit status: 0 all went well, 1 something failed, 2 wrong usage.
    """
    from smtpbook.insight.explain_probe import explain_probe
    from smtpbook.session.probe import probe as try_account

    given = {key: value for key, value in fields.items() if value is not None}
    if (target is None) is (preset is None):
        raise click.UsageError("say what to try: a saved account, HOST[:PORT] or --preset")
    if region is not None and preset is None:
        raise click.UsageError("--region goes with --preset")
    if preset is not None:
        account = _of_preset(preset, region, given)
    else:
        account = _of_target(str(target), given)
    log = try_account(account, patience_s=timeout, on_event=None if as_json else _print)
    if as_json:
        click.echo(
            log.to_json(orient="records", date_format="iso", date_unit="us", indent=1)
        )
    else:
        click.echo()
        _tell(explain_probe(log))
        said = log.attrs.get("error")
        click.echo(f"\nfailed: {visible(said)}" if said else "\nit works; nothing was sent")
    ctx.exit(1 if "error" in log.attrs else 0)


def _of_preset(preset: str, region: str | None, given: dict[str, Any]) -> Account:
    from smtpbook.accounts.account import Account
    from smtpbook.presets.provider import find_provider

    is_address = "@" in preset
    if "username" in given or is_address:
        given["password"] = _password(given.get("username", preset))
    elif find_provider(preset).username is not None:
        raise click.UsageError(f"--preset {preset} logs in; say --username, too")
    return Account.preset(preset, region=region, **given)


def _of_target(target: str, given: dict[str, Any]) -> Account:
    from smtpbook.accounts.account import Account
    from smtpbook.accounts.store import list_accounts, load_account

    names = list_accounts()
    if target in names:
        account = load_account(target)
        if given.get("username", account.username) != account.username:
            given["password"] = _password(given["username"])
        return account.replace(**given)
    match = _HOST_AND_PORT.fullmatch(target)
    hint = near_miss(target, names)
    if match is None or (hint and "." not in target and match[3] is None):
        raise click.UsageError(f"no saved account {target!a}, and no HOST[:PORT]{hint}")
    if "username" in given:
        given["password"] = _password(given["username"])
    return Account(host=match[1] or match[2], port=int(match[3] or 0), **given)


def _password(username: str) -> Any:
    from smtpbook.accounts.passwords import FromEnvironment, FromPrompt

    if os.environ.get("SMTPBOOK_PASSWORD"):
        return FromEnvironment("SMTPBOOK_PASSWORD")
    return FromPrompt()(username)


def _print(event: Event) -> None:
    """Print what has just happened, as a transcript has it; in the sender's thread."""
    from smtpbook.log.frame import to_frame
    from smtpbook.log.transcript import transcript

    for line in transcript(to_frame([event.to_row()])).splitlines()[1:]:
        click.echo(line)


def _tell(steps: Frame) -> None:
    for step, said, meaning, advice in steps.itertuples(index=False):
        told = "\n".join(filter(None, (said, meaning, advice and f"→ {advice}")))
        click.echo(labelled([(step, told)]))
