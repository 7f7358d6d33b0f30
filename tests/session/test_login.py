"""Login: each mechanism against a server that checks, and no secret anywhere."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
from IPython.core.ultratb import VerboseTB

from smtpbook.accounts.account import Account
from smtpbook.accounts.passwords import FromEnvironment
from smtpbook.accounts.secret import Secret
from smtpbook.errors import (
    AuthenticationError,
    DeferredError,
    LocalProtocolError,
    RemoteProtocolError,
    SMTPBookError,
)
from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab
from smtpbook.log.frame import to_frame
from smtpbook.protocol.states import State
from smtpbook.sasl.mechanism import Known
from smtpbook.sasl.registry import BY_PASSWORD, BY_TOKEN
from smtpbook.sasl.scram import NAMES as SCRAM
from smtpbook.sasl.scram import ScramServer
from smtpbook.session.session import open_session
from tests.session.scripted import ACCOUNT, BYE, Rows, Scripted, Servers

USER, PASSWORD = "ann@x.test", "correct horse päßword"
# What a lab knows users by; EXTERNAL and ANONYMOUS have no secret.
BY_SECRET = (*BY_PASSWORD, *BY_TOKEN)
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


def with_locals(error: BaseException) -> str:
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    return "".join(shown.format())


def offering(*mechanisms: str) -> str:
    return f"250-mx\r\n250 AUTH {' '.join(mechanisms)}"


# --- the mechanisms -----------------------------------------------------------------------


async def _log_in(account: Account, rows: Rows) -> str:
    async with open_session(account, sink=rows) as session:
        return session.transcript()


@pytest.mark.parametrize(
    ("auth", "tls"),
    [
        *((auth, "starttls") for auth in BY_SECRET),
        *((auth, "none") for auth in BY_SECRET if not auth.endswith("-PLUS")),
    ],
)
def test_each_mechanism_logs_in(auth: str, tls: str) -> None:
    rows = Rows()
    with Lab(users={USER: PASSWORD}, tls=tls) as lab:
        trio.run(_log_in, lab.account.replace(auth=auth), rows)
    said = [row["command"] for row in rows.of("command", "AUTH")]
    assert said[0] in (f"AUTH {auth}", f"AUTH {auth} [redacted]")
    assert set(said[1:]) <= {"[redacted]"}
    assert rows.of("command", "AUTH")[-1]["reply_code"] == 235
    rows.check_whole()


@pytest.mark.parametrize(
    ("tls", "name"), [("none", "SCRAM-SHA-512"), ("starttls", "SCRAM-SHA-512-PLUS")]
)
def test_a_lab_is_logged_in_to_in_the_strongest_way(tls: str, name: str) -> None:
    rows = Rows()
    with Lab(users={USER: PASSWORD}, tls=tls) as lab:
        trio.run(_log_in, lab.account, rows)
    assert rows.of("command", "AUTH")[0]["command"] == f"AUTH {name} [redacted]"


@pytest.mark.parametrize(
    ("auth", "password"),
    [
        ("CRAM-MD5", "lab"),  # its challenge is <…@lab.test>
        ("LOGIN", "Username:"),
        ("LOGIN", "Password:"),
        ("SCRAM-SHA-256", "r"),
        ("SCRAM-SHA-256", "i=4096"),
        ("SCRAM-SHA-256", "v="),
        ("SCRAM-SHA-256", "c"),
    ],
)
def test_a_password_that_a_challenge_happens_to_spell_logs_in(
    auth: str, password: str
) -> None:
    rows = Rows()
    with Lab(users={USER: password}) as lab:
        trio.run(_log_in, lab.account.replace(auth=auth), rows)
    assert rows.of("command", "AUTH")[-1]["reply_code"] == 235


@pytest.mark.parametrize("auth", BY_SECRET)
def test_a_wrong_password_is_tried_once(auth: str) -> None:
    rows = Rows()
    with Lab(users={USER: "another"}, tls="starttls") as lab:
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
        (LOCAL.replace(password=None), "no password for"),
        (LOCAL.replace(username="a\0b"), "NUL"),
        (LOCAL.replace(password="x" * 9300), "octets long, at most 12288"),
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


async def test_a_response_that_no_line_can_hold_is_not_said(
    servers: Servers, autojump_clock: object
) -> None:
    """What is begun is called off: the session is open to another login."""
    prompts = ("334 VXNlcg==", "334 UGFzcw==", "501 cancelled")
    server = servers("220 mx", offering("LOGIN"), *prompts, BYE)
    account = LOCAL.replace(auth="LOGIN", password="x" * 9300)
    async with servers.open(account, login=False) as session:
        with pytest.raises(RemoteProtocolError, match="at most 12288 are") as refused:
            await session.log_in()
        assert session.state is State.READY
    assert server.heard[-2:] == [b"*", b"QUIT"]
    shown = with_locals(refused.value)
    assert b64("x" * 9) not in shown
    servers.rows.check_whole()


async def test_a_challenge_may_be_longer_than_other_replies(
    servers: Servers, autojump_clock: object
) -> None:
    server = servers("220 mx", offering("LOGIN"), f"334 {b64('x' * 9000)}", "235 in", BYE)
    async with servers.open(LOCAL):
        pass
    assert server.heard[1:3] == [b"AUTH LOGIN", b64(USER).encode()]
    servers.rows.check_whole()


@pytest.mark.parametrize("prompts", [(), ("334 VXNlcg==",)])
@pytest.mark.parametrize("code", [300, 354])
async def test_what_is_neither_verdict_nor_challenge_ends_the_session(
    code: int, prompts: tuple[str, ...], servers: Servers, autojump_clock: object
) -> None:
    async def no_challenge(server: Scripted) -> None:
        await server.say(b"%d go ahead\r\n" % code)

    server = servers("220 mx", offering("LOGIN"), *prompts, no_challenge)
    async with servers.open(LOCAL, login=False) as session:
        with pytest.raises(RemoteProtocolError, match=f"{code} cannot be a reply to AUTH"):
            await session.log_in()
        assert session.is_over
    assert len(server.heard) == 2 + len(prompts)
    servers.rows.check_whole()


@pytest.mark.parametrize(
    ("auth", "line"),
    [
        *((auth, "") for auth in ("auto", "PLAIN", "SCRAM-SHA-256", "NTLM")),
        ("auto", "AUTH PLAIN [redacted]"),
    ],
)
async def test_a_password_that_is_not_utf_8_is_refused_and_not_shown(
    auth: str,
    line: str,
    servers: Servers,
    monkeypatch: pytest.MonkeyPatch,
    autojump_clock: object,
) -> None:
    """Python makes surrogates of such octets in the environment."""
    monkeypatch.setenv(
        "MAIL_PASSWORD", b"p\xe4ssw\xf6rd-s3cret".decode("utf-8", "surrogateescape")
    )
    offered = offering("PLAIN", "SCRAM-SHA-256", "NTLM")
    server = servers("220 mx", offered, BYE)
    account = LOCAL.replace(auth=auth, password=FromEnvironment("MAIL_PASSWORD"))
    async with servers.open(account, login=False) as session:
        with pytest.raises(LocalProtocolError, match="set it in UTF-8") as refused:
            await (session.command(line) if line else session.log_in())
    assert server.heard == [b"EHLO client.test", b"QUIT"]
    assert refused.value.__cause__ is refused.value.__context__ is None
    shown = with_locals(refused.value)
    assert "ssw\\udcf6rd" not in shown


async def test_a_login_may_wait(servers: Servers, autojump_clock: object) -> None:
    server = servers("220 mx", offering("PLAIN"), "250 noop", "235 in", BYE)
    async with servers.open(LOCAL, login=False) as session:
        assert not session.certificates
        await session.command("NOOP")
        await session.log_in()
    verbs = [line.split()[0] for line in server.heard]
    assert verbs == [b"EHLO", b"NOOP", b"AUTH", b"QUIT"]
    servers.rows.check_whole()


# --- the next way, or none ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("offered", "script", "said"),
    [
        (
            ("CRAM-MD5", "PLAIN"),
            ("334 PDE+", "534 5.7.9 too weak for you", "235 in"),
            "AUTH CRAM-MD5, [redacted], AUTH PLAIN [redacted]",
        ),
        (
            ("SCRAM-SHA-256", "SCRAM-SHA-1", "LOGIN"),
            ("504 5.5.4 what?", "534 5.7.9 weak", "334 VQ==", "334 UA==", "235 in"),
            "AUTH SCRAM-SHA-256 [redacted], AUTH SCRAM-SHA-1 [redacted], AUTH LOGIN, "
            f"{b64(USER)}, [redacted]",
        ),
        (
            ("SCRAM-SHA-256", "PLAIN"),
            ("432 4.7.12 a password transition is needed", "235 in"),
            "AUTH SCRAM-SHA-256 [redacted], AUTH PLAIN [redacted]",
        ),
    ],
)
async def test_a_mechanism_that_will_not_do_is_followed_by_the_next(
    offered: tuple[str, ...],
    script: tuple[str, ...],
    said: str,
    servers: Servers,
    autojump_clock: object,
) -> None:
    servers("220 mx", offering(*offered), *script, BYE)
    async with servers.open(LOCAL):
        pass
    shown = [str(row["command"]) for row in servers.rows.of("command", "AUTH")]
    assert ", ".join(shown) == said.replace(b64(USER), "[redacted]")
    servers.rows.check_whole()


@pytest.mark.parametrize(
    ("account", "offered", "script", "told"),
    [
        (LOCAL, "PLAIN LOGIN", ("534 5.7.9 app password",), "AUTH PLAIN: 534"),
        (LOCAL, "PLAIN LOGIN", ("504 5.5.4 no",), "AUTH PLAIN: 504"),
        (LOCAL, "CRAM-MD5 PLAIN", ("535 5.7.8 no",), "AUTH CRAM-MD5: 535"),
        (LOCAL, "CRAM-MD5 PLAIN", ("334 PDE+", "535 no"), "AUTH CRAM-MD5: 535"),
        (LOCAL, "CRAM-MD5 PLAIN", ("538 use TLS",), "AUTH CRAM-MD5: 538"),
        (LOCAL, "SCRAM-SHA-1 PLAIN", ("500 what?",), "AUTH SCRAM-SHA-1: 500"),
        (LOCAL, "SCRAM-SHA-1", ("432 by PLAIN first",), "AUTH SCRAM-SHA-1: 432"),
        (LOCAL, "CRAM-MD5 PLAIN", ("534 no", "535 no"), "AUTH CRAM-MD5, PLAIN: 535"),
        (LOCAL, "SCRAM-SHA-1 CRAM-MD5", ("534 no", "534 n"), "SCRAM-SHA-1, CRAM-MD5: 534"),
        (LOCAL.replace(auth="CRAM-MD5"), "CRAM-MD5 PLAIN", ("534 no",), "CRAM-MD5: 534"),
        (
            LOCAL.replace(auth="XOAUTH2"),
            "XOAUTH2 OAUTHBEARER",
            ("534 no",),
            "AUTH XOAUTH2: 534",
        ),
    ],
)
async def test_each_password_is_tried_once_and_the_error_tells_how(
    account: Account,
    offered: str,
    script: tuple[str, ...],
    told: str,
    servers: Servers,
    autojump_clock: object,
) -> None:
    server = servers("220 mx", offering(*offered.split()), *script, BYE)
    with pytest.raises(AuthenticationError, match=told):
        async with servers.open(account):
            pass
    assert len(server.heard) == 2 + len(script)
    assert server.heard[-1] == b"QUIT"
    servers.rows.check_whole()


@pytest.mark.parametrize(
    "script",
    [
        ("454 4.7.0 Temporary authentication failure",),
        ("334 PDE+", "454 4.7.0 Temporary authentication failure"),
        ("451 4.3.0 the database is away",),
        ("421 4.7.0 too many logins",),
    ],
)
async def test_the_servers_own_trouble_is_not_the_passwords(
    script: tuple[str, ...], servers: Servers, autojump_clock: object
) -> None:
    server = servers("220 mx", offering("CRAM-MD5", "PLAIN"), *script, BYE)
    with pytest.raises(DeferredError, match="AUTH CRAM-MD5: 4") as deferred:
        async with servers.open(LOCAL):
            pass
    assert "may be right" in deferred.value.__notes__[0]
    assert not [line for line in server.heard if line.startswith(b"AUTH PLAIN")]
    servers.rows.check_whole()


def test_a_refused_plus_names_the_way_without() -> None:
    with Lab(users={USER: "another"}, tls="starttls") as lab:
        account = lab.account.replace(password=PASSWORD)
        with pytest.raises(AuthenticationError, match="AUTH SCRAM-SHA-512-PLUS:") as info:
            trio.run(_log_in, account, Rows())
    assert 'auth="SCRAM-SHA-512"' in info.value.__notes__[-1]


# --- without a password -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("auth", "username", "said"),
    [
        ("EXTERNAL", None, "AUTH EXTERNAL ="),
        ("external", USER, f"AUTH EXTERNAL {b64(USER)}"),
        ("ANONYMOUS", None, "AUTH ANONYMOUS ="),
        ("ANONYMOUS", "trace", f"AUTH ANONYMOUS {b64('trace')}"),
    ],
)
async def test_a_login_that_needs_no_password_asks_nobody_for_one(
    auth: str, username: str | None, said: str, servers: Servers, autojump_clock: object
) -> None:
    server = servers("220 mx", offering("EXTERNAL", "ANONYMOUS"), f"235 {USER} trace", BYE)
    account = ACCOUNT.replace(auth=auth, username=username)
    async with servers.open(account) as session:
        assert f"235 {USER} trace" in session.transcript()  # a name is no secret
    assert server.heard[1].decode() == said


async def test_external_asks_nobody_for_a_password_that_there_is(
    servers: Servers, autojump_clock: object
) -> None:
    def password() -> str:
        raise AssertionError("it was asked for")

    servers("220 mx", offering("EXTERNAL"), "235 in", BYE)
    async with servers.open(LOCAL.replace(auth="EXTERNAL", password=password)):
        pass


async def test_nobody_logs_in_who_does_not_ask_for_it(
    servers: Servers, autojump_clock: object
) -> None:
    server = servers("220 mx", offering("EXTERNAL", "ANONYMOUS", "XOAUTH2"), BYE)
    async with servers.open(ACCOUNT.replace(auth="XOAUTH2")):
        pass
    assert server.heard == [b"EHLO client.test", b"QUIT"]


def test_a_lab_where_anybody_is_a_user_lets_in_anybody() -> None:
    rows = Rows()
    with Lab(users={"anonymous": ""}) as lab:
        account = lab.account.replace(auth="ANONYMOUS", username=None, password=None)
        trio.run(_log_in, account, rows)
    assert rows.of("command", "AUTH")[-1]["reply_code"] == 235
    with Lab(users={USER: PASSWORD}) as lab:
        account = lab.account.replace(auth="ANONYMOUS", username=None, password=None)
        with pytest.raises(LocalProtocolError, match="does not offer ANONYMOUS"):
            trio.run(_log_in, account, rows)


# --- a server that has to prove itself ----------------------------------------------------

SALT = b64("salt of the earth")


def scram(template: str) -> Callable[[Scripted], Awaitable[None]]:
    """Say a challenge, with the nonce of the client's first message."""

    async def say(server: Scripted) -> None:
        first = base64.b64decode(server.heard[1].split()[2]).decode()
        text = template.replace("NONCE", first.rpartition("r=")[2])
        await server.say(f"334 {b64(text)}\r\n".encode())

    return say


