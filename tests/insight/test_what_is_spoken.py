"""What the page says happens does happen: offered, not offered, refused."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from smtpbook.accounts.account import Account
from smtpbook.accounts.timeouts import Timeouts
from smtpbook.codes.tables import Spoken, spoken
from smtpbook.errors import LocalProtocolError, ReplyError, SMTPBookError, TLSError
from smtpbook.events import CLEAR_TEXT
from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab
from smtpbook.protocol.commands import Ehlo, parse_command
from smtpbook.protocol.connection import COMMAND_NEEDS, Client
from smtpbook.protocol.extensions import Extensions, ehlo_reply
from smtpbook.protocol.message import Message
from smtpbook.protocol.parameters import PARAMETERS, spelled
from smtpbook.sasl import registry
from smtpbook.session.record import Record
from smtpbook.session.session import Session, open_session
from smtpbook.transfer.options import DeliveryOptions
from smtpbook.transfer.transaction import mail_parameters, rcpt_parameters
from tests.session.scripted import Rows

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
ROWS = {(one.kind, one.name): one for one in spoken()}
ACCOUNT = Account(host="localhost", port=25, tls="none", helo="client.test")
# What stands behind a keyword, where something has to.
OFFERED = {"AUTH": "AUTH PLAIN", "LIMITS": "LIMITS RCPTMAX=1", "XCLIENT": "XCLIENT NAME"}
Do = Callable[[Session], Awaitable[object]]


def letter(text: str = "hello", *, sender: str = "ann@x.test", **options: Any) -> Message:
    return Message.from_bytes(
        sender,
        ["bob@y.test", "eve@y.test"],
        f"Subject: hi\r\n\r\n{text}\r\n".encode(),
        options=DeliveryOptions(**options) if options else None,
    )


def send(message: Message | None = None, times: int = 1, **how: Any) -> Do:
    async def do(session: Session) -> None:
        messages = [message or letter()] * times
        async for result in session.send_many(messages, **how):
            if isinstance(result.error, LocalProtocolError):
                raise result.error

    return do


def say(line: str) -> Do:
    return lambda session: session.command(line)


def issue(line: str) -> Do:
    """Have a client of this session's kind say a line, if it will."""

    async def do(session: Session) -> None:
        client = Client()
        client.receive_data(b"220 mx\r\n")
        client.next_reply()
        client.issue(Ehlo("client.test"))
        client.receive_data(ehlo_reply("mx", session.extensions.keywords).to_bytes())
        client.next_reply()
        client.issue(parse_command(line.encode()))

    return do


@dataclass(frozen=True)
class Try:
    """Something that needs what a row is about, and what a server does to it."""

    do: Do = field(default_factory=send)
    account: Mapping[str, Any] = field(default_factory=dict)
    besides: tuple[str, ...] = ()  # what is offered in any case
    refusing: Mapping[str, Behaviour] = field(default_factory=dict)
    whom: str | None = None  # is refused


def refusing(*places: str, code: int = 550, whom: str | None = None, **about: Any) -> Try:
    behaviour = Behaviour(reply=f"{code} no")
    return Try(refusing=dict.fromkeys(places, behaviour), whom=whom, **about)


def asking(**options: Any) -> Try:
    return Try(send(letter(**options)))


LOGIN = Try(account={"username": "ann", "password": "horse"})
TLS = (Try(account={"tls": "starttls"}), Try(account={"tls": "opportunistic"}))
STREAM = Try(send(pipelining="stream"), besides=("PIPELINING",))
UNTIL = datetime(2030, 1, 1, tzinfo=UTC)
TRIES: dict[tuple[str, str], tuple[Try, ...]] = {
    ("command", "EHLO"): (refusing("ehlo"), refusing("ehlo", code=450)),
    ("command", "HELO"): (refusing("ehlo", "helo"),),
    ("command", "LHLO"): (refusing("ehlo", account={"protocol": "lmtp"}),),
    ("command", "STARTTLS"): TLS,
    ("command", "AUTH"): (LOGIN,),
    ("command", "MAIL"): (refusing("mail"),),
    ("command", "RCPT"): (refusing("rcpt", whom="bob@*"),),
    ("command", "DATA"): (refusing("data"),),
    ("command", "BDAT"): (STREAM,),
    ("command", "RSET"): (refusing("data", "rset", do=send(times=2)),),
    ("command", "QUIT"): (Try(refusing={"quit": Behaviour(delay_s=3600)}),),
    ("command", "TURN"): (refusing("turn", code=250, do=say("TURN")),),
    ("command", "ETRN"): (Try(say("ETRN y.test")), Try(issue("ETRN y.test"))),
    ("command", "XCLIENT"): (
        Try(say("XCLIENT NAME=a.test")),
        Try(issue("XCLIENT NAME=a.test")),
    ),
    ("extension", "SIZE"): (Try(),),
    ("extension", "8BITMIME"): (Try(send(letter("grüße"))),),
    ("extension", "SMTPUTF8"): (Try(send(letter(sender="änn@x.test"))),),
    ("extension", "PIPELINING"): (Try(),),
    ("extension", "STARTTLS"): TLS,
    ("extension", "AUTH"): (LOGIN, asking(submitter="ann@x.test")),
    ("extension", "CHUNKING"): (STREAM, Try(send(chunking=True))),
    ("extension", "LIMITS"): (Try(),),
    ("extension", "DSN"): (asking(notify="failure", returns="full", envelope_id="1"),),
    ("extension", "ENHANCEDSTATUSCODES"): (Try(),),
    ("extension", "BINARYMIME"): (
        Try(send(letter(is_binary=True), chunking=True), besides=("CHUNKING",)),
    ),
    ("extension", "REQUIRETLS"): (asking(requires_tls=True),),
    ("extension", "DELIVERBY"): (
        asking(deliver_by_s=60),
        asking(deliver_by_s=60, if_late="notify"),
    ),
    ("extension", "FUTURERELEASE"): (asking(hold_for_s=60), asking(hold_until=UNTIL)),
    ("extension", "MT-PRIORITY"): (asking(priority=3),),
    ("extension", "PRDR"): (asking(reply_per_recipient=True),),
}


