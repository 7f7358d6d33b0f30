"""Real mail servers, one of each for the whole run of the tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.postfix import Postfix
from tests.servers.process import ServerMissing


@pytest.fixture(scope="session")
def postfix() -> Iterator[Postfix]:
    """A private Postfix on loopback; where there can be none, the test is skipped."""
    try:
        server = Postfix.start()
    except ServerMissing as exc:
        pytest.skip(str(exc))
    with server:
        yield server
