"""Case: who sends from where, as far as it was said; what every check is given.

What was not said is None, and the checks that need it say so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from smtpbook.accounts.account import Account
from smtpbook.lookup.answer import Asker
from smtpbook.lookup.ip import IP


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A sender to be checked.

    Attributes
    ----------
    domain : str
        Of From; lower case, A-labels.
    given : str
        The same as it was written.
    asker : Asker
        Answers for the DNS.
    ip : IPv4Address or IPv6Address or None
        From which the mail reaches receivers.
    selectors : tuple of str
        Of DKIM keys; empty = not known.
    helo : str or None
        What that machine calls itself.
    reverse_path : str or None
        The domain that failures are reported to; None = not said.
    account : Account or None
        Where the mail is handed in.
    mail : bytes or None
        A message as it is sent, signed.
    is_handed_in : bool
        It is as the account's server gets it, which may sign it yet.
    policies : mapping of str to str or None
        The MTA-STS policies of domains, as their web servers have them.
    fetches : bool
        Without them, the web servers are asked.
    probes_mx : bool
        The domain's own mail hosts may be asked whom they take.
    mx_port : int
        Where they listen.
    """

    domain: str
    given: str
    asker: Asker
    ip: IP | None = None
    selectors: tuple[str, ...] = ()
    helo: str | None = None
    reverse_path: str | None = None
    account: Account | None = None
    mail: bytes | None = None
    is_handed_in: bool = False
    policies: Mapping[str, str] | None = None
    fetches: bool = False
    probes_mx: bool = False
    mx_port: int = 25

    @property
    def path_domain(self) -> str:
        """The domain that SPF is about: the reverse-path's, or else From's."""
        return self.reverse_path or self.domain

    @property
    def path_note(self) -> str:
        """What to add where the reverse-path was not said."""
        return "" if self.reverse_path else "; reverse_path= was not given: taken as From"
