"""What the README shows can be typed as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

README = (Path(__file__).parent.parent / "README.md").read_text("utf-8")


def test_its_python_runs_from_top_to_bottom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SMTPBOOK_HOME", str(tmp_path / "home"))
    names: dict[str, object] = {}
    try:
        for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL):
            exec(block, names)
    finally:
        names["lab"].stop()  # type: ignore[attr-defined]
    assert (tmp_path / "latency.png").stat().st_size > 1000
    output = capsys.readouterr().out
    assert "5.1.1 User unknown" in output
    assert "252 2.1.5" in output
    assert "-> VRFY bob" in output


def test_the_first_example_is_fifteen_lines() -> None:
    block = re.findall(r"```python\n(.*?)```", README, re.DOTALL)[0]
    assert len(block.splitlines()) == 15


@pytest.mark.parametrize("name", re.findall(r"\]\((?!http)([^)]+)\)", README))
def test_what_it_points_to_is_there(name: str) -> None:
    assert (Path(__file__).parent.parent / name).is_file()
