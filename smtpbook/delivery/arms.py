"""Arms: what differs from recipient to recipient in a campaign that is an experiment.

A recipient's arm and block stand in the columns `ARM` and `BLOCK` of the campaign's list,
so they are frozen with it.  Who gets which is drawn by `experiments`; nothing here draws,
and nothing here sends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any, Final

from smtpbook.accounts.account import Account
from smtpbook.errors import TemplateError, near_miss
from smtpbook.escape import visible
from smtpbook.messages.template import Template
from smtpbook.pacing.pace import Pace
from smtpbook.protocol.message import Message
from smtpbook.transfer.pipeline import Pipelining

ARM: Final = "arm"
BLOCK: Final = "block"

OF_ACCOUNT: Final = ("helo", "source_address", "tls", "tls_version")
"""What an arm may change of an account.  Never whose server it is: whoever agreed to a
send agreed to that."""

_SCALARS: Final = (str, bool, int, float, datetime)


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How an arm's messages travel; arms that do not differ in it share connections.

    Attributes
    ----------
    account : tuple of (str, str)
        What is changed of the account.
    by : str or None
        The name of the only account that sends it; None = any, by their shares.
    pipelining : {"auto", "off", "stream"}
    pace : Pace or None
        Its own pace; None = the campaign's, which it shares.
    """

    account: tuple[tuple[str, str], ...] = ()
    by: str | None = None
    pipelining: Pipelining = "auto"
    pace: Pace | None = None

    def accounts(self, given: Mapping[Account, float]) -> Iterator[tuple[Account, float]]:
        """Give the accounts it goes by, with their shares."""
        for account, share in given.items():
            if self.by in (None, account.name):
                # The port is the same one, whatever TLS; so is the name in the log.
                own: dict[str, Any] = dict(self.account)
                same = {"port": account.port, "name": account.name}
                yield (account.replace(**own, **same) if own else account), share


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """What differs for the recipients of one arm.

    Attributes
    ----------
    letter : mapping of str to object
        Parameters of the `Template`; ``"letter"``: another one altogether.
    way : Way
    """

    letter: Mapping[str, Any] = field(default_factory=dict)
    way: Way = Way()

    def letter_of(self, base: Template) -> Template:
        """Give this arm's letter."""
        changes = dict(self.letter)
        changed: Template = changes.pop("letter", base)
        return changed.replace(**changes)


class Arms:
    """The arms of an experiment, by name.

    Parameters
    ----------
    arms : mapping of str to Arm
    """

    def __init__(self, arms: Mapping[str, Arm]) -> None:
        self._arms = dict(arms)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Arms) and self._arms == other._arms

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Arms: {' | '.join(self._arms)}>"

    def __len__(self) -> int:
        return len(self._arms)

    @property
    def ways(self) -> dict[Way, int]:
        """The ways, and how many arms go each."""
        ways: dict[Way, int] = {}
        for arm in self._arms.values():
            ways[arm.way] = ways.get(arm.way, 0) + 1
        return ways

    def of(self, row: Mapping[str, Any]) -> Arm:
        """Give a recipient's arm.

        Raises
        ------
        TemplateError
            Its row names none.
        """
        name = str(row.get(ARM))
        if name not in self._arms:
            raise TemplateError(
                f"column {ARM!r} says {visible(name)!r}, which is no arm of this experiment"
                f"{near_miss(name, self._arms)}; take the list that assign() gives"
            )
        return self._arms[name]

    def letters(self, base: Template) -> Letters:
        """Give the letters that stand for one."""
        return Letters(base, self)

    def without_tls(self) -> Arms:
        """Give the arms without what they change of TLS, which no rehearsal speaks."""
        return Arms(
            {
                name: replace(arm, way=replace(arm.way, account=_but_tls(arm.way)))
                for name, arm in self._arms.items()
            }
        )

    # -- as plain values, for a campaign's folder

    @property
    def lacks(self) -> bool:
        """Whether they hold what no file keeps: a `Template`, a function."""
        return any(
            (arm.way.pace is not None and arm.way.pace.domain_of is not Pace().domain_of)
            or not all(map(_is_plain, arm.letter.values()))
            for arm in self._arms.values()
        )

    def to_plain(self) -> dict[str, Any]:
        """Give what TOML can hold."""
        return {name: _plain_arm(arm) for name, arm in self._arms.items()}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Arms:
        """Give the arms that `to_plain` described."""
        return cls(
            {
                name: Arm(
                    letter=arm["letter"],
                    way=Way(
                        account=tuple(sorted(arm["account"].items())),
                        by=arm.get("by"),
                        pipelining=arm["pipelining"],
                        pace=Pace(**arm["pace"]) if "pace" in arm else None,
                    ),
                )
                for name, arm in plain.items()
            }
        )


class Letters:
    """Each arm's own letter, in the place of one: see `smtpbook.delivery.outbox.Letter`.

    Parameters
    ----------
    base : Template
    arms : Arms

    Raises
    ------
    TemplateError
        An arm's letter cannot be compiled.
    """

    def __init__(self, base: Template, arms: Arms) -> None:
        self._arms = arms
        self._letters = {id(arm): arm.letter_of(base) for arm in arms._arms.values()}

    def render(self, row: Mapping[str, Any], *, message_id: str | None = None) -> Message:
        """Make one recipient's message, with its arm and block for the record."""
        letter = self._letters[id(self._arms.of(row))]
        message = letter.render(row, message_id=message_id)
        arm, block = labels_of(row)
        return replace(message, arm=arm, block=block)

    def check(self, row: Mapping[str, Any]) -> None:
        """Fill the letter in for one recipient and throw the result away."""
        self._letters[id(self._arms.of(row))].check(row)

    def render_together(self, addresses: Iterable[str], **_: Any) -> Message:
        """Refuse: a message to several could be of one arm only."""
        raise TemplateError("an experiment sends each recipient a message of their own")


def labels_of(row: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Give a recipient's arm and block, as the log names them."""
    arm, block = row.get(ARM), row.get(BLOCK)
    return (None if arm is None else str(arm)), (None if block is None else str(block))


def _but_tls(way: Way) -> tuple[tuple[str, str], ...]:
    return tuple(
        (name, value) for name, value in way.account if name not in ("tls", "tls_version")
    )


def _plain_arm(arm: Arm) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "letter": {k: v for k, v in arm.letter.items() if _is_plain(v)},
        "account": dict(arm.way.account),
        "pipelining": arm.way.pipelining,
    }
    if arm.way.by is not None:
        plain["by"] = arm.way.by
    if (pace := arm.way.pace) is not None:
        cells = {one.name: getattr(pace, one.name) for one in fields(pace) if one.init}
        plain["pace"] = {k: v for k, v in cells.items() if isinstance(v, _SCALARS)}
    return plain


def _is_plain(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(isinstance(k, str) and _is_plain(v) for k, v in value.items())
    return isinstance(value, _SCALARS)
