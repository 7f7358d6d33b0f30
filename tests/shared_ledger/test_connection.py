"""The way to a database: what its URL may be, and that no error tells the password."""

from __future__ import annotations

import pytest

from smtpbook.errors import LedgerError
from smtpbook.shared_ledger.connection import SharedConnection, place_of
from tests.servers.process import free_ports


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_a_place_is_told_without_user_and_password(scheme: str) -> None:
    found = place_of(f"{scheme}://ann:se%3Acret@db.example:5433/mail?connect_timeout=3")
    assert found == "db.example:5433/mail"


@pytest.mark.parametrize(
    "url",
    [
        "mysql://ann:secret@db.example/mail",
        "host=db.example password=secret",
        "postgresql://ann:sec ret@[db.example/mail",
        "postgresql://ann:secret@db.example/mail?passwort=secret",
        "",
    ],
)
def test_what_is_no_such_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(LedgerError, match="postgresql://user@host") as caught:
        SharedConnection(url, "november")
    assert "sec" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_database_that_is_not_there_is_named_and_its_password_is_not() -> None:
    (port,) = free_ports(1)
    url = f"postgresql://ann:secret@127.0.0.1:{port}/mail"
    with pytest.raises(LedgerError, match=f"port {port} failed") as caught:
        SharedConnection(url, "november")
    assert "secret" not in str(caught.value)
