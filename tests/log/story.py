"""Builds realistic event logs, row by row, for the tests of `log` and `insight`."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

from smtpbook.events import COLUMNS, Event, Row

START = 1_764_000_000_000_000  # 2025-11-24 16:00 UTC


class Story:
    """Writes the rows of one session, as a session does; time moves on by itself."""

    def __init__(self, session_id: str = "s1", *, start: int = START) -> None:
        self.rows: list[Row] = []
        self.session_id = session_id
        self.time = start
        self.transaction = 0

    def add(self, kind: str, **cells: Any) -> None:
        defaults = {
            "time": self.time,
            "campaign_id": "november",
            "session_id": self.session_id,
            "seq": len(self.rows),
            "kind": kind,
            "server": "smtp.example.org",
            "port": 587,
            "server_address": "192.0.2.1",
            "source": "lab",
        }
        row = {**dict.fromkeys(COLUMNS), **defaults, **cells}
        assert list(row) == list(COLUMNS), "a cell that is no column"
        self.rows.append(tuple(row.values()))
        self.time += round((cells.get("latency_s") or 0.001) * 1e6)

    def said(self, verb: str, command: str | None, reply: str, **cells: Any) -> None:
        """Add a command and its reply, written as the server does: ``"250 2.1.0 Ok"``."""
        code, _, text = reply.partition(" ")
        status = text.split(" ")[0]
        self.add(
            "greeting" if verb == "GREETING" else "command",
            verb=verb,
            command=command,
            reply_code=int(code),
            enhanced_status=status if status.count(".") == 2 else None,
            reply_text=text,
            **{"latency_s": 0.002, "service_s": 0.002, "first_byte_s": 0.002, **cells},
        )

    def opened(self) -> Story:
        self.add("connect", latency_s=0.004)
        self.said("GREETING", None, "220 mx.example ESMTP")
        self.said("EHLO", "EHLO laptop.example", "250 mx.example\nPIPELINING\n8BITMIME")
        return self

    def message(
        self,
        recipient: str,
        *,
        rcpt: str = "250 2.1.5 Ok",
        end: str = "250 2.0.0 Ok: queued as 3F2A9C11",
        outcome: str = "accepted",
        seconds: Sequence[float] = (0.002, 0.003, 0.001, 0.02),
        pipelined: int | None = None,
        attempt: int = 1,
    ) -> Story:
        self.transaction += 1
        own: dict[str, Any] = {
            "transaction_id": f"{self.session_id}.{self.transaction}",
            "message_id": f"<{self.transaction}.{self.session_id}@example.org>",
            "reverse_path": "news@example.org",
        }
        whom = {"recipient": recipient, "recipient_domain": recipient.partition("@")[2]}
        group = {"pipelined": pipelined}
        written, waited = self.time, 0.0

        def times(service_s: float) -> dict[str, Any]:
            """A group is written at one instant; each reply waits for those before it."""
            nonlocal waited
            waited = waited * (pipelined is not None) + service_s
            shared = {"time": written} if pipelined is not None else {}
            return {
                **group,
                **shared,
                **own,
                **_waited(waited),
                "service_s": service_s,
            }

        mail, rcpt_, data, dot = seconds
        self.said("MAIL", "MAIL FROM:<news@example.org>", "250 2.1.0 Ok", **times(mail))
        self.said("RCPT", f"RCPT TO:<{recipient}>", rcpt, **whom, **times(rcpt_))
        verb, decided = "RCPT", rcpt
        if rcpt.startswith("2"):
            self.said("DATA", "DATA", "354 go ahead", **times(data))
            if pipelined is not None:
                self.time = written + round(waited * 1e6)
            self.add("data", bytes_sent=2048, **own)
            self.said("END-OF-DATA", ".", end, **_waited(dot), **own)
            verb, decided = "END-OF-DATA", end
        code, _, text = decided.partition(" ")
        status = text.split(" ")[0]
        self.add(
            "outcome",
            verb=verb,
            reply_code=int(code),
            enhanced_status=status if status.count(".") == 2 else None,
            reply_text=text,
            attempt=attempt,
            outcome=outcome,
            **own,
            **whom,
        )
        return self

    def closed(self) -> Story:
        self.said("QUIT", "QUIT", "221 2.0.0 Bye")
        self.add("disconnect")
        return self


def _waited(seconds: float) -> dict[str, float]:
    return dict.fromkeys(("latency_s", "first_byte_s", "service_s"), seconds)


def day(messages: int, *, seed: int = 1, sessions: int = 4) -> Iterator[Row]:
    """A campaign's rows: a few sessions, some refusals, log-normal latencies."""
    chance = random.Random(seed)
    stories = [Story(f"s{n}").opened() for n in range(sessions)]
    for number in range(messages):
        medians = (-6.3, -5.8, -6.5, -4.0)  # MAIL 1.8 ms … END-OF-DATA 18 ms
        seconds = [chance.lognormvariate(median, 0.6) for median in medians]
        whom = f"person{number}@domain{number % 12}.example"
        refusal: dict[str, Any] = {}
        dice = chance.random()
        if dice < 0.06:
            refusal = {"rcpt": "450 4.2.0 Greylisted, come back", "outcome": "deferred"}
        elif dice < 0.10:
            refusal = {"rcpt": "550 5.1.1 No such user here", "outcome": "rejected"}
        elif dice < 0.12:
            refusal = {"end": "554 5.7.1 Message looks like spam", "outcome": "rejected"}
        stories[number % sessions].message(
            whom, pipelined=number, seconds=seconds, **refusal
        )
    for story in stories:
        yield from story.closed().rows


def suppressed(recipient: str) -> Row:
    """The only row of a recipient that was left out on purpose."""
    event = Event(kind="outcome", recipient=recipient, outcome="suppressed")
    return (START, *event.to_row()[1:])
