"""Experiment: what is varied, who gets which, and what difference it made.

It draws, and makes a campaign of what it drew; sending, keeping and going on after a kill
are the campaign's, whose frozen list holds everybody's arm.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final, get_args

import pandas as pd

from smtpbook.accounts.account import Account
from smtpbook.campaign.campaign import Campaign
from smtpbook.delivery.arms import ARM, BLOCK, OF_ACCOUNT, Arm, Arms, Way
from smtpbook.delivery.routes import shares_of
from smtpbook.delivery.run import Run
from smtpbook.errors import near_miss
from smtpbook.escape import to_html, visible
from smtpbook.experiments.assign import Blocks, assigned
from smtpbook.experiments.design import Design, design
from smtpbook.experiments.effects import Effects, effects_of
from smtpbook.experiments.power import detectable_fall
from smtpbook.messages.template import Template
from smtpbook.pacing.pace import Pace
from smtpbook.recipients.read import read_recipients
from smtpbook.recipients.recipients import Recipients
from smtpbook.states import INK
from smtpbook.tables.scan import Log
from smtpbook.transfer.pipeline import Pipelining
from smtpbook.wording import counted

_OF_LETTER: Final = tuple(one.name for one in fields(Template) if one.init)
_ALIASES: Final = {"sender": "header_from"}
_OF_WAY: Final = (*OF_ACCOUNT, "account", "pipelining", "pace", "hours")
FACTORS: Final = ("letter", *_OF_LETTER, *_ALIASES, *_OF_WAY)
"""What can be varied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """Who gets which arm, and what can be found with so many; shows itself in a notebook.

    Attributes
    ----------
    people : Recipients
        The list with its fields ``arm`` and ``block``, in the order to send in.
    sizes : DataFrame
        Recipients of each block (row) and arm (column).
    power : DataFrame
        A row for each comparison: ``factor``, ``level``, ``versus``, ``recipients``,
        ``recipients_versus`` (int64) and ``fall`` (float64), the least fall of the share
        that is likely to be found; null = not even a fall to nothing.
    assumed : str
        On what `power` rests.
    title : str
        What was drawn, and how.
    """

    people: Recipients
    sizes: pd.DataFrame
    power: pd.DataFrame
    assumed: str
    title: str

    def _cells(self) -> list[tuple[str, str, str, str]]:
        return [
            (
                row["factor"],
                f"{row['level']} ({row['recipients']:,})",
                f"{row['versus']} ({row['recipients_versus']:,})",
                _told_fall(row["fall"]),
            )
            for row in self.power.to_dict("records")
        ]

    def __repr__(self) -> str:
        lines = [
            f"  {factor}: {visible(level)} against {visible(versus)}: {fall}"
            for factor, level, versus, fall in self._cells()
        ]
        return "\n".join([self.title, *lines, f"  {self.assumed}"])

    def _repr_html_(self) -> str:
        style = "text-align: left; padding: .1em .8em .1em 0"
        rows = ""
        for cells in self._cells():
            tds = (f'<td style="{style}">{to_html(cell)}</td>' for cell in cells)
            rows += f"<tr>{''.join(tds)}</tr>"
        heads = ("factor", "level", "against", "likely to be found")
        head = "".join(f'<th scope="col" style="{style}">{one}</th>' for one in heads)
        return (
            f'<div style="{INK}"><b>{to_html(self.title)}</b><table style="color: inherit">'
            f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
            f"<div>{to_html(self.assumed)}</div></div>"
        )


