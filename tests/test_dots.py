"""A message whose pieces were looked through goes over the wire as one that was not."""

from __future__ import annotations

import pickle

from hypothesis import given
from hypothesis import strategies as st

from smtpbook.dots import join, ready, stuff_dots
from smtpbook.protocol.mail_data import stuff

# Every way in which a line's end, and a dot behind it, can be cut in two.
PIECES = st.lists(st.text("\r\n.a", max_size=5).map(str.encode), max_size=8)


@given(PIECES, st.integers(0, 255))
def test_pieces_are_stuffed_as_the_whole_is(pieces: list[bytes], those_ready: int) -> None:
    whole = b"".join(pieces)
    given_ = [
        ready(piece) if those_ready >> place & 1 else piece
        for place, piece in enumerate(pieces)
    ]
    assert join(given_) == whole
    assert stuff(join(given_)) == stuff(whole)


@given(PIECES, PIECES)
def test_what_was_joined_can_be_joined_again(some: list[bytes], more: list[bytes]) -> None:
    whole = b"".join([*some, *more])
    assert stuff(join([join(some), join(more)])) == stuff(whole)


def test_octets_without_dots_are_kept_once() -> None:
    message = join([ready(b"a\r\n"), b"b\r\n"])
    assert stuff_dots(message) is message


def test_a_message_keeps_its_dots_where_it_is_pickled() -> None:
    message = join([b"a\r\n", b".b\r\n"])
    again = pickle.loads(pickle.dumps(message))
    assert again == message
    assert stuff_dots(again) == b"a\r\n..b\r\n"
