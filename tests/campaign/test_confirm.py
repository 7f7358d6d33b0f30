"""Confirm: who is asked, and where there is nobody to ask."""

from __future__ import annotations

import io
import sys

import pytest

from smtpbook.accounts.account import Account
from smtpbook.campaign.confirm import ask, describe
from smtpbook.ledger.entries import Entry
from smtpbook.pacing.pace import Pace

REAL = Account(host="smtp.example.org", username="ann", password="horse")
LAB = Account(host="127.0.0.1", tls="none", port=2525, is_lab=True)
ENTRIES = [Entry(f"p{n}@d{n % 6}.example", "", n) for n in range(12)]


class Terminal(io.StringIO):
    """Standard input with somebody at it."""

    def isatty(self) -> bool:
        return True


def at_terminal(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(answer + "\n"))


def confirmed(account: Account, confirm: bool | None, entries: list[Entry]) -> bool:
    return ask(account, entries, "ann@x.test", "100/min", confirm)


def test_a_lab_is_not_asked_about(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert confirmed(LAB, None, ENTRIES)
    assert confirmed(REAL, False, ENTRIES)
    assert confirmed(REAL, None, [])


@pytest.mark.parametrize("stdin", [io.StringIO("y\n"), None])
@pytest.mark.parametrize(("account", "confirm"), [(REAL, None), (REAL, True), (LAB, True)])
def test_where_nobody_is_there_the_way_out_is_named(
    stdin: io.StringIO | None,
    account: Account,
    confirm: bool | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", stdin)
    with pytest.raises(RuntimeError, match=r"12 messages for real.*confirm=False"):
        confirmed(account, confirm, ENTRIES)


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
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    at_terminal(monkeypatch, answer)
    assert confirmed(account, confirm, ENTRIES) is expected
    assert "Send? [y/N]" in capsys.readouterr().out


def test_what_is_about_to_happen_is_told() -> None:
    text = describe(REAL, ENTRIES, "Ann\u202e <ann@x.test>", "100/min")
    assert "About to send 12 messages from Ann\\u202e <ann@x.test>" in text
    assert "ann@smtp.example.org (smtp.example.org:587), pace: 100/min" in text
    assert "to 6 domains: d0.example (2), d1.example (2)" in text
    assert text.endswith(", …")
    assert "no limit" in describe(REAL, ENTRIES[:2], "a@x.test", None)
    assert not describe(REAL, ENTRIES[:2], "a@x.test", None).endswith("…")


def test_more_than_the_provider_takes_in_a_day_is_told() -> None:
    gmail = Account.preset("gmail", username="ann@gmail.com")
    limit = gmail.provider.per_day if gmail.provider else None
    assert limit is not None
    many = [Entry(f"p{n}@x.example", "", n) for n in range(limit + 1)]
    assert f"Gmail takes about {limit:,} in 24 hours" in describe(gmail, many, "a@x", None)
    assert "24 hours" not in describe(gmail, many[1:], "a@x", None)


def test_a_pace_is_described_in_words() -> None:
    pace = Pace("100/min", per_domain="20/min")
    assert "pace: 100/min, 20/min to a domain" in describe(LAB, ENTRIES, "a@x.test", pace)
