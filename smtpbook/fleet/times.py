"""Times: how long messages occupy a connection of a modelled server.

Drawn from the quantiles that a rehearsal draws from; a lot has the mean and the variance of
as many messages.  Nothing is answered here, and nobody refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

import numpy as np

from smtpbook.rehearsal.model import ServerModel, Times

_COMMANDS: Final = ("MAIL", "RCPT", "DATA", "END-OF-DATA")  # of one message
_BLOCK: Final = 4096


class MessageTimes:
    """How long lots take, one after the other.

    The end of one message and the next one's envelope travel together, so a message takes
    one round trip besides what the server needs for its four commands.

    Parameters
    ----------
    server : ServerModel
    chance : Generator

    Attributes
    ----------
    mean_s : float
        Of one message.
    open_s : float
        How long it takes until a connection's first message, on average: to connect, TLS,
        the greeting, EHLO, and the first envelope on its own.
    """

    def __init__(self, server: ServerModel, chance: np.random.Generator) -> None:
        others = server.service_s.get("", (0.0,))
        commands = (server.service_s.get(verb, others) for verb in _COMMANDS)
        self._parts = [server.round_trip_s, *commands]
        self.mean_s = sum(map(_mean, self._parts))
        self.open_s = 4 * _mean(server.round_trip_s) + sum(
            map(
                _mean,
                (
                    server.tls_s,
                    server.service_s.get("GREETING", others),
                    server.service_s.get("EHLO", others),
                ),
            )
        )
        self._singles = self._draw(chance)

    def lot_s(self, size: int) -> float:
        """Give how long the next lot of so many messages takes, in seconds."""
        more_s = next(self._singles) - self.mean_s
        return size * self.mean_s + math.sqrt(size) * more_s

    def _draw(self, chance: np.random.Generator) -> Iterator[float]:
        while True:
            total = np.zeros(_BLOCK)
            for times in self._parts:
                at = chance.random(_BLOCK) * (len(times) - 1)
                total += np.interp(at, np.arange(len(times)), times)
            yield from total.tolist()


def _mean(times: Times) -> float:
    """Give the mean of evenly spaced quantiles, between which it is even."""
    if len(times) == 1:
        return times[0]
    return (sum(times) - (times[0] + times[-1]) / 2) / (len(times) - 1)
