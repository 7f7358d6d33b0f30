"""The state machine as it is shown agrees with the one that is used."""

from __future__ import annotations

from contextlib import suppress

import pandas as pd
import pytest
import trio
import trio.testing
from hypothesis import example, given, settings
from hypothesis import strategies as st

from smtpbook.errors import ColumnError, SMTPBookError
from smtpbook.events import Row
from smtpbook.insight.state_machine import session_states, state_machine
from smtpbook.lab.lab import Lab
from smtpbook.log.frame import to_frame
from smtpbook.protocol.message import Message
from smtpbook.protocol.states import TABLE, State, allowed_verbs
from smtpbook.runner import SENDER
from smtpbook.session.probe import probe
from smtpbook.session.session import open_session
from tests.session.scripted import ACCOUNT, EHLO, Servers


def test_it_shows_itself_as_a_picture_with_the_state_marked() -> None:
    picture = state_machine(State.RCPT)._repr_svg_()
    assert picture.startswith("<svg")
    assert picture.count('<g class="here">') == 1
    assert '<g class="here">' not in state_machine()._repr_svg_()


@pytest.mark.parametrize("state", State, ids=lambda state: state.name)
def test_what_is_allowed_is_what_the_client_allows(state: State) -> None:
    machine = state_machine(state.name.lower())
    assert machine.here == state.name
    assert machine.allowed == allowed_verbs(state)
    assert state.value in repr(machine)


def test_the_table_has_every_row_once() -> None:
    table = state_machine().table
    assert list(zip(table["state"], table["verb"], strict=True)) == [
        (state.name, verb) for state, verb in TABLE if verb != "LHLO"
    ]
    row = table.query("state == 'RCPT' and verb == 'DATA'").iloc[0]
    assert row[["3yz", "4yz", "5yz"]].tolist() == ["DATA", "RCPT", "RCPT"]
    assert pd.isna(row["2yz"])
    assert table.query("not allowed")[["state", "verb"]].to_numpy().tolist() == [
        ["MAIL", "DATA"]
    ]
    assert set(state_machine("mail").table["state"]) == {"MAIL"}


def test_of_lmtp_it_has_lmtps_verbs() -> None:
    machine = state_machine("GREETED", protocol="lmtp")
    assert "LHLO" in machine.allowed
    assert not {"EHLO", "HELO"} & {*machine.allowed, *machine.table["verb"]}
    with pytest.raises(ValueError, match="'qmqp' is not one of smtp, lmtp"):
        state_machine(protocol="qmqp")  # type: ignore[arg-type]


def test_a_session_of_lmtp_is_followed() -> None:
    with Lab(protocol="lmtp") as lab:
        steps = session_states(probe(lab.account))
    assert steps["state"].tolist() == ["GREETED", "READY", "CLOSED", "CLOSED"]
    offered = set(steps["allowed"].iloc[1].split())
    assert "LHLO" in offered
    assert not {"EHLO", "TURN"} & offered


def test_a_state_that_is_none_gets_the_near_miss() -> None:
    with pytest.raises(ValueError, match="did you mean 'READY'"):
        state_machine("redy")


def test_a_session_with_tls_and_login_is_followed() -> None:
    with Lab(users={"ann": "horse"}, tls="starttls") as lab:
        steps = session_states(probe(lab.account.replace(auth="LOGIN")))
    assert steps["state"].tolist() == [
        *("GREETED", "READY", "TLS", "GREETED", "READY"),
        *("AUTH", "AUTH", "READY", "CLOSED", "CLOSED"),
    ]
    assert steps["allowed"].iloc[5] == "RESPONSE"
    assert "MAIL" in steps["allowed"].iloc[4].split()


@pytest.mark.parametrize("pipelining", ["off", "auto"])
def test_the_state_is_the_session_s_own(pipelining: str) -> None:
    seen: list[tuple[str | None, str]] = []
    rows: list[Row] = []
    message = Message.from_bytes("ann@x.test", ["bob@y.test", "eve@y.test"], b"hi\r\n")

    async def converse() -> None:
        async with open_session(lab.account, sink=rows.append) as session:
            for line in ("VRFY bob", "MAIL FROM:<a@x.test>", "DATA", "RCPT TO:<b@y.test>"):
                await session.command(line)
                seen.append((line.split()[0], session.state.name))
            await session.send(message, pipelining=pipelining)  # type: ignore[arg-type]

    with Lab() as lab:
        SENDER.run(converse)
    steps = session_states(to_frame(rows))
    by_hand = steps.iloc[2:6]
    assert list(zip(by_hand["verb"], by_hand["state"], strict=True)) == seen
    letter = steps.iloc[6:12]
    assert letter["verb"].tolist()[:2] == ["RSET", "MAIL"]
    assert letter["state"].tolist() == ["READY", "MAIL", "RCPT", "RCPT", "DATA", "READY"]
    assert steps["state"].iloc[-1] == "CLOSED"


