"""The clipboard: what was copied, as text; its format is found out like that of a file."""

from __future__ import annotations

import pandas as pd
from pandas.io.clipboard import clipboard_get  # type: ignore[attr-defined]

from smtpbook.errors import RecipientsError


def read_clipboard() -> str:
    """Give the text on the clipboard.

    pandas carries pyperclip, which asks the system's own tools.

    Raises
    ------
    RecipientsError
        This machine has no clipboard that can be reached, or no text is on it.
    """
    try:
        text = clipboard_get()
    except (pd.errors.PyperclipException, OSError) as error:
        raise RecipientsError(
            "this machine has no clipboard that can be read (on Linux, xclip, xsel or "
            "wl-clipboard and a display are needed; a remote notebook sees only the "
            "server's); save what was copied to a file and name that"
        ) from error
    if not isinstance(text, str) or not text.strip():
        raise RecipientsError("no text is on the clipboard; copy the list first")
    return text
