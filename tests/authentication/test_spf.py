"""SPF: the way to a verdict is kept, what it costs is counted, and all of it is bounded."""

from __future__ import annotations

import pytest
import trio

import smtpbook as sb
from smtpbook.authentication.spf import MAX_SURVEYED, check_spf_async
from smtpbook.authentication.spf_result import MAX_LOOKUPS, SpfResult
from smtpbook.lookup.answer import Answer
from smtpbook.lookup.zone import Zone

IP = "192.0.2.7"


def checked(
    zone: dict[str, object], domain: str = "x.example", **given: object
) -> SpfResult:
    world = Zone(zone, is_world=True)  # type: ignore[arg-type]
    return sb.check_spf(domain, zone=world, **{"ip": IP} | given)  # type: ignore[arg-type]


def record(text: str, **more: object) -> dict[str, object]:
    return {"x.example": {"TXT": text, **more}}


def test_the_way_is_kept_as_a_tree() -> None:
    zone = record("v=spf1 a include:y.example -all", A="192.0.2.1") | {
        "y.example": {"TXT": "v=spf1 mx ~all", "MX": "10 mx.y.example"},
        "mx.y.example": {"A": [IP, "192.0.2.8"]},
    }
    found = checked(zone)
    assert found.result == "pass"
    assert found.reason == "include:y.example matches, as mx there"
    a, include = found.steps
    assert (a.is_match, a.target, a.found) == (False, "x.example", ("192.0.2.1",))
    assert found.matched is include
    assert include.inner is not None
    (mx,) = include.inner.steps
    assert (mx.is_match, mx.found) == (True, (IP, "192.0.2.8"))
    assert (found.lookups, found.voids, include.inner.lookups) == (3, 0, 1)
    assert [(depth, one.domain) for depth, one in found.walk()] == [
        (0, "x.example"),
        (1, "y.example"),
    ]


def test_without_an_address_every_term_is_gone_through() -> None:
    zone = record(
        "v=spf1 ip4:192.0.2.7 a ~include:y.example exists:%{i}.x.example ~all"
    ) | {
        "y.example": {"TXT": "v=spf1 mx ptr redirect=z.example"},
        "z.example": {"TXT": "v=spf1 -all"},
    }
    found = checked(zone, ip=None)
    assert (found.result, found.ip) == ("softfail", "")
    assert (found.lookups, found.voids) == (6, 2)  # no A, no MX
    assert [step.is_match for step in found.steps] == [None, None, False, None, True]


def test_without_an_address_one_kind_of_address_is_enough() -> None:
    found = checked(record("v=spf1 a -all", AAAA="2001:db8::1"), ip=None)
    assert found.voids == 0
    assert found.steps[0].found == ("2001:db8::1",)


def test_without_an_address_neither_a_match_nor_an_error_ends_it() -> None:
    text = "v=spf1 ?exists:y.example include:bad.example a:y.example ~all a:z.example"
    zone = record(text) | {"y.example": {"A": IP}, "bad.example": {"TXT": "v=spf1 moo"}}
    found = checked(zone, ip=None)
    assert (found.result, found.lookups) == ("permerror", 3)
    assert [step.is_match for step in found.steps] == [True, None, None, True]
    zone["bad.example"] = {"TXT": "v=spf1 -all"}
    good = checked(zone, ip=None)
    assert (good.result, good.reason) == ("neutral", "?exists:y.example matches")


def test_what_lets_everybody_is_seen_through_an_include() -> None:
    zone = record("v=spf1 include:y.example -all") | {"y.example": {"TXT": "v=spf1 +all"}}
    assert checked(zone, ip=None).result == "pass"


def test_eleven_lookups_are_too_many_and_the_survey_tells_by_how_much() -> None:
    terms = " ".join(f"a:h{n}.example" for n in range(12))
    hosts = {f"h{n}.example": {"A": "192.0.2.1"} for n in range(12)}
    zone = record(f"v=spf1 {terms} -all") | hosts
    found = checked(zone)
    assert (found.result, found.lookups) == ("permerror", MAX_LOOKUPS + 1)
    assert len(found.steps) == MAX_LOOKUPS + 1
    assert found.steps[-1].is_match is None
    survey = checked(zone, ip=None)
    assert (survey.result, survey.lookups) == ("permerror", 12)
    assert "12 terms" in survey.reason
    assert survey.steps[-1].term.name == "all"


def test_three_voids_are_too_many() -> None:
    zone = record("v=spf1 a:a.example a:b.example a:c.example -all")
    assert checked(zone).result == "permerror"
    survey = checked(zone, ip=None)
    assert (survey.result, survey.voids) == ("permerror", 3)


def test_a_record_that_leads_back_to_itself() -> None:
    zone = record("v=spf1 include:y.example -all") | {
        "y.example": {"TXT": "v=spf1 redirect=x.example"}
    }
    for ip in (IP, None):
        found = checked(zone, ip=ip)
        assert found.result == "permerror"
        assert "leads back to itself" in found.reason


def test_a_record_that_leads_further_and_further_is_left() -> None:
    class Endless:
        async def ask(self, name: str, record: str) -> Answer:
            text = "v=spf1 include:a%{d} include:b%{d} -all"
            return Answer(name=name, record=record, status="found", values=(text,))

    for ip, most in ((IP, MAX_LOOKUPS), (None, MAX_SURVEYED)):
        found = sb.check_spf("x.example", ip=ip, zone=Endless())
        assert found.result == "permerror"
        assert max(depth for depth, _ in found.walk()) <= most


