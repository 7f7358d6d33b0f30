"""Lists, letters, and a small Internet: labs that are the servers of domains."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import pytest
import trio

from smtpbook.accounts.account import Account
from smtpbook.campaign.campaign import Campaign
from smtpbook.lab.lab import Lab
from smtpbook.messages.template import Template
from tests.campaign.conftest import home, in_memory

__all__ = ["home"]

US = "mail.sender.example"


def people_at(*domains: str, each: int = 1) -> pd.DataFrame:
    """Make a list of so many people at each domain, the domains in turn."""
    return pd.DataFrame({"email": [f"p{n}@{one}" for n in range(each) for one in domains]})


@dataclass
class World:
    """Zone data and the ports at which its hosts listen."""

    nursery: trio.Nursery
    letter: Template
    zone: dict[str, dict[str, Any]] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)

    async def host(self, name: str, lab: Lab | None = None) -> Lab:
        """Let a lab be a host."""
        lab = lab or Lab()
        self.ports[name] = await self.nursery.start(lab.serve)
        self.zone[name] = {"A": "127.0.0.1"}
        return lab

    def silent_host(self, name: str) -> None:
        """Let a host be there at whose port nobody listens."""
        with trio.socket.socket() as sock:
            sock._sock.bind(("127.0.0.1", 0))
            self.ports[name] = sock.getsockname()[1]
        self.zone[name] = {"A": "127.0.0.1"}

    def domain(self, name: str, *mx: str) -> None:
        """Let a domain have these MX records, ``"10 mx.example"``."""
        self.zone[name] = {"MX": list(mx)}

    def account(self, zone: Any = None, **changes: Any) -> Account:
        """Give an account that sends to the hosts of this world."""
        given: dict[str, Any] = {"per_host": None, "seed": 1, "is_lab": True, "tls": "none"}
        given |= changes
        asked = self.zone if zone is None else zone
        return Account.direct(US, zone=asked, ports=self.ports, **given)

    def campaign(
        self, people: pd.DataFrame, account: Account | None = None, **changes: Any
    ) -> Campaign:
        """Give a campaign to people of this world."""
        return in_memory("c", account or self.account(), people, self.letter, **changes)


@pytest.fixture
def letter() -> Template:
    return Template(header_from="Ann <ann@x.test>", subject="Hello", text="Come.")


@pytest.fixture
def world(nursery: trio.Nursery, letter: Template) -> World:
    """A world without any host."""
    return World(nursery, letter)