@dataclass
class Seen:
    """What came of a try."""

    rows: Rows
    is_open: bool = False
    is_over: bool = False
    error: Exception | None = None

    @property
    def verbs(self) -> list[object]:
        return self.rows.column("verb")

    @property
    def parameters(self) -> set[str]:
        said = [str(row["command"]) for row in self.rows.of("command")]
        return {word for line in said for word in line.partition("> ")[2].split()}

    @property
    def groups(self) -> list[object]:
        return self.rows.column("pipelined")

    @property
    def outcomes(self) -> set[object]:
        return set(self.rows.column("outcome", "outcome"))


# What a sentence of the page says, and whether it was so: with what the row is about, and
# without it (or refused).
FATES: dict[str, Callable[[Seen, Seen], bool]] = {
    "LocalProtocolError": lambda was, now: isinstance(now.error, LocalProtocolError),
    "TLSError": lambda was, now: isinstance(now.error, TLSError),
    "clear text": lambda was, now: CLEAR_TEXT in now.rows.column("command", "tls"),
    "left out": lambda was, now: not now.error and now.parameters < was.parameters,
    "waits": lambda was, now: any(was.groups) and not any(now.groups),
    '"auto"|never said': lambda was, now: (
        ("BDAT" in was.verbs) > ("BDAT" in now.verbs) and now.outcomes == {"accepted"}
    ),
    "no limit": lambda was, now: was.error is not None and now.outcomes == {"accepted"},
    "HELO is said": lambda was, now: now.is_open and "HELO" in now.verbs,
    "does not open": lambda was, now: isinstance(now.error, ReplyError) and not now.is_open,
    "so are": lambda was, now: now.outcomes == {"rejected"} and not now.is_over,
    "others still": lambda was, now: now.outcomes == {"rejected", "accepted"},
    "is over|ends the session": lambda was, now: now.is_over,
    "closed all the same": lambda was, now: any(
        row["error"] for row in now.rows.of("command", "QUIT")
    ),
    "says it": lambda was, now: bool({"ETRN", "XCLIENT"} & {*now.verbs}),
}


async def play(one: Try, keyword: str | None, *, is_there: bool) -> Seen:
    """Try it at a server that offers the keyword, or that does not and refuses."""
    account = ACCOUNT.replace(**one.account)
    lab, seen = Lab(protocol=account.protocol), Seen(Rows())
    offered = [*one.besides, *([OFFERED.get(keyword, keyword)] if keyword else [])]
    words = offered if is_there else one.besides
    lab.set(ehlo=Behaviour(reply="\n".join(["250 lab.test", *words])))
    if not is_there:
        lab.set(one.whom, **one.refusing)
    async with trio.open_nursery() as nursery:

        async def connect(account: Account, record: Record) -> trio.abc.Stream:
            ours, theirs = trio.testing.memory_stream_pair()
            nursery.start_soon(lab.converse, theirs)
            return ours

        try:
            async with open_session(account, sink=seen.rows, connector=connect) as session:
                seen.is_open = True
                try:
                    await one.do(session)
                finally:
                    await trio.testing.wait_all_tasks_blocked()
                    seen.is_over = session.is_over
        except SMTPBookError as exc:
            seen.error = exc
    return seen


def named(row: Spoken) -> str:
    return f"{row.kind} {row.name}"


