"""Proxying: what a proxy is told, how that is timed and named, and what it never hears."""

from __future__ import annotations

import base64
import re
import traceback
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest
import trio

from smtpbook.accounts.account import Account
from smtpbook.accounts.passwords import FromEnvironment
from smtpbook.accounts.proxy import Proxy as Where
from smtpbook.errors import LocalProtocolError, TransportError, TransportTimeout
from smtpbook.escape import visible
from smtpbook.insight.explain_probe import explain_probe
from smtpbook.lab.lab import Lab
from smtpbook.log.frame import to_frame
from smtpbook.protocol.message import Message
from smtpbook.session.probe import probe_async
from smtpbook.session.session import open_session
from tests.session.scripted import Rows
from tests.transport.proxies import Mumbler, Proxy, listen

Make = Callable[..., Message]
SCHEMES = ["socks5", "socks5h", "socks4", "socks4a", "http"]
TEXT = "open:sesame@/#"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(tls="starttls") as running:
        yield running


@pytest.fixture(scope="module")
def login_lab() -> Iterator[Lab]:
    """A lab server with a login."""
    with Lab(tls="starttls", users={"ann": "horse"}) as running:
        yield running


@pytest.fixture
def rows() -> Rows:
    return Rows()


# --- through a proxy ----------------------------------------------------------------------


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("tls", ["none", "starttls"])
async def test_a_message_goes_through_a_proxy(
    scheme: str, tls: str, lab: Lab, rows: Rows, message: Make, nursery: trio.Nursery
) -> None:
    """The greeting comes in one piece with the proxy's own words, and is not lost."""
    proxy = Proxy(lab.port)
    url = f"{scheme}://127.0.0.1:{await listen(nursery, proxy.serve)}"
    account = lab.account.replace(host="localhost", port=lab.port, proxy=url, tls=tls)
    before = len(lab.received)
    async with open_session(account, sink=rows) as session:
        assert (await session.send(message("bob@y.test"))).outcome == "accepted"
    assert len(lab.received) == before + 1
    (row,) = rows.of("proxy")
    assert row["command"] == url
    assert row["error"] is None
    assert row["latency_s"] >= 0  # type: ignore[operator]
    assert {one["command"] for one in rows.of("connect")} == {url}
    assert {one["server"] for one in rows.all} == {"localhost"}
    assert f"through {url} in" in session.transcript()
    looked_up = [one["command"] for one in rows.of("dns")]
    assert looked_up == ([url] if Where.from_url(url).looks_up else [None, url])
    rows.check_whole()


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_who_looks_the_name_up_depends_on_the_scheme(
    scheme: str, lab: Lab, nursery: trio.Nursery
) -> None:
    proxy = Proxy(lab.port)
    url = f"{scheme}://127.0.0.1:{await listen(nursery, proxy.serve)}"
    account = Account(host="localhost", port=2525, tls="none", proxy=url)
    async with open_session(account):
        pass
    (asked,) = proxy.asked
    if scheme in ("socks5", "socks4"):
        assert asked[0] in ("127.0.0.1", "::1")
    else:
        assert asked[0] == "localhost"
    assert asked[1] == 2525


@pytest.mark.parametrize("scheme", ["socks5h", "socks4a", "http"])
async def test_a_name_that_is_not_here_is_the_proxys_to_find(
    scheme: str, lab: Lab, nursery: trio.Nursery
) -> None:
    proxy = Proxy(lab.port)
    url = f"{scheme}://127.0.0.1:{await listen(nursery, proxy.serve)}"
    account = Account(host="bücher.invalid", port=25, tls="none", proxy=url)
    async with open_session(account):
        pass
    assert proxy.asked == [("xn--bcher-kva.invalid", 25)]


@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "http"])
async def test_an_ipv6_address_is_asked_for_as_one(
    scheme: str, lab: Lab, nursery: trio.Nursery
) -> None:
    proxy = Proxy(lab.port)
    url = f"{scheme}://127.0.0.1:{await listen(nursery, proxy.serve)}"
    async with open_session(Account(host="2001:db8::1", port=25, tls="none", proxy=url)):
        pass
    host = "[2001:db8::1]" if scheme == "http" else "2001:db8::1"
    assert proxy.asked == [(host, 25)]


