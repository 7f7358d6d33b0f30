"""``smtpbook accounts``: where to log in, kept between runs; and what providers want.

A password is never an argument: it is typed unseen, or stays where it is and is only named.
"""

from __future__ import annotations

import json
import os
import warnings
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from smtpbook.cli.group import Group
from smtpbook.cli.table import labelled, table
from smtpbook.errors import LocalProtocolError
from smtpbook.escape import visible

if TYPE_CHECKING:
    from smtpbook.accounts.account import Account
    from smtpbook.presets.provider import Provider

_KEYRING = "keyring"
_OTHER_WAYS = (
    "on the command line that is --password-from env:NAME, or --password-from prompt to be "
    "asked at each login"
)


@click.group(cls=Group, invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def accounts(ctx: click.Context, as_json: bool) -> None:
    """Keep accounts: list them, or add, show and remove one."""
    from smtpbook.accounts.store import list_accounts

    if ctx.invoked_subcommand is not None:
        return
    rows = [_row(name) for name in list_accounts()]
    if as_json:
        click.echo(json.dumps(rows, indent=1))
    elif rows:
        headers = ["name", "server", "port", "tls", "password", "username"]
        click.echo(table(headers, [[row.get(key) for key in headers] for row in rows]))
        for row in rows:
            if "error" in row:
                click.echo(f"\n{visible(str(row['error']))}", err=True)
    else:
        click.echo("no account is saved yet; smtpbook accounts add --help")


@accounts.command("show")
@click.argument("name")
def show(name: str) -> None:
    """Show a saved account, and what is known about its provider."""
    from smtpbook.accounts.store import load_account

    click.echo(_described(load_account(name)))


@accounts.command("add")
@click.argument("name")
@click.option("--preset", help="A provider; smtpbook accounts providers names them.")
@click.option("--region", help="Where a provider has a server in each.")
@click.option("--host", help="The server, without --preset.")
@click.option("--port", type=click.IntRange(1, 65535), help="Default: the usual one.")
@click.option("--protocol", type=click.Choice(["smtp", "lmtp"]), help="Default: smtp.")
@click.option("--tls", type=click.Choice(["implicit", "starttls", "none", "opportunistic"]))
@click.option("--username", help="Without one, there is no login.")
@click.option("--auth", help="A SASL mechanism; default: the strongest that fits.")
@click.option("--ca-file", type=click.Path(exists=True), help="Certificates, as PEM.")
@click.option("--proxy", metavar="URL", help="Such as socks5h://user@proxy.example:1080.")
@click.option(
    "--password-from",
    "origin",
    metavar="keyring|env:NAME|prompt",
    help="keyring: typed now, unseen, and kept there (the default). env:NAME: read from "
    "that variable at each login. prompt: typed at each login.",
)
@click.option("--replace", "may_replace", is_flag=True, help="Replace one of that name.")
def add(
    name: str,
    preset: str | None,
    region: str | None,
    origin: str | None,
    may_replace: bool,
    **fields: Any,
) -> None:
    """Save an account under NAME; its password goes into the keyring."""
    from smtpbook.accounts.store import list_accounts, load_account

    if name in list_accounts() and not may_replace:
        raise click.UsageError(
            f"there is an account {name!r} already; choose another name, or say --replace"
        )
    given = {key: value for key, value in fields.items() if value is not None}
    if (preset is None) is (fields["host"] is None):
        raise click.UsageError("say either --preset or --host")
    if region is not None and preset is None:
        raise click.UsageError("--region goes with --preset")
    if preset is not None and origin in (None, _KEYRING):
        given.setdefault("auth", "auto")  # a password is typed, also where tokens are usual
    account = _make(preset, region, given)
    if origin is not None and account.username is None:
        raise click.UsageError("--password-from goes with --username")
    _save(account, name, origin)
    click.echo(f"saved {name!r}\n{_described(load_account(name))}")
    click.echo(f"\nTry it, without sending anything: smtpbook probe {visible(name)!r}")


@accounts.command("password")
@click.argument("name")
@click.option(
    "--password-from", "origin", metavar="keyring|env:NAME|prompt", help="As for add."
)
def password(name: str, origin: str | None) -> None:
    """Give a saved account its password, as after an import."""
    from smtpbook.accounts.store import load_account

    account = load_account(name)
    if account.username is None:
        raise click.UsageError(f"{name!a} has no username, so it needs no password")
    if _is_token(account):
        raise click.UsageError(
            f"{name!a} logs in by an OAuth token; give it a new one in Python, with "
            f"smtpbook.accounts.oauth.authorize"
        )
    _save(account, name, origin)
    click.echo(f"saved {name!r}: password {_password_of(load_account(name))}")


@accounts.command("remove")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove(name: str, yes: bool) -> None:
    """Remove a saved account, and its password from the keyring."""
    from smtpbook.accounts.store import delete_account, list_accounts

    if not yes and name in list_accounts():
        click.confirm(f"Remove {name!r} and its password?", abort=True)
    delete_account(name)
    click.echo(f"removed {name!r}")


@accounts.command("providers")
@click.argument("text", default="")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def providers(text: str, as_json: bool) -> None:
    """List the providers for --preset; with TEXT, all about those that match."""
    from smtpbook.presets.provider import PROVIDERS, find_provider

    wanted = text.strip().lower()
    found = [one for one in PROVIDERS.values() if wanted in _searched(one)]
    if not found:
        found = [find_provider(text)]  # an address, or an error with the near miss
    if as_json:
        click.echo(json.dumps([asdict(one) for one in found], default=str, indent=1))
    elif wanted:
        click.echo("\n\n".join(_about(one) for one in found))
    else:
        rows = [[one.key, one.password_kind, one.per_day, one.host] for one in found]
        click.echo(table(["preset", "password", "a day", "server"], rows))
        click.echo("\nsmtpbook accounts providers TEXT tells more about those that match.")


# --- making one ---------------------------------------------------------------------------


def _make(preset: str | None, region: str | None, given: dict[str, Any]) -> Account:
    from smtpbook.accounts.account import Account

    if preset is None:
        return Account(**given)
    return Account.preset(preset, region=region, **given)


def _save(account: Account, name: str, origin: str | None) -> None:
    from smtpbook.accounts.passwords import FromEnvironment, FromPrompt
    from smtpbook.accounts.store import save_account

    if account.username is not None:
        given: Any
        if origin in (None, _KEYRING):
            if account.advice:
                click.echo(f"{visible(account.advice)}\n", err=True)
            given = FromPrompt()(name)
        elif origin == "prompt":
            given = FromPrompt()
        elif origin is not None and origin.startswith("env:"):
            given = FromEnvironment(origin.removeprefix("env:"))
        else:
            # What stands there may be the password itself: it is not repeated.
            raise click.UsageError("--password-from takes keyring, env:NAME or prompt")
        with warnings.catch_warnings():
            # What it would warn of is in the advice above.
            warnings.simplefilter("ignore", UserWarning)
            account = account.replace(password=given)
    try:
        save_account(account, name)
    except LocalProtocolError as exc:
        raise LocalProtocolError(f"{exc}; {_OTHER_WAYS}") from None


# --- showing one --------------------------------------------------------------------------


def _row(name: str) -> dict[str, object]:
    from smtpbook.accounts.store import load_account

    try:
        account = load_account(name)
    except ValueError as exc:
        return {"name": name, "server": "cannot be read", "error": str(exc)}
    return {
        "name": name,
        "server": account.host,
        "port": account.port,
        "tls": account.tls,
        "username": account.username,
        "password": _password_of(account),
    }


def _password_of(account: Account) -> str | None:
    """Say where the password is; the keyring is not asked."""
    from smtpbook.accounts.passwords import FromEnvironment, FromPrompt

    match account.password:
        case _ if account.username is None:
            return None
        case FromEnvironment(variable):
            return f"${variable}" + ("" if os.environ.get(variable) else " (not set)")
        case FromPrompt():
            return "asked for"
        case _ if _is_token(account):
            return "OAuth token"
    return "in the keyring"


def _is_token(account: Account) -> bool:
    from smtpbook.accounts.store import SavableToken

    return isinstance(account.password, SavableToken)


def _described(account: Account) -> str:
    from smtpbook.sasl.registry import WITHOUT_NAME

    provider = account.provider
    logs_in = account.username is not None or account.auth.upper() in WITHOUT_NAME
    return labelled(
        [
            ("server", account.place),
            ("protocol", account.protocol),
            ("tls", account.tls),
            ("username", account.username or (None if logs_in else "none: no login")),
            ("password", _password_of(account)),
            ("auth", account.auth if logs_in else None),
            ("helo", account.helo),
            ("from address", account.source_address),
            ("proxy", account.proxy),
            ("certificates", account.ca_file),
            ("identified by", account.client_certificate),
            ("pinned", ", ".join(account.pin) or None),
            ("provider", provider.title if provider else None),
            ("a day", provider.per_day if provider else None),
            ("to know", account.advice),
        ]
    )


def _searched(provider: Provider) -> str:
    words = (provider.key, provider.title, *provider.aliases, *provider.domains)
    return "\n".join((*words, provider.host)).lower()


def _about(provider: Provider) -> str:
    source = f"{provider.source} (read {provider.date})"
    limit = provider.limit_source
    return labelled(
        [
            ("preset", provider.key),
            ("provider", provider.title),
            ("server", f"{provider.host}:{provider.port}, tls {provider.tls}"),
            ("auth", provider.auth if provider.auth != "auto" else None),
            ("username", provider.username),
            ("password", provider.password_kind),
            ("a day", provider.per_day if provider.per_day else "not published"),
            ("a connection", provider.per_connection),
            ("to know", provider.hint),
            ("source", source if limit is None else f"{source}; limits: {limit}"),
        ]
    )
