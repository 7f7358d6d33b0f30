"""Tokens: got from a person once, renewed in time, never seen."""

from __future__ import annotations

import base64
import copy
import dataclasses
import json
import logging
import pickle
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event, Thread
from urllib.parse import parse_qsl, quote, quote_plus, urlsplit
from urllib.request import urlopen

import pytest
import trio
from IPython.core.ultratb import VerboseTB

from smtpbook.accounts.account import Account
from smtpbook.accounts.oauth import OAuthToken, authorize, from_settings
from smtpbook.accounts.oauth_endpoints import (
    GOOGLE,
    Endpoints,
    check_url,
    find_endpoints,
    microsoft,
)
from smtpbook.accounts.oauth_flows import Prompt
from smtpbook.accounts.oauth_requests import REQUEST
from smtpbook.accounts.secret import Secret
from smtpbook.errors import AuthenticationError, OAuthError, SMTPBookError, TransportError
from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab
from smtpbook.session.session import open_session
from tests.servers.oauth import CLIENT_ID, Answer, OAuthServer, refusal

PENDING = refusal("authorization_pending")
CLIENT_SECRET = "GOCSPX-s3cret"


@pytest.fixture
def server() -> Iterator[OAuthServer]:
    with OAuthServer() as server:
        yield server


class Time:
    """A clock that goes on when somebody waits."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        self.now += seconds
        return False


def device_token(server: OAuthServer, time: Time | None = None) -> OAuthToken:
    time = time or Time()
    return authorize(
        server.endpoints,
        client_id=CLIENT_ID,
        client_secret=server.client_secret,
        show=lambda prompt: None,
        wait=time.wait,
        clock=time,
    )


# --- the device flow ----------------------------------------------------------------------


def test_a_person_types_a_code_and_the_token_comes(server: OAuthServer) -> None:
    shown: list[Prompt] = []
    time = Time()
    token = authorize(
        server.endpoints, client_id=CLIENT_ID, show=shown.append, wait=time.wait, clock=time
    )
    assert shown == [
        Prompt(url="https://example.org/device", code="WDJB-MJHT", expires_s=900.0)
    ]
    assert str(shown[0]) == (
        "Within 15 minutes, open https://example.org/device and type the code WDJB-MJHT"
    )
    assert token().reveal() == "access-1"
    assert time.waits == [5.0]


def test_the_server_says_how_often_it_may_be_asked(server: OAuthServer) -> None:
    """RFC 8628 section 3.5: slow_down adds five seconds, for all that follow."""
    server.offer = {"interval": 7}
    slow_down = refusal("slow_down")
    server.polls.extend([PENDING, slow_down, PENDING, slow_down, PENDING])
    time = Time()
    device_token(server, time)
    assert time.waits == [7, 7, 12, 12, 17, 17]


@pytest.mark.parametrize("interval", [None, "soon", 0, -1])
def test_without_an_interval_it_is_five_seconds(
    server: OAuthServer, interval: object
) -> None:
    server.offer = {"interval": interval}
    time = Time()
    device_token(server, time)
    assert time.waits == [5]


def test_a_server_that_is_too_slow_is_asked_less_often(
    server: OAuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.offer = {"interval": 2}
    monkeypatch.setitem(REQUEST, "timeout", 0.1)
    release = Event()
    answer, calls = server.answer, []

    def slow(path: str, fields: dict[str, str]) -> Answer:
        calls.append(path)
        if calls.count("/token") in (1, 2) and path == "/token":
            release.wait(10)
        return answer(path, fields)

    server.answer = slow  # type: ignore[method-assign]
    time = Time()
    device_token(server, time)
    release.set()
    assert time.waits == [2, 4, 8]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("access_denied", "did not agree"),
        ("expired_token", "authorize again"),
        ("invalid_client", "check client_id"),
        ("unauthorized_client", "public client"),
        ("some_new_error", "says some_new_error: because"),
    ],
)
def test_a_refusal_ends_the_asking(server: OAuthServer, error: str, told: str) -> None:
    server.polls.extend([PENDING, refusal(error, "because")])
    with pytest.raises(OAuthError, match=told) as refused:
        device_token(server)
    assert refused.value.code == error
    assert "127.0.0.1" in str(refused.value)
    assert len(server.of("/token")) == 2


def test_who_takes_too_long_is_not_waited_for(server: OAuthServer) -> None:
    server.offer = {"expires_in": 12}
    server.polls.extend([PENDING] * 10)
    time = Time()
    with pytest.raises(OAuthError, match="nobody agreed in time") as late:
        device_token(server, time)
    assert late.value.code == "expired_token"
    assert time.waits == [5, 5, 5]
    assert len(server.of("/token")) == 2


def test_who_gives_up_is_heard(server: OAuthServer) -> None:
    stop = Event()
    stop.set()
    with pytest.raises(OAuthError, match="given up"):
        authorize(server.endpoints, client_id=CLIENT_ID, show=str, wait=stop.wait)
    assert not server.of("/token")


def test_a_scope_the_device_flow_does_not_allow_names_the_other_flow(
    server: OAuthServer,
) -> None:
    with pytest.raises(OAuthError, match="try the other flow="):
        authorize(server.endpoints, client_id=CLIENT_ID, scope="https://mail.google.com/")


@pytest.mark.parametrize(
    "offer",
    [
        {"device_code": None},
        {"user_code": None},
        {"verification_uri": None},
        {"verification_uri": "javascript:alert(1)"},
        {"verification_uri": "http://example.org/device"},
        {"verification_uri_complete": "javascript:alert(1)"},
    ],
)
def test_an_offer_that_nobody_should_follow_is_not_shown(
    server: OAuthServer, offer: dict[str, object]
) -> None:
    server.offer = offer
    shown: list[Prompt] = []
    with pytest.raises(OAuthError, match="did not answer as an OAuth"):
        authorize(server.endpoints, client_id=CLIENT_ID, show=shown.append)
    assert not shown


def test_googles_spelling_of_the_page_is_read(server: OAuthServer) -> None:
    server.offer = {"verification_uri": None, "verification_url": "https://g.test/device"}
    shown: list[Prompt] = []
    authorize(server.endpoints, client_id=CLIENT_ID, show=shown.append, wait=Time().wait)
    assert shown[0].url == "https://g.test/device"


def test_controls_in_the_code_do_not_act(server: OAuthServer) -> None:
    server.offer = {"user_code": "\x1b[2JWD"}
    shown: list[Prompt] = []
    authorize(server.endpoints, client_id=CLIENT_ID, show=shown.append, wait=Time().wait)
    assert r"\x1b[2JWD" in str(shown[0])


# --- the loopback flow --------------------------------------------------------------------


class Browser:
    """Follows the page in a thread, as a person's browser would."""

    def __init__(self, *others: str) -> None:
        self.prompt: Prompt | None = None
        self.pages: list[bytes] = []
        self._others = others
        self._thread: Thread | None = None

    def __call__(self, prompt: Prompt) -> None:
        self.prompt = prompt
        self._thread = Thread(target=self._visit, args=(prompt.url,))
        self._thread.start()

    def _visit(self, url: str) -> None:
        back = dict(parse_qsl(urlsplit(url).query))["redirect_uri"]
        for other in self._others:
            with pytest.raises(OSError, match="404"):
                urlopen(back + other, timeout=10)
        with urlopen(url, timeout=10) as page:
            self.pages.append(page.read())

    def join(self) -> None:
        assert self._thread is not None
        self._thread.join()


