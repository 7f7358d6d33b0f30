"""Classify: what every reply of a log means, as columns beside it.

The rules of `codes` decide; here a log is only asked about, each distinct reply once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import pandas as pd

from smtpbook.codes.explain import explain
from smtpbook.codes.explanation import Explanation
from smtpbook.codes.foreign_names import foreign_names
from smtpbook.log.distinct import NEEDED, DistinctReply, distinct_replies
from smtpbook.log.frame import require_columns
from smtpbook.protocol.replies import Reply

_WHICH: Final = (
    *("time", "session_id", "seq", "kind", "verb", "recipient"),
    *("reply_code", "enhanced_status", "reply_text"),
)
_NAMES: Final = ("reason", "group", "fault", "permanence", "advice")


def classify(log: pd.DataFrame, *, names: str | Iterable[str] = ()) -> pd.DataFrame:
    """Tell what every reply of a log means.

    Parameters
    ----------
    log : DataFrame
        Event log.
    names : str or iterable of str
        Tools whose names for the reasons are wanted, too: ``"sisimai"``, ``"kumomta"``,
        ``"sendgrid"``, ``"powermta"``.

    Returns
    -------
    DataFrame
        One row for each reply, ``outcome`` rows among them, with the log's own index, so
        that ``log.join`` puts both together.  First the log's columns that say which reply
        it is: ``time``, ``session_id``, ``seq``, ``kind``, ``verb``, ``recipient``,
        ``reply_code``, ``enhanced_status``, ``reply_text``.  Then the answer:

        ``reason``, ``group``, ``fault`` : category
            As in `Explanation`; null = no refusal, or (``fault``) nobody can tell.
        ``permanence``, ``advice`` : category
            What the code says; what to do.
        ``retry_s`` : float64, seconds
            After how long the reply asks to be tried again; null = it does not say.
        ``confidence`` : float64, 0 to 1
            How sure the reason is.
        ``provider`` : category
            Whose server it is; null = not recognised.

        And one category for each of ``names``; null = that tool has no such name.

    Raises
    ------
    ColumnError
        The log lacks a column.
    ValueError
        A tool of that name is not known; the message names the near miss.

    Examples
    --------
    >>> from smtpbook.events import Event
    >>> from smtpbook.log.frame import to_frame
    >>> said = [(250, "2.1.5 Ok"), (452, "4.2.2 mailbox full, retry in 2 hours")]
    >>> rows = [Event(verb="RCPT", reply_code=c, reply_text=t).to_row() for c, t in said]
    >>> table = classify(to_frame(rows), names="powermta")
    >>> table[["reply_code", "reason", "permanence", "retry_s", "powermta"]]
       reply_code        reason permanence  retry_s      powermta
    0         250           NaN    success      NaN           NaN
    1         452  mailbox_full  transient   7200.0  quota-issues
    """
    require_columns(log, *NEEDED, *_WHICH)
    tools = [names] if isinstance(names, str) else list(names)
    foreign = {tool: foreign_names(tool) for tool in tools}
    is_reply = log["reply_code"].between(200, 599).fillna(False).to_numpy(bool)
    number, heard = distinct_replies(log, is_reply)
    answers = [_explained(one) for one in heard]
    table = log.loc[is_reply, list(_WHICH)].copy()
    for name in _NAMES:
        table[name] = _category(number, [getattr(one, name) for one in answers])
    table["retry_s"] = np.array([one.retry_s for one in answers], float)[number]
    table["confidence"] = np.array([one.confidence for one in answers], float)[number]
    table["provider"] = _category(number, [one.provider for one in answers])
    for tool, known in foreign.items():
        names_there = [known[one.reason] if one.reason else None for one in answers]
        table[tool] = _category(number, names_there)
    return table


def _explained(one: DistinctReply) -> Explanation:
    reply = Reply.of(one.code, one.text)
    if one.status is not None and reply.enhanced_status != one.status:
        # Some logs keep the status apart from the text.
        reply = Reply.of(one.code, f"{one.status} {one.text}")
    return explain(reply, verb=one.verb, host=one.host, greeting=one.greeting)


def _category(number: Any, cells: list[str | None]) -> pd.Categorical:
    names = sorted({cell for cell in cells if cell is not None})
    places = {name: place for place, name in enumerate(names)}
    codes = np.array([places.get(cell or "", -1) for cell in cells], int)
    return pd.Categorical.from_codes(codes[number], pd.Index(names, dtype="str"))
