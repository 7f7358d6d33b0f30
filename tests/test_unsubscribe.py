"""Unsubscribing: tokens, header fields and links that hold for one recipient alone."""

from __future__ import annotations

import pickle
from dataclasses import replace
from email import message_from_bytes
from email.header import Header, decode_header, make_header
from email.message import Message
from email.policy import compat32
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpbook.errors import LocalProtocolError, RecipientsError
from smtpbook.protocol.addresses import Mailbox
from smtpbook.signing import SigningKey
from smtpbook.unsubscribe import Unsubscribe, Unsubscribed, masked

SECRET = bytes(range(16))
WEB = "https://news.example.org/leave"
MAIL = "leave@news.example.org"


def make(**changes: Any) -> Unsubscribe:
    return Unsubscribe(**{"url": WEB, "mailto": MAIL, "secret": SECRET} | changes)


BOTH = make()

_ATEXT = st.characters(min_codepoint=33).filter(
    lambda char: char.isprintable() and char not in '()<>[]:;@\\,."'
)
_LOCAL_PARTS = st.one_of(
    st.lists(st.text(_ATEXT, min_size=1, max_size=12), min_size=1, max_size=3).map(
        ".".join
    ),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20).map(
        lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    ),
)
_DOMAINS = st.one_of(
    st.sampled_from(["x.example", "X.EXAMPLE", "bücher.example", "[192.0.2.1]", "faß.de"]),
    st.from_regex(r"[a-z0-9]{1,60}(\.[a-z]{2,60}){1,3}", fullmatch=True),
)


def is_mailbox(text: str) -> bool:
    try:
        Mailbox.parse(text)
    except LocalProtocolError:
        return False
    return True


ADDRESSES = st.builds("{}@{}".format, _LOCAL_PARTS, _DOMAINS).filter(is_mailbox)
LABELS = st.one_of(st.none(), st.sampled_from(["november", "Grüße", "a b", "'=1"]))


@given(ADDRESSES, LABELS)
def test_every_address_comes_back_as_lists_compare_it(
    address: str, label: str | None
) -> None:
    token = make(campaign=label).token(address)
    assert BOTH.read(token) == Unsubscribed(Mailbox.parse(address).key, label)


@given(ADDRESSES)
def test_a_field_and_a_link_are_one_line_of_ascii_that_fits(address: str) -> None:
    long = make(
        url="https://news.example.org/" + "x" * 360,
        mailto="x" * 64 + "@" + "y" * 60 + ".example",
        campaign="n" * 100,
        list_id="Grüße <news.example.org>",
    )
    for name, value in long.headers(address).items():
        assert value.isascii()
        assert value.isprintable()
        assert len(f"{name}: {value}") <= 998
    assert f"<{long.link(address)}>" in long.headers(address)["List-Unsubscribe"]


@given(st.text(max_size=300))
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(RecipientsError, match="not an unsubscribe token of ours"):
        BOTH.read(token)


@given(ADDRESSES, st.data())
def test_a_token_with_any_single_change_is_refused(
    address: str, data: st.DataObject
) -> None:
    token = BOTH.token(address)
    place = data.draw(st.integers(0, len(token) - 1))
    char = data.draw(st.sampled_from("AZaz09-_=+/ .\n\0é"))
    for changed in (
        token[:place] + token[place + 1 :],
        token[:place] + char + token[place:],
        token[:place] + char + token[place + 1 :],
    ):
        if changed != token:
            with pytest.raises(RecipientsError):
                BOTH.read(changed)


def test_spellings_of_one_mailbox_have_one_token() -> None:
    token = BOTH.token("ann@bücher.example")
    assert BOTH.token('"Ann"@BÜCHER.example') == token
    assert BOTH.token(Mailbox.parse("ANN@xn--bcher-kva.example")) == token
    assert BOTH.token("anna@bücher.example") != token


@pytest.mark.parametrize("address", ["ann", "a\n@x.example", "ann@x.example>", ""])
def test_what_is_no_address_has_no_token(address: str) -> None:
    for method in (BOTH.token, BOTH.link, BOTH.headers):
        with pytest.raises(LocalProtocolError):
            method(address)


def test_a_secret_is_changed_without_breaking_letters_that_were_sent() -> None:
    sent = make(secret=b"the old secret, long").token("ann@x.example")
    now = make(old_secrets=[b"an older secret, long", b"the old secret, long"])
    assert now.read(sent).address == "ann@x.example"
    assert now.token("ann@x.example") == BOTH.token("ann@x.example")
    with pytest.raises(RecipientsError, match="old_secrets="):
        BOTH.read(sent)


def test_a_token_of_a_later_version_is_told_from_a_forged_one() -> None:
    token = SigningKey(SECRET, "smtpbook unsubscribe").seal(b"\x02ann@x.example")
    with pytest.raises(RecipientsError, match="later version"):
        BOTH.read(token)


