"""Losses: how often in a row a connection was lost, and how long it stays away then.

Nothing here waits; instants come in.
"""

from __future__ import annotations

from typing import Final

from smtpbook.errors import AuthenticationError, SMTPBookError
from smtpbook.pacing.retry import Retry

MAX_FAILURES: Final = 4
"""How often in a row a connection may end before the server has decided on any message."""
PAUSE_S: Final = 0.5
"""The pause after the first failure; doubled after each that follows."""


class Losses:
    """The losses of one connection.

    Parameters
    ----------
    retry : Retry or None
        By which a server that is gone is waited for.
    """

    def __init__(self, retry: Retry | None) -> None:
        self._retry = retry
        self._failures, self._since, self._lasting_s = 0, 0.0, 0.0

    def forget(self) -> None:
        """Begin anew: a session has ended well."""
        self._failures = 0

    def add(self, now: float, *, is_answered: bool) -> None:
        """Note one, of a session in which a message was decided on, or of one without."""
        self._failures = 1 if is_answered else self._failures + 1
        self._since = now if self._failures == 1 else self._since
        self._lasting_s = now - self._since

    def pause_s(self, error: SMTPBookError, *, are_others: bool) -> float | None:
        """Give how long the connection stays away after the last one; None = for good.

        `are_others` tells whether others take what it would have.
        """
        if isinstance(error, AuthenticationError):  # a password is not tried again
            return None
        if self._failures < MAX_FAILURES:
            return PAUSE_S * 2.0 ** (self._failures - 1)
        if self._retry is None or are_others:
            return None
        tries = self._failures - MAX_FAILURES + 1
        return self._retry.pause_s("failed", None, "", tries, self._lasting_s)
