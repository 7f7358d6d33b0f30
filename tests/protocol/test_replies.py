"""Octets become the same replies however they arrive, or the connection is past saving."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpbook.errors import RemoteProtocolError
from smtpbook.protocol.replies import (
    MAX_REPLY_BYTES,
    MAX_REPLY_LINE,
    MAX_REPLY_LINES,
    NEED_DATA,
    NeedData,
    Reply,
    ReplyParser,
)

CASES = [
    pytest.param(
        b"220 mx ready\r\n", [Reply(code=220, lines=("mx ready",))], id="one line"
    ),
    pytest.param(
        b"250-a\r\n250 b\r\n", [Reply(code=250, lines=("a", "b"))], id="two lines"
    ),
    pytest.param(b"250\r\n", [Reply(code=250, lines=("",))], id="bare code"),
    pytest.param(b"250 \r\n", [Reply(code=250, lines=("",))], id="code and a space"),
    pytest.param(b"250-\r\n250\r\n", [Reply(code=250, lines=("", ""))], id="empty lines"),
    pytest.param(b"252 maybe\r\n", [Reply(code=252, lines=("maybe",))], id="252"),
    pytest.param(
        b"451 4.7.1 later\r\n", [Reply(code=451, lines=("4.7.1 later",))], id="451 4.7.1"
    ),
    pytest.param(b"599 new\r\n", [Reply(code=599, lines=("new",))], id="unlisted code"),
    pytest.param(b"220 caf\xe9\r\n", [Reply(code=220, lines=("caf\udce9",))], id="latin-1"),
    pytest.param(b"220 caf\xc3\xa9\r\n", [Reply(code=220, lines=("café",))], id="utf-8"),
    pytest.param(b"250 a\0b\r\n", [Reply(code=250, lines=("a\0b",))], id="NUL"),
    pytest.param(b"250  -x\r\n", [Reply(code=250, lines=(" -x",))], id="second space"),
    pytest.param(
        b"250 ok\r\n354 go\r\n",
        [Reply(code=250, lines=("ok",)), Reply(code=354, lines=("go",))],
        id="two replies",
    ),
    pytest.param(
        b"250-a\r\n250 b\r\n421 bye\r\n",
        [Reply(code=250, lines=("a", "b")), Reply(code=421, lines=("bye",))],
        id="421 behind",
    ),
]


def replies(parser: ReplyParser) -> list[Reply]:
    """Take every whole reply that has arrived."""
    found = []
    while not isinstance(reply := parser.next_reply(), NeedData):
        found.append(reply)
    return found


def fed(*pieces: bytes) -> list[Reply]:
    """Feed a new parser piece by piece."""
    parser, found = ReplyParser(), []
    for piece in pieces:
        parser.feed(piece)
        found += replies(parser)
    return found


def cut(wire: bytes, size: int) -> list[bytes]:
    return [wire[start : start + size] for start in range(0, len(wire), size)]


@pytest.mark.parametrize(("wire", "expected"), CASES)
def test_reply_fed_whole(wire: bytes, expected: list[Reply]) -> None:
    parser = ReplyParser()
    parser.feed(wire)
    assert replies(parser) == expected
    assert parser.unread == b""
    assert not parser.is_inside_reply


@pytest.mark.parametrize(("wire", "expected"), CASES)
def test_reply_is_the_same_cut_at_every_octet_and_with_octets_following(
    wire: bytes, expected: list[Reply]
) -> None:
    for place in range(len(wire) + 1):
        parser = ReplyParser()
        parser.feed(wire[:place])
        found = replies(parser)
        parser.feed(wire[place:] + b"354 next")
        assert found + replies(parser) == expected
        assert parser.unread == b"354 next"


@pytest.mark.parametrize(("wire", "expected"), CASES)
def test_reply_is_the_same_octet_by_octet(wire: bytes, expected: list[Reply]) -> None:
    assert fed(*cut(wire, 1)) == expected


def test_one_reply_in_twenty_packets_and_twenty_in_one() -> None:
    wire = b"250-mx.relay.example.org\r\n250-PIPELINING\r\n250 SIZE 1000000\r\n"
    pieces = cut(wire, 3)
    assert len(pieces) == 20
    assert fed(*pieces, wire * 20) == [Reply.parse(wire.decode())] * 21


def test_is_inside_reply_between_its_first_octet_and_its_last() -> None:
    parser, inside = ReplyParser(), []
    for octet in b"250-a\r\n250 b\r\n220\r\n":
        parser.feed(bytes([octet]))
        parser.next_reply()
        inside.append(parser.is_inside_reply)
    assert inside == [True] * 13 + [False] + [True] * 4 + [False]


def test_several_feeds_may_come_before_the_first_question() -> None:
    parser = ReplyParser()
    for piece in (b"250-", b"a\r", b"\n25", b"0 b\r\n220", b" c\r\n4"):
        parser.feed(piece)
    assert replies(parser) == [
        Reply(code=250, lines=("a", "b")),
        Reply(code=220, lines=("c",)),
    ]
    assert parser.unread == b"4"


def test_octets_of_the_last_reply_are_counted() -> None:
    parser = ReplyParser()
    parser.feed(b"250-a\r\n250 bcd\r\n220\r\n")
    sizes = []
    while not isinstance(parser.next_reply(), NeedData):
        sizes.append(parser.size)
    assert sizes == [16, 5]


@pytest.mark.parametrize(
    "wire",
    [
        b"hello\r\n",
        b"\r\n",
        b"120 x\r\n",
        b"620 x\r\n",
        b"25\r\n",
        b"25 x\r\n",
        b"250x\r\n",
        b"2500 x\r\n",
        b" 250 x\r\n",
        b"250\tx\r\n",
        b"-250 x\r\n",
        b"\xb2\xb3\xb4 x\r\n",
        b"HTTP/1.1 400 Bad Request\r\n",
        b"\x16\x03\x01\x02\x00\r\n",
        b"250 a\rb\r\n",
        b"250 a\nb\r\n",
        b"250 a\n250 b\r\n",
        b"250-a\r\n251 b\r\n",
        b"250-a\r\n550-b\r\n250 c\r\n",
        b"250-a\r\nb\r\n",
    ],
)
def test_garbage_is_the_servers_fault_however_it_is_cut(wire: bytes) -> None:
    for place in range(len(wire) + 1):
        with pytest.raises(RemoteProtocolError):
            fed(wire[:place], wire[place:])


def test_changed_code_is_named() -> None:
    parser = ReplyParser()
    parser.feed(b"250-a\r\n251 b\r\n")
    with pytest.raises(RemoteProtocolError, match="from 250 to 251"):
        parser.next_reply()


def line(code: bytes, octets: int) -> bytes:
    """A reply line of so many octets, CRLF included."""
    return code + b"x" * (octets - len(code) - 2) + b"\r\n"


@pytest.mark.parametrize("piece", [1, 7, 10**6])
def test_line_of_4096_octets_is_taken_and_one_more_is_not(piece: int) -> None:
    assert MAX_REPLY_LINE == 4096
    assert len(fed(*cut(line(b"250 ", 4096), piece))) == 1
    with pytest.raises(RemoteProtocolError, match="line longer than 4096"):
        fed(*cut(line(b"250 ", 4097), piece))


@pytest.mark.parametrize("piece", [1, 7, 10**6])
def test_challenge_of_12288_octets_is_taken_and_one_more_is_not(piece: int) -> None:
    """As long as a response may be: the mechanisms' tokens are (RFC 4954 section 4)."""
    (reply,) = fed(*cut(line(b"334 ", 12288), piece))
    assert reply.lines == ("x" * (12288 - 6),)
    with pytest.raises(RemoteProtocolError, match="line longer than 12288"):
        fed(*cut(line(b"334 ", 12289), piece))


