"""A signature passes only if everything about it is right; the reason says what is not."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from hypothesis import given
from hypothesis import strategies as st

from smtpbook.dkim.canonical import Canonicalization, by_name, canonical_body, signed_octets
from smtpbook.dkim.key_record import record_text
from smtpbook.dkim.signature import Signature
from smtpbook.dkim.tags import TagError
from smtpbook.dkim.verify import MAX_SIGNATURES, Verification, verify
from smtpbook.errors import TransportTimeout
from smtpbook.protocol.header import split_header
from tests.dkim.keys import ED25519, SHORT_RSA_PEM, records, signer

NOW = datetime(2026, 11, 28, 3, 0, tzinfo=UTC)
NOW_S = int(NOW.timestamp())
NAME = "ed25519._domainkey.x.example"
MESSAGE = (
    b"From: Ann <ann@x.example>\r\n"
    b"To: bob@y.example\r\n"
    b"Subject: a long\r\n  subject\r\n"
    b"Comments: not signed\r\n"
    b"\r\n"
    b"Hi Bob,\r\n\r\n  see you.\r\n\r\n"
)
KEYS = records(signer())


def signed_with(message: bytes = MESSAGE, **changes: str | None) -> bytes:
    """Sign with tags of one's own; None leaves one out, b= is what follows its value."""
    tags: dict[str, str | None] = {
        "v": "1",
        "a": "ed25519-sha256",
        "c": "relaxed/relaxed",
        "d": "x.example",
        "s": "ed25519",
        "h": "From:To:Subject",
    }
    forms = Canonicalization.parse(changes.get("c") or "relaxed/relaxed")
    header, body = split_header(message)
    octets = canonical_body(body, forms.body)
    if (length := changes.get("l")) and length.isdigit():
        octets = octets[: int(length)]
    tags["bh"] = base64.b64encode(hashlib.sha256(octets).digest()).decode()
    tags |= changes
    end = tags.pop("b", "") or ""
    said = "; ".join(f"{name}={value}" for name, value in tags.items() if value is not None)
    start = f"DKIM-Signature: {said}; b=".encode()
    unsigned = start + end.strip().encode()
    names = [name.strip().lower().encode() for name in (tags["h"] or "").split(":")]
    to_sign = signed_octets(by_name(header), names, unsigned, forms.header)
    signature = base64.b64encode(ED25519.sign(hashlib.sha256(to_sign).digest()))
    return start + signature + end.encode() + b"\r\n" + message


def verified(data: bytes, record: str | None = None) -> Verification:
    keys = KEYS if record is None else {NAME: record}
    (found,) = verify(data, keys, date=NOW)
    return found


def record_with(**changes: str) -> str:
    p = KEYS[NAME].rpartition("p=")[2].strip('"')
    tags = {"v": "DKIM1", "k": "ed25519", "p": p} | changes
    return "; ".join(f"{name}={value}" for name, value in tags.items())


