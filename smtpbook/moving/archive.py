"""Archive: the file that settings travel in.

It is a zip archive in which nothing is compressed (lists are, in themselves), so it never
unpacks to more than it is.  Its manifest names every file in it with size and SHA-256.
The whole of it is checked before anything in it is used; what it means is decided
elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
import struct
import zipfile
from pathlib import Path
from typing import Any, BinaryIO, Final

VERSION: Final = 1
_FORMAT: Final = "smtpbook settings"
_MANIFEST: Final = "manifest.json"
SUPPRESSED: Final = "suppressed.csv"
_MEMBER: Final = re.compile(
    r"accounts/(?!\.)[^/\\]+\.toml|recipients/(?!\.)[^/\\]+\.parquet|suppressed\.csv"
)

_MAX_BYTES: Final = 1 << 32  # zip's numbers need an extension from there on
_MAX_FILES: Final = 10_000
_MAX_INDEX: Final = 8_000_000  # octets of the manifest, and of the archive's directory
_LIMITS: Final = {"accounts": 64_000, _MANIFEST: _MAX_INDEX}  # octets
# How a zip archive ends: PKWARE's APPNOTE.TXT, sections 4.3.15 and 4.3.16.
_END: Final = struct.Struct("<4s4xHHL4xH")
_END_MARK: Final = b"PK\5\6"
_BIG_END_MARK: Final = b"PK\6\7"
_BIG_END_BYTES: Final = 20
# What the standard library raises about archives it cannot read.
DAMAGE: Final = (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, struct.error)


class Writer:
    """Puts one file after the other into an archive, and notes it for the manifest."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._files: dict[str, dict[str, int | str]] = {}

    def add(self, member: str, octets: bytes) -> None:
        """Put octets in."""
        self._archive.writestr(_member(member), octets)
        self._files[member] = {
            "bytes": len(octets),
            "sha256": hashlib.sha256(octets).hexdigest(),
        }

    def copy(self, path: Path, member: str) -> None:
        """Put a file in, however large."""
        info = _member(member)
        with path.open("rb") as source:
            info.file_size = os.fstat(source.fileno()).st_size
            self._files[member] = {
                "bytes": info.file_size,
                "sha256": hashlib.file_digest(source, "sha256").hexdigest(),
            }
            source.seek(0)
            with self._archive.open(info, "w") as file:
                shutil.copyfileobj(source, file, 1 << 20)

    def finish(self) -> None:
        """Put the manifest in: last, when all is known."""
        said = {"format": _FORMAT, "version": VERSION, "files": self._files}
        self._archive.writestr(_member(_MANIFEST), json.dumps(said, indent=1))


def _member(name: str) -> zipfile.ZipInfo:
    # Without a date: what has not changed gives the same file.
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFREG | 0o600) << 16
    return info


class Refused(zipfile.BadZipFile):
    """An archive that is none of ours, or not as it was written."""


def check_size(file: BinaryIO) -> None:
    """Refuse an archive by its end alone, before zipfile reads its directory."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _END.size - _BIG_END_BYTES))
    tail = file.read()
    if len(tail) < _END.size:
        raise Refused("it is no settings file")
    mark, _, _, directory, comment = _END.unpack(tail[-_END.size :])
    if mark != _END_MARK or comment:
        raise Refused("it is no settings file, or was cut off on its way; copy it again")
    if size > _MAX_BYTES or directory > _MAX_INDEX or tail.startswith(_BIG_END_MARK):
        raise Refused("it is larger than is ever written")


def checked(archive: zipfile.ZipFile, size: int) -> list[str]:
    """Give the names of what is in an archive, once all of it is as it was written."""
    entries = {entry.filename: entry for entry in archive.infolist()}
    if len(entries) < len(archive.infolist()):
        raise Refused("it holds a file twice")
    if len(entries) > _MAX_FILES:
        raise Refused(f"it holds {len(entries):,} files, more than are ever written")
    for entry in entries.values():
        _check_entry(entry)
    if sum(entry.file_size for entry in entries.values()) > size:
        raise Refused("it would unpack to more than it is")
    manifest = entries.pop(_MANIFEST, None)
    if manifest is None:
        raise Refused("it is no settings file: it has no manifest")
    files = _files_of(archive.read(manifest))
    if files.keys() != entries.keys():
        raise Refused("its manifest does not name what is in it")
    for name, entry in entries.items():
        digest = hashlib.sha256()
        with archive.open(entry) as source:
            while octets := source.read(1 << 20):
                digest.update(octets)
        if files[name] != {"bytes": entry.file_size, "sha256": digest.hexdigest()}:
            raise Refused(f"{name} is not as it was written; copy the file again")
    return list(entries)


def _check_entry(entry: zipfile.ZipInfo) -> None:
    name, mode = entry.filename, entry.external_attr >> 16
    if name != _MANIFEST and not _MEMBER.fullmatch(name):
        raise Refused(f"it holds {name!r}, which is no part of the settings")
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise Refused(f"{name} in it is no ordinary file")
    if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
        raise Refused(f"{name} in it is compressed or encrypted, which nothing there is")
    if entry.file_size > _LIMITS.get(name.partition("/")[0], _MAX_BYTES):
        raise Refused(f"{name} in it is larger than is ever written")


def _files_of(octets: bytes) -> dict[str, Any]:
    try:
        said = json.loads(octets)
        files, version = said["files"], said["version"]
        if said["format"] != _FORMAT or not isinstance(files, dict):
            raise KeyError("format")
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Refused("it is no settings file: its manifest says something else") from None
    if version != VERSION:
        raise Refused(
            f"it is of version {version!r}, and this smtpbook knows version {VERSION}; "
            f"update it"
        )
    return files
