"""Foreign text made safe to show: for a terminal, for HTML, for a spreadsheet.

Replies, greetings and list cells come from strangers.  Everything that shows them goes
through here.  Nothing here knows what the text means, and nothing is made safe for the
wire: that is `protocol.commands`, which refuses instead of repairing.
"""

from __future__ import annotations

import html
import re
from functools import lru_cache
from typing import Final

# Controls (Cc, with DEL and C1), format characters that turn or hide text (bidi
# embeddings, isolates, zero width, the soft hyphen), line and paragraph separators,
# tags, surrogates.  See Unicode TR 36 (security) and CVE-2021-42574 (bidi).
_UNSAFE: Final = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)

# Tags that reach beyond what a page's policy governs: <link rel="preconnect"> connects, and
# so does Chromium for a frame, before it finds that the policy forbids it.
_REACHING: Final = re.compile(
    r"<(?=(?:link|meta|base|i?frame|fencedframe|object|embed)[\s/>])", re.IGNORECASE
)


def visible(text: str, *, newlines: bool = False, max_chars: int | None = None) -> str:
    r"""Show control, bidi and undecodable characters as escapes, so that none acts.

    Parameters
    ----------
    text : str
        Any text; surrogate escapes (bytes that were not UTF-8) become ``\xNN``.
    newlines : bool
        Leave ``\n`` as it is.
    max_chars : int, optional
        Cut longer text and say so with "…".

    Examples
    --------
    >>> print(visible("caf\udce9 \x1b[31mred"))
    caf\xe9 \x1b[31mred
    >>> visible("a long reply", max_chars=6)
    'a lon…'
    """
    if max_chars is not None and len(text) > max_chars:
        text = text[: max(0, max_chars - 1)] + "…"
    if text.isascii() and text.isprintable():
        return text
    return _UNSAFE.sub(
        lambda m: m[0] if newlines and m[0] == "\n" else _escaped(m[0]), text
    )


@lru_cache(maxsize=256)  # a hostile text may hold nothing else
def _escaped(char: str) -> str:
    point = ord(char)
    if 0xDC80 <= point <= 0xDCFF:  # a surrogate escape: one raw byte
        return f"\\x{point - 0xDC00:02x}"
    if point < 0x100:
        return {"\n": "\\n", "\r": "\\r"}.get(char, f"\\x{point:02x}")
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


def to_html(text: str, *, newlines: bool = False) -> str:
    r"""Make text safe inside an HTML element or a quoted attribute.

    Besides markup, ``$`` and ``\`` are written as character references, so that a front
    end's mathematics renderer never sees them.

    >>> to_html("<b>550</b> $x$")
    '&lt;b&gt;550&lt;/b&gt; &#36;x&#36;'
    """
    safe = html.escape(visible(text, newlines=newlines), quote=True)
    return safe.replace("$", "&#36;").replace("\\", "&#92;")


def unreaching(page: str) -> str:
    """Take from foreign HTML the tags that a content security policy cannot hold.

    What is left is for a sandboxed frame under such a policy, and for nothing else.

    >>> unreaching('<LINK rel="preconnect" href="//x.example"><b>hi</b>')
    '<x-LINK rel="preconnect" href="//x.example"><b>hi</b>'
    """
    return _REACHING.sub("<x-", page)


def to_cell(text: str) -> str:
    """Make text safe in a spreadsheet: a cell that opens a formula is told to be text.

    References
    ----------
    OWASP, "CSV Injection": cells that begin with ``= + - @`` or a tab are run.

    >>> to_cell("=HYPERLINK(1)")
    "'=HYPERLINK(1)"
    """
    text = visible(text)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t") else text
