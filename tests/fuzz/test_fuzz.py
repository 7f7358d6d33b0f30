"""The fuzzer's promises hold for all that it has found so far, and for a little more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpbook.protocol.states import State
from tests.fuzz.corpus import kept
from tests.fuzz.roles import (
    COMMANDS,
    ENVELOPE,
    GIVE,
    INSIST,
    MAIL_DATA,
    SAY,
    SECURE,
    client,
    server,
)
from tests.fuzz.targets import TARGETS

pytestmark = pytest.mark.side_by_side
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("target", TARGETS)
def test_no_kept_input_breaks_a_promise(target: str) -> None:
    inputs = kept(target)
    assert inputs
    for octets in inputs:
        TARGETS[target](octets)


def test_the_kept_conversations_reach_every_state() -> None:
    moves = {move for octets in kept("client") for move in client(octets)}
    assert {after for *_, after in moves} | {State.CONNECTED} == set(State)  # type: ignore[misc]


def test_orders_do_not_overlap() -> None:
    orders = [*SAY, *INSIST, *GIVE, ENVELOPE, SECURE]
    assert len(set(orders)) == len(orders) == 2 * len(COMMANDS) + len(MAIL_DATA) + 2


# What a server may say well-formed or not, between whatever the client is told to do.
HEARD = st.sampled_from(
    [
        *(b"220 mx\r\n", b"250 ok\r\n", b"354 go\r\n", b"334 \r\n", b"235 in\r\n"),
        *(b"421 bye\r\n", b"450 no\r\n", b"550-5.1.1\r\n550 no\r\n", b"250", b"\r", b"\n"),
        b"250-mx\r\n250-PIPELINING\r\n250-STARTTLS\r\n250-AUTH PLAIN\r\n250 CHUNKING\r\n",
        b"what\r\n",
    ]
)
TOLD = st.sampled_from([bytes([one]) for one in (*SAY, *INSIST, *GIVE, ENVELOPE, SECURE)])


@given(st.lists(st.one_of(HEARD, TOLD), max_size=30))
def test_a_client_lives_through_the_same_however_its_octets_are_cut(
    steps: list[bytes],
) -> None:
    client(b"220 mx\r\n" + SAY_EHLO + b"".join(steps))
    client(b"".join(steps))


SAY_EHLO = bytes([SAY.start])
LINES = st.sampled_from(
    [
        *(b"EHLO a\r\n", b"MAIL FROM:<a@b.c>\r\n", b"RCPT TO:<a@b.c>\r\n", b"DATA\r\n"),
        *(b".\r\n", b"..\r\n", b"\r\n.\r\n", b"hi\r\n", b"BDAT 5\r\n", b"BDAT 9 LAST\r\n"),
        *(
            b"AUTH PLAIN\r\n",
            b"AGEAYg==\r\n",
            b"*\r\n",
            b"RSET\r\n",
            b"QUIT\r\n",
            b"\n",
            b"\r",
        ),
        *(b"\x80", b"\x81", b"\x82", b"\x83", b"STARTTLS\r\n", b"\xff\xe9", b"NOOP x\r\n"),
    ]
)


@given(st.lists(LINES, max_size=30))
def test_a_server_hears_the_same_however_its_octets_are_cut(lines: list[bytes]) -> None:
    server(b"EHLO a\r\n" + b"".join(lines))
    server(b"".join(lines))


@pytest.mark.heavy
def test_the_fuzzer_breaks_no_promise_in_twenty_seconds() -> None:
    pytest.importorskip("atheris")
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "--seconds=20", "--no-keep"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    for target in TARGETS:
        assert f"{target}: " in done.stdout
