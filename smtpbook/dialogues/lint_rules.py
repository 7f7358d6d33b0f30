"""Rules: what a conversation must not do, who is to blame, and where that is written.

`lint` finds where they are broken; here stands what they are called and where they are
written, and what can be told from one command line alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

from smtpbook.protocol.commands import MAX_AUTH_LINE, MAX_ENVELOPE_LINE, MAX_LINE
from smtpbook.protocol.connection import COMMAND_NEEDS
from smtpbook.protocol.extensions import Extensions
from smtpbook.protocol.parameters import needed_extension

Severity = Literal["error", "warn"]
By = Literal["client", "server"]


class Rule(NamedTuple):
    """One rule.

    Attributes
    ----------
    severity : {"error", "warn"}
        ``error``: a standard forbids it; ``warn``: it loses something, or advises against.
    by : {"client", "server"}
        Who broke it.
    source : str
        Where it is written.
    """

    severity: Severity
    by: By
    source: str


RULES: Final[dict[str, Rule]] = {
    "terminal_delivery": Rule("error", "client", "RFC 5321 appendix F.6"),
    "data_without_recipient": Rule("error", "client", "RFC 5321 section 3.3"),
    "out_of_order": Rule("error", "client", "RFC 5321 section 4.1.4"),
    "hello_missing": Rule("error", "client", "RFC 5321 section 4.1.1.1"),
    "hello_without_name": Rule("error", "client", "RFC 5321 section 4.1.1.1"),
    "hello_in_transaction": Rule("warn", "client", "RFC 5321 section 4.1.4"),
    "nested_mail": Rule("error", "client", "RFC 5321 section 4.1.4"),
    "rset_missing": Rule("error", "client", "RFC 5321 section 4.1.4"),
    "after_refusal": Rule("error", "client", "RFC 5321 section 3.1"),
    "after_quit": Rule("error", "client", "RFC 5321 section 4.1.1.10"),
    "after_closing": Rule("error", "client", "RFC 5321 section 3.8"),
    "quit_missing": Rule("warn", "client", "RFC 5321 section 4.1.1.10"),
    "auth_in_clear": Rule("error", "client", "RFC 4616 section 4, RFC 8314 section 3"),
    "auth_in_transaction": Rule("error", "client", "RFC 4954 section 4"),
    "auth_twice": Rule("error", "client", "RFC 4954 section 4"),
    "starttls_twice": Rule("error", "client", "RFC 3207 section 4.2"),
    "not_offered": Rule("error", "client", "RFC 5321 section 4.1.1.11"),
    "bdat_without_chunking": Rule("error", "client", "RFC 3030 section 2"),
    "body_without_8bitmime": Rule("error", "client", "RFC 6152 section 3"),
    "smtputf8_missing": Rule("error", "client", "RFC 6531 section 3.1"),
    "pipelining_not_offered": Rule("error", "client", "RFC 2920 section 3.1"),
    "not_last_in_group": Rule("error", "client", "RFC 2920 section 3.1"),
    "bare_lf": Rule("error", "client", "RFC 5321 section 2.3.8"),
    "command_too_long": Rule("error", "client", "RFC 5321 section 4.5.3.1.4"),
    "path_syntax": Rule("error", "client", "RFC 5321 section 4.1.2"),
    "reply_not_allowed": Rule("error", "server", "RFC 5321 section 4.3.2"),
    "reply_unasked": Rule("error", "server", "RFC 5321 section 4.2"),
    "code_changes": Rule("error", "server", "RFC 5321 section 4.2.1"),
    "reply_malformed": Rule("error", "server", "RFC 5321 section 4.2"),
    "reply_line_too_long": Rule("warn", "server", "RFC 5321 section 4.5.3.1.5"),
    "status_contradicts_code": Rule("error", "server", "RFC 2034 section 4"),
}

_PATH: Final = re.compile(r"(?:MAIL[ \t]+FROM|RCPT[ \t]+TO)([ \t]*):([ \t]*)(<?)", re.I)
_PARAMETERS: Final = re.compile(r">((?:[ \t]+[^\s>]+)+)[ \t]*$")
# Replies that only some commands can draw -- RFC 5321 section 4.3.2, RFC 4954 section 6
_BELONGS: Final = {
    220: {"GREETING", "STARTTLS", "XCLIENT"},
    221: {"QUIT"},
    235: {"AUTH"},
    334: {"AUTH"},
    354: {"DATA"},
}
_CODED: Final = re.compile(r"([2-5][0-9]{2})(?:[- ]|$)")
# A line of the length that servers must take, without its code and its CRLF
_MAX_TEXT: Final = 512 - len("250 \r\n")

Lapse = tuple[str, str]
"""A rule's name, and what happened in words."""


