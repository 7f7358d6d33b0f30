"""The table of states is whole, and its picture shows all of it."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

from smtpbook.protocol.commands import _GRAMMAR
from smtpbook.protocol.states import (
    ONLY_PIPELINED,
    TABLE,
    VERBS,
    State,
    allowed_verbs,
    to_svg,
    to_text,
)

C, G, F, T, A = State.CONNECTED, State.GREETED, State.REFUSED, State.TLS, State.AUTH
R, M, P, K, D, X = (
    State.READY,
    State.MAIL,
    State.RCPT,
    State.CHUNKS,
    State.DATA,
    State.CLOSED,
)

# After success, intermediate, transient, permanent; None: the server broke the protocol.
ROWS = {
    (C, "GREETING"): (G, None, F, F),
    **{
        (s, verb): (R, None, s, s)
        for s in (G, R, M, P, K)
        for verb in ("EHLO", "HELO", "LHLO")
    },
    (R, "XCLIENT"): (G, None, R, R),
    (R, "ETRN"): (R, None, R, R),
    (R, "TURN"): (X, None, R, R),
    (R, "STARTTLS"): (T, None, R, R),
    (T, "HANDSHAKE"): (G, None, None, None),
    (R, "AUTH"): (R, A, R, R),
    (A, "RESPONSE"): (R, A, R, R),
    **{(R, verb): (M, None, R, R) for verb in ("MAIL", "SEND", "SOML", "SAML")},
    (M, "RCPT"): (P, None, M, M),
    (P, "RCPT"): (P, None, P, P),
    (M, "DATA"): (None, D, M, M),
    (P, "DATA"): (None, D, P, P),
    (D, "END-OF-DATA"): (R, None, R, R),
    (P, "BDAT"): (K, None, P, P),
    (K, "BDAT"): (K, None, K, K),
    (P, "BDAT LAST"): (R, None, P, P),
    (K, "BDAT LAST"): (R, None, K, K),
    (G, "RSET"): (G, None, G, G),
    **{(s, "RSET"): (R, None, s, s) for s in (R, M, P, K)},
    **{
        (s, verb): (s, None, s, s)
        for s in (G, R, M, P, K)
        for verb in ("NOOP", "HELP", "VRFY", "EXPN")
    },
    **{(s, "QUIT"): (X, X, X, X) for s in (G, R, M, P, K, F)},
}


def test_every_row_leads_where_rfc_5321_says() -> None:
    assert {step: tuple(after) for step, after in TABLE.items()} == ROWS


def test_no_row_leaves_closed() -> None:
    assert not allowed_verbs(State.CLOSED)
    assert not [step for step in TABLE if step[0] is State.CLOSED]


def test_every_row_is_reachable_from_connected() -> None:
    reached = {State.CONNECTED}
    while True:
        found = {
            target
            for (state, _), after in TABLE.items()
            if state in reached
            for target in after
            if target is not None
        }
        if found <= reached:
            break
        reached |= found
    assert reached == set(State)


def test_quit_is_allowed_wherever_a_command_is() -> None:
    for state in State:
        verbs = set(allowed_verbs(state)) - {
            "GREETING",
            "HANDSHAKE",
            "RESPONSE",
            "END-OF-DATA",
        }
        assert not verbs or "QUIT" in verbs


def test_data_without_recipient_is_a_row_but_not_allowed() -> None:
    assert {(State.MAIL, "DATA")} == ONLY_PIPELINED
    assert "DATA" not in allowed_verbs(State.MAIL)
    assert "DATA" in allowed_verbs(State.RCPT)


def test_verbs_are_those_a_server_reads_and_the_events_that_are_no_lines() -> None:
    events = {"GREETING", "HANDSHAKE", "RESPONSE", "END-OF-DATA", "BDAT LAST"}
    assert set(VERBS) == set(_GRAMMAR) | events


def test_lhlo_is_lmtps_alone_and_lmtp_has_no_other_way_to_begin() -> None:
    """RFC 2033 section 4.1."""
    assert not {"LHLO"} & set(allowed_verbs(State.GREETED))
    verbs = set(allowed_verbs(State.GREETED, "lmtp")) | set(
        allowed_verbs(State.READY, "lmtp")
    )
    assert not {"EHLO", "HELO", "TURN"} & verbs
    assert {"LHLO", "MAIL", "STARTTLS", "AUTH"} <= verbs


def test_picture_is_xml_and_shows_every_state_and_every_verb_that_moves_on() -> None:
    root = ET.fromstring(to_svg())
    texts = [
        element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")
    ]
    for state in State:
        assert texts.count(state.name) == 1
    labels = " ".join(text for text in texts if "→" in text)
    spoken = {
        "GREETING": "greeting",
        "HANDSHAKE": "handshake",
        "END-OF-DATA": "lone dot",
        "RESPONSE": "response",
    }
    for (state, verb), after in TABLE.items():
        if verb not in ("QUIT", "TURN") and any(
            target not in (None, state) for target in after
        ):
            assert spoken.get(verb, verb) in labels


def test_picture_keeps_inside_its_frame() -> None:
    root = ET.fromstring(to_svg())
    width, height = int(root.attrib["width"]), int(root.attrib["height"])
    for element in root.iter("{http://www.w3.org/2000/svg}text"):
        assert 0 < float(element.attrib["x"]) < width
        assert 0 < float(element.attrib["y"]) < height


@pytest.mark.parametrize("here", State)
def test_picture_marks_the_state_one_is_in(here: State) -> None:
    root = ET.fromstring(to_svg(here))
    (marked,) = root.findall(".//{http://www.w3.org/2000/svg}g[@class='here']")
    assert here.name in [element.text for element in marked]


def test_table_in_text_has_a_row_for_each_step() -> None:
    header, *rows = to_text().splitlines()
    assert header.split() == ["state", "verb", "2yz", "3yz", "4yz", "5yz"]
    assert len(rows) == len(TABLE)
    assert "MAIL        DATA        error       DATA        MAIL        MAIL" in rows


@pytest.mark.parametrize(("argument", "expected"), [("--table", to_text()), ("", to_svg())])
def test_module_shows_itself(argument: str, expected: str) -> None:
    command = [sys.executable, "-m", "smtpbook.protocol.states", *argument.split()]
    shown = subprocess.run(command, check=True, capture_output=True, encoding="utf-8")
    assert shown.stdout == expected + "\n"
