"""pyspf's source distribution: its `spf` module, and the RFC 7208 test suite it carries.

It has no wheel, and what pip makes of it leaves the suite out.  So it is downloaded once,
by pip, and kept beside the servers of `tests.servers.unpacked`.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tarfile
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import yaml
from filelock import FileLock

from smtpbook.lookup.answer import Answer, NotAName, dns_name
from tests.servers.process import ServerMissing
from tests.servers.unpacked import CACHE

NAME: Final = "pyspf-2.0.14"
_PINNED: Final = (
    "pyspf==2.0.14 --hash=sha256:"
    "57a7ef01bda090173aafb6af0106251686ed73f03db4e911fcd34c57fc347186"
)


def folder() -> Path:
    """Give the unpacked distribution.

    Raises
    ------
    ServerMissing
        It is not in the cache and cannot be downloaded.
    """
    kept = CACHE / NAME
    CACHE.mkdir(parents=True, exist_ok=True)
    with FileLock(CACHE / f"{NAME}.lock"):
        if not kept.exists():
            with tempfile.TemporaryDirectory(dir=CACHE) as made:
                (archive,) = _download(Path(made))
                with tarfile.open(archive) as packed:
                    packed.extractall(made, filter="data")
                (Path(made) / NAME).rename(kept)
    return kept


def _download(place: Path) -> list[Path]:
    wanted = place / "wanted.txt"
    wanted.write_text(_PINNED, "ascii")
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps"]
    command += ["--no-binary", ":all:", "--require-hashes", "-r", wanted, "-d", place]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise ServerMissing(f"pip cannot download {NAME}: {done.stderr}")
    return list(place.glob("*.tar.gz"))


def module() -> ModuleType:
    """Give a new copy of the module `spf`, which keeps its zone in a global."""
    spec = importlib.util.spec_from_file_location("spf", folder() / "spf.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    with warnings.catch_warnings(action="ignore"):
        spec.loader.exec_module(made)
    return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One test of the suite."""

    name: str
    section: str
    ip: str
    helo: str
    sender: str
    results: tuple[str, ...]
    explanation: str | None
    zone: SuiteZone = field(repr=False)


class SuiteZone:
    """The suite's zone data, an `Asker`; ``TIMEOUT`` there is an error here."""

    def __init__(self, data: dict[str, list[Any]]) -> None:
        self._data = {name.lower(): records for name, records in data.items()}

    async def ask(self, name: str, record: str, aliases: int = 0) -> Answer:
        """Ask one question."""
        at = name.lower().removesuffix(".")
        answer = Answer(name=at, record=record, status="no_name")
        try:
            # Some names of the suite have blanks.
            dns_name(at.replace(" ", "-"))
        except NotAName:
            return answer
        if at not in self._data:
            is_silent = at.startswith("error.")
            return Answer(name=at, record=record, status="error") if is_silent else answer
        values = tuple(self._values(at, record))
        if values:
            return Answer(name=at, record=record, status="found", values=values)
        if "TIMEOUT" in self._data[at] or aliases > 10:
            return Answer(name=at, record=record, status="error", error="timeout")
        for entry in self._data[at]:
            if "CNAME" in entry:
                return await self.ask(entry["CNAME"], record, aliases + 1)
        return Answer(name=at, record=record, status="no_data")

    def _values(self, name: str, record: str) -> Iterator[str]:
        entries = [one for one in self._data[name] if one != "TIMEOUT"]
        # The suite writes records as SPF, which stand for TXT unless there are TXT too.
        of_kind = [one[record] for one in entries if record in one]
        if record == "TXT" and not of_kind:
            of_kind = [one["SPF"] for one in entries if "SPF" in one]
        for value in of_kind:
            match record, value:
                case "TXT", "NONE":
                    pass
                case "TXT", _:
                    joined = value if isinstance(value, str) else "".join(value)
                    yield joined
                case "MX", [preference, host]:
                    yield f"{preference} {host}"
                case _:
                    yield str(value)


def suite() -> list[Case]:
    """Give the cases of the RFC 7208 test suite."""
    text = (folder() / "test" / "rfc7208-tests.yml").read_text("utf-8")
    cases = []
    # libyaml's reader takes a tenth of the time.
    for scenario in yaml.load_all(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        zone = SuiteZone(scenario["zonedata"])
        for name, test in scenario["tests"].items():
            results = test["result"]
            cases.append(
                Case(
                    name=name,
                    section=str(test.get("spec", "")),
                    ip=test["host"],
                    helo=test["helo"],
                    sender=test["mailfrom"],
                    results=(results,) if isinstance(results, str) else tuple(results),
                    explanation=test.get("explanation"),
                    zone=zone,
                )
            )
    return cases
