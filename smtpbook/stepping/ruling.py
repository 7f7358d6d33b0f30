"""Ruling: what the RFC says about a line in a situation, before any server has answered.

The order of commands is `protocol.states`' table and their grammar `protocol.commands`';
here each case gets its section and a sentence of our own.  What a server then says is its
own matter, and `codes.explain`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from smtpbook.errors import near_miss
from smtpbook.protocol.commands import (
    REDACTED,
    Auth,
    Bdat,
    Command,
    CommandSyntaxError,
    Mail,
    Raw,
    Rcpt,
    decode_base64,
    parse_command,
)
from smtpbook.protocol.connection import COMMAND_NEEDS
from smtpbook.protocol.parameters import fault_in
from smtpbook.protocol.states import FOREIGN, ONLY_PIPELINED, TABLE, VERBS, State
from smtpbook.stepping.situation import DEAF, OBSOLETE, Situation

Kind = Literal[
    "in order",
    "mail data",
    "obsolete",
    "not offered",
    "wrong arguments",
    "out of order",
    "unknown",
    "not heard",
]
_TRANSACTION: Final = (State.MAIL, State.RCPT, State.CHUNKS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What the RFC says about a line.

    Attributes
    ----------
    kind : str
        ``in order``, ``mail data``, ``obsolete``, ``not offered``, ``wrong arguments``,
        ``out of order``, ``unknown`` or ``not heard``.
    says : str
        A sentence or two.
    source : str
        Which document, and which section.
    codes : tuple of int
        Reply codes that are due, the likeliest first; empty = the line gets no reply.
    """

    kind: Kind
    says: str
    source: str
    codes: tuple[int, ...] = ()

    @property
    def is_right(self) -> bool:
        """Whether a careful client may say it here."""
        return self.kind in ("in order", "mail data")


# What each command is for, where it is in order: sentence, source, and the replies that RFC
# 5321 section 4.3.2 (or the extension's own document) lists for success and intermediate.
_IN_ORDER: Final[dict[str, tuple[str, str, tuple[int, ...]]]] = {
    "EHLO": (
        "EHLO opens the session, gives the client's name and asks which extensions the "
        "server has; said again later, it also acts as RSET.",
        "RFC 5321 sections 4.1.1.1 and 4.1.4",
        (250,),
    ),
    "HELO": (
        "HELO opens the session without extensions; it is for servers that do not know "
        "EHLO.",
        "RFC 5321 sections 3.2 and 4.1.1.1",
        (250,),
    ),
    "LHLO": ("LHLO is what LMTP has instead of EHLO.", "RFC 2033 section 4.1", (250,)),
    "STARTTLS": (
        "After the 220 the TLS handshake follows at once; then everything the server said "
        "before is forgotten, and EHLO comes again.",
        "RFC 3207 sections 4 and 4.2",
        (220,),
    ),
    "AUTH": (
        "AUTH begins a login; 334 carries a challenge, 235 says that it succeeded.",
        "RFC 4954 section 4",
        (235, 334),
    ),
    "RESPONSE": (
        "The answer to a challenge is a line of base64; a lone * calls the login off.",
        "RFC 4954 section 4",
        (235, 334),
    ),
    "MAIL": (
        "MAIL begins a transaction and names the reverse-path, to which failures are "
        "reported; <> means that nobody wants to hear of them.",
        "RFC 5321 sections 3.3 and 4.1.1.2",
        (250,),
    ),
    "RCPT": (
        "RCPT names one recipient, and each is answered for itself: others may be taken "
        "though this one is not.",
        "RFC 5321 sections 3.3 and 4.1.1.3",
        (250, 251),
    ),
    "DATA": (
        "DATA asks to send the mail data; 354 says go ahead, and from then on every line "
        "is mail data until the lone dot.",
        "RFC 5321 sections 3.3 and 4.1.1.4",
        (354,),
    ),
    "BDAT": (
        "BDAT announces a chunk of so many octets, which follow at once: no 354 is waited "
        "for, and dots are not doubled.",
        "RFC 3030 section 2",
        (250,),
    ),
    "BDAT LAST": (
        "The chunk with LAST ends the mail data; its 250 means that the server takes the "
        "message.",
        "RFC 3030 section 2",
        (250,),
    ),
    "RSET": (
        "RSET gives up the transaction, if one is open, and must be answered with 250.",
        "RFC 5321 section 4.1.1.5",
        (250,),
    ),
    "NOOP": (
        "NOOP does nothing, at any time, and is answered with 250.",
        "RFC 5321 section 4.1.1.9",
        (250,),
    ),
    "HELP": ("HELP asks for help, at any time.", "RFC 5321 section 4.1.1.8", (214, 211)),
    "VRFY": (
        "VRFY asks whether a mailbox exists; 252 says that the server will not tell but "
        "would try to deliver.",
        "RFC 5321 sections 3.5.3 and 4.1.1.6",
        (250, 252),
    ),
    "EXPN": (
        "EXPN asks who is on a mailing list; most servers keep that to themselves.",
        "RFC 5321 sections 3.5 and 4.1.1.7",
        (250, 252),
    ),
    "ETRN": ("ETRN asks the server to start its queue.", "RFC 1985", (250,)),
    "XCLIENT": (
        "XCLIENT has a server that trusts us take us for another client.",
        "Postfix's XCLIENT_README",
        (220,),
    ),
    "QUIT": (
        "QUIT ends the session; the server says 221 and closes the connection.",
        "RFC 5321 section 4.1.1.10",
        (221,),
    ),
}
_BAD_SEQUENCE: Final = (503,)
_SYNTAX: Final = (501, 500)


