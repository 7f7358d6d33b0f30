"""A domain is checked: each defect is seen by its own check and by no other."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from typing import Any, Final, get_args

import dkim
import pandas as pd
import pytest
import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpbook.deliverability.check_domain import (
    check_domain,
    check_domain_async,
    list_checks,
)
from smtpbook.dkim.key_record import record_text
from smtpbook.escape import visible
from smtpbook.findings import Group
from smtpbook.lookup.answer import Answer, Status
from smtpbook.lookup.resolver import Resolver
from smtpbook.lookup.zone import Zone
from tests.deliverability.zones import (
    DOMAIN,
    GIVEN,
    GOOD,
    IP,
    LETTER,
    LISTS,
    POLICY,
    SIGNER,
    bounce,
    world,
)
from tests.servers.name_server import name_server

# What a zone and nothing else cannot tell: nobody is connected to.
NOT_ASKED = {"own_mail", "relay"}
# What follows from it, in the rows of other checks.
FOLLOWS = {
    "spf_record": {("spf_lookups", "unknown"), ("spf_result", "fail")},
    "dkim_key": {("dkim_signature", "fail")},
    "dkim_signature": {("dkim_aligned", "unknown")},
    "dmarc_record": {
        *(
            ("bimi", "unknown"),
            ("bimi", "warn"),
            ("spf_aligned", "unknown"),
            ("dkim_aligned", "unknown"),
        ),
        ("dmarc_result", "fail"),
    },
}


def checked(domain: str = DOMAIN, **options: Any) -> pd.DataFrame:
    return check_domain(domain, **({"zone": world()} | GIVEN | options))


def of_sender(found: pd.DataFrame) -> pd.DataFrame:
    """Leave out what is said of the message alone; tests/content has that."""
    return found[found["check"].isin(of_group("identity", "infrastructure"))]


def of_group(*groups: str) -> set[str]:
    listed = list_checks()
    return set(listed.loc[listed["group"].isin(groups), "check"])


def not_well(found: pd.DataFrame) -> set[tuple[str, str]]:
    found = of_sender(found)
    rows = found[found["verdict"] != "pass"]
    pairs = zip(rows["check"], rows["verdict"], strict=True)
    return {(check, verdict) for check, verdict in pairs if check not in NOT_ASKED}


def evidence(found: pd.DataFrame, check: str, verdict: str) -> str:
    rows = found[(found["check"] == check) & (found["verdict"] == verdict)]
    return str(rows["evidence"].iloc[0])


def test_a_domain_that_has_everything_right_passes_every_check() -> None:
    found = checked()
    assert not_well(found) == set()
    assert set(of_sender(found)["check"]) == of_group("identity", "infrastructure")
    assert set(found["check"]) <= of_group("identity", "infrastructure", "message")


def signed(fields: bytes = b"", **options: Any) -> bytes:
    """Give a letter with more fields, signed as the options say."""
    return replace(SIGNER, **options).sign(fields + LETTER)


def dmarc(text: str) -> dict[str, Any]:
    return {"_dmarc.example.org": {"TXT": text}}


def rsa(bits: int) -> str:
    """Give the record of a key that is short; only its size counts."""
    key = RSAPublicNumbers(65537, (1 << bits) - 1).public_key()
    return record_text(key)


def key_at(selector: str, text: str) -> dict[str, Any]:
    return {f"{selector}._domainkey.example.org": {"TXT": text}}


def elsewhere(domain: str) -> dict[str, Any]:
    """Give another's domain what the good one's reverse-path has."""
    return {domain: GOOD["bounce.example.org"]}


KEY = SIGNER.dns_record[0]
PTR = "7.100.51.198.in-addr.arpa"
DEFECTS: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "From's domain does not exist": (
        {"example.org": {"TXT": "nothing to do with mail"}},
        "from_domain",
        "fail",
        "no such record",
    ),
    "the reverse-path takes no mail": (
        bounce("v=spf1 include:_spf.example.org -all", mx="0 ."),
        "reverse_path",
        "fail",
        "null MX",
    ),
    "the reverse-path does not exist": (
        {"bounce.example.org": {"TXT": "v=spf1 include:_spf.example.org -all"}},
        "reverse_path",
        "fail",
        "no such record",
    ),
    "the reverse-path's mail hosts have no address": (
        bounce("v=spf1 include:_spf.example.org -all", mx="10 gone.example.org"),
        "reverse_path",
        "fail",
        "no such host has an address",
    ),
    "the reverse-path's mail host is an alias": (
        bounce("v=spf1 include:_spf.example.org -all", mx="10 alias.example.org")
        | {"alias.example.org": {"CNAME": "mail.example.org"}},
        "reverse_path",
        "warn",
        "another name of",
    ),
    "two SPF records": (
        bounce("v=spf1 ip4:198.51.100.7 -all", "v=spf1 mx ~all"),
        "spf_record",
        "fail",
        "there are 2 SPF records",
    ),
    "an SPF record with a slip": (
        bounce("v=spf1 inclued:_spf.example.org -all"),
        "spf_record",
        "fail",
        "did you mean 'include'",
    ),
    "no SPF record": (bounce("hello"), "spf_record", "fail", "there is no SPF record"),
    "an include that is none": (
        bounce("v=spf1 ip4:198.51.100.7 include:nothing.example.org -all"),
        "spf_record",
        "fail",
        "include:nothing.example.org is of no use",
    ),
    "an include that leads back": (
        bounce("v=spf1 ip4:198.51.100.7 include:bounce.example.org -all"),
        "spf_record",
        "fail",
        "leads back to itself",
    ),
    "eleven lookups": (
        bounce(f"v=spf1 ip4:198.51.100.7 {'a:mail.example.org ' * 11}-all"),
        "spf_lookups",
        "fail",
        "11 terms",
    ),
    "three void lookups": (
        bounce("v=spf1 ip4:198.51.100.7 a:x1.example a:x2.example a:x3.example -all"),
        "spf_lookups",
        "fail",
        "3 questions",
    ),
    "+all": (
        bounce("v=spf1 ip4:198.51.100.7 +all"),
        "spf_lookups",
        "fail",
        "lets everybody send",
    ),
    "a network of all addresses": (
        bounce("v=spf1 ip4:198.51.100.7/0 -all"),
        "spf_lookups",
        "fail",
        "lets everybody send",
    ),
    "the networks of all addresses around a host": (
        bounce("v=spf1 a:mail.example.org/0 -all"),
        "spf_lookups",
        "fail",
        "lets everybody send",
    ),
    "a mechanism written as a modifier": (
        bounce("v=spf1 ip4:198.51.100.7 ip4=192.0.2.1 -all"),
        "spf_record",
        "warn",
        "ip4=192.0.2.1 in the record",
    ),
    "ptr": (
        bounce("v=spf1 ip4:198.51.100.7 ptr -all"),
        "spf_lookups",
        "warn",
        "ptr in the record",
    ),
    "no all": (
        bounce("v=spf1 ip4:198.51.100.7"),
        "spf_lookups",
        "warn",
        "does not say what becomes",
    ),
    "SPF does not let the address send": (
        bounce("v=spf1 ip4:192.0.2.0/24 ~all"),
        "spf_result",
        "fail",
        "softfail",
    ),
    "the reverse-path is another's": (
        {"reverse_path": "b@bounce.example", **elsewhere("bounce.example")},
        "spf_aligned",
        "warn",
        "not of the organization of example.org",
    ),
    "SPF must be of the very domain": (
        dmarc("v=DMARC1; p=reject; rua=mailto:d@example.org; aspf=s"),
        "spf_aligned",
        "warn",
        "not of example.org itself",
    ),
    "no key": ({KEY: None}, "dkim_key", "fail", "does not exist"),
    "a revoked key": ({KEY: {"TXT": "v=DKIM1; p="}}, "dkim_key", "fail", "revoked"),
    "two keys": (
        {KEY: {"TXT": [SIGNER.dns_record[1], "v=DKIM1; p="]}},
        "dkim_key",
        "fail",
        "several records",
    ),
    "a key that is only tried": (
        {KEY: {"TXT": SIGNER.dns_record[1].replace("p=", "t=y; p=")}},
        "dkim_key",
        "warn",
        "only tried",
    ),
    "a key of 512 bits": ({KEY: {"TXT": rsa(512)}}, "dkim_key", "fail", "512 bits"),
    "a key of 1024 bits": (
        {**key_at("weak", rsa(1024)), "selector": ("s1", "weak")},
        "dkim_key",
        "warn",
        "RSA, 1024 bits; 2048 are advised",
    ),
    "no DMARC record": (
        dmarc("hello"),
        "dmarc_record",
        "fail",
        "there is no DMARC record",
    ),
    "two DMARC records": (
        {"_dmarc.example.org": {"TXT": ["v=DMARC1; p=reject", "v=DMARC1; p=none"]}},
        "dmarc_record",
        "fail",
        "none counts",
    ),
    "a policy that is none": (
        dmarc("v=DMARC1; p=refuse"),
        "dmarc_record",
        "fail",
        "p='refuse' is none of",
    ),
    "a policy that asks for nothing": (
        dmarc("v=DMARC1; p=none; rua=mailto:d@example.org"),
        "dmarc_record",
        "warn",
        "p=none lets everybody use the domain",
    ),
    "a tag with a slip": (
        dmarc("v=DMARC1; p=reject; adkin=r; rua=mailto:d@example.org"),
        "dmarc_record",
        "warn",
        "did you mean 'adkim'",
    ),
    "a tag of the old standard": (
        dmarc("v=DMARC1; p=reject; pct=50; rua=mailto:d@example.org"),
        "dmarc_record",
        "warn",
        "RFC 9989 has removed pct=",
    ),
    "a record that begins otherwise": (
        dmarc("v=dmarc1; p=reject"),
        "dmarc_record",
        "fail",
        '"v=dmarc1; p=reject" is none: it begins with v=DMARC1',
    ),
    "no reports": (dmarc("v=DMARC1; p=reject"), "dmarc_record", "warn", "no reports"),
    "a policy that is only tried": (
        dmarc("v=DMARC1; p=reject; t=y; rua=mailto:d@example.org"),
        "dmarc_record",
        "warn",
        "only tried",
    ),
    "reports to somebody who did not agree": (
        dmarc("v=DMARC1; p=reject; rua=mailto:d@reports.example"),
        "dmarc_record",
        "warn",
        "does not agree to get reports",
    ),
    "a logo without https": (
        {"default._bimi.example.org": {"TXT": "v=BIMI1; l=http://example.org/l.svg"}},
        "bimi",
        "warn",
        "no https address",
    ),
    "two logos": (
        {"default._bimi.example.org": {"TXT": ["v=BIMI1; l=", "v=BIMI1; l="]}},
        "bimi",
        "warn",
        "several records",
    ),
    "two MTA-STS records": (
        {"_mta-sts.example.org": {"TXT": ["v=STSv1; id=1", "v=STSv1; id=2"]}},
        "mta_sts",
        "fail",
        "one too many",
    ),
    "a policy for another host": (
        {"policies": {DOMAIN: POLICY.replace("mail.", "mx.")}},
        "mta_sts",
        "fail",
        "leaves out",
    ),
    "a policy that cannot be read": (
        {"policies": {DOMAIN: "hello"}},
        "mta_sts",
        "fail",
        "is no field",
    ),
    "a policy that binds nobody": (
        {"policies": {DOMAIN: POLICY.replace("enforce", "testing")}},
        "mta_sts",
        "warn",
        "binds nobody",
    ),
    "a policy for an hour": (
        {"policies": {DOMAIN: POLICY.replace("1209600", "3600")}},
        "mta_sts",
        "warn",
        "within a week",
    ),
    "a policy that was not given": (
        {"policies": None},
        "mta_sts",
        "unknown",
        "was not asked for",
    ),
    "reports of TLS to nowhere": (
        {"_smtp._tls.example.org": {"TXT": "v=TLSRPTv1; rua=tls@example.org"}},
        "tls_rpt",
        "fail",
        "neither mailto: nor https:",
    ),
    "no reports of TLS beside a policy": (
        {"_smtp._tls.example.org": None},
        "tls_rpt",
        "warn",
        "nobody tells you",
    ),
    "TLSA records of no use": (
        {"_25._tcp.mail.example.org": {"TLSA": f"1 1 1 {'ab' * 32}"}},
        "dane",
        "fail",
        "rests on public authorities",
    ),
    "a TLSA record of no use beside one": (
        {
            "_25._tcp.mail.example.org": {
                "TLSA": [f"1 1 1 {'ab' * 32}", f"3 1 1 {'ab' * 32}"]
            }
        },
        "dane",
        "warn",
        "of no use",
    ),
    "a letter that was changed on the way": (
        {"message": signed().replace(b"hello", b"Hello")},
        "dkim_signature",
        "fail",
        "the body is not the one that was signed",
    ),
    "a letter that is not signed": (
        {"message": LETTER},
        "dkim_signature",
        "fail",
        "not signed",
    ),
    "a subject that anybody may change": (
        {"message": signed(headers=("From", "Date", "To", "Message-ID", "MIME-Version"))},
        "dkim_signature",
        "warn",
        'leaves out "subject"',
    ),
    "a way out that anybody may change": (
        {
            "message": signed(
                b"List-Unsubscribe: <https://example.org/u>\r\n",
                headers=("From", "Subject", "Date", "To", "Message-ID", "MIME-Version"),
            )
        },
        "dkim_signature",
        "fail",
        'leaves out "list-unsubscribe"',
    ),
    "no name for the address": ({PTR: None}, "reverse_dns", "fail", "does not exist"),
    "a name that leads elsewhere": (
        {PTR: {"PTR": "other.example.org"}, "other.example.org": {"A": "192.0.2.1"}},
        "reverse_dns",
        "fail",
        "no such name leads back",
    ),
    "a provider's name for the address": (
        {
            PTR: {"PTR": "198-51-100-7.isp.example"},
            "198-51-100-7.isp.example": {"A": IP},
        },
        "reverse_dns",
        "warn",
        "customers",
    ),
    "a listed address": (
        {"7.100.51.198.zen.spamhaus.org": {"A": "127.0.0.3"}},
        "blocklists",
        "fail",
        "Spamhaus CSS: The address sent low-reputation mail",
    ),
    "a listed domain": (
        {"example.org.dbl.spamhaus.org": {"A": "127.0.1.2", "TXT": "see \x1b[31m there"}},
        "blocklists",
        "fail",
        r'"see \x1b[31m there"',
    ),
    "listed by a smaller list": (
        {"7.100.51.198.psbl.surriel.com": {"A": "127.0.0.2"}},
        "blocklists",
        "warn",
        "Passive Spam Block List lists it",
    ),
    "an error is no listing": (
        {"7.100.51.198.zen.spamhaus.org": {"A": "127.255.255.254"}},
        "blocklists",
        "unknown",
        "it does not answer public resolvers",
    ),
    "an answer outside 127.0.0.0/8 is no listing": (
        {"7.100.51.198.bl.spamcop.net": {"A": "203.0.113.1"}},
        "blocklists",
        "unknown",
        "which no list does",
    ),
    "a list that refuses queries": (
        {"test.uribl.com.multi.uribl.com": {"A": "127.0.0.1"}},
        "blocklists",
        "unknown",
        "the query was refused",
    ),
    "a list that says nothing to us": (
        {"2.0.0.127.bl.mailspike.net": None},
        "blocklists",
        "unknown",
        "its test entry is not listed",
    ),
    "a closed list that lists the world": (
        {"1.0.0.127.bl.spamcop.net": {"A": "127.0.0.2"}},
        "blocklists",
        "unknown",
        "it lists everything",
    ),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_defect_is_seen_by_its_own_check_alone(defect: str) -> None:
    changes, check, verdict, words = DEFECTS[defect]
    options = {name: changes[name] for name in changes.keys() & GIVEN.keys()}
    records = {name: changes[name] for name in changes.keys() - GIVEN.keys()}
    found = of_sender(checked(zone=world(records), **options))
    assert not_well(found) - FOLLOWS.get(check, set()) == {(check, verdict)}
    assert words in evidence(found, check, verdict)
    assert found.loc[found["verdict"] != "pass", "remedy"].notna().all()


def remedy(found: pd.DataFrame, check: str, verdict: str) -> str:
    rows = found[(found["check"] == check) & (found["verdict"] == verdict)]
    return str(rows["remedy"].iloc[0])


@pytest.mark.parametrize(
    ("records", "verdict", "says"),
    [
        (
            bounce("v=spf1 redirect=_spf.example.org", "v=spf1 a:mail.football mx -all"),
            "fail",
            '"v=spf1 include:_spf.example.org a:mail.football mx ~all"',
        ),
        (
            bounce(
                f"v=spf1 include:{'x.' * 99}example ~all",
                f"v=spf1 include:{'y.' * 99}example a:{'z.' * 99}example ~all",
            ),
            "fail",
            "publish one record with the terms of all",
        ),
        (bounce("v=spf1 ip4=192.0.2.1 ~all"), "warn", "write ip4:192.0.2.1"),
    ],
    ids=["redirect", "long", "slip"],
)
def test_an_spf_record_that_is_proposed_can_be_published(
    records: dict[str, Any], verdict: str, says: str
) -> None:
    found = checked(zone=world(records))
    assert remedy(found, "spf_record", verdict).endswith(says)


def test_a_long_spf_record_is_not_proposed_cut_short() -> None:
    long = "v=spf1 " + " ".join(f"ip4:198.51.100.{n}" for n in range(40))
    found = checked(zone=world(bounce(long)))
    assert remedy(found, "spf_lookups", "warn") == "end it with ~all"


def test_what_another_lets_everybody_do_is_no_longer_included() -> None:
    records = bounce("v=spf1 include:_spf.example.org -all")
    open_to_all = {"_spf.example.org": {"TXT": "v=spf1 +all"}}
    found = checked(zone=world({**records, **open_to_all}))
    assert remedy(found, "spf_lookups", "fail").startswith("include it no longer")


@pytest.mark.parametrize(
    ("helo", "verdict", "words"),
    [
        ("nowhere.example.org", "fail", "has no address"),
        ("mail", "fail", "no dot"),
        ("[198.51.100.7]", "warn", "address literal"),
        ("example.org", "warn", "sent from 198.51.100.7"),
    ],
)
def test_the_name_in_ehlo_is_looked_up(helo: str, verdict: str, words: str) -> None:
    found = checked(helo=helo)
    assert not_well(found) == {("helo", verdict)}
    assert words in evidence(found, "helo", verdict)


@pytest.mark.parametrize(
    ("argument", "check"),
    [
        *(("ip", "reverse_dns"), ("ip", "spf_result"), ("helo", "helo")),
        *(("reverse_path", "reverse_path"), ("reverse_path", "spf_aligned")),
        *(("message", "dkim_signature"), ("message", "dkim_aligned")),
    ],
)
def test_what_was_not_said_is_unknown_and_names_the_argument(
    argument: str, check: str
) -> None:
    found = checked(**{argument: None})
    row = found[found["check"] == check].iloc[0]
    assert row["verdict"] == "unknown"
    assert row["remedy"] == f"check_domain(…, {argument}=…)"


def test_what_nobody_could_say_is_unknown_and_says_why() -> None:
    found = checked(zone=world(failing=("mail.example.org",)))
    checks = ("reverse_dns", "helo", "dane")
    assert not_well(found) == {(check, "unknown") for check in checks}
    assert evidence(found, "helo", "unknown").endswith("SERVFAIL")


# --- the message's From -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "verdict", "words"),
    [
        ("From: ann@example.org, bob@example.org", "fail", "2 addresses"),
        ("From: ann@example.org\r\nFrom: bob@example.org", "fail", "2 From fields"),
        ("To: ann@example.org", "fail", "0 From fields"),
        ("From: ann@example.com", "warn", '"example.com"'),
        ("From: \x00\u202e<", "fail", "cannot be read"),
    ],
)
def test_from_must_be_one_address_at_the_domain(
    header: str, verdict: str, words: str
) -> None:
    message = f"{header}\r\nSubject: hi\r\n\r\nhi\r\n".encode()
    found = checked(message=message)
    assert words in evidence(found, "from_domain", verdict)


# --- names that are none, and zones that mean no good -------------------------------------


@pytest.mark.parametrize(
    "domain",
    [
        *("", ".", "a..b", "-a.org", "a" * 64 + ".org", "a." * 200 + "org"),
        *("exa\x00mple.org", "exam ple.org", "\u202eexample.org", "192.0.2.1"),
        *("ann@example.org", "\ud800.org", "[192.0.2.1]"),
    ],
)
def test_what_is_no_domain_is_one_clear_row(domain: str) -> None:
    found = checked(domain, message=None)
    assert found["check"].tolist() == ["domain"]
    assert found["verdict"].tolist() == ["fail"]
    assert found["evidence"].iloc[0].isprintable()


@pytest.mark.parametrize(
    ("domain", "verdict", "words"),
    [
        ("b\u00fccher.example", "pass", "xn--bcher-kva.example, written"),
        ("ex\u0430mple.org", "warn", "cyrillic, latin"),
        ("xn--exmple-4nf.org", "warn", "cyrillic, latin"),
        ("\u0440\u0430\u0443\u0440\u0430\u04cf.com", "warn", "looks like paypal"),
        ("\u043f\u0440\u0438\u043c\u0435\u0440.\u0440\u0444", "pass", "xn--e1afmkfd"),
        ("\u65e5\u672c\u306e.jp", "pass", "xn--"),
        ("xn--a.com", "fail", "not an internationalised label"),
        ("localhost", "fail", "has no dot"),
        ("Example.ORG.", "pass", "example.org"),
    ],
)
def test_a_domain_in_other_letters_is_taken_and_looked_at(
    domain: str, verdict: str, words: str
) -> None:
    found = checked(domain)
    assert words in evidence(found, "domain", verdict)


class _Many:
    """A zone with ten thousand records wherever one would do."""

    VALUES: Final = {
        "MX": tuple(f"{n} mx{n}.example.org" for n in range(10_000)),
        "PTR": tuple(f"host{n}.example.net" for n in range(10_000)),
        "A": tuple(f"10.0.{n // 256}.{n % 256}" for n in range(10_000)),
        "TXT": tuple(f"v=spf1 include:a{n}.example ~all" for n in range(10_000)),
    }

    def __init__(self) -> None:
        self.asked = 0

    async def ask(self, name: str, record: str) -> Answer:
        self.asked += 1
        values = self.VALUES.get(record, ())
        status: Status = "found" if values else "no_data"
        return Answer(name=name, record=record, status=status, values=values)


def test_ten_thousand_records_make_no_longer_row_and_few_questions() -> None:
    many = _Many()
    found = checked(zone=many)
    assert "and 9,995 more" in evidence(found, "from_domain", "pass")
    assert found["evidence"].str.len().max() < 2000
    assert many.asked < 200


@settings(max_examples=25)
@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40))
def test_no_text_whatever_makes_it_fail(domain: str, helo: str, path: str) -> None:
    found = check_domain(domain, helo=helo, reverse_path=path, zone={})
    assert found["evidence"].tolist() == [visible(one) for one in found["evidence"]]


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="does not appear to be an IPv4 or IPv6"):
        checked(ip="198.51.100")


# --- time ---------------------------------------------------------------------------------


class _Silent:
    """Whoever never answers."""

    def __init__(self) -> None:
        self.asked = 0

    async def ask(self, name: str, record: str) -> Answer:
        self.asked += 1
        await trio.sleep_forever()
        raise AssertionError


async def test_servers_that_never_answer_end_in_the_time_that_was_given(
    autojump_clock: object,
) -> None:
    silent = _Silent()
    found = await check_domain_async(DOMAIN, **GIVEN, zone=silent, patience_s=30)
    assert trio.current_time() == pytest.approx(30)
    found = of_sender(found)
    found = of_sender(found)
    assert set(found.loc[found["verdict"] != "unknown", "check"]) == {"domain"}
    assert "not known after 30 s" in set(found["evidence"])
    assert silent.asked < 50


async def test_it_says_what_to_call_inside_trio() -> None:
    with pytest.raises(RuntimeError, match="check_domain_async"):
        check_domain(DOMAIN, zone={})


# --- the list of checks -------------------------------------------------------------------


def test_every_check_is_listed_with_its_question_and_source() -> None:
    listed = list_checks()
    assert listed.columns.tolist() == ["check", "group", "asks", "source"]
    assert listed["check"].is_unique
    own = listed[listed["group"].isin(["identity", "infrastructure"])]
    assert own["source"].notna().all()
    dated = r"\b(?:19|20)\d\d\b"
    assert listed["source"].dropna().str.contains(dated).all()
    assert listed["asks"].str.endswith("?").sum() >= 30
    assert set(listed["group"]) == set(get_args(Group))


class _Failing:
    """Whoever has an answer to each question but some."""

    def __init__(self, zone: Zone, *failing: tuple[str, str]) -> None:
        self._zone, self._failing = zone, failing
        self.asked: list[tuple[str, str]] = []

    async def ask(self, name: str, record: str) -> Answer:
        self.asked.append((name, record))
        if (name, record) in self._failing:
            return Answer(name=name, record=record, status="error", error="SERVFAIL")
        return await self._zone.ask(name, record)


def test_what_nobody_could_say_never_speaks_against_the_sender() -> None:
    all_well = _Failing(world())
    checked(zone=all_well)
    questions = sorted(set(all_well.asked))
    assert len(questions) > 30
    for failing in [*(questions[nth::8] for nth in range(8)), questions]:
        verdicts = {
            verdict for _, verdict in not_well(checked(zone=_Failing(world(), *failing)))
        }
        assert verdicts <= {"unknown"}, failing


def test_without_a_zone_of_lists_they_are_unknown_in_one_row() -> None:
    found = checked(zone=world(dict.fromkeys(LISTS)))
    assert not_well(found) == {("blocklists", "unknown")}
    assert (found["check"] == "blocklists").sum() == 1


def test_zone_data_that_says_nothing_of_a_name_is_no_verdict() -> None:
    found = check_domain(DOMAIN, zone=Zone({"example.com": {"A": "192.0.2.1"}}), **GIVEN)
    found = of_sender(found)
    assert set(found.loc[found["verdict"] != "unknown", "check"]) == {"domain"}


@pytest.mark.parametrize(
    ("records", "words"),
    [((), "no key at any usual selector"), (("google", "k1"), '"google", "k1"')],
)
def test_a_selector_that_was_not_said_is_guessed_and_proves_nothing(
    records: tuple[str, ...], words: str
) -> None:
    keys = {f"{one}._domainkey.{DOMAIN}": {"TXT": "v=DKIM1; p=x"} for one in records}
    found = checked(zone=world({KEY: None, **keys}), selector=None, message=None)
    assert words in evidence(found, "dkim_key", "unknown")


def test_usual_selectors_that_nobody_answered_for_are_not_said_to_have_no_key() -> None:
    name = f"k1._domainkey.{DOMAIN}"
    found = checked(zone=world({KEY: None}, (name,)), selector=None, message=None)
    assert 'there was none for "k1"' in evidence(found, "dkim_key", "unknown")


@pytest.mark.parametrize("selector", [" S1 ", "s1._domainkey", f"s1._domainkey.{DOMAIN}."])
def test_a_selector_that_was_copied_with_its_name_is_taken(selector: str) -> None:
    assert not_well(checked(selector=selector, message=None)) == {
        ("dkim_signature", "unknown"),
        ("dkim_aligned", "unknown"),
    }


@pytest.mark.parametrize("selector", ["s1\n\x1b[31m", "a..b", "x" * 300])
def test_a_selector_that_can_be_none_does_nothing_where_it_is_shown(selector: str) -> None:
    found = checked(selector=selector)
    shown = [*found["evidence"], *found["remedy"].dropna()]
    assert shown == [visible(text) for text in shown]
    assert "s= of a signature" in remedy(found, "dkim_key", "fail")


def test_name_servers_and_zone_data_come_to_the_same() -> None:
    # dnslib reads neither TLSA records nor what follows a semicolon.
    left_out = {
        name: None
        for name, records in GOOD.items()
        if "TLSA" in records or ";" in str(records.get("TXT"))
    }
    lines = [
        f"{name}. 60 IN {kind} " + (f'"{value}"' if kind == "TXT" else str(value))
        for name, records in GOOD.items()
        if name not in left_out
        for kind, value in records.items()
    ]
    with name_server("\n".join(lines)) as server:
        live = checked(zone=Resolver([server.place]))
    assert live.equals(checked(zone=world(left_out)))


@pytest.mark.parametrize("tags", ["pct=100", "PCT = 100; ri=86400; rf=afrf; fo=1"])
def test_tags_of_the_old_standard_that_change_nothing_are_let_be(tags: str) -> None:
    records = dmarc(f"v=DMARC1; p=reject; rua=mailto:d@example.org; {tags}")
    assert not_well(checked(zone=world(records))) == set()


def test_several_records_of_a_domain_above_are_named() -> None:
    records = {"_dmarc.example.org": {"TXT": ["v=DMARC1; p=reject", "v=DMARC1; p=none"]}}
    found = checked("bounce.example.org", zone=world(records), selector=None, message=None)
    assert "several at _dmarc.example.org" in evidence(found, "dmarc_record", "fail")
    assert remedy(found, "dmarc_record", "fail") == "keep one at _dmarc.example.org"


def test_a_text_too_long_for_a_record_agrees_to_nothing() -> None:
    name = f"{DOMAIN}._report._dmarc.reports.example"
    records = dmarc("v=DMARC1; p=reject; rua=mailto:d@reports.example")
    long = {name: {"TXT": f"v=DMARC1; {'x' * 70_000}"}}
    found = checked(zone=world({**records, **long}))
    assert "does not agree" in evidence(found, "dmarc_record", "warn")


def test_a_domain_below_another_goes_by_what_that_says_of_such() -> None:
    policy = dmarc("v=DMARC1; p=reject; sp=none; rua=mailto:d@example.org")
    found = checked("bounce.example.org", zone=world(policy), selector=None, message=None)
    assert "sp=none lets everybody use" in evidence(found, "dmarc_record", "warn")


def test_an_ipv6_address_is_looked_up_by_its_nibbles() -> None:
    nibbles = f"7{'.0' * 23}.8.b.d.0.1.0.0.2"
    records: dict[str, Any] = {
        "mail.example.org": {"AAAA": "2001:db8::7"},
        f"{nibbles}.ip6.arpa": {"PTR": "mail.example.org"},
        f"{nibbles}.zen.spamhaus.org": {"A": "127.0.0.4"},
    }
    found = checked(zone=world(records), ip="2001:db8::7")
    assert not_well(found) == {("blocklists", "fail"), ("spf_result", "fail")}
    assert "Spamhaus XBL" in evidence(found, "blocklists", "fail")


def test_a_name_of_which_half_the_addresses_are_known_is_not_judged() -> None:
    half = _Failing(world(), ("mail.example.org", "AAAA"))
    found = checked(zone=half, ip="2001:db8::7")
    assert {verdict for check, verdict in not_well(found) if check == "helo"} == {"unknown"}


def test_an_ipv4_address_that_is_written_as_ipv6_is_ipv4() -> None:
    assert checked(ip=f"::ffff:{IP}").equals(checked())


def test_mail_hosts_of_which_nothing_is_known_are_not_held_against_a_domain() -> None:
    found = check_domain(DOMAIN, zone={DOMAIN: {"MX": "1 aspmx.l.google.com"}})
    assert "aspmx" in evidence(found, "from_domain", "pass")


def test_a_logo_is_shown_only_where_dmarc_is_enforced() -> None:
    found = checked(zone=world(dmarc("v=DMARC1; p=none; rua=mailto:d@example.org")))
    assert "quarantine or reject" in evidence(found, "bimi", "warn")


def test_a_signature_over_part_of_the_body_fails() -> None:
    seed = Ed25519PrivateKey.generate()
    field = dkim.sign(
        LETTER,
        b"s2",
        b"example.org",
        b64encode(seed.private_bytes_raw()),
        length=True,
        signature_algorithm=b"ed25519-sha256",
        include_headers=[b"From", b"To", b"Subject", b"Date", b"Message-ID"],
    )
    key = key_at("s2", record_text(seed.public_key()))
    found = checked(zone=world(key), message=field + LETTER)
    assert "l=" in evidence(found, "dkim_signature", "fail")


def test_tlsa_records_without_dnssec_prove_nothing() -> None:
    found = checked(zone=Zone(GOOD, is_world=True))
    assert not_well(found) == {("dane", "unknown")}
    assert "whether DNSSEC vouches" in evidence(found, "dane", "unknown")


def test_hosts_whose_tlsa_records_nobody_knows_are_told_in_one_row() -> None:
    hosts = [f"mx{n}.elsewhere.example" for n in range(5)]
    data = {DOMAIN: {"MX": [f"10 {host}" for host in hosts]}}
    found = check_domain(DOMAIN, zone=data)
    assert (found["check"] == "dane").sum() == 1
    assert all(host in evidence(found, "dane", "unknown") for host in hosts[1:])


def test_a_policy_that_is_only_tried_and_leaves_a_host_out_is_a_warning() -> None:
    policy = POLICY.replace("enforce", "testing").replace("mail.", "mx.")
    found = checked(policies={DOMAIN: policy})
    assert not_well(found) == {("mta_sts", "warn")}


class _Anything:
    """Whoever has the same records everywhere."""

    def __init__(self, texts: list[str]) -> None:
        self._values = {
            "TXT": tuple(texts),
            "MX": ("10 mail.example.org",),
            "A": (IP,),
            "PTR": ("mail.example.org",),
        }

    async def ask(self, name: str, record: str) -> Answer:
        values = self._values.get(record, ())
        status: Status = "found" if values else "no_data"
        return Answer(name=name, record=record, status=status, values=values)


BEGINNINGS: Final = (
    *("", "v=spf1 ", "v=DMARC1; ", "v=DMARC1; p=none; rua=", "v=DKIM1; k=ed25519; p="),
    *("v=STSv1; id=", "v=TLSRPTv1; rua=", "v=BIMI1; l=", "v=spf1 include:"),
)


@settings(max_examples=15)
@given(
    st.lists(
        st.tuples(st.sampled_from(BEGINNINGS), st.text(max_size=30)).map("".join)
        | st.sampled_from(["\udcff\x1b[2J", "v=spf1 exists:%{ir}.x.example -all"]),
        max_size=4,
    )
)
def test_no_record_whatever_makes_it_fail_or_acts_where_it_is_shown(
    texts: list[str],
) -> None:
    found = checked(zone=_Anything(texts))
    shown = [*found["evidence"], *found["remedy"].dropna()]
    assert shown == [visible(text) for text in shown]
