"""Splitting: who comes into which part, by lot; nothing here knows what is shared out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from smtpbook.errors import RecipientsError


def parts_of(
    count: int, parts: int | Sequence[float], seed: int | None
) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Draw a part's number for each of `count` things.

    Parameters
    ----------
    count : int
    parts : int or sequence of float
        Their number, or their shares; a share is met to within one thing.
    seed : int or None
        None = another draw each time.

    Raises
    ------
    RecipientsError
        The parts are none, or the shares are none or do not sum to 1.

    Examples
    --------
    >>> np.bincount(parts_of(10, [0.5, 0.25, 0.25], seed=1)).tolist()
    [5, 3, 2]
    """
    if isinstance(parts, int):
        if parts < 1:
            raise RecipientsError(f"cannot split a list into {parts} parts")
        shares = np.full(parts, 1 / parts)
    else:
        shares = np.asarray(parts, dtype=np.float64)
        if not len(shares) or (shares < 0).any() or not math.isclose(shares.sum(), 1):
            raise RecipientsError(
                f"the shares {list(parts)} do not sum to 1; for a part of the list, "
                f"take sample()"
            )
    sizes = np.floor(count * shares + 1e-9).astype(np.int64)
    # The largest remainders get what is left; of equal ones, the first.
    order = np.argsort(sizes - count * shares, kind="stable")
    sizes[order[: count - int(sizes.sum())]] += 1
    drawn: np.ndarray[Any, np.dtype[np.int64]] = np.repeat(np.arange(len(sizes)), sizes)
    np.random.default_rng(seed).shuffle(drawn)
    return drawn
