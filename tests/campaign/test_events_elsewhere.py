"""A campaign's event log may go behind a URL: it is the same log, and nobody else's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from smtpbook.accounts.account import Account
from smtpbook.campaign.campaign import Campaign
from smtpbook.campaign.compacting import compact
from smtpbook.campaign.opening import open_campaign
from smtpbook.errors import LedgerError
from smtpbook.lab.lab import Lab
from smtpbook.log.frame import to_batch
from smtpbook.log.store import read_log
from smtpbook.log.stream import Stream
from smtpbook.log.where import path_of
from smtpbook.messages.template import Template
from smtpbook.tables.outcomes import outcomes
from smtpbook.tables.scan import scan_log
from tests.log.story import day

People = Callable[[int], pd.DataFrame]
ServeHere = Callable[[Lab], Awaitable[Account]]


@pytest.fixture
def shelf() -> Iterator[str]:
    """A folder of an object store that is in memory."""
    yield "memory://shelf/november"
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]


@pytest.fixture
async def campaign(
    tmp_path: Path, shelf: str, people: People, letter: Template, serve_here: ServeHere
) -> Campaign:
    account = await serve_here(Lab("mixed-day"))
    return Campaign("c", account, people(9), letter, folder=tmp_path, events=shelf)


def sealed(shelf: str) -> list[str]:
    return sorted(path.name for path in path_of(shelf).glob("*.parquet"))


async def test_the_log_is_behind_the_url_and_the_folder_tells_where(
    campaign: Campaign, shelf: str, tmp_path: Path
) -> None:
    run = await campaign.send_async(limit=5)
    await campaign.send_async()
    assert len(sealed(shelf)) == 2
    assert not list((tmp_path / "c/events").iterdir())
    assert len(run.outcomes) == 5
    assert len(outcomes(campaign.log)) == 9
    for place in (shelf, tmp_path / "c"):
        pd.testing.assert_frame_equal(
            outcomes(scan_log(place)), outcomes(campaign.log), check_categorical=False
        )
    again = open_campaign(tmp_path / "c", campaign.account)
    pd.testing.assert_frame_equal(again.log, campaign.log)


async def test_it_is_compacted_by_the_name_of_the_campaign(
    campaign: Campaign, shelf: str, tmp_path: Path
) -> None:
    for _ in range(2):
        await campaign.send_async(limit=4)
    before = campaign.log
    assert compact(tmp_path / "c", progress=False).files == 1
    assert len(sealed(shelf)) == 1
    pd.testing.assert_frame_equal(campaign.log, before, check_categorical=False)


async def test_what_a_killed_process_left_is_seen_and_sealed_by_the_next_send(
    campaign: Campaign, shelf: str, tmp_path: Path
) -> None:
    await campaign.send_async(limit=4)
    rows = [*day(6)]
    left = Stream(tmp_path / "c/events/99999999T000000-0001.arrows")
    left.append(to_batch(rows))
    before = campaign.log
    assert len(before) == len(read_log(shelf)) + len(rows)
    assert len(scan_log(tmp_path / "c").files()) == 2
    await campaign.send_async(limit=0)
    assert not left.path.exists()
    assert len(sealed(shelf)) == 2
    assert len(read_log(shelf)) == len(before)


async def test_a_place_with_a_log_is_no_other_campaigns(
    campaign: Campaign, shelf: str, tmp_path: Path, people: People
) -> None:
    await campaign.send_async(limit=1)
    other = Campaign(
        "d", campaign.account, people(2), campaign.letter, folder=tmp_path, events=shelf
    )
    with pytest.raises(LedgerError, match="of this campaign's own, such as"):
        await other.send_async()
    assert not (tmp_path / "d").exists()
    with pytest.raises(LedgerError, match="leave events= out"):
        Campaign(
            "c",
            campaign.account,
            people(9),
            campaign.letter,
            folder=tmp_path,
            events="memory://elsewhere",
        )


@pytest.mark.parametrize(
    "events",
    [
        "s3://ann:correct-horse@b/c",
        "s3://ann:correct/horse@b/c",
        "https://b.example/c?signature=correct-horse",
    ],
)
def test_no_password_is_kept(events: str, people: People, letter: Template) -> None:
    account = Account(host="h.example")
    with pytest.raises(LedgerError, match="a password is in the URL") as caught:
        Campaign("c", account, people(1), letter, events=events)
    assert "horse" not in str(caught.value)


def test_a_folder_here_is_kept_whole(
    people: People, letter: Template, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever opens the campaign may stand in another one."""
    monkeypatch.chdir(tmp_path)
    with Lab() as lab:
        campaign = Campaign("c", lab.account, people(3), letter, events="log")
        campaign.send(progress=False)
    monkeypatch.chdir("/")
    again = open_campaign(tmp_path / "campaigns/c", lab.account)
    assert len(outcomes(again.log)) == 3
    assert len(list((tmp_path / "log").glob("*.parquet"))) == 1
