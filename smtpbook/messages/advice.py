"""Advice: what spam filters and readers are known to mind in one finished message.

Only what can be seen in the message itself: who sends it, from where, and to how many is
the deliverability room's.  Nothing is scored; each sentence names its cause.
"""

from __future__ import annotations

import email
import re
from collections.abc import Iterator, Mapping
from email.message import EmailMessage
from email.policy import default
from html import unescape
from typing import Final
from urllib.parse import urlsplit

from smtpbook.bodies.markup import tokens, values
from smtpbook.escape import visible
from smtpbook.protocol.message import Message

# Gmail shows so many octets of HTML and hides the rest behind "View entire message".
_GMAIL_CLIPS: Final = 102_400
# "Each line of characters … SHOULD be no more than 78 characters" (RFC 5322 section
# 2.1.1); lists of mails show about so many of a subject.
_LONG_SUBJECT: Final = 78
_SHORT_TEXT: Final = 20  # characters of text beside a picture
_SHORTENERS: Final = frozenset(
    {
        "bit.ly",
        "goo.gl",
        "is.gd",
        "ow.ly",
        "t.co",
        "t.ly",
        "tinyurl.com",
        "rb.gy",
        "cutt.ly",
    }
)
# What Gmail's help page on attachments lists as blocked, the common ones.
_BLOCKED: Final = frozenset(
    {
        *("ade", "adp", "apk", "bat", "cab", "chm", "cmd", "com", "cpl", "dll", "exe"),
        *("hta", "iso", "jar", "js", "jse", "lib", "lnk", "mde", "msc", "msi", "msp"),
        *("mst", "pif", "ps1", "scr", "sct", "sys", "vb", "vbe", "vbs", "vxd", "wsc"),
        *("wsf", "wsh"),
    }
)
_ADDRESS: Final = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}|.*:.*")
_DOMAIN_LIKE: Final = re.compile(
    r"(?:https?://)?((?:[\w-]+\.)+[a-z]{2,})(?:[/?#]\S*)?", re.I
)


def advice(message: Message) -> tuple[str, ...]:
    """Say what spam filters and readers may mind in a message.

    Parameters
    ----------
    message : Message

    Returns
    -------
    tuple of str
        One sentence each; empty = nothing was found.
    """
    mail = email.message_from_bytes(message.data, policy=default)
    assert isinstance(mail, EmailMessage)
    return (
        *_of_subject(str(mail["Subject"] or "")),
        *_of_bodies(mail),
        *_of_files(mail),
    )


def _of_subject(subject: str) -> Iterator[str]:
    if not subject:
        yield "The subject is empty."
    elif subject.isupper() and len(subject) > 8:
        yield "The subject is all in capitals."
    if len(subject) > _LONG_SUBJECT:
        yield f"The subject has {len(subject)} characters; lists of mails cut it off."
    if "!!" in subject or "??" in subject or subject.count("!") > 1:
        yield "The subject has more than one mark of exclamation or question."
    if re.match(r"(?:re|aw|fwd?|wg):", subject, re.I):
        yield "The subject looks like an answer or a forwarded mail, which it is not."


def _of_bodies(mail: EmailMessage) -> Iterator[str]:
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    if text is not None and not text.get_content().strip():
        yield "The text is empty."
    if html is None:
        return
    source = html.get_content()
    size = len(source.encode())
    if size > _GMAIL_CLIPS:
        yield (
            f"The HTML has {size:,} octets; Gmail shows {_GMAIL_CLIPS:,} of them and hides "
            f"the rest, a link to unsubscribe too."
        )
    yield from _Page(source).advice()


def _of_files(mail: EmailMessage) -> Iterator[str]:
    for part in mail.iter_attachments():
        name = str(part.get_filename() or "")
        ending = name.rpartition(".")[2].lower()
        if ending in _BLOCKED:
            yield f"The attachment {visible(name)} is of a kind many servers refuse."


class _Page:
    """Collects what is worth a word about an HTML body."""

    def __init__(self, html: str) -> None:
        self._text: list[str] = []
        self._pictures = 0
        self._without_alt = 0
        self._found: dict[str, None] = {}
        self._link: str | None = None
        self._shown: list[str] = []
        for token in tokens(html):
            if token.kind == "start":
                self._begin(token.name, values(html, token))
            elif token.kind == "end" and token.name == "a":
                self._end_link()
            elif token.kind == "text":
                text = unescape(html[token.start : token.stop])
                self._text.append(text)
                self._shown.append(text)

    def _begin(self, tag: str, given: Mapping[str, str]) -> None:
        """Look at links and pictures."""
        if tag in ("script", "form", "iframe", "object", "embed"):
            self._found[f"Mail programs show no <{tag}>, and filters mind it."] = None
        if tag == "img":
            self._pictures += 1
            self._without_alt += "alt" not in given
        if tag == "a":
            self._link, self._shown = given.get("href", ""), []
            self._look_at(self._link)

    def _end_link(self) -> None:
        """Compare what a link shows with where it goes."""
        if self._link is not None:
            shown = _DOMAIN_LIKE.fullmatch("".join(self._shown).strip()[:300])
            host = _host(self._link)
            if shown and host and not _same_site(shown[1].lower(), host):
                self._found[
                    f"A link shows {visible(shown[1])} and goes to {visible(host)}: that "
                    f"is how phishing looks."
                ] = None
            self._link = None

    def _look_at(self, url: str) -> None:
        host = _host(url)
        if host in _SHORTENERS:
            self._found[f"A link goes through {host}: filters mind shorteners."] = None
        elif host and _ADDRESS.fullmatch(host):
            self._found[f"A link goes to a bare address, {visible(host)}."] = None
        elif url.lower().startswith("http:"):
            self._found["A link is not https."] = None

    def advice(self) -> Iterator[str]:
        """Give the sentences."""
        text = "".join(self._text).strip()
        if self._pictures and len(text) < _SHORT_TEXT:
            yield "The HTML is little but pictures; many readers see none of it."
        elif not text:
            yield "The HTML shows nothing."
        if self._without_alt:
            yield f"{self._without_alt} of {self._pictures} pictures have no alt text."
        yield from self._found


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


def _same_site(shown: str, host: str) -> bool:
    """Whether one is the other's, as www.x.example is x.example's."""
    return f".{host}".endswith(f".{shown}") or f".{shown}".endswith(f".{host}")
