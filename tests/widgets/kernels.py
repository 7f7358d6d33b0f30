"""Notebook kernels of another age than the one that is installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import pytest

from tests.servers.process import ROOT

OLDER: Final = "6.31"
"""The last ipykernel without subshells; see `smtpbook.widgets.campaign_panel`."""
_PATIENCE_S: Final = 300


def add_kernel(kernels: Path, name: str, *first: Path) -> None:
    """Describe a kernel of this interpreter, some folders first on its path."""
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    path = os.pathsep.join(map(str, (*first, ROOT)))
    spec = {"argv": command, "display_name": "smtpbook", "language": "python"}
    (kernels / name).mkdir(parents=True)
    (kernels / name / "kernel.json").write_text(
        json.dumps(spec | {"env": {"PYTHONPATH": path}})
    )


def older_ipykernel() -> Path:
    """Give a folder with the older ipykernel, installed when first asked for, then kept."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    kept = Path(tempfile.gettempdir()) / f"smtpbook-ipykernel-{OLDER}-python{version}"
    if kept.exists():
        return kept
    # What else it needs, the installed one needs too.
    wanted = [f"ipykernel=={OLDER}.*", "nest-asyncio>=1.4"]
    with tempfile.TemporaryDirectory(dir=kept.parent) as name:
        made = Path(name, "packages")
        command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target"]
        try:
            done = subprocess.run(
                [*command, str(made), *wanted],
                timeout=_PATIENCE_S,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
            )
        except subprocess.TimeoutExpired:
            pytest.fail(f"pip did not install {wanted[0]} within {_PATIENCE_S} s")
        if done.returncode != 0:
            pytest.fail(f"pip cannot install {wanted[0]} here:\n{done.stderr}")
        try:
            made.rename(kept)
        except OSError:  # another process was first
            assert kept.exists()
    return kept
