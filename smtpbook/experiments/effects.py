"""Effects: what an experiment came to, read from a log and shown.

The log needs only its own columns, so it may have been read anywhere.  How the figures come
about is told in `estimates`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from smtpbook.errors import SMTPBookError, near_miss
from smtpbook.escape import to_html, visible
from smtpbook.events import OUTCOMES
from smtpbook.experiments.assign import SEED, name_of
from smtpbook.experiments.design import Design
from smtpbook.experiments.estimates import (
    is_mismatch,
    latency_rows,
    mismatch,
    share_rows,
)
from smtpbook.states import INK
from smtpbook.statistics.comparing import Evidence
from smtpbook.tables.engine import PLACE, query
from smtpbook.tables.last import NEEDS, TOLD, later
from smtpbook.tables.scan import Log
from smtpbook.wording import counted

_LAST: Final = f"""
WITH told AS (
    SELECT log.campaign_id AS campaign, recipient, arm, block, recipient_domain, outcome,
        {TOLD}
    FROM log
    WHERE kind = 'outcome' AND recipient IS NOT NULL AND arm IS NOT NULL
        AND ($attempt = 0 OR attempt = $attempt)
),
latest AS (
    SELECT campaign, recipient, max(place) AS seen_at, arg_max(place, {later()}) AS place
    FROM told GROUP BY campaign, recipient, campaign_id
),
last AS (
    SELECT arg_max(place, seen_at) AS place FROM latest GROUP BY campaign, recipient
)
SELECT arm, block, recipient_domain, outcome, count(*) AS recipients
FROM told JOIN last USING (place) GROUP BY arm, block, recipient_domain, outcome
ORDER BY arm, block, recipient_domain, outcome
"""
_SAID: Final = """
SELECT arm, block, verb, session_id, service_s FROM log
WHERE kind = 'command' AND arm IS NOT NULL AND verb IS NOT NULL
    AND reply_code IS NOT NULL AND service_s IS NOT NULL
