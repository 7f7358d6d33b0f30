"""Private keys: read from wherever they are kept, and never shown.

A key may be PEM text, a file, an object of `cryptography`, a secret or a function that
gives one of these.  What is read stays in a `Hidden`.  Nothing here signs, and nothing
protects a key from code that asks for it by `reveal`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Generic, NoReturn, Protocol, TypeVar

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_private_key

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

MASK: Final = "••••••"


class Hidden(Generic[T]):
    """Anything that must not be seen: it masks itself and is not pickled.

    >>> Hidden("-----BEGIN PRIVATE KEY-----")
    Hidden(••••••)

    Raises
    ------
    TypeError
        On pickling: a key does not travel; the other side reads it itself.
    """

    # A closure, because tools that list attributes would show the value.
    __slots__ = ("reveal",)
    reveal: Callable[[], T]

    def __init__(self, value: T) -> None:
        self.reveal = lambda: value

    def __repr__(self) -> str:
        return f"Hidden({MASK})"

    def __copy__(self) -> Hidden[T]:
        return self

    def __deepcopy__(self, memo: object) -> Hidden[T]:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a private key is not pickled; let the other process read it itself"
        )


class Revealing(Protocol):
    """A `Hidden`, or a secret of `accounts`."""

    @property
    def reveal(self) -> Callable[[], Any]:
        """Gives what is hidden."""


Source = str | bytes | Path | Callable[[], Any] | Revealing
"""Where octets may come from: themselves, a file, a secret, or whom to ask."""


def hiding(*names: str) -> Callable[[F], F]:
    """Let a function see these arguments as `Hidden` only, and none too many.

    A traceback that shows locals would show them otherwise, whatever raises.
    """

    def decorate(function: F) -> F:
        places = [
            parameter.name
            for parameter in inspect.signature(function).parameters.values()
            if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        ]
        seen = [place for place, name in enumerate(places) if name not in names]

        @functools.wraps(function)
        def hidden(*args: Any, **given: Any) -> Any:
            args = tuple(
                arg if place in seen else _hidden(arg) for place, arg in enumerate(args)
            )
            for name in given.keys() & set(names):
                given[name] = _hidden(given[name])
            return function(*args, **given)

        return hidden  # type: ignore[return-value]

    return decorate


def _hidden(value: Any) -> Hidden[Any]:
    return value if isinstance(value, Hidden) else Hidden(value)


def load_private_key(source: Any, password: Any = None) -> Hidden[PrivateKeyTypes]:
    """Read a private key.

    Parameters
    ----------
    source : Hidden
        As for `octets_of`, or of a private key of `cryptography`.
    password : Hidden, optional
        As for `password_of`: the passphrase of encrypted PEM.

    Raises
    ------
    ValueError
        It is none of these, the file cannot be read, or the passphrase is not the right
        one.  The message shows nothing of a key.
    """
    octets = Hidden(octets_of(source, "key"))
    loaded = _loaded(octets.reveal(), password_of(password))
    if isinstance(loaded, str):
        raise ValueError(loaded)
    return Hidden(loaded)


def octets_of(source: Any, field: str) -> Any:
    """Give the octets that a source stands for, or else the object it is.

    Parameters
    ----------
    source : Hidden
        Of PEM as bytes or str, the path of a file, a secret (anything with ``reveal()``),
        or a callable that gives one of these.
    field : str
        What to call it in errors.

    Raises
    ------
    ValueError
        A file cannot be read.  Text without a full stop is not shown: it may be a key.
    """
    given = Hidden(_asked(source.reveal()))
    if not isinstance(given.reveal(), str | Path):
        return given.reveal()
    if "-----BEGIN" in str(given.reveal()):
        return str(given.reveal()).encode()
    read = _read(given.reveal())
    if isinstance(read, str):
        # base64 has no full stop.
        is_name = "." in str(given.reveal()) and len(str(given.reveal())) < 256
        shown = ascii(str(given.reveal())) if is_name else "what was given"
        raise ValueError(
            f"{field}= is neither PEM nor a file that can be read ({shown}: {read})"
        )
    return read


def password_of(source: Any) -> bytes | None:
    """Give a password as octets; None = there is none.

    Parameters
    ----------
    source : Hidden or None
        Of str, bytes, None, a secret, or a callable that gives one of these.

    Raises
    ------
    ValueError
        It is something else.
    """
    given = Hidden(_asked(source.reveal() if source is not None else None))
    if isinstance(given.reveal(), str):
        return str(given.reveal()).encode()
    if isinstance(given.reveal(), bytes | None):
        octets: bytes | None = given.reveal()
        return octets
    kind = type(given.reveal()).__name__
    raise ValueError(f"password= is text or octets, not {kind}")


def _asked(value: Any) -> Any:
    """Ask secrets and callables until there is something else."""
    while True:
        if callable(reveal := getattr(value, "reveal", None)):
            value = reveal()
        elif callable(value):
            value = value()
        else:
            return value


def _read(path: str | Path) -> bytes | str:
    """Give what the file holds, or what is wrong; an error would hold its name."""
    try:
        return Path(path).read_bytes()
    except OSError as exc:
        return exc.strerror or "it cannot be read"
    except ValueError:  # a NUL
        return "this is not the name of a file"


def _loaded(octets: Any, password: bytes | None) -> PrivateKeyTypes | str:
    """Give the key, or what is wrong; raised from here, a traceback would hold the PEM."""
    if hasattr(octets, "private_bytes"):
        key: PrivateKeyTypes = octets
        return key
    if not isinstance(octets, bytes):
        return (
            f"key= is PEM, the path of a PEM file, a private key of cryptography, or a "
            f"function that gives one of these; not {type(octets).__name__}"
        )
    try:
        return load_pem_private_key(octets, password)
    except TypeError:
        if password is None:
            return "key= is encrypted: its passphrase is missing"
        return "key= is not encrypted, but a passphrase was given"
    except (ValueError, UnsupportedAlgorithm):
        if password is not None:
            return "key= cannot be read: another passphrase, or no private key in PEM"
        return "key= holds no private key in PEM (-----BEGIN PRIVATE KEY-----)"
