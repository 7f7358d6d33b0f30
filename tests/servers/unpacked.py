"""Debian packages that are not installed: a server run from its unpacked ``.deb`` files.

Debian's mail servers exclude each other as installed packages, and their paths and users
are compiled in.  So each of the others gets a folder with its package, the libraries of
that package and users of its own, and runs with this folder as its root directory.  The
machine gets no package, no user and no file but the ``.deb`` files kept in a cache.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

from filelock import FileLock

from tests.servers.mail import MailServer
from tests.servers.process import ServerMissing

CACHE: Final = (
    Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "smtpbook-tests"
)
"""Where packages are kept from run to run, a folder for each; remove it for newer ones."""

# "  PreDepends: NAME" or " |Depends: NAME"; of the rest a server needs nothing to run.
_DEPENDS: Final = re.compile(r"^ [ |](?:Pre)?Depends: (lib\S+|zlib1g)$", re.M)


class UnpackedServer(MailServer):
    """A mail server that runs from its unpacked package."""

    @classmethod
    def start(cls) -> Self:
        """Unpack it, write a configuration, and wait for its greeting.

        Raises
        ------
        ServerMissing
            The package cannot be had, or we are not root.
        RuntimeError
            It ended again; the message holds its log.
        """
        prefix = f"smtpbook-{cls.__name__.lower()}-"
        server = cls(Path(tempfile.mkdtemp(prefix=prefix)))
        return server._started(server._configure, server._run)

    def _configure(self) -> None:
        raise NotImplementedError

    def _run(self) -> None:
        raise NotImplementedError


def unpack(package: str, root: Path, *, users: Mapping[str, int]) -> None:
    """Make `root` a root directory in which the programs of a package run.

    Parameters
    ----------
    package : str
        Downloaded with its libraries and a shell, unless the cache has them.
    root : Path
        An empty folder.
    users : mapping of str to int
        The users known there besides root, with their numbers, each with a group of the
        same name and number.

    Raises
    ------
    ServerMissing
        We are not root, or the package cannot be had.
    """
    if os.geteuid() != 0:
        raise ServerMissing(f"{package} is run in a root directory of its own: be root")
    # Packages of Debian 13 put everything below /usr; those of 12 bring their own /lib.
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    # Other users look in; pytest's own temporary directories are closed to them.
    root.chmod(0o755)
    for deb in _packages(package):
        subprocess.run(["dpkg-deb", "-x", deb, root], check=True)
    for name in ("dev", "etc", "tmp", "run", "home"):
        (root / name).mkdir(exist_ok=True)
    os.mknod(root / "dev" / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    (root / "dev" / "null").chmod(0o666)
    (root / "tmp").chmod(0o1777)
    people = {"root": 0, **users}
    (root / "etc" / "passwd").write_text(
        "".join(f"{name}:x:{n}:{n}::/home:/bin/sh\n" for name, n in people.items())
    )
    (root / "etc" / "group").write_text(
        "".join(f"{name}:x:{n}:\n" for name, n in people.items())
    )
    (root / "etc" / "hosts").write_text("127.0.0.1 localhost\n")


def in_root(root: Path) -> list[str]:
    """Give the words that, put before a command, run it with `root` as root directory.

    Should the tests be killed, the command is asked to end as well.  `timeout` passes that
    on to a server that, as Exim does, changes its user and so forgets whose child it is.
    """
    return ["setpriv", "--pdeathsig=TERM", "timeout", "3600", "chroot", str(root)]


def _packages(package: str) -> list[Path]:
    """Give the ``.deb`` files of a package and of what it needs, downloaded once."""
    kept, begun = CACHE / package, CACHE / f"{package}.part"
    CACHE.mkdir(parents=True, exist_ok=True)
    with FileLock(CACHE / f"{package}.lock"):
        if not kept.exists():
            shutil.rmtree(begun, ignore_errors=True)
            begun.mkdir()
            try:
                _download(package, begun)
            except (OSError, subprocess.CalledProcessError) as exc:
                told = getattr(exc, "stderr", "")
                raise ServerMissing(
                    f"{package} cannot be downloaded, which needs Debian and a fresh "
                    f"apt-get update: {exc}\n{told}"
                ) from exc
            begun.rename(kept)
    return sorted(kept.glob("*.deb"))


def _download(package: str, folder: Path) -> None:
    """Fetch a package, a shell, and the libraries that they need."""
    found, new = set[str](), {package, "dash"}
    while new:
        found |= new
        new = set(_DEPENDS.findall(_run("apt-cache", "depends", *sorted(new)))) - found
    # The user _apt, which apt would become, may not write here.
    _run("apt-get", "-o", "APT::Sandbox::User=root", "download", *sorted(found), cwd=folder)


def _run(*command: str, cwd: Path | None = None) -> str:
    return subprocess.run(
        command, cwd=cwd, check=True, capture_output=True, text=True
    ).stdout
