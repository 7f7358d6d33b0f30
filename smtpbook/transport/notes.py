"""Notes: what the way to a server tells whoever keeps the record."""

from __future__ import annotations

from typing import Protocol


class Notes(Protocol):
    """Takes the steps of a connection; a `smtpbook.session.record.Record` does.

    Attributes
    ----------
    server_address : str or None
        The IP address reached, a proxy's where there is one; None at a Unix socket.
    tls : tuple of str or None
        Version and cipher.
    """

    server_address: str | None
    tls: tuple[str | None, str | None]

    def note(
        self,
        kind: str,
        at: float,
        *,
        took_s: float | None = None,
        error: str | None = None,
        about: str | None = None,
    ) -> None:
        """Take a step: its kind, when it began, how long it took, or what went wrong.

        `about` is the proxy it was about, or what TLS did not prove.
        """
