"""Order: what a sender is told before it begins.

It is told the secrets of accounts aside, and not in the order itself; and instead of a
callable that gives one, as a token's, it gets one that asks the process that began.
"""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType
from typing import Any

from smtpbook.accounts.account import Account
from smtpbook.accounts.passwords import Password
from smtpbook.accounts.secret import Secret
from smtpbook.cluster.order import secrets_of
from smtpbook.delivery.settings import Settings
from smtpbook.errors import LocalProtocolError


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a sender needs.

    Attributes
    ----------
    folder : Path
        The campaign's.
    accounts : mapping of Account to float
        With their shares.
    settings : Settings
        The connections are this sender's; there are no stop rules.
    log : str
        What the names of its event log's files begin with.
    company : int
        How many senders there are.
    began : float
        When the send began, in seconds since 1970 UTC: what was begun before counts for the
        pace of all, and what they begin for each one's own.
    """

    folder: Path
    accounts: Mapping[Account, float]
    settings: Settings
    log: str
    company: int
    began: float


def packed(order: Order) -> tuple[Secret, bytes, list[Password]]:
    """Give an order as octets.

    Returns
    -------
    Secret
        The secrets in it, as JSON.
    bytes
        The order.
    list
        Of each place for a secret, by number: it, or what is asked for it.

    Raises
    ------
    LocalProtocolError
        Something in it cannot be told to another process.
    """
    packer = _Packer(buffer := io.BytesIO(), order)
    try:
        packer.dump(order)
    except (pickle.PicklingError, TypeError, AttributeError) as exc:
        raise LocalProtocolError(
            f"something in the accounts or settings cannot be told to another process "
            f"({exc}); leave processes= out"
        ) from exc
    texts = [s.reveal() if isinstance(s, Secret) else None for s in packer.secrets]
    return Secret(json.dumps(texts)), buffer.getvalue(), packer.secrets


def unpacked(secrets: Secret, order: bytes, ask: Callable[[int], Secret]) -> Order:
    """Give the order again; `ask` is given the number of a secret that was not told."""
    told = [None if one is None else Secret(one) for one in json.loads(secrets.reveal())]
    found: Order = _Unpacker(io.BytesIO(order), told, ask).load()
    return found


class _Packer(pickle.Pickler):
    def __init__(self, file: io.BytesIO, order: Order) -> None:
        super().__init__(file)
        self.secrets: list[Password] = []
        found = (secret for one in order.accounts for _, secret in secrets_of(one))
        self._callables = {id(one) for one in found if callable(one)}

    def persistent_id(self, obj: Any) -> tuple[int, Sequence[str] | None] | None:
        if not isinstance(obj, Secret) and id(obj) not in self._callables:
            return None
        self.secrets.append(obj)
        return len(self.secrets) - 1, getattr(obj, "mechanisms", None)

    def reducer_override(self, obj: Any) -> Any:
        """Tell a function or class whole that the other process could not import."""
        if not isinstance(obj, FunctionType | type) or _is_importable(obj):
            return NotImplemented
        try:
            import cloudpickle
        except ImportError as exc:
            raise pickle.PicklingError(
                f"{obj.__qualname__} is in no module that another process can import: put "
                f"it into a file of its own and import it, or pip install cloudpickle"
            ) from exc
        return pickle.loads, (cloudpickle.dumps(obj),)


def _is_importable(obj: FunctionType | type) -> bool:
    return obj.__module__ != "__main__" and "<" not in obj.__qualname__


class _Unpacker(pickle.Unpickler):
    def __init__(
        self, file: io.BytesIO, told: list[Secret | None], ask: Callable[[int], Secret]
    ) -> None:
        super().__init__(file)
        self._told, self._ask = told, ask

    def persistent_load(self, which: tuple[int, Sequence[str] | None]) -> Password:
        number, mechanisms = which
        secret = self._told[number]
        return _Asking(self._ask, number, mechanisms) if secret is None else secret


@dataclass(frozen=True, slots=True)
class _Asking:
    """A password that the process which began the send gives."""

    ask: Callable[[int], Secret]
    number: int
    mechanisms: Sequence[str] | None  # of SASL, that it serves; None = not known

    def __call__(self) -> Secret:
        return self.ask(self.number)
