"""What the session's tests have: scripted servers, and messages to send them."""

from __future__ import annotations

from tests.session.conftest import message, servers

__all__ = ["message", "servers"]
