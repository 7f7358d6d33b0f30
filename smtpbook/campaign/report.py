"""Report: what a send was set up to do and what came of it, as a table, a page, a mail.

It is what MaxBulk Mailer's users know as the delivery report: setup, servers, timing and
results, sizes.  All of it comes from the event log and the campaign's settings; charts are
for `insight`.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pandas as pd

from smtpbook.accounts.account import Account
from smtpbook.campaign.figures import Item, figures
from smtpbook.delivery.run import Run
from smtpbook.escape import to_html, visible
from smtpbook.folder.letter import freeze_letter
from smtpbook.messages.template import Template
from smtpbook.pacing.retry import Retry
from smtpbook.states import INK, STATES, state, told
from smtpbook.wording import lasting

if TYPE_CHECKING:
    from smtpbook.campaign.known import Known

PREFIX: Final = "[Report]"
_MAX_CHARS: Final = 300  # of one text
_CSS: Final = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto;
  padding: 0 1rem; color: CanvasText; background: Canvas; }
table { width: 100%; }
"""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class DeliveryReport:
    """What a send, or a whole campaign, was set up to do and what came of it.

    Printed it is plain text; in a notebook it is a table.

    Attributes
    ----------
    campaign : str
    counts : mapping of str to int
        How many recipients stand where.
    items : tuple of (str, str, str)
        Section, item, value.
    sender : str
        Who the letter was from, and so is the report when it is mailed.
    """

    campaign: str
    counts: Mapping[str, int]
    items: tuple[Item, ...]
    sender: str

    @property
    def title(self) -> str:
        """The report in a line, such as "november: ✓ 12 accepted, ✗ 1 rejected"."""
        return f"{visible(self.campaign)}: {told(self.counts) or 'nobody was written to'}"

    @property
    def frame(self) -> pd.DataFrame:
        """The report as a table: ``section``, ``item``, ``value`` (string)."""
        names = ["section", "item", "value"]
        return pd.DataFrame(list(self.items), columns=names, dtype="string")

    @property
    def setup(self) -> dict[str, str]:
        """What the send was set up to do, by item; what `smtpbook.report` takes."""
        given: dict[str, list[str]] = {}
        for section, item, value in self.items:
            if section in ("Setup", "List and letter"):
                given.setdefault(item, []).append(value)
        return {item: "; ".join(values) for item, values in given.items()}

    def _sections(self) -> Iterator[tuple[str, list[tuple[str, str]]]]:
        for section in dict.fromkeys(one for one, _, _ in self.items):
            yield (
                section,
                [(item, value) for of, item, value in self.items if of == section],
            )

    def __str__(self) -> str:
        lines = [self.title]
        for section, rows in self._sections():
            lines += ["", _shown(section)]
            width = max(len(_shown(item)) for item, _ in rows)
            lines += [f"  {_shown(i):<{width}}  {_shown(v)}".rstrip() for i, v in rows]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f'<div style="{INK}">{self._body()}</div>'

    def _body(self) -> str:
        """Give the report as HTML that needs no style sheet, as mail programs want it."""
        left = "text-align: left; vertical-align: top; padding: .15em 1em .15em 0"
        parts = [f"<h2>{to_html(self.title)}</h2>"]
        for section, rows in self._sections():
            cells = "".join(
                f'<tr><th scope="row" style="{left}; font-weight: normal; width: 17em">'
                f'{_item_html(section, item)}</th><td style="{left}; overflow-wrap: '
                f'anywhere">{to_html(_shown(value))}</td></tr>'
                for item, value in rows
            )
            parts.append(
                f'<h3 style="margin: 1.2em 0 .2em">{to_html(_shown(section))}</h3>'
                f'<table style="color: inherit; border-collapse: collapse">'
                f"<tbody>{cells}</tbody></table>"
            )
        return "\n".join(parts)

    def to_html(self, path: str | os.PathLike[str]) -> Path:
        """Write the report as an HTML file that needs no other.

        Returns
        -------
        Path
            The file written; one that was there is replaced.

        Raises
        ------
        OSError
            It cannot be written.
        """
        page = (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            # Even if something foreign slipped through: nothing is run or fetched.
            '<meta http-equiv="Content-Security-Policy" '
            "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
            f"<title>{to_html(self.title)}</title>\n<style>{_CSS}</style>\n</head>\n"
            f"<body>\n{self._body()}\n</body>\n</html>\n"
        )
        path = Path(path)
        path.write_text(page, encoding="utf-8")
        return path

    def send(self, account: Account, to: str) -> Run:
        """Mail the report to yourself, from whom the letter was from.

        Parameters
        ----------
        account : Account
        to : str
            Your own address; nobody else gets anything.

        Returns
        -------
        Run
            Of the report's own message.

        Raises
        ------
        RecipientsError
            `to` is no address.
        TransportError, ReplyError, LocalProtocolError
            No session could be opened; nothing has been sent.
        """
        # A campaign sends it, and knows how to report.
        from smtpbook.campaign.trial import send_to_oneself

        mail = Template(
            header_from=self.sender,
            subject=f"{PREFIX} {{{{ title }}}}",
            text="{{ text }}",
            html="{{ html | safe }}",
            values={"title": self.title, "text": str(self), "html": self._body()},
        )
        return send_to_oneself(mail, account, to, name="report")


