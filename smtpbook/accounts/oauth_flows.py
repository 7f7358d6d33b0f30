"""OAuth flows: the two ways to ask a person for permission.

The device flow (RFC 8628) shows a code to be typed on a page in any browser, and asks now
and then whether that was done.  The loopback flow (RFC 8252) has the browser come back to
this machine with a code, which is worth nothing without our verifier (PKCE, RFC 7636).
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from queue import Empty, Queue
from socketserver import ThreadingTCPServer
from threading import Thread
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlsplit

from smtpbook.accounts.oauth_endpoints import Endpoints, check_url
from smtpbook.accounts.oauth_requests import (
    REQUEST,
    Grant,
    ask,
    no_answer,
    refusal,
    seconds,
)
from smtpbook.accounts.secret import Secret
from smtpbook.errors import OAuthError, TransportTimeout
from smtpbook.escape import visible

if TYPE_CHECKING:
    from authlib.integrations.requests_client import (  # type: ignore[import-untyped]
        OAuth2Session,
    )

_DEVICE_GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
# "If no value is provided, clients MUST use 5 as the default." -- RFC 8628 section 3.2
_INTERVAL_S: Final = 5.0
# "the interval MUST be increased by 5 seconds for this and all subsequent requests"
# -- RFC 8628 section 3.5
_SLOWER_S: Final = 5.0
# How long a person has, where the server does not say.
_PATIENCE_S: Final = 900.0
_LOOK_S: Final = 0.2  # how often somebody who gives up is heard

Wait = Callable[[float], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What a person is to do; ``print`` tells it in words.

    Attributes
    ----------
    url : str
        The page to open.
    code : str or None
        What to type there; None = nothing, the page comes back by itself.
    url_with_code : str or None
        The page with the code already typed; None = the server has none.
    expires_s : float
        Seconds until it is too late.
    """

    url: str
    code: str | None
    url_with_code: str | None = None
    expires_s: float

    def __str__(self) -> str:
        minutes = max(1, round(self.expires_s / 60))
        url = visible(self.url)
        if self.code is None:
            return f"Within {minutes} minutes, open in a browser on this machine: {url}"
        return (
            f"Within {minutes} minutes, open {url} and type the code {visible(self.code)}"
        )


def by_device(
    endpoints: Endpoints,
    *,
    client_id: str,
    client_secret: Secret | None,
    scope: str,
    show: Callable[[Prompt], object],
    wait: Wait,
    clock: Callable[[], float],
) -> Grant:
    """Show a code, and ask at the server's pace whether it was typed.

    Raises
    ------
    OAuthError, TransportError
        As `authorize` says.
    ValueError
        The provider has no device flow.

    References
    ----------
    RFC 8628 sections 3.1 to 3.5.
    """
    url = endpoints.device
    if url is None:
        raise ValueError(f'{endpoints.title} has no device flow; use flow="loopback"')
    offer = ask(
        lambda session: _offer(session, url, scope),
        url=url,
        client_id=client_id,
        client_secret=client_secret,
    )
    interval_s = offer.interval_s
    deadline = clock() + offer.prompt.expires_s
    show(offer.prompt)
    while True:
        if wait(interval_s):
            raise _given_up()
        if clock() >= deadline:
            raise _too_late()
        try:
            return ask(
                lambda session: Grant.of(
                    session.fetch_token(
                        endpoints.token,
                        grant_type=_DEVICE_GRANT,
                        device_code=offer.device_code.reveal(),
                        **REQUEST,
                    ),
                    endpoints.token,
                ),
                url=endpoints.token,
                client_id=client_id,
                client_secret=client_secret,
                hide=(offer.device_code,),
            )
        except OAuthError as exc:
            if exc.code == "slow_down":
                interval_s += _SLOWER_S
            elif exc.code != "authorization_pending":
                raise
        except TransportTimeout:
            # "clients MUST unilaterally reduce their polling frequency before retrying",
            # for example by doubling the interval -- RFC 8628 section 3.5
            interval_s *= 2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Offer:
    """What a device authorization endpoint gives."""

    prompt: Prompt
    device_code: Secret
    interval_s: float


