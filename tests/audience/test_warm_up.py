"""A warm-up's plan reaches everybody, and its pace keeps to it."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpbook.audience.domains import domains_frame, provider_mix, unasked
from smtpbook.audience.warm_up import warm_up
from smtpbook.errors import ColumnError
from smtpbook.pacing.limits import DAY_S
from smtpbook.pacing.pace import Pacer

DOMAINS = domains_frame(
    unasked(
        {"gmail.com": 180, "googlemail.com": 20, "yahoo.com": 60, "x.org": 55, "y.org": 9}
    )
)


def test_each_provider_doubles_day_by_day() -> None:
    plan = warm_up({"gmail": 200, "yahoo": 60})
    assert plan.to_numpy().tolist() == [
        [1, "gmail", 50, 50],
        [1, "yahoo", 50, 50],
        [2, "gmail", 100, 150],
        [2, "yahoo", 10, 60],
        [3, "gmail", 50, 200],
    ]


def test_domains_of_one_provider_share_its_days_and_others_count_alone() -> None:
    plan = warm_up(DOMAINS)
    days = plan.pivot_table(index="day", columns="provider", values="messages")
    assert days["gmail"].tolist() == [50, 100, 50]
    assert days.loc[1, "others"] == 50 + 9
    assert days.loc[2, "others"] == 5
    pace = plan.attrs["pace"]
    assert pace.domain_of("a@googlemail.com") == "gmail"
    assert pace.domain_of("a@x.org") == "x.org"
    assert pace.domain_of("a@new.example") == "new.example"


def test_the_pace_sends_what_the_plan_says() -> None:
    plan = warm_up(300)
    pacer, at, days = Pacer(plan.attrs["pace"]), 0.0, [0, 0, 0]
    for _ in range(300):
        at = pacer.next_at(at)
        pacer.take(at)
        days[int(at // DAY_S)] += 1
    assert days == plan["messages"].tolist()


@settings(max_examples=12)
@given(
    st.dictionaries(st.sampled_from("abc"), st.integers(1, 200_000), min_size=1),
    st.integers(1, 1000),
    st.floats(1.1, 4),
    st.none() | st.integers(1000, 9000),
)
def test_everybody_is_reached_and_no_day_is_above_its_limit(
    volume: dict[str, int], first: int, factor: float, most: int | None
) -> None:
    plan = warm_up(volume, first=first, factor=factor, most=most)
    assert plan.groupby("provider")["messages"].sum().to_dict() == volume
    assert (plan["messages"] > 0).all()
    assert most is None or (plan["messages"] <= most).all()
    assert (plan.loc[plan["day"] == 1, "messages"] <= first).all()


@pytest.mark.parametrize("volume", [0, -1, {}, {"gmail": 0}, {"gmail": -5, "yahoo": 9}])
def test_nothing_to_send_is_no_plan(volume: int | dict[str, int]) -> None:
    with pytest.raises(ValueError, match="1 or more"):
        warm_up(volume)


@pytest.mark.parametrize(
    "figures", [{"first": 0}, {"factor": 0.5}, {"factor": float("nan")}, {"most": 49}]
)
def test_figures_that_are_none_are_refused(figures: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="first is 1 or more"):
        warm_up(100, **figures)  # type: ignore[arg-type]


def test_a_plan_of_decades_is_refused() -> None:
    with pytest.raises(ValueError, match="ten years"):
        warm_up(10_000_000, first=1, factor=1.0)


def test_a_table_without_its_columns_is_refused() -> None:
    with pytest.raises(ColumnError, match="domain"):
        warm_up(pd.DataFrame({"recipients": [1]}))
    with pytest.raises(ColumnError, match="provider"):
        provider_mix(pd.DataFrame({"domain": ["x"], "recipients": [1]}))


def test_the_mix_adds_up() -> None:
    mix = provider_mix(DOMAINS)
    assert mix["provider"].fillna("-").tolist() == ["gmail", "-", "yahoo"]
    assert mix["domains"].tolist() == [2, 2, 1]
    assert mix["recipients"].sum() == 324
    assert mix["share"].sum() == pytest.approx(1)
