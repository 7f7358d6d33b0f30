"""Books at a sender: an intent that is not known to be written is not kept."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
import trio

from smtpbook.errors import LedgerError
from smtpbook.ledger.ledger import Ledger
from smtpbook.processes.books import ToldBooks
from smtpbook.processes.pipe import Pipe


async def test_that_one_was_written_is_too_late_when_nothing_is_any_more(
    tmp_path: Path,
) -> None:
    Ledger.create(tmp_path, ["a@x.test", "b@x.test"], campaign_id="november-1")
    ours, theirs = trio.socket.socketpair()
    with ours, theirs, closing(Ledger(tmp_path)) as ledger:
        books = ToldBooks(tmp_path, Pipe(trio.SocketStream(ours)))
        for entry, error in zip(ledger.select(), (None, "disk full"), strict=True):
            promise = books.intend(entry, "<1@x.test>")
            assert promise is not None
            books.hear_of_intents(1, error)
            if error is None:
                await promise
                continue
            with pytest.raises(LedgerError, match="disk full"):
                await promise
        books.hear_of_intents(1, None)
        with pytest.raises(LedgerError, match="disk full"):
            books.intend(entry, "<1@x.test>")
        books.close()
