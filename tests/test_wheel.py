"""The wheel is whole: it works where there is no checkout."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    # The build backend is installed with the test extra: no index is asked.
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", str(out)]
    subprocess.run([*command, str(CHECKOUT)], check=True, capture_output=True)
    return next(out.glob("*.whl"))


def test_it_carries_samples_notebooks_tables_and_types(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {
        "smtpbook/py.typed",
        "smtpbook/codes/tables/reply_codes.csv",
        "smtpbook/presets/tables/providers.toml",
        "smtpbook/_share/data/people.csv",
        "smtpbook/_share/data/transcripts/seed-dialogue.txt",
        "smtpbook/_share/notebooks/01-quickstart.ipynb",
    } <= names
    assert not [name for name in names if name.startswith("tests")]


@pytest.mark.heavy
@pytest.mark.side_by_side
def test_the_demo_runs_from_the_wheel_alone(wheel: Path, tmp_path: Path) -> None:
    """Installed into a folder of its own, with the checkout out of reach."""
    installed = tmp_path / "installed"
    # Its dependencies are here already; no index is asked.
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--target", str(installed), str(wheel)], check=True)
    code = (
        "import sys\n"
        f"sys.path = [p for p in sys.path if p not in ('', {str(CHECKOUT)!r})]\n"
        f"sys.path.insert(0, {str(installed)!r})\n"
        "import smtpbook\n"
        f"assert smtpbook.__file__.startswith({str(installed)!r}), smtpbook.__file__\n"
        "from smtpbook.cli.main import main\n"
        "main(['demo', '--recipients', '40', '--out', 'out'])\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "out" / "report.html").is_file()
