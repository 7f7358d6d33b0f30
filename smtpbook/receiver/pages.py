"""Pages: the few that somebody sees who unsubscribes, and what browsers may do with them.

Plain HTML without style, script or picture: it is read by every browser and reader aloud,
and nothing on it can be made to act.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from smtpbook.escape import to_html
from smtpbook.unsubscribe import ONE_CLICK, Unsubscribed

HEADERS: Final = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": (
        "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",  # the address of the page is the token
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
}

_SENTENCES: Final = {
    400: "This link is incomplete or not ours; please copy all of it.",
    404: "There is no page here.",
    411: "The request does not say how long it is.",
    413: "The request is too long.",
    501: "Only GET, HEAD and POST are answered here.",
    503: "Your request could not be kept; please try again later.",
}


def ask(asked: Unsubscribed) -> str:
    """Make the page behind the link: a button, because programs follow links, too."""
    name, value = ONE_CLICK
    return _page(
        "Unsubscribe",
        f"<p>Stop {_mail_of(asked)} to <b>{to_html(asked.address)}</b>?</p>\n"
        f'<form method="post">\n'
        f'<input type="hidden" name="{name}" value="{value}">\n'
        f"<button>Unsubscribe</button>\n</form>",
    )


def done(asked: Unsubscribed) -> str:
    """Make the page that says it is kept."""
    return _page(
        "Unsubscribed",
        f"<p><b>{to_html(asked.address)}</b> is unsubscribed from {_mail_of(asked)}.</p>",
    )


def failed(status: int) -> str:
    """Make the page of an error: one sentence that tells nothing about the list."""
    title = HTTPStatus(status).phrase
    return _page(title, f"<p>{_SENTENCES.get(status, 'This cannot be answered.')}</p>")


def _mail_of(asked: Unsubscribed) -> str:
    return "all our mail" if asked.label is None else f"“{to_html(asked.label)}”"


def _page(title: str, content: str) -> str:
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="color-scheme" content="light dark">\n'
        f"<title>{title}</title>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n"
        f"{content}\n</main>\n</body>\n</html>\n"
    )
