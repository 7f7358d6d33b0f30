"""Providers: who is recognised, what their words mean, and what only looks like them."""

from __future__ import annotations

import csv
import time
from datetime import date
from importlib import resources

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpbook.codes.provider_tables import (
    Provider,
    ProviderReply,
    blocklists,
    provider_replies,
    providers,
)
from smtpbook.codes.providers import (
    dns_blocklist,
    provider_hint,
    provider_status,
    recognise,
    token,
    url,
)
from smtpbook.codes.rules import Said
from smtpbook.codes.tables import reasons

# Issue 7's list, and six whose pages were found beside it.
NAMED = {
    *("gmail", "outlook", "yahoo", "icloud", "comcast", "orange", "laposte", "gmx"),
    *("t-online", "mailru", "yandex", "qq", "netease", "proofpoint", "mimecast"),
    *("barracuda", "cisco", "cloudmark", "postfix", "exim", "sendmail", "exchange"),
    *("qmail", "opensmtpd", "cox", "spectrum", "trellix", "godaddy"),
}


def refused(text: str, code: int = 550, **more: str | None) -> Said:
    return Said(verb="RCPT", code=code, text=text, **more)


def code_of(reply: ProviderReply) -> int:
    status = int((reply.enhanced_status or "5")[0])
    return int((reply.code or str(status)).ljust(3, "9"))


def of_provider(reply: ProviderReply) -> Said:
    """A reply that the row is about, from a server known by its name or its greeting."""
    provider = providers()[reply.provider]
    return Said(
        verb="RCPT",
        code=code_of(reply),
        enhanced_status=reply.enhanced_status,
        text=f"no ({reply.token or 'thanks'}) today",
        host=f"mx1.{provider.hosts[0]}" if provider.hosts else None,
        greeting=f"mx.example.org {provider.greetings[0]}",
    )


def test_every_provider_of_the_issue_has_rows() -> None:
    assert set(providers()) == NAMED
    assert {reply.provider for reply in provider_replies()} == NAMED


def test_every_row_has_its_sentences_source_and_day() -> None:
    for reply in provider_replies():
        assert reply.meaning.endswith("."), reply
        assert not reply.remedy or reply.remedy.endswith("."), reply
        assert reply.source.endswith(reply.date), reply
        assert date.fromisoformat(reply.date), reply
        assert reply.basis in {"read", "quoted", "known"}, reply
        assert reply.confidence <= 0.9 or reply.basis != "known", reply
        assert 0 < reply.confidence < 1, reply
        assert reply.token or reply.enhanced_status, reply
        assert reply.token == (reply.token.lower() if reply.token else None), reply


def test_every_row_has_a_reason_that_its_code_can_have() -> None:
    """No 5yz is greylisting, and a day to come back belongs to a 4yz."""
    advised = {
        advice
        for reason in reasons().values()
        for advice in (reason.advice_transient, reason.advice_permanent)
    }
    for reply in provider_replies():
        assert reply.reason in reasons(), reply
        assert not reply.advice or reply.advice in advised, reply
        assert reply.code[:1] in {"", "4", "5"}, reply
        if reply.reason == "greylisted" or reply.retry_s is not None:
            assert reply.code[:1] == "4", reply
        if reply.enhanced_status and reply.code:
            assert reply.enhanced_status[0] == reply.code[0], reply


def test_no_row_is_given_twice() -> None:
    keys = [
        (one.provider, one.token, one.enhanced_status, one.code)
        for one in provider_replies()
    ]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("provider", providers().values(), ids=lambda one: one.name)
def test_a_server_is_known_by_its_name(provider: Provider) -> None:
    for host in provider.hosts:
        for name in (host, f"mx1.in.{host}.", host.upper()):
            assert recognise(refused("no", host=name)) == provider.name
        for other in (f"not{host}", f"{host}.example.org", host.split(".")[0]):
            assert recognise(refused("no", host=other)) is None
    for greeting in provider.greetings:
        said = Said(verb="RCPT", code=550, text="no", greeting=f"mx.example.org {greeting}")
        assert recognise(said) == provider.name


@pytest.mark.parametrize("provider", providers().values(), ids=lambda one: one.name)
def test_a_server_is_known_by_what_only_its_replies_hold(provider: Provider) -> None:
    for mark in provider.marks:
        assert recognise(refused(f"5.7.1 no, {mark}4")) == provider.name, mark


