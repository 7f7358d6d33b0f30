"""Packed: files in zip and gzip, unpacked to a limit and no further.

A few hundred octets can hold gigabytes; what unpacks to more than the limit is refused
before it is whole.  Archives in archives stay packed.

References
----------
RFC 1952 (gzip); RFC 7489 section 7.2.1.1 (what reports are packed with).
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from typing import Final

MAX_UNPACKED: Final = 64 << 20
"""Octets that one file may unpack to; a large sender's report of a day has some 10 MB."""

_MAX_MEMBERS: Final = 20
_GZIP: Final = b"\x1f\x8b"
_ZIP: Final = b"PK\x03\x04"


class TooLarge(ValueError):
    """What unpacks to more than the limit."""


def unpacked(octets: bytes) -> Iterator[bytes]:
    """Give the files in a zip or gzip archive, or the octets themselves.

    Raises
    ------
    TooLarge
        A file would be larger than `MAX_UNPACKED`, or there are too many.
    ValueError
        The archive is damaged.
    """
    if octets.startswith(_GZIP):
        yield _gunzipped(octets)
    elif octets.startswith(_ZIP):
        yield from _unzipped(octets)
    else:
        yield octets


def _gunzipped(octets: bytes) -> bytes:
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        found = unpacker.decompress(octets, MAX_UNPACKED + 1)
    except zlib.error as exc:
        raise ValueError(f"a damaged gzip file ({exc})") from exc
    if len(found) > MAX_UNPACKED:
        raise TooLarge(f"it unpacks to more than {MAX_UNPACKED >> 20} MB")
    return found


def _unzipped(octets: bytes) -> Iterator[bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(octets)) as archive:
            members = [one for one in archive.infolist() if not one.is_dir()]
            if len(members) > _MAX_MEMBERS:
                raise TooLarge(f"it holds {len(members)} files")
            for member in members:
                with archive.open(member) as file:
                    # What the directory says of its size may be a lie.
                    found = file.read(MAX_UNPACKED + 1)
                if len(found) > MAX_UNPACKED:
                    raise TooLarge(f"it unpacks to more than {MAX_UNPACKED >> 20} MB")
                yield found
    except TooLarge:
        raise
    except (
        *(zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError),
        *(NotImplementedError, ValueError, OverflowError, IndexError),
    ) as exc:
        raise ValueError(f"a damaged zip file ({exc})") from exc
