"""A name has one pseudonym in a file, and nobody can find out whose it is."""

from __future__ import annotations

import pytest

from smtpbook.reports.pseudonyms import Pseudonyms

KEY = b"of the tests"


def test_the_same_name_has_the_same_pseudonym_and_another_key_another() -> None:
    ours, again, other = Pseudonyms(KEY), Pseudonyms(KEY), Pseudonyms()
    assert ours.address("ann@x.example") == again.address("Ann@X.example")
    assert ours.address("ann@x.example") != other.address("ann@x.example")
    assert ours.address("ann@x.example") != ours.address("bob@x.example")


def test_an_address_keeps_its_domain_s_pseudonym_and_the_null_path_none() -> None:
    names = Pseudonyms(KEY)
    domain = names.address("ann@x.example").partition("@")[2]
    assert domain == names.domain("X.example.")
    assert domain.endswith(".invalid")
    assert names.address("") == ""
    assert "@" not in names.address("postmaster")


def test_a_domain_is_the_same_in_its_own_letters_and_in_ascii() -> None:
    names = Pseudonyms(KEY)
    assert names.domain("bücher.example") == names.domain("xn--bcher-kva.example")


@pytest.mark.parametrize(
    ("server", "end"),
    [
        ("smtp.gmail.com", "smtp.gmail.com"),
        ("localhost", "localhost"),
        ("127.0.0.1", "127.0.0.1"),
        ("customer.mail.protection.outlook.com", ".outlook.com"),
        ("mx.customer.example", ".invalid"),
    ],
)
def test_of_a_server_the_provider_s_name_stays(server: str, end: str) -> None:
    found = Pseudonyms(KEY).server(server)
    assert found.endswith(end)
    assert "customer" not in found


@pytest.mark.parametrize("server", ["192.0.2.77", "[192.0.2.77]", "/run/ann/lmtp"])
def test_addresses_and_sockets_have_pseudonyms_of_their_kind(server: str) -> None:
    names = Pseudonyms(KEY)
    found = names.server(server)
    assert found.startswith("socket-" if "/" in server else "2001:db8:")
    assert "/" in server or found == names.ip("192.0.2.77")


def test_what_is_no_ip_address_has_a_pseudonym_all_the_same() -> None:
    assert Pseudonyms(KEY).ip("ann's proxy").startswith("ip-")