FIRST = scram(f"r=NONCEtheirs,s={SALT},i=4096")


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (("235 welcome",), "without proving"),
        ((FIRST, "235 welcome"), "without proving"),
        ((FIRST, scram("v=AAAA")), "could not prove"),
        ((FIRST, scram(f"r=NONCEtheirs,s={SALT},i=4096")), "could not prove"),
        ((FIRST, "334 "), "could not prove"),
        ((FIRST, scram("e=other-error"), "235 welcome"), "without proving"),
        ((scram(f"r=NONCE,s={SALT},i=4096"),), "nonce"),
        ((scram(f"r=another,s={SALT},i=4096"),), "nonce"),
        ((scram(f"r=NONCEtheirs,s={SALT},i=1000000000"),), "more than 2,000,000"),
        ((scram(f"r=NONCEtheirs,s={SALT},i=0"),), "r=…,s=…,i=…"),
        ((scram(f"r=NONCEtheirs,s={SALT},i=1"),), "fewer than 4,096"),
        ((scram("r=NONCEtheirs,i=4096"),), "r=…,s=…,i=…"),
        ((scram(f"m=x,r=NONCEtheirs,s={SALT},i=4096"),), "extension"),
        ((scram("\x1b[31mwhat"),), "r=…,s=…,i=…"),
    ],
)
async def test_a_server_that_does_not_prove_itself_is_spoken_to_no_more(
    script: tuple[str | Callable[[Scripted], Awaitable[None]], ...],
    why: str,
    servers: Servers,
    autojump_clock: object,
) -> None:
    server = servers("220 mx", offering("SCRAM-SHA-256", "PLAIN"), *script, BYE)
    async with servers.open(LOCAL, login=False) as session:
        with pytest.raises(RemoteProtocolError, match=why):
            await session.log_in()
        assert session.is_over
        with pytest.raises(RemoteProtocolError, match=why):
            await session.command("NOOP")
    assert len(server.heard) == 1 + len(script)
    assert servers.rows.all[-1]["error"] == "RemoteProtocolError"
    servers.rows.check_whole()


