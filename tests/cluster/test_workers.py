"""What is said of a cluster that is none."""

from __future__ import annotations

import pytest

from smtpbook.cluster.workers import Workers, connect
from smtpbook.errors import LocalProtocolError

pytestmark = [pytest.mark.heavy, pytest.mark.side_by_side]  # Dask is imported


def test_what_is_no_client_is_refused_with_an_example() -> None:
    with pytest.raises(LocalProtocolError, match="Client"):
        Workers("tcp://x")  # type: ignore[arg-type]


@pytest.mark.parametrize("address", ["", "nonsense://x"])
def test_what_is_no_address_is_refused_with_an_example(address: str) -> None:
    with pytest.raises(LocalProtocolError, match="tcp://"):
        connect(address)