ORDER BY place
"""
_SHARES: Final = dict.fromkeys(
    ("arm", "block", "recipient_domain", "outcome"), "string"
) | {"recipients": "int64"}
_TIMES: Final = dict.fromkeys(("arm", "block", "verb", "session_id"), "string") | {
    "service_s": "float64"
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """What an experiment came to; shows itself in a notebook.

    Attributes
    ----------
    table : DataFrame
        A row for each comparison of a level with the first of its factor, pooled
        (``block`` is null), then by block.  ``share`` and ``share_versus`` (float64, 0 to
        1) are those who came to `outcomes`, ``difference`` is the first less the second,
        ``low`` and ``high`` its interval, which ``method`` names; ``effective_n`` (float64)
        is of how many independent recipients that is worth.  ``p_value`` (float64; null by
        block) is for one comparison, ``p_adjusted`` for all of them together (Holm).
    latency : DataFrame
        A row for each comparison, command and quantile: ``service_s``,
        ``service_versus_s``, ``difference_s`` with ``low_s`` and ``high_s``; and what
        speaks against "no difference" in the command's times, ``p_value`` and
        ``p_adjusted`` (Mann-Whitney, Holm).
    sizes : Series of int64
        Recipients in the log, by arm.
    mismatch : Evidence
        Against the arms being of one size, as they were drawn.
    outcomes : tuple of str
        What counted.
    design : Design
    confidence : float
    """

    table: pd.DataFrame
    latency: pd.DataFrame
    sizes: pd.Series[Any]
    mismatch: Evidence
    outcomes: tuple[str, ...]
    design: Design
    confidence: float

    @property
    def is_mismatch(self) -> bool:
        """Whether the arms have lost recipients so unequally that none should be believed.

        True where chance would do so less than once in a thousand times.
        """
        return is_mismatch(self.mismatch)

    @property
    def pooled(self) -> pd.DataFrame:
        """The rows of `table` that are of all blocks together."""
        return self.table[self.table["block"].isna()].reset_index(drop=True)

    def _cells(self) -> list[dict[str, str]]:
        """Give the pooled rows in words, by what stands above them."""
        what = " or ".join(self.outcomes)
        return [
            {
                "factor": row["factor"],
                "level": row["level"],
                "against": row["versus"],
                what: _told(row["share"], ".1%"),
                f"{what} (against)": _told(row["share_versus"], ".1%"),
                "difference in points": _told(100 * row["difference"], "+.1f"),
                "interval": f"{100 * row['low']:+.1f} to {100 * row['high']:+.1f}",
                "p": _told(row["p_value"], ".3g"),
                "p adjusted": _told(row["p_adjusted"], ".3g"),
            }
            for row in self.pooled.to_dict("records")
        ]

    def _notes(self) -> list[str]:
        first = self.pooled.iloc[0]
        notes = [
            f"{self.confidence * 100:g} % intervals: {first['method']}; adjusted by Holm "
            f"for {counted(len(self.pooled), 'comparison', 'comparisons')}"
        ]
        if self.design.words:
            mixed = "; ".join(f"{a}: {b}" for a, b in self.design.aliases())
            notes.append(f"Not to be told apart in this fraction: {mixed}")
        told = ", ".join(f"{n:,}" for n in self.sizes)
        said = f"Arms of {told} recipients, p = {self.mismatch.p_value:.2g}"
        if self.is_mismatch:
            said += (
                ": they were drawn alike in size and are not any more. Find out why some "
                "were lost before any difference is believed"
            )
        return [*notes, said]

    def __repr__(self) -> str:
        lines = ["Effects of an experiment"]
        for row in self._cells():
            factor, level, versus, share, other, change, interval, p, adjusted = (
                row.values()
            )
            lines.append(
                f"{factor}: {visible(level)} {share}, {visible(versus)} {other} "
                f"{' or '.join(self.outcomes)}: {change} points ({interval}), p = {p}, "
                f"adjusted {adjusted}"
            )
        return "\n".join([*lines, *self._notes()])

    def _repr_html_(self) -> str:
        style = "text-align: left; padding: .1em .8em .1em 0"
        cells = self._cells()
        head = "".join(
            f'<th scope="col" style="{style}">{to_html(name)}</th>' for name in cells[0]
        )
        rows = ""
        for row in cells:
            tds = (f'<td style="{style}">{to_html(one)}</td>' for one in row.values())
            rows += f"<tr>{''.join(tds)}</tr>"
        notes = "".join(f"<div>{to_html(note)}</div>" for note in self._notes())
        return (
            f'<div style="{INK}"><b>Effects of an experiment</b>'
            f'<table style="color: inherit"><thead><tr>{head}</tr></thead>'
            f"<tbody>{rows}</tbody></table>{notes}</div>"
        )


def _told(figure: float, form: str) -> str:
    """Write a figure, or that there is none: an arm of which nobody is in the log."""
    return "unknown" if pd.isna(figure) else format(figure, form)


def effects_of(
    log: Log,
    design: Design,
    seed: int,
    *,
    outcomes: str | Collection[str] = "accepted",
    attempt: int | None = None,
    quantiles: Sequence[float] = (0.5, 0.95),
    clustered: bool = False,
    confidence: float = 0.95,
) -> Effects:
    """Read an experiment's effects from a log; parameters as `Experiment.effects`.

    Raises
    ------
    ValueError
        There is no such outcome.
    ColumnError
        The log lacks a column.
    SMTPBookError
        It has no row of this experiment; the message says of which it has.
    """
    wanted = (outcomes,) if isinstance(outcomes, str) else tuple(outcomes)
    for name in wanted or ("",):
        if name not in OUTCOMES:
            known = ", ".join(OUTCOMES)
            raise ValueError(
                f"outcomes={outcomes!r}: {name!r} is none of {known}"
                f"{near_miss(str(name), OUTCOMES)}"
            )
    found = query(
        _LAST,
        _SHARES,
        needs=(
            *(*NEEDS, "recipient_domain", "arm", "block", "outcome"),
            *(() if attempt is None else ("attempt",)),
        ),
        parameters={"attempt": attempt or 0},
        log=log,
    )
    said = query(
        _SAID,
        _TIMES,
        needs=(
            "kind",
            "arm",
            "block",
            "verb",
            "session_id",
            "service_s",
            "reply_code",
            PLACE,
        ),
        log=log,
    )
    own = _own(found, design, seed)
    sizes = own.groupby("arm")["recipients"].sum().reindex(design.names, fill_value=0)
    said = said[_is_own(said, design, seed)]
    rows = latency_rows(said, design, quantiles, clustered=clustered, confidence=confidence)
    shares = share_rows(own, design, wanted, clustered=clustered, confidence=confidence)
    return Effects(
        table=pd.DataFrame(list(shares)).astype({"block": "string"}),
        latency=pd.DataFrame(rows),
        sizes=sizes.astype("int64"),
        mismatch=mismatch(sizes.tolist()),
        outcomes=wanted,
        design=design,
        confidence=confidence,
    )


def _own(found: pd.DataFrame, design: Design, seed: int) -> pd.DataFrame:
    own: pd.DataFrame = found[_is_own(found, design, seed)]
    if own.empty:
        others = sorted(set(found["arm"].dropna()))[:4]
        seeds = sorted({str(name_of(str(one))[1]) for one in found["block"].dropna()})[:4]
        has = (
            f"its arms are {', '.join(map(visible, others))}, seed {', '.join(seeds)}"
            if others
            else "no row of it names an arm"
        )
        raise SMTPBookError(
            f"the log has no recipient of this experiment (seed {seed}): {has}; ask the "
            f"Experiment with which it was sent"
        )
    return own


def _is_own(rows: pd.DataFrame, design: Design, seed: int) -> Any:
    is_arm = rows["arm"].isin(design.names)
    return (
        (is_arm & rows["block"].str.endswith(f"{SEED}{seed}")).fillna(False).to_numpy(bool)
    )
