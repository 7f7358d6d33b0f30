"""MTA-STS: a policy is read as its RFC says, and remembered for as long as it holds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpbook.errors import RemoteProtocolError, TLSError, TransportError
from smtpbook.lookup.zone import Zone
from smtpbook.routes.mta_sts import (
    MAX_AGE_S,
    RETRY_S,
    PolicyError,
    StsPolicies,
    StsPolicy,
    record_id,
)
from smtpbook.routes.txt_fields import RecordError

TEXT = (
    "version: STSv1\nmode: enforce\nmx: mx.example.org\nmx: *.example.net\nmax_age: 600\n"
)
POLICY = StsPolicy(mode="enforce", mx=("mx.example.org", "*.example.net"), max_age_s=600)


# --- the policy ---------------------------------------------------------------------------


def test_a_policy_is_its_mode_its_hosts_and_its_age() -> None:
    assert StsPolicy.parse(TEXT) == POLICY
    assert StsPolicy.parse(TEXT.replace("\n", "\r\n").encode()) == POLICY


def test_blanks_unknown_fields_and_repetitions_do_not_matter() -> None:
    text = TEXT.replace("mx: mx", "mx:\tMX").replace("600", "600  ")
    assert StsPolicy.parse(f"{text}mode: none\nx-note: a: b\n\n") == POLICY


def test_without_a_mode_that_asks_for_something_no_host_is_needed() -> None:
    policy = StsPolicy.parse("max_age: 0\nmode: none\nversion: STSv1")
    assert policy == StsPolicy(mode="none", mx=(), max_age_s=0)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("version: STSv1\n", "", "no line version:"),
        ("STSv1", "STSv2", "version: 'STSv2'"),
        ("enforce", "strict", "none of enforce, testing, none"),
        ("mode", "Mode", "no line mode:"),
        ("max_age: 600", "max_age: -1", "not a number of seconds"),
        ("600", str(MAX_AGE_S + 1), f"up to {MAX_AGE_S}"),
        ("600", "٣", "not a number of seconds"),
        ("max_age: 600", "", "no line max_age:"),
        ("*.example.net", "mx.*.net", "a wildcard is a whole label"),
        ("*.example.net", "*example.net", "a wildcard is a whole label"),
        ("*.example.net", "*", "a wildcard is a whole label"),
        ("*.example.net", "bücher.example", "is not a host name"),
        ("mx: *", "mx *", "line 4 is no field"),
        ("STSv1", "STS\x1b[2Jv1", r"STS\\x1b\[2Jv1"),
    ],
)
def test_what_is_wrong_with_a_policy_is_named(old: str, new: str, said: str) -> None:
    with pytest.raises(PolicyError, match=said.replace("\\\\", "\\\\\\\\")) as caught:
        StsPolicy.parse(TEXT.replace(old, new))
    assert str(caught.value).isprintable()


def test_a_policy_that_asks_for_something_names_a_host() -> None:
    with pytest.raises(PolicyError, match="no line mx:, and its mode is testing"):
        StsPolicy.parse("version: STSv1\nmode: testing\nmax_age: 60")


def test_octets_that_are_no_text_are_no_policy() -> None:
    with pytest.raises(PolicyError, match="not UTF-8"):
        StsPolicy.parse(b"version: \xff")


@settings(max_examples=40)
@given(st.text(max_size=200))
def test_whatever_a_web_server_says_is_a_policy_or_refused(text: str) -> None:
    said = ""
    try:
        StsPolicy.parse(text)
    except PolicyError as exc:
        said = str(exc)
    assert said.isprintable()


@pytest.mark.parametrize(
    ("host", "is_allowed"),
    [
        ("mx.example.org", True),
        ("MX.Example.Org.", True),
        ("example.org", False),
        ("a.mx.example.org", False),
        ("any.example.net", True),
        ("example.net", False),
        ("a.b.example.net", False),
        ("*.example.net", True),
        ("", False),
    ],
)
def test_a_wildcard_is_one_label_and_no_more(host: str, is_allowed: bool) -> None:
    assert POLICY.allows(host) is is_allowed


# --- its announcement ---------------------------------------------------------------------


def test_the_id_stands_in_the_one_record() -> None:
    assert record_id(("unrelated", "v=STSv1; ext=x; id=20260101T0;")) == "20260101T0"
    assert record_id(()) is None


@pytest.mark.parametrize("fields", ["", "ext=1", "id=a-b", f"id={'1' * 33}"])
def test_a_record_without_a_usable_id_announces_nothing(fields: str) -> None:
    with pytest.raises(RecordError, match="not 1 to 32 letters and digits"):
        record_id((f"v=STSv1;{fields}",))


# --- finding and remembering --------------------------------------------------------------


class World:
    """A domain whose record and web server can be changed, and a clock."""

    def __init__(self) -> None:
        self.record: str | None = "v=STSv1; id=1"
        self.file: str | Exception = TEXT
        self.now = 0.0
        self.fetched = 0
        self.policies = StsPolicies(self, self.fetch, clock=lambda: self.now)

    async def ask(self, name: str, record: str) -> Any:
        data = {"_mta-sts.example.org": {"TXT": self.record}} if self.record else {}
        zone = Zone({"example.org": {"A": "192.0.2.1"}, **data})
        return await zone.ask(name, record)

    async def fetch(self, domain: str) -> bytes:
        assert domain == "example.org"
        self.fetched += 1
        if isinstance(self.file, Exception):
            raise self.file
        return self.file.encode()


async def test_without_an_announcement_nothing_is_fetched() -> None:
    world = World()
    world.record = None
    found = await world.policies.of("example.org")
    assert (found.policy, found.failure, world.fetched) == (None, None, 0)


async def test_a_policy_is_remembered_until_its_age_or_another_id() -> None:
    world = World()
    assert (await world.policies.of("Example.ORG.")).policy == POLICY
    assert (await world.policies.of("example.org")).id == "1"
    assert world.fetched == 1
    world.now = 600.0
    await world.policies.of("example.org")
    assert world.fetched == 2
    world.record, world.file = "v=STSv1; id=2", TEXT.replace("enforce", "testing")
    assert (await world.policies.of("example.org")).mode == "testing"


async def test_a_policy_outlives_its_announcement_and_its_web_server() -> None:
    """An attacker who can suppress either would gain by it otherwise."""
    world = World()
    await world.policies.of("example.org")
    world.record = None
    assert (await world.policies.of("example.org")).mode == "enforce"
    world.record, world.file = "v=STSv1; id=2", TransportError("gone")
    for _ in range(2):  # the web server is asked no more than once in a while
        found = await world.policies.of("example.org")
    assert (found.mode, found.id, world.fetched) == ("enforce", "1", 2)
    assert found.failure is not None
    assert found.failure.result_type == "sts-policy-fetch-error"
    world.now = 601.0
    assert (await world.policies.of("example.org")).policy is None


async def test_after_a_failure_the_web_server_is_left_alone() -> None:
    world = World()
    world.file = TransportError("no answer")
    for _ in range(3):
        found = await world.policies.of("example.org")
    assert world.fetched == 1
    assert found.failure is not None
    assert found.failure.reason == "no answer"
    world.now, world.file = RETRY_S, TEXT
    assert (await world.policies.of("example.org")).policy == POLICY


@pytest.mark.parametrize(
    ("file", "result_type"),
    [
        ("no policy", "sts-policy-invalid"),
        (RemoteProtocolError("404"), "sts-policy-fetch-error"),
        (TLSError("handshake"), "sts-policy-fetch-error"),
    ],
)
async def test_a_policy_that_cannot_be_had_is_none_and_says_why(
    file: str | Exception, result_type: str
) -> None:
    world = World()
    world.file = file
    found = await world.policies.of("example.org")
    assert found.policy is None
    assert found.failure is not None
    assert found.failure.result_type == result_type


async def test_a_record_that_is_wrong_is_no_policy_and_says_why() -> None:
    world = World()
    world.record = "v=STSv1; id=?"
    found = await world.policies.of("example.org")
    assert (found.policy, world.fetched) == (None, 0)
    assert found.failure is not None
    assert found.failure.result_type == "sts-policy-invalid"


async def test_where_nobody_can_say_there_is_no_policy_and_it_says_why() -> None:
    zone = Zone({}, failing=["_mta-sts.example.org"])
    found = await StsPolicies(zone, {}).of("example.org")
    assert (found.policy, found.id) == (None, None)
    assert found.failure is not None
    assert found.failure.reason == "whether there is a policy is not known: SERVFAIL"


async def test_policies_can_be_given_as_texts() -> None:
    zone = Zone(
        {
            "_mta-sts.example.org": {"TXT": "v=STSv1; id=1"},
            "_mta-sts.example.net": {"TXT": "v=STSv1; id=1"},
        }
    )
    policies = StsPolicies(zone, {"EXAMPLE.org.": TEXT})
    assert (await policies.of("example.org")).policy == POLICY
    other = await policies.of("example.net")
    assert other.failure is not None
    assert "no policy of example.net is given" in other.failure.reason


def test_texts_for_what_is_no_domain_are_refused() -> None:
    with pytest.raises(ValueError, match="policies: "):
        StsPolicies(Zone({}), {"a..b": TEXT})
