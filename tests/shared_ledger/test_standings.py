"""Standings: looked at from elsewhere, while runners run."""

from __future__ import annotations

from typing import get_args

import pytest

from smtpbook.shared_ledger.shares import Asked
from tests.ledger.conftest import PEOPLE, Database, note

pytestmark = pytest.mark.real_server


def test_who_runs_and_what_is_left_to_claim_is_seen_from_elsewhere(
    database: Database,
) -> None:
    database.create(PEOPLE)
    with database.look() as standings:
        assert standings.shares == {None: 8}
        one, other = database.open(share=3), database.open(share=2)
        note(one, next(iter(one.select())).address, "accepted")
        assert one.counts["accepted"] == 1
        assert [lease.owner for lease in standings.runners] == [
            one.lease.owner,
            other.lease.owner,
        ]
        assert standings.shares == {
            one.lease.owner: 3,
            other.lease.owner: 2,
            None: 3,
        }
        assert standings.counts == {"accepted": 1, "pending": 3}
        assert len(list(standings.outcomes())) == 4
        one.close()
        assert standings.shares == {other.lease.owner: 2, None: 6}


@pytest.mark.parametrize("word", get_args(Asked))
def test_what_is_asked_of_runners_is_heard_with_their_next_sign_of_life(
    database: Database, word: Asked
) -> None:
    database.create(PEOPLE)
    ledger = database.open()
    assert ledger.asked == "go"
    with database.look() as standings:
        standings.ask(word)
        assert standings.asked == word
    assert len(ledger.counts) == 1  # it writes, if nothing
    assert ledger.asked == word
    assert database.open(share=0).asked == word


def test_a_word_that_no_runner_knows_is_refused(database: Database) -> None:
    database.create(PEOPLE)
    with (
        database.look() as standings,
        pytest.raises(ValueError, match="did you mean 'stop'"),
    ):
        standings.ask("stopp")  # type: ignore[arg-type]
