"""Seeds: one's own mailboxes at several providers, to which a letter is sent as a test.

Sending is a campaign's affair; reading them is `placement.read`'s.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from smtpbook.accounts.account import Account
from smtpbook.accounts.passwords import Password, check_hidden, hidden, hiding
from smtpbook.campaign.campaign import Campaign
from smtpbook.delivery.run import Run
from smtpbook.errors import RecipientsError, SMTPBookError, near_miss
from smtpbook.escape import to_html, visible
from smtpbook.mailboxes.imap import ImapPlace
from smtpbook.mailboxes.opened import is_on_server
from smtpbook.messages.template import Template
from smtpbook.protocol.addresses import Mailbox
from smtpbook.recipients.read import read_recipients
from smtpbook.recipients.recipients import Recipients
from smtpbook.wording import counted

Path = str | os.PathLike[str]
if TYPE_CHECKING:
    Row = Mapping[str, Any] | pd.Series[Any]

_SHOWN: Final = 20


@hiding(password=hidden)
@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """A mailbox of one's own.

    Attributes
    ----------
    address : str
    source : path, URL, or mapping of str to path
        Where it is read: a mailbox on a server (``imaps://user@host``), whose folders are
        all looked at; a maildir, with its folders, or an mbox; or by each folder's name, as
        ``{"INBOX": "inbox.mbox", "Junk": "junk.mbox"}``, the path of either.
    provider : str
        What tables and charts call it.  Default: the address's domain.
    password : Secret, callable or str, optional
        For a server.  Default: the keyring is asked for ``user@host``.  Microsoft takes no
        passwords, but what `authorize` gives, with
        ``scope="https://outlook.office.com/IMAP.AccessAsUser.All offline_access"``.
    ca_file : path, optional
        Certificates to trust for a server, instead of the system's.
    receiver : str, optional
        The name by which its server signs Authentication-Results (RFC 8601's
        authserv-id); names below it count too.  Default: known for large providers, else
        that of the server which took the mail last, or of the address's domain.
    """

    address: str
    source: Path | Mapping[str, Path]
    provider: str = ""
    password: Password = field(default=None, repr=False)
    ca_file: Path | None = None
    receiver: str | None = None

    def __post_init__(self) -> None:
        check_hidden(self.password, "password")
        domain = Mailbox.parse(self.address).domain.lower()
        object.__setattr__(self, "provider", self.provider or domain)
        if not isinstance(self.source, Mapping) and is_on_server(self.source):
            ImapPlace.parse(str(self.source))

    @property
    def key(self) -> str:
        """By which it is compared with a log's recipients."""
        return Mailbox.parse(self.address).key

    @property
    def host(self) -> str:
        """The server it is read from; "" = it is a file."""
        if isinstance(self.source, str) and is_on_server(self.source):
            return ImapPlace.parse(self.source).host
        return ""


_FIELDS: Final = [one.name for one in fields(Seed)]


class SeedList:
    """One's own mailboxes at several providers.

    Parameters
    ----------
    seeds : iterable of mapping or Seed
        Each with ``address``, ``source`` and, if wanted, ``provider``, ``password``,
        ``ca_file`` and ``receiver``; see `smtpbook.placement.seeds.Seed`.

    Raises
    ------
    RecipientsError
        An address is in it twice or none, or a mailbox lacks something; the message tells
        which.

    Examples
    --------
    >>> seeds = SeedList([
    ...     {"address": "ann.seed@gmail.com", "provider": "Gmail",
    ...      "source": "imaps://ann.seed%40gmail.com@imap.gmail.com"},
    ...     {"address": "seed@own.example", "source": "/home/seed/Maildir"},
    ... ])
    >>> seeds
    SeedList: 2 mailboxes at 2 providers: Gmail, own.example
    >>> seeds.recipients().addresses
    ['ann.seed@gmail.com', 'seed@own.example']
    """

    __slots__ = ("_seeds",)

    def __init__(self, seeds: Iterable[Seed | Mapping[str, Any]]) -> None:
        found: dict[str, Seed] = {}
        for number, one in enumerate(seeds, 1):
            seed = one if isinstance(one, Seed) else _seed(number, one)
            if seed.key in found:
                raise RecipientsError(f"{visible(seed.address)} is in the list twice")
            found[seed.key] = seed
        if not found:
            raise RecipientsError("a seed list needs a mailbox; this one has none")
        self._seeds = tuple(found.values())

    def __len__(self) -> int:
        return len(self._seeds)

    def __iter__(self) -> Iterator[Seed]:
        return iter(self._seeds)

    @property
    def frame(self) -> pd.DataFrame:
        """The list as a DataFrame: ``address``, ``provider``, ``source`` (string)."""
        cells = [(one.address, one.provider, _source(one)) for one in self]
        return pd.DataFrame(
            cells, columns=["address", "provider", "source"], dtype="string"
        )

    def recipients(self, row: Row | None = None) -> Recipients:
        """Give the mailboxes as recipients: for a campaign of their own, or beside others.

        ``people + seeds.recipients(people.frame.iloc[0])`` sends the same letter to them.

        Parameters
        ----------
        row : mapping or Series, optional
            The fields of somebody, with which each of them is filled in.

        Returns
        -------
        Recipients
            With the field ``provider``, unless the row has one.

        Raises
        ------
        RecipientsError
            An address cannot be written to.
        """
        given = {} if row is None else {str(name): value for name, value in row.items()}
        frame = pd.DataFrame(
            [{"provider": one.provider, **given, "email": one.address} for one in self]
        ).drop(columns=["source", "source_row"], errors="ignore")
        people = read_recipients(frame, address="email")
        if len(people) < len(self):
            raise RecipientsError(people.problems["message"].iloc[0])
        return people

    def send(
        self,
        letter: Template,
        account: Account,
        row: Row | None = None,
    ) -> Run:
        """Send a letter to all of them, as it is, without asking.

        Parameters
        ----------
        letter : Template
        account : Account
        row : mapping or Series, optional
            As of `recipients`.

        Returns
        -------
        Run
            What `read_placement` takes.

        Raises
        ------
        TemplateError
            The row cannot be filled in; nothing has been sent.
        TransportError, ReplyError, LocalProtocolError
            No session could be opened; nothing has been sent.
        """
        campaign = Campaign("seeds", account, self.recipients(row), letter, folder=None)
        return campaign.send(confirm=False, progress=False)

    def __repr__(self) -> str:
        return f"SeedList: {self._summary()}"

    def _repr_html_(self) -> str:
        rows = "".join(
            "<tr>" + "".join(f"<td>{to_html(str(cell))}</td>" for cell in row) + "</tr>"
            for row in self.frame.head(_SHOWN).itertuples(index=False)
        )
        left = len(self) - _SHOWN
        more = f"<p>… and {left:,} more</p>" if left > 0 else ""
        return (
            f"<p><b>Seed list</b>: {to_html(self._summary())}</p><table><thead><tr>"
            "<th>address</th><th>provider</th><th>read from</th></tr></thead>"
            f"<tbody>{rows}</tbody></table>{more}"
        )

    def _summary(self) -> str:
        names = list(dict.fromkeys(visible(one.provider, max_chars=40) for one in self))
        more = f" and {len(names) - 8:,} more" if len(names) > 8 else ""
        return (
            f"{counted(len(self), 'mailbox', 'mailboxes')} at "
            f"{counted(len(names), 'provider', 'providers')}: {', '.join(names[:8])}{more}"
        )


def _seed(number: int, given: Mapping[str, Any]) -> Seed:
    """Make a seed of a mapping; what is wrong is said without what may be a password."""
    if not isinstance(given, Mapping):
        raise TypeError(
            f"mailbox {number} is a {type(given).__name__}; expected a mapping such as "
            '{"address": …, "source": …}'
        )
    for name in given:
        if name not in _FIELDS:
            raise RecipientsError(
                f"mailbox {number} has no field {name!a}{near_miss(str(name), _FIELDS)}"
            )
    for name in ("address", "source"):
        if not given.get(name):
            raise RecipientsError(f"mailbox {number} lacks {name}=")
    try:
        return Seed(**given)
    except SMTPBookError as exc:
        raise RecipientsError(f"mailbox {number}: {exc}") from None


def _source(seed: Seed) -> str:
    if isinstance(seed.source, Mapping):
        return ", ".join(f"{name}: {os.fspath(path)}" for name, path in seed.source.items())
    return os.fspath(seed.source)
