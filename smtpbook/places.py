"""Places: the folders where settings and lists are kept between runs.

``SMTPBOOK_HOME`` moves all of them below one folder, for tests and for shared machines.
Nothing here writes; whoever keeps something makes its folder.
"""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def config_folder() -> Path:
    """Give the folder of accounts; it may not exist yet."""
    return _home() or platformdirs.user_config_path("smtpbook", appauthor=False)


def data_folder() -> Path:
    """Give the folder of saved lists and suppressions; it may not exist yet."""
    return _home() or platformdirs.user_data_path("smtpbook", appauthor=False)


def state_folder() -> Path:
    """Give the folder of what may be lost without harm; it may not exist yet."""
    return _home() or platformdirs.user_state_path("smtpbook", appauthor=False)


def _home() -> Path | None:
    home = os.environ.get("SMTPBOOK_HOME")
    return Path(home) if home else None
