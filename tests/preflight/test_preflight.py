"""Preflight: what would go wrong, found before anything is connected."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from smtpbook import progress
from smtpbook.accounts.account import Account
from smtpbook.accounts.passwords import FromEnvironment, FromPrompt
from smtpbook.audience.checks import CHECKS as LIST
from smtpbook.campaign.campaign import Campaign
from smtpbook.campaign.opening import open_campaign
from smtpbook.content.checks import CHECKS as MESSAGE
from smtpbook.delivery.clock import Clock
from smtpbook.delivery.settings import Together
from smtpbook.errors import TemplateError
from smtpbook.findings import findings_frame
from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab
from smtpbook.ledger.entries import Entry
from smtpbook.messages.attachments import Attachment, AttachmentColumn
from smtpbook.messages.template import Template
from smtpbook.pacing.pace import Pace, Pacer
from smtpbook.preflight.about import MAX_SAMPLE, About, look_over
from smtpbook.preflight.preflight import CHECKS, findings
from smtpbook.recipients.read import read_recipients
from smtpbook.recipients.recipients import Recipients
from smtpbook.unsubscribe import Unsubscribe

pytestmark = pytest.mark.side_by_side

People = Callable[[int], pd.DataFrame]
# Nobody listens there: a check that asked the network would fail.
NOWHERE = Account(host="127.0.0.1", port=9, tls="none")
WORK = Account(host="smtp.work.org", username="ann@work.org", password="horse")


def found(
    people: pd.DataFrame | Recipients,
    letter: Template,
    account: Account = NOWHERE,
    **options: Any,
) -> pd.DataFrame:
    return Campaign("c", account, people, letter, **options).preflight(progress=False)


def rows(findings: pd.DataFrame, check: str) -> list[tuple[str, str]]:
    chosen = findings[findings["check"] == check]
    return list(zip(chosen["verdict"], chosen["evidence"], strict=True))


def row(findings: pd.DataFrame, check: str) -> tuple[str, str]:
    (only,) = rows(findings, check)
    return only


# --- the table ----------------------------------------------------------------------------


def test_it_is_a_table_with_the_most_urgent_first(people: People, letter: Template) -> None:
    frame = people(4)
    frame.loc[2, "first_name"] = None
    table = found(frame, letter)
    assert list(table.columns) == ["check", "verdict", "evidence", "remedy", "source"]
    assert table["verdict"].cat.categories.tolist() == ["fail", "warn", "unknown", "pass"]
    assert table["verdict"].is_monotonic_increasing
    assert table["check"].iloc[0] == "letters"
    bad = table[table["verdict"].isin(["fail", "warn", "unknown"])]
    assert bad["remedy"].notna().all()


def test_nothing_is_sent_and_nothing_is_kept(
    people: People, letter: Template, tmp_path: Path
) -> None:
    with Lab() as lab:
        campaign = Campaign("c", lab.account, people(3), letter, folder=tmp_path)
        campaign.preflight()
        assert lab._shared.sessions == 0
    assert list(tmp_path.glob("c*")) == []
    assert campaign.counts == {"pending": 3}


def test_a_kept_campaign_is_looked_at_as_it_stands(
    people: People, letter: Template, tmp_path: Path
) -> None:
    with Lab() as lab:
        campaign = Campaign("c", lab.account, people(3), letter, folder=tmp_path)
        campaign.send(limit=1, progress=False)
        campaign = open_campaign(tmp_path / "c", lab.account)
        assert row(campaign.preflight(), "letters") == ("pass", "all 2 can be made")
        again = campaign.preflight(only=["p0@ordinary.example"])
        assert row(again, "letters") == ("pass", "all 1 can be made")
    assert campaign.counts == {"accepted": 1, "pending": 2}


# --- the letter ---------------------------------------------------------------------------


def test_letters_that_cannot_be_made_are_counted_by_cause(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    letter = Template(
        header_from="a@work.org",
        subject="Hi {{ name }}",
        text="t",
        attachments=[AttachmentColumn("file", tmp_path)],
    )
    frame = pd.DataFrame(
        {
            "email": [f"p{n}@work.org" for n in range(5)],
            "name": ["A", None, None, "D", "E"],
            "file": ["a.pdf", "a.pdf", "a.pdf", "b.pdf", "a.pdf"],
        }
    )
    (verdict, of_names), (_, of_files) = rows(found(frame, letter), "letters")
    assert verdict == "fail"
    assert of_names.startswith("2 of 5 cannot be made, the first is p1@work.org's: ")
    assert "name" in of_names.partition("'s: ")[2]
    assert of_files.startswith("1 of 5 cannot be made, the first is p3@work.org's: ")
    assert "'b.pdf' is not in" in of_files


def test_a_whole_list_that_fails_is_told_in_few_rows(tmp_path: Path) -> None:
    files = [AttachmentColumn("file", tmp_path)]
    letter = Template(header_from="a@work.org", subject="s", text="t", attachments=files)
    frame = pd.DataFrame(
        {
            "email": [f"p{n}@work.org" for n in range(60)],
            "file": [f"{n}.pdf" for n in range(60)],
        }
    )
    said = rows(found(frame, letter), "letters")
    assert len(said) == 21
    assert (
        "fail",
        "40 of 60 cannot be made, the first is p20@work.org's: other causes",
    ) in said
    assert sum(int(evidence.split(" of ")[0]) for _, evidence in said) == 60


def test_a_default_that_everybody_gets_is_doubted() -> None:
    letter = Template(
        header_from="a@work.org",
        subject="Hi {{ first_nam | default('friend') }}",
        text="{{ city | default('here') }}",
    )
    frame = pd.DataFrame({"email": ["a@w.org", "b@w.org"], "city": ["Graz", None]})
    table = found(frame, letter)
    (doubted, usual) = rows(table, "fallback")
    assert doubted[0] == "warn"
    assert "first_nam" in doubted[1]
    assert usual == (
        "pass",
        "text, line 1: city | default('here'): 1 of 2, the first is b@w.org's",
    )


def test_an_empty_body_and_what_filters_mind_are_told() -> None:
    letter = Template(
        header_from="a@work.org",
        subject="FREE MONEY NOW",
        text="{% if city == 'Graz' %}Come.{% endif %}",
    )
    table = found(pd.DataFrame({"email": ["a@w.org"], "city": ["Linz"]}), letter)
    assert row(table, "empty")[0] == "warn"
    verdict, evidence = row(table, "subject")
    assert (verdict, evidence) == (
        "warn",
        "The subject is all in capitals: FREE MONEY NOW",
    )


def test_what_only_some_messages_have_is_counted(people: People) -> None:
    letter = Template(
        header_from="a@work.org",
        subject="s",
        text="Dear {{ 'None' if first_name in ('Person 5', 'Person 9') else first_name }},",
    )
    verdict, evidence = row(found(people(12), letter), "left_over")
    assert verdict == "warn"
    assert evidence.endswith("; so in 2 of 12 messages looked at")


def test_of_a_long_list_a_few_messages_are_looked_at(letter: Template) -> None:
    one = about(Entries(5001), letter)
    assert len(one.others) == 19
    large = letter.replace(attachments=[Attachment("a.pdf", bytes(1_000_000))])
    assert len(about(Entries(5001), large).others) == 2


def test_every_finding_is_of_a_check_that_is_listed(
    people: People, letter: Template
) -> None:
    listed = {check.name for check in (*CHECKS, *MESSAGE, *LIST)}
    assert set(found(people(3), letter)["check"]) <= listed
    assert len(listed) == len(CHECKS) + len(MESSAGE) + len(LIST)


@pytest.mark.heavy  # what a message is checked for, tests/content shows
def test_a_message_larger_than_servers_take_is_told() -> None:
    small = Template(header_from="a@work.org", subject="s", text="t")
    frame = pd.DataFrame({"email": ["a@w.org"]})
    assert row(found(frame, small), "size")[0] == "pass"
    large = small.replace(attachments=[Attachment("film.mp4", bytes(18_500_000))])
    assert row(found(frame, large), "size")[0] == "warn"


def test_many_readers_need_one_click(people: People) -> None:
    plain = Template(header_from="a@work.org", subject="s", text="t")
    by_mail = Unsubscribe(mailto="leave@work.org", secret=bytes(16))
    by_click = Unsubscribe(url="https://work.org/leave", secret=bytes(16))

    def verdict(letter: Template, count: int) -> tuple[str, str]:
        one = replace(about(people(1), letter), recipients=count)
        return row(findings_frame(findings(one)), "one_click")

    assert verdict(plain, 4999)[0] == "pass"
    assert "no way to leave" in verdict(plain, 4999)[1]
    assert verdict(plain, 5000)[0] == "warn"
    assert verdict(plain.replace(unsubscribe=by_mail), 5000)[0] == "warn"
    assert verdict(plain.replace(unsubscribe=by_click), 5000)[0] == "unknown"


# --- the list -----------------------------------------------------------------------------


def test_what_is_wrong_with_the_list_is_counted(letter: Template) -> None:
    frame = pd.DataFrame(
        {
            "email": [
                "Info@Work.ORG",
                "b@gmial.com",
                "no",
                "c@work.org",
                "C@work.org",
                "é@work.org",
            ],
            "first_name": list("ABCDEF"),
        }
    )
    table = found(frame, letter, suppress=["c@work.org"])
    verdict, evidence = row(table, "list")
    assert verdict == "warn"
    assert evidence.startswith("6 rows read, 4 in the list; not in it: 1 ")
    assert row(table, "role")[1].endswith(": 1")
    assert row(table, "typo")[0] == "warn"
    assert row(table, "smtputf8")[0] == "unknown"
    assert row(table, "suppressed") == ("pass", "1 of the list are never written to")
    few = read_recipients(frame).where("first_name == 'A'")
    assert row(found(few, letter), "role")[0] == "warn"
    assert rows(found(few, letter), "typo") == []


def test_names_that_lead_nowhere_are_told_but_not_in_a_lab(
    people: People, letter: Template
) -> None:
    assert row(found(people(3), letter), "special_domain")[0] == "warn"
    lab = NOWHERE.replace(is_lab=True)
    assert rows(found(people(3), letter, lab), "special_domain") == []


def test_those_in_doubt_are_told(people: People, letter: Template) -> None:
    with Lab() as lab:
        lab.set(end_of_data=Behaviour(drop="before"))
        campaign = Campaign("c", lab.account, people(1), letter)
        campaign.send(progress=False)
        assert campaign.counts == {"in_doubt": 1}
        verdict, evidence = row(campaign.preflight(), "in_doubt")
    assert verdict == "warn"
    assert evidence.startswith("1 may or may not have got it already")


# --- the account --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sender", "username", "verdict", "said"),
    [
        ("ann@work.org", "ann@work.org", "pass", "as the login is"),
        ("ann@news.work.org", "ann@work.org", "pass", "as the login is"),
        ("ann@other.org", "ann@work.org", "warn", "refuse or replace"),
        ("ann@notwork.org", "ann@work.org", "warn", "refuse or replace"),
        ("ann@work.org", "apikey", "unknown", "does not say"),
        ("ann@gmail.com", "ann@work.org", "warn", "which is Gmail's"),
    ],
)
def test_from_is_compared_with_the_login(
    sender: str, username: str, verdict: str, said: str, people: People
) -> None:
    letter = Template(header_from=sender, subject="s", text="t")
    found_verdict, evidence = row(
        found(people(1), letter, WORK.replace(username=username)), "sender"
    )
    assert found_verdict == verdict
    assert said in evidence


def test_from_at_its_own_provider_is_well(people: People) -> None:
    letter = Template(header_from="ann@gmail.com", subject="s", text="t")
    gmail = Account.preset("gmail", username="ann@gmail.com")
    assert row(found(people(1), letter, gmail), "sender")[0] == "pass"


def test_a_password_is_looked_for_and_nobody_is_asked(
    people: People, letter: Template, monkeypatch: pytest.MonkeyPatch
) -> None:
    def looked_for(account: Account) -> tuple[str, str]:
        return row(found(people(1), letter, account), "password")

    def verdict(account: Account) -> str:
        verdict, evidence = looked_for(account)
        assert "horse" not in evidence
        return verdict

    def never() -> str:
        raise AssertionError("a token is fetched at the login")

    assert verdict(NOWHERE) == verdict(WORK) == "pass"
    asked = looked_for(WORK.replace(password=FromPrompt()))
    assert asked == ("unknown", "somebody is asked for it before the first connection")
    assert verdict(WORK.replace(password=never)) == "unknown"
    assert verdict(WORK.replace(password=None)) == "fail"
    variable = WORK.replace(password=FromEnvironment("MAIL_PASSWORD"))
    monkeypatch.delenv("MAIL_PASSWORD", raising=False)
    assert verdict(variable) == "fail"
    monkeypatch.setenv("MAIL_PASSWORD", "horse")
    assert verdict(variable) == "pass"


def test_plain_text_over_the_network_is_told(people: People, letter: Template) -> None:
    assert rows(found(people(1), letter), "tls") == []
    verdict, evidence = row(found(people(1), letter, WORK.replace(tls="none")), "tls")
    assert verdict == "warn"
    assert "password and mail" in evidence
    relay = Account(host="mx.example.org", tls="opportunistic")
    verdict, evidence = row(found(people(1), letter, relay), "tls")
    assert verdict == "warn"
    assert "where it offers no TLS" in evidence


# --- how fast, and how many at once -------------------------------------------------------


def test_the_pace_says_how_long_it_takes(people: People, letter: Template) -> None:
    assert "no limit: as fast as" in row(found(people(1), letter), "pace")[1]
    verdict, evidence = row(found(people(101), letter, pace="100/min"), "pace")
    assert verdict == "pass"
    assert evidence.startswith("100/min: 1 min if the server keeps up, until 20")
    adaptive = row(found(people(1), letter, pace="adaptive"), "pace")[1]
    assert adaptive == "adaptive: follows the server's replies"
    shared = Pace("100/min", per_domain="1/min")
    assert "at least 3 min" in row(found(people(24), letter, pace=shared), "pace")[1]


def test_a_providers_daily_limit_is_compared_with_the_pace(people: People) -> None:
    letter = Template(header_from="ann@gmail.com", subject="s", text="t")
    gmail = Account.preset(
        "gmail", username="ann@gmail.com", password="abcd efgh ijkl mnop"
    )
    limit = gmail.provider.per_day if gmail.provider else None
    assert limit is not None

    def verdict(count: int, **options: Any) -> str:
        return row(found(people(count), letter, gmail, **options), "quota")[0]

    assert verdict(limit) == "pass"
    assert verdict(limit + 1) == "warn"
    assert verdict(limit + 1, pace="100/min") == "warn"
    assert verdict(limit + 1, pace=f"{limit} every day") == "pass"
    assert verdict(limit + 1, together=Together(size=50), pace="100/min") == "warn"


def test_each_of_several_accounts_is_looked_at(people: People) -> None:
    letter = Template(header_from="ann@gmail.com", subject="s", text="t")
    gmail = Account.preset(
        "gmail", username="ann@gmail.com", password="abcd efgh ijkl mnop"
    )
    limit = gmail.provider.per_day if gmail.provider else None
    assert limit is not None
    accounts: Any = {gmail: 1, WORK: 3}

    def look(count: int, **options: Any) -> pd.DataFrame:
        return found(people(count), letter, accounts, **options)

    table = look(4 * limit)
    assert row(table, "quota")[1].startswith(f"{gmail.name}: {limit:,} recipients; ")
    assert {verdict for verdict, _ in rows(table, "sender")} == {"pass", "warn"}
    assert [said.split(": ")[0] for _, said in rows(table, "password")] == [
        "ann@gmail.com@smtp.gmail.com",
        "ann@work.org@smtp.work.org",
    ]
    assert row(table, "quota")[0] == "pass"
    assert row(look(4 * limit + 4), "quota")[0] == "warn"
    assert row(look(4 * limit + 4, pace=f"{4 * limit} every day"), "quota")[0] == "pass"


def test_what_an_earlier_process_has_sent_counts_for_the_pace(
    people: People, letter: Template
) -> None:
    with Lab() as lab:
        Campaign("c", lab.account, people(6), letter, pace="3 every day").send(
            limit=3, progress=False
        )
        again = open_campaign("c", lab.account)
        assert "1 d if" in row(again.preflight(), "pace")[1]
        fresh = Campaign("d", lab.account, people(3), letter, pace="3 every day")
        assert "0 s" in row(fresh.preflight(), "pace")[1]


def test_recipients_who_see_each_other_are_told(people: People) -> None:
    letter = Template(header_from="a@work.org", subject="s", text="t")

    def said(**options: Any) -> list[tuple[str, str]]:
        return rows(found(people(120), letter, together=Together(**options)), "together")

    assert said() == [("pass", "50 recipients share a message, and none sees another")]
    assert said(show="cc")[0][0] == "warn"
    assert said(size=100) == [
        ("pass", "100 recipients share a message, and none sees another")
    ]
    assert [verdict for verdict, _ in said(size=101)] == ["unknown", "pass"]


def test_a_letter_of_each_ones_own_cannot_be_shared(
    people: People, letter: Template
) -> None:
    verdict, evidence = row(found(people(3), letter, together=Together()), "letters")
    assert verdict == "fail"
    assert evidence.startswith("3 of 3 cannot be made")
    assert "first_name" in evidence


# --- a list of any length -----------------------------------------------------------------


class Entries:
    """A list that is read once, and never as a whole."""

    def __init__(self, count: int) -> None:
        self._count, self._is_read = count, False

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Entry]:
        assert not self._is_read
        self._is_read = True
        for number in range(self._count):
            address = f"p{number}@d{number % 7}.example"
            row = {"email": address, "first_name": f"P{number}"}
            yield Entry(address, address, number, row=row)


def about(people: pd.DataFrame | Entries, letter: Template, **options: Any) -> About:
    frame = pd.DataFrame({"email": ["a@work.org"], "first_name": ["A"]})
    campaign = Campaign("c", WORK, frame, letter)
    entries: Any = people
    if isinstance(people, pd.DataFrame):
        records = people.to_dict("records")
        entries = [Entry(one["email"], "", n, row=one) for n, one in enumerate(records)]
    with campaign._keeping.books() as books:
        return look_over(
            *(campaign, entries, books, Pacer(Pace()), Clock()), progress=True, **options
        )


def test_a_long_list_is_read_once_and_little_of_it_is_kept(letter: Template) -> None:
    shown: list[int] = []

    class Display:
        def update(self, done: int, counts: object) -> None:
            shown.append(done)

        def close(self) -> None:
            shown.append(-1)

    def opened(title: str, total: int) -> Display:
        assert (title, total) == ("checking", 5001)
        return Display()

    progress.use(opened)
    try:
        one = about(Entries(5001), letter)
    finally:
        progress.use(None)
    assert shown[-2:] == [5001, -1]
    assert one.recipients == one.messages == 5001
    assert 0 < len(one.sample) <= MAX_SAMPLE
    assert (one.domains[0].domain, one.domains[0].recipients) == ("d0.example", 715)
    assert sum(domain.recipients for domain in one.domains) == 5001
    assert one.first is not None
    assert str(one.first.recipients[0]) == "p0@d0.example"
    assert " looked at (of 5,001)" in " ".join(
        evidence
        for _, evidence in rows(
            findings_frame(
                findings(
                    about(Entries(5001), letter.replace(text="{{ x | default('-') }}"))
                )
            ),
            "fallback",
        )
    )


def test_a_strict_look_stops_at_the_first_that_cannot_be_made(people: People) -> None:
    letter = Template(header_from="a@work.org", subject="{{ nope }}", text="t")
    with pytest.raises(
        TemplateError, match=r"message 1 of 9, to p0@.*nothing has been sent"
    ):
        about(people(9), letter, strict=True)
    (cause,) = about(people(9), letter).unmade
    assert cause.recipients == 9
    assert about(people(9), letter).first is None


def test_what_is_hostile_in_a_list_or_letter_does_nothing(letter: Template) -> None:
    frame = pd.DataFrame({"email": ["a@work.org"], "first_name": ["x\u202ey\nz"]})
    table = found(frame, letter)
    said = " ".join(table.fillna("").astype(str).to_numpy().ravel())
    assert "\u202e" not in said
    assert "\n" not in said


def test_the_date_of_a_test_is_told(people: People, letter: Template) -> None:
    assert row(found(people(1), letter), "tried")[0] == "warn"
    with Lab() as lab:
        campaign = Campaign("c", lab.account, people(2), letter)
        campaign.test("me@work.org")
        verdict, evidence = row(campaign.preflight(), "tried")
    assert verdict == "pass"
    assert evidence.startswith(f"tried at 1 address, last {datetime.now(UTC):%Y-}")
