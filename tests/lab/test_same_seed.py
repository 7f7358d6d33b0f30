"""The same seed over a whole campaign: the same words at the same times of its clock."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

import pandas as pd
import pytest

from smtpbook.accounts.account import Account
from smtpbook.lab.lab import Lab
from smtpbook.messages.template import Template
from smtpbook.pacing.retry import Retry
from tests.campaign.conftest import in_memory, letter, serve_here

__all__ = ["letter", "serve_here"]

SEED = 5  # with which each outcome comes
DOMAINS = (
    *("patience", "fullbox", "gone", "slowlane", "strictgate", "ratelimit", "hiccup"),
    *("hangup", "scanner", "any"),
)
PEOPLE = pd.DataFrame(
    {
        "email": [f"p{n}@{DOMAINS[n % len(DOMAINS)]}.example" for n in range(20)],
        "first_name": [f"Person {n}" for n in range(20)],
    }
)


Said = list[tuple[object, ...]]
Send = Callable[[int, int], Awaitable[pd.DataFrame]]


@pytest.fixture
def send(
    letter: Template,
    serve_here: Callable[[Lab], Awaitable[Account]],
) -> Send:
    """Send to all of them on a mixed day of a seed, with retries, over so many lines."""

    async def send(seed: int, connections: int) -> pd.DataFrame:
        account = await serve_here(Lab("mixed-day", seed=seed))
        campaign = in_memory(
            "c", account, PEOPLE, letter, connections=connections, retry=Retry()
        )
        return (await campaign.send_async()).log

    return send


def words(log: pd.DataFrame, *columns: str) -> Said:
    """Give what was said in order, and the columns asked for."""
    # Message-IDs are drawn anew, some an octet longer.
    log = log.assign(command=log["command"].str.replace(r" SIZE=\d+", "", regex=True))
    rows = log[["kind", "verb", "command", "reply_code", "reply_text", *columns]]
    plain = rows.astype(object).where(rows.notna(), None)
    return list(plain.itertuples(index=False, name=None))


async def test_the_same_campaign_twice_is_the_same_word_by_word_and_time_by_time(
    send: Send, autojump_clock: object
) -> None:
    logs = [await send(SEED, 1), await send(SEED, 1)]
    for log in logs:
        log["session_id"] = pd.factorize(log["session_id"])[0]
        log["latency_s"] = log["latency_s"].round(6)
    first, again = (words(log, "session_id", "latency_s", "outcome") for log in logs)
    assert first == again
    assert {"accepted", "deferred", "rejected", "in_doubt"} <= set(logs[0]["outcome"])
    assert words(await send(SEED + 1, 1)) != words(logs[0])


async def test_over_several_connections_each_recipient_is_told_the_same(
    send: Send, autojump_clock: object
) -> None:
    """What else is said differs: who waits behind one who is hung up on is tried again."""

    def told(log: pd.DataFrame) -> dict[str, str]:
        rows = log[(log["kind"] == "outcome") & log["reply_code"].notna()]
        heard = {str(who): str(words(them)) for who, them in rows.groupby("recipient")}
        return {who: re.sub(r"as L\d+", "", what) for who, what in heard.items()}

    one, four = told(await send(SEED, 1)), told(await send(SEED, 4))
    hung_up_on = set(PEOPLE["email"]) - set(one)
    assert {who.partition("@")[2] for who in hung_up_on} == {"hangup.example"}
    assert four == one
