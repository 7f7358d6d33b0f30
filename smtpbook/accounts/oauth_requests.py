"""OAuth requests: one question to a server, and what went wrong in our own words.

Authlib asks.  Its errors, and those of the HTTP library below it, may quote what was sent;
so none gets out of here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from smtpbook.accounts.oauth_endpoints import host_of
from smtpbook.accounts.secret import MASK, Redactor, Secret
from smtpbook.errors import (
    OAuthError,
    SMTPBookError,
    TLSError,
    TransportError,
    TransportTimeout,
)
from smtpbook.escape import visible

if TYPE_CHECKING:
    from authlib.integrations.requests_client import (  # type: ignore[import-untyped]
        OAuth2Session,
    )

T = TypeVar("T")

_REQUEST_S: Final = 30.0
# "If omitted, the authorization server SHOULD provide the expiration time via other means"
# -- RFC 6749 section 5.1.  Where it does not, a token is used for a few logins.
_UNTOLD_S: Final = 300.0
_MAX_TOLD: Final = 300  # characters of what a server says
# 408 Request Timeout, 429 Too Many Requests: RFC 9110 section 15.5.9, RFC 6585 section 4
_LATER: Final = frozenset({408, 429})

REQUEST: Final = {"timeout": _REQUEST_S, "allow_redirects": False}
"""For every request: a redirect would carry the secret to somebody else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a token endpoint gives.

    Attributes
    ----------
    access : Secret
    refresh : Secret or None
        None = no other than before.
    lifetime_s : float
        Of the access token, in seconds.
    """

    access: Secret
    refresh: Secret | None
    lifetime_s: float

    @classmethod
    def of(cls, fields: Mapping[str, Any], url: str) -> Grant:
        """Read it from the answer's fields (RFC 6749 section 5.1).

        Raises
        ------
        OAuthError
            There is no access token in it, or one that no mail server takes.
        """
        access, refresh = fields.get("access_token"), fields.get("refresh_token")
        if not isinstance(access, str) or not access:
            raise no_answer(url)
        # "bearer" is the only type there is a SASL mechanism for -- RFC 7628 section 3.1
        kind = str(fields.get("token_type", "bearer"))
        if kind.lower() != "bearer":
            raise OAuthError(
                f"{host_of(url)} gives a token of type {visible(kind, max_chars=40)!r}, "
                "which no mail server takes"
            )
        return cls(
            access=Secret(access),
            refresh=Secret(refresh) if isinstance(refresh, str) and refresh else None,
            lifetime_s=seconds(fields.get("expires_in"), _UNTOLD_S),
        )


def ask(
    request: Callable[[OAuth2Session], T],
    *,
    url: str,
    client_id: str,
    client_secret: Secret | None = None,
    hide: tuple[Secret, ...] = (),
) -> T:
    """Make one request, and say what went wrong without repeating what was sent.

    Parameters
    ----------
    request : callable
        Makes it with Authlib's session, and hides what is secret of the answer.
    url : str
        Where it goes, for messages.
    client_id : str
    client_secret : Secret, optional
    hide : tuple of Secret
        What the request holds besides; a server that repeats it is not quoted.

    Raises
    ------
    OAuthError
        The server refused, or did not answer as RFC 6749 says.
    TransportError
        It could not be reached.
    """
    from authlib.integrations.requests_client import OAuth2Session

    failure: SMTPBookError
    try:
        with OAuth2Session(
            client_id,
            None if client_secret is None else client_secret.reveal(),
            token_endpoint_auth_method="client_secret_post" if client_secret else "none",
        ) as session:
            return request(session)
    except Exception as exc:
        failure = _translated(exc, url, (*hide, *filter(None, [client_secret])))
    # Raised behind the block: the original's text, and the variables of its frames, hold
    # what was sent (a body that cannot be encoded is quoted whole).
    raise failure


def _translated(error: Exception, url: str, hide: tuple[Secret, ...]) -> SMTPBookError:
    import requests
    from authlib.common.errors import AuthlibBaseError  # type: ignore[import-untyped]

    host = host_of(url)
    match error:
        case SMTPBookError():
            return error.with_traceback(None)
        case AuthlibBaseError():
            return refusal(url, str(error.error or ""), str(error.description or ""), hide)
        case requests.exceptions.HTTPError():
            code = error.response.status_code if error.response is not None else 500
            if code < 500 and code not in _LATER:
                return no_answer(url)
            return TransportError(f"{host} answers HTTP {code}; try again later")
        case requests.exceptions.InvalidJSONError():
            return no_answer(url)
        case requests.exceptions.SSLError():
            return TLSError(f"the certificate of {host} was not accepted")
        case requests.exceptions.Timeout():
            return TransportTimeout(f"{host} does not answer within {_REQUEST_S:g} s")
        case requests.exceptions.RequestException():
            return TransportError(f"{host} cannot be reached ({type(error).__name__})")
        case _:
            return no_answer(url)


_ADVICE: Final = {
    "invalid_grant": "the permission has ended (withdrawn, expired, or the password was "
    "changed): authorize again",
    "invalid_client": "check client_id and client_secret",
    "unauthorized_client": "this client may not ask this way: check its kind where it is "
    "registered (a desktop app, public client flows allowed)",
    "invalid_scope": "the scope may not be asked for this way: try the other flow=",
    "access_denied": "the person, or their organisation, did not agree",
    "expired_token": "nobody agreed in time: authorize again",
}


def refusal(
    url: str, code: str, description: str, hide: tuple[Secret, ...] = ()
) -> OAuthError:
    """Give the error for what a server says, with what to do about it."""
    redactor = Redactor(MASK)
    redactor.hide(*(secret.reveal().encode("utf-8", "replace") for secret in hide))
    code, description = redactor.redacted(code), redactor.redacted(description)
    said = visible(f"{code}: {description}".removesuffix(": "), max_chars=_MAX_TOLD)
    advice = f"; {_ADVICE[code]}" if code in _ADVICE else ""
    return OAuthError(
        f"{host_of(url)} says {said}{advice}", visible(code, max_chars=_MAX_TOLD)
    )


def no_answer(url: str) -> OAuthError:
    """Give the error for what RFC 6749 does not know."""
    return OAuthError(
        f"{host_of(url)} did not answer as an OAuth 2.0 server: check the URL"
    )


def seconds(value: object, otherwise: float) -> float:
    """Read a number of seconds of an answer; some servers write it as text.

    >>> seconds("3600", 300.0), seconds(None, 300.0), seconds(-1, 300.0)
    (3600.0, 300.0, 300.0)
    """
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return otherwise
    return number if 0 < number < 1e9 else otherwise
