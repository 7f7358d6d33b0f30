"""Files: written wholly or not at all, and on the device before anything counts on them.

What is in them, and when a folder of them is complete, is for the `folder`.
"""

from __future__ import annotations

import glob
import hashlib
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

# Nobody takes so long to make a folder.
_LEFT_S: Final = 24 * 3600.0


def write(path: Path, octets: bytes) -> None:
    """Write a new file to the device."""
    with path.open("xb") as file:
        file.write(octets)
        file.flush()
        os.fsync(file.fileno())


def replace(path: Path, octets: bytes) -> None:
    """Put a file in place at once or not at all."""
    beside = path.with_name(f".{path.name}.part")
    beside.unlink(missing_ok=True)
    try:
        write(beside, octets)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    sync(path.parent)


def sync(folder: Path) -> None:
    """Flush a folder's list of names, where the system can (Windows cannot)."""
    with suppress(PermissionError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def digest_of(path: Path) -> str:
    """Give the SHA-256 of what a file holds."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def clear(path: Path) -> None:
    """Remove what a process left that was killed while it made this folder."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > _LEFT_S:
                shutil.rmtree(left)