async def test_a_challenge_behind_the_proof_is_not_answered(
    servers: Servers, autojump_clock: object
) -> None:
    known = Known(passwords={USER: PASSWORD}, nonce="theirs")
    theirs = ScramServer("SCRAM-SHA-256", known)

    async def turn(server: Scripted) -> None:
        said = theirs.turn(base64.b64decode(server.heard[-1].split()[-1]))
        assert isinstance(said, bytes)
        await server.say(b"334 " + base64.b64encode(said) + b"\r\n")

    script = (turn, turn, "334 bW9yZQ==", "501 cancelled", BYE)
    server = servers("220 mx", offering("SCRAM-SHA-256"), *script)
    with pytest.raises(RemoteProtocolError, match="asks for more"):
        async with servers.open(LOCAL):
            pass
    assert server.heard[3:] == [b"", b"*", b"QUIT"]
    servers.rows.check_whole()


async def test_a_server_that_takes_no_for_yes_has_not_let_anybody_in(
    servers: Servers, autojump_clock: object
) -> None:
    servers("220 mx", offering("SCRAM-SHA-256"), "334 not base64!", "235 welcome", BYE)
    async with servers.open(LOCAL, login=False) as session:
        with pytest.raises(RemoteProtocolError, match="not base64"):
            await session.log_in()
        assert session.is_over