LINES = (
    *("EHLO a.test", "HELO a.test", "LHLO a.test", "MAIL FROM:<a@x.test>"),
    *("RCPT TO:<b@y.test>", "DATA", ".", "BDAT 0", "BDAT 0 LAST", "BDAT x LAST", "RSET"),
    *("AUTH LOGIN", "STARTTLS", "TURN", "XCLIENT NAME=a.test", "QUIT", "xyzzy"),
)
REPLIES = ("250 a", "250 a", "354 b", "450 d", "550 e", "421 f")


@given(st.lists(st.tuples(st.sampled_from(LINES), st.sampled_from(REPLIES)), max_size=9))
@example([("DATA", "354 b"), ("hi", ""), (".", "250 a"), ("MAIL FROM:<>", "250 a")])
@settings(max_examples=30)
def test_it_is_the_session_s_own_whatever_is_said_and_answered(
    said: list[tuple[str, str]],
) -> None:
    seen, rows = ["GREETED", "READY"], list[Row]()
    steps = [
        (line, reply) for line, reply in said if (line, reply[:1]) != ("STARTTLS", "2")
    ]

    async def converse() -> None:
        async with trio.open_nursery() as nursery:
            servers = Servers(nursery)
            servers("220 mx.test", EHLO, *(reply for _, reply in steps if reply))
            with suppress(SMTPBookError):
                async with open_session(
                    ACCOUNT.replace(timeouts=1), sink=rows.append, connector=servers.connect
                ) as session:
                    for line, _ in steps:
                        if await session.command(line) is not None:
                            seen.append(session.state.name)

    trio.run(converse, clock=trio.testing.MockClock(autojump_threshold=0))
    states = session_states(to_frame(rows))["state"].tolist()
    assert states[: len(seen)] == seen
    assert set(states[len(seen) :]) <= {"CLOSED"}


LETTER = [(line, 250) for line in ("MAIL FROM:<> PRDR", "RCPT TO:<>", "RCPT TO:<>")]


@pytest.mark.parametrize(
    ("hello", "end", "after"),
    [
        (
            [("LHLO a", 250)],
            [("DATA", 354), (".", 550), (".", 250), ("RSET", 250)],
            ["DATA", "DATA", "READY", "READY"],
        ),
        (
            [("EHLO a", 250), ("LHLO a", 500)],
            [("DATA", 354), (".", 250), ("RSET", 250)],
            ["DATA", "READY", "READY"],
        ),
        (
            [("EHLO a", 250)],
            [("BDAT 9 LAST", code) for code in (353, 250, 550, 550)],
            ["RCPT", "RCPT", "RCPT", "RCPT"],
        ),
    ],
    ids=["LMTP", "SMTP that was asked for LMTP", "PRDR, and the message refused"],
)
def test_where_each_recipient_has_a_reply_the_last_one_moves(
    hello: list[tuple[str, int]], end: list[tuple[str, int]], after: list[str]
) -> None:
    rows = [
        ("s", number, "command", _verb(line), line, code, "", None)
        for number, (line, code) in enumerate([("", 220), *hello, *LETTER, *end])
    ]
    about = ("session_id", "seq", "kind", "verb", "command")
    names = [*about, "reply_code", "reply_text", "error"]
    states = session_states(pd.DataFrame(rows, columns=names))["state"]
    assert states.tolist()[-len(end) :] == after


def _verb(line: str) -> str:
    return {"": "GREETING", ".": "END-OF-DATA"}.get(line) or line.split()[0]


def test_a_session_that_is_not_there_and_a_column_that_is_not() -> None:
    with Lab() as lab:
        log = probe(lab.account)
    with pytest.raises(ValueError, match="no session 'x'"):
        session_states(log, "x")
    with pytest.raises(ValueError, match="no session"):
        session_states(log.iloc[:0])
    with pytest.raises(ColumnError, match="reply_code"):
        session_states(log.drop(columns="reply_code"))
