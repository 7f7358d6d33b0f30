"""Forms without a browser: widgets are made in this process, and nobody looks at them."""

from __future__ import annotations

from collections.abc import Iterator

import ipywidgets
import pytest


@pytest.fixture(autouse=True)
def _alone() -> Iterator[None]:
    """No widget is left to the next test."""
    yield
    ipywidgets.Widget.close_all()
