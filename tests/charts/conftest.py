"""The logs of `tests.insight`, drawn here."""

from __future__ import annotations

from tests.insight.conftest import (
    _figures_are_closed,
    any_log,
    empty_log,
    log,
    one_day,
)

__all__ = ["_figures_are_closed", "any_log", "empty_log", "log", "one_day"]
