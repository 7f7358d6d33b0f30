"""Clients that an ordinary conversation has brought into each state."""

from __future__ import annotations

from smtpbook.protocol.commands import (
    Auth,
    Bdat,
    Command,
    Data,
    Mail,
    Quit,
    Rcpt,
    StartTls,
)
from smtpbook.protocol.connection import Client, Exchange
from smtpbook.protocol.extensions import ehlo_reply
from smtpbook.protocol.states import State
from tests.protocol.words import BOB, EHLO


def heard(client: Client, octets: bytes) -> list[tuple[str | None, int]]:
    """Feed octets from the server; give each verb with its reply code."""
    client.receive_data(octets)
    found = []
    while isinstance(item := client.next_reply(), Exchange):
        found.append((item.command.verb if item.command else None, item.reply.code))
    return found


def asked(client: Client, command: Command, reply: bytes) -> None:
    client.issue(command)
    assert len(heard(client, reply)) == 1


def greeted() -> Client:
    client = Client()
    heard(client, b"220 mx\r\n")
    return client


def ready(*keywords: str) -> Client:
    client = greeted()
    asked(client, EHLO, ehlo_reply("mx", keywords).to_bytes())
    return client


def in_state(state: State, *keywords: str) -> Client:
    """Bring a client into a state by an ordinary conversation."""
    if state is State.CONNECTED:
        return Client()
    if state is State.REFUSED:
        client = Client()
        heard(client, b"554 no\r\n")
        return client
    client = greeted() if state is State.GREETED else ready(*keywords)
    for command, reply in {
        State.TLS: [(StartTls(), b"220 go\r\n")],
        State.AUTH: [(Auth("PLAIN"), b"334 \r\n")],
        State.MAIL: [(Mail(BOB), b"250 ok\r\n")],
        State.RCPT: [(Mail(BOB), b"250 ok\r\n"), (Rcpt(BOB), b"250 ok\r\n")],
        State.CHUNKS: [
            (Mail(BOB), b"250 ok\r\n"),
            (Rcpt(BOB), b"250 ok\r\n"),
            (Bdat(1), b"250 ok\r\n"),
        ],
        State.DATA: [
            (Mail(BOB), b"250 ok\r\n"),
            (Rcpt(BOB), b"250 ok\r\n"),
            (Data(), b"354 go\r\n"),
        ],
        State.CLOSED: [(Quit(), b"221 bye\r\n")],
    }.get(state, []):
        asked(client, command, reply)
    assert client.state is state
    return client