def loopback_token(server: OAuthServer, browser: Callable[[Prompt], None]) -> OAuthToken:
    return authorize(
        server.endpoints,
        client_id=CLIENT_ID,
        client_secret=server.client_secret,
        flow="loopback",
        show=browser,
        wait=lambda seconds: False,
        clock=Time(),
    )


@pytest.mark.parametrize("client_secret", [None, CLIENT_SECRET])
def test_the_browser_comes_back_with_a_code_that_only_we_can_use(
    client_secret: str | None,
) -> None:
    """RFC 8252 and RFC 7636."""
    with OAuthServer(client_secret=client_secret) as server:
        browser = Browser("/favicon.ico", "/?code=stolen&state=guessed", "/?state=")
        token = loopback_token(server, browser)
        browser.join()
        assert token().reveal() == "access-1"
        (asked,) = server.of("/authorize")
        (redeemed,) = server.of("/token")
    assert b"close this page" in browser.pages[0]
    assert asked["redirect_uri"].startswith("http://127.0.0.1:")
    assert asked["scope"] == "mail.send offline"
    assert len(redeemed["code_verifier"]) >= 43
    assert redeemed["code_verifier"] not in str(browser.prompt)
    assert "client_secret" not in asked


def test_who_does_not_agree_in_the_browser_is_told_so(server: OAuthServer) -> None:
    def refuse(prompt: Prompt) -> None:
        query = dict(parse_qsl(urlsplit(prompt.url).query))
        fields = f"error=access_denied&state={query['state']}"
        urlopen(f"{query['redirect_uri']}/?{fields}", timeout=10).close()

    with pytest.raises(OAuthError, match="did not agree") as refused:
        loopback_token(server, refuse)
    assert refused.value.code == "access_denied"
    assert not server.of("/token")


