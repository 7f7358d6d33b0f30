"""OAuth 2.0: an access token in place of a password, renewed when it has expired.

`authorize` asks a person once, in a browser, and gives an `OAuthToken`, which goes where a
password goes: ``Account(password=token)``.  The two ways to ask are `oauth_flows`', the
requests `oauth_requests`'.  Nothing is stored here: whoever keeps a token gives the
functions that read and keep its secret.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from threading import Event, Lock
from typing import Final, NoReturn

from smtpbook.accounts.oauth_endpoints import (
    Endpoints,
    Flow,
    check_url,
    find_endpoints,
    host_of,
)
from smtpbook.accounts.oauth_flows import Prompt, by_device, by_loopback
from smtpbook.accounts.oauth_requests import REQUEST, Grant, ask
from smtpbook.accounts.secret import Secret
from smtpbook.errors import OAuthError, near_miss
from smtpbook.sasl.registry import BY_TOKEN

# Renewed this long before the end: clocks differ, and the login still has to be made.
_MARGIN_S: Final = 60.0


class OAuthToken:
    """A source of access tokens, for `Account.password`.

    Called, it gives the current access token, after renewing it if it is about to expire;
    from any thread, one renewal at a time.  Made by `authorize` and `from_settings`.

    Parameters
    ----------
    token_url : str
        The provider's token endpoint.
    client_id, scope : str
    read : callable
        Gives what `keep` was last given; None = nothing is kept.  Asked at each renewal, so
        that two processes can share what is kept.
    keep : callable
        Is given the new secret when the server has changed it (rotation).
    clock : callable
        Seconds since 1970.

    Attributes
    ----------
    mechanisms : tuple of str
        What a token is good for; it is never sent as a password.
    """

    mechanisms = BY_TOKEN

    def __init__(
        self,
        *,
        token_url: str,
        client_id: str,
        scope: str,
        read: Callable[[], Secret | None],
        keep: Callable[[Secret], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        check_url(token_url)
        self._token_url = token_url
        self._client_id = client_id
        self._scope = scope
        self._read = read
        self._keep = keep
        self._clock = clock
        self._lock = Lock()
        self._access: Secret | None = None
        self._due = 0.0

    def __repr__(self) -> str:
        return f"<OAuthToken of {host_of(self._token_url)} for client {self._client_id!r}>"

    def __copy__(self) -> OAuthToken:
        return self

    def __deepcopy__(self, memo: object) -> OAuthToken:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a token is not pickled; let the other process load the account")

    def __call__(self) -> Secret:
        """Give an access token that is still good for a while; it may block.

        Raises
        ------
        OAuthError
            The server gives no more tokens; with ``invalid_grant`` a person must agree
            again.
        TransportError
            The server could not be reached.
        """
        with self._lock:
            if self._access is None or self._clock() >= self._due:
                self._renew()
            assert self._access is not None
            return self._access

    def to_settings(self) -> dict[str, str | int]:
        """Give what may be stored in the open; `from_settings` reads it."""
        return {
            "token_url": self._token_url,
            "client_id": self._client_id,
            "scope": self._scope,
        }

    def refresh_secret(self) -> Secret | None:
        """Give what must be kept secret: the refresh token, and the client's secret if any.

        One text, to be given back as it is.
        """
        return self._read()

    def keep_in(
        self, read: Callable[[], Secret | None], keep: Callable[[Secret], None]
    ) -> None:
        """From now on have the secret read from and kept in another place."""
        with self._lock:
            self._read, self._keep = read, keep

    def take(self, grant: Grant, client: Secret | None) -> None:
        """Take over what the token endpoint has given, and keep a new refresh token.

        Parameters
        ----------
        grant : Grant
        client : Secret or None
            The client's secret; None = a public client.
        """
        self._access = grant.access
        # A token that lives shorter than the margin is used for half its life.
        lifetime_s = max(grant.lifetime_s - _MARGIN_S, grant.lifetime_s / 2)
        self._due = self._clock() + lifetime_s
        if grant.refresh is not None:
            # "the client MUST discard the old refresh token and replace it" -- RFC 6749
            # section 6
            self._keep(_Kept(grant.refresh, client).to_secret())

    def _renew(self) -> None:
        secret = self._read()
        kept = None if secret is None else _Kept.from_secret(secret)
        if kept is None:
            what = "nothing" if secret is None else "no refresh token"
            raise OAuthError(
                f"{what} is kept that {host_of(self._token_url)} would give a token for: "
                "authorize again",
                "invalid_grant",
            )
        url = self._token_url
        grant = ask(
            lambda session: Grant.of(
                session.refresh_token(url, refresh_token=kept.refresh.reveal(), **REQUEST),
                url,
            ),
            url=url,
            client_id=self._client_id,
            client_secret=kept.client,
            hide=(kept.refresh,),
        )
        # Authlib gives the old refresh token back where the server gave none.
        if grant.refresh == kept.refresh:
            grant = replace(grant, refresh=None)
        self.take(grant, kept.client)


@dataclass(frozen=True, slots=True)
class _Kept:
    """The two secrets of a token, which are kept as one text."""

    refresh: Secret
    client: Secret | None

    def to_secret(self) -> Secret:
        """Give them as one text."""
        fields = {"refresh_token": self.refresh.reveal()}
        if self.client is not None:
            fields["client_secret"] = self.client.reveal()
        return Secret(json.dumps(fields))

    @classmethod
    def from_secret(cls, secret: Secret) -> _Kept | None:
        """Read them back; None = the text is something else."""
        try:
            fields = json.loads(secret.reveal())
            client = fields.get("client_secret")
            return cls(Secret(fields["refresh_token"]), Secret(client) if client else None)
        except (ValueError, TypeError, KeyError, AttributeError):
            return None


def from_settings(
    settings: Mapping[str, str | int],
    refresh: Callable[[], Secret | None],
    keep: Callable[[Secret], None],
    *,
    clock: Callable[[], float] = time.time,
) -> OAuthToken:
    """Make a token again from what was stored.

    Parameters
    ----------
    settings : mapping
        As `OAuthToken.to_settings` gave it.
    refresh : callable
        Gives what `OAuthToken.refresh_secret` gave; asked when a token is needed.
    keep : callable
        Keeps it when the server has changed it.
    clock : callable
        Seconds since 1970.

    Raises
    ------
    ValueError
        A setting is missing, unknown, or not what it says.
    """
    expected = ("token_url", "client_id", "scope")
    for name in settings:
        if name not in expected:
            raise ValueError(f"no setting {name!r} of a token{near_miss(name, expected)}")
    for name in expected:
        if not isinstance(settings.get(name), str) or not settings[name]:
            raise ValueError(f"the token's setting {name!r} is missing, or not a text")
    return OAuthToken(
        token_url=str(settings["token_url"]),
        client_id=str(settings["client_id"]),
        scope=str(settings["scope"]),
        read=refresh,
        keep=keep,
        clock=clock,
    )


def authorize(
    provider: str | Endpoints,
    *,
    client_id: str,
    client_secret: str | Secret | None = None,
    scope: str | None = None,
    flow: Flow | None = None,
    show: Callable[[Prompt], object] = print,
    wait: Callable[[float], bool] | None = None,
    clock: Callable[[], float] = time.time,
) -> OAuthToken:
    """Ask a person, in a browser, to let this program send mail; blocks until it is so.

    Parameters
    ----------
    provider : {"google", "microsoft"} or Endpoints
        ``microsoft(tenant)`` gives those of one organisation.
    client_id : str
        The program's own, from the provider's console: a desktop app at Google, a public
        client at Microsoft.
    client_secret : str or Secret, optional
        Google gives one to desktop apps, too.
    scope : str, optional
        Default: what the provider wants for sending mail.
    flow : {"device", "loopback"}, optional
        ``"device"`` (RFC 8628): a code is typed on a page, in any browser.  ``"loopback"``
        (RFC 8252, with PKCE): the browser comes back to this machine, so it must run here.
        Default: what the provider allows for mail; Google does not allow ``"device"``.
    show : callable
        Is given the `Prompt` that the person is to follow.
    wait : callable, optional
        Waits so many seconds and gives True when nobody waits any longer, such as
        ``threading.Event().wait``.
    clock : callable
        Seconds since 1970.

    Raises
    ------
    OAuthError
        The person did not agree, not in time, or the provider does not allow it so.
    TransportError
        The provider could not be reached.
    ValueError
        No such provider, or it has no such flow.

    Examples
    --------
    ``token = authorize("microsoft", client_id="…")``, then
    ``sb.Account.preset("microsoft365", username="ann@example.org", password=token)``
    """
    endpoints = find_endpoints(provider) if isinstance(provider, str) else provider
    client = Secret(client_secret) if isinstance(client_secret, str) else client_secret
    del client_secret  # a traceback that shows locals must not show it
    flow = flow or endpoints.flow
    ways = {"device": by_device, "loopback": by_loopback}
    if flow not in ways:
        raise ValueError(f"flow={flow!r} is not one of {', '.join(ways)}")
    held: list[Secret] = []
    token = OAuthToken(
        token_url=endpoints.token,
        client_id=client_id,
        scope=scope or endpoints.scope,
        read=lambda: held[-1] if held else None,
        keep=held.append,
        clock=clock,
    )
    grant = ways[flow](
        endpoints,
        client_id=client_id,
        client_secret=client,
        scope=scope or endpoints.scope,
        show=show,
        wait=wait or Event().wait,
        clock=clock,
    )
    token.take(grant, client)
    return token
