"""Scenarios: sets of behaviours by name, each a server one may meet.

A table of values.  What the behaviours mean is in `behaviours`, what a strict provider
looks at in `strict`, and the server that acts on them in `server`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Self

from smtpbook.errors import near_miss
from smtpbook.lab import strict
from smtpbook.lab.behaviours import PLACES, Behaviour, Rule

_EXTENSIONS: Final = (
    "PIPELINING",
    "8BITMIME",
    "SMTPUTF8",
    "ENHANCEDSTATUSCODES",
    "CHUNKING",
)
# What RFC 821 does not know.
_SINCE_1982: Final = ("EHLO", "STARTTLS", "AUTH", "BDAT", "ETRN", "XCLIENT")
_OF_1982: Final = "500 Syntax error, command unrecognized"
# Postgrey's own default is five minutes.
_GREY_S: Final = 300.0
MAX_AT_ONCE: Final = 5
MAX_CONNECTIONS: Final = (30, 60.0)
MAX_MESSAGES: Final = (60, 60.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A server one may meet.

    Attributes
    ----------
    name, about : str
        The name, and what it shows in one sentence.
    rules : tuple of Rule
        The first that fits decides.
    extensions : tuple of str
        Offered in EHLO besides SIZE, STARTTLS and AUTH, which follow from the lab.
    has_starttls : bool
    wants_tls : bool
        Whether the lab's `account` uses STARTTLS unless told otherwise.
    is_expired : bool
        Whether its certificate is past its day.
    users : mapping of str to str
        User name to password, where the lab is given none.
    wording : mapping of str to str
        By command: what it says instead of what an ordinary server says when it says yes.
    loses_group : bool
        Of commands that came together it reads the first, and forgets the others.
    """

    name: str
    about: str
    rules: tuple[Rule, ...] = ()
    extensions: tuple[str, ...] = _EXTENSIONS
    has_starttls: bool = True
    wants_tls: bool = False
    is_expired: bool = False
    users: Mapping[str, str] = field(default_factory=dict)
    wording: Mapping[str, str] = field(default_factory=dict)
    loses_group: bool = False

    def faster(self, speed: float) -> Self:
        """Give the same with all times divided by a number: five minutes in five seconds.

        Raises
        ------
        ValueError
            It is no number above 0.
        """
        if not speed > 0:
            raise ValueError(f"speed={speed!r} is not a number above 0")
        rules = (
            Rule(one.place, one.pattern, one.behaviour.faster(speed)) for one in self.rules
        )
        return replace(self, rules=tuple(rules))


def _rule(place: str, pattern: str | None = None, /, **fields: object) -> Rule:
    return Rule(place, pattern, Behaviour(**fields))  # type: ignore[arg-type]


