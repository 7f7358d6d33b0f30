"""A copy of this checkout whose engine is compiled, as HATCH_BUILD_HOOKS_ENABLE=1 makes it.

What is compiled, pyproject.toml says.  Whatever runs in the copy finds the compiled modules
beside the texts they are made from, and takes them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

CHECKOUT: Final = Path(__file__).parent.parent
# What builds and tools leave behind; hidden files besides.
_LEFT_BEHIND: Final = (".*", "*.so", "*.pyd", "__pycache__", "build", "dist", "campaigns")


class CompilerMissing(Exception):
    """There is none on this machine; the text says what to install."""


def compiled_copy(home: Path) -> Path:
    """Copy the checkout to a folder in `home` and compile its engine there; in a minute.

    Raises
    ------
    CompilerMissing
    """
    if not any(map(shutil.which, ("cc", "gcc", "clang"))):
        raise CompilerMissing("no C compiler here: apt-get install gcc python3-dev")
    copy = home / "smtpbook-compiled"
    ignore = shutil.ignore_patterns(*_LEFT_BEHIND)
    shutil.copytree(CHECKOUT, copy, ignore=ignore)
    # The build backend is installed with the test extra: no index is asked.
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    enabled = os.environ | {"HATCH_BUILD_HOOKS_ENABLE": "1"}
    done = subprocess.run(
        build, cwd=copy, env=enabled, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"the engine was not compiled:\n{done.stderr or done.stdout}")
    return copy
