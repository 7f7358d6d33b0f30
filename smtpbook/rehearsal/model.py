"""Model: a server as one would describe it: how long it takes, whom it refuses, and when.

A value.  Who asks it during a rehearsal is `answers`; made from a log it is by `fit`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Self

from smtpbook.errors import near_miss
from smtpbook.lab.behaviours import PLACES, Behaviour, Rule
from smtpbook.lab.lab import Lab
from smtpbook.lab.scenarios import Scenario, scenario

if TYPE_CHECKING:
    import pandas as pd

Times = tuple[float, ...]
"""Seconds as quantiles, evenly spaced from the shortest to the longest; at least one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    r"""A reply that some get instead of a 2yz.

    Attributes
    ----------
    reply : str
        Such as ``"450 4.7.1 Greylisted"``, ``\n`` between lines.
    verb : str
        To which command.
    domain : str or None
        To whose recipients; None = of every domain that no refusal names.
    share : float
        Of the recipients, 0 to 1; the same ones at each try.  Where no recipient is known
        yet (MAIL, EHLO, the greeting), of the commands.
    for_s : float or None
        Only until so long after a recipient's first try, as greylisting does; None =
        always.
    above_per_minute : float or None
        Only while more than so many messages have been accepted in the last minute; None =
        at any speed.

    Raises
    ------
    ValueError
        A field cannot be what it says.
    """

    reply: str
    verb: str = "RCPT"
    domain: str | None = None
    share: float = 1.0
    for_s: float | None = None
    above_per_minute: float | None = None

    def __post_init__(self) -> None:
        parsed = Behaviour(reply=self.reply).parsed()
        if parsed is None or parsed.code < 400:
            raise ValueError(f"reply={self.reply!r} refuses nobody; it is a 4yz or 5yz")
        if self.verb not in PLACES:
            hint = near_miss(self.verb, PLACES)
            raise ValueError(f"verb={self.verb!r} is no command of a send{hint}")
        if not 0 <= self.share <= 1:
            raise ValueError(f"share={self.share!r} is not between 0 and 1")


# The round trip to the package's own lab server, its time for a reply included: measured
# on a machine of two cores, an assumption for any other.
_LOOPBACK: Final[Times] = (0.0004, 0.0006, 0.0008, 0.001, 0.002)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerModel:
    """A server for rehearsals.

    Attributes
    ----------
    name : str
    round_trip_s : tuple of float
        What each group of commands, and connecting, takes besides the server's own time.
        Seconds, as quantiles evenly spaced from the shortest to the longest.
    tls_s : tuple of float
        What a TLS handshake takes; likewise.
    service_s : mapping of str to tuple of float
        What the server takes for a command, by verb; likewise.  ``""`` is for all others.
    refusals : tuple of Refusal
    rules : tuple of Rule or None
        What a lab server does; they come first.  None = it is no lab.
    extensions : tuple of str
        Offered in EHLO.

    Raises
    ------
    ValueError
        Times are none.

    Examples
    --------
    ``campaign.rehearse(ServerModel.fit(earlier_run.log))``
    """

    name: str
    round_trip_s: Times = _LOOPBACK
    tls_s: Times = (0.002, 0.005)
    service_s: Mapping[str, Times] = field(default_factory=dict)
    refusals: tuple[Refusal, ...] = ()
    rules: tuple[Rule, ...] | None = None
    extensions: tuple[str, ...] = ("PIPELINING", "8BITMIME", "SMTPUTF8")

    def __post_init__(self) -> None:
        object.__setattr__(self, "service_s", MappingProxyType(dict(self.service_s)))
        named = {"round_trip_s": self.round_trip_s, "tls_s": self.tls_s, **self.service_s}
        for name, times in named.items():
            if not times or times[0] < 0 or list(times) != sorted(times):
                raise ValueError(
                    f"{name or 'service_s'}: {times!r} are no times; give quantiles in "
                    f"seconds, in ascending order"
                )

    @classmethod
    def of(cls, server: str | Scenario | Lab | ServerModel) -> ServerModel:
        """Make a model of what stands for one.

        Parameters
        ----------
        server : str, Scenario, Lab or ServerModel
            A scenario of the lab by its name, or a lab with what was `set` there.  What
            depends on more than commands, recipients and time (TLS, logins, the mail data)
            is left out.

        Raises
        ------
        ValueError
            There is no such scenario.
        """
        if isinstance(server, ServerModel):
            return server
        found = scenario(server) if isinstance(server, str) else server
        if isinstance(found, Lab):
            return cls.of(replace(found.scenario, rules=found.rules))
        rules = tuple(rule for rule in found.rules if rule.behaviour.when is None)
        return cls(name=found.name, rules=rules, extensions=found.extensions)

    @classmethod
    def fit(cls, log: pd.DataFrame) -> Self:
        """Make a model of the server that an event log tells of.

        Parameters
        ----------
        log : DataFrame
            Event log of earlier sends.  Uses the rows of kind ``connect``, ``tls``,
            ``greeting`` and ``command`` for times and replies, ``outcome`` for recipients.

        Returns
        -------
        ServerModel
            Latencies by command as quantiles; the share of each refusal, for domains with
            50 recipients or more each its own; greylisting, where a recipient was deferred
            at the first try and accepted later (or the reply says so), lasting longer than
            the waits that were too short for that; and a limit of messages a minute where
            replies speak of one.

        Raises
        ------
        ColumnError
            The log lacks a column.
        ValueError
            It has no reply to learn from.
        """
        from smtpbook.rehearsal.fit import fit

        return cls(**fit(log))


# Nobody's measurement: what may well be so where nothing is known.  A server some hundred
# kilometres away that looks at each message, a list with a few dead addresses, and one
# recipient in twenty whose provider greylists for as long as many do.
ORDINARY: Final = ServerModel(
    name="ordinary (assumed)",
    round_trip_s=(0.02, 0.03, 0.04, 0.06),
    tls_s=(0.05, 0.08, 0.12),
    service_s={
        "": (0.001, 0.005),
        "GREETING": (0.01, 0.1, 0.5),
        "RCPT": (0.002, 0.01, 0.05),
        "END-OF-DATA": (0.05, 0.1, 0.2, 0.5, 1.5),
    },
    refusals=(
        Refusal(reply="450 4.7.1 Greylisted, try again later", share=0.05, for_s=240.0),
        Refusal(reply="550 5.1.1 User unknown", share=0.02),
        Refusal(reply="452 4.2.2 Mailbox full", share=0.01),
    ),
)
"""What is assumed of a server that nothing is known of.

Round trips of 20 to 60 ms; replies within 50 ms, to the mail data within 0.05 to 1.5 s;
5 % of the recipients greylisted for 4 minutes, 2 % unknown, 1 % with a full mailbox.
"""