def test_the_fields_of_a_recipient() -> None:
    """As in the example of RFC 8058 section 8.2, the web first: readers prefer it."""
    unsubscribe = make(list_id="News <news.example.org>")
    token = unsubscribe.token("ann@x.example")
    assert unsubscribe.headers("ann@x.example") == {
        "List-Unsubscribe": f"<{WEB}?token={token}>, "
        f"<mailto:{MAIL}?subject=unsubscribe%20{token}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "List-Id": "News <news.example.org>",
    }


def test_one_click_is_offered_with_https_alone() -> None:
    """RFC 8058 section 3.1: the field must contain one HTTPS URI."""
    for without in (make(url=None), make(url="http://127.0.0.1:8000/")):
        assert list(without.headers("ann@x.example")) == ["List-Unsubscribe"]
    by_web = make(mailto=None).headers("ann@x.example")
    assert by_web["List-Unsubscribe"].count("<") == 1
    assert "List-Unsubscribe-Post" in by_web


def test_the_web_goes_first_where_both_do_not_fit() -> None:
    long = make(campaign="c" * 100)
    address = f"{'a' * 64}@{'b' * 60}.{'c' * 60}.{'d' * 60}"
    assert long.headers(address)["List-Unsubscribe"] == f"<{long.link(address)}>"
    by_mail = make(url=None, campaign="c" * 100)
    assert by_mail.headers(address)["List-Unsubscribe"] == f"<{by_mail.link(address)}>"


def test_fields_survive_a_message_unfolded_and_unencoded() -> None:
    message = Message(policy=compat32)
    unsubscribe = make(list_id="Grüße, täglich <news.example.org>")
    fields = unsubscribe.headers(f"{'a' * 60}@x.example")
    for name, value in fields.items():
        message[name] = Header(value, "us-ascii", header_name=name)  # type: ignore[assignment]
    read = message_from_bytes(message.as_bytes())
    for name, value in fields.items():
        assert "".join(str(read[name]).splitlines()).strip() == value


def test_the_link_is_of_the_web_if_there_is_one() -> None:
    token = BOTH.token("ann@x.example")
    assert BOTH.link("ann@x.example") == f"{WEB}?token={token}"
    by_mail = make(url=None).link("ann@x.example")
    assert by_mail == f"mailto:{MAIL}?subject=unsubscribe%20{token}"


@pytest.mark.parametrize(
    ("url", "link"),
    [
        ("https://x.example", "https://x.example?token=T"),
        ("https://x.example/", "https://x.example/?token=T"),
        ("https://x.example/l?", "https://x.example/l?token=T"),
        ("https://x.example/l?a=1", "https://x.example/l?a=1&token=T"),
        ("https://x.example/l?a=1&u={token}&b", "https://x.example/l?a=1&u=T&b"),
        ("https://x.example/u/{token}", "https://x.example/u/T"),
        ("https://x.example/u/{token}/now?a=(1)", "https://x.example/u/T/now?a=(1)"),
        ("https://x.example/{token}.html", "https://x.example/T.html"),
        ("http://[::1]:8000/l", "http://[::1]:8000/l?token=T"),
        ("http://localhost/l", "http://localhost/l?token=T"),
    ],
)
def test_the_token_stands_where_it_is_wanted_and_is_found_there(
    url: str, link: str
) -> None:
    unsubscribe = make(url=url)
    token = unsubscribe.token("ann@x.example")
    made = unsubscribe.link("ann@x.example")
    assert made == link.replace("T", token)
    parts = urlsplit(made)
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path
    assert unsubscribe.token_in(target) == token
    # Mail programs and filters add parameters of their own.
    assert unsubscribe.token_in(f"{target}{'&' if parts.query else '?'}utm=1") == token
    assert unsubscribe.token_in("/elsewhere?token=" + token) is None
    assert make(url=None).token_in(target) is None


@pytest.mark.parametrize("query", ["", "?", "?Token=x", "?token", "?" + "a=1&" * 200, "?%"])
def test_a_page_without_a_token_is_ours_all_the_same(query: str) -> None:
    assert BOTH.token_in(f"/leave{query}") == ""


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://news.example.org/leave", "it must be https://"),
        ("http://127.0.0.1.example.org/", "it must be https://"),
        ("ftp://news.example.org/", "it must be https://"),
        ("news.example.org/leave", "names no host"),
        ("https:///leave", "names no host"),
        ("https://{token}.example.org/", "names no host"),
        ("https://x.example:port/", "host or port"),
        ("https://[::1/", "host or port"),
        ("https://ann:hunter2@x.example/", "holds a login"),
        ("https://x.example/#{token}", "no '#'"),
        ("https://x.example/a b", "no blank"),
        ("https://x.example/>,<b", "no blank"),
        ("https://x.example/\r\nBcc: b", "no blank"),
        ("https://bücher.example/", "ASCII"),
        ("https://x.example/{token}/{token}", "once"),
        ("https://x.example/{Token}", "{token} once"),
        ("https://x.example/?a=b{token}", "a parameter's value"),
        ("https://x.example/" + "a" * 400, "longer than 400"),
    ],
)
def test_a_url_that_no_reader_could_use_is_refused(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=r"^url") as caught:
        make(url=url)
    assert reason in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert str(caught.value).isprintable()


