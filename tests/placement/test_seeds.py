"""A seed list is checked when it is made, becomes recipients, and shows no secret."""

from __future__ import annotations

from typing import Any

import pytest

from smtpbook.errors import RecipientsError
from smtpbook.placement.seeds import SeedList

GOOD = {"address": "ann@own.example", "source": "Maildir"}


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ([], "needs a mailbox"),
        ([GOOD, GOOD | {"address": "ann@OWN.example"}], "twice"),
        ([{"address": "ann@own.example"}], "mailbox 1 lacks source="),
        ([GOOD, {"source": "x"}], "mailbox 2 lacks address="),
        ([GOOD | {"adress": "b@x.example"}], "no field 'adress'; did you mean 'address'"),
        ([GOOD | {"address": "nobody"}], "mailbox 1: "),
        ([GOOD | {"source": "imaps://own.example"}], "no mailbox of IMAP"),
        ([GOOD | {"source": {}}], "lacks source="),
    ],
)
def test_what_is_wrong_is_said_with_its_place(
    given: list[dict[str, Any]], why: str
) -> None:
    with pytest.raises(RecipientsError, match=why):
        SeedList(given)


def test_a_list_of_words_is_no_list_of_mailboxes() -> None:
    with pytest.raises(TypeError, match="mailbox 1 is a str"):
        SeedList(["ann@own.example"])  # type: ignore[list-item]


def test_mailboxes_become_recipients_with_the_fields_of_somebody() -> None:
    seeds = SeedList([GOOD, GOOD | {"address": "b@x.example", "provider": "X"}])
    people = seeds.recipients({"email": "c@y.example", "city": "Paris", "source": "x.csv"})
    assert people.addresses == ["ann@own.example", "b@x.example"]
    assert list(people.frame["city"]) == ["Paris", "Paris"]
    assert list(people.frame["provider"]) == ["own.example", "X"]


def test_a_password_is_shown_nowhere() -> None:
    seeds = SeedList([GOOD | {"password": "correct horse"}])
    (seed,) = seeds
    assert "horse" not in repr(seed) + repr(seeds) + seeds._repr_html_() + str(seeds.frame)


def test_a_password_in_a_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(RecipientsError, match="does not belong in a URL") as caught:
        SeedList([GOOD | {"source": "imaps://ann:horse@imap.own.example"}])
    assert "horse" not in str(caught.value)
