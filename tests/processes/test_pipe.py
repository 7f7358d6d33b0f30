"""What goes from one process to the other: a secret in no pickle, and nothing too late."""

from __future__ import annotations

import pickle
from collections.abc import AsyncIterator

import pytest
import trio

from smtpbook.accounts.secret import Secret
from smtpbook.errors import LocalProtocolError
from smtpbook.processes.pipe import LINGER_S, Pipe
from smtpbook.processes.words import Asked, Given, Noted, Refused, Word

Ends = tuple[Pipe, Pipe]
TEXT = "correct hörse"
NOTED = Noted(1, "accepted", "END-OF-DATA", None, None, None)


@pytest.fixture
async def ends() -> AsyncIterator[Ends]:
    ours, theirs = trio.socket.socketpair()
    with ours, theirs:
        yield Pipe(trio.SocketStream(ours)), Pipe(trio.SocketStream(theirs))


async def test_a_secret_that_was_asked_for_goes_as_json_among_words_that_are_pickled(
    ends: Ends,
) -> None:
    ours, theirs = ends
    words: list[Word] = [Given(1, Secret(TEXT)), Asked("go", 2, 4), Given(2, None)]
    words.append(Refused(3, LocalProtocolError("there is none")))
    for word in words:
        ours.put(word)
    assert TEXT not in repr(vars(ours)) + repr(words)
    ours.end()
    await ours.send()
    heard = [*await theirs.receive(), *await theirs.receive(), *await theirs.receive()]
    assert heard[:3] == [words[0], words[2], words[1]]
    assert repr(heard[3]) == repr(words[3])
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(words[0])


async def test_told_at_once_a_secret_shows_nowhere_but_on_its_way(ends: Ends) -> None:
    ours, theirs = ends
    await ours.send_secret(Secret(TEXT))
    assert await theirs.receive_secret() == Secret(TEXT)
    assert TEXT not in repr(vars(ours)) + repr(vars(theirs))


async def test_what_can_wait_for_others_goes_at_once_in_a_hurry(
    ends: Ends, autojump_clock: object
) -> None:
    ours, theirs = ends
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ours.send)
        ours.hurry()  # with nothing to tell, nothing is to go at once
        for is_hurried in (False, True):
            since = trio.current_time()
            ours.put(NOTED, wait_s=LINGER_S)
            if is_hurried:
                ours.hurry()
            assert await theirs.receive() == [NOTED]
            assert (trio.current_time() - since < LINGER_S) == is_hurried
        nursery.cancel_scope.cancel()
