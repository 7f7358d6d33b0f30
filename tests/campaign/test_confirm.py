"""Confirm: what is told before mail leaves, who is asked, and where nobody is."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from smtpbook.accounts.account import Account
from smtpbook.accounts.passwords import FromPrompt
from smtpbook.campaign.campaign import Campaign
from smtpbook.campaign.confirm import ask, describe
from smtpbook.delivery.settings import Together
from smtpbook.errors import NobodyToAsk
from smtpbook.lab.lab import Lab
from smtpbook.messages.attachments import Attachment, AttachmentColumn
from smtpbook.messages.template import Template
from smtpbook.pacing.pace import Pace
from smtpbook.preflight.about import About
from tests.campaign.looking import look_at

People = Callable[[int], pd.DataFrame]

REAL = Account(host="smtp.example.org", username="ann", password="horse")
LAB = Account(host="127.0.0.1", tls="none", port=2525, is_lab=True)


class Terminal(io.StringIO):
    """Standard input with somebody at it."""

    def isatty(self) -> bool:
        return True


def at_terminal(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(answer + "\n"))


def asked(about: About, confirm: bool | None, *, dry_run: bool = False) -> bool:
    return ask(lambda: about, about.recipients, about.is_lab, confirm, dry_run=dry_run)


@pytest.fixture
def about(people: People, letter: Template) -> Callable[..., About]:
    def make(count: int = 12, account: Any = REAL, **options: Any) -> About:
        given = options.pop("letter", letter)
        return look_at(Campaign("c", account, people(count), given, **options))

    return make


# --- who is asked -------------------------------------------------------------------------


def test_a_lab_is_not_asked_about(
    about: Callable[..., About],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert asked(about(account=LAB), None)
    assert asked(about(), False)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("stdin", [io.StringIO("y\n"), None])
@pytest.mark.parametrize(("account", "confirm"), [(REAL, None), (REAL, True), (LAB, True)])
def test_where_nobody_is_there_the_way_out_is_named(
    stdin: io.StringIO | None,
    account: Account,
    confirm: bool | None,
    about: Callable[..., About],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", stdin)
    with pytest.raises(NobodyToAsk, match=r"write to 12 for real.*confirm=False \(--yes\)"):
        asked(about(account=account), confirm)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [("y", True), (" YES ", True), ("", False), ("n", False), ("yup", False)],
)
@pytest.mark.parametrize(("account", "confirm"), [(REAL, None), (LAB, True)])
def test_an_answer_decides(
    answer: str,
    expected: bool,
    account: Account,
    confirm: bool | None,
    about: Callable[..., About],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    at_terminal(monkeypatch, answer)
    one = about(account=account)
    assert asked(one, confirm) is expected
    assert capsys.readouterr().out == f"{describe(one)}\nSend? [y/N] "


def test_a_dry_run_tells_the_same_and_asks_nobody(
    about: Callable[..., About],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    one = about()
    for confirm in (None, True, False):
        assert not asked(one, confirm, dry_run=True)
        assert capsys.readouterr().out == f"{describe(one)}\nDry run: nothing was sent.\n"


def test_a_send_that_was_not_agreed_to_sends_nothing(
    people: People, letter: Template, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Lab() as lab:
        campaign = Campaign("c", lab.account.replace(is_lab=False), people(3), letter)
        at_terminal(monkeypatch, "n")
        assert len(campaign.send(progress=False).log) == 0
        assert lab._shared.sessions == 0
        at_terminal(monkeypatch, "y")
        assert campaign.send(progress=False).counts["accepted"] == 3


def test_a_list_that_was_checked_before_is_looked_at_only_to_tell_of_it() -> None:
    def look() -> About:
        raise AssertionError("a million would be read again")

    assert ask(look, 1_000_000, True, None)
    assert ask(look, 1_000_000, False, False)


# --- what is told -------------------------------------------------------------------------


def test_what_is_about_to_happen_is_told(about: Callable[..., About]) -> None:
    letter = Template(
        header_from="Ann <ann@x.test>",
        subject="Hello {{ first_name }}",
        text="\n".join(f"line {n}" for n in range(9)),
        attachments=[Attachment("plan.pdf", b"%PDF-1.7")],
    )
    lines = describe(about(letter=letter, pace="100/min")).splitlines()
    assert lines[:3] == [
        "About to send 12 messages from Ann <ann@x.test>",
        "  by ann@smtp.example.org (smtp.example.org:587)",
        "  to 6 domains: ordinary.example (2), patience.example (2), fullbox.example (2), "
        "gone.example (2), …",
    ]
    assert lines[3].startswith("  pace: 100/min: 6.60 s if the server keeps up, until ")
    assert lines[4:15] == [
        "The first message:",
        "  From: Ann <ann@x.test>",
        "  To: p0@ordinary.example",
        "  Subject: Hello Person 0",
        *(f"  | line {n}" for n in range(6)),
        "  | … 3 more lines",
    ]
    assert lines[15].endswith(" octets; attached: plan.pdf (8 octets)")
    assert lines[16] == "Preflight:"
    assert "  ! tried: this letter, as it is now, was never tried with a test" in lines
    assert not any("letters: all" in line for line in lines)


def test_several_accounts_are_told_with_their_shares(about: Callable[..., About]) -> None:
    text = describe(about(account={REAL: 3, LAB: 1}))
    assert "by ann@smtp.example.org (smtp.example.org:587, 75%), 127.0.0.1 (127." in text


def test_few_are_told_without_an_ellipsis(about: Callable[..., About]) -> None:
    text = describe(about(1))
    assert "About to send 1 message from" in text
    assert "to 1 domain: ordinary.example (1)\n" in text
    assert "pace: no limit: as fast as the server takes them" in text


def test_the_suppressed_are_told(about: Callable[..., About]) -> None:
    text = describe(about(4, suppress=["p0@ordinary.example"]))
    assert "About to send 3 messages" in text
    assert "  never to 1 who are suppressed" in text


def test_more_than_the_provider_takes_in_a_day_is_told(
    about: Callable[..., About],
) -> None:
    gmail = Account.preset("gmail", username="ann@gmail.com")
    limit = gmail.provider.per_day if gmail.provider else None
    assert limit is not None
    said = f"Gmail takes about {limit:,} in 24 hours"
    assert said in describe(about(limit + 1, account=gmail))
    assert said not in describe(about(limit, account=gmail))


def test_a_pace_is_described_in_words(about: Callable[..., About]) -> None:
    pace = Pace("100/min", per_domain="20/min")
    assert "pace: 100/min, 20/min to a domain: at least " in describe(about(pace=pace))


def test_messages_that_many_share_are_counted(about: Callable[..., About]) -> None:
    letter = Template(header_from="ann@x.test", subject="s", html="<p>Come</p>")
    text = describe(about(letter=letter, together=Together(size=5, show="cc")))
    assert "About to send 3 messages to 12 recipients" in text
    assert "  Cc: p0@ordinary.example, " in text
    assert "  | Come" in text


def test_what_is_hostile_is_shown_and_does_nothing(about: Callable[..., About]) -> None:
    letter = Template(
        header_from="Ann <ann@x.test>",
        subject="a\u202eb",
        text="c\u2028d\n\x1b[31me" + "f" * 200,
        attachments=[Attachment("g\u200bh.pdf", b"")],
    )
    text = describe(about(letter=letter))
    assert text.replace("\n", "").isprintable()
    assert max(map(len, text.splitlines())) < 200


def test_a_list_of_worries_ends_somewhere(tmp_path: Path) -> None:
    frame = pd.DataFrame({"email": [f"p{n}@x.org" for n in range(30)]})
    frame["file"] = [f"{n}.pdf" for n in range(30)]
    files = [AttachmentColumn("file", tmp_path)]
    letter = Template(header_from="a@x.org", subject="s", text="t", attachments=files)
    lines = describe(look_at(Campaign("c", REAL, frame, letter))).splitlines()
    assert "more: campaign.preflight()" in lines[-1]
    assert sum(line.startswith("  ✗ letters: ") for line in lines) == 12


def test_the_most_urgent_is_told_first(about: Callable[..., About]) -> None:
    lines = describe(about(account=REAL.replace(password=None))).splitlines()
    told = lines[lines.index("Preflight:") + 1 :]
    marks = [line[2] for line in told if line[2] != " "]
    assert marks[0] == "✗"
    assert marks == sorted(marks, key="✗!?".index)
    assert len(set(marks)) == 3


# --- nobody is left -----------------------------------------------------------------------


def test_where_nobody_is_left_that_is_said_and_not_asked(
    people: People,
    letter: Template,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with Lab("greylisting", speed=1e9) as lab:
        account = lab.account.replace(is_lab=False)
        campaign = Campaign("c", account, people(3), letter, suppress=["z@z.test"])
        assert len(campaign.send(limit=0, progress=False).log) == 0
        assert capsys.readouterr().out == ""
        assert len(campaign.send(limit=0).log) == 0
        assert capsys.readouterr().out == "this send is for nobody: 3 pending\n"
        campaign.send(confirm=False, progress=False)
        campaign.send(only=["p0@ordinary.example"], confirm=False, progress=False)
        # Somebody would have to type it, and nobody is there.
        asking = account.replace(username="ann", password=FromPrompt())
        campaign.accounts = {asking: 1.0}
        assert len(campaign.send().log) == 0
        assert capsys.readouterr().out == (
            "nobody is left to write to: 1 accepted, 2 deferred; send(only='deferred') "
            "tries these again\n"
        )


def test_an_empty_list_is_said_to_be_empty(letter: Template) -> None:
    empty = pd.DataFrame({"email": pd.Series([], dtype="string")})
    text = describe(look_at(Campaign("c", REAL, empty, letter)))
    assert text == "nobody is left to write to: the list is empty"
