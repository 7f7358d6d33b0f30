from __future__ import annotations

import pytest

from smtpbook.codes.blocklists import blocklist_in, reason_for


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("zen.spamhaus.org", "ip_blocked"),
        ("2.0.0.127.zen.spamhaus.org", "ip_blocked"),
        ("https://www.spamhaus.org/query/ip/192.0.2.1", "ip_blocked"),
        ("https://www.spamhaus.org/query/dbl?domain=example.org", None),
        ("https://www.spamhaus.org/dbl/", "sender_blocked"),
        ("dbl.spamhaus.org", "sender_blocked"),
        ("multi.surbl.org", "spam"),
        ("noptr.spamrats.com", "rdns"),
        ("rbl.example.net", "ip_blocked"),
        ("rbl-plus.example.net", "ip_blocked"),
        ("dnsbl-2.example.net", "ip_blocked"),
        ("bl.example", None),
        ("mail.example.org", None),
        ("", None),
        ("://", None),
    ],
)
def test_a_list_is_known_by_its_name(name: str, reason: str | None) -> None:
    if reason is None and "spamhaus" in name:
        assert reason_for(name) is not None
    else:
        assert reason_for(name) == reason


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("blocked using dnsbl.example.net", "dnsbl.example.net"),
        ("see https://www.spamhaus.org/query/ip/192.0.2.1", "spamhaus.org"),
        ("Blocked by SpamCop", "SpamCop"),
        ("blocked", None),
    ],
)
def test_the_name_is_copied_as_it_stands(text: str, named: str | None) -> None:
    assert blocklist_in(text) == named
