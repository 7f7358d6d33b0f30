"""Received: a message the lab server accepted, as octets, as a message, in a maildir.

Nothing is delivered: a maildir is written where its owner says, and nowhere else.
"""

from __future__ import annotations

import mailbox
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A message the lab server accepted.

    Attributes
    ----------
    reverse_path : str
        ``""`` is the null reverse-path.
    recipients : tuple of str
        Those accepted.
    data : bytes
        Header and body as they came, dot-stuffing undone.
    queue_id : str
        As in the 250.
    time : datetime
        When it was accepted, UTC.
    session_id : str
        The lab's own name for the session, as in ``lab.log``.
    """

    reverse_path: str
    recipients: tuple[str, ...]
    data: bytes = field(repr=False)
    queue_id: str
    time: datetime
    session_id: str

    @property
    def message(self) -> EmailMessage:
        """The message as the standard library reads it: ``received.message["Subject"]``.

        Read anew each time; what its header does not say well stands in ``defects``.
        """
        return message_from_bytes(self.data, policy=policy.default)

    def delivered(self) -> bytes:
        """Give it as a mailbox keeps it: under the lines of whoever delivers at last.

        References
        ----------
        RFC 5321 section 4.4 (Return-Path, Received).
        """
        trace = [
            f"Return-Path: <{self.reverse_path}>",
            *(f"X-Original-To: {recipient}" for recipient in self.recipients),
            f"Received: by lab.test (smtpbook lab) id {self.queue_id};",
            f"\t{self.time:%a, %d %b %Y %H:%M:%S +0000}",
        ]
        return "".join(f"{line}\r\n" for line in trace).encode("utf-8") + self.data


class Maildir:
    """A maildir into which messages are written; other programs may read it meanwhile.

    Parameters
    ----------
    folder : path
        Made if it is not there, its three folders too.

    Raises
    ------
    OSError
        It cannot be made, or there is something else.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        names = ("cur", "new", "tmp")
        is_used = self.folder.is_dir() and any(self.folder.iterdir())
        if is_used and not all((self.folder / name).is_dir() for name in names):
            raise FileExistsError(
                f"{str(self.folder)!r} is a folder of other things, and no maildir; give "
                "one that is empty or not there"
            )
        for name in names:
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self._mailbox = mailbox.Maildir(self.folder, create=True)

    def add(self, received: Received) -> None:
        """Write a message, whole or not at all.

        Raises
        ------
        OSError
            It cannot be written.
        """
        # Lines end as those of other files do: that is how a maildir is read.
        octets = received.delivered().replace(b"\r\n", b"\n")
        try:
            self._mailbox.add(octets)
        except mailbox.Error as exc:
            raise OSError(f"{str(self.folder)!r}: {exc}") from exc

    def add_all(self, messages: Iterable[Received]) -> int:
        """Write messages, and give how many."""
        number = 0
        for number, received in enumerate(messages, 1):  # noqa: B007
            self.add(received)
        return number
