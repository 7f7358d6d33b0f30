"""Accounts: what a campaign's folder keeps of those it is sent by, and finds them by.

No password is kept: an account is one of the saved ones, or given again.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from smtpbook.accounts.account import Account
from smtpbook.accounts.store import list_accounts, load_account
from smtpbook.errors import LedgerError


def plain_accounts(accounts: Mapping[Account, float]) -> dict[str, Any]:
    """Give what a folder keeps of the accounts: names, shares and servers, no password."""
    return {
        "account": next(iter(accounts)).name,
        "shares": {str(account.name): float(share) for account, share in accounts.items()},
        "servers": [account.place for account in accounts],
        "is_lab": all(account.is_lab for account in accounts),
    }


def _saved(account: str) -> list[str]:
    """Give the names under which an account is saved, if it calls itself otherwise."""
    found = []
    for name in list_accounts():
        with suppress(ValueError):  # a file that somebody has broken
            if load_account(name).name == account:
                found.append(name)
    return found


def saved_accounts(name: str, kept: Mapping[str, Any]) -> dict[Account, float]:
    """Give the accounts of a campaign that was opened.

    Raises
    ------
    LedgerError
        One of them is no saved account, or more than one.
    """
    shares = kept.get("shares", {kept["account"]: 1.0})
    known = list_accounts()
    accounts: dict[Account, float] = {}
    for account, share in shares.items():
        names = [account] if account in known else _saved(account)
        if len(names) != 1:
            which = f"{len(names)} of the saved accounts" if names else "no saved account"
            raise LedgerError(
                f"campaign {name!r} was sent by {account}, which is {which}; give "
                f"it: open_campaign({name!r}, account=…)"
            )
        accounts[load_account(names[0])] = share
    return accounts
