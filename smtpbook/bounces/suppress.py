"""Suppressing: who is never written to again, because of what came back.

Only those of whom a refusal says for good that the address is the cause, and those who
complained.  Whoever was refused for the sender's address, the message, a full mailbox or
for the time being is left alone: that is nothing they can help.  So is whoever was refused
before anybody named a recipient, or for what only the code alone lets one guess.  Anybody
can write a mail that looks like a bounce: where it is known what was sent, nobody is
suppressed to whom nothing was.
"""

from __future__ import annotations

from typing import Any, Final

import pandas as pd

from smtpbook.codes.tables import reasons
from smtpbook.errors import LocalProtocolError
from smtpbook.escape import visible
from smtpbook.log.classify import classify
from smtpbook.log.frame import require_columns
from smtpbook.protocol.addresses import Mailbox
from smtpbook.recipients.suppression import SuppressionList

_NEEDED: Final = (
    *("kind", "time", "recipient", "outcome", "reason", "reply_code", "enhanced_status"),
    *("reply_text", "verb", "campaign_id"),
)
# What names no recipient: a refusal of it is nobody's fault who was to get the mail.
_BEFORE_RCPT: Final = frozenset(
    {"GREETING", "EHLO", "HELO", "LHLO", "STARTTLS", "AUTH", "MAIL"}
)
# What a reply code that is for more than one thing makes of a reply without a word that is
# known; a status such as 5.1.1 and words that tell come to more.
_GUESS: Final = 0.7
_FAILED: Final = ("bounced", "rejected")
COLUMNS: Final = (
    *("recipient", "outcome", "reason", "reply_code", "enhanced_status", "reply_text"),
    *("done", "why"),
)


def suppress_bounces(
    log: pd.DataFrame,
    suppression: SuppressionList | None = None,
    *,
    dry_run: bool = False,
) -> pd.DataFrame:
    """Add to a suppression list who must not be written to again.

    Parameters
    ----------
    log : DataFrame
        Event log: of `read_bounces`, of a provider's events, or of a send.  Of bounces that
        were read for a campaign, only those count that were joined to it.
    suppression : SuppressionList, optional
        Where to.  Default: the one in the user's data folder, for all campaigns.
    dry_run : bool
        Only tell what would be done.

    Returns
    -------
    DataFrame
        A row for each recipient of whom the log has a bounce, a rejection or a complaint:
        its last one's ``recipient``, ``outcome``, ``reason``, ``reply_code``,
        ``enhanced_status``, ``reply_text``; ``done``, which is ``suppressed``, ``was
        there already`` or ``left alone``; and ``why``.

    Raises
    ------
    ColumnError
        The log lacks a column.
    RecipientsError
        The list cannot be read or written; nobody has been added.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from smtpbook.events import Event
    >>> from smtpbook.log.frame import to_frame
    >>> said = {"kind": "outcome", "outcome": "bounced", "reply_code": 550}
    >>> log = to_frame([
    ...     Event(recipient="ann@x.example", enhanced_status="5.1.1", **said).to_row(),
    ...     Event(recipient="bob@x.example", enhanced_status="5.2.2", **said).to_row(),
    ... ])
    >>> stop = SuppressionList.open(pathlib.Path(tempfile.mkdtemp(), "never.csv"))
    >>> suppress_bounces(log, stop)[["recipient", "reason", "done"]]
           recipient        reason        done
    0  ann@x.example  user_unknown  suppressed
    1  bob@x.example  mailbox_full  left alone
    """
    require_columns(log, *_NEEDED)
    stop = SuppressionList.open() if suppression is None else suppression
    rows = log[(log["kind"] == "outcome").to_numpy(bool)]
    asked = rows["outcome"].isin((*_FAILED, "complaint")) & rows["recipient"].notna()
    rows = rows[asked.to_numpy(bool)].copy()
    said = classify(rows)[["reason", "advice", "confidence"]].reindex(rows.index)
    said.columns = ["meant", "advice", "confidence"]
    cells = rows[list(_NEEDED)].join(said).astype(object)
    cells["is_ours"] = _of_the_campaign(log, rows)
    names = list(map(str, cells.columns))
    told = [
        _told(**dict(zip(names, one, strict=True)))
        for one in cells.itertuples(index=False, name=None)
    ]
    rows["is_for_good"] = [is_for_good for is_for_good, _ in told]
    rows["why"] = pd.array([why for _, why in told], dtype="string")
    # One reason is enough, whatever came before or after it.
    rows = rows.sort_values("is_for_good", kind="stable")
    rows = rows.drop_duplicates("recipient", keep="last").sort_index()
    known = set(stop.match(rows["recipient"])["address"])
    is_known = rows["recipient"].isin(known).to_numpy(bool)
    new = rows[rows["is_for_good"].to_numpy(bool) & ~is_known]
    if not dry_run and len(new):
        stop.add_many(_entries(new))
    rows["done"] = pd.array(["left alone"] * len(rows), dtype="string")
    rows.loc[new.index, "done"] = "suppressed"
    rows.loc[is_known, "done"] = "was there already"
    return rows[list(COLUMNS)].reset_index(drop=True)


def _of_the_campaign(log: pd.DataFrame, rows: pd.DataFrame) -> list[bool]:
    """Tell of each row whether it is about what was sent, as far as that is known."""
    joined = log.attrs.get("read", {}).get("joined")
    is_known = rows["campaign_id"].notna()
    if joined is not None and set(joined) == {"not joined"}:
        return [False] * len(rows)
    return is_known.tolist() if is_known.any() else [True] * len(rows)


def _told(
    *,
    recipient: str,
    outcome: str,
    verb: Any,
    reason: Any,
    reply_code: Any,
    enhanced_status: Any,
    reply_text: Any,
    meant: Any,
    advice: Any,
    confidence: Any,
    is_ours: bool,
    **_: Any,
) -> tuple[bool, str]:
    """Say whether somebody is never to be written to again, and why, or why not.

    What the reply itself comes to is `meant`, with its `advice` and `confidence`.
    """
    if not is_ours:
        return False, "it was joined to nothing that was sent"
    try:
        Mailbox.parse(recipient)
    except LocalProtocolError:
        return False, "it is no address: nobody can be written to there"
    if outcome == "complaint":
        return True, "complained"
    name = "unknown" if pd.isna(reason) else str(reason)
    known = reasons().get(name)
    if known is None:
        return False, f"{visible(name, max_chars=40)} is no reason that is known"
    told = str(enhanced_status if pd.isna(reply_code) else int(reply_code))
    if told.startswith("4"):
        return False, "the refusal is for the time being"
    advised = advice if meant == name else known.advice_permanent
    if advised != "suppress":
        return False, f"{name}: {advised}"
    if not pd.isna(verb) and verb in _BEFORE_RCPT:
        return False, f"{name}, but {verb} was refused, which names no recipient"
    # A log that keeps no text has its reason from who wrote it.
    if meant == name and not pd.isna(reply_text) and confidence <= _GUESS:
        return False, f"{name}, but that is a guess: the text does not say so"
    return True, f"{name}, for good"


def _entries(rows: pd.DataFrame) -> pd.DataFrame:
    is_complaint = (rows["outcome"] == "complaint").to_numpy(bool)
    return pd.DataFrame(
        {
            "address_or_rule": rows["recipient"].to_numpy(object),
            "reason": ["complaint" if one else "bounced" for one in is_complaint],
            "date": rows["time"].to_numpy(object),
        }
    )
