"""A secret field keeps what is typed in the kernel, and in no widget's state."""

from __future__ import annotations

import getpass
from typing import Any

import pytest

from smtpbook.accounts.secret import Secret
from smtpbook.widgets.secret_field import KEPT, SecretField
from tests.widgets.browser import messages_of, typed

PASSWORD = "correct horse"


@pytest.fixture
def field() -> SecretField:
    return SecretField("Password")


def test_what_is_typed_is_the_secret_and_no_state(field: SecretField) -> None:
    before = field.get_state()
    typed(field, PASSWORD)
    assert field.secret == Secret(PASSWORD)
    assert field.get_state() == before
    assert PASSWORD not in repr(field) + str(vars(field)) + repr(field._trait_values)


def test_the_answer_says_that_it_is_kept_and_not_what(field: SecretField) -> None:
    sent = messages_of(field)
    typed(field, PASSWORD)
    assert sent == [{"kind": "status", "text": KEPT, "is_kept": True}]


def test_letters_of_all_scripts_survive(field: SecretField) -> None:
    typed(field, "pässwörd 密码 🔑")
    assert field.secret is not None
    assert field.secret.reveal() == "pässwörd 密码 🔑"


def test_forgetting_and_clearing_leave_nothing(field: SecretField) -> None:
    typed(field, PASSWORD)
    field._handle_custom_msg({"kind": "forget"}, [])
    assert field.secret is None
    typed(field, PASSWORD)
    field.clear()
    assert field.secret is None


def test_a_view_that_comes_up_later_is_told_the_status(field: SecretField) -> None:
    typed(field, PASSWORD)
    sent = messages_of(field)
    field._handle_custom_msg({"kind": "status?"}, [])
    assert sent == [{"kind": "status", "text": KEPT, "is_kept": True}]


def test_who_asked_for_it_is_called_on_each_change(field: SecretField) -> None:
    seen: list[Secret | None] = []
    field.on_change(lambda: seen.append(field.secret))
    typed(field, "a")
    field.clear()
    assert seen == [Secret("a"), None]


def test_messages_of_no_known_kind_do_nothing(field: SecretField) -> None:
    field._handle_custom_msg({}, [])
    field._handle_custom_msg({"kind": "?"}, [memoryview(b"x")])
    assert field.secret is None


def test_without_a_browser_it_asks_in_a_prompt(
    field: SecretField, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def answer(prompt: str) -> str:
        asked.append(prompt)
        return PASSWORD

    monkeypatch.setattr(getpass, "getpass", answer)
    field.ask()
    assert asked == ["Password: "]
    assert field.secret == Secret(PASSWORD)