def test_what_a_good_signature_tells() -> None:
    assert verified(signed_with()) == Verification(
        result="pass",
        reason="the signature is right",
        domain="x.example",
        selector="ed25519",
        identity="@x.example",
        algorithm="ed25519-sha256",
        names=("From", "To", "Subject"),
        key_bits=256,
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"c": "simple/simple"},
        {"c": "relaxed"},
        {"i": "ann@x.example"},
        {"i": "ann@news.X.example"},
        {"q": "dns/txt"},
        {"q": "other:dns/txt"},
        {"h": "from : TO:  subject"},
        {"h": "From:From:X-None"},
        {"d": "X.Example", "s": "Ed25519"},
        {"t": str(NOW_S), "x": str(NOW_S + 1)},
        {"x": str(NOW_S)},
        {"z": "From:ann", "unknown": "1"},
        {"b": ";"},
        {"b": "; y=1"},
        {"b": " \t; y=1;\r\n "},
    ],
)
def test_these_are_right_too(changes: dict[str, str | None]) -> None:
    found = verified(signed_with(**changes))
    assert found.result == "pass", found.reason


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"v": "2"}, "version '2'"),
        ({"v": None}, "v= missing"),
        ({"d": None, "s": None}, "d=, s= missing"),
        ({"a": "rsa-sha1"}, "RFC 8301"),
        ({"a": "rsa-md5"}, "'rsa-md5' is not known"),
        ({"h": "To:Subject"}, "does not list From"),
        ({"h": "From:"}, "names no header field"),
        ({"h": ""}, "names no header field"),
        ({"i": "ann@y.example"}, "not within d="),
        ({"i": "ann@notx.example"}, "not within d="),
        ({"i": "x.example"}, "no @"),
        ({"q": "http"}, "not found by 'http'"),
        ({"t": "1", "x": "1"}, "not later than t="),
        ({"x": "soon"}, "x= is not a number"),
        ({"l": "-1"}, "l= is not a number"),
        ({"l": "1" * 77}, "l= is not a number"),
        ({"bh": "?"}, "bh= is not base64"),
        ({"d": "a..example"}, "d= is not a name of the DNS"),
        ({"s": "x" * 64}, "s= is not a name of the DNS"),
        ({"s": "../x"}, "s= is not a name of the DNS"),
        ({"a": "rsa-sha256"}, "not for rsa-sha256"),
    ],
)
def test_these_cannot_be_used(changes: dict[str, str | None], said: str) -> None:
    found = verified(signed_with(**changes))
    assert (found.result, found.key_bits) == ("permerror", None)
    assert said in found.reason


def test_an_unknown_canonicalization_cannot_be_used() -> None:
    found = verified(signed_with().replace(b"relaxed/relaxed", b"nowsp"))
    assert found.result == "permerror"
    assert "c=: canonicalization 'nowsp'" in found.reason


def test_a_signature_ends_when_it_says() -> None:
    late = verified(signed_with(x=str(NOW_S - 5)))
    assert late.result == "fail"
    assert "expired 5 seconds ago" in late.reason


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (record_with(p=""), "revoked"),
        (record_with(s="other"), "not for mail"),
        (record_with(k="rsa"), "kind rsa"),
        ("nonsense", "not a tag"),
        ("x" * 10_000_000, "longer than"),
    ],
)
def test_a_key_that_cannot_be_used(record: str, said: str) -> None:
    found = verified(signed_with(), record)
    assert found.result == "permerror"
    assert found.reason.startswith(f"the key at {NAME} cannot be used: ")
    assert said in found.reason


def test_a_key_too_short_cannot_be_used() -> None:
    key = load_pem_private_key(SHORT_RSA_PEM, None)
    assert isinstance(key, RSAPrivateKey)
    found = verified(signed_with(a="rsa-sha256"), record_text(key.public_key()))
    assert found.result == "permerror"
    assert "512 bits" in found.reason


def test_a_missing_key_is_no_key() -> None:
    for keys in ({}, lambda name: None):
        (found,) = verify(signed_with(), keys)  # type: ignore[arg-type]
        assert found.result == "permerror"
        assert "there is no record" in found.reason


def test_a_key_that_cannot_be_had_now_may_be_had_later() -> None:
    def ask(name: str) -> str:
        assert name == NAME
        raise TransportTimeout("no answer")

    (found,) = verify(signed_with(), ask)
    assert found.result == "temperror"
    assert found.reason == f"the key at {NAME} could not be had: no answer"


def test_a_domain_that_is_testing_says_so() -> None:
    found = verified(signed_with(), record_with(t="y"))
    assert (found.result, found.is_testing) == ("pass", True)
    found = verified(signed_with().replace(b"a long", b"a wrong"), record_with(t="y"))
    assert (found.result, found.is_testing) == ("fail", True)


def test_a_strict_key_is_for_its_own_domain() -> None:
    strict = record_with(t="s")
    assert verified(signed_with(i="ann@X.example"), strict).result == "pass"
    found = verified(signed_with(i="ann@news.x.example"), strict)
    assert found.result == "permerror"
    assert "t=s" in found.reason


