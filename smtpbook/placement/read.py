"""Reading placement: a seed list's mailboxes, joined to the log of what was sent there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from typing import Any, Final

import pandas as pd

from smtpbook.accounts.passwords import FromKeyring, Password, revealed
from smtpbook.bounces.join import log_of
from smtpbook.errors import SMTPBookError, TransportError
from smtpbook.escape import visible
from smtpbook.events import OUTCOMES
from smtpbook.mailboxes.folders import Header
from smtpbook.mailboxes.imap import ImapPlace, is_token
from smtpbook.placement.look import Sighting, look
from smtpbook.placement.received import Hop, hops_of, last_hop
from smtpbook.placement.seeds import Seed, SeedList
from smtpbook.placement.sent import Search, Sent, sent_to
from smtpbook.placement.verdicts import verdicts_in
from smtpbook.progress import show

PLACED: Final = ("inbox", "spam", "elsewhere", "missing")
"""Where a message may be; the first is what one hopes for."""

EVERY_S: Final = 20.0
"""How often mailboxes are looked at again while mail may still come; providers count
logins."""

_MAX_CHARS: Final = 200
_DTYPES: Final[dict[str, Any]] = {
    "address": "string",
    "provider": "string",
    "message_id": "string",
    "campaign_id": "string",
    "arm": "string",
    "outcome": pd.CategoricalDtype(list(OUTCOMES)),
    "sent": "datetime64[us, UTC]",
    "placed": pd.CategoricalDtype(list(PLACED)),
    "folder": "string",
    "tab": "string",
    "labels": "string",
    "delay_s": "float64",
    "receiver": "string",
    "spf": "string",
    "dkim": "string",
    "dmarc": "string",
    "tls": "string",
    "spam_score": "float64",
    "spam_header": "string",
    "problem": "string",
}


def read_placement(
    seeds: SeedList | Iterable[Any],
    campaign: object,
    *,
    wait_s: float = 0,
    progress: bool = True,
) -> pd.DataFrame:
    r"""Tell where the mail to a seed list came to lie, and what receivers found of it.

    Each mailbox is looked at: the inbox, where spam is put (the attribute ``\Junk``, or a
    folder of such a name), then every other folder.  Nothing is marked, moved or deleted.
    Messages are known by their Message-ID; where a server changed it, by what the first
    server called them.

    Parameters
    ----------
    seeds : SeedList
    campaign : Campaign, Run, event log, or several
        What was sent; see `SeedList.send` and `SeedList.recipients`.
    wait_s : float
        For so long mailboxes are looked at again, every 20 s, while something that was
        accepted is missing.
    progress : bool
        Show how many are found.

    Returns
    -------
    DataFrame
        A row for each message to each mailbox, in the list's order; a mailbox to which
        nothing was sent has one with ``message_id`` and ``outcome`` null.

        From the log: ``address``, ``provider``, ``message_id``, ``campaign_id``, ``arm``,
        ``outcome``, and ``sent``, when it was known (UTC).
        ``placed``: ``inbox``, ``spam``, ``elsewhere`` (another folder) or ``missing``; null
        = it was not accepted, or the mailbox could not be read, and ``problem`` says why.
        ``folder``: its name, escaped.  Of Gmail, ``labels``, and for the inbox ``tab``:
        ``primary`` (none of the others), ``promotions``, ``social``, ``updates``,
        ``forums``.
        ``delay_s``: from ``sent`` to the last server's Received, or to when the message
        was stored; both clocks are in it, and Received counts whole seconds.
        ``receiver``, ``spf``, ``dkim``, ``dmarc``: from the receiver's own
        Authentication-Results, and no other; null = it tells nothing.
        ``tls``: of the hop on which the receiver got it, as its Received tells: a version,
        ``TLS`` (which version is not told), ``none``, or null (it does not say).
        ``spam_score`` and the field that has it, ``spam_header``; each filter has a scale
        of its own.

    Raises
    ------
    ColumnError
        The log lacks a column.
    RecipientsError
        `seeds` is no such list.
    TypeError
        `campaign` has no event log.

    See Also
    --------
    inbox_share : how many of them were in the inbox, by provider, with intervals.
    plot_placement : the same as a picture.

    References
    ----------
    RFC 6154 (``\Junk``), RFC 8601 (Authentication-Results), RFC 3848 (TLS in Received).
    """
    return read_again(seeds, campaign, wait_s=wait_s, progress=progress)


def read_again(
    seeds: SeedList | Iterable[Any],
    campaign: object,
    *,
    wait_s: float,
    progress: bool,
    pause: Callable[[float], object] = time.sleep,
) -> pd.DataFrame:
    """Do what `read_placement` does; `pause` is called with the seconds between looks."""
    seeds = seeds if isinstance(seeds, SeedList) else SeedList(seeds)
    messages = sent_to(log_of(campaign), seeds)
    mailboxes = [_Mailbox(seed, messages[seed.key]) for seed in seeds]
    total = sum(len(one.awaited) for one in mailboxes)
    display = show("looking for mail", total, progress=progress)
    left = wait_s
    try:
        while True:
            for mailbox in mailboxes:
                mailbox.look()
                display.update(*_counts(mailboxes))
            if left <= 0 or not any(one.is_waiting for one in mailboxes):
                break
            pause(min(left, EVERY_S))
            left -= EVERY_S
    finally:
        display.close()
    rows = [row for one in mailboxes for row in one.rows()]
    table = pd.DataFrame(rows, columns=list(_DTYPES)).astype(_DTYPES)
    table.attrs["read"] = {
        "mailboxes": len(mailboxes),
        "unread": sum(one.problem is not None for one in mailboxes),
    }
    return table


def _counts(mailboxes: list[_Mailbox]) -> tuple[int, dict[str, int]]:
    places = [of.placed for one in mailboxes for of in one.found.values()]
    return len(places), {name: places.count(name) for name in PLACED[:-1]}


@dataclass(slots=True)
class _Mailbox:
    """A seed's mailbox, the messages to it, and what is found of them."""

    seed: Seed
    messages: list[Sent]
    found: dict[Sent, Sighting] = field(default_factory=dict)
    problem: str | None = None
    is_lost: bool = False
    password: Password = None

    @property
    def awaited(self) -> list[Sent]:
        """What may have come and has not been found."""
        return [one for one in self.messages if one.may_have_come and one not in self.found]

    @property
    def is_waiting(self) -> bool:
        """Whether it is worth looking again; a login that was refused is not repeated."""
        return not self.is_lost and any(one.outcome == "accepted" for one in self.awaited)

    def look(self) -> None:
        """Look for what has not been found."""
        awaited = self.awaited
        search = Search(awaited)
        if self.is_lost or not search:
            return
        try:
            if self.seed.host and self.password is None:
                self.password = _password_of(self.seed)
            for sent, sighting in look(
                self.seed, search, since=_day_before(awaited), password=self.password
            ):
                self.found[sent] = sighting
            self.problem = None
        except (SMTPBookError, OSError) as exc:
            self.problem = visible(str(exc), max_chars=_MAX_CHARS)
            self.is_lost = not isinstance(exc, TransportError)

    def rows(self) -> list[dict[str, Any]]:
        """Give a row for each message, or one where there is none."""
        about = {"address": self.seed.address, "provider": self.seed.provider}
        if not self.messages:
            return [about | {"problem": "the log has no message to this address"}]
        return [about | self._row(sent) for sent in self.messages]

    def _row(self, sent: Sent) -> dict[str, Any]:
        cells = {
            "message_id": sent.message_id,
            "campaign_id": sent.campaign_id,
            "arm": sent.arm,
            "outcome": sent.outcome,
            "sent": sent.time,
        }
        sighting = self.found.get(sent)
        if sighting is not None:
            return cells | _cells_of(sent, sighting, self.seed)
        if not sent.may_have_come:
            return cells | {"problem": f"no server took it: {sent.outcome}"}
        if not Search([sent]):
            return cells | {"problem": "the log has no Message-ID by which to find it"}
        if self.problem is not None:
            return cells | {"problem": self.problem}
        if sent.outcome != "accepted":
            return cells | {"problem": f"it may never have been taken: {sent.outcome}"}
        return cells | {"placed": "missing"}


