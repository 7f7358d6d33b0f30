"""Real servers, one of each for the whole run of the tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TypeVar

import pytest

from tests.servers.dovecot import Dovecot
from tests.servers.mariadb import MariaDB
from tests.servers.postfix import Postfix
from tests.servers.postgresql import PostgreSQL
from tests.servers.process import ServerMissing

Server = TypeVar("Server", bound=AbstractContextManager[object])


@pytest.fixture(scope="session")
def postfix() -> Iterator[Postfix]:
    """A private Postfix on loopback; where there can be none, the test is skipped."""
    yield from _started(Postfix.start)


@pytest.fixture(scope="session")
def dovecot() -> Iterator[Dovecot]:
    """A private Dovecot on loopback; where there can be none, the test is skipped."""
    yield from _started(Dovecot.start)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A private PostgreSQL on loopback; where there can be none, the test is skipped."""
    yield from _started(PostgreSQL.start)


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDB]:
    """A private MariaDB on loopback; where there can be none, the test is skipped."""
    yield from _started(MariaDB.start)


def _started(start: Callable[[], Server]) -> Iterator[Server]:
    try:
        server = start()
    except ServerMissing as exc:
        pytest.skip(str(exc))
    with server:
        yield server
