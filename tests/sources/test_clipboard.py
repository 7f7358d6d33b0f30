"""The clipboard: its text, or why there is none."""

from __future__ import annotations

import pandas as pd
import pytest

from smtpbook.errors import RecipientsError
from smtpbook.sources import clipboard
from smtpbook.sources.clipboard import read_clipboard


def test_without_a_clipboard_the_ways_out_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing() -> str:
        raise pd.errors.PyperclipException("no display")

    monkeypatch.setattr(clipboard, "clipboard_get", missing)
    with pytest.raises(RecipientsError, match=r"no clipboard .* save what was copied"):
        read_clipboard()


def test_an_empty_clipboard_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clipboard, "clipboard_get", lambda: " ")
    with pytest.raises(RecipientsError, match="no text is on the clipboard"):
        read_clipboard()
