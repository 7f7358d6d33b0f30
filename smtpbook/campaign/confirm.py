"""Confirm: ask before mail leaves for real people, where there is somebody to answer."""

from __future__ import annotations

import sys
from collections import Counter

from smtpbook.accounts.account import Account
from smtpbook.escape import visible
from smtpbook.ledger.choosing import Chosen
from smtpbook.protocol.addresses import domain_of


def ask(
    account: Account,
    entries: Chosen,
    sender: str,
    pace: object,
    confirm: bool | None,
) -> bool:
    """Say what is about to happen, and ask whether it shall.

    Parameters
    ----------
    confirm : bool, optional
        True asks, False does not; None asks unless the server is a lab.

    Returns
    -------
    bool
        Whether to go on.

    Raises
    ------
    RuntimeError
        There is nobody to ask; the message names ``confirm=False``.
    """
    if confirm is False or not len(entries) or (confirm is None and account.is_lab):
        return True
    if not _somebody_is_there():
        raise RuntimeError(
            f"this would send {len(entries):,} messages for real and there is nobody to "
            f"ask; say confirm=False"
        )
    answer = input(f"{describe(account, entries, sender, pace)}\nSend? [y/N] ")
    return answer.strip().lower() in ("y", "yes")


def describe(account: Account, entries: Chosen, sender: str, pace: object) -> str:
    """Say in a few lines what a send is about to do."""
    domains = Counter(domain_of(entry.address) or "?" for entry in entries)
    most = ", ".join(f"{visible(name)} ({n:,})" for name, n in domains.most_common(4))
    lines = [
        f"About to send {len(entries):,} messages from {visible(sender)}",
        f"  by {account.name} ({account.host}:{account.port}), pace: {pace or 'no limit'}",
        f"  to {len(domains):,} domains: {most}{', …' if len(domains) > 4 else ''}",
    ]
    provider = account.provider
    if provider is not None and provider.per_day and len(entries) > provider.per_day:
        lines.append(
            f"  {provider.title} takes about {provider.per_day:,} in 24 hours "
            f"({provider.limit_source or provider.source})"
        )
    return "\n".join(lines)


def _somebody_is_there() -> bool:
    # A notebook kernel has no terminal but may pass input() on; it says so itself.  Asked
    # through the loaded modules: outside a kernel there is nothing to import.
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    kernel = getattr(shell, "kernel", None)
    if kernel is not None:
        return bool(getattr(kernel, "_allow_stdin", False))
    return sys.stdin is not None and sys.stdin.isatty()
