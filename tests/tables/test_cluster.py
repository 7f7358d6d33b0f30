"""Dask's workers, in processes of their own, make the same tables of files behind a URL."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from distributed import Client, LocalCluster, WorkerPlugin

from smtpbook.errors import SMTPBookError
from smtpbook.log.store import write_log
from smtpbook.tables.outcomes import outcomes
from smtpbook.tables.scan import Scan, scan_log
from tests.tables.conftest import LOG
from tests.tables.on_shelf import put_up
from tests.tables.test_parts import TABLES

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.side_by_side,
    # Dask closes its workers' connections when they end, not always before it looks.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


class Shelves(WorkerPlugin):
    """Every worker, the one that takes another's place too, knows the shelf."""

    def setup(self, worker: object) -> None:
        put_up()


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with (
        LocalCluster(
            n_workers=2,
            threads_per_worker=2,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
        ) as cluster,
        Client(cluster) as client,
    ):
        client.register_plugin(Shelves())
        yield client


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Scan:
    """Seven files on the shelf."""
    put_up()
    url = f"shelf://{tmp_path_factory.mktemp('shelf')}"
    for number, start in enumerate(range(0, len(LOG), 400)):
        write_log(LOG.iloc[start : start + 400], f"{url}/log-{number:04}.parquet")
    return scan_log(url)


@pytest.mark.parametrize("name", TABLES)
def test_workers_make_the_same_tables(name: str, log: Scan, client: Client) -> None:
    parted = replace(log, cluster=client, piece_bytes=1)
    assert len(parted.pieces()) > 2
    found, expected = TABLES[name](parted), TABLES[name](log)
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


def test_a_log_that_changes_is_asked_anew(tmp_path: Path, client: Client) -> None:
    """What dask remembers of a question is not its answer any more."""
    url = f"shelf://{tmp_path}"
    write_log(LOG.head(200), f"{url}/log-0001.parquet")
    log = scan_log(url, cluster=client)
    assert len(outcomes(log)) < len(outcomes(LOG))
    write_log(LOG, f"{url}/log-0001.parquet")
    assert len(outcomes(log)) == len(outcomes(LOG))


def test_a_worker_that_is_lost_is_made_up_for(log: Scan, client: Client) -> None:
    os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)
    parted = replace(log, cluster=client, piece_bytes=1)
    pd.testing.assert_frame_equal(outcomes(parted), outcomes(log), check_exact=True)


def test_a_workers_error_is_told_here(tmp_path: Path, client: Client) -> None:
    (tmp_path / "log.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(SMTPBookError, match=r"log\.parquet"):
        outcomes(scan_log(tmp_path, cluster=client))
