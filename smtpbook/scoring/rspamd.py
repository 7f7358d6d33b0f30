"""Rspamd: its HTTP interface ``/checkv2``, and the JSON that it answers.

References
----------
Rspamd's documentation, "Protocol": the request's headers and the reply.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import h11

from smtpbook.errors import SMTPBookError
from smtpbook.escape import visible
from smtpbook.protocol.message import Message
from smtpbook.scoring.ask import Place, exchange
from smtpbook.scoring.verdict import MAX_RULES, Rule, Verdict, number

PLACES: Final = (
    Place(scheme="http", host="127.0.0.1", port=11333),
    Place(scheme="http", host="127.0.0.1", port=11334),
)
"""Where it listens unless told otherwise: the scanner, and the controller."""

_NONSENSE: Final = (ValueError, TypeError, KeyError, AttributeError, RecursionError)


async def ask_rspamd(
    place: Place, message: Message, *, ip: str | None, helo: str | None
) -> Verdict:
    """Have a message judged.

    Raises
    ------
    NobodyThere, TransportError
        There is no rspamd, or the connection broke.
    SMTPBookError
        The answer is a refusal, cut off, or no answer of rspamd's.
    """
    http = h11.Connection(h11.CLIENT)
    answer = await exchange(place, _request(http, place, message, ip, helo), ends=False)
    status, body = _response(http, answer, place)
    if status != 200:
        said = visible(body[:400].decode("utf-8", "replace"), max_chars=200)
        raise SMTPBookError(f"rspamd at {place} refuses ({status}): {said}")
    return read_answer(body, place)


def read_answer(body: bytes, place: Place) -> Verdict:
    """Read rspamd's JSON.

    Raises
    ------
    SMTPBookError
        It is none.
    """
    try:
        told = json.loads(body)
        symbols = list(told["symbols"].values())[:MAX_RULES]
        return Verdict(
            filter="rspamd",
            total=number(told["score"]),
            threshold=number(told["required_score"]),
            action=str(told["action"]),
            rules=tuple(map(_rule, symbols)),
        )
    except _NONSENSE as exc:
        said = visible(body[:80].decode("utf-8", "replace"), max_chars=80)
        raise SMTPBookError(
            f"{place} answers, but not as rspamd does: {said!a} ({type(exc).__name__})"
        ) from None


def _rule(told: dict[str, Any]) -> Rule:
    options = told.get("options") or []
    return Rule(
        name=str(told["name"]),
        score=number(told["score"]),
        description=str(told.get("description") or ""),
        options=tuple(map(str, options if isinstance(options, list) else [options])),
    )


def _request(
    http: h11.Connection, place: Place, message: Message, ip: str | None, helo: str | None
) -> Iterator[bytes]:
    sender = str(message.reverse_path) if message.reverse_path else ""
    fields = [
        ("Host", str(place)),
        ("Connection", "close"),
        ("Content-Length", str(len(message.data))),
        *([("From", sender)] if sender else []),
        *(("Rcpt", str(recipient)) for recipient in message.recipients),
        *([("IP", ip)] if ip else []),
        *([("Helo", helo)] if helo else []),
    ]
    octets = [(name.encode(), value.encode("utf-8")) for name, value in fields]
    head = h11.Request(method="POST", target="/checkv2", headers=octets)
    yield http.send(head) or b""
    yield http.send(h11.Data(data=message.data)) or b""
    yield http.send(h11.EndOfMessage()) or b""


def _response(http: h11.Connection, answer: bytes, place: Place) -> tuple[int, bytes]:
    """Give status and body of an answer that has ended."""
    status, body = 0, bytearray()
    try:
        http.receive_data(answer)
        http.receive_data(b"")
        while not isinstance(event := http.next_event(), h11.EndOfMessage):
            if isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                body += event.data
            elif not isinstance(event, h11.InformationalResponse):
                raise SMTPBookError(f"{place}: the answer ends before its end")
    except h11.RemoteProtocolError as exc:
        said = visible(str(exc), max_chars=100)
        raise SMTPBookError(f"{place} answers, but not in HTTP: {said}") from None
    return status, bytes(body)
