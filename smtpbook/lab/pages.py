"""Pages: what the lab server accepted, as HTML that may hold anything and does nothing.

Text goes through `escape`.  A message's own HTML is a document of its own, under a policy
that runs and loads nothing, in a frame whose surrounding page allows it no other address.
Who asks, and over what, is `web`'s.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

from smtpbook.escape import to_html, unreaching
from smtpbook.lab.opened import Opened, opened, opened_header
from smtpbook.lab.received import Received
from smtpbook.wording import counted
from smtpbook.wording import octets as size_of

MAX_ROWS: Final = 200
_MAX_TEXT: Final = 1_000_000  # characters of a text or a source on one page
_TABS: Final = ("html", "text", "header", "source", "conversation")
_COMMON: Final = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-DNS-Prefetch-Control": "off",
}
_OURS: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_THEIRS: Final = (
    "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
)
_HTML: Final = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """An answer: status, what it is, and how a browser is to treat it."""

    status: int = 200
    kind: str = _HTML
    body: bytes = field(repr=False)
    policy: str = _OURS
    more: tuple[tuple[str, str], ...] = ()

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The fields of the answer."""
        fields = {"Content-Type": self.kind, "Content-Security-Policy": self.policy}
        fields |= _COMMON | dict(self.more)
        return [*fields.items(), ("Content-Length", str(len(self.body)))]


def mailbox_page(title: str, messages: Sequence[Received], wanted: str) -> Page:
    """Make the list of what was accepted, newest first."""
    form = (
        f'<form role="search"><label>Search <input type="search" name="q" '
        f'value="{to_html(wanted)}"></label></form>'
    )
    body = (
        f'<h1>Mailbox</h1>{form}<p id="gone">The lab server has stopped.</p>'
        f'<div id="rows" aria-live="polite" data-tag="{to_html(tag_of(messages))}">'
        f"{rows(messages, wanted)}</div>"
        '<script src="/live.js"></script>'
    )
    return _page(f"{title}: mailbox", title, body)


def tag_of(messages: Sequence[Received]) -> str:
    """Give the list's version, as HTTP's ``ETag``."""
    last = messages[-1].queue_id if messages else ""
    return f'"{len(messages)} {last}"'


def rows(messages: Sequence[Received], wanted: str) -> str:
    """Make the list's table; searched are addresses and subjects."""
    shown: list[str] = []
    found = 0
    for number in range(len(messages), 0, -1):
        one = messages[number - 1]
        head = opened_header(one.data)
        sender = head.get("from") or one.reverse_path or "<>"
        words = [sender, ", ".join(one.recipients), head.get("subject")]
        if wanted and not any(wanted.lower() in word.lower() for word in words):
            continue
        found += 1
        if found <= MAX_ROWS:
            shown.append(_row(number, one, words))
    of = f" of {len(messages):,}" if wanted else ""
    cut = f", the newest {MAX_ROWS} of them shown" if found > MAX_ROWS else ""
    told = f"<p>{counted(found, 'message', 'messages')}{of}{cut}</p>"
    if not shown:
        return told
    head_row = "".join(
        f'<th scope="col">{name}</th>' for name in ("UTC", "From", "To", "Subject", "Size")
    )
    body = "".join(shown)
    return f"{told}<table><thead><tr>{head_row}</tr></thead><tbody>{body}</tbody></table>"


def _row(number: int, one: Received, words: Sequence[str]) -> str:
    sender, to, subject = (_short(word) for word in words)
    return (
        f"<tr><td>{one.time:%H:%M:%S}</td><td>{sender}</td><td>{to}</td>"
        f'<td><a href="/message/{number}">{subject or "(no subject)"}</a></td>'
        f'<td class="number">{size_of(len(one.data))}</td></tr>'
    )


def as_json(messages: Sequence[Received]) -> Page:
    """Give the list for programs, oldest first."""
    listed = []
    for number, one in enumerate(messages, 1):
        head = opened_header(one.data)
        listed.append(
            {
                "number": number,
                "time": one.time.isoformat(),
                "reverse_path": one.reverse_path,
                "recipients": one.recipients,
                "from": head.get("from"),
                "to": head.get("to"),
                "subject": head.get("subject"),
                "size": len(one.data),
                "queue_id": one.queue_id,
                "session_id": one.session_id,
            }
        )
    return Page(kind="application/json", body=json.dumps(listed, indent=1).encode())


def message_page(title: str, number: int, one: Received, tab: str, said: str) -> Page:
    """Make the page of one message.

    Parameters
    ----------
    title : str
        The lab's.
    number : int
        The message's, from 1.
    one : Received
    tab : str
        What to show of it; empty = the HTML if there is one, else the text.
    said : str
        The conversation in which it came.
    """
    mail = opened(one.data)
    tab = tab if tab in _TABS else "text" if mail.html is None else "html"
    head = (
        ("From", mail.get("from")),
        ("To", mail.get("to")),
        ("Envelope", f"<{one.reverse_path}> → {', '.join(one.recipients)}"),
        ("Accepted", f"{one.time:%Y-%m-%d %H:%M:%S} UTC as {one.queue_id}"),
    )
    table = "".join(
        f'<tr><th scope="row">{name}</th><td>{to_html(value)}</td></tr>'
        for name, value in head
    )
    links = "".join(
        f'<a href="/message/{number}/{name}"{_current(name == tab)}>{name.capitalize()}</a>'
        for name in _TABS
        if name != "html" or mail.html is not None
    )
    body = (
        f"<h1>{to_html(mail.get('subject')) or '(no subject)'}</h1>"
        f'<table class="head">{table}</table>{_files(number, mail)}'
        f'<nav aria-label="Views">{links}<a href="/message/{number}.eml" download>'
        f"Download</a></nav>{_view(number, one, mail, tab, said)}"
    )
    subject = mail.get("subject") or "(no subject)"
    return _page(f"{subject[:80]}: {title}", title, body)


