"""What a strict provider looks at: each thing that may be lacking draws its own reply."""

from __future__ import annotations

import pytest

from smtpbook.lab.behaviours import Seen
from smtpbook.lab.strict import CHECKS

GOOD = (
    b"From: Ann <ann@mail.x.test>\r\nDate: Sat, 28 Nov 2026 17:00:00 +0000\r\n"
    b"Message-ID: <1@x.test>\r\nList-Unsubscribe: <https://x.test/u>\r\n"
    b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n\r\nhi\r\n"
)
SIGNED = b"DKIM-Signature: v=1; d=x.test; s=a; b=AA==\r\n"


def told(data: bytes = GOOD, *, path: str = "ann@x.test", is_secure: bool = True) -> str:
    """Say the status of the first check that finds something; empty = none does."""
    seen = Seen("lab-1", is_secure=is_secure, reverse_path=path, data=data)
    return next((reply[4:10].strip() for _, reply, lacks in CHECKS if lacks(seen)), "")


@pytest.mark.parametrize(
    ("data", "path", "status"),
    [
        (GOOD, "ann@x.test", ""),
        (GOOD, "a@forged.example", "5.7.23"),
        (GOOD, "a@nospf.example", "5.7.26"),
        (SIGNED + GOOD, "a@nospf.example", ""),
        (GOOD, "a@other.test", "5.7.1"),  # SPF passes for another domain than From's
        (SIGNED + GOOD, "a@other.test", ""),
        (GOOD, "", "5.7.1"),
        (SIGNED + GOOD, "", ""),
        (b"From: Eve <eve@y.test>\r\n" + GOOD, "ann@x.test", "5.6.0"),
        (GOOD.replace(b"Message-ID", b"X-ID"), "ann@x.test", "5.6.0"),
        (GOOD.replace(b"https:", b"mailto:"), "ann@x.test", "5.7.1"),
        (GOOD.replace(b"=One-Click", b""), "ann@x.test", "5.7.1"),
        (GOOD.replace(b"mail.x.test", b"notx.test"), "ann@x.test", "5.7.1"),
        (b"", "ann@x.test", "5.6.0"),
        (b"\xff\0: \xfe\r\n \r\n", "ann@x.test", "5.6.0"),
    ],
)
def test_what_is_lacking_is_told(data: bytes, path: str, status: str) -> None:
    assert told(data, path=path) == status


def test_clear_text_is_told_first() -> None:
    assert told(is_secure=False) == "5.7.0"
