"""Timeouts: how long each phase of a session may take.

A deadline for the whole phase, not for each read: a server that drips one octet a minute
does not keep a session alive.
"""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds allowed per phase; each from its start to the reply's last octet.

    Attributes
    ----------
    connect_s : float
        Name lookup and TCP connection.
    greeting_s, tls_s, command_s : float
        The greeting; the TLS handshake; a command such as EHLO, AUTH, RSET, NOOP.
    mail_s, rcpt_s, data_s : float
        The replies to MAIL, RCPT and DATA.
    block_s : float
        Handing 64 KiB of mail data to the network.
    end_of_data_s : float
        The reply to the end of mail data.  Be patient here: giving up too early makes
        duplicates (RFC 1047).
    quit_s : float
        The reply to QUIT, which decides nothing.

    References
    ----------
    RFC 5321 section 4.5.3.2, whose minimum values these are where it names one.
    """

    connect_s: float = 30.0
    greeting_s: float = 300.0
    tls_s: float = 30.0
    command_s: float = 300.0
    mail_s: float = 300.0
    rcpt_s: float = 300.0
    data_s: float = 120.0
    block_s: float = 180.0
    end_of_data_s: float = 600.0
    quit_s: float = 10.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ValueError(
                    f"timeout {field.name} is a number of seconds, not {value!r}"
                )
            if not value > 0:
                raise ValueError(f"timeout {field.name} must be positive, not {value!r}")

    @classmethod
    def all(cls, seconds: float) -> Timeouts:
        """Give every phase the same limit.

        >>> Timeouts.all(5).rcpt_s
        5
        """
        return cls(**{field.name: seconds for field in fields(cls)})

    def of(self, verb: str) -> float:
        """Give the limit for the reply to a command, in seconds."""
        return getattr(self, _PHASES.get(verb, "command_s"))  # type: ignore[no-any-return]


_PHASES = {
    "GREETING": "greeting_s",
    "MAIL": "mail_s",
    "RCPT": "rcpt_s",
    "DATA": "data_s",
    "END-OF-DATA": "end_of_data_s",
    "BDAT": "end_of_data_s",
    "QUIT": "quit_s",
}
