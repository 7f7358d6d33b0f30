"""A login shows its secret to the server and to nobody else."""

from __future__ import annotations

import traceback

import pytest
from IPython.core.ultratb import VerboseTB

from smtpbook.errors import AuthenticationError
from smtpbook.lab.lab import Lab
from smtpbook.protocol.sasl import MECHANISMS
from smtpbook.session.session import open_session
from tests.session.scripted import Servers

SECRET = "open sesame"


@pytest.mark.parametrize("mechanism", MECHANISMS)
async def test_a_refused_login_leaves_no_secret_in_tracebacks(mechanism: str) -> None:
    with Lab(users={"ann": "another"}) as lab:
        account = lab.account.replace(password=SECRET, auth=mechanism)
        with pytest.raises(AuthenticationError) as refused:
            async with open_session(account):
                raise AssertionError("it was opened")
    error = refused.value
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    text = "".join(shown.format())
    text += VerboseTB().text(type(error), error, error.__traceback__)
    own = [part for part in text.split("\n") if "SECRET" not in part]
    assert "smtpbook/session/login.py" in text
    assert SECRET not in "\n".join(own)


@pytest.mark.parametrize("line", ["AUTH PLAIN AGFubgBzM2NyZXQ=", "AGFubgBzM2NyZXQ="])
async def test_a_typed_login_is_masked_when_the_server_repeats_it(
    line: str, servers: Servers
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
