"""Direct: an account without a server, which finds each recipient's own.

Here is what it says about them.  Asking the DNS is `lookup`'s, what a server has to prove
`routes`'s, and sending `delivery`'s.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from smtpbook.accounts.account import Account

# Our own choice: 1,200 an hour, which no large provider minds of a known sender, and few
# small ones notice.
PER_HOST: Final = "20/min"
# What stands in for the Internet.
_FOR_TESTS: Final = ("zone", "policies", "ports")

WHO: Final = (
    "sending to recipients' own servers is for a machine whose port 25 is open, with a "
    "fixed address whose name (PTR) is the one in helo, and which the sender's SPF allows; "
    "from homes, offices and most clouds it is blocked or refused, and a provider takes "
    'such mail instead: Account.preset("…")'
)
"""Who should do it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Relay:
    """How each recipient's servers are found and treated; `direct` has what it means.

    Attributes
    ----------
    zone : Asker, mapping, str, Path or None
    nameservers : tuple of str
        Empty = the system's.
    trusts_resolver : bool
    policies : mapping of str to str, or None
    per_host : str, float or None
    connections_per_host : int
    ports : mapping of str to int
    seed : int or None
    """

    zone: Any = None
    nameservers: tuple[str, ...] = ()
    trusts_resolver: bool = False
    policies: Mapping[str, str] | None = None
    per_host: str | float | None = PER_HOST
    connections_per_host: int = 2
    ports: Mapping[str, int] = field(default_factory=dict)
    seed: int | None = None

    def __post_init__(self) -> None:
        if self.zone is not None and self.nameservers:
            raise ValueError("zone and nameservers: one of them is asked, not both")
        if self.connections_per_host < 1:
            raise ValueError(
                f"connections_per_host={self.connections_per_host!r}: at least one"
            )

    def to_settings(self) -> dict[str, Any]:
        """Give what a file keeps, as TOML has it.

        Raises
        ------
        ValueError
            It is for tests: there is a zone, or what else stands in for the Internet.
        """
        for name in _FOR_TESTS:
            if getattr(self, name):
                raise ValueError(f"{name} is for tests, and no file keeps it")
        kept = {one.name: getattr(self, one.name) for one in fields(self)}
        kept |= {"nameservers": list(self.nameservers), "per_host": self.per_host or "none"}
        return {k: v for k, v in kept.items() if v is not None and k not in _FOR_TESTS}

    @classmethod
    def from_settings(cls, kept: Mapping[str, Any]) -> Relay:
        """Give what `to_settings` described.

        Raises
        ------
        ValueError
            It is none.
        """
        known = {one.name for one in fields(cls)} - set(_FOR_TESTS)
        if odd := sorted(kept.keys() - known):
            raise ValueError(
                f"relay has no setting {odd[0]!a}; there are {', '.join(sorted(known))}"
            )
        servers, per_host = kept.get("nameservers", ()), kept.get("per_host", PER_HOST)
        changes = {
            "nameservers": tuple(servers),
            "per_host": None if per_host == "none" else per_host,
        }
        return cls(**{**kept, **changes})


def direct(
    cls: type[Account],
    /,
    helo: str,
    *,
    zone: Any = None,
    nameservers: Sequence[str] = (),
    trusts_resolver: bool = False,
    policies: Mapping[str, str] | None = None,
    per_host: str | float | None = PER_HOST,
    connections_per_host: int = 2,
    ports: Mapping[str, int] | None = None,
    seed: int | None = None,
    **changes: Any,
) -> Account:
    """Make an account that sends to each recipient's own servers, without a provider.

    Which they are is asked of the DNS, and they are tried in its order.  TLS is spoken
    where it is offered, and must be, and be proved, where a domain's MTA-STS policy or its
    DANE records ask for it.

    Parameters
    ----------
    helo : str
        This machine's name in the DNS, which its address leads back to (PTR).
    zone : Asker, mapping, str or Path, optional
        Zone data or their file, asked in place of name servers.
    nameservers : sequence of str, optional
        Addresses: ``["127.0.0.1:5353"]``.  Default: those of the system.
    trusts_resolver : bool
        They check DNSSEC, and nobody stands in between: then DANE counts.
    policies : mapping of str to str, optional
        MTA-STS policy files by domain.  Default: they are fetched, unless there is a zone.
    per_host : str, float or None
        No faster than so to any set of servers, whatever the campaign's pace; None = no
        limit.
    connections_per_host : int
        To a set of servers at once, at most; the campaign's `connections` counts all.
    ports : mapping of str to int, optional
        Hosts that listen at another port, such as labs.
    seed : int, optional
        Of the lots among servers of equal preference.
    **changes
        Further fields of `Account`, such as ``source_address``; ``port=25`` and
        ``tls="opportunistic"`` unless given.

    Raises
    ------
    ValueError, LocalProtocolError
        As `Account`.

    Warns
    -----
    UserWarning
        Who should do this; not with ``is_lab=True``.

    Examples
    --------
    >>> from smtpbook.accounts.account import Account
    >>> Account.direct("mail.example.org", is_lab=True, zone={})
    Account('direct', port=25, tls='opportunistic')

    References
    ----------
    RFC 5321 section 5 (whose servers), RFC 7505 (null MX), RFC 8461 (MTA-STS), RFC 7672
    (DANE).
    """
    relay = Relay(
        zone=zone,
        nameservers=tuple(nameservers),
        trusts_resolver=trusts_resolver,
        policies=policies,
        per_host=per_host,
        connections_per_host=connections_per_host,
        ports=dict(ports or {}),
        seed=seed,
    )
    given: dict[str, Any] = {"port": 25, "tls": "opportunistic"} | changes
    account = cls(host="", helo=helo, relay=relay, **given)
    if not account.is_lab:
        warnings.warn(WHO, stacklevel=2)
    return account


def check_direct(account: Account) -> None:
    """Refuse what does not go with servers that are strangers.

    Raises
    ------
    ValueError
        The message names the field.
    """
    for name in ("host", "username", "proxy", "client_certificate", "pin"):
        if getattr(account, name):
            raise ValueError(
                f"{name} does not go with relay: each domain has servers of its own"
            )
    if account.protocol != "smtp" or account.tls == "implicit":
        raise ValueError(
            "tls and protocol: between servers mail travels by SMTP, and TLS is begun by "
            "STARTTLS"
        )
    if account.helo is None:
        raise ValueError('helo is needed: this machine\'s name, "mail.example.org"')
    assert account.relay is not None
    if account.is_lab and account.relay.zone is None:
        raise ValueError("is_lab needs a zone: without one real servers are found")
