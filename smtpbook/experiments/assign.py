"""Assign: who of a list gets which arm, drawn by chance within blocks, and in which order.

Theory of operation.  Recipients of one block (a domain, say) are shuffled and cut into
groups of as many as there are arms; within a group each arm comes once.  So a block's arms
differ by one recipient at most.  The groups are shuffled in their turn, and make the order
in which the list is sent: at any time as many of each arm have been written to, and what
changes with the hour changes for all.  Addresses are sorted first: the same people and the
same seed give the same assignment, however the list was ordered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from smtpbook.codes.providers import recognise
from smtpbook.codes.rules import Said
from smtpbook.delivery.arms import ARM, BLOCK
from smtpbook.errors import RecipientsError, near_miss
from smtpbook.ledger.entries import key_of
from smtpbook.protocol.addresses import domain_of
from smtpbook.recipients.read import read_recipients
from smtpbook.recipients.recipients import Recipients

Blocks: TypeAlias = "str | Callable[[str], str | None] | None"
"""By what to block: ``"recipient_domain"``, ``"provider"``, a field, or a function of the
address; None = everybody is one block."""

OTHERS: Final = "others"
"""The block of those whose own would be too small to compare anybody in."""
SEED: Final = "; seed="
"""Stands between a block's name and the seed by which its arms were drawn."""
_ALL: Final = "everybody"
_LEAST: Final = 2  # recipients of each arm in a block of its own


def assigned(
    people: Recipients, arms: Sequence[str], blocks: Blocks, seed: int
) -> Recipients:
    """Draw everybody's arm; give the list with `ARM` and `BLOCK`, in the order to send in.

    Parameters
    ----------
    people : Recipients
    arms : sequence of str
    blocks : str, callable or None
    seed : int
        0 or more.

    Raises
    ------
    RecipientsError
        The list has fields of those names already, or lacks the one to block by, or has
        fewer recipients than there are arms.
    """
    taken = {ARM, BLOCK} & set(people.fields)
    if taken:
        raise RecipientsError(
            f"the list has a field {min(taken)!r} already, which an experiment writes; "
            f"rename it, or take the list without it"
        )
    if len(people) < len(arms):
        raise RecipientsError(f"{len(arms)} arms need more than {len(people)} recipients")
    frame = people.frame.drop(columns=["source", "source_row"])
    labels = _merged(block_labels(frame, blocks), _LEAST * len(arms))
    order, drawn = _drawn(frame["email"], labels, len(arms), seed)
    frame = frame.iloc[order].reset_index(drop=True)
    frame[ARM] = pd.array([arms[number] for number in drawn], "string")
    frame[BLOCK] = pd.array([f"{labels[place]}{SEED}{seed}" for place in order], "string")
    return read_recipients(frame, address="email")


def block_labels(frame: pd.DataFrame, blocks: Blocks) -> list[str]:
    """Give each recipient's block, before small ones are put together.

    Raises
    ------
    RecipientsError
        There is no such field.
    """
    addresses = frame["email"]
    if blocks is None:
        return [_ALL] * len(frame)
    if callable(blocks):
        return [str(blocks(address) or "none") for address in addresses]
    if blocks in ("recipient_domain", "provider"):
        domains = [domain_of(address) or "none" for address in addresses]
        if blocks == "recipient_domain":
            return domains
        known = {one: recognise(Said(verb=None, code=0, host=one)) for one in set(domains)}
        return [known[one] or one for one in domains]
    if blocks not in frame.columns:
        names = ("recipient_domain", "provider", *frame.columns)
        raise RecipientsError(f"blocks={blocks!r}: no such field{near_miss(blocks, names)}")
    return ["none" if pd.isna(cell) else str(cell) for cell in frame[blocks]]


def name_of(block: str) -> tuple[str, int | None]:
    """Take a block's name and the seed apart, as the log has them; None = it tells none.

    >>> name_of("x.example; seed=7")
    ('x.example', 7)
    """
    name, found, seed = block.rpartition(SEED)
    if not found or not seed.isdecimal():
        return block, None
    return name, int(seed)


def _merged(labels: list[str], least: int) -> list[str]:
    """Put blocks together that are too small for a comparison of their own."""
    sizes = Counter(labels)
    return [label if sizes[label] >= least else OTHERS for label in labels]


def _drawn(
    addresses: pd.Series[Any], labels: Sequence[str], arms: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give the order in which to send, as places in the list, and the arm of each."""
    chance = np.random.default_rng(seed)
    blocks: dict[str, list[int]] = {}
    for place in sorted(range(len(labels)), key=[*map(key_of, addresses)].__getitem__):
        blocks.setdefault(labels[place], []).append(place)
    groups: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    totals = np.zeros(arms, np.int64)
    for label in sorted(blocks):
        members = chance.permutation(np.array(blocks[label], np.int64))
        for start in range(0, len(members), arms):
            group = members[start : start + arms]
            # Where a block does not come out even, those arms that have fewest so far.
            least = np.lexsort((chance.random(arms), totals))[: len(group)]
            which = chance.permutation(least)
            totals[which] += 1
            groups.append((group, which))
    turns = chance.permutation(len(groups))
    order = np.concatenate([groups[turn][0] for turn in turns])
    return order, np.concatenate([groups[turn][1] for turn in turns])