class Experiment:
    """An experiment with mail: factors, drawn by chance within blocks.

    Parameters
    ----------
    factors : mapping of str to sequence or mapping
        What is varied, and its levels; the first one is what the others are compared with,
        and a mapping gives them names.  A parameter of `Template` (``subject``,
        ``header_from`` or ``sender``, ``text`` …) or ``letter`` for another one altogether;
        of the account ``helo``, ``tls``, ``tls_version`` and ``source_address``, or
        ``account`` with accounts for levels; ``pipelining``; ``pace``; ``hours``, the part
        of the day in which an arm is sent, ``"09:00-11:00 Europe/Paris"``.
    blocks : str, callable or None
        Arms are drawn within these: ``"recipient_domain"``, ``"provider"`` (as far as a
        domain's name tells), a field of the list, or a function of the address; None =
        everybody is one.  What is too small for two of each arm is put together as
        ``others``.
    seed : int
        0 or more: the same list and seed, the same assignment.
    fraction : float or str
        1/2, ``"1/4"`` … of all combinations; see `Design.aliases` for the price.
    baseline : float
        0 to 1: the share that is assumed of the first level when it is told what could be
        found.
    power : float
        How often it should be found.

    Attributes
    ----------
    design : Design
    seed : int
    blocks : str, callable or None

    Raises
    ------
    ValueError
        There is no such factor (the near miss is suggested), or its levels are none; or
        another parameter is not what it is to be.

    Notes
    -----
    Arms that differ in their letter only share connections.  Those that differ in how they
    travel have connections of their own and take turns; what ends a connection then ends it
    for one arm.  With ``pace`` or ``hours`` for factors each arm keeps its own pace, and a
    server that counts by address sees their sum.

    Examples
    --------
    >>> experiment = Experiment(
    ...     factors={"subject": {"plain": "News", "question": "Have you heard?"}}, seed=7
    ... )
    >>> experiment
    <Experiment: subject: all 2 combinations; blocks: recipient_domain, seed 7>
    """

    def __init__(
        self,
        factors: Mapping[str, Any],
        *,
        blocks: Blocks = "recipient_domain",
        seed: int = 0,
        fraction: float | str = 1,
        baseline: float = 0.9,
        power: float = 0.8,
    ) -> None:
        if not isinstance(factors, Mapping):
            raise ValueError(f"factors={factors!r}: write {{'subject': ['this', 'that']}}")
        for name in factors:
            if name not in FACTORS:
                hint = near_miss(str(name), FACTORS)
                raise ValueError(f"factor {name!r} is nothing that can be varied{hint}")
            if _ALIASES.get(name) in factors:
                raise ValueError(f"{name!r} and {_ALIASES[name]!r} are one factor")
        if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
            raise ValueError(f"seed={seed!r} is not a number from 0")
        if not (blocks is None or isinstance(blocks, str) or callable(blocks)):
            raise ValueError(
                f"blocks={blocks!r}: 'recipient_domain', 'provider', a field of the list, "
                "a function of the address, or None"
            )
        self.design: Design = design(factors, fraction)
        self.seed, self.blocks = seed, blocks
        self._baseline, self._power = baseline, power
        detectable_fall(1, 1, baseline=baseline, power=power)  # refuses what is none
        self._arms()  # likewise

    def assign(
        self, people: Recipients | pd.DataFrame | str | os.PathLike[str]
    ) -> Assignment:
        """Draw who gets which arm, and tell what could be found.  Nothing is sent.

        Raises
        ------
        RecipientsError
            The list cannot be read, has a field ``arm`` or ``block`` already, lacks the one
            to block by, or is shorter than there are arms.
        """
        given = people if isinstance(people, Recipients) else read_recipients(people)
        drawn = assigned(given, self.design.names, self.blocks, self.seed)
        frame = drawn.frame
        sizes = pd.crosstab(frame[BLOCK], frame[ARM]).reindex(
            columns=list(self.design.names), fill_value=0
        )
        by_arm = sizes.sum()
        rows = list[dict[str, Any]]()
        comparisons = sum(len(one.levels) - 1 for one in self.design.factors)
        for place, factor in enumerate(self.design.factors):
            of = [0] * len(factor.levels)
            for name, arm in zip(self.design.names, self.design.arms, strict=True):
                of[arm[place]] += int(by_arm[name])
            for level in range(1, len(of)):
                fall = detectable_fall(
                    of[0],
                    of[level],
                    baseline=self._baseline,
                    power=self._power,
                    comparisons=comparisons,
                )
                names = (factor.levels[level], factor.levels[0])
                rows.append(
                    dict(zip(("level", "versus"), names, strict=True))
                    | {"factor": factor.name, "recipients": of[level]}
                    | {"recipients_versus": of[0], "fall": fall}
                )
        order = ["factor", "level", "versus", "recipients", "recipients_versus", "fall"]
        blocks = counted(len(sizes), "block", "blocks")
        return Assignment(
            people=drawn,
            sizes=sizes,
            power=pd.DataFrame(rows)[order],
            assumed=(
                f"assumed: {self._baseline:.0%} of the first level come to the outcome "
                f"asked for, recipients are independent; found {self._power:.0%} of the "
                f"time, at 5 % for {counted(comparisons, 'comparison', 'comparisons')} "
                f"together"
            ),
            title=(
                f"Experiment with {counted(len(drawn), 'recipient', 'recipients')}: "
                f"{self.design}; {blocks}, seed {self.seed}"
            ),
        )

    def campaign(
        self,
        name: str,
        account: Account | Mapping[Account, float] | None,
        people: Recipients | pd.DataFrame | str | os.PathLike[str],
        letter: Template,
        **settings: Any,
    ) -> Campaign:
        """Make the campaign that sends it: to rehearse, look at, start, or send in parts.

        Its list is that of `assign`, frozen with the folder: `open_campaign` goes on with
        everybody's arm, and nobody gets two.

        Parameters
        ----------
        name : str
        account : Account, mapping of Account to float, or None
            None where ``account`` is a factor.
        people, letter
            As for `Campaign`; a factor's levels stand in for what the letter says.
        **settings
            As for `Campaign`; ``pace`` binds all arms together, unless it is a factor.

        Raises
        ------
        ValueError
            A setting is a factor, too; and as `Campaign`.
        TemplateError
            An arm's letter cannot be compiled.
        RecipientsError
            As `assign`.
        LedgerError
            A campaign of that name has begun with another list, letter, seed or arms.
        """
        pace = Pace.of(settings.get("pace"))
        names = {one.name for one in self.design.factors}
        if "pace" in names and settings.get("pace") is not None:
            raise ValueError("pace= is a factor of this experiment; give it there only")
        accounts = self._accounts(account)
        if "tls_version" in names - {"tls"} and any(one.tls == "none" for one in accounts):
            raise ValueError("tls_version is a factor, and there is an account without TLS")
        arms = self._arms(pace)
        arms.letters(letter)  # refuses what cannot be compiled
        return Campaign(
            name,
            accounts,
            self.assign(people).people,
            letter,
            arms=arms,
            **settings,
        )

    def run(
        self,
        name: str,
        account: Account | Mapping[Account, float] | None,
        people: Recipients | pd.DataFrame | str | os.PathLike[str],
        letter: Template,
        *,
        limit: int | None = None,
        confirm: bool | None = None,
        dry_run: bool = False,
        progress: bool = True,
        cluster: Any = None,
        processes: int = 1,
        **settings: Any,
    ) -> Run:
        """Send it, having told what could be found, and wait; or go on where it was left.

        Parameters
        ----------
        name, account, people, letter, **settings
            As for `campaign`.
        limit, confirm, dry_run, progress, cluster, processes
            As for `Campaign.send`; many send it unless an arm has its own pace or hours.

        Returns
        -------
        Run
            Its ``log`` is what `effects` reads.

        Raises
        ------
        ValueError, TemplateError, RecipientsError, LedgerError
            As `campaign`.
        SMTPBookError, SendStopped, NobodyToAsk, RuntimeError
            As `Campaign.send`; an account that cannot be used ends it for all arms.
        """
        given = people if isinstance(people, Recipients) else read_recipients(people)
        campaign = self.campaign(name, account, given, letter, **settings)
        if progress:
            print(repr(self.assign(given)))
        return campaign.send(
            limit=limit,
            confirm=confirm,
            dry_run=dry_run,
            progress=progress,
            cluster=cluster,
            processes=processes,
        )

    def effects(
        self,
        log: Log,
        *,
        outcomes: str | Collection[str] = "accepted",
        attempt: int | None = None,
        quantiles: Sequence[float] = (0.5, 0.95),
        clustered: bool = False,
        confidence: float = 0.95,
    ) -> Effects:
        """Tell what difference each factor made, within blocks, pooled and by block.

        Parameters
        ----------
        log : DataFrame or Scan
            Event log, read anywhere; rows of other campaigns do not count.
        outcomes : str or collection of str
            What counts: the share of recipients whose last outcome is one of these.
        attempt : int, optional
            Count what this attempt came to, such as 1 for the first; default: the last.
        quantiles : sequence of float
            Of the time the server took for each command.
        clustered : bool
            Intervals for other domains than those of this list, and other sessions: wider,
            because those of one domain are alike.
        confidence : float

        Raises
        ------
        ValueError
            There is no such outcome.
        ColumnError
            The log lacks a column.
        SMTPBookError
            It has no row of this experiment; the message says of which it has.

        References
        ----------
        Abadie, Athey, Imbens and Wooldridge (2023), When should you adjust standard errors
        for clustering?, Quarterly Journal of Economics 138, 1-35.
        """
        return effects_of(
            log,
            self.design,
            self.seed,
            outcomes=outcomes,
            attempt=attempt,
            quantiles=quantiles,
            clustered=clustered,
            confidence=confidence,
        )

    def _accounts(
        self, account: Account | Mapping[Account, float] | None
    ) -> dict[Account, float]:
        """Give all accounts there are; by which an arm goes, its way says."""
        levels = [one.means for one in self.design.factors if one.name == "account"]
        if not levels:
            if account is None:
                raise ValueError("account=None: one is needed, unless it is a factor")
            return shares_of(account)
        if account is not None:
            raise ValueError("account= is a factor of this experiment; give None here")
        return dict.fromkeys(levels[0], 1.0)

    def _arms(self, pace: Pace | None = None) -> Arms:
        return Arms(
            {
                name: self._arm(numbers, pace or Pace())
                for name, numbers in zip(self.design.names, self.design.arms, strict=True)
            }
        )

    def _arm(self, numbers: Sequence[int], pace: Pace) -> Arm:
        chosen = {
            factor.name: factor.means[number]
            for factor, number in zip(self.design.factors, numbers, strict=True)
        }
        letter = {
            _ALIASES.get(name, name): value
            for name, value in chosen.items()
            if name not in _OF_WAY
        }
        if not isinstance(letter.get("letter"), Template | None):
            raise ValueError(
                f"letter={letter['letter']!r}: the levels of this factor are templates"
            )
        return Arm(letter=letter, way=_way(chosen, pace))

    def __repr__(self) -> str:
        by = self.blocks if isinstance(self.blocks, str) else "a function's"
        return (
            f"<Experiment: {self.design}; blocks: {by if self.blocks else 'none'}, seed "
            f"{self.seed}>"
        )


