"""Trial: a letter sent to oneself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
import pytest

from smtpbook.campaign.trial import send_test
from smtpbook.errors import RecipientsError, TemplateError
from smtpbook.lab.lab import Lab
from smtpbook.messages.template import Template

ROW = {"email": "ann@x.example", "first_name": "Ann"}


@pytest.mark.parametrize("kind", [dict, pd.Series])
def test_it_goes_to_oneself_as_the_row_would_get_it(
    kind: Callable[[Mapping[str, str]], Any], letter: Template
) -> None:
    with Lab() as lab:
        run = send_test(letter, lab.account, "me@x.example", kind(ROW))
        (received,) = lab.received
    assert received.recipients == ("me@x.example",)
    assert b"Subject: [Test] Hello Ann" in received.data
    assert b"ann@x.example" not in received.data
    assert run.counts["accepted"] == 1


@pytest.mark.parametrize(
    ("to", "row", "error"),
    [("me@x.example", None, TemplateError), ("nobody", ROW, RecipientsError)],
)
def test_nothing_is_sent_where_something_is_wrong(
    to: str, row: Mapping[str, str] | None, error: type[Exception], letter: Template
) -> None:
    with Lab() as lab:
        with pytest.raises(error):
            send_test(letter, lab.account, to, row)
        assert lab.received == []