_SCENARIOS: Final = (
    Scenario(name="ordinary", about="Accepts everything at once."),
    Scenario(
        name="mixed-day",
        about="A day's mix of providers: most accept, some defer, refuse or are slow.",
        rules=(
            _rule(
                "RCPT",
                "*@patience.example",
                reply="450 4.7.1 Greylisted, please try again in 5 minutes",
                delay_s=(0.002, 0.01),
                times=1,
            ),
            _rule(
                "RCPT",
                "*@fullbox.example",
                reply="452 4.2.2 The mailbox is over its quota",
                delay_s=(0.002, 0.02),
            ),
            _rule(
                "RCPT",
                "*@gone.example",
                reply="550 5.1.1 User unknown in virtual mailbox table",
                delay_s=(0.001, 0.005),
            ),
            _rule("RCPT", "*@slowlane.example", delay_s=(0.05, 0.25)),
            _rule(
                "END-OF-DATA",
                "*@strictgate.example",
                reply="550 5.7.1 Message refused: it does not meet our content policy",
                delay_s=(0.01, 0.05),
            ),
            _rule(
                "RCPT",
                "*@ratelimit.example",
                reply="450 4.7.1 Too many recipients in the last minute, slow down",
                over=(20, 60.0),
            ),
            _rule(
                "RCPT",
                "*@hiccup.example",
                reply="451 4.3.0 Temporary lookup failure",
                probability=0.2,
            ),
            _rule("END-OF-DATA", "*@hangup.example", drop=True, probability=0.1),
            # The filter of a large provider: mostly quick, sometimes not at all.
            _rule("END-OF-DATA", "*@scanner.example", delay_s=(0.02, 0.04, 0.1, 0.3, 2.0)),
            _rule("MAIL", delay_s=(0.0003, 0.002)),
            _rule("RCPT", delay_s=(0.0005, 0.006)),
            _rule("END-OF-DATA", delay_s=(0.002, 0.02)),
        ),
    ),
    Scenario(
        name="greylisting",
        about="Defers a recipient for five minutes from the first try on (RFC 6647).",
        rules=(
            _rule(
                "RCPT",
                # No time is named: a client that reads one waits so long, faster or not.
                reply="450 4.7.1 Greylisted, please try again later",
                for_s=_GREY_S,
            ),
        ),
    ),
    Scenario(
        name="tarpit",
        about="Takes its time over every command, on purpose.",
        rules=tuple(_rule(place, delay_s=(0.2, 1.0)) for place in PLACES),
    ),
    Scenario(
        name="full-mailboxes",
        about="Every mailbox is over its quota.",
        rules=(_rule("RCPT", reply="452 4.2.2 The mailbox is over its quota"),),
    ),
    Scenario(
        name="busy",
        about=f"Serves {MAX_AT_ONCE} sessions at once, and in a minute "
        f"{MAX_CONNECTIONS[0]} connections and {MAX_MESSAGES[0]} messages; else 421.",
        rules=(
            _rule(
                "GREETING",
                reply="421 4.7.0 Too many connections at once, try again later",
                when=lambda seen: seen.sessions > MAX_AT_ONCE,
            ),
            _rule(
                "GREETING",
                reply="421 4.7.0 Too many connections in the last minute",
                over=MAX_CONNECTIONS,
            ),
            _rule(
                "MAIL",
                reply="421 4.7.0 Too many messages in the last minute, slow down",
                over=MAX_MESSAGES,
            ),
        ),
    ),
    Scenario(
        name="strict-provider",
        about="Wants TLS, SPF, an aligned From and one click to unsubscribe; refuses else.",
        rules=tuple(
            _rule(place, reply=reply, when=lacks) for place, reply, lacks in strict.CHECKS
        ),
        wants_tls=True,
    ),
    Scenario(
        name="no-starttls",
        about="Offers no encryption.",
        has_starttls=False,
    ),
    Scenario(
        name="stripped-starttls",
        about="Somebody on the way has overwritten the offer of STARTTLS.",
        # What was found on the Internet: the keyword stands there in X, and so does the
        # command when it is refused (Durumeric et al., "Neither Snow Nor Rain Nor
        # MITM", IMC 2015).
        rules=(_rule("STARTTLS", reply='500 5.5.1 Command unrecognized: "XXXXXXXX"'),),
        extensions=(*_EXTENSIONS, "XXXXXXXA"),
        has_starttls=False,
        wants_tls=True,
    ),
    Scenario(
        name="expired-certificate",
        about="Its certificate was valid until yesterday.",
        wants_tls=True,
        is_expired=True,
    ),
    Scenario(
        name="auth-zoo",
        about="Knows every login that needs no domain: ann, password horse; anonymous; a "
        "certificate.",
        users={"ann": "horse", "anonymous": ""},
        wants_tls=True,
    ),
    Scenario(
        name="pipelining-broken",
        about="Offers PIPELINING, and loses what comes together with another command.",
        loses_group=True,
    ),
    Scenario(
        name="drops-after-dot",
        about="Closes the connection after the mail data, before its reply: in doubt.",
        rules=(_rule("END-OF-DATA", drop=True),),
    ),
    Scenario(
        name="rfc821",
        about="A server of 1982, as in RFC 821's examples: HELO, no extensions, SEND.",
        # After sections 3.1 to 3.3 there.
        rules=(
            *(_rule(verb, reply=_OF_1982) for verb in _SINCE_1982),
            _rule("RCPT", "Green@*", reply="550 No such user here"),
            _rule("VRFY", "Smith", reply="250 Fred Smith <Smith@USC-ISIF.ARPA>"),
            _rule("VRFY", reply="550 String does not match anything."),
            _rule(
                "EXPN",
                "Example-People",
                reply="250-Jon Postel <Postel@USC-ISIF.ARPA>\n"
                "250 Sam Q. Smith <SQSmith@USC-ISIQ.ARPA>",
            ),
            _rule("EXPN", reply="550 Access Denied to You."),
        ),
        extensions=(),
        has_starttls=False,
        wording={
            "GREETING": "220 BBN-UNIX.ARPA Simple Mail Transfer Service Ready",
            "HELO": "250 BBN-UNIX.ARPA",
            **dict.fromkeys(("MAIL", "SEND", "SOML", "SAML"), "250 OK"),
            **dict.fromkeys(("RCPT", "RSET", "NOOP", "END-OF-DATA"), "250 OK"),
            "DATA": "354 Start mail input; end with <CRLF>.<CRLF>",
            "QUIT": "221 BBN-UNIX.ARPA Service closing transmission channel",
        },
    ),
    Scenario(
        name="seed-dialogue",
        about="Plays the help page's example word for word, with both its faults.",
        rules=(
            _rule("GREETING", reply="220 SU-SCORE.ARPA Simple Mail Transfer Service Ready"),
            # A server of RFC 821's day: "500 Syntax error, command unrecognized".
            _rule("EHLO", reply="500 Syntax error, command unrecognized"),
            _rule("HELO", reply="250 SU-SCORE.ARPA"),
            _rule("SEND", reply="250 OK"),
            _rule("MAIL", reply="250 OK"),
            _rule("RCPT", reply="450 User not active now"),
            _rule("DATA", reply="354 Start mail input; end with <CRLF>.<CRLF>"),
            _rule("END-OF-DATA", reply="250 OK"),
            _rule("QUIT", reply="221 SU-SCORE.ARPA Service closing transmission channel"),
        ),
        extensions=(),
        has_starttls=False,
    ),
)
SCENARIOS: Final = {scenario.name: scenario for scenario in _SCENARIOS}


def scenario(name: str) -> Scenario:
    """Find a scenario by its name.

    Raises
    ------
    ValueError
        There is none of this name; the message lists them.
    """
    if name not in SCENARIOS:
        raise ValueError(
            f"no scenario {name!r}{near_miss(name, SCENARIOS)}; there are "
            f"{', '.join(SCENARIOS)}"
        )
    return SCENARIOS[name]