def rule(situation: Situation, line: str) -> Ruling:
    """Say what the RFC has about a line in a situation.

    Parameters
    ----------
    situation : Situation
    line : str
        Without its line end.

    Examples
    --------
    >>> rule(Situation(state=State.GREETED), "MAIL FROM:<ann@x.test>").source
    'RFC 5321 section 4.1.4'

    References
    ----------
    RFC 5321 sections 4.1.4 (order of commands), 4.2.4 (500, 501, 502), 4.3.2 (which replies
    a command may draw); RFC 2033, 3030, 3207, 4954.
    """
    state = situation.state
    if state in DEAF:
        return Ruling(
            kind="not heard",
            says=f"Nothing can be said here: {state.value}.",
            source="RFC 5321 section 3.1",
        )
    if state is State.DATA:
        return _of_mail_data(situation, line)
    if state is State.AUTH:
        return _of_response(line)
    verb = Raw(line).verb
    key, fault = _read(line, verb)
    if verb not in VERBS or verb in ("RESPONSE", "GREETING", "HANDSHAKE", "END-OF-DATA"):
        return _of_unknown(verb)
    if verb in FOREIGN[situation.protocol]:
        return _of_foreign(situation, verb)
    disorder = _disorder(situation, verb, key)
    if disorder is not None:
        return disorder
    if verb in OBSOLETE:
        return _of_obsolete(verb)
    if isinstance(fault, CommandSyntaxError):
        return Ruling(
            kind="wrong arguments",
            says=f"The verb is right and may stand here, but not so: {_without(fault)}.",
            source="RFC 5321 sections 4.1.1 and 4.2.4",
            codes=(fault.code, *_SYNTAX),
        )
    return _lack(situation, verb, fault) or _right(key)


def _right(key: str) -> Ruling:
    says, source, codes = _IN_ORDER[key]
    return Ruling(kind="in order", says=says, source=source, codes=codes)


def _read(line: str, verb: str) -> tuple[str, Command | CommandSyntaxError]:
    """Give the line's key in the table, and the command, or what is wrong with it."""
    octets = line.encode("utf-8", "surrogateescape")
    # A secret that is to be filled in is no base64 yet.
    octets = octets.removesuffix(f" {REDACTED}".encode()) if verb == "AUTH" else octets
    try:
        command = parse_command(octets)
    except CommandSyntaxError as fault:
        return verb, fault
    return command.key if isinstance(command, Bdat) else verb, command


def _without(fault: CommandSyntaxError) -> str:
    """Give the words of a fault without its enhanced status."""
    status, _, words = fault.text.partition(" ")
    return words if status[:1].isdigit() else fault.text


def _of_mail_data(situation: Situation, line: str) -> Ruling:
    if line == ".":
        each = " Here each recipient gets a reply of its own." * (
            situation.protocol == "lmtp"
        )
        return Ruling(
            kind="in order",
            says="The lone dot ends the mail data; its 250 means that the server takes the "
            f"responsibility for the message.{each}",
            source="RFC 5321 sections 4.1.1.4 and 6.1"
            + ", RFC 2033 section 4.2" * bool(each),
            codes=(250,),
        )
    if line.startswith("."):
        return Ruling(
            kind="mail data",
            says="A line that begins with a dot is sent with another in front, or the "
            "server takes the one there is away. What is typed here goes as it stands.",
            source="RFC 5321 section 4.5.2",
        )
    return Ruling(
        kind="mail data",
        says="After the 354 every line is mail data, whatever it looks like, and gets no "
        "reply; an empty line ends the header.",
        source="RFC 5321 section 4.1.1.4, RFC 5322 section 2.1",
    )


def _of_response(line: str) -> Ruling:
    if line == "*":
        return Ruling(
            kind="in order",
            says="A lone * calls the login off; the server must answer with 501.",
            source="RFC 4954 section 4",
            codes=(501,),
        )
    if line != REDACTED:
        try:
            decode_base64(line)
        except CommandSyntaxError:
            return Ruling(
                kind="wrong arguments",
                says="A challenge waits for its answer in base64. What cannot be decoded "
                "fails the login; commands are not understood here.",
                source="RFC 4954 section 4",
                codes=(501,),
            )
    return _right("RESPONSE")


def _of_unknown(verb: str) -> Ruling:
    near = near_miss(verb, _IN_ORDER).removeprefix("; ")
    near = f" {near[0].upper()}{near[1:]}" if near else ""
    return Ruling(
        kind="unknown",
        says=f"No command begins so; a server says 500, and nothing has changed.{near}",
        source="RFC 5321 sections 4.2.4 and 4.1.4",
        codes=(500, 502),
    )


