"""The lists, letters and labs of whole campaigns."""

from __future__ import annotations

from tests.campaign.conftest import letter, people, serve_here

__all__ = ["letter", "people", "serve_here"]