def test_a_body_signed_in_part_passes_and_is_flagged() -> None:
    data = signed_with(l="7")
    assert verified(data + b"Buy now!\r\n").unsigned_bytes == len(
        "\r\n\r\n see you.\r\n\r\nBuy now!\r\n"
    )
    found = verified(data)
    assert found.result == "pass"
    assert found.unsigned_bytes == len("\r\n\r\n see you.\r\n")
    assert "anybody may have added" in found.reason


def test_a_body_shorter_than_was_signed_fails() -> None:
    found = verified(signed_with(l="99"))
    assert found.result == "fail"
    assert "the body was cut" in found.reason


def test_a_signature_may_be_over_another_but_never_over_itself() -> None:
    inner = signer().sign(MESSAGE)
    outer = signed_with(inner, h="From:DKIM-Signature:DKIM-Signature")
    assert [found.result for found in verify(outer, KEYS)] == ["pass", "pass"]
    more = signer().sign(outer)
    assert [found.result for found in verify(more, KEYS)] == ["pass", "fail", "pass"]


def test_no_octet_of_a_message_can_be_changed() -> None:
    """With simple/simple and every field signed; the signature's own octets aside."""
    one = signer(
        canonicalization="simple/simple", headers=["From", "To", "Subject", "Comments"]
    )
    data = one.sign(MESSAGE)
    for place in range(len(data) - len(MESSAGE), len(data)):
        for octet in (data[place] ^ 1, data[place] ^ 32, 0x20, 0x0D):
            if octet != data[place]:
                changed = data[:place] + bytes([octet]) + data[place + 1 :]
                assert {found.result for found in verify(changed, KEYS)} != {"pass"}


def test_no_octet_of_a_tag_can_be_changed() -> None:
    data = signer().sign(MESSAGE)
    end = data.index(b"b=", data.index(b"bh=") + 3)
    for place in range(data.index(b"v=1"), end):
        changed = data[:place] + b"x" + data[place + 1 :]
        if changed != data:
            assert {found.result for found in verify(changed, KEYS)} != {"pass"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Hi Bob", b"Hi Rob"),
        (b"Hi Bob", b"hi Bob"),
        (b"Hi Bob,\r\n", b"Hi Bob,"),
        (b"Hi Bob", b" Hi Bob"),
        (b"see you.", b"see you.\r\nBuy now!"),
        (b"\r\n\r\nHi", b"\r\n\r\n\r\nHi"),
        (b"a long", b"a  wrong"),
        (b"Subject:", b"Subjekt:"),
        (b"To: bob@y.example\r\n", b""),
        (b"From: Ann", b"From: Eve <eve@z.example>\r\nFrom: Ann"),
        (b"Comments:", b"From: Eve <eve@z.example>\r\nComments:"),
        (b"Comments:", b"FROM : Eve <eve@z.example>\r\nComments:"),
        (b"Comments:", b"Subject: another\r\nComments:"),
        (b"Comments:", b"Reply-To: eve@z.example\r\nComments:"),
        (b"Comments:", b"Content-Type: text/html\r\nComments:"),
    ],
)
@pytest.mark.parametrize("form", ["relaxed/relaxed", "simple/simple"])
def test_what_was_changed_on_the_way_is_found(old: bytes, new: bytes, form: str) -> None:
    data = signer(canonicalization=form).sign(MESSAGE)
    assert data.count(old) >= 1
    found = verified(data.replace(old, new))
    assert (found.result, found.is_testing) == ("fail", False)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Comments: not signed", b"Comments: changed"),
        (b"Comments:", b"Received: by mx\r\nComments:"),
        (b"Comments:", b"List-Id: <a.list>\r\nComments:"),
        (b"Subject: a long\r\n  subject", b"SUBJECT:  a \t long subject "),
        (b"see you.\r\n", b"see\t you. \r\n \r\n"),
    ],
)
def test_what_relaxed_bears_passes(old: bytes, new: bytes) -> None:
    data = signer().sign(MESSAGE)
    assert verified(data.replace(old, new)).result == "pass"


def test_another_key_does_not_verify() -> None:
    found = verified(signed_with(), record_with(p=base64.b64encode(b"\1" * 32).decode()))
    assert found.result in ("fail", "permerror")


