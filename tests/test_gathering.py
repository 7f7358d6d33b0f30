"""Work is done on every piece, by whatever cluster there is, or it is told why not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

import pytest

from smtpbook.errors import SMTPBookError
from smtpbook.gathering import gather, require_cluster


@pytest.fixture
def executor() -> Iterator[Executor]:
    with ThreadPoolExecutor(2) as executor:
        yield executor


def test_answers_come_in_the_order_of_the_pieces(executor: Executor) -> None:
    second = threading.Event()

    def work(piece: int, lent: int) -> int:
        if piece == 0:
            assert second.wait(30)
        second.set()
        return piece * lent

    assert gather(executor, work, range(4), 10) == [0, 10, 20, 30]
    assert gather(executor, work, []) == []


def test_the_first_failure_is_raised_and_what_has_not_begun_is_called_off() -> None:
    begun = []

    def work(piece: int, lent: object) -> None:
        begun.append(piece)
        raise SMTPBookError("damaged")

    is_let = threading.Event()
    with ThreadPoolExecutor(1) as executor:

        def one(piece: int, lent: object) -> None:
            if piece:
                assert is_let.wait(30)
            work(piece, lent)

        with pytest.raises(SMTPBookError, match="damaged"):
            gather(executor, one, range(5))
        is_let.set()
    assert begun in ([0], [0, 1])


def test_a_cluster_that_answers_nothing_can_be_interrupted() -> None:
    class Silent(Executor):
        given: list[Future[Any]]

        def submit(self, *args: Any, **options: Any) -> Future[Any]:
            self.given = [*getattr(self, "given", []), Future()]
            if len(self.given) == 3:
                raise KeyboardInterrupt
            return self.given[-1]

    silent = Silent()
    with pytest.raises(KeyboardInterrupt):
        gather(silent, print, range(5))
    assert [future.cancelled() for future in silent.given[:2]] == [True, True]


class Somebody:
    """A cluster of dask, which is none itself."""

    def get_client(self) -> None: ...


class Awaited:
    """A client of a program that is asynchronous."""

    asynchronous = True

    def submit(self) -> None: ...


@pytest.mark.parametrize(
    ("cluster", "said"),
    [
        (Somebody(), r"not Somebody; its client is cluster\.get_client\(\)"),
        ("tcp://scheduler:8786", "a dask Client or an Executor, not str"),
        (Awaited(), "make one with asynchronous=False"),
    ],
)
def test_what_is_no_cluster_is_told(cluster: object, said: str) -> None:
    with pytest.raises(SMTPBookError, match=said):
        require_cluster(cluster)
