"""Stint: what one session of a send has to do, and how far it has come."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

import trio

from smtpbook.delivery.clock import Clock
from smtpbook.delivery.outbox import Tray
from smtpbook.delivery.routes import Seat
from smtpbook.errors import SMTPBookError
from smtpbook.ledger.entries import Entry
from smtpbook.protocol.extensions import Extensions
from smtpbook.session.session import Session

# After so long a wait the connection is tried with NOOP, which gets so long for an answer.
CHECK_AFTER_S: Final = 30.0
CHECK_S: Final = 10.0


@dataclass(slots=True, eq=False)
class Stint:
    """What one session has to do.

    `entry` is the next recipient, taken and not yet claimed; `seat` whose connection it is;
    `left` how many more messages that may carry; `naps` how often the computer had slept
    when it was opened; `is_open` whether it has been.
    """

    entry: Entry | None
    seat: Seat
    naps: int
    left: float = math.inf
    extensions: Extensions = field(default_factory=Extensions)
    tray: Tray = field(default_factory=dict)
    is_open: bool = False
    is_answered: bool = False
    quiet_since: float = 0.0

    async def is_there(self, session: Session, clock: Clock) -> bool:
        """Tell whether the server is still there, after a silence."""
        if session.is_over:
            return False
        if clock.now() - self.quiet_since < CHECK_AFTER_S:
            return True
        with trio.move_on_after(CHECK_S):
            try:
                reply = await session.command("NOOP")
            except SMTPBookError:
                return False
            self.quiet_since = clock.now()
            return reply is not None and reply.code < 300
        return False
