"""Each phase has its limit: the RFC's where it names one, and never zero."""

from __future__ import annotations

from dataclasses import fields

import pytest

from smtpbook.accounts.timeouts import Timeouts

NAMES = [field.name for field in fields(Timeouts)]


@pytest.mark.parametrize(
    ("verb", "minutes"),
    [("GREETING", 5), ("MAIL", 5), ("RCPT", 5), ("DATA", 2), ("END-OF-DATA", 10)],
)
def test_defaults_are_the_minimum_of_rfc_5321_section_4_5_3_2(
    verb: str, minutes: int
) -> None:
    assert Timeouts().of(verb) == minutes * 60


def test_block_of_mail_data_has_three_minutes() -> None:
    assert Timeouts().block_s == 180


@pytest.mark.parametrize(
    ("verb", "name"),
    [
        ("GREETING", "greeting_s"),
        ("MAIL", "mail_s"),
        ("RCPT", "rcpt_s"),
        ("DATA", "data_s"),
        ("END-OF-DATA", "end_of_data_s"),
        ("BDAT", "end_of_data_s"),
        ("QUIT", "quit_s"),
        ("EHLO", "command_s"),
        ("RSET", "command_s"),
        ("XYZZY", "command_s"),
    ],
)
def test_each_command_has_the_limit_of_its_phase(verb: str, name: str) -> None:
    limits = Timeouts(**{n: float(i + 1) for i, n in enumerate(NAMES)})
    assert limits.of(verb) == getattr(limits, name)


def test_one_number_serves_every_phase() -> None:
    assert {getattr(Timeouts.all(5), name) for name in NAMES} == {5.0}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_limit_that_is_none_is_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        Timeouts(**{name: value})


def test_no_limit_is_infinity() -> None:
    assert Timeouts(rcpt_s=float("inf")).of("RCPT") == float("inf")
