"""Commands: what the client says (RFC 5321 section 4.1).

Each command is a frozen value with a verb and a line; `encode` is the only function that
turns one into octets, and it refuses control characters, so nothing can be injected into
the conversation.  `parse_command` is the server's side of the same grammar.  Which command
may be given when is not decided here (`states`).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar, Final

from smtpbook.errors import LocalProtocolError
from smtpbook.protocol.addresses import Mailbox, check_helo
from smtpbook.protocol.parameters import Parameters, decode_xtext, encode_xtext, spelled

REDACTED: Final = "[redacted]"

# "The maximum total length of a command line including the command word and the <CRLF> is
# 512 octets. SMTP extensions may be used to increase this limit." -- RFC 5321 section
# 4.5.3.1.4.  What MAIL and RCPT gain: SIZE 26 (RFC 1870 section 3), BODY 17 (RFC 6152
# section 2), SMTPUTF8 10 (RFC 6531 section 3.1), AUTH= 500 (RFC 4954 section 3), DSN 500
# (RFC 3461 section 4); and as much as the longest of each takes: BY=-999999999;NT 17,
# HOLDUNTIL= with a fraction of a second 34, REQUIRETLS 11, MT-PRIORITY=-9 15, PRDR 5.
MAX_LINE: Final = 512
MAX_ENVELOPE_LINE: Final = 512 + 26 + 17 + 10 + 500 + 500 + 17 + 34 + 11 + 15 + 5
# "12288 octets is considered to be a sufficient line length limit for handling of deployed
# authentication mechanisms" -- RFC 4954 section 4
MAX_AUTH_LINE: Final = 12288


@dataclass(frozen=True, slots=True)
class Command:
    """A command; its subclasses are the verbs.

    Attributes
    ----------
    verb : str
        The command word in capitals, as it stands in the log.
    key : str
        The command's name in the state table: its verb, or ``BDAT LAST``.
    """

    verb: ClassVar[str]
    key: ClassVar[str]
    max_octets: ClassVar[int] = MAX_LINE

    def __init_subclass__(cls) -> None:
        if isinstance(verb := cls.__dict__.get("verb"), str) and "key" not in cls.__dict__:
            cls.key = verb

    @property
    def line(self) -> str:
        """The line as it goes over the wire, without CRLF."""
        return self._line()

    @property
    def shown(self) -> str:
        """The line as it may be shown and kept: without secrets."""
        return self._shown()

    def _line(self) -> str:
        return self.verb

    def _shown(self) -> str:
        return self._line()


@dataclass(frozen=True, slots=True)
class Greeting(Command):
    """What the first reply answers: nothing was said, the connection was made."""

    verb: ClassVar[str] = "GREETING"


@dataclass(frozen=True, slots=True)
class Ehlo(Command):
    """Open the session and ask for extensions (RFC 5321 section 4.1.1.1)."""

    verb: ClassVar[str] = "EHLO"
    name: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", check_helo(self.name))

    def _line(self) -> str:
        return f"{self.verb} {self.name}"


@dataclass(frozen=True, slots=True)
class Helo(Ehlo):
    """Open the session without extensions (RFC 5321 section 4.1.1.1)."""

    verb: ClassVar[str] = "HELO"


@dataclass(frozen=True, slots=True)
class Lhlo(Ehlo):
    """Open a session of LMTP (RFC 2033 section 4.1)."""

    verb: ClassVar[str] = "LHLO"


@dataclass(frozen=True, slots=True)
class _Envelope(Command):
    """MAIL or RCPT: its line is put together once, for it is written, counted and kept."""

    max_octets: ClassVar[int] = MAX_ENVELOPE_LINE
    shown: str = field(init=False, repr=False, compare=False)

    def _line(self) -> str:
        return self.shown


@dataclass(frozen=True, slots=True)
class Mail(_Envelope):
    """Begin a transaction (RFC 5321 section 4.1.1.2); None is the null reverse-path."""

    verb: ClassVar[str] = "MAIL"
    reverse_path: Mailbox | None
    parameters: Parameters = ()

    def __post_init__(self) -> None:
        path = "" if self.reverse_path is None else self.reverse_path
        text = f"MAIL FROM:<{path}>{_spelled(self.parameters)}"
        object.__setattr__(self, "shown", text)


@dataclass(frozen=True, slots=True)
class Rcpt(_Envelope):
    """Name one recipient (RFC 5321 section 4.1.1.3)."""

    verb: ClassVar[str] = "RCPT"
    recipient: Mailbox
    parameters: Parameters = ()

    def __post_init__(self) -> None:
        text = f"RCPT TO:<{self.recipient}>"
        if self.parameters:
            text += _spelled(self.parameters)
        object.__setattr__(self, "shown", text)


@dataclass(frozen=True, slots=True)
class Data(Command):
    """Announce the mail data (RFC 5321 section 4.1.1.4)."""

    verb: ClassVar[str] = "DATA"
    shown: ClassVar[str] = "DATA"  # said for every message: no need to ask for it


@dataclass(frozen=True, slots=True)
class Bdat(Command):
    """Announce a chunk of mail data of so many octets (RFC 3030 section 2)."""

    verb: ClassVar[str] = "BDAT"
    size: int
    is_last: bool = False

    @property
    def key(self) -> str:  # type: ignore[override]
        """The last chunk is another event than those before it."""
        return "BDAT LAST" if self.is_last else "BDAT"

    def _line(self) -> str:
        return f"BDAT {self.size}{' LAST' if self.is_last else ''}"


@dataclass(frozen=True, slots=True)
class EndOfData(Command):
    """The lone dot that ends the mail data (RFC 5321 section 4.1.1.4)."""

    verb: ClassVar[str] = "END-OF-DATA"
    shown: ClassVar[str] = "."

    def _line(self) -> str:
        return "."


@dataclass(frozen=True, slots=True)
class Rset(Command):
    """Give the transaction up (RFC 5321 section 4.1.1.5)."""

    verb: ClassVar[str] = "RSET"


@dataclass(frozen=True, slots=True)
class Quit(Command):
    """End the session (RFC 5321 section 4.1.1.10)."""

    verb: ClassVar[str] = "QUIT"


@dataclass(frozen=True, slots=True)
class StartTls(Command):
    """Ask for TLS on this connection (RFC 3207 section 4)."""

    verb: ClassVar[str] = "STARTTLS"


@dataclass(frozen=True, slots=True)
class Auth(Command):
    """Log in (RFC 4954 section 4).

    An `initial_response` of None sends none; ``b""`` is sent as ``=``; one that the line
    has no room for is left out, and the server asks for it.
    """

    verb: ClassVar[str] = "AUTH"
    mechanism: str
    initial_response: bytes | None = None

    def __post_init__(self) -> None:
        if not _MECHANISM.fullmatch(self.mechanism):
            raise LocalProtocolError("not the name of a SASL mechanism")

    def _line(self) -> str:
        return f"AUTH {self.mechanism}{self._encoded()}"

    def _shown(self) -> str:
        return f"AUTH {self.mechanism}{f' {REDACTED}' if self._encoded() else ''}"

    def _encoded(self) -> str:
        if self.initial_response is None:
            return ""
        text = base64.b64encode(self.initial_response).decode("ascii") or "="
        # "If use of the initial response argument would cause the AUTH command to exceed
        # this length, the client MUST NOT use the initial response parameter" -- section 4
        room = MAX_LINE - len(f"AUTH {self.mechanism} \r\n")
        return f" {text}" if len(text) <= room else ""

    def __repr__(self) -> str:
        return f"Auth({self.shown!r})"


@dataclass(frozen=True, slots=True)
class AuthResponse(Command):
    """Answer a challenge (RFC 4954 section 4); None cancels with ``*``."""

    verb: ClassVar[str] = "AUTH"
    max_octets: ClassVar[int] = MAX_AUTH_LINE
    data: bytes | None

    @property
    def key(self) -> str:  # type: ignore[override]
        """It may only be said where a challenge awaits it, and AUTH may not be there."""
        return "RESPONSE"

    def _line(self) -> str:
        return "*" if self.data is None else base64.b64encode(self.data).decode("ascii")

    def _shown(self) -> str:
        return "*" if self.data is None else REDACTED

    def __repr__(self) -> str:
        return f"AuthResponse({self.shown!r})"


@dataclass(frozen=True, slots=True)
class XClient(Command):
    """Speak for another client (Postfix's XCLIENT_README).

    For testing what a server does with whom; it must trust us.  A 220 begins the session
    anew: EHLO comes next.

    Parameters
    ----------
    attributes : tuple of tuple of str, length >= 1
        Names and values: NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT, of which a
        server takes those it lists; ``[UNAVAILABLE]`` is what nobody knows.

    Examples
    --------
    >>> XClient((("NAME", "spike.example"), ("ADDR", "192.0.2.1"))).line
    'XCLIENT NAME=spike.example ADDR=192.0.2.1'
    """

    verb: ClassVar[str] = "XCLIENT"
    attributes: tuple[tuple[str, str], ...]

    def __post_init__(self) -> None:
        if not self.attributes:
            raise LocalProtocolError("XCLIENT needs an attribute, such as NAME or ADDR")
        for name, value in self.attributes:
            if not value or not re.fullmatch("[A-Z]+", name):
                raise LocalProtocolError(f"not an attribute with a value: {name[:80]!a}")

    def _line(self) -> str:
        items = [(name, encode_xtext(value)) for name, value in self.attributes]
        return " ".join(["XCLIENT", *spelled(items)])


@dataclass(frozen=True, slots=True)
class Raw(Command):
    """A line as somebody typed it: VRFY, EXPN, HELP, ETRN, RFC 821's verbs, mistakes.

    Everything a lesson needs; only what could end the line is refused.
    """

    max_octets: ClassVar[int] = MAX_AUTH_LINE
    text: str

    @property
    def verb(self) -> str:  # type: ignore[override]
        """The first word in capitals."""
        return self.text.partition(" ")[0].upper() or "(empty)"

    @property
    def key(self) -> str:  # type: ignore[override]
        """The verb if a line can begin with it; the table's other words are no lines."""
        return self.verb if self.verb in _GRAMMAR else "(unknown)"

    def _line(self) -> str:
        return self.text

    def _shown(self) -> str:
        words = self.text.split()
        if len(words) > 2 and words[0].upper() == "AUTH":
            return f"{words[0]} {words[1]} {REDACTED}"
        return self.text

    def __repr__(self) -> str:
        return f"Raw({self.shown!r})"


def encode(command: Command) -> bytes:
    r"""Write a command: the one place where a command becomes octets.

    >>> encode(Ehlo("client.example"))
    b'EHLO client.example\r\n'
    >>> encode(Raw("NOOP\r\nQUIT"))
    Traceback (most recent call last):
        ...
    smtpbook.errors.LocalProtocolError: command holds a line end or control character

    Raises
    ------
    LocalProtocolError
        The line holds a character that could end it or hide in it, or is too long.  The
        message does not repeat the line, which may hold a secret.
    """
    line = command._line()
    # isprintable() is false for every control, separator, format and surrogate character.
    if not line.isprintable():
        raise LocalProtocolError("command holds a line end or control character")
    octets = line.encode("utf-8") + b"\r\n"
    if (size := len(octets)) > command.max_octets:
        del line, octets  # a traceback that shows locals must not show a secret
        raise LocalProtocolError(
            f"{command.verb} line is {size} octets long, at most "
            f"{command.max_octets} are allowed"
        )
    return octets


@lru_cache(maxsize=256)  # a campaign's sizes are alike
def _spelled(parameters: Parameters) -> str:
    if not parameters:
        return ""
    items = spelled(parameters)
    for item in items:
        if not _PARAMETER.fullmatch(item):
            raise LocalProtocolError(f"not an ESMTP parameter: {item[:80]!a}")
    return " " + " ".join(items)


class CommandSyntaxError(Exception):
    """A line a server cannot read; `code` and `text` are the reply it deserves."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


# Source routes ("@a,@b:user@c") are accepted and ignored -- RFC 5321 appendix C
_PATH: Final = re.compile(
    r"(?:FROM|TO):[ ]?<(?:@[^:>]+:)?(?P<address>(?:\"(?:[^\"\\]|\\.)*\"|[^>\"])*)>"
    r"(?P<parameters>(?: +[^ ]+)*) *",
    re.I,
)
_PARAMETER: Final = re.compile(
    r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([!-<>-~\u0080-\U0010ffff]+))?"
)
# sasl-mech = 1*20mech-char -- RFC 4422 section 3.1; lower case is only the writer's habit
_MECHANISM: Final = re.compile(r"[A-Za-z0-9_-]{1,20}")
# chunk-size = 1*DIGIT -- RFC 3030 section 2.  Python reads no number of more than 4,300.
_CHUNK_SIZE: Final = re.compile(r"[0-9]{1,20}")
# What an argument that cannot be read deserves: bad sender's or destination mailbox address
# syntax, else invalid command arguments -- RFC 3463 sections 3.2 and 3.6
_BAD_ARGUMENT: Final = {"MAIL": "5.1.7", "RCPT": "5.1.3"}


def parse_command(line: bytes) -> Command:
    r"""Read a command line as a server does.

    Parameters
    ----------
    line : bytes
        One line without its CRLF.

    Raises
    ------
    CommandSyntaxError
        With the reply the line deserves: 500 for an unknown verb, 501 for wrong arguments
        (RFC 5321 section 4.2.4).

    Examples
    --------
    >>> parse_command(b"rcpt to:<bob@EXAMPLE.org>")
    Rcpt(recipient=Mailbox(local_part='bob', domain='example.org'), parameters=())
    """
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        raise CommandSyntaxError(500, "5.5.2 Command is not UTF-8") from None
    verb, _, argument = text.rstrip(" \t").partition(" ")
    parse = _GRAMMAR.get(verb.upper())
    if parse is None:
        raise CommandSyntaxError(500, "5.5.1 Command not recognized")
    if not argument.isprintable():
        raise CommandSyntaxError(501, "5.5.4 A control character stands in the command")
    try:
        return parse(text, argument.strip())
    except LocalProtocolError as exc:
        status = _BAD_ARGUMENT.get(verb.upper(), "5.5.4")
        raise CommandSyntaxError(501, f"{status} {exc}") from None


def _envelope(word: str, argument: str) -> tuple[str, Parameters]:
    match = _PATH.fullmatch(argument)
    if match is None or not argument.upper().startswith(word):
        raise CommandSyntaxError(501, f"5.5.4 Syntax: {word}:<address>")
    parameters = []
    for item in match["parameters"].split():
        found = _PARAMETER.fullmatch(item)
        if found is None:
            raise CommandSyntaxError(501, f"5.5.4 Not a parameter: {item[:80]!a}")
        parameters.append((found[1].upper(), found[2]))
    return match["address"], tuple(parameters)


def _mail(_: str, argument: str) -> Command:
    address, parameters = _envelope("FROM", argument)
    return Mail(Mailbox.parse(address) if address else None, parameters)


def _rcpt(_: str, argument: str) -> Command:
    address, parameters = _envelope("TO", argument)
    # "<Postmaster>" without a domain MUST be accepted -- RFC 5321 section 4.1.1.3
    if address.lower() == "postmaster":
        return Rcpt(Mailbox(address, ""), parameters)
    return Rcpt(Mailbox.parse(address), parameters)


def _bdat(_: str, argument: str) -> Command:
    size, _, last = argument.partition(" ")
    if not _CHUNK_SIZE.fullmatch(size) or last.upper() not in ("", "LAST"):
        raise CommandSyntaxError(501, "5.5.4 Syntax: BDAT size [LAST]")
    return Bdat(int(size), bool(last))


def _auth(_: str, argument: str) -> Command:
    mechanism, _, encoded = argument.partition(" ")
    if not mechanism:
        raise CommandSyntaxError(501, "5.5.4 Syntax: AUTH mechanism [initial-response]")
    if not encoded:
        return Auth(mechanism.upper())
    return Auth(mechanism.upper(), b"" if encoded == "=" else decode_base64(encoded))


def decode_base64(text: str) -> bytes:
    """Read the base64 of an AUTH exchange, strictly.

    Raises
    ------
    CommandSyntaxError
        501 with 5.5.2: "cannot [BASE64] decode" -- RFC 4954 section 4.
    """
    try:
        return base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise CommandSyntaxError(501, "5.5.2 Cannot decode base64") from None


def _bare(command: Command) -> Callable[[str, str], Command]:
    def parse(text: str, argument: str) -> Command:
        if argument:
            raise CommandSyntaxError(501, f"5.5.4 {command.verb} takes no argument")
        return command

    return parse


def _greeting(kind: type[Ehlo]) -> Callable[[str, str], Command]:
    def parse(text: str, argument: str) -> Command:
        if not argument:
            raise CommandSyntaxError(501, f"5.5.4 Syntax: {kind.verb} hostname")
        return kind(argument)

    return parse


def _raw(text: str, _: str) -> Command:
    return Raw(text)


def _about(verb: str) -> Callable[[str, str], Command]:
    def parse(text: str, argument: str) -> Command:
        if not argument:
            raise CommandSyntaxError(501, f"5.5.4 Syntax: {verb} name")
        return Raw(text)

    return parse


def _xclient(_: str, argument: str) -> Command:
    attributes = []
    for item in argument.split():
        name, _, value = item.partition("=")
        try:
            attributes.append((name.upper(), decode_xtext(value)))
        except ValueError:
            raise CommandSyntaxError(501, f"5.5.4 Not xtext: {item[:80]!a}") from None
    return XClient(tuple(attributes))


_GRAMMAR: Final[dict[str, Callable[[str, str], Command]]] = {
    "EHLO": _greeting(Ehlo),
    "HELO": _greeting(Helo),
    "LHLO": _greeting(Lhlo),
    "MAIL": _mail,
    "RCPT": _rcpt,
    "DATA": _bare(Data()),
    "BDAT": _bdat,
    "RSET": _bare(Rset()),
    "QUIT": _bare(Quit()),
    "STARTTLS": _bare(StartTls()),
    "AUTH": _auth,
    "XCLIENT": _xclient,
    "TURN": _bare(Raw("TURN")),
    **{verb: _about(verb) for verb in ("VRFY", "EXPN", "ETRN")},
    **dict.fromkeys(("NOOP", "HELP", "SEND", "SOML", "SAML"), _raw),
}
