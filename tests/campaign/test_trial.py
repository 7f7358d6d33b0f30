"""Trial: a letter sent to oneself, and remembered to have been."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from smtpbook.campaign.campaign import Campaign
from smtpbook.campaign.trial import send_test
from smtpbook.errors import RecipientsError, TemplateError
from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab
from smtpbook.messages.template import Template
from smtpbook.preflight import tried as remembering
from smtpbook.preflight.tried import remember, tried
from tests.servers.process import ROOT

People = Callable[[int], pd.DataFrame]
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
    assert tried(letter) is None


# --- of a campaign ------------------------------------------------------------------------


@pytest.mark.parametrize(("row", "name"), [(0, 0), (2, 2), (-1, 4), ("P3@gone.EXAMPLE", 3)])
def test_a_campaign_is_tried_as_for_one_of_its_list(
    row: int | str, name: int, people: People, letter: Template
) -> None:
    with Lab() as lab:
        campaign = Campaign("c", lab.account, people(5), letter)
        campaign.test("me@x.example", row)
        (received,) = lab.received
    assert received.recipients == ("me@x.example",)
    assert f"Subject: [Test] Hello Person {name}\r\n".encode() in received.data
    assert campaign.counts == {"pending": 5}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (5, "no row 5: the list has 5, from 0"),
        (-6, "no row -6"),
        ("p3@gone.exmple", "did you mean 'p3@gone.example'"),
    ],
)
def test_a_row_that_is_not_there_is_said_not_to_be(
    row: int | str, said: str, people: People, letter: Template
) -> None:
    with Lab() as lab:
        campaign = Campaign("c", lab.account, people(5), letter)
        with pytest.raises(RecipientsError, match=said):
            campaign.test("me@x.example", row)
        assert lab.received == []


# --- remembered ---------------------------------------------------------------------------


def test_a_test_that_was_taken_is_remembered_for_the_letter_as_it_is(
    letter: Template, home: Path
) -> None:
    changed = letter.replace(text="Do come.")
    with Lab() as lab:
        lab.set(rcpt=Behaviour(reply="550 5.1.1 no"))
        send_test(letter, lab.account, "me@x.example", ROW)
        assert tried(letter) is None
        lab.set(rcpt=Behaviour())
        for to in ("me@x.example", "ME@x.example", "you@x.example"):
            send_test(letter, lab.account, to, ROW)
    found = tried(letter.replace())
    assert found is not None
    assert found.addresses == 2
    assert tried(changed) is None
    assert tried(letter.prefixed("[Test]")) is None
    kept = [file for file in home.rglob("*") if file.is_file()]
    assert len(kept) == 2
    assert all(file.stat().st_size == 0 for file in kept)
    assert not any("me@" in file.name or "you" in file.name for file in kept)


def test_another_process_knows_it(letter: Template) -> None:
    remember(letter, "me@x.example")
    code = (
        "from smtpbook.preflight.tried import tried; "
        "from smtpbook.messages.template import Template; "
        "print(tried(Template(header_from='Ann <ann@x.test>', "
        "subject='Hello {{ first_name }}', text='Come.')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert done.stdout == f"{tried(letter)}\n"


def test_attachments_and_tables_are_part_of_a_letter(letter: Template, home: Path) -> None:
    table = pd.DataFrame({"price": [1, 2]})
    letter = letter.replace(values={"prices": table}, text="{{ table(prices) }}")
    remember(letter, "me@x.example")
    assert tried(letter.replace(values={"prices": table.copy()})) is not None
    assert tried(letter.replace(values={"prices": table * 2})) is None
    file = home / "plan.txt"
    file.write_text("one")
    attached = letter.replace(attachments=[file])
    assert tried(attached) is None


def test_a_letter_that_no_file_describes_is_known_here_only(letter: Template) -> None:
    class Price:
        """What a template may print, and nothing keeps."""

    letter = letter.replace(values={"price": Price()})
    remember(letter, "me@x.example")
    assert tried(letter) is not None
    assert tried(letter.replace()) is None
    others = [letter.replace() for _ in range(30)]
    for other in others:
        remember(other, "me@x.example")
    assert tried(letter) is None
    assert tried(others[-1]) is not None
    assert len(remembering._held) <= 20


def test_the_oldest_are_forgotten(
    letter: Template, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembering, "MAX_KEPT", 3)
    letters = [letter.replace(text=f"Come, {n}.") for n in range(5)]
    for number, one in enumerate(letters):
        remember(one, "me@x.example")
        for file in (home / "tried").iterdir():
            if file.stat().st_mtime > 1e9:
                os.utime(file, (number, number))
    assert [tried(one) is not None for one in letters] == [False, False, True, True, True]


def test_a_folder_that_cannot_be_written_is_no_error(letter: Template, home: Path) -> None:
    (home / "tried").write_text("a file where the folder should be")
    remember(letter, "me@x.example")
    assert tried(letter) is not None
    assert tried(letter.replace()) is None