async def test_the_proxy_is_reached_from_the_source_address(
    lab: Lab, nursery: trio.Nursery
) -> None:
    proxy = Proxy(lab.port)
    url = f"socks5h://127.0.0.1:{await listen(nursery, proxy.serve)}"
    account = Account(
        host="mx.test", port=25, tls="none", proxy=url, source_address="127.0.0.2"
    )
    async with open_session(account):
        pass
    assert proxy.peers == ["127.0.0.2"]


# --- logins -------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "http"])
@pytest.mark.parametrize("given", ["in the URL", "by itself", "by the environment"])
async def test_a_proxy_is_logged_in_to(
    scheme: str,
    given: str,
    lab: Lab,
    rows: Rows,
    nursery: trio.Nursery,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PROXY_PASSWORD", TEXT)
    proxy = Proxy(lab.port, login=("ann", TEXT))
    place = f"127.0.0.1:{await listen(nursery, proxy.serve)}"
    where = {
        "in the URL": f"{scheme}://ann:{TEXT}@{place}",
        "by itself": Where.from_url(f"{scheme}://ann@{place}", password=TEXT),
        "by the environment": Where.from_url(
            f"{scheme}://ann@{place}", password=FromEnvironment("PROXY_PASSWORD")
        ),
    }[given]
    account = Account(host="localhost", port=25, tls="none", proxy=where)
    async with open_session(account, sink=rows):
        pass
    assert len(proxy.asked) == 1
    assert "sesame" not in f"{rows.all}{account!r}{account.proxy!r}{account.proxy}"


async def test_socks4_names_its_user(lab: Lab, nursery: trio.Nursery) -> None:
    proxy = Proxy(lab.port, login=("ann", ""))
    url = f"socks4a://ann@127.0.0.1:{await listen(nursery, proxy.serve)}"
    async with open_session(Account(host="mx.test", port=25, tls="none", proxy=url)):
        pass
    assert proxy.asked == [("mx.test", 25)]


@pytest.mark.parametrize(
    ("login", "told"),
    [
        ("", 'it wants a login: proxy="{scheme}://username:password@'),
        ("ann:x@", "failure|407"),
    ],
)
@pytest.mark.parametrize("scheme", ["socks5h", "http"])
async def test_a_login_that_is_missing_or_refused_is_the_proxys_doing(
    scheme: str, login: str, told: str, lab: Lab, rows: Rows, nursery: trio.Nursery
) -> None:
    proxy = Proxy(lab.port, login=("ann", TEXT))
    url = f"{scheme}://{login}127.0.0.1:{await listen(nursery, proxy.serve)}"
    account = Account(host="mx.test", port=25, tls="none", proxy=url)
    with pytest.raises(TransportError, match=told.format(scheme=scheme)) as info:
        async with open_session(account, sink=rows):
            pass
    assert str(info.value).startswith(f"the proxy {scheme}://127.0.0.1:")
    assert "does not connect to mx.test:25" in str(info.value)
    (row,) = rows.of("proxy")
    assert row["error"] == "TransportError"


@pytest.mark.parametrize(
    ("scheme", "login"),
    [
        ("socks5", "ann:schlüssel"),
        ("socks5h", "ann:" + "x" * 256),
        ("socks5h", "jürgen:x"),
        ("http", "ann:\u20ac"),
        ("http", "a%3Ab:x"),
        ("socks4a", "ann%00"),
    ],
)
async def test_a_login_that_the_proxys_protocol_cannot_carry_is_refused_unseen(
    scheme: str, login: str, rows: Rows, nursery: trio.Nursery
) -> None:
    proxy = Proxy()
    url = f"{scheme}://{login}@127.0.0.1:{await listen(nursery, proxy.serve)}"
    account = Account(host="mx.test", port=25, tls="none", proxy=url)
    with pytest.raises(LocalProtocolError, match="cannot carry") as info:
        async with open_session(account, sink=rows):
            pass
    shown = "".join(traceback.format_exception(info.value))
    # And where a traceback shows locals, as some consoles do.
    shown += "".join(
        repr(frame.f_locals)
        for frame, _ in traceback.walk_tb(info.value.__traceback__)
        if frame.f_code.co_name == "_check_login"
    )
    for word in ("schl", "x" * 256, "\u20ac"):
        assert word not in shown
    assert proxy.peers == []


async def test_a_password_that_is_nowhere_says_how_to_give_it(rows: Rows) -> None:
    account = Account(
        host="mx.test", port=25, name="work", proxy="socks5h://ann@127.0.0.1:1080"
    )
    with pytest.raises(LocalProtocolError, match="SMTPBOOK_PASSWORD_WORK_PROXY"):
        async with open_session(account, sink=rows):
            pass


# --- what goes wrong ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scheme", "refusal", "told"),
    [
        ("socks5h", b"\x05\x05\x00\x01" + bytes(6), "Connection refused by destination"),
        ("socks5h", b"\x05\x02\x00\x01" + bytes(6), "not allowed by ruleset"),
        ("socks5h", b"\x05\x77\x00\x01" + bytes(6), "reply code"),
        ("socks4a", b"\0\x5b" + bytes(6), "rejected or failed"),
        ("http", b"HTTP/1.1 503 No such host\r\n\r\n", "503 No such host"),
        ("http", b"HTTP/1.1 403 Forbidden\r\nA: b\r\n\r\n<html>", "403 Forbidden"),
    ],
)
async def test_a_refusal_is_told_in_the_proxys_words(
    scheme: str, refusal: bytes, told: str, rows: Rows, nursery: trio.Nursery
) -> None:
    proxy = Proxy(refusal=refusal)
    url = f"{scheme}://127.0.0.1:{await listen(nursery, proxy.serve)}"
    account = Account(host="mx.test", port=25, tls="none", proxy=url)
    with pytest.raises(TransportError, match=told) as info:
        async with open_session(account, sink=rows):
            pass
    assert f"the proxy {url} does not connect to mx.test:25" in str(info.value)
    assert [row["kind"] for row in rows.all] == ["dns", "connect", "proxy"]


