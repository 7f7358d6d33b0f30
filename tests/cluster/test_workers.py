"""What is said of a cluster that is none."""

from __future__ import annotations

import pytest

from smtpbook.cluster.workers import Workers, connect
from smtpbook.errors import LocalProtocolError, TransportError

pytestmark = [pytest.mark.heavy, pytest.mark.side_by_side]  # Dask is imported


def test_what_is_no_client_is_refused_with_an_example() -> None:
    with pytest.raises(LocalProtocolError, match="Client"):
        Workers("tcp://x")  # type: ignore[arg-type]


@pytest.mark.parametrize("address", ["", "tcp://", "nonsense://x"])
def test_what_is_no_address_is_refused_with_an_example(address: str) -> None:
    with pytest.raises(LocalProtocolError, match="tcp://"):
        connect(address)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ws://127.0.0.1:1/dask"])
def test_any_address_that_dask_knows_is_tried(address: str) -> None:
    import dask
    import distributed  # noqa: F401 - its settings come with it, and go with the one here

    with (
        dask.config.set({"distributed.comm.timeouts.connect": "1s"}),
        pytest.raises(TransportError, match="start one by: dask scheduler"),
    ):
        connect(address)
