"""Order: what a worker is told, and what may not be told.

An order holds no list, no letter and no secret: list and letter stand in the campaign's
folder, or are fetched from its database, and a worker finds passwords itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from smtpbook.accounts.account import Account
from smtpbook.accounts.client_certificate import ClientCertificate
from smtpbook.accounts.passwords import FromPrompt, Password
from smtpbook.accounts.proxy import Proxy
from smtpbook.accounts.secret import Secret
from smtpbook.delivery.queues import check_connections, travels
from smtpbook.delivery.settings import Settings
from smtpbook.errors import LocalProtocolError


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a worker needs to send its part of a campaign.

    Attributes
    ----------
    folder : Path
        The campaign's, for the workers that see it.
    url : str or None
        By which the others make one of their own; None = there are none.
    letter_sha256 : str or None
        Of the letter, as the campaign's settings have it; where the folder seen has
        another, the worker makes one of its own.
    accounts : mapping of Account to float
        With their shares.
    settings : Settings
        Of the whole campaign.
    send : str
        What the send is called in the ledger, and in the names of its event log's files.
    share : int
        How many of the connections are this worker's if it begins when the others do; 0 =
        it takes its part when they have given that up.
    """

    folder: Path
    accounts: Mapping[Account, float]
    settings: Settings
    send: str
    url: str | None = None
    letter_sha256: str | None = None
    share: int = 0

    @property
    def least(self) -> int:
        """How many connections a sender needs."""
        return len(travels(self.accounts, self.settings.arms))


def check_order(accounts: Mapping[Account, float], settings: Settings) -> None:
    """Refuse what many senders cannot do, or must not be told.

    Raises
    ------
    LocalProtocolError
        A password would have to travel, or be typed on every worker.
    ValueError
        A setting needs one sender, or there are too few connections.
    """
    check_connections(accounts, settings)
    for account in accounts:
        for what, secret in secrets_of(account):
            if isinstance(secret, Secret | FromPrompt):
                raise LocalProtocolError(
                    f"the {what} of {account.name} is known here only, and none is sent to "
                    f"a cluster: have each worker find it, by FromEnvironment('NAME'), or "
                    f"leave it out, and the worker's keyring or the environment variable "
                    f"named in the error that probe(account) raises is asked"
                )
    check_settings(settings, "cluster")


def check_settings(settings: Settings, by: str) -> None:
    """Refuse what needs one sender; `by` is the parameter that asks for many.

    Raises
    ------
    ValueError
    """
    ways = settings.arms.ways if settings.arms is not None else ()
    if any(way.pace is not None for way in ways):
        raise ValueError(
            f"an experiment whose arms have paces or hours of their own is sent by one "
            f"sender, which keeps them; leave {by}= out, or vary something else"
        )


def dealt(connections: int, workers: int, least: int = 1) -> list[int]:
    """Deal connections evenly; workers that would have fewer than `least` are left out.

    >>> dealt(7, 3), dealt(2, 3), dealt(7, 3, least=3)
    ([3, 2, 2], [1, 1], [4, 3])
    """
    workers = min(workers, connections // least)
    less, more = divmod(connections, workers) if workers else (0, 0)
    return [less + (n < more) for n in range(workers)]


def secrets_of(account: Account) -> Iterator[tuple[str, Password]]:
    """Give all places of an account where a secret may be, each with what it is called."""
    yield "password", account.password
    if isinstance(account.proxy, Proxy):
        yield "proxy's password", account.proxy.password
    if isinstance(account.client_certificate, ClientCertificate):
        yield "certificate's passphrase", account.client_certificate.passphrase
