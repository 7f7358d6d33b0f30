"""Lists, letters, and labs that stand for the servers of domains."""

from __future__ import annotations

from tests.campaign.conftest import home, letter, serve_here

__all__ = ["home", "letter", "serve_here"]
