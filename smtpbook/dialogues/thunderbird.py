"""Thunderbird: what it logs of sending mail, in its error console or in a log file.

Since version 91 the console has ``mailnews.smtp: S: …`` and ``C: …`` (the setting
``mailnews.smtp.loglevel``; ``SmtpClient``), a reply of several lines as one entry.  Before
that, ``MOZ_LOG=SMTP:4`` wrote ``SMTP Response: …`` and ``SMTP Send: …`` behind the process
and the thread (``nsSmtpProtocol``), with ``timestamp`` a time in UTC before them.  Mail
data is not logged, and what a login says is left out by Thunderbird.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from smtpbook.dialogues.happening import Happening, rows_of
from smtpbook.logfile.format import LogFormat
from smtpbook.logfile.reading import Reading

_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}) UTC - ")
_LINE: Final = re.compile(
    r"(?:.{0,200}?\bmailnews\.smtp: (?:(?P<speaker>[CS]): )?|"
    r".{0,200}?(?:\]: |/SMTP )SMTP (?P<old>Response|Send): |"
    r".{0,200}?(?:\]: |/SMTP )(?P<remark>SMTP |Logging suppressed))(?P<text>.*)",
    re.DOTALL,
)
# Where the console says which line of Thunderbird's own code wrote the entry.
_CODE: Final = re.compile(r" +\S{0,60}SmtpClient\.(?:jsm|sys\.mjs):\d+(?::\d+)?$")
_CONTINUED: Final = re.compile(r"[2-5]\d\d[ -]")
_CONNECTING: Final = re.compile(
    r"(?:SMTP )?Connecting to:? (?:smtps?://)?(\S{1,255}?)(?::(\d{1,5}))?"
    r"(?: on port (\d{1,5}))?\.?$"
)
_SUPPRESSED: Final = "Logging suppressed"


def happenings(lines: Iterable[str], reading: Reading) -> Iterator[Happening]:
    """Understand entries of either kind."""
    at: int | None = None
    is_challenge = goes_on = False  # the last reply was 334; a reply's lines may follow
    for line in lines:
        found = _LINE.match(line)
        if found is None and goes_on and _CONTINUED.match(line):
            yield Happening("server", _CODE.sub("", line), at)
            continue
        if found is None:
            if line.strip() and not _CODE.fullmatch(f" {line}"):
                reading.skipped(line)
            continue
        at = _at(line, reading)
        text = _CODE.sub("", found["text"])
        speaker = found["speaker"] or {"Response": "S", "Send": "C"}.get(found["old"] or "")
        goes_on = speaker == "S"
        if speaker == "S":
            is_challenge = text.startswith("334")
            yield Happening("server", text, at)
        elif (found["remark"] or text).startswith(_SUPPRESSED):
            yield Happening("client", "*" if is_challenge else "AUTH", at)
        elif speaker == "C":
            yield Happening("client", text, at)
        elif connecting := _CONNECTING.match(text):
            host, *ports = connecting.groups()
            port = next((int(one) for one in ports if one), None)
            yield Happening("connect", at=at, place=(host, port, None))
            if "smtps://" in text:
                yield Happening("tls", at=at)
        elif text.rstrip(".").lower().endswith("connection closed"):
            yield Happening("disconnect", at=at)


def _at(line: str, reading: Reading) -> int | None:
    found = _TIME.match(line)
    return reading.stamps.iso(f"{found[1]}Z") if found else None


def sniff(line: str) -> bool:
    """Tell whether a line names the logger of SMTP."""
    return _LINE.match(line[:600]) is not None


FORMAT: Final = LogFormat(
    name="thunderbird",
    title="Thunderbird",
    sniff=sniff,
    events=rows_of("thunderbird", happenings, is_precise=True),
)