def test_nobody_comes_back(server: OAuthServer) -> None:
    time = Time()

    def wait(seconds: float) -> bool:
        return time.wait(500)

    with pytest.raises(OAuthError, match="nobody agreed in time"):
        authorize(
            server.endpoints,
            client_id=CLIENT_ID,
            flow="loopback",
            show=str,
            wait=wait,
            clock=time,
        )


def test_the_redirect_is_spelled_as_the_provider_wants_it(server: OAuthServer) -> None:
    shown: list[str] = []
    with pytest.raises(OAuthError, match="given up"):
        authorize(
            dataclasses.replace(server.endpoints, redirect_host="localhost"),
            client_id=CLIENT_ID,
            flow="loopback",
            show=lambda prompt: shown.append(prompt.url),
            wait=lambda seconds: True,
        )
    query = dict(parse_qsl(urlsplit(shown[0]).query))
    assert query["redirect_uri"].startswith("http://localhost:")


# --- renewal ------------------------------------------------------------------------------


def test_a_token_is_renewed_a_minute_before_its_end(server: OAuthServer) -> None:
    time = Time()
    token = device_token(server, time)
    time.now += 3539
    assert token().reveal() == "access-1"
    time.now += 1
    assert token().reveal() == "access-2"
    assert token().reveal() == "access-2"
    assert server.renewals == 1


@pytest.mark.parametrize(
    ("said", "lifetime_s"),
    [(None, 240), ("600", 540), (60, 30), (-5, 240), ([], 240)],
)
def test_how_long_a_token_is_used(
    server: OAuthServer, said: object, lifetime_s: float
) -> None:
    server.lifetime_s = said
    time = Time()
    token = device_token(server, time)
    time.now += lifetime_s - 1
    token()
    assert server.renewals == 0
    time.now += 1
    token()
    assert server.renewals == 1


def test_a_replaced_refresh_token_is_kept_and_used() -> None:
    kept: list[Secret] = []
    with OAuthServer(client_secret=CLIENT_SECRET) as server:
        server.rotates = True
        time = Time()
        first = device_token(server, time)
        kept.append(first.refresh_secret() or Secret(""))
        token = from_settings(
            first.to_settings(), lambda: kept[-1], kept.append, clock=time
        )
        for number in (2, 3, 4):
            assert token().reveal() == f"access-{number}"
            time.now += 4000
        assert [json.loads(secret.reveal()) for secret in kept] == [
            {"refresh_token": f"refresh-{number}", "client_secret": CLIENT_SECRET}
            for number in (1, 2, 3, 4)
        ]


def test_an_unchanged_refresh_token_is_not_kept_again(server: OAuthServer) -> None:
    time = Time()
    first = device_token(server, time)
    kept: list[Secret] = []
    token = from_settings(
        first.to_settings(), first.refresh_secret, kept.append, clock=time
    )
    token()
    assert not kept


def test_a_token_moves_to_where_it_is_kept(server: OAuthServer) -> None:
    server.rotates = True
    time = Time()
    token = device_token(server, time)
    kept = [token.refresh_secret()]
    token.keep_in(lambda: kept[-1], kept.append)
    time.now += 4000
    token()
    assert kept[-1] == token.refresh_secret()
    assert len(kept) == 2


