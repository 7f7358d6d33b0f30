"""Links: where the letter leads, and whether it shows where; none is followed here.

Each function gives what is to be said, nothing if all is well; which check that belongs to
is for `checks`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

from smtpbook.content.mail import Given, Mail
from smtpbook.content.page import MAX_LINKS, Link
from smtpbook.content.tables import shorteners
from smtpbook.escape import visible
from smtpbook.findings import Said, warns
from smtpbook.protocol.addresses import is_within
from smtpbook.wording import counted

# A host whose last label is a number is an address (WHATWG URL, "ends in a number").
_ADDRESS: Final = re.compile(r"(?:.*\.)?(?:\d+|0x[0-9a-f]*)\.?|.*:.*")
_URL: Final = re.compile(r"\bhttps?://[^\s<>\"]+", re.IGNORECASE)
_BEHIND: Final = ".,;:!?)]}'"  # what follows a URL in a sentence
_DOMAIN_LIKE: Final = re.compile(
    r"(?:https?://)?((?:[\w-]{1,63}\.){1,10}[a-z]{2,24})(?:[:/?#]\S*)?", re.IGNORECASE
)
# Endings of files, which "report.pdf" is more likely than a domain.
_FILES: Final = frozenset(
    ("pdf", "zip", "docx", "xlsx", "csv", "txt", "html", "jpg", "png")
)


def https(mail: Mail, given: Given) -> Iterator[Said]:
    """Name links that are not https."""
    yield from _about(
        mail,
        lambda link: link.url.lower().startswith("http:"),
        "not https: browsers warn of it, and anybody on the way reads along",
        "https://…",
    )


def bare_address(mail: Mail, given: Given) -> Iterator[Said]:
    """Name links to a bare address."""
    yield from _about(
        mail,
        lambda link: _ADDRESS.fullmatch(link.host) is not None,
        "to a bare address, as phishing has it",
        "give the host's name",
    )


def shortener(mail: Mail, given: Given) -> Iterator[Said]:
    """Name links through a shortener."""
    yield from _about(
        mail,
        lambda link: link.host.removeprefix("www.") in shorteners(),
        "through a shortener: filters mind that it hides where it goes",
        "give the address itself, or one at a domain of your own",
    )


def shown_link(mail: Mail, given: Given) -> Iterator[Said]:
    """Name links that show another domain than the one they go to."""
    for link in _links(mail):
        shown = _DOMAIN_LIKE.fullmatch(link.shown)
        if shown is None or not link.host or shown[1].rpartition(".")[2].lower() in _FILES:
            continue
        name = shown[1].lower()
        is_above = "." in link.host and is_within(name, link.host)
        if not (is_above or is_within(link.host, name)):
            yield warns(
                f"A link shows {visible(name, max_chars=80)} and goes to "
                f"{visible(link.host, max_chars=80)}: that is how phishing looks.",
                "show words, or the domain it goes to",
            )


def _about(
    mail: Mail, is_meant: Callable[[Link], bool], what: str, remedy: str
) -> Iterator[Said]:
    """Say one thing of all links that are meant."""
    meant = [link for link in _links(mail) if is_meant(link)]
    if meant:
        first = visible(meant[0].url, max_chars=80)
        number = counted(len(meant), "link is", "links are")
        yield warns(f"{number} {what}: {first}", remedy)


def _links(mail: Mail) -> list[Link]:
    """Give the links of the HTML; without one, those that readers' programs find."""
    if mail.page is not None:
        return list(dict.fromkeys(mail.page.links))
    urls = dict.fromkeys(
        found[0].rstrip(_BEHIND) for found in _URL.finditer(mail.text or "")
    )
    return [Link(url=url, shown="") for url in islice(urls, MAX_LINKS)]
