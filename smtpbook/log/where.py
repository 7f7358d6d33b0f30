"""Where: a log's files in a folder here, or behind any URL that fsspec knows.

``s3://bucket/events`` is a path like any other then, one that is no `pathlib.Path` but does
what one does (universal-pathlib).  Who may read there is told by fsspec's own configuration
on each machine, such as AWS's variables and files; no key is taken, kept or sent here.

Theory of operation.  A file is there wholly or not at all.  Here it is written beside its
place, brought to the device and renamed.  An object store has no renaming, and needs none:
an object is there once its upload was completed, which is done last.  So a file is made
here and then uploaded, within a transaction of fsspec; where a file system behind a URL
knows of none, a torn upload has no Parquet footer, and is told as damaged, not counted.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, cast

from smtpbook.errors import SMTPBookError
from smtpbook.escape import visible

# A scheme of one letter is a drive of Windows (RFC 3986 section 3.1).  fsspec chains names.
_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+(?:::[A-Za-z0-9+.:-]+)?://")
_HERE: Final = ("file://", "local://")
# What fsspec's own file systems stand on lets these packages' errors through: of S3, of
# Google's store, of Azure's, and of HTTP below all of them.
_BETWEEN: Final = ("botocore", "aiobotocore", "gcsfs", "google", "azure", "aiohttp")


def path_of(where: str | os.PathLike[str]) -> Path:
    """Give the path of a file or folder, here or behind a URL.

    Parameters
    ----------
    where : str or path
        ``file://`` is here.

    Returns
    -------
    Path
        Behind a URL not of that class, but with its methods.

    Raises
    ------
    SMTPBookError
        Nothing that is installed knows such URLs.

    Examples
    --------
    >>> path_of("file:///tmp/events").name, path_of("memory://shelf/events").name
    ('events', 'events')
    """
    if not isinstance(where, str | os.PathLike):
        return where  # a path behind a URL
    url = os.fspath(where)
    if not _URL.match(url):
        return Path(where)
    if url.startswith(_HERE):
        return Path(url.partition("://")[2])
    try:
        from upath import UPath

        path = UPath(url)
        _ = path.fs  # only then it is known whether what it needs is there
    except (ImportError, ValueError) as lack:
        hint = 'pip install "smtpbook[cluster]"' if "upath" in str(lack) else str(lack)
        raise SMTPBookError(
            f"{url.partition('://')[0]}:// cannot be read: {hint}"
        ) from lack
    return cast(Path, path)


def is_here(path: Path) -> bool:
    """Tell whether a path is one of this machine's, as far as it knows."""
    return isinstance(path, Path)


def located(path: Path) -> tuple[str, Any]:
    """Give what Arrow opens: a name, and the file system that it is in; None = ours."""
    if is_here(path):
        return os.fspath(path), None
    behind: Any = path
    return behind.path, behind.fs


def look_anew(folder: Path) -> None:
    """Forget what fsspec remembers of a folder; else new files may not be seen."""
    behind: Any = folder
    if not is_here(folder):
        behind.fs.invalidate_cache()


@contextmanager
def reached(where: str | os.PathLike[str]) -> Iterator[None]:
    """Say in Python's own words that a place behind a URL is not reached.

    Raises
    ------
    OSError
        What lies between says so in words of its own, such as botocore's.
    """
    try:
        yield
    except (OSError, SMTPBookError):
        raise
    except Exception as exc:
        if type(exc).__module__.partition(".")[0] not in _BETWEEN:
            raise
        said = visible(f"{type(exc).__name__}: {exc}", max_chars=300)
        raise OSError(
            f"{where} cannot be reached ({said}); keys and addresses come from this "
            f"machine's own configuration, where fsspec looks for them"
        ) from exc


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give a name to write a file under, which has its own once it is complete."""
    if not is_here(path):
        with _uploaded(path) as unfinished:
            yield unfinished
        return
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield unfinished
        # Before the name is its own, or a power cut may leave a name and no content.
        with unfinished.open("r+b") as written:
            os.fsync(written.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def _uploaded(path: Path) -> Iterator[Path]:
    name, system = located(path)
    with tempfile.TemporaryDirectory(prefix="smtpbook-") as folder:
        unfinished = Path(folder, path.name)
        yield unfinished
        # One of its own: a transaction holds whatever is written by it meanwhile.
        alone = type(system)(
            *system.storage_args, **system.storage_options, skip_instance_cache=True
        )
        with (
            reached(path),
            alone.transaction,
            unfinished.open("rb") as ours,
            alone.open(name, "wb") as theirs,
        ):
            shutil.copyfileobj(ours, theirs, 2**20)
    look_anew(path)
