"""To which hosts a domain's mail goes, and what each has to prove."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from smtpbook.lookup.answer import Answer
from smtpbook.lookup.zone import Zone
from smtpbook.routes.mta_sts import StsPolicies
from smtpbook.routes.route import MAX_HOSTS, Host, Route, route_of
from tests.routes.certificates import chain, tlsa

DIGEST = "ab" * 32
ENFORCE = "version: STSv1\nmode: enforce\nmx: a.example.org\nmx: *.example.net\nmax_age: 60"
TESTING = ENFORCE.replace("enforce", "testing")
Data = dict[str, dict[str, str | Sequence[str]]]
DATA: Data = {
    "example.org": {"MX": ["20 b.example.org", "10 a.example.org"]},
    "a.example.org": {"A": "192.0.2.1", "AAAA": "2001:db8::1"},
    "b.example.org": {"A": "192.0.2.2"},
    "_mta-sts.example.org": {"TXT": "v=STSv1; id=1"},
}


async def found(
    more: Data | None = None,
    *,
    policy: str = ENFORCE,
    domain: str = "example.org",
    secure: bool = True,
    trusts_dane: bool = True,
    failing: Sequence[str] = (),
) -> Route:
    zone = Zone({**DATA, **(more or {})}, secure=secure, failing=failing)
    policies = {"example.org": policy}
    return await route_of(zone, domain, policies=policies, trusts_dane=trusts_dane)


class Other:
    """Zone data, but for some kinds of records."""

    def __init__(self, zone: Zone, **others: Zone) -> None:
        self._zone, self._others = zone, others

    async def ask(self, name: str, record: str) -> Answer:
        return await self._others.get(record, self._zone).ask(name, record)


def tlsa_of(host: str, *records: str) -> Data:
    return {f"_25._tcp.{host}": {"TLSA": records}}


def asked_for(host: Host) -> tuple[str, bool, str, str]:
    one = host.security
    return one.policy, one.is_tls_required, one.proof, one.account_tls


NOTHING = ("no-policy-found", False, "nothing", "opportunistic")
WEB_PKI = ("sts", True, "web_pki", "starttls")
TLSA = ("tlsa", True, "tlsa", "opportunistic")

# --- the hosts ----------------------------------------------------------------------------


async def test_hosts_stand_in_the_order_of_their_preference_with_their_addresses() -> None:
    route = await found()
    assert [(host.preference, host.name, host.addresses.found) for host in route.hosts] == [
        (10, "a.example.org", ("2001:db8::1", "192.0.2.1")),
        (20, "b.example.org", ("192.0.2.2",)),
    ]
    assert (route.kind, route.error, route.is_lasting) == ("mx", None, False)


@pytest.mark.parametrize(
    ("domain", "kind", "said", "is_lasting"),
    [
        ("null.example.org", "null", "takes no mail", True),
        ("b.example.org", "implicit", None, False),
        ("x.example.org", "none", "there is no domain x.example.org", True),
        ("text.example.org", "none", "neither MX records nor an address", True),
        ("a..b", "none", "label that is empty", True),
        ("a\x1b[2J.example.org", "none", "no name", True),
        ("ill.example.org", "error", "are not known: SERVFAIL", False),
        ("example.com", "error", "says nothing of example.com", False),
        ("deaf.example.org", "mx", "gone.example.org: it has no address", False),
    ],
)
async def test_a_domain_without_a_host_says_why_and_for_how_long(
    domain: str, kind: str, said: str | None, is_lasting: bool
) -> None:
    more: Data = {
        "null.example.org": {"MX": "0 ."},
        "text.example.org": {"TXT": "x"},
        "deaf.example.org": {"MX": ["10 gone.example.org", "10 ill.example.org"]},
    }
    route = await found(more, domain=domain, failing=["ill.example.org"])
    assert (route.kind, route.is_lasting) == (kind, is_lasting)
    if said is None:
        assert route.error is None
        assert route.usable
    else:
        assert said in str(route.error)
        assert str(route.error).isprintable()
        assert not route.usable


@pytest.mark.parametrize(
    "name", ["/var/run/smtp", "[127.0.0.1]", "ann@example.org", "a:25"]
)
async def test_what_is_no_name_of_a_host_is_not_connected_to(name: str) -> None:
    more: Data = {"odd.example.org": {"MX": f"10 {name}"}, name: {"A": "192.0.2.9"}}
    route = await found(more, domain="odd.example.org")
    assert "no name of a host" in str(route.error)


async def test_a_domain_that_is_no_hosts_name_has_no_policy_and_is_no_crash() -> None:
    odd = "a/b.example.org"
    more: Data = {
        odd: {"MX": "10 b.example.org"},
        f"_mta-sts.{odd}": {"TXT": "v=STSv1; id=1"},
    }
    route = await route_of(Zone({**DATA, **more}), odd)
    assert [asked_for(host) for host in route.usable] == [NOTHING]
    assert route.sts.failure is not None


async def test_one_of_two_questions_for_addresses_may_fail() -> None:
    ill = Zone({}, failing=["b.example.org"])
    route = await route_of(Other(Zone(DATA), AAAA=ill), "b.example.org")
    assert route.hosts[0].addresses.found == ("192.0.2.2",)


async def test_equals_are_shuffled_by_the_lot_that_is_given() -> None:
    names = [f"mx{number}.example.org" for number in range(MAX_HOSTS + 5)]
    data: Data = {"example.org": {"MX": [f"10 {name}" for name in names]}}
    zone = Zone({**data, **{name: {"A": "192.0.2.1"} for name in names}})
    orders = [
        [host.name for host in (await route_of(zone, "example.org", lot=lot)).hosts]
        for lot in (None, random.Random(1), random.Random(1))
    ]
    assert orders[0] == sorted(names)[:MAX_HOSTS]
    assert orders[0] != orders[1] == orders[2]


# --- MTA-STS ------------------------------------------------------------------------------


async def test_an_enforced_policy_wants_a_verified_certificate_of_a_host_it_names() -> None:
    route = await found(secure=False)
    assert [asked_for(host) for host in route.hosts] == [WEB_PKI, WEB_PKI]
    assert [host.name for host in route.usable] == ["a.example.org"]
    refused = route.hosts[1]
    assert refused.refused == "the MTA-STS policy of example.org does not name it"
    assert refused.failure is not None
    assert refused.failure.result_type == "validation-failure"


async def test_a_policy_that_names_no_host_leaves_none() -> None:
    route = await found(policy=ENFORCE.replace("a.example.org", "c.example.org"))
    assert "does not name it" in str(route.error)
    assert not route.is_lasting


async def test_a_policy_in_testing_keeps_no_mail_back() -> None:
    route = await found(policy=TESTING, secure=False)
    assert [host.security.is_testing for host in route.usable] == [True, True]
    assert {asked_for(host)[1:] for host in route.usable} == {NOTHING[1:]}
    assert [host.failure is None for host in route.hosts] == [True, False]


@pytest.mark.parametrize("policy", ["junk", "version: STSv1\nmode: none\nmax_age: 60"])
async def test_a_policy_that_asks_for_nothing_or_cannot_be_read_is_none(
    policy: str,
) -> None:
    route = await found(policy=policy, secure=False)
    assert [asked_for(host) for host in route.usable] == [NOTHING, NOTHING]


async def test_policies_are_remembered_where_they_are_kept() -> None:
    async def fetch(domain: str) -> bytes:
        fetched.append(domain)
        return ENFORCE.encode()

    fetched: list[str] = []
    zone = Zone(DATA)
    policies = StsPolicies(zone, fetch)
    for _ in range(2):
        await route_of(zone, "example.org", policies=policies)
    assert fetched == ["example.org"]


# --- DANE ---------------------------------------------------------------------------------


async def test_dane_goes_before_mta_sts_host_by_host() -> None:
    route = await found(tlsa_of("b.example.org", f"3 1 1 {DIGEST}"))
    assert [asked_for(host) for host in route.usable] == [WEB_PKI, TLSA]
    assert route.hosts[1].security.names == ("b.example.org", "example.org")


async def test_records_of_which_none_can_be_used_still_want_tls() -> None:
    route = await found(tlsa_of("a.example.org", f"0 0 1 {DIGEST}"))
    assert asked_for(route.hosts[0]) == ("tlsa", True, "nothing", "opportunistic")
    assert route.hosts[0].security.failure([]) is None


async def test_a_host_whose_records_are_not_known_is_passed_over() -> None:
    route = await found(failing=["_25._tcp.a.example.org"], policy="")
    assert [host.name for host in route.usable] == ["b.example.org"]
    refused = route.hosts[0]
    assert refused.refused == "its TLSA records are not known (SERVFAIL)"
    assert refused.failure is not None
    assert refused.failure.result_type == "dnssec-invalid"


@pytest.mark.parametrize(("secure", "trusts_dane"), [(False, True), (True, False)])
async def test_where_dnssec_is_not_trusted_dane_does_not_come_into_it(
    secure: bool, trusts_dane: bool
) -> None:
    route = await found(
        tlsa_of("a.example.org", f"3 1 1 {DIGEST}"),
        failing=["_25._tcp.b.example.org"],
        secure=secure,
        trusts_dane=trusts_dane,
        policy="",
    )
    assert [asked_for(host) for host in route.usable] == [NOTHING, NOTHING]


async def test_where_mail_hosts_could_be_anybodys_their_records_prove_nothing() -> None:
    secure = Zone({**DATA, **tlsa_of("a.example.org", f"3 1 1 {DIGEST}")}, secure=True)
    asker = Other(secure, MX=Zone(DATA))
    route = await route_of(asker, "example.org", policies={})
    assert asked_for(route.hosts[0]) == NOTHING


async def test_a_chain_is_judged_by_the_hosts_records() -> None:
    shown = chain("a.example.org")
    route = await found(tlsa_of("a.example.org", str(tlsa(3, 1, 1, shown[0]))))
    security = route.hosts[0].security
    assert security.failure(shown) is None
    failure = security.failure(chain("b.example.org"))
    assert failure is not None
    assert failure.result_type == "certificate-not-trusted"
    # Of a host without records the handshake has judged.
    assert route.hosts[1].security.failure(chain("a.example.org")) is None


async def test_a_servers_port_is_part_of_where_its_records_are() -> None:
    data = {**DATA, "_2525._tcp.a.example.org": {"TLSA": f"3 1 1 {DIGEST}"}}
    zone = Zone(data, secure=True)
    assert (await route_of(zone, "example.org", port=2525)).hosts[0].dane.state == "usable"
    assert (await route_of(zone, "example.org")).hosts[0].dane.state == "absent"
