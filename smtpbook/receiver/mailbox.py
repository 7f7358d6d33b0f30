"""Mailbox: requests to unsubscribe that came by mail, read from where they were saved.

Their subject holds the token that List-Unsubscribe put there; who seems to have sent them
does not matter.  No message is moved, marked or deleted, so reading twice is harmless.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from smtpbook.errors import RecipientsError, near_file
from smtpbook.escape import visible
from smtpbook.recipients.suppression import SuppressionList
from smtpbook.sources.mail import read_subjects
from smtpbook.unsubscribe import SUBJECT, Unsubscribe, Unsubscribed

_MARK: Final = re.compile(SUBJECT, re.IGNORECASE)


class MailedRequest(NamedTuple):
    """One message of a mailbox.

    Attributes
    ----------
    subject : str
        As its writer meant it: decoded, on one line.
    unsubscribed : Unsubscribed or None
        Whose token is in it; None = none of ours is.  It may be any other mail, or a
        request that somebody wrote by hand and somebody should answer.
    """

    subject: str
    unsubscribed: Unsubscribed | None


def read_unsubscribes(
    path: str | os.PathLike[str],
    unsubscribe: Unsubscribe,
    suppression: SuppressionList | None = None,
) -> list[MailedRequest]:
    """Read the requests to unsubscribe that came by mail, and keep them.

    Parameters
    ----------
    path : path
        A mailbox (``.mbox``), a message (``.eml``), or the folder of a maildir.
    unsubscribe : Unsubscribe
        As in the letters.
    suppression : SuppressionList, optional
        Where the addresses are kept before this returns, with the reason
        ``unsubscribed``.  Default: nowhere, they are only read.

    Returns
    -------
    list of MailedRequest
        Every message, in the order they are in.

    Raises
    ------
    RecipientsError
        There is no mail there, it cannot be read, or the list cannot be written; then none
        or some have been kept, and it can be done again.

    References
    ----------
    RFC 2369 section 3.2 (List-Unsubscribe with mailto), RFC 6068 (mailto).
    """
    given = Path(path).expanduser()
    try:
        subjects = [subject for file in _files(given) for subject in read_subjects(file)]
    except OSError as error:
        raise RecipientsError(
            f"cannot read {visible(str(given))!r}: {error.strerror or error}"
        ) from error
    if not subjects and given.is_file() and given.stat().st_size:
        raise RecipientsError(f"{visible(given.name)!r} holds no message with headers")
    requests = [
        MailedRequest(subject, _asked(subject, unsubscribe)) for subject in subjects
    ]
    if suppression is not None:
        _keep([one.unsubscribed for one in requests if one.unsubscribed], suppression)
    return requests


def _files(path: Path) -> Iterator[Path]:
    folders = [path / name for name in ("cur", "new") if (path / name).is_dir()]
    for folder in folders:
        yield from sorted(file for file in folder.iterdir() if file.is_file())
    if folders:
        return
    shown = repr(visible(str(path)))
    if path.is_dir():
        raise RecipientsError(f"{shown} is no maildir: it has neither cur nor new in it")
    if not path.exists():
        raise RecipientsError(f"no file {shown}{near_file(path)}")
    if not path.is_file():  # a pipe may block for ever
        raise RecipientsError(f"{shown} is no ordinary file")
    yield path


def _asked(subject: str, unsubscribe: Unsubscribe) -> Unsubscribed | None:
    """Find the token: a word of its own, or in pieces where a program broke the line."""
    words = _MARK.split(subject)[-1].split()
    for token in (*words[:1], "".join(words)):
        try:
            return unsubscribe.read(token)
        except RecipientsError:
            continue
    return None


def _keep(asked: list[Unsubscribed], suppression: SuppressionList) -> None:
    for label in dict.fromkeys(one.label for one in asked):
        addresses = [one.address for one in asked if one.label == label]
        suppression.add_many(addresses, reason="unsubscribed", campaign=label)
