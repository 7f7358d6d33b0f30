"""An OAuth 2.0 server of the tests' own, on loopback.

It checks what a client must do (RFC 6749, 7636, 8628) and refuses all else: who asks too
fast, who comes with another verifier, who uses a refresh token that has been replaced.  It
reads no clock: the test says how long the client has waited.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from threading import Lock, Thread
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl, urlencode, urlsplit

from smtpbook.accounts.oauth_endpoints import Endpoints

CLIENT_ID = "a-client"
SCOPE = "mail.send offline"


@dataclass
class Answer:
    """What is said instead of the ordinary answer."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)


def refusal(error: str, description: str = "", status: int = 400) -> Answer:
    """Say no, as RFC 6749 section 5.2 has it."""
    fields = {"error": error, "error_description": description}
    return Answer(status, json.dumps(fields).encode())


class OAuthServer:
    """Gives tokens: ``access-1``, ``access-2``, …, and ``refresh-1``, ….

    Attributes
    ----------
    client_secret : str or None
        What the client must bring; None = it is a public one.
    lifetime_s : object
        As `expires_in` says it; None = it says nothing.
    rotates : bool
        Whether each renewal replaces the refresh token.
    offer : dict
        Fields of the device authorization, over the ordinary ones.
    polls : deque of Answer
        What the device's next questions get, before the token.
    instead : dict of str to Answer
        By path: what is answered whatever is asked.
    asked : list of (str, dict)
        Path and fields of each request.
    """

    def __init__(self, *, client_secret: str | None = None) -> None:
        self.client_secret = client_secret
        self.lifetime_s: object = 3600
        self.rotates = False
        self.offer: dict[str, object] = {}
        self.polls: deque[Answer] = deque()
        self.instead: dict[str, Answer] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.renewals = 0
        self._given = 0
        self._refresh: str | None = None
        self._code: dict[str, str] = {}
        self._lock = Lock()
        self._server = _Server(("127.0.0.1", 0), _Request)
        self._server.owner = self

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def endpoints(self) -> Endpoints:
        return Endpoints(
            title="Test",
            token=f"{self.url}/token",
            authorization=f"{self.url}/authorize",
            device=f"{self.url}/device",
            scope=SCOPE,
        )

    def of(self, path: str) -> list[dict[str, str]]:
        """Give the fields of each request for a path."""
        return [fields for asked, fields in self.asked if asked == path]

    # -- answering

    def answer(self, path: str, fields: dict[str, str]) -> Answer:
        with self._lock:
            self.asked.append((path, fields))
            if path in self.instead:
                return self.instead[path]
            if path == "/authorize":
                return self._authorize(fields)
            if fields.get("client_id") != CLIENT_ID or (
                fields.get("client_secret") != self.client_secret
            ):
                return refusal("invalid_client", status=401)
            if path == "/device":
                return self._device(fields)
            if path != "/token":
                return Answer(404, b"not here")
            match fields.get("grant_type"):
                case "urn:ietf:params:oauth:grant-type:device_code":
                    return self._poll(fields)
                case "authorization_code":
                    return self._redeem(fields)
                case "refresh_token":
                    return self._renew(fields)
            return refusal("unsupported_grant_type")

    def _device(self, fields: dict[str, str]) -> Answer:
        if fields.get("scope") != SCOPE:
            return refusal(
                "invalid_scope", f"not in the device flow: {fields.get('scope')}"
            )
        offer: dict[str, object] = {
            "device_code": "device-code",
            "user_code": "WDJB-MJHT",
            "verification_uri": "https://example.org/device",
            "expires_in": 900,
            "interval": 5,
        }
        return Answer(body=json.dumps(offer | self.offer).encode())

    def _poll(self, fields: dict[str, str]) -> Answer:
        if fields.get("device_code") != "device-code":
            return refusal("invalid_grant")
        return self.polls.popleft() if self.polls else self._token()

    def _authorize(self, fields: dict[str, str]) -> Answer:
        """Agree at once, as a person would after looking."""
        if fields.get("code_challenge_method") != "S256" or "state" not in fields:
            return refusal("invalid_request")
        self._code = fields
        back = urlencode({"code": "the-code", "state": fields["state"]})
        place = f"{fields['redirect_uri']}/?{back}"
        return Answer(302, b"", {"Location": place})

    def _redeem(self, fields: dict[str, str]) -> Answer:
        digest = hashlib.sha256(fields.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        expected, self._code = self._code, {}  # a code is good once
        if (
            fields.get("code") != "the-code"
            or challenge != expected.get("code_challenge")
            or fields.get("redirect_uri") != expected.get("redirect_uri")
        ):
            return refusal("invalid_grant")
        return self._token()

    def _renew(self, fields: dict[str, str]) -> Answer:
        self.renewals += 1
        if fields.get("refresh_token") != self._refresh:
            return refusal("invalid_grant", "Token has been expired or revoked.")
        return self._token(is_new=self.rotates)

    def _token(self, *, is_new: bool = True) -> Answer:
        self._given += 1
        fields: dict[str, object] = {
            "access_token": f"access-{self._given}",
            "token_type": "Bearer",
        }
        if self.lifetime_s is not None:
            fields["expires_in"] = self.lifetime_s
        if is_new:
            fields["refresh_token"] = self._refresh = f"refresh-{self._given}"
        return Answer(body=json.dumps(fields).encode())


class _Server(ThreadingTCPServer):
    daemon_threads = True
    owner: OAuthServer


class _Request(BaseHTTPRequestHandler):
    server: _Server
    timeout = 10

    def do_GET(self) -> None:
        self._answer(urlsplit(self.path).query)

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        self._answer(self.rfile.read(length).decode())

    def _answer(self, query: str) -> None:
        answer = self.server.owner.answer(urlsplit(self.path).path, dict(parse_qsl(query)))
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *args: object) -> None:
        pass
