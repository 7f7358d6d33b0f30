"""Each mechanism speaks as its document says."""

from __future__ import annotations

import base64

import pytest

from smtpbook.errors import LocalProtocolError
from smtpbook.sasl.cram_md5 import CramMd5
from smtpbook.sasl.external import Anonymous, AnonymousServer, External, ExternalServer
from smtpbook.sasl.mechanism import Credentials, Known
from smtpbook.sasl.oauth import OAuthBearer, OAuthBearerServer, XOAuth2, XOAuth2Server
from smtpbook.sasl.plain import Login, Plain, PlainServer

TIM = Credentials(username="tim", secret="tanstaaftanstaaf")
NONCE = "<1896.697170952@postoffice.reston.mci.net>"
TOKEN = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="


def known(passwords: dict[str, str] | None = None, **more: str) -> Known:
    return Known(passwords={**(passwords or {}), **more}, nonce=NONCE)


def test_plain_is_the_example_of_rfc_4616() -> None:
    assert Plain(TIM).start() == b"\0tim\0tanstaaftanstaaf"


def test_server_lets_nobody_act_for_another() -> None:
    theirs = PlainServer(known(tim="tanstaaftanstaaf"))
    assert theirs.turn(b"admin\0tim\0tanstaaftanstaaf") is False
    assert theirs.turn(b"tim\0tim\0tanstaaftanstaaf") is True


def test_login_gives_name_and_password_whatever_the_prompts_say() -> None:
    mechanism = Login(Credentials(username="tim", secret="pw"))
    assert mechanism.start() is None
    assert [mechanism.respond(b"?"), mechanism.respond(b"Username:")] == [b"tim", b"pw"]


def test_cram_md5_is_the_example_of_rfc_2195() -> None:
    mechanism = CramMd5(TIM)
    assert mechanism.start() is None
    assert mechanism.respond(NONCE.encode()) == b"tim b913a602c7eda7a495b4e6e7334d3890"


def test_xoauth2_is_the_example_of_its_documentation() -> None:
    mechanism = XOAuth2(
        Credentials(
            username="someuser@example.com",
            secret="ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg",
        )
    )
    assert mechanism.start() == (
        b"user=someuser@example.com\1auth=Bearer "
        b"ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg\1\1"
    )
    assert mechanism.respond(b'{"status":"401"}') == b""


def test_oauthbearer_is_the_example_of_rfc_7628() -> None:
    """Section 4.1, there for IMAP."""
    mechanism = OAuthBearer(
        Credentials(
            username="user@example.com",
            secret=TOKEN,
            host="server.example.com",
            port=143,
        )
    )
    assert base64.b64encode(mechanism.start() or b"") == (
        b"bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9"
        b"QmVhcmVyIHZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB"
    )


def test_oauthbearer_acknowledges_an_error_as_in_the_example_of_rfc_7628() -> None:
    """Section 4.3: the error is answered with AQ==."""
    mechanism = OAuthBearer(TIM)
    error = '{"status":"invalid_token","scope":"example_scope"}'
    assert base64.b64encode(mechanism.respond(error.encode())) == b"AQ=="
    assert mechanism.failure == error


def test_oauthbearer_leaves_out_a_place_it_does_not_know() -> None:
    assert OAuthBearer(TIM).start() == b"n,a=tim,\1auth=Bearer tanstaaftanstaaf\1\1"


def test_a_comma_in_a_name_does_not_end_the_gs2_header() -> None:
    """RFC 5801 section 4."""
    said = OAuthBearer(Credentials(username="a,b=2C", secret="t")).start()
    assert said == b"n,a=a=2Cb=3D2C,\1auth=Bearer t\1\1"
    assert OAuthBearerServer(known({"a,b=2C": "t"})).turn(said) is True


def test_the_scheme_is_read_without_regard_to_case() -> None:
    assert XOAuth2Server(known(tim="t")).turn(b"user=tim\1auth=bearer t\1\1") is True


@pytest.mark.parametrize("kind", [OAuthBearer, XOAuth2])
def test_token_is_not_repeated_behind_an_error(
    kind: type[OAuthBearer] | type[XOAuth2],
) -> None:
    mechanism = kind(TIM)
    mechanism.start()
    assert b"tanstaaf" not in mechanism.respond(b'{"status":"401"}')
    with pytest.raises(LocalProtocolError):
        mechanism.respond(b"")


@pytest.mark.parametrize(
    ("kind", "server"), [(OAuthBearer, OAuthBearerServer), (XOAuth2, XOAuth2Server)]
)
def test_server_tells_why_before_it_refuses(
    kind: type[OAuthBearer] | type[XOAuth2],
    server: type[OAuthBearerServer] | type[XOAuth2Server],
) -> None:
    ours, theirs = kind(TIM), server(known(tim="another"))
    told = theirs.turn(ours.start())
    assert isinstance(told, bytes)
    assert theirs.turn(ours.respond(told)) is False
    assert ours.failure.startswith('{"status":')


# --- without a password -------------------------------------------------------------------


def test_external_says_whom_to_act_for_or_leaves_it_to_the_server() -> None:
    """RFC 4422 appendix A: the authorization identity, or nothing."""
    assert External(TIM).start() == b"tim"
    assert External(Credentials(username="", secret="")).start() == b""


@pytest.mark.parametrize(
    ("identity", "response", "verdict"),
    [
        ("tim", b"", True),
        ("tim", b"tim", True),
        ("tim", b"fred", False),
        ("tim", b"\xff", False),
        ("", b"", False),
        ("", b"tim", False),
    ],
)
def test_external_lets_in_whom_the_server_knows_otherwise(
    identity: str, response: bytes, verdict: bool
) -> None:
    theirs = ExternalServer(Known(passwords={}, nonce=NONCE, identity=identity))
    assert theirs.turn(None) == b""
    assert theirs.turn(response) is verdict


def test_anonymous_leaves_a_trace_and_is_let_in_where_anybody_is() -> None:
    """RFC 4505 section 3 has such an example: an address as trace information."""
    said = Anonymous(Credentials(username="sirhc", secret="")).start()
    assert said == b"sirhc"
    assert AnonymousServer(known(anonymous="")).turn(said) is True
    assert AnonymousServer(known(tim="tanstaaftanstaaf")).turn(said) is False


@pytest.mark.parametrize("kind", [External, Anonymous, Plain])
def test_what_is_said_at_once_is_said_again_to_a_server_that_ignored_it(
    kind: type[External] | type[Anonymous] | type[Plain],
) -> None:
    mechanism = kind(TIM)
    said = mechanism.start()
    assert mechanism.respond(b"") == said
    with pytest.raises(LocalProtocolError, match="asks for more"):
        mechanism.respond(b"")
