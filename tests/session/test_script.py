"""Script: what a client says, written as in the RFCs, read back the same, and played."""

from __future__ import annotations

from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab
from smtpbook.protocol.states import State
from smtpbook.samples import sample_path
from smtpbook.session.script import Line, Script
from smtpbook.session.session import open_session
from tests.session.scripted import Rows

LETTER = """\
# A letter in two chunks, and one line by line.
S: 220
C: EHLO me.test
S: 250
C: MAIL FROM:<a@x.test>
C: RCPT TO:<b@y.test>
S: 250
C: BDAT 13
C: Subject: hi
S: 250
C: BDAT 7 LAST
C:
C: Hello
S: 250
C: MAIL FROM:<a@x.test>
C: RCPT TO:<nobody@y.test>
S: 550
C: RCPT TO:<b@y.test>
C: DATA
S: 354
C: BDAT 9 is mail data here
C:
C: ..
C: .
S: 250
C: QUIT
S: 221
"""

# What a script gives a meaning, and some of the rest.
texts = st.text("CSs:# .-5\N{LATIN SMALL LETTER E WITH ACUTE}\N{EURO SIGN}x", max_size=12)
codes = st.none() | st.integers(200, 599).filter(lambda code: code != 354)
notes = texts.map(str.rstrip)


@st.composite
def commands(draw: st.DrawFn) -> list[Line]:
    text = draw(texts.filter(lambda one: one[:4].upper() not in ("BDAT", "DATA")))
    return [Line(text=text, expected=draw(codes), note=draw(notes))]


@st.composite
def chunks(draw: st.DrawFn) -> list[Line]:
    lines = draw(st.lists(texts, min_size=1, max_size=4))
    end = draw(st.sampled_from(["", "\r\n"]))
    chunk = ("\r\n".join(lines) + end).encode()
    last = draw(st.sampled_from(["", " LAST"]))
    return [Line(text=f"BDAT {len(chunk)}{last}", chunk=chunk, expected=draw(codes))]


@st.composite
def mail_data(draw: st.DrawFn) -> list[Line]:
    said = draw(st.lists(texts.filter(lambda one: one != "."), max_size=4))
    lines = [Line(text=one) for one in ("DATA", *said, ".")]
    return [Line(text="DATA", expected=354), *lines[1:]]


scripts = st.builds(
    lambda greeting, parts: Script(greeting=greeting, lines=tuple(chain(*parts))),
    codes,
    st.lists(st.one_of(commands(), chunks(), mail_data()), max_size=4),
)


@given(scripts)
@settings(max_examples=25, deadline=None)
def test_what_is_written_is_read_back_the_same(script: Script) -> None:
    assert Script.parse(str(script)) == script


def test_a_chunk_is_the_lines_below_its_bdat() -> None:
    script = Script.parse("C: BDAT 7 LAST\nC: ab\nC: cde")
    (line,) = script.lines
    assert line.chunk == b"ab\r\ncde"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("C: NOOP\nEHLO me", "line 2 .* none of C:, S: and #: 'EHLO me'"),
        ("C: NOOP\nS: yes", "line 2 .* begins with a reply code"),
        ("C: BDAT 5\nC: ab\nC: QUIT", "line 1 .* announces 5 octets, and 8 stand"),
        ("C: BDAT 4 LAST", "announces 4 octets, and 0 stand"),
        ("C: NO\x1bOP", "control character"),
    ],
)
def test_what_is_no_script_is_refused_with_its_line(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Script.parse(text)


async def test_a_script_is_played_and_its_replies_are_held_against_it() -> None:
    rows = Rows()
    with Lab() as lab:
        lab.set("nobody@*", rcpt=Behaviour(reply="550 5.1.1 No such user"))
        async with open_session(lab.account, sink=rows, ehlo=False) as session:
            played = await session.play(LETTER)
            assert session.state is State.CLOSED
        first, second = lab.received
    assert all(one.is_as_expected for one in played)
    assert first.data == b"Subject: hi\r\n\r\nHello"
    assert second.data == b"BDAT 9 is mail data here\r\n\r\n.\r\n"
    rows.check_whole()


async def test_another_reply_than_the_script_expects_is_told_and_does_not_stop_it() -> None:
    with Lab() as lab:
        async with open_session(lab.account, ehlo=False) as session:
            first, last = await session.play("C: MIAL\nS: 250\nC: NOOP\nS: 250")
    assert not first.is_as_expected
    assert str(first).endswith("5.5.1 Command not recognized   # expected: 250")
    assert last.is_as_expected


async def test_the_seed_dialogue_is_a_script() -> None:
    with Lab("seed-dialogue") as lab:
        async with open_session(lab.account, ehlo=False) as session:
            played = await session.play(sample_path("seed-dialogue").read_text())
    assert all(one.is_as_expected for one in played)


async def test_a_script_ends_where_the_session_does() -> None:
    with Lab() as lab:
        async with open_session(lab.account, ehlo=False) as session:
            played = await session.play("C: QUIT\nC: NOOP")
    assert [one.line.text for one in played] == ["QUIT"]
