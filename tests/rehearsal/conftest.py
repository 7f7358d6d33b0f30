"""Lists, a letter, and an account to which nothing is ever sent."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from smtpbook.accounts.account import Account
from smtpbook.messages.template import Template

DOMAINS = ("ordinary", "patience", "fullbox", "gone", "slowlane", "strictgate")


@pytest.fixture
def people() -> Callable[[int], pd.DataFrame]:
    """Make a list of so many people, spread over the domains of the mixed day."""

    def make(count: int) -> pd.DataFrame:
        return pd.DataFrame(
            {"email": [f"p{n}@{DOMAINS[n % len(DOMAINS)]}.example" for n in range(count)]}
        )

    return make


@pytest.fixture
def letter() -> Template:
    return Template(header_from="Ann <ann@x.test>", subject="Hello", text="Come.")


@pytest.fixture
def account() -> Account:
    """Nobody listens on port 9, and the login would have to be asked for."""
    return Account(host="127.0.0.1", port=9, tls="starttls", username="ann@x.test")
