"""OpenSSL verifies what is signed with a certificate, and the octets arrive unaltered."""

from __future__ import annotations

import copy
import email
import email.policy
import pickle
import re
import shutil
import subprocess
import traceback
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    NoEncryption,
    load_pem_private_key,
    pkcs12,
)
from hypothesis import given, settings
from hypothesis import strategies as st

import smtpbook
from smtpbook.accounts.secret import Secret
from smtpbook.errors import LocalProtocolError
from smtpbook.smime import SmimeSigner
from tests.dkim.keys import ED25519, pem, signer

AUTHORITY = trustme.CA()
MIDDLE = AUTHORITY.create_child_ca()
ISSUED = {
    "elliptic curve": MIDDLE.issue_cert("ann@x.example"),
    "rsa": MIDDLE.issue_cert("ann@x.example", key_type=trustme.KeyType.RSA),
}
ANN = ISSUED["elliptic curve"]
KEY = ANN.private_key_pem.bytes()
CHAIN = b"".join(blob.bytes() for blob in ANN.cert_chain_pems)
ENTITY = b"Content-Type: text/plain; charset=us-ascii\r\n\r\nhi Bob \r\n\r\n"
MESSAGE = (
    b"From: ann@x.example\r\n"
    b"MIME-Version: 1.0\r\n"
    b"Content-Type: text/plain;\r\n charset=us-ascii\r\n"
    b"Subject: hello\r\n"
    b"content-transfer-encoding: 7bit\r\n"
    b"\r\n"
    b"--\r\nhi Bob\r\n"
)


def ann(kind: str = "elliptic curve") -> SmimeSigner:
    issued = ISSUED[kind]
    own, *others = (blob.bytes() for blob in issued.cert_chain_pems)
    return SmimeSigner.from_pem(
        certificate=own, key=issued.private_key_pem.bytes(), chain=b"".join(others)
    )


def bundle(password: bytes | None) -> bytes:
    own, *others = x509.load_pem_x509_certificates(CHAIN)
    key = load_pem_private_key(KEY, None)
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    return pkcs12.serialize_key_and_certificates(
        b"ann",
        key,  # type: ignore[arg-type]
        own,
        others,
        encryption,
    )


def openssl_verifies(data: bytes, folder: Path, program: str) -> bytes | None:
    """Give what OpenSSL says was signed; None = not with this signature."""
    if shutil.which("openssl") is None:
        pytest.skip("OpenSSL's program is missing: apt-get install openssl")
    authority = folder / "authority.pem"
    AUTHORITY.cert_pem.write_to_path(authority)
    # trustme's certificates are for servers, so any purpose will do.
    done = subprocess.run(
        ["openssl", program, "-verify", "-CAfile", authority, "-purpose", "any"],
        input=data,
        capture_output=True,
    )
    return done.stdout if done.returncode == 0 else None


@pytest.mark.parametrize("program", ["smime", "cms"])
@pytest.mark.parametrize("kind", ISSUED)
def test_openssl_verifies_an_entity(kind: str, program: str, tmp_path: Path) -> None:
    assert openssl_verifies(ann(kind).sign_entity(ENTITY), tmp_path, program) == ENTITY


@pytest.mark.parametrize("program", ["smime", "cms"])
def test_openssl_verifies_a_message(program: str, tmp_path: Path) -> None:
    data = ann().sign(MESSAGE)
    assert openssl_verifies(data, tmp_path, program) == (
        b"Content-Type: text/plain;\r\n charset=us-ascii\r\n"
        b"content-transfer-encoding: 7bit\r\n"
        b"\r\n"
        b"--\r\nhi Bob\r\n"
    )
    assert openssl_verifies(data.replace(b"Bob", b"Rob"), tmp_path, program) is None


def test_a_message_that_says_nothing_of_its_content_is_signed(tmp_path: Path) -> None:
    data = ann().sign(b"From: ann@x.example\r\n\r\nhi\r\n")
    assert data.startswith(b"From: ann@x.example\r\nMIME-Version: 1.0\r\nContent-Type: mul")
    assert openssl_verifies(data, tmp_path, "cms") == b"\r\nhi\r\n"


def test_fields_that_say_nothing_of_the_content_stay_outside() -> None:
    signed = email.message_from_bytes(ann().sign(MESSAGE), policy=email.policy.default)
    assert signed.keys() == ["From", "MIME-Version", "Subject", "Content-Type"]
    assert signed.get_content_type() == "multipart/signed"
    assert signed.get_param("protocol") == "application/pkcs7-signature"
    assert signed.get_param("micalg") == "sha-256"
    inner, signature = signed.get_payload()
    assert inner.keys() == ["Content-Type", "content-transfer-encoding"]
    assert signature.get_content_type() == "application/pkcs7-signature"
    assert signature.get_filename() == "smime.p7s"


def test_what_is_signed_stands_there_once() -> None:
    """The signature is detached, so that a reader without S/MIME sees the message."""
    signed = email.message_from_bytes(ann().sign(MESSAGE))
    _, signature = signed.get_payload()
    assert b"hi Bob" not in signature.get_payload(decode=True)


def test_lines_fit_and_end_in_crlf() -> None:
    data = ann().sign(MESSAGE)
    assert data.count(b"\r\n") == data.count(b"\n") == data.count(b"\r")
    assert max(map(len, data.split(b"\r\n"))) <= 78


