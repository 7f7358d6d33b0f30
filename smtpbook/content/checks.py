"""Checks of one message: which there are, by which criterion, and what they find.

The list of them is here; what each looks at is in the modules beside this one.  Nothing is
scored, and nothing is sent: what who sends is worth is for `deliverability`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Final, NamedTuple

import pandas as pd

from smtpbook.content import bodies, header, leaving, links, octets
from smtpbook.content.following import follow_links
from smtpbook.content.mail import AnyMessage, Given, Mail
from smtpbook.findings import Check, Finding, Said, findings_frame, passes
from smtpbook.runner import SENDER, refuse_inside_trio

_OWN: Final = "common practice; our own choice of figures, 2026-11-28"
_GUIDELINES: Final = (
    "Email sender guidelines (support.google.com/a/answer/81126), 2026-11-28"
)


class _Look(NamedTuple):
    """A check, what looks, and what is said where nothing was found."""

    check: Check
    look: Callable[[Mail, Given], Iterator[Said]]
    fine: str


def _row(
    look: Callable[[Mail, Given], Iterator[Said]], asks: str, fine: str, source: str
) -> _Look:
    name = look.__name__
    return _Look(Check(name=name, group="message", asks=asks, source=source), look, fine)


_LOOKS: Final = (
    _row(
        header.date,
        "Is there a Date, and is it now?",
        "",
        "RFC 5322 section 3.6.1, October 2008",
    ),
    _row(
        header.message_id,
        "Is there a Message-ID, well formed and at a domain?",
        "",
        "RFC 5322 section 3.6.4, October 2008",
    ),
    _row(
        header.single_fields,
        "Are fields there once that may be there once?",
        "no field is there twice that may be there once",
        "RFC 5322 section 3.6, October 2008",
    ),
    _row(
        header.subject,
        "Does the subject say what it is about, as people do?",
        "nothing in the subject that filters are known to mind",
        _OWN,
    ),
    _row(
        octets.line_length,
        "Are lines at most 998 octets long, and those of the header folded at 78?",
        "",
        "RFC 5322 section 2.1.1, October 2008",
    ),
    _row(
        octets.line_ends,
        "Do lines end in CRLF, and is there no NUL?",
        "all lines end in CRLF",
        "RFC 5321 section 2.3.8, October 2008",
    ),
    _row(
        octets.encoding,
        "Is what is not ASCII announced, and in the encoding it names?",
        "all parts are what they say",
        "RFC 2045 section 6, November 1996; RFC 6152, March 2011",
    ),
    _row(
        octets.size,
        "Is it small enough for the server and for providers?",
        "",
        "RFC 1870, November 1995; each provider's page",
    ),
    _row(
        leaving.one_click,
        "Can mail programs offer to leave the list with one click?",
        "",
        f"RFC 8058, January 2017; {_GUIDELINES}",
    ),
    _row(
        leaving.unsubscribe_link,
        "Does a reader see how to leave the list?",
        "",
        _GUIDELINES,
    ),
    _row(
        leaving.postal_address,
        "Does it say where its sender can be found?",
        "",
        "CAN-SPAM Act, 15 U.S.C. 7704(a)(5)(A)(iii), 2003",
    ),
    _row(
        bodies.text_part,
        "Is there a text for those who see no HTML?",
        "there is a text",
        "RFC 2046 section 5.1.4, November 1996",
    ),
    _row(
        bodies.parts_agree,
        "Do text and HTML say the same?",
        "there is nothing to compare",
        f"RFC 2046 section 5.1.4, November 1996; {_OWN}",
    ),
    _row(
        bodies.left_over,
        "Is every field filled in?",
        "no tag and no empty field was found",
        _OWN,
    ),
    _row(
        bodies.html_size,
        "Does Gmail show all of the HTML?",
        "Gmail shows all of it",
        "102 KB, known to those who send mail, 2026-11-28",
    ),
    _row(
        bodies.active_html,
        "Is there nothing in the HTML that no mail program runs?",
        "nothing in it that mail programs do not run",
        _OWN,
    ),
    _row(
        bodies.pictures,
        "Does the HTML say something without its pictures?",
        "it can be read without pictures",
        _OWN,
    ),
    _row(
        bodies.attachment_type,
        "Is every attachment of a kind that providers hand on?",
        "no attachment is of a kind that Gmail or Outlook is known to block",
        "support.google.com/mail/answer/6590; Blocked attachments in Outlook; 2026-11-28",
    ),
    _row(links.https, "Are all links https?", "every link is https", _OWN),
    _row(
        links.bare_address,
        "Do links name hosts instead of addresses?",
        "no link goes to a bare address",
        _OWN,
    ),
    _row(
        links.shortener,
        "Do links show where they go?",
        "no link goes through a shortener",
        "the table of shorteners, 2026-11-28",
    ),
    _row(
        links.shown_link,
        "Do links go where they say they go?",
        "no link shows another domain than its own",
        _OWN,
    ),
)
_FOLLOWED: Final = Check(
    name="links_resolve",
    group="message",
    asks="Do links lead anywhere?  Asked only with follow=True.",
    source=_OWN,
)

CHECKS: Final = (*(one.check for one in _LOOKS), _FOLLOWED)
"""The checks of a message, in the order in which they are made."""

# What readers and filters mind, whoever sends it and to how many.
_ADVICE: Final = frozenset(
    (
        *("subject", "text_part", "html_size", "active_html", "pictures"),
        *("attachment_type", "https", "bare_address", "shortener", "shown_link"),
    )
)


def check_message(
    message: AnyMessage,
    *,
    size_bytes: int | None = None,
    volume: int | None = None,
    follow: bool = False,
    date: datetime | None = None,
) -> pd.DataFrame:
    r"""Look one finished message over, as servers, filters and readers will.

    Parameters
    ----------
    message : bytes, Message or email.message.EmailMessage
        Octets without a single CRLF are taken for a file with the line ends of Unix.
    size_bytes : int, optional
        The SIZE that the server offers, as `probe` shows it.
    volume : int, optional
        How many such messages the readers of one provider get a day: below 5,000 nobody
        asks for a way out with one click.  Default: not known, and it is asked for.
    follow : bool
        Ask the servers of its links for them, which is the only thing that goes over the
        network; a link that leads off the list is never followed.
    date : datetime, optional
        When it is sent, with a time zone.  Default: now.

    Returns
    -------
    DataFrame
        ``check``, ``verdict`` (``fail``, ``warn``, ``unknown``, ``pass``), ``evidence``,
        ``remedy``, ``source``; the most urgent first.

    Raises
    ------
    TypeError
        `message` is no message.
    LocalProtocolError
        An `EmailMessage` cannot be written as octets.
    ValueError
        `date` has no time zone.
    RuntimeError
        `follow`, and called where trio runs: use `check_message_async`.

    Examples
    --------
    >>> found = check_message(b"From: a@x.example\n\nHello ,\n").set_index("check")
    >>> print(found.loc["left_over", "evidence"])
    the text holds 'Hello ,': a field was empty or not filled in
    """
    if not follow:
        mail = Mail.of(message)
        found = message_findings(mail, size_bytes=size_bytes, volume=volume, date=date)
        return findings_frame(found)
    refuse_inside_trio("check_message_async")
    run = partial(
        check_message_async,
        message,
        size_bytes=size_bytes,
        volume=volume,
        follow=True,
        date=date,
    )
    return SENDER.run(run)


async def check_message_async(
    message: AnyMessage,
    *,
    size_bytes: int | None = None,
    volume: int | None = None,
    follow: bool = False,
    date: datetime | None = None,
) -> pd.DataFrame:
    """Do what `check_message` does, inside a trio program."""
    mail = Mail.of(message)
    found = message_findings(mail, size_bytes=size_bytes, volume=volume, date=date)
    if follow:
        found += [_FOLLOWED.found(said) for said in await follow_links(mail)]
    return findings_frame(found)


def message_findings(
    mail: Mail,
    *,
    size_bytes: int | None = None,
    volume: int | None = None,
    date: datetime | None = None,
) -> list[Finding]:
    """Give what all checks find that need no network; parameters as `check_message`."""
    if date is None:
        date = datetime.now(UTC)
    elif date.tzinfo is None:
        raise ValueError(f"date={date!r} has no time zone; datetime.now(UTC) has one")
    given = Given(date=date, size_bytes=size_bytes, volume=volume)
    return [
        check.found(said)
        for check, look, fine in _LOOKS
        for said in (list(look(mail, given)) or [passes(fine)])
    ]


def advice(message: AnyMessage) -> tuple[str, ...]:
    """Say what spam filters and readers may mind in a message, whoever sends it.

    These are the sentences of `check_message` that need nothing but a reader's eye.

    Parameters
    ----------
    message : bytes, Message or email.message.EmailMessage

    Returns
    -------
    tuple of str
        One sentence each; empty = nothing was found.

    Raises
    ------
    TypeError, LocalProtocolError
        As `check_message`.
    """
    return tuple(
        one.evidence
        for one in message_findings(Mail.of(message))
        if one.check in _ADVICE and one.verdict != "pass"
    )
