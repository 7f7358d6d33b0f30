"""Whose: which provider a server belongs to, as far as its name tells.

Greetings and replies would tell of more servers; they are for `codes.providers`, one at a
time.  A table is made of millions.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import pandas as pd

from smtpbook.codes.providers import recognise
from smtpbook.codes.rules import Said


def providers_of(servers: pd.Series[Any]) -> pd.Series[Any]:
    """Give the provider of each server, such as ``"gmail"``: a category; null = not known.

    >>> list(providers_of(pd.Series(["alt1.aspmx.l.google.com", None, "mx.x.example"])))
    ['gmail', nan, nan]
    """
    found = {name: _provider_of(name) for name in servers.dropna().unique()}
    names = sorted({name for name in found.values() if name})
    category = pd.CategoricalDtype(pd.Index(names, dtype="str"))
    return servers.map(found).astype(object).astype(category)


@lru_cache(maxsize=10_000)
def _provider_of(server: str) -> str | None:
    return recognise(Said(verb=None, code=0, host=server))
