from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpbook.codes.details import details_of
from smtpbook.codes.explain import explain


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("limit is 20 messages per hour", ("20 messages per hour",)),
        (
            "only 5 connections, 100 recipients/message",
            ("5 connections", "100 recipients/message"),
        ),
        ("maximum 10,485,760 bytes", ("10,485,760 bytes",)),
        ("more than 25 MB", ("25 MB",)),
        ("error 550 5.7.1", ()),
        ("5.7.1 Message rejected: 4.4.2 connection dropped", ()),
        (
            "5.3.4 the limit is 10.5 MB. Messages of 1.048.576 bytes",
            ("10.5 MB", "1.048.576 bytes"),
        ),
    ],
)
def test_limits_are_copied_out(text: str, limits: tuple[str, ...]) -> None:
    assert details_of(text).limits == limits


@pytest.mark.parametrize(
    ("text", "results"),
    [
        ("SPF: softfail", ("spf=softfail",)),
        ("SPF [example.org] with ip: [192.0.2.1] = did not pass", ("spf=fail",)),
        ("does not pass DMARC verification", ("dmarc=fail",)),
        ("spf=pass dkim=fail", ("spf=pass", "dkim=fail")),
        ("no DKIM signature", ("dkim=none",)),
        ("rejected for the DMARC policy of the domain", ("dmarc=fail",)),
        ("parked car", ()),
    ],
)
def test_results_have_the_words_of_rfc_8601(text: str, results: tuple[str, ...]) -> None:
    assert set(details_of(text).authentication) == set(results)


@pytest.mark.parametrize(
    ("text", "queue_id"),
    [
        ("Reject, id=00123-04 - SPAM", "00123-04"),
        ("refused. ID: a1b2c3", "a1b2c3"),
        ("see our page x41-20020a0565123fa900b0 is no id", None),
        (
            "blocked. d2e1a72fcca58-6b8a9si1234567b3a.250 - gsmtp",
            "d2e1a72fcca58-6b8a9si1234567b3a.250",
        ),
        ("try again later. - gsmtp", None),
    ],
)
def test_what_the_servers_log_calls_it(text: str, queue_id: str | None) -> None:
    assert details_of(text).queue_id == queue_id


def test_an_explanation_tells_all_of_it() -> None:
    explained = explain(
        "450 4.7.1 Client host [192.0.2.1] blocked using zen.spamhaus.org; the limit is "
        "5 messages per hour, try again in 10 minutes, see https://example.org/why. "
        "id=4711-1"
    )
    assert explained.reason == "ip_blocked"
    assert explained.blocklist == "zen.spamhaus.org"
    assert explained.url == "https://example.org/why"
    assert explained.limits == ("5 messages per hour",)
    assert explained.retry_s == 600
    assert explained.queue_id == "4711-1"
    shown = str(explained)
    for word in ("zen.spamhaus.org", "600 s", "5 messages per hour", "4711-1"):
        assert word in shown


def test_a_permanent_refusal_for_a_blocklist_keeps_the_address() -> None:
    explained = explain("550 5.7.1 192.0.2.1 is listed at zen.spamhaus.org")
    assert explained.permanence == "permanent"
    assert explained.advice == "slow down"


def test_a_blocklist_nobody_blames_is_not_named() -> None:
    assert explain("550 5.1.1 no such user, see www.spamhaus.org").blocklist is None


def test_seconds_of_the_text_stand_in_the_advice() -> None:
    assert explain("451 4.7.1 Greylisted for 5 minutes").advice == "retry after 300 s"
    assert explain("451 4.7.1 Greylisted").advice == "retry later"


@given(st.text(max_size=300), st.integers(400, 599))
def test_any_text_is_searched(text: str, code: int) -> None:
    details_of(text)