def campaign_report(
    campaign: Known, log: pd.DataFrame, counts: Mapping[str, int]
) -> DeliveryReport:
    """Put a report together.

    Parameters
    ----------
    campaign : Known
        Its settings as they are now.
    log : DataFrame
        Event log, of one send or of several.
    counts : mapping of str to int
        How many recipients stand where.
    """
    items = [
        *(("Setup", item, value) for item, value in _setup(campaign)),
        *(("Results", name, value) for name, value in _results(counts)),
        *figures(log),
        *(("List and letter", item, value) for item, value in _content(campaign)),
        *(("Software", item, value) for item, value in _software()),
    ]
    return DeliveryReport(
        campaign=campaign.name,
        counts=dict(counts),
        items=tuple(items),
        sender=campaign.letter.header_from,
    )


def _setup(campaign: Known) -> Iterator[tuple[str, str]]:
    whole = sum(campaign.accounts.values())
    yield "campaign", campaign.name
    yield "id", campaign.id
    for account, share in campaign.accounts.items():
        part = (
            "" if len(campaign.accounts) == 1 else f", {share / whole:.0%} of the messages"
        )
        place = f"{account.place}, tls={account.tls}"
        yield "account", f"{account.name} at {place}{part}"
    yield "from", campaign.letter.header_from
    yield "subject", campaign.letter.subject
    settings = campaign.settings
    yield "pace", str(settings.pace)
    each = settings.messages_per_connection
    after = "" if each is None else f", a new one after {each:,} messages"
    yield "connections", f"at most {settings.connections}{after}"
    yield "retry", "no: one try each" if settings.retry is None else _told(settings.retry)
    if settings.together is not None:
        together = settings.together
        yield "together", f"{together.size} recipients at most, by {together.show}"
    for rule in settings.stop_when:
        yield "stops when", str(rule)


def _told(retry: Retry) -> str:
    tries = retry.max_attempts
    end = f"until {lasting(retry.give_up_s)} after the first try"
    return end if tries is None else f"{end}, at most {tries} tries"


def _results(counts: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    total = sum(counts.values())
    for name, n in counts.items():
        if n:
            yield name, f"{n:,} ({n / total:.1%}): {state(name).meaning}"
    yield "all", f"{total:,}"


def _content(campaign: Known) -> Iterator[tuple[str, str]]:
    people, letter = campaign.people, campaign.letter
    yield "list", f"{len(people):,} recipients; fields: {', '.join(people.fields)}"
    yield "list, SHA-256 of its addresses", _digest(f"{one}\n" for one in people.addresses)
    yield "letter", repr(letter)
    plain, _ = freeze_letter(letter)
    described = json.dumps(plain, sort_keys=True, default=str)
    yield "letter, SHA-256 of its description", _digest([described])


def _digest(texts: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for text in texts:
        digest.update(text.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _software() -> Iterator[tuple[str, str]]:
    try:
        own = version("smtpbook")
    except PackageNotFoundError:  # a checkout that was not installed
        own = "(not installed)"
    yield "smtpbook", own
    yield "Python", f"{platform.python_version()} on {platform.system()}"


def _shown(text: str) -> str:
    if text in STATES:
        return str(STATES[text])
    return visible(text, max_chars=_MAX_CHARS)


def _item_html(section: str, item: str) -> str:
    if section == "Results" and item in STATES:
        return STATES[item].to_html()
    return to_html(_shown(item))
