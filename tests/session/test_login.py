"""Login: each mechanism against a server that checks, and no secret anywhere."""

from __future__ import annotations

import base64
import json
import traceback
from collections.abc import Callable

import pytest
import trio
from IPython.core.ultratb import VerboseTB

from smtpbook.accounts.account import Account
from smtpbook.accounts.secret import Secret
from smtpbook.errors import (
    AuthenticationError,
    LocalProtocolError,
    RemoteProtocolError,
    SMTPBookError,
)
from smtpbook.lab.lab import Lab
from smtpbook.log.frame import to_frame
from smtpbook.sasl.registry import BY_TOKEN, MECHANISMS
from smtpbook.session.session import open_session
from tests.session.scripted import ACCOUNT, BYE, Rows, Servers

USER, PASSWORD = "ann@x.test", "correct horse päßword"
# Where no TLS is, a password may be sent to this machine only.
LOCAL = ACCOUNT.replace(host="localhost", username=USER, password=PASSWORD)


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


SPELLINGS = (
    PASSWORD,
    b64(PASSWORD),
    b64(f"\0{USER}\0{PASSWORD}"),
    b64(f"user={USER}\1auth=Bearer {PASSWORD}\1\1"),
)


def offering(*mechanisms: str) -> str:
    return f"250-mx\r\n250 AUTH {' '.join(mechanisms)}"


# --- the mechanisms -----------------------------------------------------------------------


async def _log_in(account: Account, rows: Rows) -> str:
    async with open_session(account, sink=rows) as session:
        return session.transcript()


@pytest.mark.parametrize("tls", ["none", "starttls"])
@pytest.mark.parametrize("auth", ["auto", *MECHANISMS])
def test_each_mechanism_logs_in(auth: str, tls: str) -> None:
    rows = Rows()
    with Lab(users={USER: PASSWORD}, tls=tls) as lab:
        trio.run(_log_in, lab.account.replace(auth=auth), rows)
    said = [row["command"] for row in rows.of("command", "AUTH")]
    name = "CRAM-MD5" if auth == "auto" else auth
    assert said[0] in (f"AUTH {name}", f"AUTH {name} [redacted]")
    assert set(said[1:]) <= {"[redacted]"}
    assert rows.of("command", "AUTH")[-1]["reply_code"] == 235
    rows.check_whole()


@pytest.mark.parametrize(
    ("auth", "password"),
    [
        ("CRAM-MD5", "lab"),  # its challenge is <…@lab.test>
        ("LOGIN", "Username:"),
        ("LOGIN", "Password:"),
    ],
)
def test_a_password_that_a_challenge_happens_to_spell_logs_in(
    auth: str, password: str
) -> None:
    rows = Rows()
    with Lab(users={USER: password}) as lab:
        trio.run(_log_in, lab.account.replace(auth=auth), rows)
    assert rows.of("command", "AUTH")[-1]["reply_code"] == 235


@pytest.mark.parametrize("auth", MECHANISMS)
def test_a_wrong_password_is_tried_once(auth: str) -> None:
    rows = Rows()
    with Lab(users={USER: "another"}) as lab:
        account = lab.account.replace(username=USER, password=PASSWORD, auth=auth)
        with pytest.raises(AuthenticationError, match=rf"AUTH {auth}: 535 5\.7\.8"):
            trio.run(_log_in, account, rows)
        log = lab.log
    begun = log["command"].str.startswith("AUTH").fillna(False)
    assert begun.sum() == 1
    assert "MAIL" not in set(log["verb"])
    assert log["verb"].iloc[-1] == "QUIT"
    rows.check_whole()


@pytest.mark.parametrize("password", [PASSWORD, lambda: PASSWORD], ids=["text", "callable"])
async def test_a_password_may_be_a_callable(
    password: str | Callable[[], str], servers: Servers, autojump_clock: object
) -> None:
    server = servers("220 mx", offering("PLAIN"), "235 in", BYE)
    async with servers.open(LOCAL.replace(password=password)):
        pass
    assert server.heard[1].decode() == f"AUTH PLAIN {SPELLINGS[2]}"


async def test_a_server_that_ignores_the_initial_response_gets_it_again(
    servers: Servers, autojump_clock: object
) -> None:
    server = servers("220 mx", offering("PLAIN"), "334 ", "235 in", BYE)
    async with servers.open(LOCAL):
        pass
    assert server.heard[2].decode() == SPELLINGS[2]
    servers.rows.check_whole()


@pytest.mark.parametrize(
    ("auth", "script"),
    [
        ("PLAIN", ("334 not base64!", "501 cancelled")),
        ("LOGIN", ("334 not base64!", "501 cancelled")),
        ("CRAM-MD5", ("334 \xfc", "501 cancelled")),
        ("LOGIN", ("334 VXNlcg==", "334 UGFzcw==", "334 T25jZSBtb3Jl", "501 cancelled")),
    ],
)
async def test_a_challenge_that_cannot_be_answered_is_cancelled(
    auth: str, script: tuple[str, ...], servers: Servers, autojump_clock: object
) -> None:
    server = servers("220 mx", offering(auth), *script, BYE)
    with pytest.raises(RemoteProtocolError, match="cannot be answered"):
        async with servers.open(LOCAL.replace(auth=auth)):
            pass
    assert server.heard[-2:] == [b"*", b"QUIT"]
    servers.rows.check_whole()


