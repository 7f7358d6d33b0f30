"""``smtpbook check``: a sender's domain as receivers see it, row by row, with remedies."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from smtpbook.cli.table import table
from smtpbook.palette import GREEN, GREY, ORANGE, VERMILLION

if TYPE_CHECKING:
    from smtpbook.log.frame import Log as Frame  # pandas is not at home here
    from smtpbook.reports.content import Section

_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
# How remedies and evidence name what is given: check_domain('x.example'),
# check_domain(…, ip=…), check_domain(…, probe_mx=True), zone= was given.
_CALL: Final = re.compile(
    r"check_domain\((?:'([^']+)'|…, (\w+)=(…|True))\)|\b(zone|reverse_path)=(?= was)"
)
# The sections of the page, in the order of urgency.
_SECTIONS: Final = {
    "fail": ("What fails", VERMILLION),
    "warn": ("What might be better", ORANGE),
    "unknown": ("What is not known", GREY),
    "pass": ("What is well", GREEN),
}


@click.command()
@click.argument("domain")
@click.option("--ip", help="The address from which the mail reaches receivers.")
@click.option(
    "--selector", multiple=True, help="Of a DKIM key; several may be given, one by one."
)
@click.option("--helo", help="What that machine calls itself.")
@click.option("--reverse-path", help="Address or domain that bounces go to.")
@click.option("--account", help="A saved account: its server is connected to.")
@click.option("--message", type=_FILE, help="A message as it is sent (.eml), signed.")
@click.option("--zone", type=_FILE, help="A zone file to ask, in place of name servers.")
@click.option(
    "--probe-mx", is_flag=True, help="Ask the domain's mail hosts whom they take."
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    help="Seconds for everything together.",
)
@click.option(
    "--volume",
    type=click.IntRange(min=0),
    help="Messages a day to the readers of a large provider: which of its rules apply.",
)
@click.option("--json", "as_json", is_flag=True, help="The rows, for programs.")
@click.option(
    "--html", type=click.Path(dir_okay=False, path_type=Path), help="Write a page."
)
@click.pass_context
def check(
    ctx: click.Context,
    /,
    domain: str,
    selector: tuple[str, ...],
    account: str | None,
    message: Path | None,
    timeout: float,
    volume: int | None,
    html: Path | None,
    *,
    as_json: bool,
    **fields: Any,
) -> None:
    """Look at a DOMAIN as receivers will, before anything is sent.

    Names, SPF, DKIM, DMARC, reverse DNS, blocklists, TLS; each with what was found, who
    asks for it and what to publish.

    Exit status: 0 nothing fails, 1 something does, 2 wrong usage or input.
    """
    from smtpbook.accounts.store import load_account
    from smtpbook.deliverability.check_domain import check_domain

    found = check_domain(
        domain,
        selector=selector,
        account=None if account is None else load_account(account),
        message=None if message is None else message.read_bytes(),
        patience_s=timeout,
        **fields,
    )
    if html is not None:
        _write_page(domain, found, html)
    if as_json:
        click.echo(found.to_json(orient="records", indent=1, force_ascii=False))
    else:
        _tell(found)
        _tell_rules(found, volume)
        if html is not None:
            click.echo(f"wrote {html}")
    ctx.exit(1 if (found["verdict"] == "fail").any() else 0)


def _tell(found: Frame) -> None:
    rows = []
    for check_name, verdict, evidence, remedy, source in _cells(found):
        text = evidence
        if remedy:
            text += f"\n→ {remedy}"
        if source and verdict != "pass":
            text += f"\n({source})"
        rows.append((verdict, check_name, text))
    click.echo(table(["verdict", "check", "what was found"], rows))
    counts = found["verdict"].value_counts(sort=False)
    click.echo("\n" + ", ".join(f"{n} {verdict}" for verdict, n in counts.items() if n))


def _tell_rules(found: Frame, volume: int | None) -> None:
    """Name the rules of large providers that are missed."""
    from smtpbook.preflight.requirements import requirements

    rules = requirements(found, volume=volume)
    missed = rules[(rules["verdict"] == "fail") & rules["applies"].fillna(value=True)]
    rows = [
        (row["provider"], row["rule"], f"{row['asks']}\n({row['source']})")
        for row in missed.to_dict("records")
    ]
    if rows:
        click.echo("\nrules of large providers that are missed:")
        click.echo(table(["provider", "rule", "what it asks"], rows))


def _option(call: re.Match[str]) -> str:
    """Give what the command line calls an argument of `check_domain`."""
    domain, argument, value, other = call.groups()
    if domain:
        return f"smtpbook check {domain}"
    more = " …" if value == "…" else ""
    return f"--{(argument or other).replace('_', '-')}{more}"


def _write_page(domain: str, found: Frame, path: Path) -> None:
    from smtpbook.reports.content import Content, plain
    from smtpbook.reports.page import write_page

    sections = tuple(
        section for verdict in _SECTIONS if (section := _section(found, verdict))
    )
    title = f"{plain(domain)}: a sender, {datetime.now(UTC):%Y-%m-%d}"
    write_page(Content(title=title, sections=sections), path)


def _section(found: Frame, verdict: str) -> Section | None:
    from smtpbook.reports.content import Facts, Heading, Section

    title, color = _SECTIONS[verdict]
    blocks: list[Heading | Facts] = []
    for name, _, evidence, remedy, source in _cells(found[found["verdict"] == verdict]):
        labelled = (("found", evidence), ("next", remedy), ("asked for by", source))
        rows = tuple((label, text) for label, text in labelled if text)
        blocks += [Heading(text=name), Facts(rows=rows, color=color)]
    return Section(title=title, blocks=tuple(blocks)) if blocks else None


def _cells(found: Frame) -> list[tuple[str, str, str, str, str]]:
    """Give the rows, in the command line's words; what is null is empty."""
    rows = found.astype(object).fillna("").itertuples(index=False, name=None)
    return [
        (name, verdict, _CALL.sub(_option, evidence), _CALL.sub(_option, remedy), source)
        for name, verdict, evidence, remedy, source in rows
    ]
