"""Letter preview: one finished message, as its reader's mail program would show it.

The HTML stands in a frame that runs nothing and loads nothing: no script, no picture from
elsewhere, no link that leads away.  Pictures inside the message are shown.

That takes two frames.  A sandbox keeps a page from running scripts, and its policy from
loading anything, but a link with ``target="_self"`` may still put another page into its own
frame.  Where that may lead, the policy of the page around it decides: so around it stands
one of ours that allows no frame an address.
"""

from __future__ import annotations

import base64
import email
import html
from email.message import EmailMessage, MIMEPart
from email.policy import default
from typing import Final

from smtpbook.escape import to_html, unreaching, visible
from smtpbook.protocol.message import Message
from smtpbook.widgets.parts import scrolling

_HEADERS: Final = ("From", "Reply-To", "To", "Cc", "Subject", "List-Unsubscribe")
# Nothing from elsewhere, frames included; what the message brings along, and its styles.
# A page in a frame without an address is under the policy of the one around it.
_AROUND: Final = (
    '<meta http-equiv="Content-Security-Policy" '
    "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">"
    "<style>html,body,iframe{margin:0;border:0;width:100%;height:100%}"
    "html{overflow:hidden}iframe{display:block}</style>"
)
# A link would open a new window, which the frame may not.
_HEAD: Final = (
    '<base target="_blank"><meta name="referrer" content="no-referrer">'
    "<style>html{background:#fff;color:#000;font-family:sans-serif}</style>"
)
_MAX_TEXT: Final = 20_000  # characters shown of a text
_MAX_HTML: Final = 2_000_000  # octets put into a frame, pictures included


def letter_preview(message: Message) -> str:
    """Show a message as HTML: its header, its text and its HTML side by side, its files."""
    mail = email.message_from_bytes(message.data, policy=default)
    assert isinstance(mail, EmailMessage)
    head = "".join(
        f'<tr><th scope="row">{name}</th><td>{to_html(str(mail[name]))}</td></tr>'
        for name in _HEADERS
        if mail[name]
    )
    bodies = [_text(mail), _page(mail)]
    return (
        scrolling("Header", f'<table class="smtpbook-head">{head}</table>')
        + f'<div class="smtpbook-bodies">{"".join(filter(None, bodies))}</div>'
        f"<p>{to_html(_sizes(message, mail))}</p>"
    )


def _text(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    if part is None:
        return ""
    text = visible(_content(part), newlines=True, max_chars=_MAX_TEXT)
    return _figure("Text", f"<pre>{to_html(text, newlines=True)}</pre>")


def _page(mail: EmailMessage) -> str:
    part = mail.get_body(("html",))
    if part is None:
        return ""
    content = _with_pictures(_content(part), mail)
    if len(content) > _MAX_HTML:
        return _figure("HTML", "<p>too large to be shown here</p>")
    page = _frame(_HEAD + unreaching(content))
    return _figure("HTML", _frame(_AROUND + page))


def _frame(document: str) -> str:
    return (
        f'<iframe sandbox="" title="The HTML body" srcdoc="{html.escape(document)}">'
        f"</iframe>"
    )


def _content(part: MIMEPart) -> str:
    return str(part.get_content()).replace("\r\n", "\n")


def _figure(caption: str, shown: str) -> str:
    return f"<figure><figcaption>{caption}</figcaption>{shown}</figure>"


def _with_pictures(content: str, mail: EmailMessage) -> str:
    for part in mail.walk():
        cid = str(part["Content-ID"] or "").strip("<> ")
        if cid and part.get_content_maintype() == "image":
            encoded = base64.b64encode(part.get_payload(decode=True) or b"")  # type: ignore[arg-type]
            data = f"data:{part.get_content_type()};base64,{encoded.decode('ascii')}"
            content = content.replace(f"cid:{cid}", data)
    return content


def _sizes(message: Message, mail: EmailMessage) -> str:
    said = [f"{len(message.data):,} octets in all"]
    for part in mail.iter_attachments():
        octets = part.get_payload(decode=True) or b""
        name = visible(str(part.get_filename() or part.get_content_type()), max_chars=60)
        said.append(f"{name}: {len(octets):,}")
    return "; ".join(said)