@pytest.mark.parametrize(
    ("account", "told"),
    [
        (ACCOUNT.replace(username=USER, password=PASSWORD), "clear text"),
        (LOCAL.replace(auth="CRAM-MD5"), "does not offer CRAM-MD5"),
        (LOCAL.replace(auth="PLIAN"), "did you mean 'PLAIN'"),
        (LOCAL.replace(password=None), "no password for"),
        (LOCAL.replace(username="a\0b"), "NUL"),
    ],
)
async def test_what_cannot_be_said_is_not_begun(
    account: Account, told: str, servers: Servers, autojump_clock: object
) -> None:
    server = servers("220 mx", offering("PLAIN", "LOGIN"), BYE)
    with pytest.raises(LocalProtocolError, match=told):
        async with servers.open(account):
            pass
    assert server.heard == [b"EHLO client.test", b"QUIT"]
    servers.rows.check_whole()


async def test_a_login_may_wait(servers: Servers, autojump_clock: object) -> None:
    server = servers("220 mx", offering("PLAIN"), "250 noop", "235 in", BYE)
    async with servers.open(LOCAL, login=False) as session:
        assert session.certificate is None
        await session.command("NOOP")
        await session.log_in()
    verbs = [line.split()[0] for line in server.heard]
    assert verbs == [b"EHLO", b"NOOP", b"AUTH", b"QUIT"]
    servers.rows.check_whole()


# --- tokens -------------------------------------------------------------------------------


class Token:
    """A source of secrets that says what they are good for."""

    mechanisms = BY_TOKEN

    def __call__(self) -> Secret:
        return Secret(PASSWORD)


@pytest.mark.parametrize(
    ("offered", "said"),
    [
        ("PLAIN XOAUTH2", f"user={USER}\1auth=Bearer {PASSWORD}\1\1"),
        (
            "XOAUTH2 OAUTHBEARER LOGIN",
            f"n,a={USER},\1host=localhost\1port=25\1auth=Bearer {PASSWORD}\1\1",
        ),
    ],
)
async def test_a_token_goes_where_tokens_are_taken(
    offered: str, said: str, servers: Servers, autojump_clock: object
) -> None:
    server = servers("220 mx", offering(*offered.split()), "235 in", BYE)
    async with servers.open(LOCAL.replace(password=Token())):
        pass
    assert server.heard[1].decode().split()[2] == b64(said)


@pytest.mark.parametrize("auth", ["auto", "PLAIN", "CRAM-MD5"])
async def test_a_token_is_not_sent_as_a_password(
    auth: str, servers: Servers, autojump_clock: object
) -> None:
    server = servers("220 mx", offering("PLAIN", "LOGIN", "CRAM-MD5"), BYE)
    with pytest.raises(LocalProtocolError, match="this secret"):
        async with servers.open(LOCAL.replace(password=Token(), auth=auth)):
            pass
    assert server.heard == [b"EHLO client.test", b"QUIT"]


@pytest.mark.parametrize(
    ("auth", "acknowledged"), [("OAUTHBEARER", b"AQ=="), ("XOAUTH2", b"")]
)
@pytest.mark.parametrize(
    ("challenge", "told"),
    [
        ('{"status":"invalid_token","scope":"mail"}', "status=invalid_token, scope=mail"),
        ('{"status":"\\u001b[31mred"}', r"status=\x1b[31mred"),
        ("plain words", "plain words"),
        ("[1]", "[1]"),
        ("[" * 2900, "[[[…"),
        (f'{{"got":"{PASSWORD}"}}', "[redacted]"),
        (json.dumps({"got": PASSWORD}), "[redacted]"),
    ],
    ids=["RFC 7628", "escapes", "words", "a list", "deep", "the token", "escaped token"],
)
async def test_why_a_token_was_refused_is_told(
    auth: str,
    acknowledged: bytes,
    challenge: str,
    told: str,
    servers: Servers,
    autojump_clock: object,
) -> None:
    server = servers("220 mx", offering(auth), f"334 {b64(challenge)}", "535 5.7.8 no", BYE)
    with pytest.raises(AuthenticationError) as refused:
        async with servers.open(LOCAL.replace(auth=auth)):
            pass
    head, _, tail = told.partition("…")
    assert f"AUTH {auth}: 535 5.7.8 no; the server says {head}" in str(refused.value)
    assert len(str(refused.value)) < 400
    assert str(refused.value).endswith(tail)
    assert server.heard[2] == acknowledged
    assert server.heard[-1] == b"QUIT"
    servers.rows.check_whole()


