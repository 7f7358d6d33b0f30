"""Preheader: the hidden line that a mailbox's list shows behind the subject."""

from __future__ import annotations

from typing import Final

from markupsafe import Markup, escape

# Mailboxes show about 140 characters.  Behind a short preheader they go on with the letter,
# unless blanks that do not collapse stand there.
_SHOWN: Final = 140
_FILLER: Final = Markup("&zwnj;&nbsp;")
_HIDDEN: Final = Markup(
    "display:none;max-height:0;max-width:0;overflow:hidden;opacity:0;font-size:1px;"
    "line-height:1px;mso-hide:all"
)


def preheader_html(text: str) -> Markup:
    """Hide a line of text at the top of a letter; it belongs right behind ``<body>``.

    Parameters
    ----------
    text : str
        Plain text, or `markupsafe.Markup` that is HTML already.  Blanks and line breaks
        become one blank each.

    Examples
    --------
    >>> "Doors &amp; hours" in preheader_html("Doors & hours")
    True
    """
    line = Markup(" ").join(escape(text).split())
    filler = _FILLER * max(0, _SHOWN - len(line))
    return Markup('<div style="{}">{}{}</div>').format(_HIDDEN, line, filler)