def test_an_address_that_no_mail_program_could_use_is_refused() -> None:
    with pytest.raises(LocalProtocolError, match="no @"):
        make(mailto="mailto:leave")
    with pytest.raises(ValueError, match="needs SMTPUTF8"):
        make(mailto="zoë@x.example")
    with pytest.raises(ValueError, match="needs url=, mailto= or both"):
        Unsubscribe(secret=SECRET)


@pytest.mark.parametrize("mailto", ["a?b&c@x.example", '"a b%<"@x.example', "a@[IPv6:::1]"])
def test_an_address_is_spelled_for_a_uri(mailto: str) -> None:
    """RFC 6068 section 2."""
    uri = make(url=None, mailto=mailto).link("ann@x.example")
    to, _, query = uri.removeprefix("mailto:").partition("?")
    assert unquote(to) == mailto
    assert not set(to) & set('?&<>" ')
    assert query.startswith("subject=unsubscribe%20")


@pytest.mark.parametrize(
    ("given_", "written", "shown"),
    [
        ("news.example.org", "<news.example.org>", ""),
        ("<news.example.org>", "<news.example.org>", ""),
        ("News <news.localhost>", "News <news.localhost>", "News"),
        ('News, "daily" <n.x.org>', '"News, \\"daily\\"" <n.x.org>', None),
        ('"News, daily" <n.x.org>', '"News, daily" <n.x.org>', None),
        ("=?utf-8?q?a?= <n.x.org>", '"=?utf-8?q?a?=" <n.x.org>', None),
        ("Grüße <n.x.org>", "=?utf-8?b?R3LDvMOfZQ==?= <n.x.org>", "Grüße"),
        ("ü" * 100 + " <n.x.org>", None, "ü" * 100),
    ],
)
def test_a_list_id_is_written_as_rfc_2919_has_it(
    given_: str, written: str | None, shown: str | None
) -> None:
    value = make(list_id=given_).headers("ann@x.example")["List-Id"]
    assert written is None or value == written
    phrase = value.rpartition("<")[0].strip()
    assert shown is None or str(make_header(decode_header(phrase))) == shown


@pytest.mark.parametrize(
    "list_id",
    [
        "",
        "news",
        "News",
        "<a..b>",
        "a b.c",
        "<a.b> c",
        "<a.b>\r\nBcc: x",
        "é.b",
        "x" * 254 + ".y",
        "x\x1b[31m <a.b>",
        "x" * 101 + " <a.b>",
        "\u202ex <a.b>",
    ],
)
def test_what_is_no_list_id_is_refused(list_id: str) -> None:
    with pytest.raises(ValueError, match="list_id") as caught:
        make(list_id=list_id)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "campaign", ["", " a", "a\nb", "a\tb", "é" * 51, "\udcff", "a\u200b"]
)
def test_what_is_no_label_is_refused(campaign: str) -> None:
    with pytest.raises(ValueError, match="cannot be a label"):
        make(campaign=campaign)


def test_it_is_shown_compared_and_changed_without_its_secret(tmp_path: Path) -> None:
    key = Unsubscribe.new_secret(tmp_path / "secret")
    unsubscribe = make(secret=key, old_secrets=(SECRET,))
    text = key.read_text().strip()
    assert text not in repr(unsubscribe)
    assert repr(SECRET) not in repr(unsubscribe)
    assert WEB in repr(unsubscribe)
    may = replace(unsubscribe, campaign="may")
    assert may.read(may.token("ann@x.example")).label == "may"
    assert replace(may, campaign=None) == unsubscribe
    assert hash(replace(may, campaign=None)) == hash(unsubscribe)
    assert make(secret=b"another secret, 1") != BOTH
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(unsubscribe)
    travelled = pickle.loads(pickle.dumps(make(secret=key)))
    assert travelled.link("ann@x.example") == unsubscribe.link("ann@x.example")


@pytest.mark.parametrize(
    ("address", "shown"),
    [("ann@x.example", "a•••@x.example"), ("\x1b[3@x", "\\x1b•••@x"), ("", "•••@")],
)
def test_a_log_shows_no_local_part(address: str, shown: str) -> None:
    assert masked(address) == shown