def test_every_token_is_found_in_a_reply_of_its_provider() -> None:
    for reply in provider_replies():
        if reply.token:
            found = provider_hint(of_provider(reply))
            assert found is not None, reply
            assert found.entry.reason == reply.reason, reply


def test_every_status_is_found_in_a_reply_of_its_provider() -> None:
    for reply in provider_replies():
        if not reply.token:
            found = provider_status(of_provider(reply))
            assert found is not None, reply
            assert found.entry == reply
            assert found.why.startswith("enhanced status")


@pytest.mark.parametrize(
    ("provider", "reason", "code", "text"),
    [
        ("gmail", "user_unknown", 550, "5.1.1 https://support.google.com/mail/?p=NoSuchUser"),
        ("gmail", "auth_failed", 550, "5.7.26 domain's DMARC\n5.7.26 policy. q1 - gsmtp"),
        ("gmail", "policy", 550, "5.7.1 against our rules. - gcdp q1-2si - gsmtp"),
        ("outlook", "ip_blocked", 550, "SC-001 (ABC) see http://postmaster.live.com"),
        ("outlook", "rate_limited", 421, "RP-003 [x.prod.protection.outlook.com]"),
        ("yahoo", "rate_limited", 421, "4.7.0 [TSS07] wait"),
        ("yahoo", "ip_blocked", 553, "5.7.1 [BL23] https://postmaster.yahooinc.com"),
        ("yahoo", "spam", 554, "5.7.1 (HVU:B1) https://postmaster.info.aol.com"),
        ("icloud", "policy", 554, "5.7.1 [CS01] no https://support.apple.com/en-us/102322"),
        ("comcast", "auth_failed", 550, "http://postmaster.comcast.net/codes.php#DM000001"),
        ("cox", "ip_blocked", 554, "cxr.mx refused. AUP#IPBL1000"),
        ("spectrum", "rate_limited", 550, "5.1.0 AUP#I-1320"),
        ("orange", "user_unknown", 550, "5.1.1 Adresse invalide. OFR204_416 [416]"),
        ("orange", "rate_limited", 421, "mwinf5c00 ME Service refuse. OFR_999 [999]"),
        ("laposte", "auth_failed", 550, "5.7.1 Service refuse. LPN007_517"),
        ("gmx", "rdns", 554, "gmx.net Nemesis ESMTP Service\nBad DNS PTR resource record."),
        ("t-online", "ip_blocked", 554, "IP=192.0.2.1 Ask toda@rx.t-online.de (DIAL)"),
        ("mailru", "spam", 550, "spam message http://help.mail.ru/notspam-support/id?c=A"),
        ("yandex", "spam", 554, "5.7.1 rejected under suspicion of SPAM; https://ya.cc/1AbcD"),
        ("qq", "rate_limited", 550, "Domain frequency limited http://service.mail.qq.com/cgi"),
        ("netease", "spam", 451, "DT:SPM 163 smtp3,see http://mail.163.com/help"),
        ("proofpoint", "ip_blocked", 554, "https://ipcheck.proofpoint.com/?ip=192.0.2.1"),
        ("mimecast", "greylisted", 451, "4.7.0 [x1] Internal resource temporarily "
         "unavailable, see https://community.mimecast.com/docs/451"),
        ("barracuda", "user_unknown", 550, "cuda_nsu 5.1.1 <a@example.org>"),
        ("cisco", "rate_limited", 452, "Too many recipients received this hour"),
        ("cloudmark", "ip_blocked", 554, "http://csi.cloudmark.com/reset-request/?ip=1"),
        ("trellix", "server_error", 451, "4.7.1 ETP103 Invalid recipient"),
        ("postfix", "user_unknown", 550, "5.1.1 <a@b.example>: Recipient address rejected: "
         "User unknown in local recipient table"),
        ("exim", "user_unknown", 550, "Unrouteable address"),
        ("sendmail", "relay_denied", 550, "5.7.1 <a@example.org>... Relaying denied"),
        ("exchange", "user_unknown", 550, "5.1.1 RESOLVER.ADR.ExRecipNotFound; not found"),
        ("qmail", "relay_denied", 553, "not in my list of allowed rcpthosts (#5.7.1)"),
    ],
)  # fmt: skip
def test_what_a_reply_means_in_its_providers_mouth(
    provider: str, reason: str, code: int, text: str
) -> None:
    said = refused(text, code)
    found = provider_hint(said)
    assert recognise(said) == provider
    assert found is not None
    assert found.entry.reason == reason
    assert found.entry.source


