"""What we speak: every command, extension, mechanism and standard, and how far.

The table itself is `smtpbook.codes.tables.spoken`; a test holds it against the code.
"""

from __future__ import annotations

from dataclasses import astuple, fields
from typing import Final

import pandas as pd

from smtpbook.codes.tables import Spoken, spoken
from smtpbook.errors import near_miss

KINDS: Final = ("command", "extension", "mechanism", "standard")


def what_we_speak(kind: str | None = None) -> pd.DataFrame:
    """Tell what of SMTP is spoken here, how, and what is not and why.

    Parameters
    ----------
    kind : {"command", "extension", "mechanism", "standard"}, optional
        Default: all of them.

    Returns
    -------
    DataFrame
        One row each: ``kind``, ``name``, ``speaks`` (``yes``, ``by hand``: any session can
        say it with `Session.command`, but nothing here does; ``no``), ``how`` (what is
        sent, or why it is not), ``otherwise`` (what happens where it is not offered, or is
        refused; null = nothing else) and ``source``; all strings.

    Raises
    ------
    ValueError
        There is no such kind.
    """
    if kind is not None and kind not in KINDS:
        raise ValueError(
            f"kind={kind!r} is not one of {', '.join(KINDS)}{near_miss(kind, KINDS)}"
        )
    rows = [astuple(one) for one in spoken() if kind in (None, one.kind)]
    names = [field.name for field in fields(Spoken)]
    return pd.DataFrame(rows, columns=names, dtype="string")