def _current(is_current: bool) -> str:
    return ' aria-current="page"' if is_current else ""


def _files(number: int, mail: Opened) -> str:
    if not mail.files:
        return ""
    links = ", ".join(
        f'<a href="/message/{number}/file/{place}" download>{_short(one.name)}</a> '
        f"({_short(one.kind)}, {size_of(len(one.octets))})"
        for place, one in enumerate(mail.files, 1)
    )
    more = "; more of them when it is downloaded" if mail.has_more else ""
    return f"<p>Files: {links}{more}</p>"


def _view(number: int, one: Received, mail: Opened, tab: str, said: str) -> str:
    if tab == "html" and mail.html is not None:
        return (
            f'<iframe sandbox="" src="/message/{number}/frame" title="The HTML body">'
            "</iframe>"
        )
    if tab == "header":
        fields = "".join(
            f'<tr><th scope="row">{to_html(name)}</th><td>{to_html(value)}</td></tr>'
            for name, value in mail.header
        )
        return f'<table class="head">{fields}</table>'
    text = {
        "text": mail.text if mail.text is not None else "(no text body)",
        "source": one.data.decode("utf-8", "surrogateescape"),
        "conversation": said,
    }.get(tab, "")
    cut = "\n… cut here; download it for the rest" if len(text) > _MAX_TEXT else ""
    shown = text[:_MAX_TEXT].replace("\r\n", "\n") + cut
    return f'<pre tabindex="0">{to_html(shown, newlines=True)}</pre>'


def frame(one: Received) -> Page:
    """Give a message's own HTML, under a policy that runs and loads nothing."""
    shown = unreaching(opened(one.data).html or "")
    head = "<style>html{background:#fff;color:#000;font-family:sans-serif}</style>"
    return Page(
        body=f"<!DOCTYPE html>{head}{shown}".encode(errors="replace"), policy=_THEIRS
    )


def file_of(one: Received, place: int) -> Page | None:
    """Give a file of a message, only ever to be saved; None = there is none."""
    files = opened(one.data).files
    if not 1 <= place <= len(files):
        return None
    return _saved(files[place - 1].name, files[place - 1].octets)


def source_of(one: Received) -> Page:
    """Give a message as a file."""
    return _saved(f"{one.queue_id}.eml", one.data)


def failed(status: int, sentence: str) -> Page:
    """Make the page of an error."""
    return Page(
        status=status, kind="text/plain; charset=utf-8", body=f"{sentence}\n".encode()
    )


def _saved(name: str, octets: bytes) -> Page:
    # The name is foreign: as octets of UTF-8 it cannot end the field (RFC 8187).
    spelled = quote(name.replace("/", "_")[:120], safe="", errors="replace")
    return Page(
        kind="application/octet-stream",
        body=octets,
        policy="sandbox; default-src 'none'",
        more=(("Content-Disposition", f"attachment; filename*=UTF-8''{spelled}"),),
    )


def _page(name: str, title: str, content: str) -> Page:
    shown = (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{to_html(name)}</title>\n"
        f'<link rel="stylesheet" href="/style.css">\n</head>\n<body>\n'
        f'<header><a href="/">{to_html(title)}</a></header>\n<main>\n'
        f"{content}\n</main>\n</body>\n</html>\n"
    )
    return Page(body=shown.encode(errors="replace"))


def _short(text: str) -> str:
    return to_html(text if len(text) <= 120 else f"{text[:119]}…")


STYLE: Final = Page(
    kind="text/css; charset=utf-8",
    body=b"""\
:root { color-scheme: light dark; --line: light-dark(#ccc, #555);
  --soft: light-dark(#f3f5f7, #22262b); --link: light-dark(#0b57a4, #7ab8ff); }
body { margin: 0; font: 15px/1.5 system-ui, sans-serif; }
header { padding: .6rem 1rem; background: var(--soft);
  border-bottom: 1px solid var(--line); }
h1 { font-size: 1.2rem; margin: .2rem 0 .6rem; overflow-wrap: anywhere; }
header a { font-weight: 600; text-decoration: none; }
main { padding: .6rem 1rem; }
a { color: var(--link); }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0;
  border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
td:first-child { white-space: nowrap; }
.head { width: auto; } .head th { white-space: nowrap; }
.number { text-align: right; white-space: nowrap; }
nav { display: flex; flex-wrap: wrap; gap: .25rem 1rem; margin: .8rem 0 .5rem; }
nav a { padding: .2rem 0; }
nav [aria-current] { font-weight: 600; text-decoration: none;
  border-bottom: 3px solid var(--link); }
pre { overflow: auto; padding: .6rem; background: var(--soft); white-space: pre-wrap;
  overflow-wrap: anywhere; }
iframe { width: 100%; height: 70vh; border: 1px solid var(--line); background: #fff; }
#gone { display: none; } .gone #gone { display: block; font-weight: 600; }
""",
)
LIVE: Final = Page(
    kind="text/javascript; charset=utf-8",
    body=b"""\
const rows = document.getElementById("rows");
let tag = rows.dataset.tag;
async function look() {
  try {
    const headers = {"If-None-Match": tag};
    const answer = await fetch("/rows" + location.search, {headers});
    if (answer.status === 200) {
      tag = answer.headers.get("ETag");
      rows.innerHTML = await answer.text();
    }
    document.body.classList.remove("gone");
  } catch {
    document.body.classList.add("gone");
  }
  setTimeout(look, 1000);
}
look();
""",
)
