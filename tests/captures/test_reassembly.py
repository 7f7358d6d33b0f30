"""One direction's octets come in order, once, and what is missing is said."""

from __future__ import annotations

from smtpbook.captures.reassembly import Half


def begun() -> Half:
    half = Half()
    half.begin(99)
    return half


def taken(half: Half, *segments: tuple[int, bytes]) -> list[bytes | int]:
    """Give the octets that come of segments; a number stands for so many missing."""
    pieces = (piece for seq, octets in segments for piece in half.take(seq, octets, 0, 0))
    return [piece.size if piece.octets is None else piece.octets for piece in pieces]


def test_what_is_sent_again_is_given_once_and_what_overlaps_is_cut() -> None:
    half = begun()
    again = [(100, b"abc"), (100, b"abc"), (101, b"bc"), (101, b"bcdef"), (106, b"g")]
    assert taken(half, *again) == [b"abc", b"def", b"g"]


def test_what_comes_too_early_waits() -> None:
    assert taken(begun(), (103, b"def"), (106, b"g"), (100, b"abc")) == [
        b"abc",
        b"def",
        b"g",
    ]


def test_what_the_other_side_has_got_and_the_capture_has_not_is_missing() -> None:
    half = begun()
    assert taken(half, (103, b"def")) == []
    assert list(half.acknowledged(103, 0)) == []
    missing, octets = half.acknowledged(106, 0)
    assert (missing.octets, missing.size, octets.octets) == (None, 3, b"def")


def test_the_end_is_reached_when_all_before_it_is_given() -> None:
    half = begun()
    list(half.take(103, b"d", 0, 5, is_last=True))
    assert not half.is_done
    list(half.take(100, b"abc", 0, 6))
    assert (half.is_done, half.fin_at) == (True, 5)


def test_what_waits_is_bounded() -> None:
    half = begun()
    pieces = [
        piece
        for number in range(10_002)
        for piece in half.take(200 + 2 * number, b"x", 0, 0)
    ]
    assert pieces[0].octets is None