@settings(max_examples=10)
@given(st.lists(st.sampled_from([b"\r\n", b"--", b"a", b" ", b".", b"--=_"])).map(b"".join))
def test_what_is_inside_is_what_was_signed(body: bytes) -> None:
    entity = b"Content-Type: text/plain\r\n\r\n" + body
    data = ann().sign_entity(entity)
    (boundary,) = re.findall(rb'boundary="([^"]*)"', data)
    assert data.split(b"--" + boundary)[1] == b"\r\n" + entity + b"\r\n"
    assert data.count(boundary) == 4


@pytest.mark.parametrize(
    ("entity", "said"),
    [
        (b"Content-Type: text/plain\r\n\r\nhi\n", "no CRLF"),
        (b"Content-Type: text/plain\r\n\r\n\xc3\xbc\r\n", "seven-bit"),
    ],
)
def test_what_would_change_on_the_way_is_refused(entity: bytes, said: str) -> None:
    with pytest.raises(LocalProtocolError, match=said):
        ann().sign_entity(entity)
    with pytest.raises(LocalProtocolError, match=said):
        ann().sign(entity)


def test_dkim_goes_around_it(tmp_path: Path) -> None:
    data = signer().sign(ann().sign(MESSAGE))
    assert openssl_verifies(data, tmp_path, "cms") is not None


@pytest.mark.parametrize("password", [None, "sesame", b"sesame", Secret("sesame")])
def test_a_bundle_holds_certificate_key_and_chain(password: Any, tmp_path: Path) -> None:
    octets = bundle(b"sesame" if password else None)
    file = tmp_path / "ann.p12"
    file.write_bytes(octets)
    for source in (octets, file, str(file)):
        made = SmimeSigner.from_pkcs12(source, password=password)
        assert (made.certificate, made.chain) == (ann().certificate, ann().chain)
    assert openssl_verifies(made.sign_entity(ENTITY), tmp_path, "cms") == ENTITY


def test_certificates_behind_the_first_join_the_chain() -> None:
    made = SmimeSigner.from_pem(certificate=CHAIN, key=KEY)
    assert (made.certificate, made.chain) == (ann().certificate, ann().chain)
    assert "+1 certificates" in repr(made)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"certificate": KEY}, "certificate= holds no certificate in PEM"),
        ({"chain": b"x"}, "chain= holds no certificate in PEM"),
        ({"certificate": "nowhere.pem"}, "certificate= is neither PEM nor a file"),
        ({"key": CHAIN}, "holds no private key in PEM"),
        ({"key": pem(ED25519)}, "not Ed25519PrivateKey"),
        ({"key": ISSUED["rsa"].private_key_pem.bytes()}, "not the key of the certificate"),
        ({"password": "sesame"}, "not encrypted"),
    ],
)
def test_what_cannot_sign_is_refused(changes: dict[str, Any], said: str) -> None:
    given = {"certificate": CHAIN, "key": KEY}
    with pytest.raises(ValueError, match=said):
        SmimeSigner.from_pem(**(given | changes))


@pytest.mark.parametrize(
    ("octets", "password", "said"),
    [
        (b"x", None, "not PKCS #12"),
        (bundle(b"sesame"), "open", "not PKCS #12, or the password is another"),
        (bundle(b"sesame"), None, "not PKCS #12, or the password is another"),
        (
            pkcs12.serialize_key_and_certificates(
                None, None, ann().certificate, None, NoEncryption()
            ),
            None,
            "no certificate with its private key",
        ),
    ],
)
def test_a_bundle_that_cannot_sign_is_refused(
    octets: bytes, password: str | None, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        SmimeSigner.from_pkcs12(octets, password=password)


def test_key_and_password_are_never_shown() -> None:
    lines = KEY.decode().split("\n")[1:-2]
    made = ann()
    assert not any(line in f"{made!r} {made} {made.key!r}" for line in lines)
    assert copy.deepcopy(made).sign_entity(ENTITY)
    with pytest.raises(TypeError, match="pickle"):
        pickle.dumps(made)


def test_key_and_password_are_not_in_a_traceback_with_locals() -> None:
    secrets = (KEY.decode().split("\n")[1][20:50], "sesame")
    calls: list[Any] = [
        lambda: SmimeSigner.from_pem(certificate=b"x", key=KEY, password="sesame"),
        lambda: SmimeSigner.from_pem(certificate=CHAIN, key=KEY, password="sesame"),
        lambda: SmimeSigner.from_pem(certificate=CHAIN, key=KEY[1:], password="sesame"),
        lambda: SmimeSigner.from_pem(certificate=KEY, key=KEY),
        lambda: SmimeSigner.from_pem(certificate=CHAIN, key=KEY, chain=KEY),
        lambda: SmimeSigner.from_pkcs12(b"x", password="sesame"),
        lambda: SmimeSigner.from_pkcs12(KEY),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="=") as caught:
            call()
        error: BaseException | None = caught.value
        while error is not None:
            stack = traceback.TracebackException.from_exception(error, capture_locals=True)
            # The first two frames are this test's, whose source holds the password.
            shown = "".join(stack.stack.format()[2:])
            assert not any(secret in shown + str(error) for secret in secrets)
            error = error.__context__


def test_it_is_at_hand() -> None:
    assert smtpbook.SmimeSigner is SmimeSigner
