"""The delivery report: what a send was set up to do and what came of it, told safely."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Awaitable, Callable
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from smtpbook.accounts.account import Account
from smtpbook.campaign.campaign import Campaign
from smtpbook.campaign.opening import open_campaign
from smtpbook.campaign.report import DeliveryReport
from smtpbook.delivery.run import Run
from smtpbook.delivery.settings import Together
from smtpbook.errors import RecipientsError
from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab
from smtpbook.messages.template import Template
from smtpbook.pacing.retry import Retry
from smtpbook.pacing.stopping import stop_rule

People = Callable[[int], pd.DataFrame]
ServeHere = Callable[[Lab], Awaitable[Account]]
HOSTILE = "<img src=x onerror=alert(1)> {{ 7 * 7 }} {% raw %} $x$ \u202e"


class Page(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


async def sent(
    lab: Lab, people: pd.DataFrame, letter: Template, serve_here: ServeHere
) -> tuple[Campaign, Run]:
    account = await serve_here(lab)
    campaign = Campaign("november", account, people, letter, connections=2, folder=None)
    return campaign, await campaign.send_async()


def cell(report: DeliveryReport, section: str, item: str) -> str:
    table = report.frame.set_index(["section", "item"])["value"]
    return str(table.loc[section, item])


async def test_it_tells_setup_results_timing_servers_sizes_and_replies(
    people: People, letter: Template, serve_here: ServeHere
) -> None:
    lab = Lab("mixed-day", seed=3)
    campaign, run = await sent(lab, people(36), letter, serve_here)
    report = campaign.report(run)
    assert list(report.frame.columns) == ["section", "item", "value"]
    assert set(report.frame.dtypes.astype(str)) == {"string"}
    assert cell(report, "Setup", "from") == "Ann <ann@x.test>"
    assert cell(report, "Setup", "connections") == "at most 2"
    assert cell(report, "Setup", "id") == campaign.id
    assert report.setup["from"] == "Ann <ann@x.test>"
    assert "greeting" not in report.setup  # the log tells that
    accepted = run.counts["accepted"]
    assert cell(report, "Results", "accepted").startswith(f"{accepted} (")
    assert cell(report, "Results", "all") == "36"
    full = (run.outcomes["reason"] == "mailbox_full").sum()
    assert (
        cell(report, "Reasons", "mailbox_full") == f"{full}: The mailbox has no room left."
    )
    assert cell(report, "Domains", "ordinary.example") == "6, of them 6 accepted"
    assert cell(report, "Timing", "messages") == "36 tried"
    assert cell(report, "Connections", "made") == "2"
    assert cell(report, "Connections", "lost") == "0"
    assert "127.0.0.1" in cell(report, "Servers", "server")
    assert cell(report, "Servers", "TLS") == "none: clear text"
    assert "lab.test" in cell(report, "Servers", "greeting")
    assert cell(report, "Replies", "first").startswith("220 ")
    assert cell(report, "Replies", "last").startswith("221 ")
    assert len(cell(report, "List and letter", "list, SHA-256 of its addresses")) == 64


async def test_the_digests_tell_another_list_and_another_letter(
    people: People, letter: Template
) -> None:
    account = Account(host="mx.test", tls="none", is_lab=True)

    def digests(count: int, letter: Template) -> list[str]:
        campaign = Campaign("c", account, people(count), letter, folder=None)
        table = campaign.report().frame.query("item.str.contains('SHA-256')")
        return list(table["value"])

    first = digests(3, letter)
    assert first == digests(3, letter)
    assert [a == b for a, b in zip(first, digests(4, letter), strict=True)] == [False, True]
    other = digests(3, letter.prefixed("x"))
    assert [a == b for a, b in zip(first, other, strict=True)] == [True, False]


async def test_what_was_asked_for_is_told(people: People, letter: Template) -> None:
    campaign = Campaign(
        "c",
        Account(host="mx.test", tls="none", is_lab=True),
        people(3),
        letter,
        folder=None,
        pace="100/min",
        messages_per_connection=50,
        retry=Retry(max_attempts=3),
        together=Together(show="bcc", size=20),
        stop_when=stop_rule("rejected > 10%"),
    )
    report = campaign.report()
    assert cell(report, "Setup", "pace") == "100/min"
    assert cell(report, "Setup", "connections") == "at most 4, a new one after 50 messages"
    assert (
        cell(report, "Setup", "retry") == "until 1 d after the first try, at most 3 tries"
    )
    assert cell(report, "Setup", "together") == "20 recipients at most, by bcc"
    assert cell(report, "Setup", "stops when") == "rejected > 10 %"
    assert cell(report, "Results", "pending") == "3 (100.0%): not yet sent"
    assert "Timing" not in set(report.frame["section"])  # nothing was sent


async def test_a_long_send_has_its_rate_by_the_minute(
    people: People, letter: Template, serve_here: ServeHere, autojump_clock: object
) -> None:
    lab = Lab()
    account = await serve_here(lab)
    # Of one session, or each would begin at the clock on the wall, which does not jump.
    campaign = Campaign(
        "c", account, people(30), letter, pace="10/min", connections=1, folder=None
    )
    report = campaign.report(await campaign.send_async())
    sizes = [len(one.data) for one in lab.received]
    assert f"{min(sizes)} bytes to {max(sizes)} bytes" in cell(report, "Sizes", "message")
    assert cell(report, "Timing", "duration").startswith("2 min")
    rate = float(cell(report, "Timing", "messages per minute").split()[0])
    assert rate == pytest.approx(30 / 2.9, rel=0.05)
    assert cell(report, "Timing", "at the peak").split()[0] in ("10", "11")


def test_each_account_is_named_with_its_share(people: People, letter: Template) -> None:
    work, spare = (
        Account(host=f"{name}.test", tls="none", name=name, is_lab=True)
        for name in ("work", "spare")
    )
    campaign = Campaign("c", {work: 7, spare: 3}, people(2), letter, folder=None)
    told = campaign.report().frame.query("item == 'account'")["value"].tolist()
    assert told == [
        "work at work.test:25, tls=none, 70% of the messages",
        "spare at spare.test:25, tls=none, 30% of the messages",
    ]


async def test_a_message_to_several_counts_once(
    people: People, serve_here: ServeHere
) -> None:
    account = await serve_here(Lab())
    letter = Template(header_from="a@x.test", subject="s", text="t")
    campaign = Campaign(
        "c", account, people(6), letter, together=Together(size=3), folder=None
    )
    report = campaign.report(await campaign.send_async())
    assert cell(report, "Timing", "messages") == "2 tried"
    assert cell(report, "Results", "all") == "6"


async def test_lost_connections_are_counted(
    people: People, letter: Template, serve_here: ServeHere
) -> None:
    account = await serve_here(Lab("drops-after-dot"))
    campaign = Campaign("c", account, people(1), letter, connections=1, folder=None)
    report = campaign.report(await campaign.send_async())
    assert cell(report, "Connections", "lost") == "1"
    assert cell(report, "Results", "in_doubt").startswith("1 (100.0%)")


async def test_of_a_kept_campaign_it_tells_all_sends(
    tmp_path: Path, people: People, letter: Template, serve_here: ServeHere
) -> None:
    lab = Lab("greylisting", speed=1e9)
    account = await serve_here(lab)
    campaign = Campaign("c", account, people(6), letter, folder=tmp_path)
    first = await campaign.send_async(limit=4)
    await campaign.send_async(only="deferred")
    again = open_campaign(tmp_path / "c", account)
    report = again.report()
    assert cell(report, "Results", "accepted").startswith("4 (")
    assert cell(report, "Results", "pending").startswith("2 (")
    assert cell(report, "Timing", "messages") == "8 tried"
    assert cell(again.report(first), "Timing", "messages") == "4 tried"
    path = report.to_html(tmp_path / "report.html")
    assert "c: ○ 2 pending, ✓ 4 accepted" in Page(path.read_text("utf-8")).text


def test_it_is_mailed_to_oneself_marked_as_a_report(
    people: People, letter: Template
) -> None:
    with Lab() as lab:
        campaign = Campaign("november", lab.account, people(2), letter, folder=None)
        report = campaign.report()
    with Lab() as mine:
        run = report.send(mine.account, "ann@x.test")
        (received,) = mine.received
        with pytest.raises(RecipientsError, match="no report can be sent to 'nobody'"):
            report.send(mine.account, "nobody")
    assert run.counts["accepted"] == 1
    assert received.recipients == ("ann@x.test",)
    mail = email.message_from_bytes(received.data, policy=email.policy.default)
    assert mail["Subject"] == "[Report] november: ○ 2 pending"
    assert mail["From"] == "Ann <ann@x.test>"
    for kind in ("plain", "html"):
        body = mail.get_body((kind,))
        assert body is not None
        assert "not yet sent" in body.get_content()
    assert not Path("campaigns/report").exists()


def test_what_is_foreign_does_nothing_in_page_or_mail(
    people: People, tmp_path: Path
) -> None:
    letter = Template(header_from="a@x.test", subject="{{ '<i>$' }}", text="t")
    with Lab() as lab:
        lab.set(greeting=Behaviour(reply="220 <script>alert(1)</script> {{ 7 * 7 }} $x$"))
        lab.set(rcpt=Behaviour(reply="550 5.1.1 <b>no</b> $x$"))
        campaign = Campaign("november", lab.account, people(2), letter, folder=None)
        run = campaign.send(progress=False)
    report = DeliveryReport(
        campaign=HOSTILE,
        counts=run.counts,
        items=(*campaign.report(run).items, (HOSTILE, HOSTILE, HOSTILE)),
        sender="a@x.test",
    )
    for html in (report._repr_html_(), report.to_html(tmp_path / "r.html").read_text()):
        page = Page(html)
        assert not {"img", "script", "i", "b"} & set(page.tags)
        assert "$" not in html
        assert "\u202e" not in html
        assert "<script>alert(1)</script>" in page.text
    assert "\u202e" not in str(report)
    with Lab() as mine:
        report.send(mine.account, "ann@x.test")
        (received,) = mine.received
    mail = email.message_from_bytes(received.data, policy=email.policy.default)
    body = mail.get_body(("html",))
    assert body is not None
    assert "img" not in Page(body.get_content()).tags
    assert "{{ 7 * 7 }}" in Page(body.get_content()).text


async def test_it_needs_no_other_file_and_no_style_of_one_theme(
    people: People, letter: Template, tmp_path: Path
) -> None:
    account = Account(host="mx.test", tls="none", is_lab=True)
    report = Campaign("c", account, people(2), letter, folder=None).report()
    html = report.to_html(str(tmp_path / "r.html")).read_text("utf-8")
    assert "http:" not in html
    assert "https:" not in html
    assert "Content-Security-Policy" in html
    assert "color-scheme: light dark" in html