async def test_why_scram_was_refused_is_told(
    servers: Servers, autojump_clock: object
) -> None:
    script = (FIRST, scram("e=invalid-proof"), "535 5.7.8 no", BYE)
    server = servers("220 mx", offering("SCRAM-SHA-256", "PLAIN"), *script)
    with pytest.raises(AuthenticationError) as refused:
        async with servers.open(LOCAL):
            pass
    assert str(refused.value) == (
        "AUTH SCRAM-SHA-256: 535 5.7.8 no; the server says invalid-proof"
    )
    assert server.heard[3:] == [b"", b"QUIT"]


async def test_a_long_name_waits_until_it_is_asked_for(
    servers: Servers, autojump_clock: object
) -> None:
    """RFC 4954 section 4: an initial response that makes the line too long is left out."""
    server = servers("220 mx", offering("SCRAM-SHA-256"), "334 ", "535 no", BYE)
    with pytest.raises(AuthenticationError):
        async with servers.open(LOCAL.replace(username="a" * 600)):
            pass
    assert server.heard[1] == b"AUTH SCRAM-SHA-256"
    assert base64.b64decode(server.heard[2]).startswith(b"n,,n=" + b"a" * 600)


@pytest.mark.parametrize(
    ("auth", "is_slow"), [("SCRAM-SHA-512", True), ("CRAM-MD5", False)]
)
def test_thousands_of_rounds_are_not_computed_where_trio_runs(
    auth: str, is_slow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[int] = []
    hashed = hashlib.pbkdf2_hmac

    def noticed(*given: Any) -> bytes:
        threads.append(threading.get_ident())
        return hashed(*given)

    with Lab(users={USER: PASSWORD}) as lab:
        monkeypatch.setattr(hashlib, "pbkdf2_hmac", noticed)
        trio.run(_log_in, lab.account.replace(auth=auth), Rows())
    # The lab has a thread of its own, too.
    assert len(set(threads)) == (2 if is_slow else 0)
    assert threading.get_ident() not in threads


# --- bound to the connection --------------------------------------------------------------


@pytest.mark.parametrize("auth", SCRAM[3:])
def test_the_way_without_binding_is_open_to_those_who_ask_for_it(auth: str) -> None:
    """The lab offers -PLUS, so the flag "y" would be a downgrade to it."""
    rows = Rows()
    with Lab(users={USER: PASSWORD}, tls="starttls") as lab:
        trio.run(_log_in, lab.account.replace(auth=auth), rows)
    assert rows.of("command", "AUTH")[-1]["reply_code"] == 235


def test_a_server_hears_when_somebody_has_taken_its_offer_away() -> None:
    """RFC 5802 section 6: we could have bound, and say so under the signature."""
    with Lab(users={USER: PASSWORD}, tls="starttls") as lab:
        offer = "250-lab.test\n250-STARTTLS\n250 AUTH SCRAM-SHA-256"
        lab.set(ehlo=Behaviour(reply=offer))
        with pytest.raises(AuthenticationError, match="AUTH SCRAM-SHA-256: 535"):
            trio.run(_log_in, lab.account, Rows())


def test_plus_is_not_for_clear_text() -> None:
    with Lab(users={USER: PASSWORD}) as lab:
        lab.set(ehlo=Behaviour(reply="250-lab.test\n250 AUTH SCRAM-SHA-1-PLUS"))
        for auth, why in (("auto", "no common"), ("SCRAM-SHA-1-PLUS", "use SCRAM-SHA-1$")):
            with pytest.raises(LocalProtocolError, match=why):
                trio.run(_log_in, lab.account.replace(auth=auth), Rows())


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
        (f'{{"got":"{PASSWORD}"}}', "got=[redacted]"),
        (json.dumps({"got": PASSWORD}), "got=[redacted]"),
        (json.dumps([PASSWORD]), "[redacted]"),
    ],
    ids=[
        "RFC 7628",
        "escapes",
        "words",
        "a list",
        "deep",
        "the token",
        "escaped token",
        "list",
    ],
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
        for auth in (name for name in BY_SECRET if not name.endswith("-PLUS")):
            trio.run(_log_in, lab.account.replace(auth=auth), Rows())
        text = lab.log.to_csv()
    for secret in SPELLINGS:
        assert secret not in text


@pytest.mark.parametrize("auth", SCRAM)
def test_no_sides_proof_is_in_the_record(auth: str) -> None:
    """With salt and nonces, which are, either would do to try passwords in peace."""
    rows = Rows()
    with Lab(users={USER: PASSWORD}, tls="starttls") as lab:
        trio.run(_log_in, lab.account.replace(auth=auth), rows)
        log = lab.log
    shown = [f"AUTH {auth} [redacted]", "[redacted]", "[redacted]"]
    said = rows.of("command", "AUTH")
    assert [row["command"] for row in said] == shown
    assert list(log["command"][log["verb"] == "AUTH"]) == shown
    assert said[1]["reply_text"] == "[redacted]"


@pytest.mark.parametrize("mechanism", BY_SECRET)
async def test_a_refused_login_leaves_no_secret_in_tracebacks(mechanism: str) -> None:
    with Lab(users={"ann": "another"}, tls="starttls") as lab:
        account = lab.account.replace(password=PASSWORD, auth=mechanism)
        with pytest.raises(AuthenticationError) as refused:
            async with open_session(account):
                raise AssertionError("it was opened")
    error = refused.value
    text = with_locals(error)
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
