"""A database of its own for each campaign."""

from tests.ledger.conftest import database

__all__ = ["database"]
