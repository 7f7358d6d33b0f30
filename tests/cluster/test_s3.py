"""An event log in an object store, by HTTP: no appending, no renaming, no folders."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from smtpbook.campaign.campaign import Campaign
from smtpbook.campaign.compacting import compact
from smtpbook.campaign.opening import open_campaign
from smtpbook.errors import LedgerError
from smtpbook.formats.read import read_log
from smtpbook.lab.lab import Lab
from smtpbook.log.files import log_files
from smtpbook.log.where import path_of
from smtpbook.messages.template import Template
from smtpbook.tables.outcomes import outcomes
from smtpbook.tables.scan import scan_log
from tests.cluster.conftest import check
from tests.servers.process import ServerMissing
from tests.servers.s3 import open_s3

if TYPE_CHECKING:
    from distributed import Client

pytestmark = [pytest.mark.real_server, pytest.mark.heavy, pytest.mark.side_by_side]
BUCKET = "shelf"


@pytest.fixture(scope="module")
def store() -> Iterator[None]:
    """A store with one bucket; the environment tells where, as a cluster's would."""
    try:
        opened = open_s3()
        with opened as environment, pytest.MonkeyPatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            from s3fs import S3FileSystem

            S3FileSystem().mkdir(BUCKET)
            yield
            S3FileSystem.clear_instance_cache()
    except ServerMissing as exc:
        pytest.skip(str(exc))


@pytest.fixture
def place(store: None, request: pytest.FixtureRequest) -> str:
    """A place of the test's own."""
    return f"s3://{BUCKET}/{request.node.name}"


@pytest.fixture
def make_here(tmp_path: Path, lab: Lab) -> Callable[..., Campaign]:
    def make_here(name: str, events: str) -> Campaign:
        people = pd.DataFrame({"email": [f"p{n}@d{n % 5}.example" for n in range(20)]})
        letter = Template(header_from="Ann <ann@x.test>", subject="s", text="Come.")
        return Campaign(name, lab.account, people, letter, folder=tmp_path, events=events)

    return make_here


def sealed(place: str) -> list[str]:
    return [path.name for path in log_files(path_of(place))]


def test_a_log_is_sealed_there_read_compacted_and_nobody_elses(
    make_here: Callable[..., Campaign], place: str, tmp_path: Path
) -> None:
    campaign = make_here("c", place)
    campaign.send(limit=5, progress=False)
    campaign.send(progress=False)
    assert len(sealed(place)) == 2
    assert not list((tmp_path / "c/events").iterdir())
    before = campaign.log
    assert len(outcomes(before)) == 20
    for where in (place, f"{place}/*.parquet", tmp_path / "c"):
        told = outcomes(scan_log(where))
        pd.testing.assert_frame_equal(told, outcomes(before), check_categorical=False)
    assert compact(place, progress=False).files == 1
    assert len(sealed(place)) == 1
    again = open_campaign(tmp_path / "c", campaign.account).log
    pd.testing.assert_frame_equal(again, before, check_categorical=False)
    with pytest.raises(LedgerError, match="of this campaign's own, such as"):
        make_here("d", place).send(progress=False)


def test_a_bucket_that_is_not_there_is_not_made(
    make_here: Callable[..., Campaign], place: str, tmp_path: Path
) -> None:
    with pytest.raises(OSError, match="bucket"):
        make_here("c", "s3://shlef/november").send(progress=False)
    assert not (tmp_path / "c").exists()
    from s3fs import S3FileSystem

    assert S3FileSystem(skip_instance_cache=True).ls("") == [BUCKET]


def test_who_has_no_key_is_told_where_one_is_looked_for(
    make_here: Callable[..., Campaign],
    place: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from s3fs import S3FileSystem

    S3FileSystem.clear_instance_cache()
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    asked: list[Callable[[], Any]] = [
        lambda: make_here("c", place).send(progress=False),
        lambda: read_log(place),
        lambda: scan_log(place),
        lambda: compact(place, progress=False),
    ]
    for ask in asked:
        with pytest.raises(OSError, match=f"{place}.* cannot be reached .*own config"):
            ask()
    S3FileSystem.clear_instance_cache()


def test_two_workers_keep_one_log_there(
    make: Callable[..., Campaign], processes: Client, place: str, lab: Lab
) -> None:
    campaign = make(60, events=place)
    campaign.send(cluster=processes, progress=False)
    assert check(campaign, lab, 60) == {"accepted": 60}
    assert len(sealed(place)) >= 2
    told = outcomes(scan_log(place, cluster=processes))
    assert len(told) == 60
    assert set(told["outcome"]) == {"accepted"}
