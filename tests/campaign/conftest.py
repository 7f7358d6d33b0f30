"""Lists, letters, and a lab server that keeps virtual time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
import trio

from smtpbook.accounts.account import Account
from smtpbook.campaign.campaign import Campaign
from smtpbook.lab.lab import Lab
from smtpbook.messages.template import Template

# Virtual clocks jump while another thread works, as a ledger's does.
in_memory = partial(Campaign, folder=None)

DOMAINS = ("ordinary", "patience", "fullbox", "gone", "slowlane", "strictgate")


@pytest.fixture
def people() -> Callable[[int], pd.DataFrame]:
    """Make a list of so many people, spread over the domains of the mixed day."""

    def make(count: int) -> pd.DataFrame:
        return pd.DataFrame(
            {
                "email": [
                    f"p{n}@{DOMAINS[n % len(DOMAINS)]}.example" for n in range(count)
                ],
                "first_name": [f"Person {n}" for n in range(count)],
            }
        )

    return make


@pytest.fixture
def letter() -> Template:
    return Template(
        header_from="Ann <ann@x.test>", subject="Hello {{ first_name }}", text="Come."
    )


@pytest.fixture
def serve_here(nursery: trio.Nursery) -> Callable[[Lab], Awaitable[Account]]:
    """Serve a lab in the test's own loop: with its clock, delays cost nothing."""

    async def serve(lab: Lab) -> Account:
        listeners = await lab._open()
        nursery.start_soon(lab._serve, listeners)
        return Account(
            host="127.0.0.1",
            port=listeners[0].socket.getsockname()[1],
            tls="none",
            helo="client.test",
            is_lab=True,
        )

    return serve


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for settings that is there already."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("SMTPBOOK_HOME", str(folder))
    return folder
