"""A campaign's log is compacted while nobody sends, and stays what it was."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pandas as pd
import pytest

from smtpbook.accounts.account import Account
from smtpbook.campaign.campaign import Campaign
from smtpbook.campaign.compacting import compact
from smtpbook.campaign.opening import open_campaign
from smtpbook.errors import LedgerError
from smtpbook.folder.folder import CampaignFolder
from smtpbook.lab.lab import Lab
from smtpbook.log.store import read_log
from smtpbook.messages.template import Template

People = Callable[[int], pd.DataFrame]
ServeHere = Callable[[Lab], Awaitable[Account]]


@pytest.fixture
async def folder(
    tmp_path: Path, people: People, letter: Template, serve_here: ServeHere
) -> Path:
    """A campaign that was sent in three goes."""
    account = await serve_here(Lab("mixed-day"))
    campaign = Campaign("c", account, people(9), letter, folder=tmp_path)
    for _ in range(3):
        await campaign.send_async(limit=3)
    assert len(list((tmp_path / "c/events").iterdir())) == 3
    return tmp_path / "c"


async def test_three_sends_are_one_file_and_a_fourth_one_joins_it(
    folder: Path, serve_here: ServeHere
) -> None:
    before = read_log(folder / "events")
    done = compact(folder)
    assert (done.files_before, done.files, done.rows) == (3, 1, len(before))
    pd.testing.assert_frame_equal(read_log(folder / "events"), before)
    account = await serve_here(Lab("mixed-day"))
    run = await open_campaign(folder, account).send_async(only="deferred")
    sent = run.log
    both = read_log(folder / "events")
    assert len(both) == len(before) + len(sent)
    assert compact(folder / "events").files == 1
    pd.testing.assert_frame_equal(read_log(folder / "events"), both)
    pd.testing.assert_frame_equal(run.log, sent, check_categorical=False)


async def test_while_it_is_sent_it_is_refused(folder: Path) -> None:
    files = sorted((folder / "events").iterdir())
    with CampaignFolder(folder).ledger():
        for path in (folder, folder / "events"):
            with pytest.raises(LedgerError, match="run"):
                compact(path)
    assert sorted((folder / "events").iterdir()) == files
    assert compact(folder).files == 1


def test_a_name_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(LedgerError):
        compact(tmp_path / "november")
    (tmp_path / "other").mkdir()
    assert compact(tmp_path / "other").rows == 0
