"""What a client may say in the tests: one command of every kind."""

from __future__ import annotations

from smtpbook.protocol.addresses import Mailbox
from smtpbook.protocol.commands import (
    Auth,
    AuthResponse,
    Bdat,
    Command,
    Data,
    Ehlo,
    EndOfData,
    Greeting,
    Helo,
    Mail,
    Quit,
    Raw,
    Rcpt,
    Rset,
    StartTls,
)

ALL = (
    "PIPELINING",
    "SIZE 1000",
    "8BITMIME",
    "SMTPUTF8",
    "STARTTLS",
    "AUTH PLAIN",
    "CHUNKING",
)
BOB = Mailbox.parse("bob@example.org")
JURGEN = Mailbox.parse("jürgen@example.org")
EHLO = Ehlo("client.example")

SAID: dict[str, Command] = {
    "EHLO": EHLO,
    "HELO": Helo("client.example"),
    "STARTTLS": StartTls(),
    "AUTH": Auth("PLAIN"),
    "RESPONSE": AuthResponse(b"x"),
    "MAIL": Mail(BOB),
    "SEND": Raw("SEND FROM:<bob@example.org>"),
    "RCPT": Rcpt(BOB),
    "DATA": Data(),
    "END-OF-DATA": EndOfData(),
    "BDAT": Bdat(1),
    "BDAT LAST": Bdat(1, True),
    "RSET": Rset(),
    "NOOP": Raw("NOOP"),
    "VRFY": Raw("VRFY bob"),
    "EXPN": Raw("EXPN list"),
    "HELP": Raw("HELP"),
    "QUIT": Quit(),
    "GREETING": Greeting(),
    "lone dot": Raw("."),
    "END-OF-DATA typed": Raw("END-OF-DATA"),
    "HANDSHAKE typed": Raw("HANDSHAKE"),
    "XYZZY": Raw("XYZZY"),
}
