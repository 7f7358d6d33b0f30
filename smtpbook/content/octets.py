"""Octets: whether a message can travel as it is: its lines, its encodings, its size.

Each function gives what is to be said, nothing if all is well; which check that belongs to
is for `checks`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from smtpbook.content.mail import Given, Mail
from smtpbook.content.tables import size_limits
from smtpbook.escape import visible
from smtpbook.findings import Said, fails, passes, warns
from smtpbook.mailboxes.mime import Part, text_of
from smtpbook.protocol.header import split_header
from smtpbook.wording import counted

# "Each line of characters MUST be no more than 998 characters, and SHOULD be no more than
# 78 characters, excluding the CRLF." -- RFC 5322 section 2.1.1
_MUST: Final = 998
_SHOULD: Final = 78
_LONE: Final = re.compile(rb"\r(?!\n)|(?<!\r)\n")
_LONG: Final = re.compile(rb"^[^\r\n]{%d,}" % (_SHOULD + 1), re.MULTILINE)
# A field can be folded where a blank stands, but not in front of its first word.
_FOLDABLE: Final = re.compile(rb"^(?:[!-9;-~]+:)?+[ \t]*[^ \t\r\n]+[ \t]")
_SHOWN: Final = 60
_AS_IT_IS: Final = frozenset({"8bit", "binary"})
_KNOWN: Final = _AS_IT_IS | {"7bit", "quoted-printable", "base64"}


def line_length(mail: Mail, given: Given) -> Iterator[Said]:
    """Find lines that are too long.

    The limit of 78 is for what is shown as it is: a header; HTML and flowed text are not.
    """
    lengths = [len(found[0]) for found in _LONG.finditer(mail.data)]
    longest = max(lengths, default=0)
    if longest > _MUST:
        yield fails(
            f"{counted(sum(n > _MUST for n in lengths), 'line', 'lines')} of more than "
            f"{_MUST} octets, the longest of {longest:,}: servers refuse or cut them",
            "encode the part as quoted-printable or base64",
        )
        return
    header, _ = split_header(mail.data)
    foldable = [one for one in _LONG.finditer(header) if _FOLDABLE.match(one[0])]
    if foldable:
        shown = visible(text_of(foldable[0][0]), max_chars=_SHOWN)
        yield warns(
            f"{counted(len(foldable), 'line', 'lines')} of the header of more than "
            f"{_SHOULD} octets, which could be folded: {shown}",
            "fold it, as email.policy.SMTP does",
        )
    else:
        told = f"is of {longest:,}" if longest else f"is of {_SHOULD} at most"
        yield passes(f"the longest line {told} octets")


def line_ends(mail: Mail, given: Given) -> Iterator[Said]:
    """Find a CR or LF that is no line end, and octets that no message may hold."""
    ends = mail.data.count(b"\r\n")
    is_whole = mail.data.count(b"\r") == mail.data.count(b"\n") == ends
    if not is_whole and (lone := _LONE.search(mail.data)):
        line = mail.data.count(b"\r\n", 0, lone.start()) + 1
        what = "CR" if lone[0] == b"\r" else "LF"
        number = sum(1 for _ in _LONE.finditer(mail.data))
        yield fails(
            f"a lone {what} in line {line} ({number} in all): servers refuse it, or take "
            f"it for a line end, as SMTP smuggling does",
            "Message.from_bytes makes them CRLF",
        )
    if b"\0" in mail.data:
        line = mail.data.count(b"\r\n", 0, mail.data.index(b"\0")) + 1
        yield fails(f"a NUL octet in line {line}", "encode the part as base64")


def encoding(mail: Mail, given: Given) -> Iterator[Said]:
    """Find octets beyond ASCII that nothing announces, and text in another encoding."""
    if not b"".join(mail.fields).isascii():
        yield warns(
            "the header holds octets beyond ASCII: only servers with SMTPUTF8 take it",
            "encode them as RFC 2047 says; sb.Template does",
        )
    for part in mail.parts:
        declared = part.header["content-transfer-encoding"].strip().lower() or "7bit"
        kind = visible(part.kind, max_chars=60)
        if declared not in _KNOWN:
            shown = visible(declared, max_chars=40)
            yield fails(
                f"the {kind} part is encoded as {shown!r}, which nobody knows",
                "quoted-printable or base64",
            )
        elif declared == "7bit" and not part.body.isascii():
            yield fails(
                f"the {kind} part holds octets beyond ASCII and does not say so: servers "
                f"without 8BITMIME spoil or refuse it",
                "Content-Transfer-Encoding: quoted-printable, base64, or 8bit",
            )
        elif part.kind.startswith("text/"):
            yield from _charset(part, kind)


def _charset(part: Part, kind: str) -> Iterator[Said]:
    charset = part.parameter("charset")[:40]
    try:
        part.octets.decode(charset or "ascii")
    except LookupError:
        what = f"is in {visible(charset)!r}, an encoding that nobody knows"
    except ValueError:
        what = f"is not in {visible(charset or 'US-ASCII')}, as it says"
    else:
        return
    yield warns(f"the {kind} part {what}", "Content-Type: …; charset=utf-8, and be it")


def size(mail: Mail, given: Given) -> Iterator[Said]:
    """Compare the size with what the server and providers take."""
    octets = len(mail.data)
    remedy = "put files on a web page and send the link"
    if given.size_bytes is not None and octets > given.size_bytes:
        yield fails(
            f"{octets:,} octets; the server takes {given.size_bytes:,} (SIZE)", remedy
        )
    beyond = [limit for limit in size_limits() if octets > limit.octets]
    if beyond:
        who = "; ".join(
            f"{limit.provider} takes {limit.octets:,} ({limit.source})" for limit in beyond
        )
        yield warns(f"{octets:,} octets; {who}", remedy)
    elif given.size_bytes is None or octets <= given.size_bytes:
        yield passes(f"{octets:,} octets")
