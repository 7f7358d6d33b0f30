"""Client and server machine at random: each message's verdict is what the server did."""

from __future__ import annotations

import pytest

from smtpbook.transfer.pipeline import Pipelining
from tests.transfer.talk import Conversation

WAYS: list[tuple[Pipelining, bool | None]] = [
    ("off", None),
    ("off", True),
    ("auto", None),
    ("auto", True),
    ("stream", None),
    ("stream", False),
]


@pytest.mark.parametrize(("mode", "chunking"), WAYS)
def test_whatever_the_server_says_every_message_gets_one_result_and_the_server_agrees(
    mode: Pipelining, chunking: bool | None
) -> None:
    seen: set[str] = set()
    most_in_doubt = 0
    for seed in range(300):
        conversation = Conversation(seed, mode, chunking)
        conversation.run()
        results, is_lost = conversation.results, conversation.error is not None
        # One result each, in order; only what was never tried has none.
        tried = [result.message for result in results]
        assert tried == conversation.added[: len(tried)], seed
        assert is_lost or len(tried) == len(conversation.added), seed
        received = dict(conversation.received)
        assert len(received) == len(conversation.received), seed  # nothing twice
        in_doubt = 0
        for result in results:
            assert len(result.recipients) == len(result.message.recipients), seed
            told = {r.recipient for r in result.recipients if r.outcome == "accepted"}
            doubted = {r.recipient for r in result.recipients if r.outcome == "in_doubt"}
            assert not (told and doubted), seed
            assert is_lost or not doubted, seed
            # Nobody is written to without a verdict that says so, nobody gets an empty
            # message, and every acceptance was real.
            got = set(received.pop(result.message.data, ()))
            assert told <= got <= told | doubted, seed
            seen |= {r.outcome for r in result.recipients}
            in_doubt += bool(doubted)
        assert not received, seed
        writes_ahead = conversation.talk.pipeline.writes_ahead
        assert in_doubt <= (conversation.window if writes_ahead else 1), seed
        most_in_doubt = max(most_in_doubt, in_doubt)
    assert seen == {"accepted", "deferred", "rejected", "failed", "in_doubt"}
    assert (most_in_doubt > 1) == ((mode, chunking) == ("stream", None))
