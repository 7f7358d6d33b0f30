"""A file system for the workers of a cluster: a folder of this machine behind a URL.

It stands for an object store: nothing in it is renamed, and what is written is there once
it is complete.
"""

from __future__ import annotations

import fsspec
from fsspec.implementations.local import LocalFileSystem
from upath import UPath
from upath.registry import register_implementation


class Shelf(LocalFileSystem):
    """``shelf://`` and a path."""

    protocol = "shelf"

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        stripped = path.removeprefix("shelf://") if isinstance(path, str) else path
        return str(super()._strip_protocol(stripped))

    def unstrip_protocol(self, name: str) -> str:
        """Give the URL of a path."""
        return f"shelf://{self._strip_protocol(name)}"


class ShelfPath(UPath):
    """A path on it."""


def put_up() -> None:
    """Make the URLs known in this process."""
    fsspec.register_implementation("shelf", Shelf, clobber=True)
    register_implementation("shelf", ShelfPath, clobber=True)
