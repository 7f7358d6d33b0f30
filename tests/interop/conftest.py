"""Real servers, one of each for the whole run of the tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TypeVar

import pytest

from tests.servers.aiosmtpd import AioLMTPD, AioSMTPD
from tests.servers.dovecot import Dovecot, Submission
from tests.servers.exim import Exim
from tests.servers.mariadb import MariaDB
from tests.servers.opensmtpd import OpenSMTPD
from tests.servers.postfix import Postfix
from tests.servers.process import ServerMissing
from tests.servers.spam_filters import Rspamd, SpamAssassin

Server = TypeVar("Server", bound=AbstractContextManager[object])


@pytest.fixture(scope="session")
def dovecot() -> Iterator[Dovecot]:
    """A private Dovecot on loopback; where there can be none, the test is skipped."""
    yield from _started(Dovecot.start)


@pytest.fixture(scope="session")
def postfix(dovecot: Dovecot) -> Iterator[Postfix]:
    """A private Postfix on loopback; where there can be none, the test is skipped."""
    yield from _started(lambda: Postfix.start(auth_port=dovecot.auth_port))


@pytest.fixture(scope="session")
def submission(postfix: Postfix) -> Iterator[Submission]:
    """Dovecot's submission service; where there can be none, the test is skipped."""
    yield from _started(lambda: Submission.start(postfix))


@pytest.fixture(scope="session")
def exim() -> Iterator[Exim]:
    """A private Exim on loopback; where there can be none, the test is skipped."""
    yield from _started(Exim.start)


@pytest.fixture(scope="session")
def opensmtpd() -> Iterator[OpenSMTPD]:
    """A private OpenSMTPD on loopback; where there can be none, the test is skipped."""
    yield from _started(OpenSMTPD.start)


@pytest.fixture(scope="session")
def aiosmtpd() -> Iterator[AioSMTPD]:
    """A private aiosmtpd on loopback."""
    yield from _started(AioSMTPD.start)


@pytest.fixture(scope="session")
def aiolmtpd() -> Iterator[AioLMTPD]:
    """The same, but LMTP."""
    yield from _started(AioLMTPD.start)


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDB]:
    """A private MariaDB on loopback; where there can be none, the test is skipped."""
    yield from _started(MariaDB.start)


@pytest.fixture(scope="session")
def rspamd() -> Iterator[Rspamd]:
    """A private rspamd on loopback; where there can be none, the test is skipped."""
    yield from _started(Rspamd.start)


@pytest.fixture(scope="session")
def spamd() -> Iterator[SpamAssassin]:
    """A private spamd on loopback; where there can be none, the test is skipped."""
    yield from _started(SpamAssassin.start)


def _started(start: Callable[[], Server]) -> Iterator[Server]:
    try:
        server = start()
    except ServerMissing as exc:
        pytest.skip(str(exc))
    with server:
        yield server
