"""Passwords: where an account gets its secret from when it does not hold it.

The keyring of the operating system, an environment variable, or somebody who is asked.
Each is a small callable that can be saved by name, compared and sent to another process,
because the secret is not in it.  Which one an account uses is said by `Account.password`.
"""

from __future__ import annotations

import functools
import getpass
import inspect
import os
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from smtpbook.accounts.secret import Secret
from smtpbook.errors import LocalProtocolError, near_miss

T = TypeVar("T")

Password = Secret | Callable[[], str | Secret] | str | None
"""What a field that takes a secret may be given: itself, or who is asked for it."""

SERVICE: Final = "smtpbook"
"""What the keyring calls us."""


@dataclass(frozen=True, slots=True)
class FromEnvironment:
    """A password in an environment variable.

    >>> FromEnvironment("MAIL_PASSWORD")
    FromEnvironment(variable='MAIL_PASSWORD')
    """

    variable: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", self.variable):
            raise ValueError(f"{self.variable!a} is not the name of a variable")

    def __call__(self) -> Secret:
        """Read it now.

        Raises
        ------
        LocalProtocolError
            It is not set, or empty.
        """
        # One expression: a traceback with locals finds no variable that holds the text.
        if not os.environ.get(self.variable):
            raise LocalProtocolError(
                f"no password: the environment variable {self.variable} is not set"
            )
        return Secret(os.environ[self.variable])


@dataclass(frozen=True, slots=True)
class FromKeyring:
    """A password in the keyring of the operating system.

    The environment variable ``SMTPBOOK_PASSWORD_`` and the entry's name in capitals goes
    before it, so that a saved account works where there is no keyring.

    Parameters
    ----------
    entry : str
        What it is kept under: a saved account's name, or what the account is called.
    """

    entry: str

    def __call__(self) -> Secret:
        """Look it up now; it may block while somebody unlocks the keyring.

        Raises
        ------
        LocalProtocolError
            It is not there, or there is no keyring; the message lists the other ways.
        """
        secret = find(self.entry)
        if secret is None:
            raise LocalProtocolError(
                f"no password for {self.entry}: none is in the keyring; "
                f"{_choices(self.entry)}"
            )
        return secret


@dataclass(frozen=True, slots=True)
class FromPrompt:
    """A password somebody types, unseen, when it is needed."""

    def __call__(self, name: str = "") -> Secret:
        """Ask now, on this thread.

        Parameters
        ----------
        name : str
            Whose password; shown.

        Raises
        ------
        LocalProtocolError
            There is nobody to ask, or nothing was typed.
        """
        whose = name or "the account"
        question = f"password for {name}: " if name else "password: "
        try:
            with warnings.catch_warnings():
                # Rather not at all than on a screen that shows what is typed.
                warnings.simplefilter("error", getpass.GetPassWarning)
                typed = Secret(getpass.getpass(question))
        # NotImplementedError is a notebook's, when nobody sits before it.
        except (EOFError, OSError, NotImplementedError, getpass.GetPassWarning):
            raise LocalProtocolError(
                f"no password for {whose}: nobody can be asked here; {_choices(name)}"
            ) from None
        if not typed:
            raise LocalProtocolError(f"no password for {whose}: nothing was typed")
        return typed


def hidden(password: Any) -> Any:
    """Make a plain password a `Secret`; what cannot be one leaves its type behind.

    It may be a password all the same (bytes, a number), and is not to be shown.
    """
    if isinstance(password, str):
        return Secret(password)
    if password is None or isinstance(password, Secret) or callable(password):
        return password
    return type(password)


def revealed(password: Password) -> Secret | None:
    """Give the secret of such a field now: a callable is asked, which may block."""
    if password is None or isinstance(password, Secret):
        return password
    given = hidden(password() if callable(password) else password)
    return given if isinstance(given, Secret) else None


