"""SpamAssassin: asked through its daemon spamd, or as the program ``spamassassin``.

Both give the same report of rules, scores to a tenth, and words.

References
----------
spamd/PROTOCOL of SpamAssassin 4.0 (REPORT).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Final

import trio

from smtpbook.errors import SMTPBookError
from smtpbook.escape import visible
from smtpbook.protocol.message import Message
from smtpbook.scoring.ask import MAX_ANSWER, Place, exchange
from smtpbook.scoring.verdict import Rule, Verdict, number

PLACES: Final = (Place(scheme="spamd", host="127.0.0.1", port=783),)
"""Where spamd listens unless told otherwise."""

PROGRAM: Final = "spamassassin"

_NUMBER: Final = r"(-?\d{1,9}(?:\.\d{1,9})?)"
_STATUS: Final = re.compile(r"SPAMD/\d{1,3}\.\d{1,3} (\d{1,5}) ?([^\r\n]{0,200})\r?\n")
_SPAM: Final = re.compile(
    rf"^Spam: (True|False|Yes|No) ; {_NUMBER} / {_NUMBER}\s*$", re.M | re.I
)
_LENGTH: Final = re.compile(r"^Content-length: (\d{1,12})\s*$", re.M | re.I)
_HEADER: Final = re.compile(
    rf"^X-Spam-Status: (Yes|No), score={_NUMBER} required={_NUMBER}", re.M
)
# The line below the report's heads; the words above it have the user's language.
_RULER: Final = re.compile(r"^---- -{10,} -{10,}\s*$", re.M)
_RULE: Final = re.compile(
    rf"\s{{0,4}}\*?\s{{0,4}}{_NUMBER} ([A-Za-z0-9_]{{1,100}})(?: +(.*))?"
)
_MORE: Final = re.compile(r"\s{20,}(\S.*)")


async def ask_spamd(place: Place, message: Message) -> Verdict:
    """Have a message judged by the daemon.

    Raises
    ------
    NobodyThere, TransportError
        There is no spamd, or the connection broke.
    SMTPBookError
        The answer is a refusal, cut off, or no answer of spamd's.
    """
    head = f"REPORT SPAMC/1.5\r\nContent-length: {len(message.data)}\r\n\r\n"
    answer = await exchange(place, [head.encode(), message.data], ends=True)
    return read_answer(answer, place)


def read_answer(answer: bytes, place: Place) -> Verdict:
    """Read what spamd says to REPORT.

    Raises
    ------
    SMTPBookError
        It is none.
    """
    octets, _, report = answer.partition(b"\r\n\r\n")
    head = octets.decode("utf-8", "replace") + "\r\n"
    status = _STATUS.match(head)
    if status is None:
        said = visible(head[:80], max_chars=80)
        raise SMTPBookError(f"{place} answers, but not as spamd does: {said!a}")
    if int(status[1]):
        said = visible(status[2], max_chars=200)
        raise SMTPBookError(f"spamd at {place} refuses ({status[1]}): {said}")
    length = _LENGTH.search(head)
    spam = _SPAM.search(head)
    if spam is None or (length is not None and int(length[1]) > len(report)):
        raise SMTPBookError(f"{place}: the answer ends before its end")
    is_spam = spam[1].lower() in ("true", "yes")
    return _verdict(is_spam, spam[2], spam[3], report.decode("utf-8", "replace"))


async def run_program(message: Message) -> Verdict:
    """Have a message judged by the program, without asking the network.

    Raises
    ------
    SMTPBookError
        It fails, or prints no report.
    """
    # The report in English, whose form is known; no settings are made for a new user.
    environment = os.environ | {"LC_ALL": "C", "LANG": "C"}
    done = await trio.run_process(
        [PROGRAM, "--local", "--test-mode", "--nocreate-prefs"],
        stdin=message.data,
        capture_stdout=True,
        capture_stderr=True,
        check=False,
        env=environment,
    )
    return read_output(done)


def read_output(done: subprocess.CompletedProcess[bytes]) -> Verdict:
    """Read what the program printed: the message with a header, and the report behind it.

    Raises
    ------
    SMTPBookError
        It has failed, or this is no report.
    """
    text = done.stdout[-MAX_ANSWER:].decode("utf-8", "replace").replace("\r\n", "\n")
    # The first header is the program's: it takes away what a message claims of itself.
    status = _HEADER.search(done.stdout[:MAX_ANSWER].decode("utf-8", "replace"))
    if done.returncode or status is None:
        said = visible(done.stderr[-400:].decode("utf-8", "replace"), max_chars=200)
        why = f": {said}" if said else ""
        raise SMTPBookError(
            f"the program {PROGRAM} fails (status {done.returncode}){why}; "
            f"{PROGRAM} --lint tells what is wrong with its settings"
        )
    return _verdict(status[1] == "Yes", status[2], status[3], text)


def is_installed() -> bool:
    """Tell whether the program is there."""
    return shutil.which(PROGRAM) is not None


def _verdict(is_spam: bool, total: str, threshold: str, report: str) -> Verdict:
    return Verdict(
        filter="spamassassin",
        total=number(total),
        threshold=number(threshold),
        action="spam" if is_spam else "no spam",
        rules=tuple(_rules(report)),
    )


def _rules(report: str) -> Iterator[Rule]:
    """Read the table at the report's end; a description may go on in the next lines."""
    rulers = list(_RULER.finditer(report))
    if not rulers:
        return
    found: tuple[str, float, list[str]] | None = None
    # What the message quotes of another report stands before.
    for line in report[rulers[-1].end() :].lstrip("\r\n").splitlines():
        if match := _RULE.fullmatch(line.rstrip()):
            if found is not None:
                yield _rule(found)
            found = match[2], number(match[1]), [match[3] or ""]
        elif found is not None and (more := _MORE.fullmatch(line.rstrip())):
            found[2].append(more[1])
        else:
            break
    if found is not None:
        yield _rule(found)


def _rule(found: tuple[str, float, list[str]]) -> Rule:
    name, score, words = found
    return Rule(name=name, score=score, description=" ".join(words))