def promises(row: Spoken) -> bool:
    """Whether a row says what happens otherwise, or by its silence that nothing does."""
    return row.kind in ("command", "extension") and (
        row.otherwise is not None or (row.kind, row.speaks) == ("extension", "yes")
    )


@pytest.mark.parametrize("row", [*filter(promises, spoken())], ids=named)
async def test_what_is_not_offered_or_refused_comes_to_what_the_page_says(
    row: Spoken, autojump_clock: object
) -> None:
    if row.otherwise == "See the command.":
        row = ROWS["command", row.name]
    is_extension = row.kind == "extension"
    keyword = row.name if is_extension else COMMAND_NEEDS.get(row.name)
    came_to, verbs = list[str](), set[object]()
    for one in TRIES[row.kind, row.name]:
        was = await play(one, keyword, is_there=True)
        now = await play(one, keyword, is_there=False)
        came_to += [words for words, is_so in FATES.items() if is_so(was, now)]
        verbs |= {*was.verbs, *now.verbs}
    told = [
        (found.start(), words)
        for words in FATES
        if (found := re.search(words, row.otherwise or "", re.I))
    ]
    assert [words for _, words in sorted(told)] == list(dict.fromkeys(came_to))
    assert is_extension or row.name in verbs


def test_nothing_is_tried_that_the_page_does_not_have() -> None:
    assert TRIES.keys() <= ROWS.keys()


# Each needs something else of a server.
LETTERS = (
    letter("grüße"),
    letter(sender="änn@x.test"),
    letter(notify="failure", returns="full", envelope_id="1"),
    *(letter(requires_tls=True), letter(deliver_by_s=60), letter(hold_for_s=60)),
    *(letter(hold_until=UNTIL), letter(priority=3), letter(submitter="ann@x.test")),
    *(letter(reply_per_recipient=True), letter(is_binary=True)),
)


@pytest.mark.parametrize(
    "row", [row for row in spoken() if row.kind == "extension"], ids=named
)
def test_the_parameters_that_are_sent_are_those_the_page_names(row: Spoken) -> None:
    extensions = Extensions.from_reply(ehlo_reply("mx", [row.name, "CHUNKING"]))
    sent: dict[str, set[str]] = {"MAIL": set(), "RCPT": set()}
    for one in LETTERS:
        with suppress(LocalProtocolError):
            on_mail = mail_parameters(one, extensions, is_secure=True, is_chunked=True)
            sent["MAIL"] |= {*spelled(on_mail)}
            sent["RCPT"] |= {*spelled(rcpt_parameters(one, one.recipients[0], extensions))}
    said = sent["MAIL"] | sent["RCPT"]
    if row.speaks == "no":
        assert not said
        return
    words = {*re.findall("[A-Z0-9-]+", row.how)}
    assert words & PARAMETERS.keys() == {word.partition("=")[0] for word in said}
    assert {*re.findall("[A-Z]+=[A-Z0-9]+", row.how)} <= said
    if said:
        assert words & sent.keys() == {verb for verb in sent if sent[verb]}


NUMBERS = {"a": 1, "an": 1, "one": 1, "ten": 10}
UNITS = {"second": 1, "minute": 60, "hour": 3600}
TIME = re.compile(rf"({'|'.join(NUMBERS)}|\d+) ({'|'.join(UNITS)})s?\b", re.I)


def test_the_times_that_the_page_names_are_the_limits_of_an_account() -> None:
    limits = Timeouts()
    told = {
        named(row): float(NUMBERS.get(number) or number) * UNITS[unit]
        for row in spoken()
        for number, unit in TIME.findall(f"{row.how} {row.otherwise}")
    }
    assert told == {
        "command QUIT": limits.of("QUIT"),
        "standard RFC 1047": limits.of("END-OF-DATA"),
    }


@pytest.mark.parametrize("name", registry.MECHANISMS)
def test_when_a_mechanism_is_used_is_as_the_page_says(name: str) -> None:
    row, bare = ROWS["mechanism", name], name.removesuffix("-PLUS")
    by_itself = (*registry.BY_PASSWORD, *registry.BY_TOKEN)
    assert ("only by name" in row.how) == (name not in by_itself)
    if name in (*registry.BY_PASSWORD, *registry.BY_DOMAIN) and name == bare != "GSSAPI":
        assert ("not sent" in row.how) == (not registry.sends_secret(name))
        assert ("under TLS" in row.how) == registry.sends_secret(name)
    unbound = registry.choose("auto", [name, bare], is_private=True, serves=(name, bare))
    assert ("without -PLUS" in (row.otherwise or "")) == (unbound == (bare,) != (name,))


def test_the_extras_that_the_page_names_are_there() -> None:
    named_there = re.findall(r"smtpbook\[(\w+)\]", " ".join(row.how for row in spoken()))
    extras = tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]["optional-dependencies"]
    assert {*named_there} <= extras.keys()
    assert named_there
