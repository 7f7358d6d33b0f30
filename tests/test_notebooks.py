"""Every notebook runs from top to bottom, offline, and is stored without outputs."""

from __future__ import annotations

import os
from pathlib import Path

import nbclient
import nbformat
import pytest

CHECKOUT = Path(__file__).parent.parent
FOLDER = CHECKOUT / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_it_runs_from_top_to_bottom(path: Path, tmp_path: Path) -> None:
    notebook = nbformat.read(path, 4)
    client = nbclient.NotebookClient(
        notebook,
        timeout=120,
        store_widget_state=False,
        resources={"metadata": {"path": str(tmp_path)}},
    )
    # The kernel shows its charts inline, which Agg would keep it from.
    environment = {k: v for k, v in os.environ.items() if k != "MPLBACKEND"}
    client.execute(env=environment | {"PYTHONPATH": str(CHECKOUT)})
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", ())]
    assert not [
        out for out in outputs if out.get("name") == "stderr" and "Warn" in out["text"]
    ]
    pictures = [out for out in outputs if "image/png" in out.get("data", {})]
    assert len(pictures) >= 2


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_it_is_stored_without_outputs(path: Path) -> None:
    for cell in nbformat.read(path, 4).cells:
        if cell.cell_type == "code":
            assert not cell.outputs
            assert cell.execution_count is None
