"""A signature covers what it should, is laid out well, and never shows its key."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import re
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import (
    generate_private_key as generate_ec_key,
)

import smtpbook
from smtpbook.accounts.secret import Secret
from smtpbook.dkim.key_record import KeyRecord
from smtpbook.dkim.signer import SIGNED_HEADERS, DkimSigner
from smtpbook.dkim.tags import parse_tags, words_of
from smtpbook.dkim.verify import verify
from smtpbook.errors import LocalProtocolError
from tests.dkim.keys import ED25519, SHORT_RSA_PEM, pem, records, rsa, signer

DATE = datetime(2026, 11, 28, 3, 0, tzinfo=UTC)
MESSAGE = (
    b"From: Ann <ann@x.example>\r\n"
    b"To: bob@y.example\r\n"
    b"Subject: hello\r\n"
    b"List-Unsubscribe: <https://x.example/u/1>\r\n"
    b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    b"\r\n"
    b"hi\r\n"
)
PEM = pem(ED25519)


def tags_of(field: bytes) -> dict[str, str]:
    return parse_tags(field.removesuffix(b"\r\n").partition(b":")[2])


def result_of(data: bytes, *signers: DkimSigner) -> list[str]:
    return [found.result for found in verify(data, records(*signers), date=DATE)]


def test_the_message_follows_the_signature_unaltered() -> None:
    one = signer()
    field = one.header(MESSAGE, date=DATE)
    assert one.sign(MESSAGE, date=DATE) == field + MESSAGE
    assert field.startswith(b"DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;")
    assert field.endswith(b"\r\n")


def test_what_the_tags_say() -> None:
    one = signer(expire_s=3600, identity="ann+ü@mail.x.example")
    tags = tags_of(one.header(MESSAGE, date=DATE))
    assert (tags["d"], tags["s"]) == ("x.example", "ed25519")
    assert tags["i"] == "ann+=C3=BC@mail.x.example"
    assert int(tags["t"]) == DATE.timestamp()
    assert int(tags["x"]) == DATE.timestamp() + 3600
    assert "l" not in tags
    assert result_of(one.sign(MESSAGE, date=DATE), one) == ["pass"]


def test_every_field_of_the_list_is_sealed() -> None:
    listed = words_of(tags_of(signer().header(MESSAGE))["h"])
    for name in ("From", "To", "Subject", "List-Unsubscribe", "List-Unsubscribe-Post"):
        assert listed.count(name) == 2
    for name in ("Cc", "Reply-To", "Date", "Message-ID", "Content-Type"):
        assert listed.count(name) == 1
    # A mailing list may add these where there are none.
    for name in ("List-Id", "Sender", "References"):
        assert listed.count(name) == 0


@pytest.mark.parametrize("name", [name for name in SIGNED_HEADERS if name != "From"])
def test_a_field_that_occurs_twice_is_signed_twice_and_sealed(name: str) -> None:
    field = f"{name}: x\r\n".encode()
    message = field + field + MESSAGE
    listed = words_of(tags_of(signer().header(message))["h"])
    assert listed.count(name) == message.count(f"{name}: ".encode()) + 1


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
@pytest.mark.parametrize("form", ["relaxed/relaxed", "simple/simple"])
def test_lines_fit_into_78_columns(kind: str, form: str) -> None:
    everything = b"".join(f"{name}: x\r\n".encode() for name in SIGNED_HEADERS) + b"\r\n"
    one = signer(kind, canonicalization=form)
    field = one.header(everything, date=DATE)
    lines = field.removesuffix(b"\r\n").split(b"\r\n")
    assert max(map(len, lines)) <= 78
    assert all(line.startswith(b" ") and line.strip() for line in lines[1:])
    assert result_of(field + everything, one) == ["pass"]


@pytest.mark.parametrize("length", range(1, 60))
def test_a_signature_verifies_wherever_its_lines_break(length: int) -> None:
    one = signer(selector="s" * length, canonicalization="simple/simple")
    assert result_of(one.sign(MESSAGE, date=DATE), one) == ["pass"]


def test_signatures_stack() -> None:
    first, second = signer("rsa"), signer()
    data = second.sign(first.sign(MESSAGE, date=DATE), date=DATE)
    assert result_of(data, first, second) == ["pass", "pass"]
    assert result_of(data, second) == ["pass", "permerror"]


def test_only_the_fields_named_are_signed_and_from_always() -> None:
    one = signer(headers=["Subject"])
    assert tags_of(one.header(MESSAGE))["h"] == "From:From:Subject:Subject"


def test_a_message_without_its_last_crlf_is_signed_as_it_will_arrive() -> None:
    one = signer()
    for body in (b"", b"hi", b"hi ", b" "):
        data = one.sign(MESSAGE[:-4] + body, date=DATE)
        assert result_of(data, one) == result_of(data + b"\r\n", one) == ["pass"]


def test_what_to_publish_fits_into_strings_of_255_octets() -> None:
    name, text = signer("rsa").dns_record
    strings = re.findall('"([^"]*)"', text)
    assert name == "rsa._domainkey.x.example"
    assert text == " ".join(f'"{string}"' for string in strings)
    assert [len(string) <= 255 for string in strings] == [True, True]
    assert KeyRecord.parse("".join(strings)).key == rsa().public_key()


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_a_new_key_comes_back_from_its_pem(kind: Any) -> None:
    made = DkimSigner.generate("X.example", "S1", kind)
    again = DkimSigner(domain="x.example", selector="s1", key=made.to_pem())
    assert again.dns_record == made.dns_record
    assert result_of(again.sign(MESSAGE), made) == ["pass"]


def test_domains_are_written_as_a_labels() -> None:
    one = signer(domain="Bücher.example", identity="@bücher.example")
    assert one.domain == "xn--bcher-kva.example"
    assert tags_of(one.header(MESSAGE))["i"] == "@xn--bcher-kva.example"


@pytest.mark.parametrize(
    ("changes", "kind", "said"),
    [
        ({"domain": "x y"}, LocalProtocolError, "not a domain name"),
        ({"selector": ""}, ValueError, "not a selector"),
        ({"selector": "a..b"}, ValueError, "not a selector"),
        ({"selector": "a;b"}, ValueError, "not a selector"),
        ({"canonicalization": "relaxed"}, ValueError, "not one of relaxed/relaxed"),
        ({"expire_s": 0}, ValueError, "not a time after signing"),
        ({"identity": "ann@y.example"}, ValueError, "not within the domain"),
        ({"identity": "ann@notx.example"}, ValueError, "not within the domain"),
        ({"identity": "ann"}, ValueError, "not within the domain"),
        ({"headers": "Subject"}, ValueError, "sequence of different names"),
        ({"headers": []}, ValueError, "sequence of different names"),
        ({"headers": ["To", "to"]}, ValueError, "sequence of different names"),
        ({"headers": ["To;b=x"]}, ValueError, "not the name of a header"),
        ({"headers": ["Received"]}, ValueError, "changes on the way"),
        ({"key": generate_ec_key(SECP256R1())}, ValueError, "not ECPrivateKey"),
        ({"key": b"x"}, ValueError, "holds no private key in PEM"),
        ({"key": 5}, ValueError, "not int"),
    ],
)
def test_what_cannot_sign_is_refused(
    changes: dict[str, object], kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind, match=said):
        signer(**changes)  # type: ignore[arg-type]


def test_a_wrong_kind_gets_the_near_miss() -> None:
    with pytest.raises(ValueError, match="did you mean 'ed25519'"):
        DkimSigner.generate("x.example", "s", "ed25591")  # type: ignore[arg-type]


def test_short_rsa_keys_are_warned_of() -> None:
    with pytest.warns(UserWarning, match="1024 bits is weak") as caught:
        DkimSigner(domain="x.example", selector="s", key=rsa(1024))
    assert caught[0].filename == __file__


def test_very_short_rsa_keys_are_refused() -> None:
    with pytest.raises(ValueError, match="512 bits proves nothing"):
        DkimSigner(domain="x.example", selector="s", key=SHORT_RSA_PEM)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (MESSAGE.replace(b"From", b"Fron"), "has 0 From fields"),
        (b"From: eve@x.example\r\n" + MESSAGE, "has 2 From fields"),
        (MESSAGE + b"\n", "no CRLF"),
        (b"", "has 0 From fields"),
    ],
)
def test_what_cannot_be_signed_is_refused(message: bytes, said: str) -> None:
    with pytest.raises(LocalProtocolError, match=said):
        signer().sign(message)


def test_a_date_needs_a_time_zone() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        signer().sign(MESSAGE, date=datetime(2026, 1, 1))


def test_a_key_may_be_kept_anywhere(tmp_path: Path) -> None:
    file = tmp_path / "dkim.pem"
    file.write_bytes(PEM)
    sources: list[Any] = [PEM, PEM.decode(), file, str(file), ED25519, Secret(PEM.decode())]
    sources += [lambda: PEM, lambda: Secret(PEM.decode())]
    for source in sources:
        assert signer(key=source).dns_record == signer().dns_record


def test_a_key_is_never_shown() -> None:
    lines = PEM.decode().split("\n")[1:-2]
    one = DkimSigner(domain="x.example", selector="s", key=PEM)
    shown = [repr(one), str(one), f"{one}", str(dataclasses.asdict(one)), str([one])]
    shown += [repr(getattr(one, name)) for name in dir(one) if name != "to_pem"]
    shown.append(str(dataclasses.replace(one, selector="t")))
    assert not any(line in text for line in lines for text in shown)
    assert copy.deepcopy(one).dns_record == one.dns_record
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(one)


@pytest.mark.parametrize(
    "changes",
    [
        {"selector": "no selector"},
        {"key": PEM.replace(b"BEGIN PRIVATE", b"BEGIN RSA PRIVATE")},
        {"key": PEM.decode().replace("-----BEGIN PRIVATE KEY-----", "")},
        {"key": PEM.decode().replace("BEGIN", "BEGIN ENCRYPTED")},
        {"unknown": 1},
        {"places": ("x.example", "s", PEM)},
    ],
)
def test_a_key_is_not_in_a_traceback_with_locals(changes: dict[str, Any]) -> None:
    given: dict[str, Any] = {"domain": "x.example", "selector": "s", "key": PEM}
    secret = PEM.decode().split("\n")[1][20:50]
    places = changes.pop("places", ())
    with pytest.raises((ValueError, TypeError)) as caught:
        DkimSigner(*places, **(given | changes))
    error: BaseException | None = caught.value
    while error is not None:
        shown = traceback.TracebackException.from_exception(error, capture_locals=True)
        # The first frame is this test, which has the key.
        assert secret not in "".join(shown.stack.format()[1:]) + str(error)
        error = error.__context__


def test_it_is_at_hand() -> None:
    assert smtpbook.DkimSigner is DkimSigner