def lapses_of_line(verb: str, line: str, octets: int | None) -> Iterator[Lapse]:
    """Find what is wrong with a command line, whenever it is said.

    Parameters
    ----------
    verb : str
    line : str
        As it was sent, secrets left out.
    octets : int or None
        Its length on the wire; None = not known.
    """
    if "\n" in line:
        yield "bare_lf", f"{verb} holds or ends in LF alone; only CRLF ends a line"
    limit = {"MAIL": MAX_ENVELOPE_LINE, "RCPT": MAX_ENVELOPE_LINE, "AUTH": MAX_AUTH_LINE}
    most = limit.get(verb, MAX_LINE)
    size = octets or len(line.encode("utf-8", "surrogateescape")) + 2
    if size > most:
        yield (
            "command_too_long",
            f"the {verb} line has {size} octets; servers need not take more than {most}",
        )
    if verb in ("EHLO", "HELO", "LHLO") and len(line.split()) < 2:
        yield "hello_without_name", f"{verb} does not say who the client is"
    if path := _PATH.match(line):
        if path[1] or path[2]:
            yield "path_syntax", f"a space stands beside the colon of {verb}"
        if not path[3]:
            yield "path_syntax", f"the address of {verb} does not stand in < and >"


def lapses_of_extensions(verb: str, line: str, offered: Extensions) -> Iterator[Lapse]:
    """Find what a command line uses that the server has not offered."""
    needed = COMMAND_NEEDS.get(verb)
    if needed is not None and needed not in offered.keywords:
        rule = "bdat_without_chunking" if verb == "BDAT" else "not_offered"
        yield rule, f"{verb} is said to a server that has not offered {needed}"
    if verb not in ("MAIL", "RCPT"):
        return
    if not line.isascii() and not offered.has_smtputf8:
        yield (
            "smtputf8_missing",
            f"{verb} is not ASCII, and the server has not offered SMTPUTF8",
        )
    found = _PARAMETERS.search(line[-2000:])
    for word in found[1].split() if found else []:
        name, _, value = word.upper().partition("=")
        extension = needed_extension(name, value)
        if name not in offered.keywords and extension not in offered.keywords:
            rule = "body_without_8bitmime" if name == "BODY" else "not_offered"
            yield (
                rule,
                f"{verb} says {name[:40]}, and the server has not offered {extension[:40]}",
            )


def lapses_of_reply(
    verb: str, code: int, text: str, *, is_allowed: bool, is_broken: bool
) -> Iterator[Lapse]:
    """Find what is wrong with a reply to a command.

    Parameters
    ----------
    verb : str
    code : int
    text : str
        Its lines.
    is_allowed : bool
        Whether the command can draw a reply with this first digit.
    is_broken : bool
        Whether it was not written as a reply should be.
    """
    if not is_allowed or verb not in _BELONGS.get(code, {verb}):
        yield "reply_not_allowed", f"{code} cannot be the reply to {verb}"
    lines = text.split("\n")
    if is_broken:
        found = (_CODED.match(line) for line in lines[1:])
        others = [one[1] for one in found if one and int(one[1]) != code]
        if others:
            yield (
                "code_changes",
                f"the reply to {verb} begins with {code} and goes on with {others[0]}; a "
                f"client must not guess which one counts",
            )
        else:
            yield "reply_malformed", f"a line of the reply to {verb} is not written as one"
    # An escape stands for fewer octets than it has characters.
    if any(len(line) > _MAX_TEXT and "\\" not in line for line in lines):
        yield (
            "reply_line_too_long",
            f"a line of the reply to {verb} is longer than 512 octets, which is the limit",
        )