@pytest.mark.parametrize(
    "signature", [b"", b"AAAA", b"A" * 88, b"A" * 60_000, b"====", b"\xff"]
)
@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_a_signature_of_any_length_is_wrong(signature: bytes, kind: str) -> None:
    one = signer(kind)
    field, _, _ = one.header(MESSAGE).rpartition(b" b=")
    (found,) = verify(field + b" b=" + signature + b"\r\n" + MESSAGE, records(one))
    assert found.result in ("fail", "permerror")


def test_more_signatures_than_anybody_needs_are_left_out() -> None:
    asked = []

    def ask(name: str) -> str | None:
        asked.append(name)
        return KEYS[name]

    data = (b"DKIM-Signature: v=1\r\n" * 200_000) + signed_with()
    found = verify(data, ask)
    assert len(found) == MAX_SIGNATURES + 1
    assert found[-1].result == "neutral"
    assert found[-1].reason.startswith("199991 more signatures were not looked at")
    assert asked == []


def hostile_list(value: bytes) -> bytes:
    return b"DKIM-Signature: " + value + b"\r\n" + MESSAGE


HOSTILE: dict[str, Callable[[], bytes]] = {
    "a million tags": lambda: hostile_list(b"a=1;" * 1_000_000),
    "a million names": lambda: signed_with(h="From" + ":From" * 1_000_000),
    "many names": lambda: signed_with(h="From" + ":From" * 10_000),
    "very many fields": lambda: signed_with(b"From: a\r\n" * 300_000 + MESSAGE),
    "folds without end": lambda: hostile_list(b"v=1;\r\n " * 9_000),
    "blanks before b": lambda: hostile_list(b"v=1" + b";  " * 20_000 + b"b"),
    "spaces without end": lambda: signed_with(MESSAGE + b" " * 2_000_000 + b"x"),
    "nothing": lambda: b"DKIM-Signature:\r\n\r\n",
    "not even a colon": lambda: b"DKIM-Signature\r\n\r\n",
    "another script": lambda: hostile_list("v=1; d=例え.テスト".encode()),
    "not UTF-8": lambda: hostile_list(b"v=1; d=\xff"),
    "NUL": lambda: hostile_list(b"v=1; d=\0"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_messages_take_little_time_and_get_a_reason(name: str) -> None:
    (found,) = verify(HOSTILE[name](), KEYS)
    assert found.reason
    assert len(found.reason) < 300


@given(st.binary(max_size=120), st.binary(max_size=40))
def test_any_octets_get_a_result(value: bytes, body: bytes) -> None:
    for found in verify(b"DKIM-Signature: " + value + b"\r\n\r\n" + body, KEYS):
        assert found.result != "pass"
        assert found.reason


VALUES = st.lists(
    st.sampled_from(["0", "9", "@", ".", "x.example", ":", "/", "=", "ü", "例", " ", "\0"])
).map("".join)


@given(st.dictionaries(st.sampled_from("vabcdhilqstxz"), VALUES, max_size=3))
def test_any_tags_are_a_signature_or_refused(tags: dict[str, str]) -> None:
    said = {"v": "1", "a": "rsa-sha256", "d": "x.example", "s": "s", "h": "From"}
    said |= {"bh": "AAAA", "b": "AAAA"} | tags
    field = "; ".join(f"{name}={value}" for name, value in said.items())
    try:
        parsed = Signature.parse(f"DKIM-Signature: {field}".encode("utf-8", "replace"))
    except TagError:
        return
    assert parsed.key_name == f"{parsed.selector}._domainkey.{parsed.domain}"
    assert parsed.key_name.isascii()


def test_a_date_needs_a_time_zone() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        verify(signed_with(), KEYS, date=NOW.replace(tzinfo=None))


def test_without_a_date_it_is_now() -> None:
    soon = int((datetime.now(UTC) + timedelta(days=1)).timestamp())
    (found,) = verify(signed_with(x=str(soon)), KEYS)
    assert found.result == "pass"
    (found,) = verify(signed_with(x=str(soon - 2 * 86_400)), KEYS)
    assert found.result == "fail"