async def test_each_address_of_the_name_is_asked_for_until_all_are_refused(
    rows: Rows, nursery: trio.Nursery
) -> None:
    proxy = Proxy(refusal=b"\x05\x04\x00\x01" + bytes(6))
    url = f"socks5://127.0.0.1:{await listen(nursery, proxy.serve)}"
    account = Account(host="localhost", port=25, tls="none", proxy=url)
    with pytest.raises(TransportError, match="Host unreachable"):
        async with open_session(account, sink=rows):
            pass
    assert len(rows.of("proxy")) == len(proxy.asked)
    assert len({host for host, _ in proxy.asked}) == len(proxy.asked)


HOSTILE = [
    ("socks5h", [b""], "closed"),
    ("socks5h", [b"\x04\x00"], "version"),
    ("socks5h", [b"\x05\x02"], "authentication method"),
    ("socks5h", [b"\x05\x00", b"\x05\x00\x00\x77"], "address type"),
    ("socks5h", [b"\x05\x00", b"\x05\x00\x00\x03\x02\xff\xfe\0\0"], "cannot be read"),
    ("socks5h", [b"220 mx.test ESMTP\r\n"], "version"),
    ("socks4a", [b"\0"], "closed"),
    ("socks4a", [b"\x09\x5a" + bytes(6)], "version"),
    ("http", [b"220 mx.test ESMTP\r\n"], "not HTTP"),
    ("http", [b"HTTP/1.1 200 OK\r\n"], "closed"),
    ("http", [b"HTTP/1.1\r\n\r\n"], "status"),
    ("http", [b"HTTP/1.1 abc\r\n\r\n"], "status code"),
    ("http", [b"HTTP/1.1 502 \x1b[31m\xe2\x80\xae<b>\xff\r\n\r\n"], "502"),
    ("http", [b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 5000], "does not end"),
    ("http", [b"HTTP/1.1 502 " + b"x" * 9000 + b"\r\n\r\n"], "502"),
]