def hiding(**how: Callable[[Any], Any]) -> Callable[[type[T]], type[T]]:
    """Let a dataclass's ``__init__`` see no plain secret in some of its fields.

    A traceback with locals would show it, whichever field is refused.

    Parameters
    ----------
    **how : callable
        By field: what makes of its value one that shows nothing, such as `hidden`.
    """

    def of(cls: type[T]) -> type[T]:
        init: Callable[..., None] = cls.__init__

        names = tuple(inspect.signature(init).parameters)[1:]

        @functools.wraps(init)
        def hide(self: T, **fields: Any) -> None:
            for name in fields.keys() - set(names):
                fields.clear()  # a misspelt password is one, too
                raise TypeError(
                    f"{cls.__name__} has no field {name!r}{near_miss(name, names)}"
                )
            for name in how.keys() & fields.keys():
                fields[name] = how[name](fields[name])
            init(self, **fields)

        cls.__init__ = hide  # type: ignore[assignment]
        return cls

    return of


def check_hidden(value: object, name: str) -> None:
    """Refuse what `hidden` made of something that is no secret.

    Raises
    ------
    TypeError
    """
    if isinstance(value, type):
        raise TypeError(
            f"a {name} is a string, a Secret or a function, not {value.__name__}"
        )


def variable_of(entry: str) -> str:
    """Give the environment variable that goes before an entry of the keyring.

    >>> variable_of("ann@smtp.example.org")
    'SMTPBOOK_PASSWORD_ANN_SMTP_EXAMPLE_ORG'
    """
    return "SMTPBOOK_PASSWORD_" + re.sub(r"[^A-Z0-9]+", "_", entry.upper())


def find(entry: str) -> Secret | None:
    """Give what is kept under a name: the variable's value, else the keyring's; or None.

    Raises
    ------
    LocalProtocolError
        There is no keyring, or it cannot be opened.
    """
    if os.environ.get(variable_of(entry)):
        return Secret(os.environ[variable_of(entry)])
    return _with_keyring(lambda: _get(entry), "no password for", entry)


def keep(entry: str, secret: Secret) -> Secret | None:
    """Put a secret into the keyring, in place of what was there.

    Returns
    -------
    Secret or None
        What was there.

    Raises
    ------
    LocalProtocolError
        There is no keyring, it cannot be opened, or it does not keep what it is given.
    """

    def put() -> Secret | None:
        import keyring

        before = _get(entry)
        keyring.set_password(SERVICE, entry, secret.reveal())
        # A backend such as keyring.backends.null takes everything and keeps nothing.
        if _get(entry) != secret:
            raise OSError("it forgets what it is given")
        return before

    return _with_keyring(put, "cannot keep the password of", entry)


def forget(entry: str) -> None:
    """Remove what the keyring keeps under a name, if it does.

    Raises
    ------
    LocalProtocolError
        The keyring cannot be opened.  Where there is none, nothing is in it.
    """

    def delete() -> None:
        import keyring
        from keyring.errors import NoKeyringError

        try:
            if _get(entry) is not None:
                keyring.delete_password(SERVICE, entry)
        except NoKeyringError:
            return

    _with_keyring(delete, "cannot remove the password of", entry)


def _get(entry: str) -> Secret | None:
    import keyring

    kept = keyring.get_password(SERVICE, entry)
    return None if kept is None else Secret(kept)


def _with_keyring(action: Callable[[], T], problem: str, entry: str) -> T:
    """Do something with the keyring; whatever it raises becomes our error.

    Backends raise what their bus or their library raises.  The frames below hold the
    password in their variables, so the error goes on without them.
    """
    failure: BaseException
    try:
        return action()
    except BaseException as exc:
        failure = exc.with_traceback(None)
        failure.__context__ = failure.__cause__ = None
    if not isinstance(failure, Exception):
        raise failure
    reason = str(failure).split(". ")[0].rstrip(".") or type(failure).__name__
    raise LocalProtocolError(
        f"{problem} {entry}: the keyring cannot be used ({reason}); {_choices(entry)}"
    )


def _choices(entry: str) -> str:
    variable = f"set the environment variable {variable_of(entry)}, or " if entry else ""
    return f'{variable}give password= a callable, FromEnvironment("NAME") or FromPrompt()'