@pytest.mark.parametrize("piece", [997, 10**6])
def test_reply_of_64_kib_is_taken_and_one_octet_more_is_not(piece: int) -> None:
    assert MAX_REPLY_BYTES == 65536
    begin = line(b"250-", 4096) * 15
    exact = begin + line(b"250-", 4090) + line(b"250 ", 6)
    assert len(exact) == 65536
    assert len(fed(*cut(exact, piece))) == 1
    with pytest.raises(RemoteProtocolError, match="longer than 65536 octets"):
        fed(*cut(begin + line(b"250-", 4090) + line(b"250 ", 7), piece))


@pytest.mark.parametrize("piece", [5, 10**6])
def test_reply_of_500_lines_is_taken_and_one_more_is_not(piece: int) -> None:
    assert MAX_REPLY_LINES == 500
    (reply,) = fed(*cut(b"250-a\r\n" * 499 + b"250 b\r\n", piece))
    assert len(reply.lines) == 500
    with pytest.raises(RemoteProtocolError, match="longer than 500 lines"):
        fed(*cut(b"250-a\r\n" * 500, piece))


def test_bounds_are_those_of_one_reply_not_of_the_session() -> None:
    parser = ReplyParser()
    for _ in range(40):
        parser.feed(line(b"250-", 4000) + b"250 ok\r\n")
        assert len(replies(parser)) == 1


