"""Leaving: how readers get off the list, and whose letter it is, as far as it shows.

What a link is called and how an address is written differs from language to language, so
two of these are guesses and say what was looked for.  Each function gives what is to be
said, nothing if all is well; which check that belongs to is for `checks`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from smtpbook.codes.sender_rules import BULK
from smtpbook.content.mail import Given, Mail
from smtpbook.content.page import Link
from smtpbook.content.tables import leaving_words
from smtpbook.dkim.verify import signatures_of
from smtpbook.escape import visible
from smtpbook.findings import Said, fails, passes, unknown, warns

_URI: Final = re.compile(r"<\s*([^<>\s]+)\s*>")
_POST: Final = "List-Unsubscribe=One-Click"
_REMEDY: Final = "Template(…, unsubscribe=sb.Unsubscribe(url=…, secret=…))"
_URL: Final = re.compile(r"(?:https?://|mailto:)\S")
_LEAVE: Final = re.compile(r"unsub|opt-?out|abmeld|desinscri|leave|list-?manage", re.I)
_MAX_TEXT: Final = 50_000

# How a postal address looks, in words of the remedy's.
_POSTAL: Final = re.compile(
    r"\b[A-Z]{2}\.?,? {1,2}\d{5}(?:-\d{4})?\b"  # NY 10001
    r"|\b[A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2}\b"  # SW1A 1AA
    r"|\b[A-Z]\d[A-Z] ?\d[A-Z]\d\b"  # K1A 0B1
    r"|\b(?:[A-Z]{1,2}[- ])?(?!(?:19|20)\d\d\b)\d{4,5}(?: [A-Z]{2})? {1,2}[A-ZÀ-ÞŁ-Ž]\w{2}"
    r"|\b\d{2}-\d{3} [A-ZÀ-ÞŁ-Ž]\w{2}|\b\d{3} \d{2} [A-ZÀ-ÞŁ-Ž]\w{2}"  # 00-001 Warszawa
    r"|\b[A-ZÀ-Þ]\w{2,20},? [A-Z]{2,3} \d{4}\b"  # Sydney NSW 2000
    r"|〒 ?\d{3}-?\d{4}|\b\d{6}\b"  # Japan; India, China, Russia
    r"|(?i:\bp\.? ?o\.? ?box\b|\bpostfach\b|\bapartado\b|\bcasella postale\b)"
)
_LOOKED_FOR: Final = (
    "looked for was a postal code beside a place, as many countries write it, or a P.O. box"
)


def one_click(mail: Mail, given: Given) -> Iterator[Said]:
    """Tell whether mail programs can offer their reader to leave with one click."""
    uris = [uri for value in mail.header.all("list-unsubscribe") for uri in _uris(value)]
    https = [uri for uri in uris if uri.lower().startswith("https://")]
    post = mail.header["list-unsubscribe-post"]
    if not uris:
        yield _wanted(given, "the letter names no way to leave the list")
    elif not https:
        yield _wanted(given, "readers can leave, but not with one click: no https URI")
    elif "".join(post.split()) != _POST:
        yield _wanted(
            given,
            "readers can leave, but not with one click: "
            + (f"List-Unsubscribe-Post is {visible(post, max_chars=60)!r}" if post else "")
            + ("" if post else "there is no List-Unsubscribe-Post"),
        )
    elif len(https) > 1:
        yield warns(
            f"List-Unsubscribe holds {len(https)} https URIs; RFC 8058 asks for one",
            "leave one, and beside it mailto: if you like",
        )
    else:
        yield _signed(mail)


def _uris(value: str) -> list[str]:
    return _URI.findall(value[:4000])


def _wanted(given: Given, evidence: str) -> Said:
    """Say that one click is missing, which few readers may be sent."""
    if given.volume is not None and given.volume < BULK:
        return passes(f"{evidence}; nobody asks for it below {BULK:,} a day")
    return warns(
        f"{evidence}; Gmail and Yahoo ask for one click from whoever sends their readers "
        f"{BULK:,} messages a day",
        _REMEDY,
    )


def _signed(mail: Mail) -> Said:
    """Tell whether a signature is over the two fields."""
    wanted = {"list-unsubscribe", "list-unsubscribe-post"}
    signatures = signatures_of(mail.data)
    if any(wanted <= {name.lower() for name in one.names} for one in signatures):
        return passes("readers leave with one click, and a signature is over it")
    if signatures:
        return fails(
            "no DKIM signature is over List-Unsubscribe and List-Unsubscribe-Post (h=), so "
            "mail programs offer no click",
            "sb.DkimSigner signs both; tell your provider else",
        )
    return unknown(
        "readers leave with one click, if the server that signs covers List-Unsubscribe "
        "and List-Unsubscribe-Post",
        "a test to yourself shows it: sb.check_message(octets) of what arrived; "
        "sb.DkimSigner signs both",
    )


def unsubscribe_link(mail: Mail, given: Given) -> Iterator[Said]:
    """Look for a link to leave the list that a reader sees."""
    named = {uri for value in mail.header.all("list-unsubscribe") for uri in _uris(value)}
    if mail.page is not None:
        link = next((one for one in mail.page.links if is_leaving(one, named)), None)
        if link is not None:
            yield passes(f"{visible(link.shown or link.url, max_chars=60)!r}")
            return
    elif mail.text and _URL.search(mail.text) and (word := _word_in(mail.text)):
        yield passes(f"{word!r}, and an address beside it")
        return
    looked = (
        f"no link to leave the list was found: looked for were its words in "
        f"{len(leaving_words())} languages, and the address of List-Unsubscribe"
    )
    if given.volume is not None and given.volume < BULK:
        yield passes(f"{looked}; nobody asks for it below {BULK:,} a day")
    else:
        yield warns(looked, f"{{{{ unsubscribe_url }}}} in the letter; {_REMEDY}")


def is_leaving(link: Link, named: frozenset[str] | set[str] = frozenset()) -> bool:
    """Whether a link leads off the list; whoever follows it may leave."""
    return (
        link.url in named
        or _word_in(link.shown) is not None
        or _LEAVE.search(link.url[:2000]) is not None
    )


def _word_in(text: str) -> str | None:
    lower = text[-_MAX_TEXT:].lower().replace("\u2019", "'")
    words = (word for several in leaving_words().values() for word in several)
    return next((word for word in words if word in lower), None)


def postal_address(mail: Mail, given: Given) -> Iterator[Said]:
    """Look for a postal address, which laws ask for in commercial mail."""
    text = mail.shown[-_MAX_TEXT:]
    if (found := _POSTAL.search(text)) is not None:
        line = text[text.rfind("\n", 0, found.start()) + 1 :].partition("\n")[0]
        yield passes(f"{visible(line.strip(), max_chars=80)!r} looks like one")
    elif given.volume is not None and given.volume < BULK:
        yield passes(f"none was found: {_LOOKED_FOR}; commercial mail needs one")
    else:
        yield warns(
            f"no postal address was found: {_LOOKED_FOR}",
            "name who sends it, and where, at the end of the letter",
        )
