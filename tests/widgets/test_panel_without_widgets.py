"""Where no page shows widgets a send leaves its end as text; a terminal gets lines."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.servers.process import ROOT
from tests.widgets.kernels import OLDER, add_kernel, older_ipykernel

# Each starts a kernel or a terminal.
pytestmark = [pytest.mark.heavy, pytest.mark.side_by_side]

SETUP = """\
import pandas as pd
import smtpbook as sb
lab = sb.Lab().start()
people = pd.DataFrame({"email": [f"p{n}@y.test" for n in range(40)]})
letter = sb.Template(header_from="ann@x.test", subject="Hello", text="Come.")
campaign = sb.Campaign("november", lab.account, people, letter)
"""


@pytest.fixture(params=[None, pytest.param("older", marks=pytest.mark.heavy, id=OLDER)])
def kernels(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Describe the kernel called "panel": the one installed here, and an older one."""
    older = [] if request.param is None else [older_ipykernel()]
    add_kernel(tmp_path / "kernels", "panel", *older)
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))


def outputs_of(cells: list[str], monkeypatch: pytest.MonkeyPatch) -> list[list[Any]]:
    """Execute a notebook as ``nbconvert --execute`` does; give what each cell shows."""
    # Of what jsonschema loads, this alone takes seconds.
    monkeypatch.setitem(sys.modules, "rfc3987_syntax", None)
    import nbclient
    import nbformat.v4 as v4

    notebook = v4.new_notebook(cells=[v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="panel", store_widget_state=False
    ).execute()
    return [cell["outputs"] for cell in notebook["cells"]]


def check_summary(outputs: list[Any]) -> None:
    """The end of the send, and nothing else, stands there as text and as HTML."""
    (output,) = outputs
    assert set(output["data"]) == {"text/plain", "text/html"}
    assert "november: done, 40 of 40 (100 %)" in output["data"]["text/plain"]
    assert "✓ 40 accepted" in output["data"]["text/plain"]
    assert "accepted" in output["data"]["text/html"]


@pytest.mark.usefixtures("kernels")
def test_a_send_leaves_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    check_summary(outputs_of([f"{SETUP}run = campaign.send()"], monkeypatch)[0])


@pytest.mark.parametrize("way", ["live.wait()", "await live"])
@pytest.mark.usefixtures("kernels")
def test_a_start_leaves_its_end_where_it_began_once_somebody_has_waited(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = [f"{SETUP}live = campaign.start()", f"run = {way}", "print(run)"]
    begun, waited, said = outputs_of(cells, monkeypatch)
    check_summary(begun)
    assert waited == []
    assert said[0]["text"] == "<Run of 'november': ✓ 40 accepted>\n"


def test_a_terminal_of_ipython_gets_lines(tmp_path: Path) -> None:
    cell = f"{SETUP}live = campaign.start()\nrun = live.wait()\nprint(live)\n"
    done = subprocess.run(
        [sys.executable, "-m", "IPython", "--colors=NoColor", "-c", cell],
        env={**os.environ, "PYTHONPATH": str(ROOT), "IPYTHONDIR": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert "sending: 40 of 40 (100 %), 40 accepted\n" in done.stderr
    assert "november: done, 40 of 40 (100 %)" in done.stdout
    assert "Widget" not in done.stdout + done.stderr
