"""Situation: where a session stands, what may be said there, and what is proposed.

The states, and which verb is allowed in which, are `protocol.states`'; what the RFC says of
a line is `ruling`'s.  Nothing here does I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from smtpbook.protocol.commands import REDACTED, AuthResponse
from smtpbook.protocol.connection import COMMAND_NEEDS
from smtpbook.protocol.extensions import NO_EXTENSIONS, Extensions
from smtpbook.protocol.states import State, allowed_verbs
from smtpbook.protocol.verdicts import Protocol
from smtpbook.sasl.registry import MECHANISMS
from smtpbook.sasl.typed import without_login

DEAF: Final = frozenset({State.CONNECTED, State.TLS, State.CLOSED})
"""Where nothing can be said."""

# What a letter is when nobody writes one.
SAMPLE: Final = (
    "From: Ann <ann@x.test>",
    "To: Bob <bob@y.test>",
    "Subject: Hello",
    "",
    "Said by hand, line by line.",
)
SAMPLE_CHUNK: Final = "".join(f"{line}\r\n" for line in SAMPLE).encode()
# Where a recipient may be a lab server's.
_ARGUMENTS: Final = {
    "MAIL": "MAIL FROM:<ann@x.test>",
    "RCPT": "RCPT TO:<bob@y.test>",
    "SEND": "SEND FROM:<ann@x.test>",
    "SOML": "SOML FROM:<ann@x.test>",
    "SAML": "SAML FROM:<ann@x.test>",
    "VRFY": "VRFY bob",
    "EXPN": "EXPN staff",
    "ETRN": "ETRN example.org",
    "XCLIENT": "XCLIENT ADDR=192.0.2.1",
    "BDAT": f"BDAT {len(SAMPLE_CHUNK)}",
    "BDAT LAST": f"BDAT {len(SAMPLE_CHUNK)} LAST",
    "END-OF-DATA": ".",
    "RESPONSE": REDACTED,
}
OBSOLETE: Final = ("SEND", "SOML", "SAML", "TURN")
"""Verbs of RFC 821 that clients should not say any more."""
_COMMANDS: Final = (
    *("EHLO", "LHLO", "HELO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "BDAT"),
    *("BDAT LAST", "RSET", "NOOP", "HELP", "VRFY", "EXPN", "ETRN", "XCLIENT", "QUIT"),
    *OBSOLETE,
)
# What is allowed and changes nothing, or is hardly ever offered, comes last.
_ASIDE: Final = frozenset({"RSET", "NOOP", "HELP", "VRFY", "EXPN", "ETRN", "XCLIENT"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Where a session stands.

    Attributes
    ----------
    state : State
    protocol : {"smtp", "lmtp"}
    extensions : Extensions
        Of the current EHLO reply.
    is_secure, is_authenticated : bool
        Whether TLS is on, and whether AUTH succeeded.
    wants_tls : bool
        The account begins with STARTTLS.
    mechanism : str
        With which the account would log in here; ``""`` = it would not.
    helo : str
        The client's own name.
    is_done : bool
        A message has been taken in this session.
    mail_data_lines : int
        Said since DATA.
    """

    state: State = State.CONNECTED
    protocol: Protocol = "smtp"
    extensions: Extensions = NO_EXTENSIONS
    is_secure: bool = False
    is_authenticated: bool = False
    wants_tls: bool = False
    mechanism: str = ""
    helo: str = "client.example"
    is_done: bool = False
    mail_data_lines: int = 0

    @property
    def allowed(self) -> tuple[str, ...]:
        """The verbs that the state allows, and the server offers as far as they need it."""
        if self.state in DEAF:  # what comes there comes by itself
            return ()
        verbs = allowed_verbs(self.state, self.protocol)
        return tuple(filter(self._is_offered, verbs))

    def _is_offered(self, verb: str) -> bool:
        if verb == "STARTTLS" and self.is_secure:
            return False
        if verb == "AUTH" and self.is_authenticated:
            return False
        needed = COMMAND_NEEDS.get(verb.partition(" ")[0])  # BDAT LAST as BDAT
        return needed is None or needed in self.extensions.keywords

    @property
    def proposed(self) -> str:
        """The line that comes next in an ordinary session; ``""`` = there is none."""
        return "" if self.state in DEAF else self.line_for(self._next())

    def _next(self) -> str:
        match self.state:
            case State.GREETED:
                return "LHLO" if self.protocol == "lmtp" else "EHLO"
            case State.READY if self.wants_tls and "STARTTLS" in self.allowed:
                return "STARTTLS"
            case State.READY if self.mechanism and "AUTH" in self.allowed:
                return "AUTH"
            case State.READY:
                return "QUIT" if self.is_done else "MAIL"
            case State.MAIL:
                return "RCPT"
            case State.RCPT:
                return "DATA"
            case State.CHUNKS:
                return "BDAT LAST"
            case State.DATA:
                return "END-OF-DATA"
            case State.AUTH:
                return "RESPONSE"
            case _:
                return "QUIT"

    def line_for(self, verb: str) -> str:
        """Give an example of a command's line, to be edited."""
        match verb:
            case "EHLO" | "HELO" | "LHLO":
                return f"{verb} {self.helo}"
            case "AUTH":
                return f"AUTH {self.mechanism or 'PLAIN'} {REDACTED}"
            case "END-OF-DATA" if self.mail_data_lines < len(SAMPLE):
                return SAMPLE[self.mail_data_lines]
        return _ARGUMENTS.get(verb, verb)

    @property
    def choices(self) -> tuple[tuple[str, str], ...]:
        """What can be said here in good order: a name for each, and its line."""
        if self.state is State.AUTH:
            return (("fill in", REDACTED), ("cancel", "*"))
        if self.state is State.DATA:
            return (("a line", self.line_for("END-OF-DATA")), ("lone dot", "."))
        verbs = sorted(self.allowed, key=lambda verb: verb in _ASIDE)
        lines = [(verb, self.line_for(verb)) for verb in verbs if verb not in OBSOLETE]
        return tuple(one for verb, line in lines for one in self._ways(verb, line))

    def _ways(self, verb: str, line: str) -> tuple[tuple[str, str], ...]:
        """Give a login in each way that is offered; anything else once."""
        if verb != "AUTH":
            return ((verb, line),)
        known = [name for name in self.extensions.mechanisms if name in MECHANISMS]
        return tuple((f"AUTH {name}", f"AUTH {name}") for name in known)

    @property
    def mistakes(self) -> tuple[tuple[str, str], ...]:
        """What a lesson may try all the same: out of order, of another time, misspelt."""
        if self.state in DEAF:
            return ()
        if self.state is State.DATA:
            return (("a dot, not doubled", ".hidden"),)
        if self.state is State.AUTH:
            return (("no base64", "not base64!"), ("a command", "RSET, please"))
        right = set(self.allowed) - set(OBSOLETE)
        wrong = [(verb, self.line_for(verb)) for verb in _COMMANDS if verb not in right]
        return (*wrong, ("misspelt", "HELLO there"), ("bare text", "Dear server,"))


def masked(state: State, line: str) -> str:
    """Give a line as it may be shown and kept: without what a login says.

    >>> masked(State.READY, "AUTH PLAIN AGFubgBzM2NyZXQ=")
    'AUTH PLAIN [redacted]'
    """
    if state is State.AUTH:
        return line if line in ("*", "") else AuthResponse(b"").shown
    return line if state is State.DATA else without_login(line, REDACTED)
