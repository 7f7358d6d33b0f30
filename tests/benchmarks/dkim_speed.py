"""CPU time of a signature: ours and dkimpy's, the same message, the same RSA-2048 key.

    python -m tests.benchmarks.dkim_speed [--messages N] [--size N] [--rounds N] [--json]

``OpenSSL alone`` is the RSA operation without anything around it: nobody who signs with
OpenSSL can be faster.  Time is this process's, because signing waits for nothing.  In each
round every signer signs as often; figures are medians over the rounds, and so are the
ratios, each taken within a round, because a machine others use changes its speed from one
round to the next.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Final

import dkim
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from smtpbook.dkim.signer import DkimSigner
from smtpbook.dkim.verify import verify
from tests.benchmarks.output import Row, parser, show

DOMAIN: Final = "bench.example"
HEADER: Final = (
    b"From: Ann <ann@bench.example>\r\n"
    b"To: Bob <bob@y.example>\r\n"
    b"Subject: News of November\r\n"
    b"Date: Sat, 28 Nov 2026 03:00:00 +0000\r\n"
    b"Message-ID: <1@bench.example>\r\n"
    b"MIME-Version: 1.0\r\n"
    b"Content-Type: text/html; charset=utf-8\r\n"
    b"Content-Transfer-Encoding: quoted-printable\r\n"
    b"List-Unsubscribe: <https://bench.example/u/1>\r\n"
    b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    b"\r\n"
)
LINE: Final = b'    <td class=3D"cell">What is new in November, and why it matters</td>\r\n'

Sign = Callable[[bytes], object]


def main() -> None:
    """Measure and print."""
    given = parser(__doc__, messages=30, rounds=7)
    given.set_defaults(size=14_000)
    options = given.parse_args()
    data = HEADER + LINE * max(1, (options.size - len(HEADER)) // len(LINE))
    signers = make_signers()
    rounds = [
        {name: timed(sign, data, options.messages) for name, sign in signers.items()}
        for _ in range(options.rounds)
    ]
    rows: list[Row] = []
    for name in signers:
        taken_s = statistics.median(times[name] for times in rounds)
        rows.append(
            {
                "signer": name,
                "messages/CPU s": round(1 / taken_s),
                "CPU µs/message": round(taken_s * 1e6),
            }
        )
    ratios = {
        f"messages/CPU s, smtpbook to {other}": statistics.median(
            times[other] / times["smtpbook"] for times in rounds
        )
        for other in ("dkimpy", "OpenSSL alone")
    }
    show(rows, ratios, as_json=options.json)


def make_signers() -> dict[str, Sign]:
    """Give what is measured; keys are loaded before, but dkimpy takes PEM each time."""
    key = generate_private_key(65537, 2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    ours = DkimSigner(domain=DOMAIN, selector="s", key=key)
    ed25519 = DkimSigner.generate(DOMAIN, "s", "ed25519")
    padding, digest, octets = PKCS1v15(), SHA256(), b"x" * 1000

    def theirs(data: bytes) -> bytes:
        header: bytes = dkim.sign(
            data, b"s", DOMAIN.encode(), pem, canonicalize=(b"relaxed", b"relaxed")
        )
        return header + data

    for sign in (ours.sign, theirs):  # what is measured is right
        (found,) = verify(sign(HEADER + LINE), dict([ours.dns_record]))
        assert found.result == "pass", found.reason
    return {
        "smtpbook": ours.sign,
        "dkimpy": theirs,
        "OpenSSL alone": lambda data: key.sign(octets, padding, digest),
        "smtpbook, Ed25519": ed25519.sign,
    }


def timed(sign: Sign, data: bytes, count: int) -> float:
    """Give the seconds of CPU that one signature took."""
    sign(data)
    started = time.process_time()
    for _ in range(count):
        sign(data)
    return (time.process_time() - started) / count


if __name__ == "__main__":
    main()
