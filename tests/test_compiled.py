"""The compiled engine does what its text says: the engine's own tests, run against it."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.compiled import CHECKOUT, CompilerMissing, compiled_copy

pytestmark = pytest.mark.side_by_side
_HOOK = ("tool", "hatch", "build", "targets", "wheel", "hooks", "mypyc")
# The rooms that are compiled, and those that build on them or pack what they make.
_ROOMS = (
    *("protocol", "transfer", "session", "delivery", "processes", "test_errors.py"),
    *("language", "messages"),
)


def _compiled_modules() -> list[str]:
    told = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))
    for key in _HOOK:
        told = told[key]
    return [path.strip("/") for path in told["include"]]


def test_what_is_to_be_compiled_is_there() -> None:
    paths = _compiled_modules()
    assert paths == sorted(paths)
    assert [path for path in paths if not (CHECKOUT / path).is_file()] == []


@pytest.mark.heavy
def test_the_compiled_engine_passes_the_engines_tests(tmp_path: Path) -> None:
    try:
        copy = compiled_copy(tmp_path)
    except CompilerMissing as exc:
        pytest.skip(str(exc))
    for path in _compiled_modules():
        stem = (copy / path).with_suffix("")
        assert list(stem.parent.glob(f"{stem.name}.*.so")), path
    rooms = [f"tests/{room}" for room in _ROOMS]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "auto", *rooms],
        cwd=copy,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
