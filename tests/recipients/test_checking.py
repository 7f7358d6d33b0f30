"""The rule that checks a column at once says what `Mailbox.parse` says of each address."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from smtpbook.errors import LocalProtocolError
from smtpbook.protocol.addresses import Mailbox
from smtpbook.recipients.checking import canonical
from smtpbook.recipients.table import TEXT

ADDRESSES = st.lists(
    st.one_of(
        st.emails(),
        st.from_regex(r"[a-zA-Z0-9.!+'\-]{1,70}@[a-zA-Z0-9.\-]{1,70}", fullmatch=True),
        st.text(st.sampled_from('aZ9.-_@"[] \\<>,;:\u00eb\u2028\r\n\0'), max_size=12).map(
            lambda text: f"{text}@x.example"
        ),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    ),
    max_size=8,
)


def expected(address: str) -> str | None:
    try:
        return str(Mailbox.parse(address))
    except LocalProtocolError:
        return None


@settings(max_examples=300, deadline=None)
@given(ADDRESSES)
@example(
    ["a@x\n", "a@x.example\n", "a@" + "b" * 64, "a" * 65 + "@x.example", "a..b@x.example"]
)
@example([".a@x.example", "a.@x.example", "a@-x.example", "a@x-.example", "a@x..example"])
def test_a_column_is_checked_like_each_of_its_addresses(addresses: list[str]) -> None:
    stripped = [address.strip() for address in addresses]
    checked, faults = canonical(pd.Series(stripped, dtype=TEXT))
    assert [None if pd.isna(one) else one for one in checked] == [
        expected(address) for address in stripped
    ]
    assert sorted(faults) == [n for n, a in enumerate(stripped) if expected(a) is None]


@pytest.mark.parametrize(
    ("given_", "canonical_"),
    [
        (" Ann@EXAMPLE.org ", "Ann@example.org"),
        ("info@bücher.example", "info@xn--bcher-kva.example"),
        ('"a b"@x.example', '"a b"@x.example'),
        ("a@[192.0.2.1]", "a@[192.0.2.1]"),
    ],
)
def test_addresses_are_written_as_logs_write_them(given_: str, canonical_: str) -> None:
    checked, faults = canonical(pd.Series([given_], dtype=TEXT))
    assert checked.tolist() == [canonical_]
    assert not faults


def test_no_address_is_missing_and_a_wrong_one_is_invalid() -> None:
    _, faults = canonical(pd.Series([None, "  ", "a@x, b@x"], dtype=TEXT))
    assert {place: rule for place, (rule, _) in faults.items()} == {
        0: "missing",
        1: "missing",
        2: "invalid",
    }