def test_many_threads_make_one_renewal(server: OAuthServer) -> None:
    time = Time()
    token = device_token(server, time)
    time.now += 4000
    barrier = Barrier(8)

    def ask(_: int) -> str:
        barrier.wait(10)
        return token().reveal()

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(8))) == {"access-2"}
    assert server.renewals == 1


def test_what_was_withdrawn_must_be_authorized_again(server: OAuthServer) -> None:
    kept = Secret('{"refresh_token": "withdrawn"}')
    token = from_settings(device_token(server).to_settings(), lambda: kept, print)
    with pytest.raises(OAuthError, match="authorize again") as ended:
        token()
    assert ended.value.code == "invalid_grant"
    assert "Token has been expired or revoked" in str(ended.value)
    assert "withdrawn" not in str(ended.value).replace("(withdrawn", "")


@pytest.mark.parametrize(
    "kept", [None, "", "x", "[]", "{}", "3", '{"refresh_token": 3}', '{"client_secret": 3}']
)
def test_what_is_no_secret_of_ours_must_be_authorized_again(
    server: OAuthServer, kept: str | None
) -> None:
    settings = device_token(server).to_settings()
    secret = None if kept is None else Secret(kept)
    with pytest.raises(OAuthError, match="authorize again"):
        from_settings(settings, lambda: secret, print)()
    assert server.renewals == 0


@pytest.mark.parametrize(
    ("answer", "error", "told"),
    [
        (Answer(500, b"<h1>access-9</h1>"), TransportError, "HTTP 500; try again later"),
        (Answer(200, b"<h1>access-9</h1>"), OAuthError, "did not answer as"),
        (Answer(200, b'["access-9"]'), OAuthError, "did not answer as"),
        (Answer(200, b'{"access_token": 3}'), OAuthError, "did not answer as"),
        (Answer(200, b"{}"), OAuthError, "did not answer as"),
        (Answer(302, b"", {"Location": "/other"}), OAuthError, "did not answer as"),
        (
            Answer(200, b'{"access_token": "access-9", "token_type": "mac"}'),
            OAuthError,
            "type 'mac', which no mail server takes",
        ),
        (Answer(404, b"<h1>access-9</h1>"), OAuthError, "did not answer as"),
        (Answer(429, b"<h1>access-9</h1>"), TransportError, "HTTP 429; try again later"),
        (refusal("no\x1b[2J"), OAuthError, r"says no\\x1b\[2J$"),
        (refusal("x", "y" * 9999), OAuthError, "y…$"),
    ],
)
def test_an_answer_that_is_none_is_said_to_be_none(
    server: OAuthServer, answer: Answer, error: type[Exception], told: str
) -> None:
    time = Time()
    token = device_token(server, time)
    time.now += 4000
    server.instead["/token"] = answer
    with pytest.raises(error, match=told) as failed:
        token()
    assert "access-9" not in str(failed.value)
    assert not server.of("/other")
    del server.instead["/token"]
    assert token().reveal() == "access-2"


def test_a_server_that_is_not_there_is_a_transport_error() -> None:
    with OAuthServer() as server:
        time = Time()
        token = device_token(server, time)
    time.now += 4000
    with pytest.raises(TransportError, match=r"127\.0\.0\.1:\d+ cannot be reached"):
        token()


# --- settings and endpoints ---------------------------------------------------------------


def test_settings_hold_nothing_secret(server: OAuthServer) -> None:
    token = device_token(server)
    assert token.to_settings() == {
        "token_url": f"{server.url}/token",
        "client_id": CLIENT_ID,
        "scope": "mail.send offline",
    }


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"token_url": None}, "'token_url' is missing"),
        ({"client_id": 3}, "'client_id' is missing, or not a text"),
        ({"client-id": "x"}, "no setting 'client-id' of a token; did you mean 'client_id'"),
        ({"token_url": "http://example.org/token"}, "not an https URL"),
        ({"token_url": "file:///etc/passwd"}, "not an https URL"),
    ],
)
def test_settings_that_are_wrong_are_named(changes: dict[str, str], told: str) -> None:
    settings = {"token_url": "https://a.test/t", "client_id": "x", "scope": "y"} | changes
    with pytest.raises(ValueError, match=told):
        from_settings(settings, lambda: None, print)