@pytest.mark.parametrize(
    "text",
    [
        "5.1.1 <ann@gmail.com>: no such user",
        "we take no mail from gmail.com",
        "your Gmail account was refused, see https://support.google.com/a/answer/2466580",
        "the domain outlook.com is not allowed here",
        "<ann@yahoo.com> has moved",
        "forward to ann@mail.ru",
        "no mail from qq.com or 163.com",
        "not a customer of Orange",
        "postfix is not exim, nor qmail",
        "[BLUE] [PHASE1] (S3) BL00",
        "blocked by b.barracudacentral.org",
        "",
    ],
)
def test_who_is_only_mentioned_does_not_speak(text: str) -> None:
    assert recognise(refused(text)) is None
    assert provider_hint(refused(text)) is None


def test_a_provider_is_heard_before_the_software_it_runs() -> None:
    """And where its own table is silent, that of the software speaks."""
    said = refused("5.7.1 <a@example.org>: Relay access denied", host="mx1.comcast.net")
    found = provider_hint(said)
    assert recognise(said) == "comcast"
    assert found is not None
    assert found.why.startswith("Postfix: ")
    assert recognise(refused("Relay access denied, see postmaster.web.de/en/case")) == "gmx"


def test_the_name_at_the_head_of_a_421_is_the_servers() -> None:
    assert recognise(refused("4.7.0 mta7.am0.yahoodns.net no", 421)) == "yahoo"
    assert recognise(refused("4.7.0 mta7.am0.yahoodns.net no", 550)) is None
    assert recognise(refused("too much for gmail.com", 421)) is None


def test_what_is_no_refusal_is_not_explained() -> None:
    said = refused("Message expired", 250, enhanced_status="4.4.7", host="mx.outlook.com")
    assert provider_status(said) is None
    assert provider_status(said._replace(code=450)) is not None


def test_the_same_token_may_put_off_and_refuse() -> None:
    asked = {code: provider_hint(refused("[TSS09] no", code)) for code in (421, 554)}
    assert [found.entry.reason for found in asked.values() if found] == [
        "rate_limited",
        "ip_blocked",
    ]


def test_a_status_means_what_this_provider_says() -> None:
    said = refused("5.7.27 no", enhanced_status="5.7.27", host="gmail-smtp-in.l.google.com")
    found = provider_status(said)
    assert found is not None
    assert found.entry.reason == "auth_failed"  # the registry's X.7.27 is a null MX
    assert provider_status(refused("5.7.27 no", enhanced_status="5.7.27")) is None
    for last in (606, 649):
        asked = refused(
            "no", enhanced_status=f"5.7.{last}", host="x.protection.outlook.com"
        )
        found = provider_status(asked)
        assert found is not None
        assert found.entry.reason == "ip_blocked"


TOKENS = [reply.token for reply in provider_replies() if reply.token]
MARKS = [mark for provider in providers().values() for mark in provider.marks]


@given(
    st.integers(200, 599),
    st.lists(st.sampled_from([*TOKENS, *MARKS, "no", "\n", "5.7.1"]), max_size=6),
    st.sampled_from([None, "mx.yahoodns.net", "mx1.web.de", "mx.example.org"]),
)
def test_no_rule_contradicts_the_code(
    code: int, words: list[str], host: str | None
) -> None:
    said = refused(" ".join(words), code, host=host, enhanced_status=f"{code // 100}.7.1")
    for rule in (provider_hint, provider_status):
        found = rule(said)
        if found is not None:
            assert code >= 400
            assert isinstance(found.entry, ProviderReply)
            assert str(code).startswith(found.entry.code)


@settings(max_examples=40)
@given(st.text(max_size=100), st.text(max_size=40), st.integers(400, 599))
def test_any_text_is_read_or_left(text: str, host: str, code: int) -> None:
    said = Said(verb="GREETING", code=code, text=text, host=host, greeting=text)
    recognise(said)
    provider_hint(said)
    provider_status(said)
    dns_blocklist(text)
    url(text)
    for name in ("gmail", "outlook", "yahoo"):
        token(text, name)


def test_a_text_is_read_no_further_than_a_reply_goes() -> None:
    assert recognise(refused("x " * 500 + "- gsmtp")) == "gmail"
    assert recognise(refused("x " * 5000 + "- gsmtp")) is None
    assert url("x " * 5000 + "https://example.org") is None
    assert dns_blocklist("x " * 5000 + "zen.spamhaus.org") is None


