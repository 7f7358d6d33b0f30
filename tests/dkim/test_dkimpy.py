"""What we sign, dkimpy verifies, and the other way round."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import dkim
import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpbook.dkim.signer import DkimSigner
from smtpbook.dkim.verify import verify
from tests.dkim.keys import DOMAIN, SEED_BASE64, records, rsa, signer

FORMS = ["relaxed/relaxed", "relaxed/simple", "simple/relaxed", "simple/simple"]
KINDS = ["rsa", "ed25519"]
DATE = datetime(2026, 11, 28, 3, 0, tzinfo=UTC)

# dkimpy also strips vertical tabs and form feeds, which are no white space to RFC 6376.
WORDS = st.sampled_from(
    [
        b" ",
        b"\t",
        b"  ",
        b" \t ",
        b"a",
        b"b:c",
        b";",
        b"b=",
        b"=",
        b"\xc3\xbc",
        b"\xff",
        b".",
    ]
)
VALUES = st.lists(WORDS | st.sampled_from([b"\r\n ", b"\r\n\tx"]), max_size=8).map(
    # Blanks alone on a line would end the header for some readers.
    lambda words: re.sub(rb"\r\n[ \t]+(?=\r\n|\Z)", b"", b"".join(words))
)
NAMES = st.sampled_from([b"To", b"to", b"Subject", b"CC", b"X-Other", b"Date", b"Sender"])
HEADERS = st.lists(st.tuples(NAMES, VALUES), max_size=6).map(
    lambda fields: b"".join(name + b":" + value + b"\r\n" for name, value in fields)
)
BODIES = st.lists(WORDS | st.sampled_from([b"\r\n", b"\r\n\r\n", b" \r\n"])).map(b"".join)
MESSAGES = st.tuples(HEADERS, HEADERS, BODIES).map(
    lambda parts: (
        parts[0] + b"From: Ann <ann@x.example>\r\n" + parts[1] + b"\r\n" + parts[2]
    )
)


def dkimpy_verifies(data: bytes, *signers: DkimSigner) -> list[bool]:
    texts = {
        f"{name}.".encode(): "".join(re.findall('"([^"]*)"', text)).encode()
        for name, text in records(*signers).items()
    }

    def ask(name: bytes, timeout: int = 5) -> bytes:
        return texts[name]

    checker = dkim.DKIM(data)
    return [checker.verify(nth, dnsfunc=ask) for nth in range(len(signers))]


def dkimpy_signs(data: bytes, kind: str, form: str) -> bytes:
    key = SEED_BASE64
    if kind == "rsa":
        key = rsa().private_bytes(
            Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
        )
    header: bytes = dkim.sign(
        data,
        kind.encode(),
        DOMAIN.encode(),
        key,
        signature_algorithm=f"{kind}-sha256".encode(),
        canonicalize=tuple(form.encode().split(b"/")),
    )
    return header + data


def as_it_arrives(data: bytes) -> bytes:
    """SMTP ends the last line (RFC 5321 section 4.1.1.4)."""
    return data if data.endswith(b"\r\n") else data + b"\r\n"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", FORMS)
def test_dkimpy_verifies_what_we_sign(kind: str, form: str) -> None:
    one = signer(kind, canonicalization=form)

    @settings(max_examples=60 if kind == "ed25519" else 15)
    @given(MESSAGES)
    def check(message: bytes) -> None:
        arrived = as_it_arrives(one.sign(message, date=DATE))
        assert dkimpy_verifies(arrived, one) == [True]
        (found,) = verify(arrived, records(one))
        assert found.result == "pass", found.reason

    check()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", FORMS)
def test_we_verify_what_dkimpy_signs(kind: str, form: str) -> None:
    one = signer(kind)

    @settings(max_examples=40 if kind == "ed25519" else 10)
    @given(MESSAGES)
    def check(message: bytes) -> None:
        signed = dkimpy_signs(as_it_arrives(message), kind, form)
        (found,) = verify(signed, records(one))
        assert found.result == "pass", found.reason
        (found,) = verify(signed + b"x\r\n", records(one))
        assert found.result == "fail"

    check()


def test_dkimpy_verifies_each_of_several_signatures() -> None:
    first, second = signer("rsa"), signer("ed25519", expire_s=60, identity="@a.x.example")
    data = first.sign(second.sign(b"From: ann@x.example\r\n\r\nhi\r\n"))
    assert dkimpy_verifies(data, first, second) == [True, True]


def test_a_new_key_s_record_is_one_that_dkimpy_reads() -> None:
    made: list[Any] = [
        DkimSigner.generate(DOMAIN, kind, kind) for kind in ("rsa", "ed25519")
    ]
    for one in made:
        data = one.sign(b"From: ann@x.example\r\n\r\nhi\r\n")
        assert dkimpy_verifies(data, one) == [True]
