"""Name servers asked over the network: dnslib's, on loopback."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import trio
import trio.testing

from smtpbook.lookup.mail_hosts import mail_hosts
from smtpbook.lookup.resolver import Resolver
from tests.servers.name_server import NameServer, name_server

LONG = " ".join(f'"{"x" * 200}"' for _ in range(10))
ZONE = f"""
example.org.        IN MX   10 MAIL.example.org.
example.org.        IN TXT  "v=spf1 " "-all"
mail.example.org.   86400 IN A 192.0.2.1
short.example.org.  1 IN A 192.0.2.2
www.example.org.    IN CNAME mail.example.org.
long.example.org.   IN TXT  {LONG}
1.2.0.192.in-addr.arpa. IN PTR mail.example.org.
"""


@pytest.fixture(scope="module")
def server() -> Iterator[NameServer]:
    with name_server(ZONE) as running:
        yield running


@pytest.fixture
def asked(server: NameServer) -> list[tuple[str, str]]:
    server.asked.clear()
    server.silent, server.failing, server.vouches = set(), set(), False
    return server.asked


@pytest.mark.parametrize(
    ("name", "record", "status", "values"),
    [
        ("Example.ORG", "mx", "found", ("10 mail.example.org",)),
        ("example.org", "TXT", "found", ("v=spf1 -all",)),
        ("example.org", "AAAA", "no_data", ()),
        ("no.example.org", "A", "no_name", ()),
        ("1.2.0.192.in-addr.arpa", "PTR", "found", ("mail.example.org",)),
        ("long.example.org", "TXT", "found", ("x" * 2000,)),
    ],
)
@pytest.mark.usefixtures("asked")
async def test_servers_answer_as_zone_data_does(
    server: NameServer, name: str, record: str, status: str, values: tuple[str, ...]
) -> None:
    answer = await Resolver([server.place]).ask(name, record)
    assert (answer.status, answer.values, answer.error) == (status, values, None)


@pytest.mark.usefixtures("asked")
async def test_an_alias_is_followed(server: NameServer) -> None:
    answer = await Resolver([server.place]).ask("www.example.org", "A")
    assert (answer.values, answer.aliases) == (("192.0.2.1",), ("mail.example.org",))


async def test_a_question_is_asked_once_even_by_many_at_a_time(
    server: NameServer, asked: list[tuple[str, str]]
) -> None:
    resolver = Resolver([server.place])
    async with trio.open_nursery() as nursery:
        for name in ("example.org", "EXAMPLE.org.", "example.org"):
            nursery.start_soon(resolver.ask, name, "MX")
    await mail_hosts(resolver, "example.org")
    assert asked == [("example.org", "MX")]


async def test_silence_and_failure_are_answers(
    server: NameServer, asked: list[tuple[str, str]]
) -> None:
    server.silent, server.failing = {"mail.example.org"}, {"www.example.org"}
    silent = await Resolver([server.place], timeout_s=0.2).ask("mail.example.org", "A")
    failing = await Resolver([server.place]).ask("www.example.org", "A")
    assert (silent.status, silent.error) == ("error", "no answer within 0.2 s")
    assert (failing.status, failing.error) == ("error", "SERVFAIL")
    assert asked


async def test_a_port_where_nobody_listens_is_an_answer() -> None:
    with name_server(ZONE) as gone:
        place = gone.place
    answer = await Resolver([place], timeout_s=0.2).ask("example.org", "A")
    assert answer.status == "error"


async def test_questions_are_bounded(
    server: NameServer, asked: list[tuple[str, str]]
) -> None:
    resolver = Resolver([server.place], max_questions=2)
    answers = [await resolver.ask(f"{n}.example.org", "A") for n in range(5)]
    again = await resolver.ask("0.example.org", "A")
    assert [one.status for one in (*answers, again)] == [
        *("no_name", "no_name"),
        *("error", "error", "error"),
        "no_name",
    ]
    assert len(asked) == 2


@pytest.mark.parametrize("name", ["example.org", "no.example.org"])
@pytest.mark.parametrize("trusts", [True, False])
@pytest.mark.usefixtures("asked")
async def test_dnssec_counts_where_the_server_is_trusted(
    server: NameServer, trusts: bool, name: str
) -> None:
    server.vouches = True
    answer = await Resolver([server.place], trusts=trusts).ask(name, "MX")
    assert answer.is_secure is trusts


@pytest.mark.parametrize(
    ("name", "kept_s"), [("short.example.org", 60), ("mail.example.org", 3600)]
)
async def test_an_answer_is_kept_as_long_as_it_may_be(
    mock_clock: trio.testing.MockClock,
    server: NameServer,
    asked: list[tuple[str, str]],
    name: str,
    kept_s: int,
) -> None:
    resolver = Resolver([server.place])
    counts = []
    for passes_s in (0, kept_s - 1, 2):
        mock_clock.jump(passes_s)
        assert (await resolver.ask(name, "A")).status == "found"
        counts.append(len(asked))
    assert counts == [1, 1, 2]


@pytest.mark.parametrize(
    "place", ["localhost", "127.0.0.1:x", "127.0.0.1:0", "[::1", "1.2.3.4:99999", ""]
)
def test_a_server_is_given_by_its_address(place: str) -> None:
    with pytest.raises(ValueError, match="by its address"):
        Resolver([place])