def test_the_table_of_providers() -> None:
    assert find_endpoints("Google") is GOOGLE
    assert find_endpoints("microsoft") == microsoft("common")
    assert GOOGLE.flow == "loopback"  # its device flow is not for mail
    assert "/contoso.example/" in (microsoft("contoso.example").device or "")
    with pytest.raises(ValueError, match="did you mean 'google'"):
        authorize("gogle", client_id="x")
    with pytest.raises(ValueError, match="not an id"):
        microsoft("../evil")


def test_plain_http_is_for_this_machine_only() -> None:
    with pytest.raises(ValueError, match="not an https URL"):
        Endpoints(
            title="x",
            token="http://example.org/token",
            authorization="https://example.org/a",
            device=None,
            scope="s",
        )


@pytest.mark.parametrize(
    "url",
    [
        "https://ann:s3cret@login.example.org/token",
        "http://ann:s3cret@127.0.0.1/token",
        "https://login.example.org\\@127.0.0.1/token",
        "https://login.example.org\\.x.org/token",
        "https://login.example.org/a\r\nHost: x",
    ],
)
def test_a_url_with_a_login_or_two_readings_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"login|characters") as refused:
        check_url(url)
    assert "s3cret" not in str(refused.value)


def test_a_flow_there_is_not(server: OAuthServer) -> None:
    endpoints = dataclasses.replace(server.endpoints, device=None)
    with pytest.raises(ValueError, match="has no device flow"):
        authorize(endpoints, client_id=CLIENT_ID)
    with pytest.raises(ValueError, match="not one of device, loopback"):
        authorize(endpoints, client_id=CLIENT_ID, flow="implicit")  # type: ignore[arg-type]


