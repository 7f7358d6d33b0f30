"""Scenarios: sets of behaviours by name, each a server one may meet.

A table of values.  What the behaviours mean is in `behaviours`, and the server that acts
on them in `server`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from smtpbook.errors import near_miss
from smtpbook.lab.behaviours import Behaviour, Rule

_EXTENSIONS: Final = (
    "PIPELINING",
    "8BITMIME",
    "SMTPUTF8",
    "ENHANCEDSTATUSCODES",
    "CHUNKING",
)


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
    """

    name: str
    about: str
    rules: tuple[Rule, ...] = ()
    extensions: tuple[str, ...] = _EXTENSIONS
    has_starttls: bool = True


def _rule(place: str, pattern: str | None = None, /, **fields: object) -> Rule:
    return Rule(place, pattern, Behaviour(**fields))  # type: ignore[arg-type]


_SCENARIOS: Final = (
    Scenario(name="ordinary", about="Accepts everything at once."),
    Scenario(
        name="mixed-day",
        about="A day's mix of providers: most accept, some greylist, refuse or are slow.",
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
            _rule("MAIL", delay_s=(0.0003, 0.002)),
            _rule("RCPT", delay_s=(0.0005, 0.006)),
            _rule("END-OF-DATA", delay_s=(0.002, 0.02)),
        ),
    ),
    Scenario(
        name="greylisting",
        about="Defers every recipient the first time (RFC 6647).",
        rules=(
            _rule("RCPT", reply="450 4.7.1 Greylisted, please try again later", times=1),
        ),
    ),
    Scenario(
        name="tarpit",
        about="Takes its time over every reply, on purpose.",
        rules=tuple(
            _rule(place, delay_s=(0.2, 1.0))
            for place in ("GREETING", "EHLO", "MAIL", "RCPT", "DATA", "END-OF-DATA")
        ),
    ),
    Scenario(
        name="full-mailboxes",
        about="Every mailbox is over its quota.",
        rules=(_rule("RCPT", reply="452 4.2.2 The mailbox is over its quota"),),
    ),
    Scenario(
        name="drops-after-dot",
        about="Closes the connection after the mail data, before its reply: in doubt.",
        rules=(_rule("END-OF-DATA", drop=True),),
    ),
    Scenario(
        name="no-starttls",
        about="Offers no encryption.",
        has_starttls=False,
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
