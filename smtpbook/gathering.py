"""Gathering: one kind of work on many pieces by a cluster's workers, and its answers here.

The cluster is somebody else's and is there: a dask Client, or any Executor of
`concurrent.futures`.  What is worked at is not known here, and nothing of dask is imported:
whoever has a client has it.  Work is done over where a worker is lost, so it may do no more
than look.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from typing import Any, Final, TypeVar

from smtpbook.errors import SMTPBookError

_Piece = TypeVar("_Piece")
_Answer = TypeVar("_Answer")
# How long the waiting thread sleeps at most: an interrupt does not end a lock on Windows.
_LOOK_S: Final = 0.1


def require_cluster(cluster: Any) -> None:
    """Check that work can be given to it.

    Raises
    ------
    SMTPBookError
        It is neither a dask Client nor an Executor, or a Client that must be awaited.
    """
    if not callable(getattr(cluster, "submit", None)):
        hint = ""
        if callable(getattr(cluster, "get_client", None)):  # as a LocalCluster has it
            hint = "; its client is cluster.get_client()"
        raise SMTPBookError(
            f"cluster= is a dask Client or an Executor, not {type(cluster).__name__}{hint}"
        )
    if getattr(cluster, "asynchronous", False):
        raise SMTPBookError(
            "cluster= is a Client that must be awaited; make one with asynchronous=False"
        )


def gather(
    cluster: Any, work: Callable[..., _Answer], pieces: Iterable[_Piece], lent: Any = None
) -> list[_Answer]:
    """Have work done on each piece; an interrupt calls off what has not begun.

    Parameters
    ----------
    cluster : distributed.Client or Executor
    work : callable
        Takes a piece and ``lent``; the workers import it by its name.
    pieces : iterable
    lent : object
        What all of them need, sent to each worker once.

    Returns
    -------
    list
        The answers, in the order of the pieces.

    Raises
    ------
    Exception
        What the work raises, or the cluster, such as for a piece that kills its workers.
    """
    if callable(getattr(cluster, "scatter", None)) and lent:
        lent = cluster.scatter(lent, broadcast=True, hash=False)
    executor = cluster
    if callable(getattr(cluster, "get_executor", None)):
        # Not pure: files change, and the same question has another answer then.
        executor = cluster.get_executor(pure=False)
    futures: list[Future[_Answer]] = []
    try:
        futures.extend(executor.submit(work, piece, lent) for piece in pieces)
        left: Iterable[Future[_Answer]] = futures
        while left:
            left = wait(left, timeout=_LOOK_S).not_done
            for future in futures:
                if future.done():
                    future.result()  # the first failure is enough
        return [future.result() for future in futures]
    finally:
        for future in futures:
            future.cancel()