def test_nothing_heavy_is_loaded_before_it_is_needed() -> None:
    code = (
        "import sys, smtpbook.accounts.oauth\n"
        "print({'authlib', 'requests', 'httpx', 'cryptography'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


# --- no secret ----------------------------------------------------------------------------


def shown(error: BaseException) -> str:
    """Everything a traceback shows, with the variables of our frames, and the chain."""
    below = error.__traceback__
    while below is not None and "tests" in below.tb_frame.f_code.co_filename:
        below = below.tb_next
    error = error.with_traceback(below)
    text = traceback.TracebackException.from_exception(error, capture_locals=True)
    told = "".join(text.format()) + VerboseTB().text(type(error), error, below)
    assert "smtpbook/accounts/oauth" in told
    return told


SECRETS = (CLIENT_SECRET, "refresh-1", "access-1", "access-9", "device-code", "the-code")


@pytest.mark.parametrize(
    "answer",
    [
        refusal("invalid_grant", f"no {CLIENT_SECRET} and no refresh-1"),
        refusal(f"{CLIENT_SECRET}refresh-1"),
        Answer(500, b"access-9"),
        Answer(200, b'{"access_token": "access-9", "token_type": "mac"}'),
        Answer(200, b'{"access_token": "access-9", "expires_in": "access-9"}'),
        Answer(200, b"access-9"),
    ],
)
def test_an_error_of_the_renewal_shows_no_secret(answer: Answer) -> None:
    with OAuthServer(client_secret=CLIENT_SECRET) as server:
        time = Time()
        token = device_token(server, time)
        time.now += 4000
        server.instead["/token"] = answer
        try:
            token()
        except SMTPBookError as exc:
            told = shown(exc)
        else:
            raise AssertionError("it was renewed")
    assert [secret for secret in SECRETS if secret in told] == []


@pytest.mark.parametrize("field", ["error", "error_description"])
def test_a_server_that_spells_what_was_sent_otherwise_is_not_quoted(
    server: OAuthServer, field: str
) -> None:
    """Requests are percent-encoded; a proxy that quotes one repeats it so."""
    refresh, client = "1//0g+refresh", "GOC/SPX s3cret"
    kept = Secret(json.dumps({"refresh_token": refresh, "client_secret": client}))
    settings = {"token_url": server.endpoints.token, "client_id": "c", "scope": "s"}
    for sent in (refresh, client):
        for spelled in (sent, quote(sent, safe=""), quote_plus(sent), b64(sent)):
            said = {"error": "invalid_request", field: f"client=c&secret={spelled}"}
            server.instead["/token"] = Answer(400, json.dumps(said).encode())
            with pytest.raises(OAuthError) as failed:
                from_settings(settings, lambda: kept, print)()
            told = f"{failed.value} {failed.value.code}"
            assert spelled not in told
            assert "••••••" in told


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_an_error_code_that_could_act_is_escaped(server: OAuthServer) -> None:
    server.instead["/device"] = refusal("no\x1b[2J")
    with pytest.raises(OAuthError) as failed:
        device_token(server)
    assert failed.value.code == r"no\x1b[2J"


def test_an_error_of_the_authorization_shows_no_secret() -> None:
    with OAuthServer(client_secret=CLIENT_SECRET) as server:
        server.polls.append(refusal("x", f"device-code {CLIENT_SECRET}"))
        with pytest.raises(OAuthError) as device:
            device_token(server)
        server.instead["/token"] = refusal("x", f"the-code {CLIENT_SECRET}")
        with pytest.raises(OAuthError) as loopback:
            loopback_token(server, Browser())
    for error in (device.value, loopback.value):
        assert [secret for secret in SECRETS if secret in shown(error)] == []


def test_a_keyring_that_fails_shows_no_secret(server: OAuthServer) -> None:
    def keep(secret: Secret) -> None:
        raise OSError("the keyring is locked")

    server.rotates = True
    time = Time()
    token = device_token(server, time)
    kept = token.refresh_secret()
    token.keep_in(lambda: kept, keep)
    time.now += 4000
    with pytest.raises(OSError, match="locked") as failed:
        token()
    assert [s for s in ("access-2", "refresh-2") if s in shown(failed.value)] == []
    assert token().reveal() == "access-2"  # what was got is good all the same


def test_a_token_shows_no_secret(
    server: OAuthServer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        token = device_token(server)
    account = Account(host="smtp.example.org", username="ann", password=token)
    seen = [repr(token), str(token), f"{token}", repr(vars(token)), caplog.text]
    seen += [repr(account), str(dataclasses.asdict(account))]
    for text in seen:
        assert [secret for secret in SECRETS if secret in text] == []
    assert copy.deepcopy(token) is copy.copy(token) is token
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(token)


def test_an_error_can_be_pickled() -> None:
    error = pickle.loads(pickle.dumps(OAuthError("no", "invalid_grant")))
    assert (str(error), error.code) == ("no", "invalid_grant")


# --- end to end ---------------------------------------------------------------------------

USER = "ann@example.org"


async def _log_in(account: Account) -> str:
    async with open_session(account) as session:
        return session.transcript()


@pytest.mark.parametrize("mechanism", ["OAUTHBEARER", "XOAUTH2"])
def test_a_server_that_wants_a_token_gets_the_current_one(
    server: OAuthServer, mechanism: str
) -> None:
    time = Time()
    token = device_token(server, time)
    time.now += 4000
    with Lab(users={USER: "access-2"}) as lab:
        lab.set(ehlo=Behaviour(reply=f"250-lab.test\n250 AUTH PLAIN {mechanism}"))
        account = lab.account.replace(username=USER, password=token)
        text = trio.run(_log_in, account)
    assert f"AUTH {mechanism} [redacted]" in text
    assert "235 2.7.0" in text
    assert "access-2" not in text


def test_a_server_that_refuses_the_token_says_why(server: OAuthServer) -> None:
    with Lab(users={USER: "another"}) as lab:
        account = lab.account.replace(username=USER, password=device_token(server))
        with pytest.raises(AuthenticationError) as refused:
            trio.run(_log_in, account)
    assert str(refused.value) == (
        "AUTH OAUTHBEARER: 535 5.7.8 Authentication credentials invalid; "
        "the server says status=invalid_token, schemes=bearer"
    )


def test_a_permission_that_has_ended_ends_the_session(server: OAuthServer) -> None:
    time = Time()
    token = device_token(server, time)
    time.now += 4000
    server.instead["/token"] = refusal("invalid_grant")
    with Lab(users={USER: "access-1"}) as lab:
        with pytest.raises(OAuthError, match="authorize again"):
            trio.run(_log_in, lab.account.replace(username=USER, password=token))
        assert lab.log["verb"].tolist() == ["GREETING", "EHLO", "QUIT"]