@pytest.mark.parametrize(("scheme", "pieces", "told"), HOSTILE)
async def test_whatever_a_proxy_says_is_bounded_and_safe_to_show(
    scheme: str, pieces: list[bytes], told: str, rows: Rows, nursery: trio.Nursery
) -> None:
    port = await listen(nursery, Mumbler(pieces).serve)
    url = (
        f"{scheme}://ann@127.0.0.1:{port}"
        if scheme == "socks4a"
        else f"{scheme}://127.0.0.1:{port}"
    )
    account = Account(host="mx.test", port=25, tls="none", proxy=url)
    with pytest.raises(TransportError, match=f"(?i){told}") as info:
        async with open_session(account, sink=rows):
            pass
    assert str(info.value).isprintable()
    assert len(str(info.value)) < 600
    assert rows.of("proxy")[-1]["error"] == "TransportError"


async def test_a_head_without_end_is_given_up_early(
    rows: Rows, nursery: trio.Nursery
) -> None:
    mumbler = Mumbler([b"HTTP/1.1 200 OK\r\n"], endless=b"A: b\r\n" * 10_000)
    url = f"http://127.0.0.1:{await listen(nursery, mumbler.serve)}"
    with pytest.raises(TransportError, match="does not end"):
        async with open_session(Account(host="mx.test", port=25, tls="none", proxy=url)):
            pass


@pytest.mark.parametrize("pieces", [[], [b"\x05"], [b"\x05\x00", b"\x05\x00"]])
async def test_a_silent_proxy_costs_no_more_than_the_connect_may(
    pieces: list[bytes], rows: Rows, nursery: trio.Nursery
) -> None:
    mumbler = Mumbler(pieces, closes=False)
    url = f"socks5h://127.0.0.1:{await listen(nursery, mumbler.serve)}"
    account = Account(host="mx.test", port=25, tls="none", proxy=url, timeouts=0.3)
    with pytest.raises(TransportTimeout, match=r"its reply: nothing within 0\.3 s"):
        async with open_session(account, sink=rows):
            pass
    assert rows.of("proxy")[-1]["error"] == "TransportTimeout"


@pytest.mark.parametrize("password", ["open sesame", "s3cret", "söß"])
@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
@pytest.mark.parametrize(
    "spell",
    [
        lambda octets: octets.rpartition(b":")[2],
        lambda octets: octets,
        base64.b64encode,
        lambda octets: quote(octets).encode(),
    ],
    ids=["password", "pair", "base64", "URL"],
)
async def test_a_proxy_that_repeats_the_password_does_not_get_it_shown(
    password: str, encoding: str, spell: Callable[[bytes], bytes], nursery: trio.Nursery
) -> None:
    spelled = spell(f"ann:{password}".encode(encoding))
    mumbler = Mumbler([b"HTTP/1.1 407 no such login: %s\r\n\r\n" % spelled])
    port = await listen(nursery, mumbler.serve)
    url = f"http://ann:{quote(password)}@127.0.0.1:{port}"
    with pytest.raises(TransportError, match="redacted") as info:
        async with open_session(Account(host="mx.test", port=25, tls="none", proxy=url)):
            pass
    shown = "".join(traceback.format_exception(info.value))
    assert visible(spelled.decode("utf-8", "surrogateescape")) not in shown


async def test_no_traceback_of_a_failed_proxy_shows_its_password(
    nursery: trio.Nursery,
) -> None:
    """Not even one with locals: the library's own frames hold it."""
    for pieces in ([b"\x05\x02", b"\x01\x01"], [b"\x05\x02"], [b""]):
        port = await listen(nursery, Mumbler(pieces).serve)
        url = f"socks5h://ann:{'sesame'[::-1][::-1]}@127.0.0.1:{port}"
        account = Account(host="mx.test", port=25, tls="none", proxy=url)
        del url
        with pytest.raises(TransportError) as info:
            async with open_session(account):
                pass
        shown = "".join(
            traceback.TracebackException.from_exception(
                info.value, capture_locals=True
            ).format()
        )
        # This test's own frame says it, in its source.
        inside = [line for line in shown.splitlines() if "'sesame'" not in line]
        assert "sesame" not in "\n".join(inside)
        assert "python_socks" not in shown


