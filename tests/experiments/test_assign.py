"""Assign: who gets which arm, in which block, in which order."""

from __future__ import annotations

from collections import Counter

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpbook.errors import RecipientsError
from smtpbook.experiments.assign import Blocks, _drawn, assigned, name_of
from smtpbook.recipients.read import read_recipients
from smtpbook.recipients.recipients import Recipients

ARMS = ("a", "b", "c")


def drawn(count: int, blocks: Blocks = "recipient_domain", seed: int = 1) -> pd.DataFrame:
    return assigned(listed(count), ARMS, blocks, seed).frame


def listed(count: int, domains: int = 4) -> Recipients:
    cells = [f"p{n}@d{(n * n) % domains}.example" for n in range(count)]
    tier = ["gold" if n % 5 else "basic" for n in range(count)]
    return read_recipients(pd.DataFrame({"email": cells, "tier": tier}))


@settings(max_examples=10)
@given(
    count=st.integers(3, 120),
    arms=st.integers(2, 5),
    domains=st.integers(1, 9),
    seed=st.integers(0, 99),
)
def test_everybody_gets_one_arm_and_blocks_and_arms_are_even(
    count: int, arms: int, domains: int, seed: int
) -> None:
    given = listed(count, domains)
    if count < arms:
        return
    frame = assigned(given, "vwxyz"[:arms], "recipient_domain", seed).frame
    assert sorted(frame["email"]) == sorted(given.addresses)
    sizes = pd.crosstab(frame["block"], frame["arm"])
    assert (
        sizes.max(axis=1)
        - sizes.reindex(columns=list("vwxyz"[:arms]), fill_value=0).min(axis=1)
        <= 1
    ).all()
    totals = frame["arm"].value_counts().reindex(list("vwxyz"[:arms]), fill_value=0)
    assert totals.max() - totals.min() <= 2


def test_at_any_time_as_many_of_each_arm_have_been_written_to() -> None:
    arms = drawn(300)["arm"]
    seen = pd.get_dummies(arms).astype(int).cumsum()
    # A block that does not come out even leaves a group that lacks an arm.
    assert (seen.max(axis=1) - seen.min(axis=1)).max() <= 4


def test_the_same_people_and_seed_are_drawn_alike_however_the_list_was_ordered() -> None:
    first = drawn(60)
    again = assigned(listed(60)[::-1], ARMS, "recipient_domain", 1).frame
    assert first["email"].tolist() == again["email"].tolist()
    assert first["arm"].tolist() == again["arm"].tolist()
    other = drawn(60, seed=2).set_index("email")["arm"]
    assert (other.loc[first["email"]].to_numpy() != first["arm"].to_numpy()).any()


def test_each_recipient_is_as_likely_to_get_each_arm() -> None:
    addresses = pd.Series(listed(12).addresses)
    labels = ["x", "y", "x"] * 4
    got = Counter[int]()
    for seed in range(600):
        order, arms = _drawn(addresses, labels, len(ARMS), seed)
        got[int(arms[list(order).index(5)])] += 1
    assert min(got[arm] for arm in range(3)) > 155  # of 200, with a deviation of 12


@pytest.mark.parametrize(
    ("blocks", "expected"),
    [
        (None, {"everybody"}),
        ("tier", {"gold", "basic"}),
        (
            lambda address: f"ends in {int(address[1:].partition('@')[0]) % 2}",
            {"ends in 0", "ends in 1"},
        ),
    ],
)
def test_blocks_are_what_was_asked_for(blocks: Blocks, expected: set[str]) -> None:
    assert {name_of(block)[0] for block in drawn(70, blocks)["block"]} == expected


def test_a_provider_is_a_block_of_all_its_domains() -> None:
    cells = [f"p{n}@{'gmail.com' if n % 2 else 'googlemail.com'}" for n in range(40)]
    people = read_recipients(pd.DataFrame({"email": cells}))
    frame = assigned(people, ARMS, "provider", 1).frame
    assert set(frame["block"]) == {"gmail; seed=1"}


def test_blocks_too_small_for_a_comparison_are_put_together() -> None:
    cells = [f"p{n}@big.example" for n in range(20)] + [f"p@s{n}.example" for n in range(9)]
    people = read_recipients(pd.DataFrame({"email": cells}))
    frame = assigned(people, ARMS, "recipient_domain", 5).frame
    assert set(frame["block"]) == {"big.example; seed=5", "others; seed=5"}


def test_a_list_that_cannot_be_drawn_is_refused_with_what_to_do() -> None:
    with pytest.raises(RecipientsError, match="did you mean 'tier'"):
        drawn(30, "teir")
    with pytest.raises(RecipientsError, match="rename it"):
        assigned(assigned(listed(30), ARMS, None, 1), ARMS, None, 1)
    with pytest.raises(RecipientsError, match="3 arms need more"):
        drawn(2)


def test_a_block_whose_name_tells_no_seed_is_a_name() -> None:
    assert name_of("x; seed=y") == ("x; seed=y", None)
    assert name_of("a; seed=1; seed=2") == ("a; seed=1", 2)
