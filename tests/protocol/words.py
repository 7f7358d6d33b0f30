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
    Lhlo,
    Mail,
    Quit,
    Raw,
    Rcpt,
    Rset,
    StartTls,
    XClient,
)
from smtpbook.protocol.states import State

ALL = (
    "PIPELINING",
    "SIZE 1000",
    "8BITMIME",
    "SMTPUTF8",
    "STARTTLS",
    "AUTH PLAIN",
    "CHUNKING",
    "ETRN",
    "XCLIENT NAME ADDR",
)
BOB = Mailbox.parse("bob@example.org")
JURGEN = Mailbox.parse("jürgen@example.org")
EHLO = Ehlo("client.example")

SAID: dict[str, Command] = {
    "EHLO": EHLO,
    "HELO": Helo("client.example"),
    "LHLO": Lhlo("client.example"),
    "XCLIENT": XClient((("NAME", "spike.example"),)),
    "ETRN": Raw("ETRN example.org"),
    "TURN": Raw("TURN"),
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

# What a client may say in each state, by the RFCs.
ANYWHERE = {"RSET", "NOOP", "VRFY", "EXPN", "HELP", "QUIT", "EHLO", "HELO"}
ALLOWED = {
    State.CONNECTED: set[str](),
    State.GREETED: ANYWHERE,
    State.REFUSED: {"QUIT"},
    State.TLS: set[str](),
    State.AUTH: {"RESPONSE"},
    State.READY: ANYWHERE | {"STARTTLS", "AUTH", "MAIL", "SEND", "XCLIENT", "ETRN", "TURN"},
    State.MAIL: ANYWHERE | {"RCPT"},
    State.RCPT: ANYWHERE | {"RCPT", "DATA", "BDAT", "BDAT LAST"},
    State.CHUNKS: ANYWHERE | {"BDAT", "BDAT LAST"},
    State.DATA: {"END-OF-DATA"},
    State.CLOSED: set[str](),
}
