"""An explanation: what a reply, a command or a dialogue means, and how it shows itself.

It holds sentences and names, no rules; `explain` makes it.  What is only copied out of the
text (a page, limits, an id) is read when it is asked for.  What came from a server is shown
only through `smtpbook.escape`.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from smtpbook.codes.blocklists import LISTED, blocklist_in
from smtpbook.codes.details import details_of
from smtpbook.codes.provider_tables import providers
from smtpbook.codes.providers import token
from smtpbook.escape import to_html, visible
from smtpbook.palette import GREY, SEVERITY_COLORS
from smtpbook.protocol.replies import Severity

_SHOWN: Final = 400  # characters of foreign text; the rest is in `Explanation.text`
_WIDTH: Final = 80
_LABEL: Final = 16

_CELL: Final = "text-align: left; vertical-align: top; padding: .1rem .8rem .1rem 0"
_PERMANENCE: Final[dict[Severity, str]] = {
    "success": "success: done",
    "intermediate": "intermediate: the server waits for more",
    "transient": "transient: the same may succeed later",
    "permanent": "permanent: do not repeat it unchanged",
}
_TURN: Final[dict[str | None, str]] = {
    "recipient": "the recipient's: the address or the mailbox is the cause",
    "sender's content": "yours: the message is the cause",
    "sender's identity": "yours: the sender, or what proves it, is the cause",
    "sender's infrastructure": "yours: the machine, or how it sends, is the cause",
    "receiver": "the receiving side's: a rule or a trouble of its own is the cause",
    "network": "nobody's alone: the way between both sides is the cause",
    None: "not known: only the text can tell",
}


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Explanation:
    """What a reply means, whose turn it is and what to do.

    Printed it is plain text; in a notebook it is a table.

    Attributes
    ----------
    text : str
        The reply or command that was explained; the secret of an AUTH is redacted.
    code : int or None
        Reply code; None = a command was explained.
    enhanced_status : str or None
        Such as ``"4.2.1"``; None = the reply has none that agrees with its code.
    verb : str or None
        The command that drew the reply; None = not known.
    reason : str or None
        A name of the taxonomy (`smtpbook.codes.tables.reasons`), ``"unknown"`` among
        them; None = no refusal.
    group : str or None
        The group of the reason.
    fault : str or None
        Who can change it: recipient, sender's content, sender's identity, sender's
        infrastructure, receiver, network; None = nobody, or not known.
    permanence : {"success", "intermediate", "transient", "permanent"} or None
        What the code says, and nothing but the code; None = a command was explained.
    advice : str
        What to do, in a few words: continue, retry later, retry after 300 s, slow down,
        suppress, fix DNS, fix authentication, fix content, fix account, fix the command,
        ask the recipient.  It may differ from what the permanence suggests.
    confidence : float, 0 to 1
        How sure the reason is.
    meaning, remedy : str
        What happened, and what to do next.
    provider : str or None
        Whose server it is; None = not recognised.
    retry_s : float or None
        Seconds after which the text asks for another try; None = no figure.
    conflicts : tuple of str
        Where code, status and text disagree, a sentence each; the code counts.
    source : tuple of str
        Where it is written, such as ``"RFC 5321 section 4.2.3"``.
    why : str
        The rule that found it.
    faults : tuple of str
        What is wrong with the dialogue here, each with its RFC section; mostly empty.
    """

    text: str
    code: int | None = None
    enhanced_status: str | None = None
    verb: str | None = None
    reason: str | None = None
    group: str | None = None
    fault: str | None = None
    permanence: Severity | None = None
    advice: str
    confidence: float
    meaning: str
    remedy: str
    provider: str | None = None
    retry_s: float | None = None
    conflicts: tuple[str, ...] = ()
    source: tuple[str, ...]
    why: str
    faults: tuple[str, ...] = ()
    # The lines after the code; empty = a command was explained.
    _said: str = field(default="", repr=False)

    @property
    def token(self) -> str | None:
        """The name its provider gives such replies, such as ``"TSS04"``; None = none."""
        return token(self._said, self.provider)

    @property
    def url(self) -> str | None:
        """The page that the text names; foreign, so look before you open it."""
        return details_of(self._said).url

    @property
    def blocklist(self) -> str | None:
        """The DNS blocklist behind it: its zone, or else its site or who runs it."""
        return blocklist_in(self._said) if self.reason in LISTED else None

    @property
    def limits(self) -> tuple[str, ...]:
        """Limits in figures, as the text states them: ``"20 messages per hour"``."""
        return details_of(self._said).limits

    @property
    def authentication(self) -> tuple[str, ...]:
        """Results in the words of RFC 8601: ``"spf=fail"``."""
        return details_of(self._said).authentication

    @property
    def queue_id(self) -> str | None:
        """What the server calls this message, or this refusal, in its own log."""
        return details_of(self._said).queue_id

    def _rows(self) -> Iterator[tuple[str, str]]:
        """Give label and text of each line to show; the text is not yet escaped."""
        yield "What happened", self.meaning
        yield "Whose turn", self._turn()
        is_plain = self.advice == "continue"
        yield "What to do", self.remedy if is_plain else f"{self.advice}: {self.remedy}"
        for fault in self.faults:
            yield "Wrong here", fault
        for conflict in self.conflicts:
            yield "In conflict", conflict
        if self.verb is not None and self.code is not None:
            yield "In answer to", self.verb
        if self.permanence is not None:
            yield "Permanence", _PERMANENCE[self.permanence]
        if self.reason is not None:
            yield "Reason", f"{self.reason} (group {self.group})"
            if self.reason != "unknown":
                yield "How sure", f"{self.confidence:.0%}"
        if self.provider is not None:
            known = providers().get(self.provider)
            yield "Provider", known.title if known else self.provider
        yield from self._details()
        yield "Why", self.why
        yield "Written in", "; ".join(self.source)

    def _details(self) -> Iterator[tuple[str, str]]:
        for label, text in (
            ("Token", self.token),
            ("Page", self.url),
            ("Blocklist", self.blocklist),
            ("Retry after", None if self.retry_s is None else f"{self.retry_s:g} s"),
            ("Limits", ", ".join(self.limits)),
            ("Identity", ", ".join(self.authentication)),
            ("Its log says", self.queue_id),
        ):
            if text:
                yield label, text

    def _turn(self) -> str:
        if self.reason is None:
            asked = self.permanence is None  # a command was explained
            return "the server's: it answers" if asked else "yours: the dialogue goes on"
        is_theirs = self.fault in ("recipient", "receiver", "network")
        later = "; yours is to try again later"
        return _TURN[self.fault] + later * (is_theirs and self.permanence == "transient")

    def __str__(self) -> str:
        head = visible(self.text, newlines=True, max_chars=_SHOWN)
        return "\n".join(
            [
                head,
                *(
                    textwrap.fill(
                        visible(text),
                        _WIDTH,
                        initial_indent=f"  {label:<{_LABEL - 2}}",
                        subsequent_indent=" " * _LABEL,
                    )
                    for label, text in self._rows()
                ),
            ]
        )

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head = self.text
        if len(head) > _SHOWN:
            head = head[: _SHOWN - 1] + "…"
        rows = "".join(
            f'<tr style="background: none"><th scope="row" style="{_CELL}; '
            f'white-space: nowrap">{to_html(label)}</th>'
            f'<td style="{_CELL}">{to_html(text)}</td></tr>'
            for label, text in self._rows()
        )
        edge = SEVERITY_COLORS[self.code // 100] if self.code else GREY
        # A colour of our own would vanish in one of the themes: text has theirs.
        return (
            f'<div style="color: var(--jp-content-font-color1, CanvasText); '
            f"max-width: 52rem; overflow-wrap: anywhere; padding-left: .75rem; "
            f'border-left: .25rem solid {edge}">'
            f'<pre style="color: inherit; white-space: pre-wrap; margin: 0 0 .4rem">'
            f"{to_html(head, newlines=True)}</pre>"
            f'<table style="color: inherit; margin: 0"><tbody>{rows}</tbody></table></div>'
        )

    def _repr_mimebundle_(
        self, include: object = None, exclude: object = None
    ) -> dict[str, str]:
        """Give both forms to a notebook."""
        return {"text/plain": str(self), "text/html": self._repr_html_()}
