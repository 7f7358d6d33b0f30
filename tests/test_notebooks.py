"""Every notebook runs from top to bottom, offline, and is stored without outputs."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.side_by_side

CHECKOUT = Path(__file__).parent.parent
FOLDER = CHECKOUT / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


@pytest.mark.heavy
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_it_runs_from_top_to_bottom(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of what jsonschema loads, this alone takes seconds; notebooks have no IRI to check.
    monkeypatch.setitem(sys.modules, "rfc3987_syntax", None)
    # Here, for every worker would load them otherwise.
    import nbclient
    import nbformat

    notebook = nbformat.read(path, 4)
    client = nbclient.NotebookClient(
        notebook,
        timeout=300,
        store_widget_state=False,
        resources={"metadata": {"path": str(tmp_path)}},
    )
    # The kernel shows its charts inline, which Agg would keep it from.
    environment = {k: v for k, v in os.environ.items() if k != "MPLBACKEND"}
    client.execute(
        env=environment
        | {"PYTHONPATH": str(CHECKOUT), "SMTPBOOK_HOME": str(tmp_path / "home")}
    )
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", ())]
    assert not [
        out for out in outputs if out.get("name") == "stderr" and "Warn" in out["text"]
    ]
    pictures = [out for out in outputs if "image/png" in out.get("data", {})]
    assert len(pictures) >= 2
    texts = [out["data"].get("text/plain", "") for out in outputs if "data" in out]
    begun = re.compile(r"\.send\(|campaign\.start\(")
    shown = [cell.source for cell in notebook.cells if cell.get("outputs")]
    sends = sum(begun.search(source) is not None for source in shown)
    # What remains of the panel.
    assert len([text for text in texts if re.match(".*: done, .*100 %", text)]) == sends


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_it_is_stored_without_outputs(path: Path) -> None:
    for cell in json.loads(path.read_text("utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            assert not cell["outputs"]
            assert cell["execution_count"] is None
