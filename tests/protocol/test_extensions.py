"""What a server offers is read from its last EHLO reply, whatever else it says there."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from smtpbook.protocol.extensions import NO_EXTENSIONS, Extensions, ehlo_reply
from smtpbook.protocol.replies import Reply

FLAGS = {
    "PIPELINING": "has_pipelining",
    "CHUNKING": "has_chunking",
    "8BITMIME": "has_8bitmime",
    "SMTPUTF8": "has_smtputf8",
    "STARTTLS": "has_starttls",
    "SIZE": "has_size",
}


def offered(*lines: str) -> Extensions:
    return Extensions.from_reply(Reply(code=250, lines=("mx.example greets you", *lines)))


@pytest.mark.parametrize("keyword", FLAGS)
def test_one_keyword_sets_one_flag_in_any_case(keyword: str) -> None:
    for spelled in (keyword, keyword.lower(), f"  {keyword}  "):
        extensions = offered(spelled)
        assert [name for name in FLAGS.values() if getattr(extensions, name)] == [
            FLAGS[keyword]
        ]


def test_greeting_line_is_not_a_keyword() -> None:
    reply = Reply(code=250, lines=("PIPELINING", "SIZE 10"))
    assert list(Extensions.from_reply(reply).keywords) == ["SIZE"]
    assert Extensions.from_reply(Reply(code=250, lines=("SIZE",))) == NO_EXTENSIONS


@pytest.mark.parametrize(
    ("line", "limit"),
    [
        ("SIZE 35882577", 35882577),
        ("SIZE 0", None),
        ("SIZE", None),
        ("SIZE unlimited", None),
        ("SIZE -1", None),
        ("SIZE \u0661\u0660", None),
        ("SIZE 10 20", 10),
        ("SIZE " + "9" * 4000, int("9" * 4000)),
    ],
    ids=lambda value: str(value)[:20],
)
def test_size_is_a_number_or_no_limit(line: str, limit: int | None) -> None:
    extensions = offered(line)
    assert extensions.has_size
    assert extensions.max_size_bytes == limit


@pytest.mark.parametrize(
    ("lines", "mechanisms"),
    [
        (("AUTH PLAIN LOGIN",), ("PLAIN", "LOGIN")),
        (("auth plain Login",), ("PLAIN", "LOGIN")),
        (("AUTH=PLAIN LOGIN",), ("PLAIN", "LOGIN")),
        (("auth=plain",), ("PLAIN",)),
        (("AUTH PLAIN LOGIN", "AUTH=LOGIN CRAM-MD5"), ("PLAIN", "LOGIN", "CRAM-MD5")),
        (("AUTH",), ()),
        (("X-AUTH=PLAIN",), ()),
        (("XAUTH AUTH=PLAIN",), ()),
    ],
)
def test_mechanisms_of_both_spellings_each_once_in_order(
    lines: tuple[str, ...], mechanisms: tuple[str, ...]
) -> None:
    assert offered(*lines).mechanisms == mechanisms


@pytest.mark.parametrize(
    ("line", "least"),
    [
        ("DELIVERBY", None),
        ("DELIVERBY 240", 240),
        ("DELIVERBY 240,X-LATER", 240),
        ("DELIVERBY 0", None),
        ("DELIVERBY soon", None),
        ("DELIVERBY -1", None),
    ],
)
def test_least_time_of_deliver_by_is_a_number_or_none(line: str, least: int | None) -> None:
    assert offered(line).min_deliver_by_s == least


@pytest.mark.parametrize(
    ("line", "seconds", "until"),
    [
        (
            "FUTURERELEASE 86400 2030-01-01T01:00:00+01:00",
            86400,
            datetime(2030, 1, 1, tzinfo=UTC),
        ),
        ("FUTURERELEASE 86400", 86400, None),
        ("FUTURERELEASE", None, None),
        ("FUTURERELEASE long never", None, None),
        ("FUTURERELEASE 1 2030-13-01T00:00:00Z", 1, None),
        ("FUTURERELEASE 1 0001-01-01T00:00:00+14:00", 1, None),
        ("FUTURERELEASE 1 2030-01-01T00:00:00", 1, None),
    ],
)
def test_longest_hold_is_read_as_far_as_it_can_be(
    line: str, seconds: int | None, until: datetime | None
) -> None:
    extensions = offered(line)
    assert (extensions.max_hold_s, extensions.max_hold_until) == (seconds, until)


def test_profile_and_attributes_are_words_in_capitals() -> None:
    extensions = offered("MT-PRIORITY mixer", "XCLIENT name ADDR name")
    assert extensions.priority_profile == "MIXER"
    assert extensions.xclient_names == ("NAME", "ADDR")


def test_unknown_and_empty_lines_do_no_harm() -> None:
    extensions = offered("", "   ", "X-THING a b", "caf\udce9", "PIPELINING")
    assert extensions.has_pipelining
    assert extensions.keywords["X-THING"] == ("a", "b")


def test_keywords_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        offered("SIZE").keywords["STARTTLS"] = ()  # type: ignore[index]


def test_ehlo_reply_offers_what_from_reply_reads() -> None:
    reply = ehlo_reply("lab.test", ["SIZE 10", "PIPELINING"])
    assert (
        reply.to_bytes() == b"250-lab.test greets you\r\n250-SIZE 10\r\n250 PIPELINING\r\n"
    )
    assert Extensions.from_reply(reply).max_size_bytes == 10
