"""Dialogues as people write them: ``C:`` and ``S:`` at the head of lines, or on one line.

They stand in RFCs (5321 appendix D), in tickets and on help pages; between slashes on one
line too.  A label may stand alone, with what was said on the next line, as MaxBulk Mailer's
help page has it.  They have no times.  What is wrong in them is for `lint`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from smtpbook.codes.dialogue import is_dialogue, read_lines
from smtpbook.dialogues.happening import Happening, What, rows_of
from smtpbook.logfile.format import LogFormat
from smtpbook.logfile.reading import Reading
from smtpbook.protocol.states import VERBS

COMMANDS: Final = "|".join(sorted(verb for verb in VERBS if verb.isalpha()))
"""The verbs as a pattern: how formats tell a client's line from prose."""

_LABELLED: Final = re.compile(
    rf"[ \t]*(?:(?:C:|->)[ \t]*(?:(?:{COMMANDS})\b|\.$)|(?:S:|<-)[ \t]*[2-5]\d\d\b)",
    re.IGNORECASE,
)
_REPLY: Final = re.compile(r"[2-5]\d\d(?:[ -]|$)")


def happenings(lines: Iterable[str], reading: Reading) -> Iterator[Happening]:
    """Understand labelled lines; one without a label goes on with what was begun."""
    speaker: What | None = None
    is_alone = is_data = False  # a label without a text; mail data is open
    for line in lines:
        if is_dialogue(line[:200]):
            for part in read_lines(line):
                speaker, is_alone = part.speaker, not part.text
                if speaker == "server":
                    is_data = part.text.startswith("354")
                if is_data and speaker == "client":
                    is_data = part.text != "."
                    is_alone = False
                if not is_alone:
                    yield Happening(speaker, part.text)
        elif speaker is not None and is_alone:
            is_alone = not line.strip()
            if not is_alone:
                text = line.strip() if speaker == "server" else line
                is_data = speaker == "server" and text.startswith("354")
                yield Happening(speaker, text)
        elif is_data:
            is_data = line != "."
            yield Happening("client", line)
        elif speaker == "server" and _REPLY.match(line):
            yield Happening("server", line)
        elif line.strip():
            reading.skipped(line)


def sniff(line: str) -> bool:
    """Tell whether a line has C: and a command, or S: and a reply code."""
    return _LABELLED.match(line[:200]) is not None


FORMAT: Final = LogFormat(
    name="dialogue",
    title="a dialogue with C: and S:",
    sniff=sniff,
    events=rows_of("dialogue", happenings),
)
