"""Settings: how a campaign is sent; as plain values for its folder, too, and back.

Functions are in no file: a stop rule of one's own, or what else a domain is to be counted
for, has to be given again.  Nothing here knows where the values are kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any, Final, Literal, TypeVar, get_args

from smtpbook.delivery.arms import Arms, Letters
from smtpbook.errors import LedgerError
from smtpbook.ledger.books import InDoubt
from smtpbook.messages.template import Template
from smtpbook.pacing.pace import Pace
from smtpbook.pacing.retry import Retry
from smtpbook.pacing.stopping import StopRule, StopWhen, stop_rule

Show = Literal["to", "cc", "bcc"]
_LACKS: Final = "lacks"
_ARMS: Final = "arms"


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """Several recipients to a message, instead of one message each.

    Attributes
    ----------
    show : {"to", "cc", "bcc"}
        Where their addresses stand; ``"bcc"``: nowhere.
    size : int
        How many at most.  "The minimum total number of recipients that MUST be buffered is
        100 recipients" (RFC 5321 section 4.5.3.1.8).
    """

    show: Show = "bcc"
    size: int = 50

    def __post_init__(self) -> None:
        if self.show not in get_args(Show):
            raise ValueError(f"show={self.show!r}; it is 'to', 'cc' or 'bcc'")
        if self.size < 1:
            raise ValueError(f"size={self.size!r}: at least one recipient to a message")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a campaign is sent.

    Attributes
    ----------
    pace : Pace
    connections : int
        How many at once, at most.
    messages_per_connection : int or None
        After so many a connection is closed and another opened; None = no limit of ours.
    retry : Retry or None
    stop_when : tuple of callable
    together : Together or None
    in_doubt : {"hold", "resend"}
    arms : Arms or None
        An experiment's; None = everybody gets the same.
    """

    pace: Pace = Pace()  # noqa: RUF009 (frozen)
    connections: int = 4
    messages_per_connection: int | None = None
    retry: Retry | None = None
    stop_when: tuple[StopWhen, ...] = ()
    together: Together | None = None
    in_doubt: InDoubt = "hold"
    arms: Arms | None = None

    def __post_init__(self) -> None:
        if self.in_doubt not in ("hold", "resend"):
            raise ValueError(f"in_doubt={self.in_doubt!r}; it is 'hold' or 'resend'")
        for name in ("connections", "messages_per_connection"):
            number = getattr(self, name)
            if number is not None and number < 1:
                raise ValueError(f"{name}={number!r}: at least one is needed")
        if self.arms is not None and self.together is not None:
            raise ValueError(
                "together= puts recipients of several arms into one message; an experiment "
                "sends each a message of their own"
            )

    def letters(self, letter: Template) -> Template | Letters:
        """Give what messages are made of: a letter, or each arm's own."""
        return letter if self.arms is None else self.arms.letters(letter)

    def given(self, **changes: Any) -> Settings:
        """Give the settings with those changed that are not None."""
        return replace(self, **{k: v for k, v in changes.items() if v is not None})

    def to_plain(self) -> dict[str, Any]:
        """Give what TOML can hold; ``lacks`` names what it cannot."""
        lacks = []
        if self.pace.domain_of is not Pace().domain_of:
            lacks.append("pace")
        rules = [rule for rule in self.stop_when if isinstance(rule, StopRule)]
        if len(rules) < len(self.stop_when):
            lacks.append("stop_when")
        if self.arms is not None and self.arms.lacks:
            lacks.append(_ARMS)
        return {
            "connections": self.connections,
            "messages_per_connection": self.messages_per_connection,
            "in_doubt": self.in_doubt,
            "pace": _plain(self.pace),
            "retry": _plain(self.retry),
            "together": _plain(self.together),
            "stop_when": [{"rule": str(rule), "after": rule.after} for rule in rules],
            _ARMS: None if self.arms is None else self.arms.to_plain(),
            _LACKS: lacks,
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any], **given: Any) -> Settings:
        """Give kept settings, those changed that are given and not None.

        Raises
        ------
        LedgerError
            One that no file can keep is not given.
        """
        for name in plain.get(_LACKS, ()):
            if name == _ARMS:
                raise LedgerError(
                    "it is an experiment whose arms hold what no file keeps, such as a "
                    "Template; go on with experiment.run(…), as it began"
                )
            if given.get(name) is None:
                raise LedgerError(
                    f"{name}= was given as a function, which no file keeps; give it again"
                )
        rules = plain.get("stop_when", ())
        kept = cls(
            pace=_made(Pace, plain.get("pace", {})),
            connections=plain["connections"],
            messages_per_connection=plain.get("messages_per_connection"),
            retry=_made(Retry, plain["retry"]) if "retry" in plain else None,
            stop_when=tuple(stop_rule(one["rule"], after=one["after"]) for one in rules),
            together=_made(Together, plain["together"]) if "together" in plain else None,
            in_doubt=plain["in_doubt"],
            arms=Arms.from_plain(plain[_ARMS]) if _ARMS in plain else None,
        )
        return kept.given(**given)


def rules_of(stop_when: StopWhen | Iterable[StopWhen] | None) -> tuple[StopWhen, ...]:
    """Give stop rules as a tuple."""
    if stop_when is None:
        return ()
    return (stop_when,) if callable(stop_when) else tuple(stop_when)


def _plain(value: Pace | Retry | Together | None) -> dict[str, Any] | None:
    if value is None:
        return None
    pairs = ((one.name, getattr(value, one.name)) for one in fields(value) if one.init)
    return {
        name: _simple(cell)
        for name, cell in pairs
        if cell is not None and not callable(cell)
    }


def _simple(cell: Any) -> Any:
    if isinstance(cell, Mapping):
        return {str(name): list(one) for name, one in cell.items()}
    if isinstance(cell, str | int | float | datetime):
        return cell
    return list(cell)


T = TypeVar("T", Pace, Retry, Together)


def _made(kind: type[T], plain: Mapping[str, Any]) -> T:
    return kind(**plain)