def test_50_mb_without_crlf_are_refused_without_reading_on() -> None:
    flood = b"x" * 50_000_000
    parser = ReplyParser()
    tracemalloc.start()
    parser.feed(flood)
    with pytest.raises(RemoteProtocolError, match="line longer than"):
        parser.next_reply()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000


@pytest.mark.parametrize(
    ("begin", "bound"), [(b"", 4096), (b"250-", 4096), (b"250 ", 4096), (b"334 ", 12288)]
)
def test_endless_line_is_refused_at_its_last_octet(begin: bytes, bound: int) -> None:
    parser = ReplyParser()
    parser.feed(begin)
    for _ in range(bound - 1 - len(begin)):
        parser.feed(b"x")
        assert parser.next_reply() is NEED_DATA
    parser.feed(b"x")
    with pytest.raises(RemoteProtocolError, match="line longer than"):
        parser.next_reply()


class Counted(bytes):
    """Octets that count how many of them are searched and copied."""

    searched = copied = 0

    def split(self, sep: bytes) -> list[Counted]:  # type: ignore[override]
        Counted.searched += len(self)
        return list(map(Counted, super().split(sep)))

    def __contains__(self, sub: object) -> bool:
        Counted.searched += len(self)
        return super().__contains__(sub)  # type: ignore[operator]

    def __add__(self, other: bytes) -> Counted:  # type: ignore[override]
        Counted.copied += len(self) + len(other)
        return Counted(super().__add__(other))


@pytest.fixture
def counted() -> ReplyParser:
    Counted.searched = Counted.copied = 0
    parser = ReplyParser()
    parser._rest = Counted()
    return parser


def test_an_octet_of_a_line_without_bare_lf_is_searched_twice_at_most(
    counted: ReplyParser,
) -> None:
    for octet in cut(line(b"250 ", 4096), 1):
        counted.feed(Counted(octet))
        counted.next_reply()
    assert Counted.searched <= 2 * 4096


@pytest.mark.parametrize("piece", [100, 1000, 64 * 1024])
@pytest.mark.parametrize("replies_sent", [50, 400])
def test_work_is_linear_in_what_arrives(
    counted: ReplyParser, replies_sent: int, piece: int
) -> None:
    """Work is octets searched and copied: no more than four for each that arrives."""
    reply = (b"250-" + b"x" * 60 + b"\r\n") * 9 + b"250 ok\r\n"
    stream = reply * replies_sent
    for octets in cut(stream, piece):
        counted.feed(Counted(octets))
        replies(counted)
    assert counted.unread == b""
    assert Counted.searched + Counted.copied < 4 * len(stream)


TEXT = st.text(st.characters(blacklist_characters="\r\n", blacklist_categories=["Cs"]))
REPLIES = st.lists(
    st.builds(
        Reply,
        code=st.integers(200, 599),
        lines=st.lists(TEXT, min_size=1, max_size=4).map(tuple),
    ),
    max_size=5,
)


@given(REPLIES, st.lists(st.integers(0, 200), max_size=20))
def test_any_reply_stream_cut_anywhere_gives_the_same(
    expected: list[Reply], cuts: list[int]
) -> None:
    wire = b"".join(reply.to_bytes() for reply in expected)
    places = [0, *sorted(min(place, len(wire)) for place in cuts), len(wire)]
    assert fed(*(wire[start:end] for start, end in pairwise(places))) == expected