def _told_fall(fall: Any) -> str:
    if pd.isna(fall):
        return "too few: not even a fall to 0 % would be found"
    return f"a fall by {100 * fall:.1f} points or more"


def _way(chosen: Mapping[str, Any], campaign_pace: Pace) -> Way:
    """Give how an arm travels.

    Raises
    ------
    ValueError
        A level is none.
    """
    pipelining = chosen.get("pipelining", "auto")
    if pipelining not in get_args(Pipelining):
        modes = ", ".join(map(repr, get_args(Pipelining)))
        raise ValueError(f"pipelining={pipelining!r} is not one of {modes}")
    account = chosen.get("account")
    if account is not None and not isinstance(account, Account):
        raise ValueError(f"account={account!r}: the levels of this factor are accounts")
    pace = Pace.of(chosen["pace"]) if "pace" in chosen else None
    if "hours" in chosen:
        pace = replace(pace or campaign_pace, quiet=_quiet(chosen["hours"]))
    return Way(
        account=tuple((name, chosen[name]) for name in OF_ACCOUNT if name in chosen),
        by=None if account is None else account.name,
        pipelining=pipelining,
        pace=pace,
    )


def _quiet(hours: object) -> str:
    """Give the part of the day that is left: "09:00-11:00 X" is quiet "11:00-09:00 X"."""
    span, _, zone = str(hours).partition(" ")
    start, dash, end = span.partition("-")
    if not dash:
        raise ValueError(f'hours={hours!r}: written "09:00-11:00 Europe/Paris"')
    return f"{end}-{start} {zone}".strip()
