"""``smtpbook posture``: how domains' mail hosts greet, offer and encrypt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from smtpbook.cli.table import labelled


@click.command()
@click.argument("domains", nargs=-1, required=True, metavar="DOMAIN…")
@click.option(
    "--zone",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A zone file to ask in place of the name servers.",
)
@click.option("--limit", default=25, show_default=True, help="More domains are refused.")
@click.option(
    "--pause",
    type=click.FloatRange(min=0),
    default=0.5,
    show_default=True,
    help="Seconds from one connection to the next.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=15.0,
    show_default=True,
    help="Seconds for each step.",
)
@click.option("--port", default=25, show_default=True, help="SMTP's, but for tests.")
@click.option("--helo", help="What to call ourselves.")
@click.option("--ca-file", type=click.Path(exists=True), help="Certificates, as PEM.")
@click.option("--json", "as_json", is_flag=True, help="The table's rows, for programs.")
@click.pass_context
def posture(
    ctx: click.Context,
    /,
    domains: tuple[str, ...],
    pause: float,
    timeout: float,
    as_json: bool,
    **options: Any,
) -> None:
    """Look at the mail hosts of DOMAINs: connect, EHLO, STARTTLS, EHLO, QUIT.

    Nothing is sent.  It is for the domains you write to or answer for: who calls at
    thousands of strangers ends on blocklists.

    Exit status: 0 all is well, 1 a host was not reached or falls short of its own policy,
    2 wrong usage.
    """
    from smtpbook.survey.posture import posture as look

    found = look(
        domains, pause_s=pause, patience_s=timeout, progress=not as_json, **options
    )
    text = found.to_json(orient="records", date_format="iso", date_unit="s", indent=1)
    rows: list[dict[str, Any]] = json.loads(text)
    if as_json:
        click.echo(text)
    else:
        click.echo("\n\n".join(map(_told, rows)))
    ctx.exit(1 if any(row["error"] or row["result_type"] for row in rows) else 0)


def _told(row: dict[str, Any]) -> str:
    """Tell of one host."""
    encrypted = [row["tls_version"], row["tls_cipher"]]
    certificate = [
        row["certificate_names"],
        row["certificate_until"] and f"until {row['certificate_until'][:10]}",
        row["certificate_problem"] and f"not accepted: {row['certificate_problem']}",
    ]
    policy = [
        row["mta_sts"] and f"MTA-STS: {row['mta_sts']}",
        row["dane"] and f"DANE: {row['dane']}",
    ]
    wrong = [row["result_type"], row["result"], row["error"]]
    server = row["server"] and f"{row['preference']} {row['server']}"
    return labelled(
        [
            ("domain", row["domain"]),
            ("server", _joined([server, row["server_address"]])),
            ("greeting", row["greeting"]),
            ("extensions", row["tls_extensions"] or row["extensions"]),
            ("TLS", _joined(encrypted)),
            ("certificate", _joined(certificate)),
            ("policy", _joined(policy)),
            ("wrong", _joined(wrong)),
        ]
    )


def _joined(parts: list[str | None]) -> str | None:
    return ", ".join(filter(None, parts)) or None
