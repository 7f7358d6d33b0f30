"""The state machine as it is shown agrees with the one that is used."""

from __future__ import annotations

import pandas as pd
import pytest

from smtpbook.errors import ColumnError
from smtpbook.events import Row
from smtpbook.insight.state_machine import session_states, state_machine
from smtpbook.lab.lab import Lab
from smtpbook.log.frame import to_frame
from smtpbook.protocol.message import Message
from smtpbook.protocol.states import TABLE, State, allowed_verbs
from smtpbook.runner import SENDER
from smtpbook.session.probe import probe
from smtpbook.session.session import open_session


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


def test_a_session_that_is_not_there_and_a_column_that_is_not() -> None:
    with Lab() as lab:
        log = probe(lab.account)
    with pytest.raises(ValueError, match="no session 'x'"):
        session_states(log, "x")
    with pytest.raises(ValueError, match="no session"):
        session_states(log.iloc[:0])
    with pytest.raises(ColumnError, match="reply_code"):
        session_states(log.drop(columns="reply_code"))