@pytest.mark.parametrize("before", range(6))
async def test_a_token_inside_the_error_is_not_recorded(
    before: int, servers: Servers, autojump_clock: object
) -> None:
    """The error is base64 as a whole: the token in it is spelled in one of three ways."""
    token = "ya29.a-token-of-the-usual-kind"
    challenge = b64('{"e":"' + "x" * before + token + '"}')
    servers("220 mx", offering("XOAUTH2"), f"334 {challenge}", "535 no", BYE)
    with pytest.raises(AuthenticationError):
        async with servers.open(LOCAL.replace(auth="XOAUTH2", password=token)):
            pass
    recorded = str(servers.rows.of("command", "AUTH")[0]["reply_text"])
    left, right = recorded.split("[redacted]")
    readable = base64.b64decode(left) + base64.b64decode(right)
    parts = {token[i : i + 6].encode() for i in range(len(token) - 5)}
    assert not [part for part in parts if part in readable]


# --- no secret ----------------------------------------------------------------------------


@pytest.mark.parametrize("auth", ["PLAIN", "LOGIN", "OAUTHBEARER", "XOAUTH2"])
@pytest.mark.parametrize("spelled", SPELLINGS, ids=["text", "base64", "PLAIN", "XOAUTH2"])
@pytest.mark.parametrize(
    "reply",
    [
        "535 5.7.8 who is {}?",
        "535-5.7.8 no\r\n535 5.7.8 {} is wrong",
        "421 4.7.0 {} and goodbye",
        "what? {}",
        "250-{}\r\n251 {}",
        "354 {}",
        "200 a\r\n200 {}",
    ],
)
async def test_a_server_that_repeats_the_secret_is_not_quoted(
    auth: str, spelled: str, reply: str, servers: Servers, autojump_clock: object
) -> None:
    prompts = ("334 VXNlcg==", "334 UGFzcw==") if auth == "LOGIN" else ()
    servers("220 mx", offering(auth), *prompts, reply.replace("{}", spelled), BYE)
    told = "it was let in"
    rows = to_rows = servers.rows
    session = None
    try:
        async with servers.open(LOCAL.replace(auth=auth)) as session:
            await session.command("NOOP")
    except SMTPBookError as exc:
        told = "".join(traceback.format_exception(exc))
    told += "".join(str(row) for row in to_rows.all)
    secrets = {
        "PLAIN": SPELLINGS[:3],
        "LOGIN": SPELLINGS[:2],
        "OAUTHBEARER": SPELLINGS[:2],
        "XOAUTH2": (*SPELLINGS[:2], SPELLINGS[3]),
    }[auth]
    for secret in secrets:
        assert secret not in told
        assert repr(secret.encode())[2:-1] not in told
    rows.check_whole()


async def test_no_secret_is_in_the_transcript_after_a_login(
    servers: Servers, autojump_clock: object
) -> None:
    servers("220 mx", offering("PLAIN"), f"235 welcome {PASSWORD}", f"250 {PASSWORD}", BYE)
    async with servers.open(LOCAL) as session:
        reply = await session.command("NOOP")
        assert reply is not None
        assert reply.text == "[redacted]"
    text = session.transcript() + to_frame(session.rows).to_csv() + repr(session)
    for secret in SPELLINGS:
        assert secret not in text


def test_the_lab_keeps_no_secret_in_its_log() -> None:
    with Lab(users={USER: PASSWORD}) as lab:
        for auth in ("PLAIN", "LOGIN", "OAUTHBEARER", "XOAUTH2"):
            trio.run(_log_in, lab.account.replace(auth=auth), Rows())
        text = lab.log.to_csv()
    for secret in SPELLINGS:
        assert secret not in text


@pytest.mark.parametrize("mechanism", MECHANISMS)
async def test_a_refused_login_leaves_no_secret_in_tracebacks(mechanism: str) -> None:
    with Lab(users={"ann": "another"}) as lab:
        account = lab.account.replace(password=PASSWORD, auth=mechanism)
        with pytest.raises(AuthenticationError) as refused:
            async with open_session(account):
                raise AssertionError("it was opened")
    error = refused.value
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    text = "".join(shown.format())
    text += VerboseTB().text(type(error), error, error.__traceback__)
    own = [part for part in text.split("\n") if "PASSWORD" not in part]
    assert "smtpbook/session/login.py" in text
    assert PASSWORD not in "\n".join(own)


@pytest.mark.parametrize("line", ["AUTH PLAIN AGFubgBzM2NyZXQ=", "AGFubgBzM2NyZXQ="])
async def test_a_typed_login_is_masked_when_the_server_repeats_it(
    line: str, servers: Servers, autojump_clock: object
) -> None:
    """The base64 is that of NUL ann NUL s3cret."""
    challenge = [] if line.startswith("AUTH") else ["334 "]
    servers("220 mx", "250-mx\r\n250 AUTH PLAIN", *challenge, "535 AGFubgBzM2NyZXQ= s3cret")
    async with servers.open() as session:
        if challenge:
            await session.command("AUTH PLAIN")
        reply = await session.command(line)
        assert str(reply) == "535 [redacted] [redacted]"
        assert "s3cret" not in session.transcript()
        assert "AGFubg" not in session.transcript()