async def test_a_proxy_that_is_not_there_is_named(rows: Rows) -> None:
    with trio.socket.socket() as taken:
        await taken.bind(("127.0.0.1", 0))
        url = f"socks5h://127.0.0.1:{taken.getsockname()[1]}"
        account = Account(host="mx.test", port=25, tls="none", proxy=url)
        told = f"connecting to the proxy {re.escape(url)} .*refused"
        with pytest.raises(TransportError, match=told):
            async with open_session(account, sink=rows):
                pass
    assert [(row["kind"], row["command"]) for row in rows.all] == [
        ("dns", url),
        ("connect", url),
    ]


@pytest.mark.parametrize("host", ["a" * 64 + ".test", ".".join(["a" * 60] * 5)])
@pytest.mark.parametrize("scheme", ["socks5h", "http"])
async def test_a_name_no_proxy_can_be_told_is_refused(
    scheme: str, host: str, rows: Rows, nursery: trio.Nursery
) -> None:
    proxy = Proxy()
    url = f"{scheme}://127.0.0.1:{await listen(nursery, proxy.serve)}"
    with pytest.raises(TransportError, match="not a host name"):
        async with open_session(Account(host=host, port=25, tls="none", proxy=url)):
            pass
    assert proxy.peers == []


async def test_a_cancelled_wait_for_a_proxy_is_recorded(
    rows: Rows, nursery: trio.Nursery
) -> None:
    url = f"http://127.0.0.1:{await listen(nursery, Mumbler([], closes=False).serve)}"

    def sink(row: object) -> None:
        rows(row)  # type: ignore[arg-type]
        if rows.all[-1]["kind"] == "connect":
            scope.cancel()

    with trio.CancelScope() as scope:
        async with open_session(
            Account(host="mx.test", port=25, tls="none", proxy=url), sink=sink
        ):
            pass
    assert scope.cancelled_caught
    assert (rows.all[-1]["kind"], rows.all[-1]["error"]) == ("proxy", "Cancelled")


# --- policy and the probe -----------------------------------------------------------------


async def test_a_password_in_clear_text_does_not_go_through_a_proxy_to_its_loopback(
    login_lab: Lab, nursery: trio.Nursery
) -> None:
    lab, proxy = login_lab, Proxy(login_lab.port)
    url = f"socks5h://127.0.0.1:{await listen(nursery, proxy.serve)}"
    account = lab.account.replace(tls="none", port=lab.port, auth="PLAIN")
    async with open_session(account):  # to this machine's own it may
        pass
    with pytest.raises(LocalProtocolError):
        async with open_session(account.replace(proxy=url)):
            pass


async def test_a_probe_tells_the_proxys_part(login_lab: Lab, nursery: trio.Nursery) -> None:
    proxy = Proxy(login_lab.port)
    url = f"socks5h://ann:x@127.0.0.1:{await listen(nursery, proxy.serve)}"
    log = await probe_async(login_lab.account.replace(proxy=url))
    assert "error" not in log.attrs
    told = explain_probe(log).set_index("step")
    assert "has connected to" in told.loc["Proxy", "meaning"]
    assert told["advice"].eq("").all()
    assert told.loc["Login", "said"].startswith("235")


async def test_a_probe_through_a_proxy_that_refuses_says_so(nursery: trio.Nursery) -> None:
    proxy = Proxy(refusal=b"HTTP/1.1 403 Forbidden\r\n\r\n")
    url = f"http://127.0.0.1:{await listen(nursery, proxy.serve)}"
    log = await probe_async(Account(host="mx.test", port=25, tls="none", proxy=url))
    step = explain_probe(log).iloc[-1]
    assert step["step"] == "Proxy"
    assert "403 Forbidden" in step["said"]
    assert "refuse port 25" in step["advice"]


async def test_the_log_with_a_proxy_is_a_frame_like_any_other(
    lab: Lab, rows: Rows, nursery: trio.Nursery
) -> None:
    proxy = Proxy(lab.port)
    url = f"http://127.0.0.1:{await listen(nursery, proxy.serve)}"
    account = Account(host="localhost", port=25, tls="none", proxy=url)
    async with open_session(account) as session:
        pass
    log = to_frame(session.rows)
    assert (log["kind"] == "proxy").sum() == 1