@given(
    st.lists(st.sampled_from([b"250", b"-", b" ", b"\r", b"\n", b"\r\n", b"550 x", b"a"])),
    st.integers(0, 40),
)
def test_any_octets_cut_anywhere_give_the_same_replies_or_the_same_error(
    words: list[bytes], place: int
) -> None:
    def outcome(*pieces: bytes) -> tuple[list[Reply], bool]:
        parser, found = ReplyParser(), []
        try:
            for piece in pieces:
                parser.feed(piece)
                while not isinstance(reply := parser.next_reply(), NeedData):
                    found.append(reply)
        except RemoteProtocolError:
            return found, True
        return found, False

    wire = b"".join(words)
    assert outcome(wire[:place], wire[place:]) == outcome(wire)


@given(REPLIES.filter(bool))
def test_parse_reads_back_what_to_bytes_writes(written: list[Reply]) -> None:
    for reply in written:
        assert Reply.parse(reply.to_bytes().decode("utf-8", "surrogateescape")) == reply


def test_octets_that_are_not_utf_8_come_back_unchanged() -> None:
    wire = b"550-caf\xe9\r\n550 \xff\xfe\r\n"
    parser = ReplyParser()
    parser.feed(wire)
    (reply,) = replies(parser)
    assert reply.to_bytes() == wire


@pytest.mark.parametrize("text", ["250 ok", "250 ok\n", "\r\n250 ok\r\n"])
def test_parse_takes_a_reply_with_or_without_its_line_end(text: str) -> None:
    assert Reply.parse(text) == Reply(code=250, lines=("ok",))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "250-a",
        "250 a\n250 b",
        "250-a\n550 b",
        "250 \ud800",
        "250 a\rb",
        "٢٥٠ a",
    ],
)
def test_parse_refuses_what_is_not_one_whole_reply(text: str) -> None:
    with pytest.raises(RemoteProtocolError):
        Reply.parse(text)


def test_parse_shows_hostile_text_only_as_escapes() -> None:
    with pytest.raises(RemoteProtocolError) as info:
        Reply.parse("250 a\n250 \x1b[31m\u202e")
    assert str(info.value).isprintable()


@pytest.mark.parametrize(
    ("code", "severity"),
    [
        (200, "success"),
        (299, "success"),
        (354, "intermediate"),
        (499, "transient"),
        (500, "permanent"),
        (599, "permanent"),
    ],
)
def test_severity_is_the_first_digit(code: int, severity: str) -> None:
    assert Reply(code=code).severity == severity


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("550 5.1.1 no such user", "5.1.1"),
        ("550 5.1.1", "5.1.1"),
        ("250-2.0.0 ok\n250 2.1.5 again", "2.0.0"),
        ("451 4.7.123 x", "4.7.123"),
        ("550 4.1.1 the class disagrees", None),
        ("354 3.1.1 there is no class 3", None),
        ("550 5.1.1x", None),
        ("550 5.1", None),
        ("550 5.1.1234 too long", None),
        ("550 5.\u0661.\u0661 digits of another script", None),
        ("550  5.1.1 behind a space", None),
        ("550 no such user 5.1.1", None),
        ("550", None),
    ],
)
def test_enhanced_status_opens_the_text_and_agrees_with_the_code(
    text: str, status: str | None
) -> None:
    assert Reply.parse(text).enhanced_status == status


def test_text_holds_no_character_that_acts() -> None:
    reply = Reply(code=550, lines=("caf\udce9\x1b[31m", "\u202eevil\0"))
    assert reply.text == "caf\\xe9\\x1b[31m\n\\u202eevil\\x00"
    assert str(reply) == f"550 {reply.text}"
    assert str(Reply(code=250)) == "250"


def test_a_reply_is_made_again_of_what_the_log_has_of_it() -> None:
    reply = Reply(code=550, lines=("5.1.1 no such user", "", "write to postmaster"))
    assert Reply.of(reply.code, reply.text) == reply
    assert Reply.of(250, "") == Reply(code=250)
