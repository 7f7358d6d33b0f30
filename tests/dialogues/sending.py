"""What our own sending says: the dialogue that others are compared with."""

from __future__ import annotations

import pandas as pd
import trio

import smtpbook as sb
from smtpbook.events import Row
from smtpbook.log.frame import to_frame


def sent(account: sb.Account, pipelining: str) -> pd.DataFrame:
    """Send three messages to two recipients each; give the log."""
    messages = [
        sb.Message.from_bytes(
            "ann@example.org",
            [f"bob{n}@fullbox.example", f"ann{n}@example.org"],
            b"Subject: hi\r\n\r\nhi\r\n",
        )
        for n in range(3)
    ]
    rows: list[Row] = []

    async def main() -> None:
        async with sb.open_session(
            account, record=lambda event: rows.append(event.to_row())
        ) as session:
            async for _ in session.send_many(messages, pipelining=pipelining):
                pass

    trio.run(main)
    return to_frame(rows)
