"""Mail as it lies at a receiver: a log of what was sent, and headers of what came."""

from __future__ import annotations

import mailbox
from pathlib import Path
from typing import Any, Final

import pandas as pd

from smtpbook.events import row_of
from smtpbook.log.frame import to_frame

SENT_US: Final = 1_795_867_200_000_000
"""When everything was accepted: Sat, 28 Nov 2026 12:00:00 +0000."""


def log_of(*people: str, **cells: Any) -> pd.DataFrame:
    """Give a log in which each was accepted, as ``<1@sender.example>`` and so on."""
    return to_frame(
        row_of(
            **{
                "time": SENT_US,
                "kind": "outcome",
                "verb": "END-OF-DATA",
                "campaign_id": "seeds-1",
                "message_id": f"<{number}@sender.example>",
                "recipient": address,
                "outcome": "accepted",
                "reply_code": 250,
                "attempt": 1,
            }
            | cells
        )
        for number, address in enumerate(people, 1)
    )


def mail(number: int = 1, *above: str, message_id: str | None = None) -> bytes:
    """Give a message as it was delivered, under the lines of its receiver."""
    lines = [
        *above,
        "Received: from out.sender.example (out.sender.example [192.0.2.1])",
        "\tby mx.own.example (Postfix) with ESMTPS id 4F1234567890",
        "\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits));",
        "\tSat, 28 Nov 2026 12:00:07 +0000 (UTC)",
        "From: a@sender.example",
        f"Message-ID: {message_id or f'<{number}@sender.example>'}",
        "Subject: hello",
    ]
    return ("\n".join(lines) + "\n\nhi\n").encode("utf-8", "surrogateescape")


def put(folder: Path, *mails: bytes) -> Path:
    """Deliver into a maildir."""
    box = mailbox.Maildir(folder, create=True)
    for one in mails:
        box.add(one)
    return folder
