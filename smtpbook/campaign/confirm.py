"""Confirm: ask before mail leaves for real people, where there is somebody to answer."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from itertools import islice
from typing import Final

from smtpbook.errors import NobodyToAsk
from smtpbook.escape import visible
from smtpbook.events import OUTCOMES
from smtpbook.findings import urgency
from smtpbook.preflight.about import About
from smtpbook.preflight.preflight import findings, told_pace
from smtpbook.progress import told
from smtpbook.protocol.message import Message
from smtpbook.wording import counted

_DOMAINS: Final = 4
_LINES: Final = 6  # of the first message's text
_WIDTH: Final = 88
_FINDINGS: Final = 12
_MARKS: Final = {"fail": "✗", "warn": "!", "unknown": "?"}


def ask(
    look: Callable[[], About],
    recipients: int,
    is_lab: bool,
    confirm: bool | None,
    *,
    dry_run: bool = False,
    progress: bool = True,
) -> bool:
    """Say what is about to happen, and ask whether it shall.

    Parameters
    ----------
    look : callable
        Looks at what is about to happen; called only where that is told.
    recipients : int
        How many a send is for.
    is_lab : bool
        Nobody can get anything.
    confirm : bool, optional
        True asks, False does not; None asks unless the server is a lab.
    dry_run : bool
        Say it, and ask nothing.
    progress : bool
        Say so where nobody is left to write to.

    Returns
    -------
    bool
        Whether to go on; where nobody is left, that is not asked.

    Raises
    ------
    NobodyToAsk
        There is nobody to answer; the message names ``confirm=False``.
    """
    if dry_run:
        print(f"{describe(look())}\nDry run: nothing was sent.")
        return False
    if not recipients:
        if progress:
            print(describe(look()))
        return True
    if confirm is False or (confirm is None and is_lab):
        return True
    if not _somebody_is_there():
        raise NobodyToAsk(
            f"this would write to {recipients:,} for real, and there is nobody to ask; "
            f"look with dry_run=True (--dry-run), then say confirm=False (--yes)"
        )
    print(describe(look()))
    return input("Send? [y/N] ").strip().lower() in ("y", "yes")


def describe(about: About) -> str:
    """Say what a send is about to do: a few lines; or one, if that is nothing."""
    if not about.recipients:
        return _told_nobody(about)
    many = counted(len(about.domains), "domain", "domains")
    named = ", ".join(
        f"{visible(one.domain)} ({one.recipients:,})" for one in about.domains[:_DOMAINS]
    )
    sender, several = about.campaign.letter.header_from, len(about.shares) > 1
    accounts = [
        f"{visible(one.name or '')} ({one.place}{f', {share:.0%}' * several})"
        for one, share in about.shares.items()
    ]
    lines = [
        f"About to send {_counted(about)} from {visible(sender)}",
        f"  by {', '.join(accounts)}",
        f"  to {many}: {named}{', …' if len(about.domains) > _DOMAINS else ''}",
        f"  pace: {told_pace(about)}",
    ]
    if suppressed := about.standing.get("suppressed", 0):
        lines.append(f"  never to {suppressed:,} who are suppressed")
    if about.first is not None:
        lines += ["The first message:", *(f"  {line}" for line in _shown(about.first))]
    return "\n".join([*lines, *_worries(about)])


def _counted(about: About) -> str:
    messages = counted(about.messages, "message", "messages")
    if about.campaign.settings.together is None:
        return messages
    return f"{messages} to {about.recipients:,} recipients"


def _told_nobody(about: About) -> str:
    order = (*OUTCOMES, "pending")
    counts = {name: about.standing[name] for name in order if name in about.standing}
    if counts.get("pending"):
        return f"this send is for nobody: {told(counts)}"
    again = next((name for name in ("deferred", "failed") if counts.get(name)), None)
    hint = "" if again is None else f"; send(only={again!r}) tries these again"
    return f"nobody is left to write to: {told(counts) or 'the list is empty'}{hint}"


def _shown(message: Message) -> Iterator[str]:
    """Show the first lines of a message as a reader would see them."""
    mail = message_from_bytes(message.data, policy=default)
    assert isinstance(mail, EmailMessage)
    for name in ("From", "To", "Cc", "Subject"):
        if name in mail:
            yield visible(f"{name}: {mail[name]}", max_chars=_WIDTH)
    body = mail.get_body(("plain", "html"))
    lines = [] if body is None else str(body.get_content()).rstrip().splitlines()
    for line in islice(lines, _LINES):
        yield visible(f"| {line}", max_chars=_WIDTH).rstrip()
    if len(lines) > _LINES:
        yield f"| … {len(lines) - _LINES:,} more lines"
    files = ", ".join(_files(mail))
    yield f"{len(message.data):,} octets{f'; attached: {files}' if files else ''}"


def _files(mail: EmailMessage) -> Iterator[str]:
    for part in mail.iter_attachments():
        if name := part.get_filename():
            octets = part.get_payload(decode=True)
            size = len(octets) if isinstance(octets, bytes) else 0
            yield f"{visible(name, max_chars=40)} ({size:,} octets)"


def _worries(about: About) -> Iterator[str]:
    """Say what preflight found, the most urgent first; what is well is left out."""
    found = [one for one in findings(about) if one.verdict in _MARKS]
    found.sort(key=urgency)
    yield "Preflight:" if found else "Preflight: nothing to say against it"
    for one in found[:_FINDINGS]:
        yield f"  {_MARKS[one.verdict]} {one.check}: {one.evidence}"
        if one.remedy is not None:
            yield f"      {one.remedy}"
    if len(found) > _FINDINGS:
        yield f"  … {len(found) - _FINDINGS:,} more: campaign.preflight()"


def _somebody_is_there() -> bool:
    # A notebook kernel has no terminal but may pass input() on; it says so itself.  Asked
    # through the loaded modules: outside a kernel there is nothing to import.
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    kernel = getattr(shell, "kernel", None)
    if kernel is not None:
        return bool(getattr(kernel, "_allow_stdin", False))
    return sys.stdin is not None and sys.stdin.isatty()
