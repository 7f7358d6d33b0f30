"""Workers: the processes of a Dask cluster, as far as a send needs them.

A sender is a task that is bound to one worker, runs outside the worker's thread pool (so
that the cluster stays free for analysis) and outlives whoever submitted it.  Should the
scheduler run one again, nobody gets a message twice: it claims from the ledger as all do.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from smtpbook.cluster import sender
from smtpbook.cluster.order import Order, dealt
from smtpbook.errors import LocalProtocolError, SMTPBookError, TransportError

if TYPE_CHECKING:
    from distributed import Client

_PROOF_S: Final = 120.0  # for a slow server, and for a keyring that somebody unlocks


def connect(address: str) -> Client:
    """Connect with a cluster's scheduler.

    Parameters
    ----------
    address : str
        ``tcp://scheduler:8786``, or a TLS one where Dask's own settings have certificates.

    Raises
    ------
    TransportError
        Nobody answers there.
    LocalProtocolError
        It is no address, or Dask is not installed.
    """
    with _installed():
        from distributed import Client
        from distributed.comm.addressing import parse_address
        from distributed.comm.registry import get_backend
    try:
        scheme, place = parse_address(address)
        get_backend(scheme)  # before Dask starts a thread for it
        if not place:
            raise ValueError("no scheduler is named")
        return Client(address)  # type: ignore[no-untyped-call]
    except OSError as exc:
        raise TransportError(
            f"no scheduler answers at {address!a}: {exc}; start one by: dask scheduler"
        ) from exc
    except (TypeError, ValueError) as exc:
        raise LocalProtocolError(
            f"{address!a} is no scheduler's address; one is tcp://scheduler:8786"
        ) from exc


@contextmanager
def _installed() -> Iterator[None]:
    try:
        yield
    except ImportError as exc:
        raise LocalProtocolError(
            "a cluster needs Dask, which is not installed: pip install 'smtpbook[cluster]'"
        ) from exc


def check_told(told: object) -> None:
    """Refuse what no worker can be told.

    Raises
    ------
    LocalProtocolError
        It is such, or Dask is not installed.
    """
    with _installed():
        import cloudpickle  # as Dask does
    try:
        cloudpickle.dumps(told)
    except (pickle.PicklingError, TypeError, AttributeError) as exc:
        raise LocalProtocolError(
            f"something in accounts or settings cannot be told to a worker ({exc}); a "
            f"function must hold nothing such, and what signs a way to unsubscribe is "
            f"given as a path, or as FromEnvironment('NAME')"
        ) from exc


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What a sender came to.

    Attributes
    ----------
    worker : str
        Its address.
    stopped : str or None
        Why a stop rule ended it; None = none did.
    error : Exception or None
        Why it failed; None = it did not, or its worker is gone.
    """

    worker: str
    stopped: str | None = None
    error: Exception | None = None


class Workers:
    """The workers of a cluster, and the senders that were started here.

    Parameters
    ----------
    client : distributed.Client
        One that is not asynchronous.

    Raises
    ------
    LocalProtocolError
        It is none, or Dask is not installed.
    """

    def __init__(self, client: Client) -> None:
        with _installed():
            from distributed import Client, fire_and_forget
        if not isinstance(client, Client) or client.asynchronous:
            raise LocalProtocolError(
                f"cluster={client!r}: it is a Client of dask.distributed that is not "
                f"asynchronous, such as Client('tcp://scheduler:8786')"
            )
        self._client: Any = client
        self._keep: Any = fire_and_forget
        self._senders: dict[str, Any] = {}

    def there(self) -> list[str]:
        """Name the workers that the scheduler knows; none if it does not answer."""
        if self._client.status != "running":  # or it would be waited for
            return []
        try:
            return sorted(self._client.ncores())
        except Exception:  # whatever a lost connection raises: it comes back, or does not
            return []

    def prove(self, order: Order) -> None:
        """Have every worker see whether a send from there would go.

        Raises
        ------
        SMTPBookError
            It would not; the error is the first such worker's, and a note names that.
        TransportError
            There is no worker, or one does not answer.
        """
        there = self.there()
        if not there:
            raise TransportError("the cluster has no worker")
        proofs = {worker: self._submit(sender.prove, worker, order) for worker in there}
        for worker, proof in proofs.items():
            try:
                proof.result(timeout=_PROOF_S)
            except SMTPBookError as exc:
                exc.add_note(f"on {worker}; nothing was sent")
                raise
            except Exception as exc:
                raise TransportError(
                    f"{worker} cannot prepare ({type(exc).__name__}: {exc}); has it the "
                    f"same smtpbook, and sees it the campaign's folder? Nothing was sent"
                ) from exc

    @property
    def running(self) -> int:
        """How many senders that were started here have not ended."""
        return len(self._senders)

    def start(self, order: Order, avoid: Iterable[str], *, are_first: bool) -> None:
        """Start senders on workers that have none, while there are connections for them.

        Parameters
        ----------
        order : Order
        avoid : iterable of str
            Workers not to use.
        are_first : bool
            No other sends, so that each can begin with its part of the connections.
        """
        idle = [w for w in self.there() if w not in self._senders and w not in set(avoid)]
        connections, least = order.settings.connections, order.least
        room = connections // least - len(self._senders)
        shares = dealt(connections, len(idle), least) if are_first else [0] * room
        for worker, share in zip(idle, shares, strict=False):
            task = self._submit(sender.serve, worker, replace(order, share=share))
            self._keep(task)
            self._senders[worker] = task

    def ended(self) -> list[Ended]:
        """Give the senders that have ended since it was last asked."""
        there, found = set(self.there()), []
        for worker, task in list(self._senders.items()):
            if task.status == "finished":
                found.append(Ended(worker=worker, stopped=task.result()))
            elif task.status == "error":
                error = task.exception()
                found.append(Ended(worker=worker, error=error))
            elif task.status in ("cancelled", "lost") or (there and worker not in there):
                found.append(Ended(worker=worker))
                task.cancel(force=True)
            else:
                continue
            del self._senders[worker]
        return found

    def _submit(self, function: Any, worker: str, order: Order) -> Any:
        return self._client.submit(
            _outside,
            function,
            order,
            workers=[worker],
            allow_other_workers=False,
            pure=False,
            retries=0,
        )


def _outside(function: Any, order: Order) -> Any:
    """Do it outside the pool of threads in which a worker computes."""
    from distributed import secede

    secede()  # type: ignore[no-untyped-call]
    return function(order)
