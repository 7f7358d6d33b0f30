"""A database of its own for each campaign."""

from tests.ledger.conftest import database, postgresql

__all__ = ["database", "postgresql"]