def _cells_of(sent: Sent, sighting: Sighting, seed: Seed) -> dict[str, Any]:
    header = sighting.header
    hops = hops_of(header.fields)
    hop = last_hop(hops)
    labels = ", ".join(visible(label, max_chars=60) for label in header.labels[:50])
    return {
        "placed": sighting.placed,
        "folder": visible(sighting.folder, max_chars=_MAX_CHARS),
        "tab": header.tab,
        "labels": labels or None,
        "delay_s": _delay_s(sent, hops, header),
        "tls": hop.tls if hop is not None else None,
        **asdict(verdicts_in(header.fields, seed, hops)),
    }


def _delay_s(sent: Sent, hops: list[Hop], header: Header) -> float | None:
    # In numbers: a header may name years that pandas does not know.
    came = hops[0].time if hops else None
    if came is not None:
        arrived = came / 1e6
    elif header.stored is not None:
        arrived = header.stored.timestamp()
    else:
        return None
    return None if sent.time is None else arrived - sent.time.timestamp()


def _password_of(seed: Seed) -> Password:
    """Ask for a password once, however often the mailbox is looked at."""
    if is_token(seed.password):  # it is renewed when it has to be
        return seed.password
    name = ImapPlace.parse(str(seed.source)).name
    return revealed(seed.password) or FromKeyring(name)()


def _day_before(messages: list[Sent]) -> date:
    """Give the day from which to look: servers count days in a time zone of their own."""
    times = [one.time for one in messages if one.time is not None]
    return (min(times) - pd.Timedelta(days=1)).date() if times else date.today() - _WEEK


_WEEK: Final = timedelta(days=7)