def _of_foreign(situation: Situation, verb: str) -> Ruling:
    other = "LHLO" if situation.protocol == "lmtp" else "EHLO"
    return Ruling(
        kind="unknown",
        says=f"{verb} is no command of {situation.protocol.upper()}: a session is opened "
        f"with {other}.",
        source="RFC 2033 section 4.1",
        codes=(500, 502, 503),
    )


def _of_obsolete(verb: str) -> Ruling:
    if verb == "TURN":
        return Ruling(
            kind="obsolete",
            says="TURN would have client and server change places, and give a stranger the "
            "mail of others: it is not to be used.",
            source="RFC 5321 appendix F.1",
            codes=(502, 500),
        )
    return Ruling(
        kind="obsolete",
        says=f"{verb} wrote to the recipient's terminal; clients should not offer it any "
        "more. MAIL is what begins a transaction.",
        source="RFC 5321 appendix F.6",
        codes=(502, 500, 250),
    )


def _disorder(situation: Situation, verb: str, key: str) -> Ruling | None:
    """Say why a command may not stand here; None = it may."""
    state = situation.state
    step = (state, key)
    if verb == "STARTTLS" and situation.is_secure:
        says, source = "TLS is on already; it is not begun twice.", "RFC 3207 section 4.2"
    elif verb == "AUTH" and situation.is_authenticated and state is State.READY:
        says = "Nobody logs in twice in a session: a second AUTH gets 503."
        source = "RFC 4954 section 4"
    elif step in TABLE and step not in ONLY_PIPELINED:
        return None
    else:
        says, source = _why(state, verb)
    codes = (503, 554) if verb in ("DATA", "BDAT") else _BAD_SEQUENCE
    return Ruling(kind="out of order", says=says, source=source, codes=codes)


def _why(state: State, verb: str) -> tuple[str, str]:
    """Say what has to come first, and where that stands."""
    if state is State.REFUSED:
        return (
            "The greeting refused the session: the server waits for QUIT, and may answer "
            "anything else with 503.",
            "RFC 5321 section 3.1",
        )
    if state is State.GREETED:
        return (
            f"A session is opened with EHLO (or HELO) first; {verb} comes after it.",
            "RFC 5321 section 4.1.4",
        )
    if state in _TRANSACTION:
        return _why_in_transaction(state, verb)
    match verb:
        case "RCPT":
            why = "RCPT without a MAIL before it gets 503: no transaction is open."
            return why, "RFC 5321 section 3.3"
        case "DATA":
            why = "DATA needs a MAIL and at least one accepted RCPT before it."
            return why, "RFC 5321 section 3.3"
        case "BDAT":
            why = "BDAT needs a MAIL and an accepted RCPT before it; its octets are read "
            return f"{why}and thrown away.", "RFC 3030 section 2"
    return "This is not the place for it: a bad sequence of commands.", _GENERAL


def _why_in_transaction(state: State, verb: str) -> tuple[str, str]:
    if verb in ("MAIL", *OBSOLETE[:3]):
        return (
            "A transaction is open, and they do not nest; RSET gives it up.",
            "RFC 5321 section 4.1.4",
        )
    if verb == "AUTH":
        return "Nobody logs in inside a transaction.", "RFC 4954 section 4"
    if verb in ("DATA", "BDAT") and state is State.MAIL:
        return (
            "No recipient has been accepted: there is nobody the mail data could be for.",
            "RFC 5321 section 3.3",
        )
    if state is State.CHUNKS and verb == "DATA":
        return (
            "DATA and BDAT are not mixed in one transaction; BDAT with LAST ends it.",
            "RFC 3030 section 2",
        )
    return "A transaction is open: end it, or give it up with RSET, first.", _GENERAL


_GENERAL: Final = "RFC 5321 section 4.1.4"


def _lack(situation: Situation, verb: str, command: Command) -> Ruling | None:
    """Say what of a command the server has not offered; None = nothing."""
    keywords = situation.extensions.keywords
    needed = COMMAND_NEEDS.get(verb)
    if needed is not None and needed not in keywords:
        return Ruling(
            kind="not offered",
            says=f"{verb} is of an extension: a client says it only where the reply to "
            f"EHLO has {needed}, and here it has not.",
            source="RFC 5321 sections 2.2.1 and 3.2",
            codes=(502, 500, 503),
        )
    if (
        isinstance(command, Auth)
        and command.mechanism not in situation.extensions.mechanisms
    ):
        offered = ", ".join(situation.extensions.mechanisms)
        return Ruling(
            kind="not offered",
            says=f"The server has not offered this mechanism (it offers {offered}); 504 is "
            "due.",
            source="RFC 4954 section 4",
            codes=(504,),
        )
    if isinstance(command, Mail | Rcpt):
        fault = fault_in(verb, command.parameters, keywords)
        if fault is not None:
            code, text = fault
            says = f"A parameter is not right here: {text.partition(' ')[2]}."
            source = "RFC 5321 section 4.1.1.11"
            return Ruling(kind="not offered", says=says, source=source, codes=(code,))
    return None
