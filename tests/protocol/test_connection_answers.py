"""A client and a server wired to each other agree on every answer, and when parted."""

from __future__ import annotations

import itertools
from contextlib import suppress
from random import Random

import pytest

from smtpbook.errors import LocalProtocolError
from smtpbook.protocol.commands import Bdat, Command, EndOfData, Greeting, encode
from smtpbook.protocol.connection import CLOSED, CLOSING, Client, Exchange
from smtpbook.protocol.extensions import ehlo_reply
from smtpbook.protocol.replies import Reply
from smtpbook.protocol.server import Server
from smtpbook.protocol.states import TABLE, State, allowed_verbs
from tests.protocol.words import ALL, SAID

BY_ITSELF = {"GREETING", "HANDSHAKE"}
# How each state is reached, with replies that lead on.
OPEN = (("GREETING", 220), ("EHLO", 250))
WAYS: dict[State, tuple[tuple[str, int], ...]] = {
    State.CONNECTED: (),
    State.GREETED: OPEN[:1],
    State.REFUSED: (("GREETING", 554),),
    State.READY: OPEN,
    State.AUTH: (*OPEN, ("AUTH", 334)),
    State.MAIL: (*OPEN, ("MAIL", 250)),
    State.RCPT: (*OPEN, ("MAIL", 250), ("RCPT", 250)),
    State.CHUNKS: (*OPEN, ("MAIL", 250), ("RCPT", 250), ("BDAT", 250)),
    State.DATA: (*OPEN, ("MAIL", 250), ("RCPT", 250), ("DATA", 354)),
}
# Every answer to every command in every state: by its first digit, and 421.
ANSWERS = [
    (state, key, code)
    for (state, key), after in TABLE.items()
    if state in WAYS and key in SAID and key in allowed_verbs(state)
    for code, target in zip((250, 354, 450, 550, CLOSING), (*after, state), strict=True)
    if target is not None
]
PIECES = pytest.mark.parametrize("most", [1, 1000], ids=["by octet", "at once"])


class Pair:
    """A client and a server, and the octets between them; `most` of them arrive at once."""

    def __init__(self, most: int) -> None:
        self.client, self.server = Client(), Server()
        self.issued: list[Command] = [Greeting()]
        self.said: list[tuple[Command | None, int]] = []  # as the client saw it
        self.heard: list[tuple[Command, int]] = []  # as the server did
        self._most = most
        self._up = self._down = b""

    def say(self, *keys: str) -> None:
        """The client says these together, as far as it may."""
        before = self.client.outstanding
        with suppress(LocalProtocolError):
            if keys == ("END-OF-DATA",):
                self._up += self.client.end_mail_data(b"hi\r\n")
            else:
                self.client.issue_group((SAID[key], None) for key in keys)
        said = [command for command, _, _ in self.client.unanswered[before:]]
        self.issued += said
        for command in said:
            if not isinstance(command, EndOfData):
                self._up += encode(command) + b"\n" * isinstance(command, Bdat)

    def answer(self, code: int | Random) -> bool:
        """The server answers its next command, if one has come; else more octets arrive."""
        command = Greeting() if not self.heard else self.server.next_command()
        if not isinstance(command, Command):
            self.server.receive_data(self._up[: self._most])
            self._up = self._up[self._most :]
            return False
        if isinstance(code, Random):  # most often one that leads on
            leads_on = 354 if command.verb == "DATA" else 250
            code = code.choice([leads_on] * 12 + [450, 550, CLOSING])
        refusal = self.server.refusal(command)
        if refusal is not None and code != CLOSING:
            code = refusal.code
        lines = ehlo_reply("mx", ALL).lines if command.verb == "EHLO" else ("x", "y")
        self._down += self.server.reply(Reply(code=code, lines=lines))
        self.heard.append((command, code))
        if self.server.state is State.TLS:
            self.server.begin_tls()
            self.server.end_tls()
        return True

    def listen(self) -> None:
        """Some of what the server said arrives."""
        self.client.receive_data(self._down[: self._most])
        self._down = self._down[self._most :]
        while isinstance(item := self.client.next_reply(), Exchange):
            self.said.append((item.command, item.reply.code))
            if self.client.state is State.TLS:
                self.client.begin_tls()
                self.client.end_tls()

    def exchange(self, *steps: tuple[str, int]) -> None:
        """The client says these together, and gets these answers."""
        if steps[0][0] not in BY_ITSELF:
            self.say(*(key for key, _ in steps))
        for _, code in steps:
            has_more = True
            while not self.answer(code):
                assert has_more, f"not said: {steps}"
                has_more = bool(self._up)
            if code == CLOSING:
                break
        while self._down:
            self.listen()

    def hang_up(self) -> None:
        """The connection breaks; what had arrived is still read, on both sides."""
        self._up = self._down = b""
        for side in (self.client, self.server):
            side.receive_data(b"")
        while self.server.state is not State.CLOSED and self.answer(250):
            pass
        if self.server.state is not State.CLOSED:
            assert self.server.next_command() is CLOSED
        if self.client.state is not State.CLOSED:
            assert self.client.next_reply() is CLOSED


