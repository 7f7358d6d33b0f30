"""Registry: which mechanisms there are, and which one a login uses.

One table.  What a secret is good for is decided here, once: a token is never sent where a
password is asked for, and nothing secret goes in clear text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from smtpbook.errors import LocalProtocolError, near_miss
from smtpbook.sasl.cram_md5 import CramMd5, CramMd5Server
from smtpbook.sasl.mechanism import ClientMechanism, Credentials, ServerMechanism
from smtpbook.sasl.oauth import OAuthBearer, OAuthBearerServer, XOAuth2, XOAuth2Server
from smtpbook.sasl.plain import Login, LoginServer, Plain, PlainServer


@dataclass(frozen=True, slots=True)
class _Entry:
    client: Callable[[Credentials], ClientMechanism]
    server: Callable[[dict[str, str], str], ServerMechanism]
    sends_secret: bool


# Strongest first; of equal strength, the one most servers implement without faults, and of
# the tokens' two the standard one.
_TABLE: Final = {
    "CRAM-MD5": _Entry(CramMd5, CramMd5Server, False),
    "PLAIN": _Entry(Plain, lambda users, _: PlainServer(users), True),
    "LOGIN": _Entry(Login, lambda users, _: LoginServer(users), True),
    "OAUTHBEARER": _Entry(OAuthBearer, lambda users, _: OAuthBearerServer(users), True),
    "XOAUTH2": _Entry(XOAuth2, lambda users, _: XOAuth2Server(users), True),
}
MECHANISMS: Final = tuple(_TABLE)
BY_PASSWORD: Final = ("CRAM-MD5", "PLAIN", "LOGIN")
"""What a password is good for."""
BY_TOKEN: Final = ("OAUTHBEARER", "XOAUTH2")
"""What an OAuth 2.0 access token is good for."""


def choose(
    wanted: str,
    offered: Iterable[str],
    *,
    is_private: bool,
    serves: Sequence[str] | None = None,
) -> str:
    """Choose the mechanism to log in with.

    Parameters
    ----------
    wanted : str
        ``"auto"`` for the strongest that the secret serves, or a mechanism's name.
    offered : iterable of str
        What EHLO's AUTH line says, in capitals.
    is_private : bool
        Under TLS, or never leaving this machine: only then may the secret itself be sent.
    serves : sequence of str, optional
        What the secret is good for, and nothing else, such as `BY_TOKEN`.  None = nobody
        said: a password, unless `wanted` names another mechanism.

    Raises
    ------
    LocalProtocolError
        Nothing fits: not offered, not known here, not for this secret, or the secret would
        travel in the clear.

    >>> choose("auto", ["LOGIN", "PLAIN"], is_private=True)
    'PLAIN'
    >>> choose("auto", ["PLAIN", "XOAUTH2"], is_private=True, serves=BY_TOKEN)
    'XOAUTH2'
    """
    offers = list(offered)
    if wanted == "auto":
        return _strongest(offers, is_private, serves)
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
    return name


def _strongest(offers: list[str], is_private: bool, serves: Sequence[str] | None) -> str:
    what = "a password" if serves is None else "this secret"
    good_for = BY_PASSWORD if serves is None else serves
    fits = [name for name in _TABLE if name in good_for and name in offers]
    if not fits:
        raise LocalProtocolError(
            f"no common mechanism: {_told(offers)}, {what} serves {', '.join(good_for)}"
        )
    for name in fits:
        if is_private or not _TABLE[name].sends_secret:
            return name
    raise LocalProtocolError(
        f"the server offers only mechanisms that would send {what} in clear text; "
        'use tls="starttls" or tls="implicit" (RFC 4954 section 4)'
    )


def _told(offers: list[str]) -> str:
    return f"the server offers {', '.join(offers) or 'none'}"


def client(name: str, credentials: Credentials) -> ClientMechanism:
    """Make the client's side of a mechanism of `MECHANISMS`.

    Raises
    ------
    LocalProtocolError
        User name or secret hold a character that no field may hold.
    """
    return _TABLE[name].client(credentials)


def server(name: str, passwords: dict[str, str], *, nonce: str) -> ServerMechanism:
    """Make the server's side of a mechanism of `MECHANISMS`.

    Parameters
    ----------
    name : str
    passwords : dict of str to str
        User name to password; for `BY_TOKEN` to token.
    nonce : str
        Unpredictable text for mechanisms with a challenge, such as ``<123@lab.test>``.
    """
    return _TABLE[name].server(passwords, nonce)
