"""Stint: what one session of a send has to do, and how far it has come."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from smtpbook.delivery.outbox import Tray
from smtpbook.ledger.entries import Entry
from smtpbook.protocol.extensions import Extensions


@dataclass(slots=True, eq=False)
class Stint:
    """What one session has to do.

    `entry` is the next recipient, taken and not yet claimed; `left` how many more messages
    the connection may carry; `naps` how often the computer had slept when it was opened;
    `is_open` whether it has been.
    """

    entry: Entry | None
    naps: int
    left: float = math.inf
    extensions: Extensions = field(default_factory=Extensions)
    tray: Tray = field(default_factory=dict)
    is_open: bool = False
    is_answered: bool = False
    quiet_since: float = 0.0