@pytest.mark.parametrize(
    "piece", ["[tss ", " 550-", "\n5.7.1 ", "https://a", "a.", "(S(S", "_"]
)
def test_a_long_text_costs_no_more_than_a_full_one(piece: str) -> None:
    """A thousand times the text, less than a hundred times the work."""

    def cost_s(text: str) -> float:
        started = time.process_time()
        for number in range(5):
            said = Said(
                verb="GREETING", code=554, text=f"{number}{text}", host=text, greeting=text
            )
            recognise(said)
            provider_hint(said)
            url(text)
            for name in providers():
                token(text, name)
        return time.process_time() - started

    assert cost_s(piece * 400_000) < 100 * max(cost_s(piece * 400), 0.001)


@pytest.mark.parametrize(
    ("provider", "text", "found"),
    [
        ("yahoo", "4.7.0 [TSS04] wait", "TSS04"),
        ("outlook", "sorry (S3150). [x.prod.protection.outlook.com]", "S3150"),
        ("outlook", "OU-002 (ABC) sorry", "OU-002"),
        ("comcast", "http://postmaster.comcast.net/codes.php#BL000010", "BL000010"),
        ("orange", "Mail rejete. ofr_506 [506]", "ofr_506"),
        ("laposte", "Service refuse LPN007_510", "LPN007_510"),
        ("netease", "MI:SFQ 163 smtp1", "MI:SFQ"),
        ("t-online", "IP=192.0.2.1 no (NOWL)", "NOWL"),
        ("gmx", "https://postmaster.gmx.net/en/case?c=r0201&i=ip", "r0201"),
        ("trellix", "ETP102 Invalid recipient", "ETP102"),
        ("exchange", "RESOLVER.ADR.RecipNotFound; not found", "RESOLVER.ADR.RecipNotFound"),
        ("postfix", "Relay access denied", None),
        ("yahoo", "no code", None),
        (None, "[TSS04]", None),
        ("nobody", "[TSS04]", None),
    ],
)
def test_a_code_is_copied_as_it_stands(
    provider: str | None, text: str, found: str | None
) -> None:
    assert token(text, provider) == found


def test_the_page_that_a_text_points_to() -> None:
    assert url("see (http://postmaster.example.org/x?c=1), please") == (
        "http://postmaster.example.org/x?c=1"
    )
    assert (
        url("see https://postmaster.example.org/x.") == "https://postmaster.example.org/x"
    )
    assert url("see postmaster.example.org") is None


def test_every_name_of_a_blocklist_leads_to_it() -> None:
    for listed in blocklists().values():
        assert listed.reason in reasons()
        assert listed.meaning.endswith(".")
        assert date.fromisoformat(listed.date)
        for name in listed.names:
            assert dns_blocklist(f"listed at {name.upper()}; bye") == listed, name


@pytest.mark.parametrize(
    ("text", "lists", "reason"),
    [
        ("192.0.2.1 blocked using zen.spamhaus.org", "ip", "ip_blocked"),
        ("your domain is in the Spamhaus DBL", "domain", "sender_blocked"),
        ("see https://www.spamhaus.org/query/lookup/", "either", "ip_blocked"),
        ("listed by noptr.spamrats.com", "ip", "rdns"),
        ("a link is listed by multi.surbl.org", "domain", "spam"),
    ],
)
def test_a_blocklist_lists_addresses_or_domains(text: str, lists: str, reason: str) -> None:
    listed = dns_blocklist(text)
    assert listed is not None
    assert (listed.lists, listed.reason) == (lists, reason)


@pytest.mark.parametrize("name", ["providers", "replies", "blocklists", "sources"])
def test_no_row_is_cut_short(name: str) -> None:
    path = resources.files("smtpbook.codes") / "tables" / "providers" / f"{name}.csv"
    header, *rows = csv.reader(path.read_text("utf-8").splitlines())
    assert {len(row) for row in rows} == {len(header)}


@pytest.mark.parametrize(
    ("status", "reason"), [("5.7.606", "ip_blocked"), ("5.7.509", "auth_failed")]
)
def test_a_status_that_one_vendor_made_up_tells_whose_it_is(
    status: str, reason: str
) -> None:
    found = provider_status(refused("access denied", enhanced_status=status))
    assert found is not None
    assert found.entry.reason == reason


def test_a_registered_status_tells_nobodys_name() -> None:
    assert provider_status(refused("no", enhanced_status="5.7.1")) is None
