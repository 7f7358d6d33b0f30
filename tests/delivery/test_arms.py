"""Arms: what differs from recipient to recipient, kept and read back."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import tomli_w

from smtpbook.accounts.account import Account
from smtpbook.delivery.arms import Arm, Arms, Way
from smtpbook.delivery.settings import Settings, Together
from smtpbook.errors import TemplateError
from smtpbook.messages.template import Template
from smtpbook.pacing.pace import Pace

LETTER = Template(header_from="Ann <ann@x.test>", subject="Hello", text="Come.")
ARMS = Arms(
    {
        "plain": Arm(),
        "loud": Arm(
            letter={"subject": "HELLO", "headers": {"X-Loud": "yes"}},
            way=Way(
                account=(("helo", "b.x.test"), ("tls", "starttls")),
                by="work",
                pipelining="off",
                pace=Pace("5/s", not_before=datetime(2026, 1, 1, tzinfo=UTC)),
            ),
        ),
    }
)


def test_arms_are_kept_and_read_back() -> None:
    assert not ARMS.lacks
    tomli_w.dumps(ARMS.to_plain())
    assert Arms.from_plain(ARMS.to_plain()) == ARMS


@pytest.mark.parametrize(
    "arm",
    [
        Arm(letter={"letter": LETTER}),
        Arm(way=Way(pace=Pace(per_domain="1/s", domain_of=lambda address: "x"))),
    ],
)
def test_arms_say_when_they_hold_what_no_file_keeps(arm: Arm) -> None:
    arms = Arms({"a": arm})
    assert arms.lacks
    tomli_w.dumps(arms.to_plain())
    assert "arms" in Settings(arms=arms).to_plain()["lacks"]


def test_a_letter_has_its_arm_s_parameters_and_tells_arm_and_block() -> None:
    letters = ARMS.letters(LETTER)
    row = {"email": "p@x.test", "arm": "loud", "block": "x.test; seed=1"}
    message = letters.render(row)
    assert b"Subject: HELLO\r\n" in message.data
    assert (message.arm, message.block) == ("loud", "x.test; seed=1")
    assert b"Subject: Hello\r\n" in letters.render(row | {"arm": "plain"}).data


def test_a_row_without_an_arm_is_refused_with_the_near_miss() -> None:
    letters = ARMS.letters(LETTER)
    with pytest.raises(TemplateError, match="did you mean 'plain'"):
        letters.check({"email": "p@x.test", "arm": "plian"})
    with pytest.raises(TemplateError, match="which is no arm"):
        letters.render({"email": "p@x.test"})


def test_a_way_changes_the_account_but_not_where_it_sends_nor_its_name() -> None:
    account = Account(host="mx.example", port=2525, tls="none", name="work")
    way = Way(account=(("helo", "b.x.test"), ("tls", "starttls")))
    (changed,) = dict(way.accounts({account: 1.0}))
    assert changed == account.replace(tls="starttls", port=2525, helo="b.x.test")
    assert (changed.host, changed.port, changed.name) == ("mx.example", 2525, "work")
    assert not dict(Way(by="spare").accounts({account: 1.0}))


def test_arms_and_messages_to_several_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="several arms into one message"):
        Settings(arms=ARMS, together=Together())
