"""A campaign that several processes send, and a server that counts what it got."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from smtpbook.campaign.campaign import Campaign
from smtpbook.lab.lab import Lab
from smtpbook.messages.template import Template


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab("ordinary", seed=1) as lab:
        yield lab


@pytest.fixture
def make(tmp_path: Path, lab: Lab) -> Callable[..., Campaign]:
    """Make a campaign to so many people."""

    def make(count: int, **more: Any) -> Campaign:
        emails = [f"p{n}@d{n % 40}.example" for n in range(count)]
        people = pd.DataFrame({"email": emails, "first_name": "Bob"})
        letter = Template(
            header_from="Ann <ann@x.test>", subject="Hello {{ first_name }}", text="Come."
        )
        told: dict[str, Any] = {
            "account": lab.account,
            "people": people,
            "letter": letter,
            "folder": tmp_path,
            **more,
        }
        return Campaign("c", **told)

    return make
