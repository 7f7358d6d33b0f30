"""Whatever names whom to write to again comes to the same words, and never to more."""

from __future__ import annotations

from collections import deque
from typing import Any

import pandas as pd
import pytest

from smtpbook.errors import ColumnError
from smtpbook.ledger.only import chosen_words
from smtpbook.recipients.read import read_recipients

OUTCOMES = pd.DataFrame(
    {
        "recipient": pd.array(["ann@x.test", "bob@y.test", "cal@x.test"], dtype="string"),
        "outcome": pd.Categorical(["deferred", "accepted", "deferred"]),
        "reason": pd.array(["greylisted", None, "mailbox_full"], dtype="string"),
    }
)
PEOPLE = read_recipients(OUTCOMES.rename(columns={"recipient": "email"})[["email"]])
GREYLISTED = OUTCOMES.query("reason == 'greylisted'")


@pytest.mark.parametrize(
    ("only", "words"),
    [
        ("deferred", {"deferred"}),
        (["deferred", "greylisted"], {"deferred", "greylisted"}),
        (("ann@x.test",), {"ann@x.test"}),
        (deque(["ann@x.test"]), {"ann@x.test"}),
        (GREYLISTED.assign(addresses=7), {"ann@x.test"}),
        ((word for word in ["failed"]), {"failed"}),
        ({"ann@x.test": 1}, {"ann@x.test"}),
        (GREYLISTED, {"ann@x.test"}),
        (GREYLISTED["recipient"], {"ann@x.test"}),
        (GREYLISTED["recipient"].array, {"ann@x.test"}),
        (OUTCOMES.iloc[2], {"cal@x.test"}),
        (OUTCOMES.set_index("recipient").query("outcome == 'deferred'"), None),
        (OUTCOMES.set_index("recipient")["outcome"].iloc[[0, 2]], None),
        (OUTCOMES["outcome"].iloc[[0]], {"deferred"}),
        (GREYLISTED.rename(columns={"recipient": "email"}), {"ann@x.test"}),
        (PEOPLE[:1], {"ann@x.test"}),
        (PEOPLE[:1].frame, {"ann@x.test"}),
        (pd.Series(["ann@x.test", None, pd.NA]), {"ann@x.test"}),
        (pd.Index(["ann@x.test"]), {"ann@x.test"}),
    ],
)
def test_words_tables_and_lists_name_the_same(only: Any, words: set[str] | None) -> None:
    # An index of addresses goes before the cells, which are outcomes: of everybody.
    assert chosen_words(only) == (words or {"ann@x.test", "cal@x.test"})


@pytest.mark.parametrize(
    "nobody", [[], OUTCOMES.query("outcome == 'failed'"), PEOPLE[:0], pd.Series(dtype=str)]
)
def test_a_filter_that_finds_nobody_is_nobody_and_not_those_never_tried(
    nobody: Any,
) -> None:
    assert chosen_words(nobody) == frozenset()
    assert chosen_words(None) is None


@pytest.mark.parametrize(
    ("only", "message"),
    [
        ("defered", "did you mean 'deferred'"),
        ("accepted", "no outcome to try again"),
        (OUTCOMES["outcome"] == "deferred", r"only=frame\[condition\]"),
        ([1, 2], "which is no word"),
    ],
)
def test_what_is_no_word_is_refused_with_the_way_out(only: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        chosen_words(only)


def test_a_table_without_addresses_names_the_near_miss() -> None:
    table = OUTCOMES.rename(columns={"recipient": "recipent"})
    with pytest.raises(ColumnError, match="did you mean 'recipent'"):
        chosen_words(table)
