"""Of what stands in a header only the receiver's own verdicts are believed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpbook.mailboxes.mime import Fields
from smtpbook.placement.received import hops_of
from smtpbook.placement.seeds import Seed
from smtpbook.placement.verdicts import Verdicts, verdicts_in

AR = "Authentication-Results: "
RECEIVED = "Received: from a.x.example by mx.own.example with ESMTP id 1; 28 Nov 2026"


def verdicts(address: str, *lines: str, source: str = "box", **more: str) -> Verdicts:
    header = Fields.parse("\n".join(lines))
    seed = Seed(address=address, source=source, **more)  # type: ignore[arg-type]
    return verdicts_in(header, seed, hops_of(header))


def told(found: Verdicts) -> tuple[str | None, ...]:
    return found.spf, found.dkim, found.dmarc


GOOGLE = f"{AR}mx.google.com; dkim=fail header.i=@a; dkim=pass header.i=@b; spf=softfail"
APPLE = (
    f"{AR}dmarc.icloud.com; dmarc=pass header.from=x.example",
    f"{AR}dkim-verifier.icloud.com; dkim=pass",
    f"{AR}spf.icloud.com; spf=pass",
)
MICROSOFT = f"{AR}spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=x.example; dkim=none"
YAHOO = f"{AR}atlas-production.v2-mail-prod1-gq1.omega.yahoo.com; dkim=unknown; spf=none"


@pytest.mark.parametrize(
    ("address", "lines", "expected"),
    [
        ("a@gmail.com", [GOOGLE], ("softfail", "pass", None)),
        ("a@me.com", APPLE, ("pass", "pass", "pass")),
        ("a@outlook.com", [MICROSOFT], ("pass", "none", None)),
        ("a@yahoo.com", [YAHOO], ("none", "unknown", None)),
        ("a@own.example", [f"{AR}mx.own.example; spf=pass"], ("pass", None, None)),
        ("a@other.example", [f"{AR}mx.own.example; spf=pass"], ("pass", None, None)),
    ],
)
def test_each_provider_signs_as_it_is_known_to(
    address: str, lines: list[str], expected: tuple[str | None, ...]
) -> None:
    assert told(verdicts(address, RECEIVED, *lines)) == expected


def test_a_domain_of_ones_own_at_google_is_known_by_its_imap_server() -> None:
    found = verdicts("a@own.example", GOOGLE, source="imaps://a@imap.gmail.com")
    assert found.receiver == "mx.google.com"


@pytest.mark.parametrize(
    "forged",
    [
        f"{AR}mx.sender.example; spf=pass; dmarc=pass",
        f"{AR}spf=pass; dkim=pass; dmarc=pass",
        f"{AR}mx.google.com.sender.example; spf=pass",
        f"{AR}notmx.google.com; spf=pass",
        f"ARC-{AR}i=1; mx.sender.example; spf=pass; dmarc=pass",
    ],
)
def test_what_somebody_else_says_is_not_believed(forged: str) -> None:
    found = verdicts("a@gmail.com", RECEIVED, forged)
    assert found.receiver is None
    assert told(found) == (None, None, None)


def test_of_two_in_the_receivers_name_the_first_is_its_own() -> None:
    forged = f"{AR}mx.google.com; spf=pass; dkim=pass; dmarc=pass"
    assert told(verdicts("a@gmail.com", GOOGLE, RECEIVED, forged)) == told(
        verdicts("a@gmail.com", GOOGLE)
    )


def test_a_receiver_may_be_named() -> None:
    line = f"{AR}auth.house.example; dmarc=fail"
    assert verdicts("a@own.example", line).dmarc is None
    assert verdicts("a@own.example", line, receiver="house.example").dmarc == "fail"


@pytest.mark.parametrize(
    ("line", "score"),
    [
        ("X-Spamd-Result: default: False [1.20 / 15.00]; R_SPF_ALLOW(-0.20)[+a]", 1.2),
        ("X-Spam-Status: No, score=-1.1 required=5.0 tests=DKIM_VALID", -1.1),
        ("X-Spam-Score: 3.5", 3.5),
        ("X-MS-Exchange-Organization-SCL: 5", 5.0),
        ("X-Forefront-Antispam-Report: CIP:192.0.2.1;SCL:-1;SFV:SKN", -1.0),
        ("X-Spam-Status: \u202eYes", None),
    ],
)
def test_the_score_of_a_filter_is_read_with_the_field_that_has_it(
    line: str, score: float | None
) -> None:
    found = verdicts("a@own.example", line)
    assert found.spam_score == score
    assert found.spam_header == (line if score is not None else None)


def test_foreign_words_are_shown_as_escapes() -> None:
    found = verdicts("a@own.example", f"{AR}\u202emx.own.example; spf=pa\u202ess")
    assert found.receiver == "\\u202emx.own.example"
    assert "\u202e" not in str(found)


@settings(max_examples=40)
@given(st.text(max_size=200), st.sampled_from(["Authentication-Results", "X-Spam-Status"]))
def test_any_field_is_read(value: str, name: str) -> None:
    verdicts("a@own.example", f"{name}: {value}")
