"""Afterwards: what to know and do about a recipient, once it stands where it stands.

What an accepted message may still meet is what the RFCs say of mail in general; nothing is
known of this one, and nothing is asked of a server.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from smtpbook.codes.explanation import Explanation
from smtpbook.codes.hints import retry_hint_s
from smtpbook.protocol.addresses import domain_of
from smtpbook.stories.tries import Try
from smtpbook.wording import lasting

_SUBMISSION: Final = (587, 465)  # RFC 6409, RFC 8314

Advice = tuple[str, str]
"""A sentence that may hold anything, and where it is written; "" = nowhere."""


def advice(
    address: str,
    outcome: str,
    last: Try | None,
    why: str = "",
    heard: Explanation | None = None,
) -> Iterator[Advice]:
    """Say what to know and do now, in order.

    Parameters
    ----------
    address : str
    outcome : str
        Where it stands.
    last : Try or None
        The last attempt; None = there was none.
    why : str
        Why it is suppressed; "" = not known.
    heard : Explanation or None
        What the reply means that later mail quoted last; None = it quoted none.
    """
    match outcome:
        case "pending":
            yield "Nobody has written to it yet; campaign.send() does.", ""
        case "suppressed":
            yield (
                f"It is never written to{f': {why}' if why else ''}. In this campaign that "
                f"stays so; one with another name asks the suppression list anew.",
                "",
            )
        case "accepted" if last is not None and last.settled is None:
            yield from _after_accepted(address, last)
        case "in_doubt":
            yield from _in_doubt(address)
        case "deferred" | "rejected" | "failed" if last is not None:
            yield from _try_again(outcome, last)
        case "bounced" if heard is not None and heard.advice != "suppress":
            yield f"{heard.remedy} ({heard.advice})", "; ".join(heard.source)
        case "bounced" | "complaint":
            yield "Do not write to it again: add it to the suppression list.", ""


def _try_again(outcome: str, last: Try) -> Iterator[Advice]:
    found = last.explanation
    if found is not None:
        yield f"{found.remedy} ({found.advice})", "; ".join(found.source)
    if outcome == "rejected":
        yield (
            "A 5yz is not repeated unchanged. When its cause is gone, "
            'send(only="rejected") or send(only=[address]) tries again.',
            "RFC 5321 section 4.2.1",
        )
        return
    hint = retry_hint_s(last.reply_text or "")
    asked = f" The server asks to wait {lasting(hint)}." if hint else ""
    yield (
        f'send(only="{outcome}") tries again; with retry=Retry() a send does so by '
        f"itself.{asked}",
        "RFC 5321 section 4.5.4.1",
    )
    if outcome == "failed":
        yield "If it lasts: probe(account) shows where a session ends.", ""


def _in_doubt(address: str) -> Iterator[Advice]:
    yield (
        "The whole message was written and the connection was lost before the server "
        "answered: it may have been taken, and mostly has been.",
        "RFC 1047, RFC 5321 section 4.5.3.2.6",
    )
    yield (
        "It is not sent again by itself, for that could make two. Ask the recipient, or "
        "look for the Message-ID in the server's log.",
        "",
    )
    yield (
        f'Then say what became of it: campaign.settle({{"{address}": "accepted"}}), '
        f'or "failed" to write again.',
        "",
    )
    yield (
        'in_doubt="resend" sends it again with the same Message-ID, by which many mail '
        "programs show it once.",
        "",
    )


def _after_accepted(address: str, last: Try) -> Iterator[Advice]:
    """Say what a message that was taken may still meet, the likeliest first."""
    who = last.place or "The server"
    passes_on = "" if last.port not in _SUBMISSION else " and passes it on"
    yield (
        f"{who} has taken responsibility for it{passes_on}: it delivers it or reports why "
        f"it could not. That is not yet delivery.",
        "RFC 5321 section 6.1",
    )
    if last.reverse_path == "":
        yield (
            "Failures are reported to nobody: the reverse-path is null.",
            "RFC 5321 section 4.5.5",
        )
    else:
        where = last.reverse_path or "the address in MAIL FROM"
        yield (
            f"A bounce in the mailbox of {where}, and in its junk folder: a server further "
            f"on has refused it, and says why.",
            "RFC 5321 section 6.1, RFC 3464",
        )
    named = f" or {last.message_id}" if last.message_id else ""
    yield (
        f"The recipient's junk folder, quarantine and other tabs: search for the "
        f"subject{named}. What is taken for hostile may be dropped without a word.",
        "RFC 5321 section 6.2",
    )
    yield (
        "The recipient's own rules and blocked senders: a filter files, forwards or "
        "discards it.",
        "RFC 5228 section 4",
    )
    yield (
        "Time: a server further on puts it off (greylisting, a full mailbox, no "
        "connection). Queues try for four or five days, then there is a bounce.",
        "RFC 5321 section 4.5.4.1, RFC 6647",
    )
    yield (
        "Forwarding: the address leads to another mailbox, whose server refuses what comes "
        "by way of a third.",
        "RFC 5321 section 3.9, RFC 7960",
    )
    yield (
        "A mailing list: a moderator has it, or only members may write.",
        "RFC 5321 section 3.9.2, RFC 3463 X.7.2",
    )
    domain = domain_of(address) or "its domain"
    yield (
        f"Whoever runs {last.server or 'the server'}, then postmaster@{domain}: "
        f"give them the time, the queue id and the Message-ID above.",
        "RFC 5321 section 4.5.1",
    )
