"""Dialogue: the clock and the bounds of one connection."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio

from smtpbook.accounts.timeouts import Timeouts
from smtpbook.errors import (
    RemoteProtocolError,
    SMTPBookError,
    TransportError,
    TransportTimeout,
)
from smtpbook.protocol.message import Message
from tests.session.scripted import (
    ACCOUNT,
    BYE,
    EHLO,
    PLAIN_EHLO,
    SILENCE,
    Item,
    Scripted,
    Servers,
    Wait,
)

Make = Callable[..., Message]
HELLO = ("220 mx.test", EHLO)
OK = "250 OK"
GO = "354 go ahead"
TIMES = ("latency_s", "first_byte_s", "service_s")


def times(servers: Servers) -> dict[object, tuple[object, ...]]:
    """Latency, first byte and service time by verb, of each verb's last row."""
    rows = [*servers.rows.of("greeting"), *servers.rows.of("command")]
    return {row["verb"]: tuple(row[name] for name in TIMES) for row in rows}


def pieces(*parts: bytes, every_s: float) -> Callable[[Scripted], object]:
    async def play(server: Scripted) -> None:
        for part in parts:
            await trio.sleep(every_s)
            await server.say(part)

    return play


# --- time ---------------------------------------------------------------------------------


async def test_times_are_exact_in_lockstep(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    servers(
        Wait(1), "220 mx", Wait(2), PLAIN_EHLO, Wait(3), OK, Wait(4), OK, Wait(5), GO,
        Wait(6), OK, Wait(7), BYE,
    )  # fmt: skip
    async with servers.open() as session:
        await session.send(message())
    assert times(servers) == {
        verb: (seconds,) * 3
        for seconds, verb in enumerate(
            ("GREETING", "EHLO", "MAIL", "RCPT", "DATA", "END-OF-DATA", "QUIT"), 1
        )
    }
    assert {row["pipelined"] for row in servers.rows.all} == {None}
    assert {row["lag_s"] for row in servers.rows.all} == {None}  # nothing measures here


async def test_a_group_shares_its_instant_and_each_command_its_own_service_time(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    servers(*HELLO, Wait(2), OK, Wait(3), OK, Wait(1), GO, OK, BYE)
    async with servers.open() as session:
        await session.send(message())
    assert times(servers)["MAIL"] == (2, 2, 2)
    assert times(servers)["RCPT"] == (5, 5, 3)
    assert times(servers)["DATA"] == (6, 6, 1)
    group = [row for row in servers.rows.all if row["pipelined"] == 1]
    assert [row["verb"] for row in group] == ["MAIL", "RCPT", "DATA"]
    assert len({row["time"] for row in group}) == 1


async def test_mail_is_not_blamed_for_the_message_before_it(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    servers(
        *HELLO, OK, OK, GO, Wait(20), OK, Wait(1), OK, Wait(2), OK, Wait(3), GO, OK, BYE
    )
    async with servers.open() as session:
        async for _ in session.send_many([message(), message()]):
            pass
    said = servers.rows.of("command")
    second = next(row for row in said if row["verb"] == "MAIL" and row["pipelined"] == 2)
    assert (second["latency_s"], second["service_s"]) == (21, 1)
    first_end = servers.rows.of("command", "END-OF-DATA")[0]
    assert (first_end["latency_s"], first_end["service_s"]) == (20, 20)
    assert first_end["pipelined"] == 2
    assert times(servers)["RCPT"] == (23, 23, 2)
    assert times(servers)["DATA"] == (26, 26, 3)


async def test_the_first_byte_has_its_own_time(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    reply = pieces(b"25", b"0-mx\r\n25", b"0 PIPELINING\r\n", every_s=20)
    servers("220 mx", reply, OK, pieces(b"250 OK\r\n3", b"54 go\r\n", every_s=5), BYE)
    async with servers.open() as session:
        assert times(servers)["EHLO"] == (60, 20, 60)
        with trio.move_on_after(100):
            await session.send(message())
    assert times(servers)["RCPT"] == (5, 5, 5)
    assert times(servers)["DATA"] == (10, 5, 5)


async def test_replies_in_one_packet_have_one_instant(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    async def together(server: Scripted) -> None:
        await server.hear()
        await server.hear()
        await trio.sleep(3)
        await server.say(b"250 a\r\n250 b\r\n550 c\r\n")

    servers(*HELLO, together, OK, BYE)
    async with servers.open() as session:
        assert (await session.send(message())).outcome == "rejected"
    assert times(servers)["MAIL"] == (3, 3, 3)
    assert times(servers)["RCPT"] == (3, 3, 0)
    assert times(servers)["DATA"] == (3, 3, 0)


async def test_octets_add_up_to_what_went_over_the_wire(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    server = servers(*HELLO, OK, "550-a\r\n550 b", OK, GO, OK, OK, OK, GO, OK, BYE)
    stuffed = message("a@y.test", "b@y.test", data=b".dot\r\n\r\n..\r\n")
    async with servers.open() as session:
        async for _ in session.send_many([stuffed, message()]):
            pass
    rows = servers.rows.all
    assert sum(row["bytes_sent"] or 0 for row in rows) == len(server.received)  # type: ignore[misc]
    assert sum(row["bytes_received"] or 0 for row in rows) == server.said  # type: ignore[misc]
    assert servers.rows.of("data")[0]["bytes_sent"] == 12 + 2  # two dots doubled
    servers.rows.check_whole()


# --- deadlines ----------------------------------------------------------------------------

LIMITS = Timeouts(
    greeting_s=11, command_s=12, mail_s=13, rcpt_s=14, data_s=15, end_of_data_s=16,
    quit_s=17, block_s=18,
)  # fmt: skip
SAID: tuple[Item, ...] = ("220 mx", PLAIN_EHLO, OK, OK, GO, OK, BYE)
PHASES = ("GREETING", "EHLO", "MAIL", "RCPT", "DATA", "END-OF-DATA", "QUIT")


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("drips", [False, True], ids=["silence", "a drip"])
async def test_each_phase_has_its_own_deadline(
    phase: str, drips: bool, servers: Servers, message: Make, autojump_clock: object
) -> None:
    """A reply that comes one octet at a time does not put the deadline off."""
    place = PHASES.index(phase)
    drip = pieces(*[b"2", b"5", b"0", *[b" "] * 20], every_s=5)
    servers(*SAID[:place], drip if drips else SILENCE)
    started = trio.current_time()
    outcome, error = None, None
    try:
        async with servers.open(ACCOUNT.replace(timeouts=LIMITS)) as session:
            result = await session.send(message())
            outcome, error = result.outcome, session.error
    except SMTPBookError as exc:
        error = exc
    limit_s = (11, 12, 13, 14, 15, 16, 17)[place]
    assert trio.current_time() - started == limit_s
    if phase == "QUIT":
        assert (outcome, error) == ("accepted", None)  # QUIT decides nothing
    else:
        assert isinstance(error, TransportTimeout)
        assert f"no reply to {phase} within {limit_s} s" in str(error)
        in_mail_data = "in_doubt" if phase == "END-OF-DATA" else "failed"
        assert outcome == (None if place < 2 else in_mail_data)
    servers.rows.check_whole()
    assert servers.rows.of("disconnect")[0]["error"] == "TransportTimeout"


async def test_the_end_of_mail_data_is_given_ten_minutes(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    servers(*HELLO, OK, OK, GO, Wait(599), OK, BYE)
    servers(*HELLO, OK, OK, GO, Wait(601), OK, BYE)
    async with servers.open() as session:
        assert (await session.send(message())).outcome == "accepted"
    async with servers.open() as session:
        started = trio.current_time()
        assert (await session.send(message())).outcome == "in_doubt"
        assert trio.current_time() - started == 600


async def test_a_deadline_begins_with_the_reply_before(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    """Of a group, each command has its own time."""
    servers(*HELLO, Wait(12), OK, Wait(13), OK, Wait(14), GO, OK, BYE)
    servers(*HELLO, Wait(12), OK, Wait(13), OK, SILENCE)
    account = ACCOUNT.replace(timeouts=LIMITS)
    async with servers.open(account) as session:
        assert (await session.send(message())).outcome == "accepted"
    started = trio.current_time()
    async with servers.open(account) as session:
        result = await session.send(message())
        assert "no reply to DATA within 15 s" in str(result.error)
        assert trio.current_time() - started == 12 + 13 + 15


async def test_idle_time_between_uses_has_no_deadline(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    servers(*HELLO, OK, OK, GO, OK, OK, OK, GO, OK, BYE)
    async with servers.open(ACCOUNT.replace(timeouts=LIMITS)) as session:
        await session.send(message())
        await trio.sleep(50_000)
        assert (await session.send(message())).outcome == "accepted"


@pytest.mark.parametrize("place", ["the envelope", "the mail data"])
async def test_a_server_that_stops_reading_is_left(
    place: str, servers: Servers, message: Make, autojump_clock: object
) -> None:
    last_said = EHLO if place == "the envelope" else GO

    async def say_and_stop_reading(server: Scripted) -> None:
        await server.say(last_said.encode() + b"\r\n")
        await trio.sleep_forever()

    said = ("220 mx",) if place == "the envelope" else (*HELLO, OK, OK)
    servers(*said, say_and_stop_reading, is_full=True)
    started = trio.current_time()
    async with servers.open(ACCOUNT.replace(timeouts=LIMITS)) as session:
        result = await session.send(message(data=(b"x" * 900 + b"\r\n") * 300))
        assert result.outcome == "failed"
        assert isinstance(result.error, TransportTimeout)
        assert "took no octets for 18 s" in str(result.error)
        assert trio.current_time() - started == 18
    servers.rows.check_whole()


async def test_after_a_long_rest_a_server_that_stops_reading_is_left(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    """While nothing is due the reader sleeps without a limit; the writer has to wake it."""

    async def accept_and_stop_reading(server: Scripted) -> None:
        await server.say(OK.encode() + b"\r\n")
        await trio.sleep_forever()

    servers(*HELLO, OK, OK, GO, accept_and_stop_reading, is_full=True)
    async with servers.open(ACCOUNT.replace(timeouts=LIMITS)) as session:
        assert (await session.send(message())).outcome == "accepted"
        await trio.sleep(1000)
        started = trio.current_time()
        with trio.fail_after(100):
            result = await session.send(message())
        assert "took no octets for 18 s" in str(result.error)
        assert trio.current_time() - started == 18


async def test_a_slow_reader_has_the_time_for_each_block(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    """Five blocks at ten seconds each are more than the limit for one."""
    servers(*HELLO, OK, OK, GO, OK, BYE, block_takes_s=10)
    async with servers.open(ACCOUNT.replace(timeouts=LIMITS)) as session:
        result = await session.send(message(data=(b"x" * 900 + b"\r\n") * 300))
        assert result.outcome == "accepted"


@pytest.mark.parametrize(("after_s", "outcome"), [(1, "deferred"), (3, "failed")])
async def test_a_last_reply_counts_when_it_comes_within_two_seconds(
    after_s: float, outcome: str, servers: Servers, message: Make, autojump_clock: object
) -> None:
    """The server has shut its ears, and says why a moment later."""

    async def shut_ears(server: Scripted) -> None:
        await server.say(EHLO.encode() + b"\r\n")
        await server.stream.receive_stream.aclose()  # type: ignore[attr-defined]
        await trio.sleep(5 + after_s)
        await server.say(b"421 4.3.2 shutting down\r\n")

    servers("220 mx", shut_ears)
    async with servers.open() as session:
        await trio.sleep(5)
        result = await session.send(message())
        assert result.outcome == outcome
        assert isinstance(session.error, TransportError)
    servers.rows.check_whole()


# --- bounds -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("octets", "told"),
    [
        (b"2" * 1024, "4096 octets"),
        (b"250 " + b"x" * 1020, "4096 octets"),
        (b"250-" + b"x" * 1018 + b"\r\n", "octets"),
        (b"250-\r\n", "500 lines"),
    ],
    ids=["no code", "no line end", "no last line", "short lines"],
)
async def test_a_flood_is_refused_early(
    octets: bytes, told: str, servers: Servers, autojump_clock: object
) -> None:
    """Fifty megabytes are on their way; the client reads what the bounds allow."""

    async def flood(server: Scripted) -> None:
        packet = octets * (65_536 // len(octets))
        for _ in range(50 * 2**20 // len(packet)):
            await server.say(packet)

    server = servers("220 mx", flood, is_full=True)
    with pytest.raises(RemoteProtocolError, match=told):
        async with servers.open():
            pass
    assert server.said < 4 * 65_536
    servers.rows.check_whole()


async def test_a_reply_in_twenty_packets_is_one(
    servers: Servers, message: Make, autojump_clock: object
) -> None:
    reply = b"250-2.1.0 one\r\n250 2.1.0 two\r\n"
    parts = [reply[i : i + 2] for i in range(0, len(reply), 2)]
    servers(*HELLO, pieces(*parts, every_s=1), OK, GO, OK, BYE)
    async with servers.open() as session:
        assert (await session.send(message())).outcome == "accepted"
    (row,) = servers.rows.of("command", "MAIL")
    assert row["reply_text"] == "2.1.0 one\n2.1.0 two"
    assert row["latency_s"] == len(parts)