@pytest.mark.parametrize(
    ("text", "kind", "values", "said"),
    [
        ("v=spf1 -all", "TXT", ["v=spf1 -all"] * 9_999, "permerror, there are 10000 SPF"),
        (
            "v=spf1 mx -all",
            "MX",
            [f"1 h{n}.example" for n in range(10_000)],
            "has 10000 mail",
        ),
        ("v=spf1 a -all", "A", ["10.0.0.1"] * 9_999 + [IP], "pass"),
        (
            "v=spf1 ptr -all",
            "PTR",
            [f"h{n}.x.example" for n in range(10_000)],
            "3 questions",
        ),
    ],
)
def test_records_without_number(text: str, kind: str, values: list[str], said: str) -> None:
    class Many:
        async def ask(self, name: str, record: str) -> Answer:
            found = [text] if record == "TXT" else []
            found += values if record == kind else []
            status = "found" if found else "no_data"
            return Answer(name=name, record=record, status=status, values=tuple(found))

    assert said in sb.check_spf("x.example", ip=IP, zone=Many()).summary


def test_of_the_client_s_names_ten_are_looked_at() -> None:
    hosts = {f"h{n}.y.example": {"A": IP} for n in range(10)} | {"x.example": {"A": IP}}
    hosts["x.example"]["TXT"] = "v=spf1 ptr -all"
    for names, result in ([*hosts][1:], "pass"), ([*hosts], "fail"):
        pointers = {"7.2.0.192.in-addr.arpa": {"PTR": names}}
        assert checked(hosts | pointers).result == result


async def test_a_name_that_never_answers_ends_the_check(autojump_clock: object) -> None:
    class Silent:
        async def ask(self, name: str, record: str) -> Answer:
            await trio.sleep_forever()

    found = await check_spf_async("x.example", ip=IP, zone=Silent())
    assert (found.result, found.reason) == ("temperror", "the check took longer than 20 s")
    assert trio.current_time() == pytest.approx(20)


@pytest.mark.parametrize(
    ("domain", "said"),
    [
        ("localhost", "not a full domain"),
        ("[192.0.2.1]", "not a full domain"),
        ("a..example", "empty"),
        ("x" * 64 + ".example", "63"),
        ("gone.example", "there is no gone.example"),
        ("x y.example", "no name"),
        ("\x1b[2J.example", "no name"),
        ("", "empty"),
    ],
)
def test_what_is_no_domain_has_no_record(domain: str, said: str) -> None:
    found = checked(record("v=spf1 -all"), domain)
    assert found.result == "none"
    assert said in found.reason
    assert str(found).replace("\n", "").isprintable()


def test_no_record_is_none_and_no_answer_is_temporary() -> None:
    assert checked(record("other")).reason == "there is no SPF record"
    found = sb.check_spf(
        "x.example", ip=IP, zone=Zone({}, failing={"x.example": "SERVFAIL"})
    )
    assert (found.result, found.reason) == ("temperror", "TXT of x.example: SERVFAIL")


def test_an_error_in_a_record_says_where() -> None:
    found = checked(record("v=spf1 mx ip4:1.2.3 -all"))
    assert (found.result, found.position, found.record) == ("permerror", 13, None)
    assert found.texts == ("v=spf1 mx ip4:1.2.3 -all",)


def test_all_ends_a_record_and_redirect_beside_it_counts_for_nothing() -> None:
    zone = record("v=spf1 ?all redirect=y.example") | {"y.example": {"TXT": "v=spf1 -all"}}
    found = checked(zone)
    assert (found.result, found.lookups) == ("neutral", 0)


def test_an_address_of_ipv4_in_ipv6_clothes_is_one_of_ipv4() -> None:
    found = checked(record("v=spf1 ip4:192.0.2.7 -all"), ip="::ffff:192.0.2.7")
    assert (found.result, found.ip) == ("pass", IP)


def test_the_text_for_those_turned_away() -> None:
    zone = record("v=spf1 -all exp=why.x.example") | {
        "why.x.example": {"TXT": "%{i} may not send for %{s}, see http://%{d}/?%{L}"}
    }
    found = checked(zone, reverse_path="a&b@x.example")
    assert found.explanation == (
        "192.0.2.7 may not send for a&b@x.example, see http://x.example/?a%26b"
    )
    assert (
        checked(zone, reverse_path="é@x.example").explanation is None
    )  # section 6.2: ASCII
    assert checked(zone, ip=None).explanation is None


def test_the_sender_s_defaults() -> None:
    zone = record("v=spf1 exists:%{l}.%{h}.%{o}.y.example -all") | {
        "postmaster.x.example.x.example.y.example": {"A": "127.0.0.2"},
        "ann.mx.example.x.example.y.example": {"A": "127.0.0.2"},
    }
    assert checked(zone).result == "pass"
    assert checked(zone, reverse_path="@x.example").result == "pass"
    assert checked(zone, reverse_path="ann@x.example", helo="mx.example").result == "pass"
    assert checked(zone, reverse_path="bob@x.example").result == "fail"


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(ValueError, match="address"):
        sb.check_spf("x.example", ip="192.0.2", zone={})


async def test_inside_trio_there_is_the_async_form() -> None:
    with pytest.raises(RuntimeError, match="check_spf_async"):
        sb.check_spf("x.example", ip=IP, zone={})


def test_a_result_shows_records_marks_and_what_it_costs() -> None:
    text = str(checked(record("v=spf1 a:gone.example ip4:192.0.2.0/24 -all")))
    assert text.splitlines() == [
        "SPF of x.example for 192.0.2.7: pass, ip4:192.0.2.0/24 matches",
        "  1 term that asks the DNS (10 are borne), 1 question without an answer (2)",
        "  x.example: v=spf1 a:gone.example ip4:192.0.2.0/24 -all",
        "    · a:gone.example",
        "    ✓ ip4:192.0.2.0/24",
    ]
