"""Registry: which mechanisms there are, and which ones a login uses.

One table.  What a secret is good for is decided here, once: a token is never sent where a
password is asked for, and nothing secret goes in clear text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from smtpbook.errors import LocalProtocolError, near_miss
from smtpbook.sasl import scram
from smtpbook.sasl.cram_md5 import CramMd5, CramMd5Server
from smtpbook.sasl.external import (
    ANYBODY,
    Anonymous,
    AnonymousServer,
    External,
    ExternalServer,
)
from smtpbook.sasl.mechanism import ClientMechanism, Credentials, Known, ServerMechanism
from smtpbook.sasl.oauth import OAuthBearer, OAuthBearerServer, XOAuth2, XOAuth2Server
from smtpbook.sasl.plain import Login, LoginServer, Plain, PlainServer


@dataclass(frozen=True, slots=True)
class _Entry:
    """A mechanism's two sides; None = not made here."""

    client: Callable[[Credentials], ClientMechanism] | None
    server: Callable[[Known], ServerMechanism] | None
    sends_secret: bool = False
    binds: bool = False  # to the TLS connection


# Strongest first:
# - SCRAM, in its own order: the password is not sent, the server need not keep it, and has
#   to prove itself;
# - CRAM-MD5: not sent either, but the server has to keep it as it is, and proves nothing;
# - PLAIN and LOGIN send it.  PLAIN is a standard; LOGIN never was, and asks twice;
# - of the tokens' two the standard one first.
# What is below is used only by name: it needs what an account does not tell.
_TABLE: Final = {
    **{
        name: _Entry(
            partial(scram.Scram, name),
            partial(scram.ScramServer, name),
            binds=name.endswith("-PLUS"),
        )
        for name in scram.NAMES
    },
    "CRAM-MD5": _Entry(CramMd5, CramMd5Server),
    "PLAIN": _Entry(Plain, PlainServer, sends_secret=True),
    "LOGIN": _Entry(Login, LoginServer, sends_secret=True),
    "OAUTHBEARER": _Entry(OAuthBearer, OAuthBearerServer, sends_secret=True),
    "XOAUTH2": _Entry(XOAuth2, XOAuth2Server, sends_secret=True),
    "EXTERNAL": _Entry(External, ExternalServer),
    "ANONYMOUS": _Entry(Anonymous, AnonymousServer),
    "GSSAPI": _Entry(None, None),
    "NTLM": _Entry(None, None),
}
MECHANISMS: Final = tuple(_TABLE)
BY_PASSWORD: Final = (*scram.NAMES, "CRAM-MD5", "PLAIN", "LOGIN")
"""What a password is good for."""
BY_TOKEN: Final = ("OAUTHBEARER", "XOAUTH2")
"""What an OAuth 2.0 access token is good for."""
BY_DOMAIN: Final = ("GSSAPI", "NTLM")
"""What a Kerberos realm or a Windows domain vouches for; `session.domain` makes them."""
WITHOUT_SECRET: Final = ("EXTERNAL", "ANONYMOUS")
"""What needs no secret."""
WITHOUT_NAME: Final = (*WITHOUT_SECRET, "GSSAPI")
"""What needs no user name; GSSAPI's may stand in a ticket."""


def check_mechanism(name: str) -> None:
    """Refuse what is neither ``"auto"`` nor a mechanism's name.

    Raises
    ------
    ValueError
        The near miss is suggested.
    """
    if not isinstance(name, str) or (name != "auto" and name.upper() not in _TABLE):
        raise ValueError(
            f"auth={name!a} is not 'auto' or one of {', '.join(MECHANISMS)}"
            f"{near_miss(str(name).upper(), ('auto', *MECHANISMS))}"
        )


