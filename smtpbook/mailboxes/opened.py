"""Opened: the mails of a source, whatever it is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from smtpbook.mailboxes.imap import ImapPlace, mails_on_server
from smtpbook.mailboxes.mails import Mail, mails_in


def opened(source: str | os.PathLike[str], **server: Any) -> Iterator[Mail]:
    """Give the mails of a path or URL; `server` as of `mails_on_server`.

    Raises
    ------
    SMTPBookError, OSError
        As of `mails_in` or `mails_on_server`.
    """
    if is_on_server(source):
        return mails_on_server(ImapPlace.parse(str(source)), **server)
    return mails_in(source)


def is_on_server(source: str | os.PathLike[str]) -> bool:
    """Tell a URL of IMAP's from a path."""
    return isinstance(source, str) and source.startswith(("imap://", "imaps://"))
