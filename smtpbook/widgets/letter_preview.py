"""Letter preview: one finished message, as its reader's mail program would show it.

The HTML stands in a frame that runs nothing and loads nothing: no script, no picture from
elsewhere, no link that leads away.  Pictures inside the message are shown.
"""

from __future__ import annotations

import base64
import email
import html
import re
from email.message import EmailMessage
from email.policy import default
from typing import Final

from smtpbook.escape import to_html, visible
from smtpbook.protocol.message import Message

_HEADERS: Final = ("From", "Reply-To", "To", "Cc", "Subject", "List-Unsubscribe")
# Nothing from elsewhere; what the message brings along, and its styles.
_POLICY: Final = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
# A link would open a new window, which the frame may not.
_HEAD: Final = (
    f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
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
        f'<div class="smtpbook-scroll"><table class="smtpbook-head">{head}</table></div>'
        f'<div class="smtpbook-bodies">{"".join(filter(None, bodies))}</div>'
        f"<p>{to_html(_sizes(message, mail))}</p>"
    )


def _text(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    if part is None:
        return ""
    text = visible(part.get_content(), newlines=True, max_chars=_MAX_TEXT)
    return _figure("Text", f"<pre>{to_html(text, newlines=True)}</pre>")


def _page(mail: EmailMessage) -> str:
    part = mail.get_body(("html",))
    if part is None:
        return ""
    content = _with_pictures(part.get_content(), mail)
    if len(content) > _MAX_HTML:
        return _figure("HTML", "<p>too large to be shown here</p>")
    document = html.escape(_HEAD + content, quote=True)
    return _figure(
        "HTML",
        '<iframe sandbox="" referrerpolicy="no-referrer" title="The HTML body" '
        f'srcdoc="{document}"></iframe>',
    )


def _figure(caption: str, shown: str) -> str:
    return f"<figure><figcaption>{caption}</figcaption>{shown}</figure>"


def _with_pictures(content: str, mail: EmailMessage) -> str:
    for part in mail.walk():
        cid = str(part["Content-ID"] or "").strip("<> ")
        if cid and part.get_content_maintype() == "image":
            encoded = base64.b64encode(part.get_payload(decode=True) or b"")  # type: ignore[arg-type]
            content = re.sub(
                rf"cid:{re.escape(cid)}",
                f"data:{part.get_content_type()};base64,{encoded.decode('ascii')}",
                content,
            )
    return content


def _sizes(message: Message, mail: EmailMessage) -> str:
    said = [f"{len(message.data):,} octets in all"]
    for part in mail.iter_attachments():
        octets = part.get_payload(decode=True) or b""
        name = visible(str(part.get_filename() or part.get_content_type()), max_chars=60)
        said.append(f"{name}: {len(octets):,}")
    return "; ".join(said)