def choose(
    wanted: str,
    offered: Iterable[str],
    *,
    is_private: bool,
    can_bind: bool = False,
    serves: Sequence[str] | None = None,
) -> tuple[str, ...]:
    """Choose the mechanisms to log in with.

    Parameters
    ----------
    wanted : str
        ``"auto"`` for those that the secret serves, or a mechanism's name.
    offered : iterable of str
        What EHLO's AUTH line says, in capitals.
    is_private : bool
        Under TLS, or never leaving this machine: only then may the secret itself be sent.
    can_bind : bool
        Under TLS, and the server's certificate has a ``tls-server-end-point``.
    serves : sequence of str, optional
        What the secret is good for, and nothing else, such as `BY_TOKEN`.  None = nobody
        said: a password, unless `wanted` names another mechanism.

    Returns
    -------
    tuple of str, length >= 1
        Strongest first: the next is for when the server does not want the one before.

    Raises
    ------
    LocalProtocolError
        Nothing fits: not offered, not known here, not for this secret, nothing to bind to,
        or the secret would travel in the clear.

    >>> choose("auto", ["LOGIN", "SCRAM-SHA-256", "PLAIN"], is_private=True)
    ('SCRAM-SHA-256', 'PLAIN', 'LOGIN')
    >>> choose("auto", ["PLAIN", "XOAUTH2"], is_private=True, serves=BY_TOKEN)
    ('XOAUTH2',)
    """
    offers = list(offered)
    if wanted == "auto":
        return _strongest(offers, is_private, can_bind, serves)
    name = wanted.upper()
    if name not in _TABLE:
        raise LocalProtocolError(
            f"mechanism {wanted!r} is not known here; there are {', '.join(MECHANISMS)}"
            f"{near_miss(name, MECHANISMS)}"
        )
    if serves is not None and name not in serves:
        raise LocalProtocolError(
            f"{name} is not for this secret, which serves {', '.join(serves)}; "
            'use auth="auto"'
        )
    if name not in offers:
        raise LocalProtocolError(f"the server does not offer {name}; {_told(offers)}")
    if _TABLE[name].sends_secret and not is_private:
        raise LocalProtocolError(f"{name} would send the secret in clear text; use TLS")
    if _TABLE[name].binds and not can_bind:
        raise LocalProtocolError(
            f"{name} binds the login to the server's TLS certificate, and there is none, "
            f"or none that can be bound to; use {name.removesuffix('-PLUS')}"
        )
    return (name,)


def _strongest(
    offers: list[str], is_private: bool, can_bind: bool, serves: Sequence[str] | None
) -> tuple[str, ...]:
    what = "a password" if serves is None else "this secret"
    good_for = BY_PASSWORD if serves is None else serves
    fits = [
        name
        for name, entry in _TABLE.items()
        if name in good_for and name in offers and (can_bind or not entry.binds)
    ]
    if not fits:
        raise LocalProtocolError(
            f"no common mechanism: {_told(offers)}, {what} serves {', '.join(good_for)}"
        )
    if not is_private:
        fits = [name for name in fits if not sends_secret(name)]
    if not fits:
        raise LocalProtocolError(
            f"the server offers only mechanisms that would send {what} in clear text; "
            'use tls="starttls" or tls="implicit" (RFC 4954 section 4)'
        )
    return tuple(fits)


def _told(offers: list[str]) -> str:
    return f"the server offers {', '.join(offers) or 'none'}"


def sends_secret(name: str) -> bool:
    """Whether a mechanism says the secret itself."""
    return _TABLE[name].sends_secret


def tells_binding(name: str, offered: Iterable[str]) -> bool:
    """Whether a login tells the server something of the TLS connection it is used on.

    SCRAM without -PLUS tells that it could, but only to servers that do not offer -PLUS:
    others would take it for a sign that their offer was removed (RFC 5802 section 6).
    """
    if name in scram.NAMES and not name.endswith("-PLUS"):
        return not any(other.endswith("-PLUS") for other in offered)
    return name in scram.NAMES or name == "NTLM"


def client(name: str, credentials: Credentials) -> ClientMechanism:
    """Make the client's side of a mechanism of `MECHANISMS` that is not in `BY_DOMAIN`.

    Raises
    ------
    LocalProtocolError
        User name or secret hold a character that no field may hold.
    """
    make = _TABLE[name].client
    assert make is not None
    return make(credentials)


def servable(known: Known) -> tuple[str, ...]:
    """Give the mechanisms that a server can offer, knowing this, strongest first."""
    return tuple(name for name in _TABLE if _is_servable(name, known))


def _is_servable(name: str, known: Known) -> bool:
    match name:
        case "EXTERNAL":
            return known.identity != ""
        case "ANONYMOUS":
            return ANYBODY in known.passwords
        case _:
            is_bound = known.binding != b"" or not _TABLE[name].binds
            return _TABLE[name].server is not None and is_bound and bool(known.passwords)


def server(name: str, known: Known) -> ServerMechanism:
    """Make the server's side of a mechanism that `servable` gives."""
    make = _TABLE[name].server
    assert make is not None
    return make(known)
