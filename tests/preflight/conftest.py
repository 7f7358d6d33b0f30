"""The lists and letters of whole campaigns."""

from __future__ import annotations

from tests.campaign.conftest import home, letter, people

__all__ = ["home", "letter", "people"]
