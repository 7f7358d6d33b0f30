"""A good message passes every check, and each defect fails its own check and no other."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import smtpbook as sb
from smtpbook.content.checks import CHECKS, advice, check_message
from smtpbook.content.leaving import unsubscribe_link
from smtpbook.content.mail import Given, Mail
from smtpbook.content.octets import size
from smtpbook.content.page import MAX_HTML, Page
from smtpbook.content.tables import leaving_words, refusals, shorteners, size_limits
from smtpbook.errors import LocalProtocolError

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
GOOD = """\
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=news.example.org; s=a;
 h=From:To:Subject:Date:Message-ID:List-Unsubscribe:List-Unsubscribe-Post;
 bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=aGVsbG8=
From: Ann <ann@news.example.org>
To: zoe@y.example
List-Unsubscribe: <https://news.example.org/leave?t=1>,
 <mailto:leave@news.example.org>
List-Unsubscribe-Post: List-Unsubscribe=One-Click
Subject: The doors open
Date: Sat, 28 Nov 2026 12:00:00 +0000
Message-ID: <1.2@news.example.org>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=mixed

--mixed
Content-Type: multipart/alternative; boundary=both

--both
Content-Type: text/plain; charset=utf-8

Dear Zoe,
the doors in Graz open Friday evening; there will be tea and music, and cake.
Bring your neighbours along, children come without a ticket. More here:
https://news.example.org/doors
Unsubscribe (https://news.example.org/leave?t=1)
Ann, Herrengasse 1, 8010 Graz

--both
Content-Type: text/html; charset=utf-8

<p>Dear Zoe,</p>
<p>the doors in Graz open Friday evening; there will be tea and music, and cake.</p>
<p>Bring your neighbours along, children come without a ticket. More here:
<a href="https://news.example.org/doors">news.example.org</a></p>
<img src="https://news.example.org/tea.png" alt="a cup of tea">
<p><a href="https://news.example.org/leave?t=1">Unsubscribe</a></p>
<p>Ann, Herrengasse 1, 8010 Graz</p>

--both--
--mixed
Content-Type: application/pdf; name=plan.pdf
Content-Disposition: attachment; filename=plan.pdf
Content-Transfer-Encoding: base64

aGVsbG8=
--mixed--
"""
LINK = '<a href="https://news.example.org/doors">news.example.org</a>'


def good(*changes: tuple[str, str]) -> bytes:
    text = GOOD
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text.replace("\n", "\r\n").encode("utf-8", "surrogateescape")


def wrong(message: bytes, **options: object) -> dict[str, str]:
    """Give the checks that do not pass, with their verdicts."""
    found = check_message(message, **({"date": NOW} | options))  # type: ignore[arg-type]
    found = found[found["verdict"] != "pass"].astype({"verdict": "string"})
    return dict(zip(found["check"], found["verdict"], strict=True))


def evidence(message: bytes, check: str) -> str:
    found = check_message(message, date=NOW).set_index("check")
    return " ".join(found.loc[[check], "evidence"])


def test_a_good_message_passes_every_check() -> None:
    found = check_message(good(), date=NOW)
    assert set(found["verdict"]) == {"pass"}
    assert set(found["check"]) == {one.name for one in CHECKS} - {"links_resolve"}
    assert found["source"].notna().all()
    assert found["evidence"].str.len().min() > 5


def link(url: str, shown: str = "more") -> tuple[str, str]:
    return LINK, f'{LINK} <a href="{url}">{shown}</a>'


DEFECTS: dict[str, tuple[str, str, list[tuple[str, str]]]] = {
    "no date": ("date", "fail", [("Date: Sat, 28 Nov 2026 12:00:00 +0000\n", "")]),
    "a date that is none": ("date", "fail", [("Sat, 28 Nov 2026 12:00:00 +0000", "soon")]),
    "an old date": ("date", "warn", [("28 Nov 2026", "27 Nov 2026")]),
    "a date to come": ("date", "warn", [("28 Nov 2026", "29 Nov 2026")]),
    "no Message-ID": ("message_id", "warn", [("Message-ID: <1.2@news.example.org>\n", "")]),
    "a bare Message-ID": (
        *("message_id", "fail"),
        [("<1.2@news.example.org>\nMIME", "1.2@news.example.org\nMIME")],
    ),
    "a local Message-ID": (
        *("message_id", "warn"),
        [("<1.2@news.example.org>", "<1.2@localhost>")],
    ),
    "two subjects": ("single_fields", "fail", [("To: zoe", "Subject: b\nTo: zoe")]),
    "no From": ("single_fields", "fail", [("From: Ann <ann@news.example.org>\n", "")]),
    "no subject": ("subject", "warn", [("The doors open", "")]),
    "capitals": ("subject", "warn", [("The doors open", "FREE ENTRY FOR ALL")]),
    "marks": ("subject", "warn", [("The doors open", "Come!!")]),
    "an answer": ("subject", "warn", [("The doors open", "Re: your card")]),
    "a long subject": (
        "subject",
        "warn",
        [("The doors open", "door " * 10 + "\n " + "a" * 40)],
    ),
    "a line of 999": (
        "line_length",
        "fail",
        [("<p>Dear", "<!--" + "x" * 999 + "--><p>Dear")],
    ),
    "an unfolded header": (
        *("line_length", "warn"),
        [("To: zoe@y.example", "To: zoe@y.example\nComments: " + "tea " * 20)],
    ),
    "a NUL": ("line_ends", "fail", [("cake.\nBring", "cake.\0\nBring")]),
    "a lone CR": ("line_ends", "fail", [("cake.\nBring", "cake.\r Bring")]),
    "8 bits in the header": ("encoding", "warn", [("From: Ann", "From: Änn")]),
    "8 bits undeclared": ("encoding", "fail", [("Dear Zoe,\nthe", "Dear Zoë,\nthe")]),
    "an unknown encoding": (
        *("encoding", "fail"),
        [("Content-Transfer-Encoding: base64", "Content-Transfer-Encoding: base65")],
    ),
    "another charset": (
        *("encoding", "warn"),
        [
            (
                "utf-8\n\nDear Zoe,\nthe",
                "utf-8\nContent-Transfer-Encoding: 8bit\n\nDear Zo\udceb,\nthe",
            )
        ],
    ),
    "no way out": (
        *("one_click", "warn"),
        [("List-Unsubscribe: <https://news.example.org/leave?t=1>,", "X-Left: no,")],
    ),
    "no post": (
        *("one_click", "warn"),
        [("List-Unsubscribe-Post: List-Unsubscribe=One-Click\n", "")],
    ),
    "mailto alone": (
        *("one_click", "warn"),
        [("List-Unsubscribe: <https://news.example.org/leave?t=1>,", "List-Unsubscribe:")],
    ),
    "two https URIs": (
        *("one_click", "warn"),
        [("<mailto:leave@news.example.org>", "<https://news.example.org/b>")],
    ),
    "unsigned fields": (
        *("one_click", "fail"),
        [(":List-Unsubscribe:List-Unsubscribe-Post", "")],
    ),
    "signed by the server": ("one_click", "unknown", [("DKIM-Signature:", "X-Signature:")]),
    "no visible way out": (
        *("unsubscribe_link", "warn"),
        [
            ('<p><a href="https://news.example.org/leave?t=1">Unsubscribe</a></p>', ""),
            ("Unsubscribe (https://news.example.org/leave?t=1)\n", ""),
        ],
    ),
    "no address": ("postal_address", "warn", [("Herrengasse 1, 8010 Graz", "Graz")]),
    "an empty text": (
        *("text_part", "warn"),
        [
            (
                GOOD[
                    GOOD.index("Dear Zoe,\nthe") : GOOD.index(
                        "\n--both\nContent-Type: text/html"
                    )
                ],
                "",
            )
        ],
    ),
    "no text": (
        "text_part",
        "warn",
        [("Content-Type: text/plain", "Content-Type: text/x-a")],
    ),
    "two messages in one": (
        *("parts_agree", "warn"),
        [
            (
                GOOD[GOOD.index("the doors in Graz open Fri") : GOOD.index("More here")],
                "See ",
            )
        ],
    ),
    "a tag": ("left_over", "warn", [("Dear Zoe", "Dear {{ name }}")]),
    "MaxBulk's tag": ("left_over", "warn", [("Dear Zoe", "Dear [First Name]")]),
    "None": ("left_over", "warn", [("Dear Zoe", "Dear None")]),
    "nan": ("left_over", "warn", [("Graz open", "nan open")]),
    "an empty name": ("left_over", "warn", [("Dear Zoe", "Dear ")]),
    "an empty German name": ("left_over", "warn", [("Dear Zoe", "Sehr geehrte Frau ")]),
    "clipped": (
        "html_size",
        "warn",
        [("<p>Dear", "<!--" + ("x" * 99 + "\n") * 1050 + "--><p>Dear")],
    ),
    "a script": ("active_html", "warn", [("<p>Dear", "<script>x</script><p>Dear")]),
    "a form": ("active_html", "warn", [("<p>Dear", "<form></form><p>Dear")]),
    "no alt": ("pictures", "warn", [(' alt="a cup of tea"', "")]),
    "a program": (
        "attachment_type",
        "fail",
        [("filename=plan.pdf", "filename=plan.pdf.EXE")],
    ),
    "a script file": (
        "attachment_type",
        "warn",
        [("filename=plan.pdf", "filename=plan.py")],
    ),
    "http": ("https", "warn", [link("http://news.example.org/")]),
    "a bare IPv4": ("bare_address", "warn", [link("https://192.0.2.1/")]),
    "a bare IPv4, otherwise written": (
        "bare_address",
        "warn",
        [link("https://0x7f.1/")],
    ),
    "a bare IPv6": ("bare_address", "warn", [link("https://[2001:db8::1]/")]),
    "a shortener": ("shortener", "warn", [link("https://bit.ly/x")]),
    "another domain": (
        "shown_link",
        "warn",
        [link("https://evil.example/", "bank.example")],
    ),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_defect_fails_its_own_check_and_no_other(defect: str) -> None:
    check, verdict, changes = DEFECTS[defect]
    assert wrong(good(*changes)) == {check: verdict}


@pytest.mark.parametrize(
    ("line", "check"),
    [
        ("See http://news.example.org/doors.", "https"),
        ("(HTTPS://192.0.2.1/doors)", "bare_address"),
        ("<https://bit.ly/x>", "shortener"),
    ],
)
def test_links_of_a_letter_without_html_are_looked_at(line: str, check: str) -> None:
    letter = f"From: a@x.example\nContent-Type: text/plain\n\n{line}\n".encode()
    among = {"https", "bare_address", "shortener", "shown_link"}
    assert wrong(letter).keys() & among == {check}


def test_every_check_has_a_defect() -> None:
    checked = {check for check, _, _ in DEFECTS.values()} | {"size", "links_resolve"}
    assert checked == {one.name for one in CHECKS}


def test_a_lone_line_feed_is_found_and_a_file_of_unix_is_put_right() -> None:
    assert wrong(good() + b"bare\n") == {"line_ends": "fail"}
    assert wrong(GOOD.encode()) == {}


def test_the_size_is_compared_with_the_server_and_the_providers() -> None:
    assert wrong(good(), size_bytes=500) == {"size": "fail"}
    large = replace(Mail.of(good()), data=bytes(20_000_021))
    ((verdict, told, _),) = size(large, Given(date=NOW))
    assert verdict == "warn"
    assert "iCloud Mail takes 20,000,000" in told
    assert "Yahoo" not in told


def test_a_field_of_one_long_word_cannot_be_folded() -> None:
    url = "https://news.example.org/leave?t=" + "x" * 60
    long = GOOD.replace(
        "List-Unsubscribe: <https://news.example.org/leave?t=1>,",
        f"List-Unsubscribe: <{url}>,",
    )
    found = check_message(long.replace("\n", "\r\n").encode(), date=NOW).set_index("check")
    assert found.loc["line_length", "verdict"] == "pass"


def test_few_need_no_way_out() -> None:
    letter = b"From: a@x.example\r\nDate: Sat, 28 Nov 2026 12:00:00 +0000\r\n\r\nhi\r\n"
    asked = {"one_click", "unsubscribe_link", "postal_address"}
    assert asked <= wrong(letter).keys()
    assert asked <= wrong(letter, volume=5000).keys()
    assert not asked & wrong(letter, volume=4999).keys()


@pytest.mark.parametrize(
    "line",
    [
        "Ann Inc., 1 Main St, New York, NY 10001",
        "221B Baker Street, London NW1 6XE",
        "Wellington St, Ottawa K1A 0B1",
        "5 rue de Rivoli, 75001 Paris",
        "ul. Marszałkowska 1, 00-001 Warszawa",
        "Storgatan 1, 111 22 Stockholm",
        "George St, Sydney NSW 2000",
        "〒100-0001 東京都千代田区",
        "P.O. Box 12",
    ],
)
def test_postal_addresses_of_many_countries_are_seen(line: str) -> None:
    text = f"From: a@x.example\n\nhello\n{line}\n".encode()
    assert "looks like one" in evidence(text, "postal_address")


@pytest.mark.parametrize(
    "line", ["In 2026 Graz has 12000 doors", "call 555 1234", "1,500 Teas"]
)
def test_figures_are_no_postal_address(line: str) -> None:
    text = f"From: a@x.example\n\n{line}\n".encode()
    assert "no postal address" in evidence(text, "postal_address")


@pytest.mark.parametrize("language", leaving_words())
def test_a_way_out_is_seen_in_every_language(language: str) -> None:
    for word in leaving_words()[language]:
        assert word == word.lower()
        html = f"<a href='https://x.example/1'>{word.capitalize()}</a>"
        mail = EmailMessage()
        mail.set_content(html, subtype="html")
        ((verdict, _, _),) = unsubscribe_link(Mail.of(mail), Given(date=NOW))
        assert verdict == "pass", word


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://www.x.example/a", "x.example"),
        ("https://x.example/a", "www.x.example/b"),
        ("https://x.example/report.pdf", "report.pdf"),
        ("https://x.example/a", "read on"),
        ("mailto:a@x.example", "y.example"),
    ],
)
def test_a_link_may_show_its_own_site_a_file_or_words(url: str, shown: str) -> None:
    assert wrong(good(link(url, shown))) == {}


@pytest.mark.parametrize(
    "text", ["None of us came", "grandma's nan-free tea", "Hello, Zoe", "[1]"]
)
def test_words_that_only_look_left_over_are_let_be(text: str) -> None:
    assert wrong(good(("the doors in", f"{text}. The doors in"))) == {}


def test_what_is_hostile_is_shown_and_does_nothing() -> None:
    evil = "\u202e<b>\x1b[2J"
    mail = good(("The doors open", f"AAAA AAAA{evil}!!"), link(f"http://{evil}.example/"))
    said = check_message(mail, date=NOW)["evidence"].str.cat()
    assert "\u202e" not in said
    assert "\x1b" not in said


HOSTILE = {
    "deep": "<div>",
    "links": "<a href='http://x.example/'>x.example",
    "open tags": "<a ",
    "open comments": "<!--",
    "braces": "{{",
    "greetings": "Dear ",
    "figures": "1234 ",
    "brackets": "[a ",
    "one word": "a",
}


def hostile(name: str, characters: int) -> bytes:
    piece = HOSTILE[name]
    head = b"From: a@x.example\r\nContent-Type: text/html\r\n\r\n"
    return head + (piece * (characters // len(piece))).encode()


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_html_is_looked_over(name: str) -> None:
    found = check_message(hostile(name, MAX_HTML // 10))
    assert len(found) >= len(CHECKS) - 1
    assert found["evidence"].str.len().max() < 1000


def test_of_a_million_characters_only_the_first_are_looked_at() -> None:
    """What is never looked at costs nothing but its decoding."""
    page = Mail.of(hostile("links", 1_000_000)).page
    assert page is not None
    assert page.is_cut
    piece = HOSTILE["links"]
    seen = Page.of(piece * (MAX_HTML // len(piece) + 1))
    assert page == replace(seen, octets=1_000_000 // len(piece) * len(piece))


def test_deeply_nested_parts_are_read_as_far_as_they_go() -> None:
    head = "Content-Type: multipart/mixed; boundary=b{0}\r\n\r\n--b{0}\r\n"
    nested = "From: a@x.example\r\n" + "".join(head.format(n) for n in range(500))
    assert len(check_message(nested.encode())) >= len(CHECKS) - 1


@settings(max_examples=25)
@given(st.binary(max_size=400))
def test_any_octets_are_a_message(octets: bytes) -> None:
    found = check_message(octets, date=NOW)
    assert set(found["verdict"]) <= {"fail", "warn", "unknown", "pass"}


@settings(max_examples=20)
@given(st.integers(0, len(GOOD)), st.binary(max_size=6))
def test_a_message_with_a_hole_is_still_looked_over(at: int, put: bytes) -> None:
    data = good()
    assert len(check_message(data[:at] + put + data[at + 3 :])) >= len(CHECKS) - 1


def test_each_kind_of_message_is_taken() -> None:
    letter = sb.Template(header_from="a@x.example", subject="s", text="t")
    mail = EmailMessage()
    mail["From"] = "a@x.example"
    for message in (
        letter.render({"email": "b@x.example"}),
        mail,
        b"From: a@x.example\n\n",
    ):
        assert isinstance(check_message(message), pd.DataFrame)
    with pytest.raises(TypeError, match="not str"):
        check_message("From: a@x.example")  # type: ignore[arg-type]
    mail.set_payload("\ud800")
    with pytest.raises(LocalProtocolError, match="cannot be written"):
        check_message(mail)
    with pytest.raises(ValueError, match="no time zone"):
        check_message(b"", date=datetime(2026, 1, 1))


def test_the_date_is_now_unless_another_is_given() -> None:
    fresh = f"{datetime.now(UTC) - timedelta(minutes=5):%a, %d %b %Y %H:%M:%S +0000}"
    old = good()
    assert "date" in wrong(old, date=NOW + timedelta(hours=4))
    new = good(("Sat, 28 Nov 2026 12:00:00 +0000", fresh))
    assert "date" not in wrong(new, date=None)


def test_advice_is_what_a_readers_eye_finds() -> None:
    assert advice(good()) == ()
    assert advice(b"From: a@x.example\nSubject: s\n\nhello\n") == ()
    (sentence,) = advice(good(("The doors open", "")))
    assert sentence == "The subject is empty."


def test_the_tables_are_dated_and_in_lower_case() -> None:
    for table in (refusals(), size_limits()):
        assert all(one.source.endswith("2026-11-28") for one in table)
    assert all(ending == ending.lower() for one in refusals() for ending in one.endings)
    assert all(host == host.lower() for host in shorteners())