@PIECES
def test_they_agree_on_every_answer_to_every_command_in_every_state(most: int) -> None:
    for state, key, code in ANSWERS:
        pair = Pair(most)
        for step in (*WAYS[state], (key, code)):
            pair.exchange(step)
        assert pair.said == pair.heard
        assert len(pair.said) == len(WAYS[state]) + 1
        after = TABLE[state, key][code // 100 - 2] if code != CLOSING else State.CLOSED
        after = State.GREETED if after is State.TLS else after  # the handshake is done
        assert pair.client.state is pair.server.state is after, (state, key, code)


@PIECES
def test_they_agree_on_every_combination_of_answers_to_a_group(most: int) -> None:
    verbs = ("MAIL", "RCPT", "RCPT", "DATA")
    refusals = (450, 550, CLOSING)
    for codes in itertools.product(*[(250, *refusals)] * 3, (354, *refusals)):
        pair = Pair(most)
        for step in OPEN:
            pair.exchange(step)
        pair.exchange(*zip(verbs, codes, strict=True))
        assert pair.said == pair.heard
        assert pair.client.state is pair.server.state, codes
        answered = codes.index(CLOSING) + 1 if CLOSING in codes else len(codes)
        assert pair.client.outstanding == len(codes) - answered
        if pair.client.state is State.DATA:
            assert any(code == 250 for code in codes[1:3])
            pair.exchange(("END-OF-DATA", 250))
            assert pair.client.state is pair.server.state is State.READY


def test_a_connection_that_breaks_leaves_both_with_what_they_had() -> None:
    """Anywhere, also within a command, a reply and the mail data."""
    in_doubt = 0
    for seed in range(400):
        random = Random(seed)
        pair = Pair(random.randint(1, 60))
        envelope = ("MAIL", "RCPT", "RCPT", "DATA")
        groups = [("EHLO",), ("RSET",), *[envelope] * 4, *[("END-OF-DATA",)] * 4]
        for _ in range(random.randint(1, 150)):
            if State.CLOSED in (pair.client.state, pair.server.state):
                break
            pair.say(*random.choice(groups))
            if random.random() < 0.5:
                pair.listen()
            else:
                pair.answer(random)
        pair.hang_up()
        assert pair.said == pair.heard[: len(pair.said)], seed
        answered = [command for command, _ in pair.said]
        unanswered = [command for command, _, _ in pair.client.unanswered]
        assert answered + unanswered == pair.issued, seed
        assert [command for command, _ in pair.heard] == pair.issued[: len(pair.heard)], (
            seed
        )
        ends = [command for command in unanswered if isinstance(command, EndOfData)]
        assert len(ends) <= 1, seed
        in_doubt += len(ends)
    assert in_doubt >= 10