def _offer(session: OAuth2Session, url: str, scope: str) -> _Offer:
    response = session.post(
        url,
        data={"scope": scope},
        headers={"Accept": "application/json"},
        # "The client authentication requirements of Section 3.2.1 of [RFC6749] apply"
        # -- RFC 8628 section 3.1
        auth=session.client_auth(session.token_endpoint_auth_method),
        **REQUEST,
    )
    if response.status_code >= 500:
        response.raise_for_status()
    fields = response.json()
    if not isinstance(fields, dict):
        raise no_answer(url)
    if "error" in fields:
        raise refusal(url, str(fields["error"]), str(fields.get("error_description", "")))
    # Google says verification_url, as drafts of the RFC did.
    page = fields.get("verification_uri") or fields.get("verification_url")
    whole = fields.get("verification_uri_complete")
    code, device_code = fields.get("user_code"), fields.get("device_code")
    if not (page and code and device_code):
        raise no_answer(url)
    for shown in filter(None, (page, whole)):
        check_url(str(shown))  # somebody is going to open it
    return _Offer(
        prompt=Prompt(
            url=str(page),
            code=str(code),
            url_with_code=str(whole) if whole else None,
            expires_s=seconds(fields.get("expires_in"), _PATIENCE_S),
        ),
        device_code=Secret(str(device_code)),
        interval_s=seconds(fields.get("interval"), _INTERVAL_S),
    )


def by_loopback(
    endpoints: Endpoints,
    *,
    client_id: str,
    client_secret: Secret | None,
    scope: str,
    show: Callable[[Prompt], object],
    wait: Wait,
    clock: Callable[[], float],
) -> Grant:
    """Have a browser come back to this machine with a code, and change it for a token.

    Raises
    ------
    OAuthError, TransportError
        As `authorize` says.

    References
    ----------
    RFC 8252 section 7.3 (the redirect), RFC 7636 (PKCE), RFC 6749 section 10.12 (state).
    """
    from authlib.oauth2.rfc6749.parameters import (  # type: ignore[import-untyped]
        prepare_grant_uri,
    )
    from authlib.oauth2.rfc7636 import (  # type: ignore[import-untyped]
        create_s256_code_challenge,
    )

    verifier = Secret(secrets.token_urlsafe(64))
    with _Listener() as listener:
        back = f"http://{endpoints.redirect_host}:{listener.port}"
        page = prepare_grant_uri(
            endpoints.authorization,
            client_id=client_id,
            response_type="code",
            redirect_uri=back,
            scope=scope,
            state=listener.state,
            code_challenge=create_s256_code_challenge(verifier.reveal()),
            code_challenge_method="S256",
        )
        show(Prompt(url=page, code=None, expires_s=_PATIENCE_S))
        said = listener.wait(wait, clock, _PATIENCE_S)
    if "code" not in said:
        error = said.get("error", "access_denied")
        raise refusal(endpoints.authorization, error, said.get("error_description", ""))
    code = Secret(said.pop("code"))  # a traceback that shows locals must not show it
    return ask(
        lambda session: Grant.of(
            session.fetch_token(
                endpoints.token,
                grant_type="authorization_code",
                code=code.reveal(),
                code_verifier=verifier.reveal(),
                redirect_uri=back,
                **REQUEST,
            ),
            endpoints.token,
        ),
        url=endpoints.token,
        client_id=client_id,
        client_secret=client_secret,
        hide=(code, verifier),
    )


class _Listener(ThreadingTCPServer):
    """Waits on this machine for the browser that comes back.

    Threads, because browsers open connections they may never use.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Visit)
        self.port: int = self.server_address[1]
        self.state = secrets.token_urlsafe(32)
        self.answers: Queue[dict[str, str]] = Queue()

    def __enter__(self) -> _Listener:
        Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        ).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def wait(
        self, wait: Wait, clock: Callable[[], float], limit_s: float
    ) -> dict[str, str]:
        """Give the fields the browser has brought."""
        deadline = clock() + limit_s
        while clock() < deadline:
            try:
                return self.answers.get(timeout=_LOOK_S)
            except Empty:
                if wait(0):
                    raise _given_up() from None
        raise _too_late()


class _Visit(BaseHTTPRequestHandler):
    """One request of the browser."""

    server: _Listener
    timeout = 10  # seconds for a browser that connects and says nothing

    def do_GET(self) -> None:
        fields = dict(parse_qsl(urlsplit(self.path).query))
        state = fields.get("state", "").encode()
        if not hmac.compare_digest(state, self.server.state.encode()):
            self.send_error(404)  # the icon, or somebody who was not asked
            return
        page = b"<!doctype html><title>smtpbook</title><p>You may close this page."
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)
        self.server.answers.put(fields)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the path holds the code."""


def _given_up() -> OAuthError:
    return OAuthError("given up before anybody agreed: authorize again", "expired_token")


def _too_late() -> OAuthError:
    return OAuthError("nobody agreed in time: authorize again", "expired_token")
