"""Real JupyterLab in a real headless Chromium, for tests that type and click.

JupyterLab is started once per session, with private folders and a kernel that is this very
interpreter; Chromium once per test file, because Playwright's synchronous form keeps an
event loop open in this thread that other tests must not meet.  All notebooks share one
kernel, which is emptied between tests: to start it and load its libraries takes longer than
most tests.  What is waited for is what JupyterLab itself says to be ready, never an
indicator on the screen.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import pytest

from tests.servers.process import ROOT, stop
from tests.widgets.kernels import OLDER, add_kernel, older_ipykernel

CHROMIUM: Final = shutil.which("chromium")
CHROMIUM_ARGS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# Of what JupyterLab loads, this alone takes half the time; it has no IRI to check.
_JUPYTERLAB: Final = """\
import sys
sys.modules["rfc3987_syntax"] = None
from jupyterlab.labapp import main
main()
"""
_SETTINGS: Final[dict[str, dict[str, object]]] = {
    # Off by default; nbclient's default is on.  The tests prove what is then saved.
    "@jupyter-widgets/jupyterlab-manager/plugin": {"saveState": True},
    "@jupyterlab/apputils-extension/notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
    },
}
# It comes with the tests of the lessons, and puts a menu and buttons on the page.
_NBGRADER: Final = {
    "jupyter_server_config.json": {
        "ServerApp": {
            "jpserver_extensions": {
                f"nbgrader.server_extensions.{name}": False
                for name in (
                    *("formgrader", "validate_assignment"),
                    *("assignment_list", "course_list"),
                )
            }
        }
    },
    "labconfig/page_config.json": {"disabledExtensions": {"@jupyter/nbgrader": True}},
}
_OPEN: Final = """async ([path, id, name]) => {
    const app = window.jupyterapp;
    await app.started;
    await app.restored;
    const {kernelspecs} = app.serviceManager;
    if (name && !kernelspecs.specs?.kernelspecs[name]) await kernelspecs.refreshSpecs();
    const panel = await app.commands.execute(
        "docmanager:open", id ? {path, kernel: {id, name}} : {path}
    );
    while (app.shell.currentWidget !== panel)
        await new Promise(done => app.shell.currentChanged.connect(done));
    await panel.context.ready;
    await panel.sessionContext.ready;
    const kernel = panel.sessionContext.session.kernel;
    await kernel.info;
    while (kernel.status !== "idle")
        await new Promise(done => kernel.statusChanged.connect(done));
}"""
# A kernel that does not answer, as after a test that failed, is ended instead.
_CLOSE: Final = """async code => {
    const app = window.jupyterapp;
    const {kernel} = app.shell.currentWidget?.sessionContext?.session ?? {};
    const answer = kernel?.requestExecute({code, store_history: false}).done;
    const late = new Promise(done => setTimeout(done, 60_000));
    const reply = await Promise.race([answer, late]);
    const isClean = reply?.content.status === "ok";
    if (!isClean) await app.serviceManager.sessions.shutdownAll();
    for (const panel of Array.from(app.shell.widgets("main"))) {
        if (panel.context) panel.context.model.dirty = false;
        panel.dispose();
    }
    return isClean ? kernel.id : null;
}"""
_FORGET: Final = """\
import ipywidgets
ipywidgets.Widget.close_all()
get_ipython().reset()
"""
_WITHIN: Final = """async given => {
    const late = new Promise((_, fail) => {
        setTimeout(() => fail(new Error("nothing came of it within 180 s")), 180000);
    });
    return await Promise.race([(FUNCTION)(given), late]);
}"""
_TRIES: Final = 20
_EXECUTE: Final = """async code => {
    const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
    const future = kernel.requestExecute({code, store_history: false, silent: false});
    let text = "";
    future.onIOPub = message => {
        text += message.content.text ?? (message.content.traceback ?? []).join("\\n");
    };
    const reply = await future.done;
    return [reply.content.status, text];
}"""
_RESTART: Final = """() =>
    window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()
"""
# Levels A and AA; a letter's own HTML, in its frame, is its writer's.
_AXE: Final = """async part => {
    const {violations} = await axe.run(part, {
        iframes: false,
        resultTypes: ["violations"],
        runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"],
    });
    return violations.flatMap(({id, nodes}) => nodes.map(
        ({html, failureSummary}) => `${id}: ${failureSummary} ${html}`
    ));
}"""
_PACKAGES: Final = (
    *("playwright", "axe_playwright_python"),
    *("jupyterlab", "notebook", "voila", "anywidget"),
)
_MISSING: Final = [
    what
    for what, is_there in (
        ("chromium (Debian's package)", CHROMIUM),
        *((name, find_spec(name)) for name in _PACKAGES),
    )
    if not is_there
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the tests of this folder out where they cannot run; CI calls that a failure."""
    if _MISSING:
        reason = f"browser tests need {', '.join(_MISSING)}"
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip(reason=reason))


@dataclass(frozen=True, slots=True)
class JupyterLab:
    """A running server: its address and token, its notebooks, its kernels.

    It serves JupyterLab, and Notebook 7 and Voila beside it.
    """

    address: str
    token: str
    folder: Path
    kernels: Path

    def url(self, path: str) -> str:
        """Give the address of a page, with what lets one in."""
        return f"{self.address}/{path}?reset&token={self.token}"

    def write(self, *cells: str, kernel: str = "python3") -> Path:
        """Write a notebook of these cells; give its path."""
        code = {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": []}
        notebook = {
            "cells": [
                code | {"id": f"cell-{at}", "source": cell} for at, cell in enumerate(cells)
            ],
            "metadata": {"kernelspec": {"name": kernel, "display_name": "smtpbook"}},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
        path = self.folder / f"{secrets.token_hex(4)}.ipynb"
        path.write_text(json.dumps(notebook), "utf-8")
        return path


@pytest.fixture(scope="session")
def jupyterlab() -> Iterator[JupyterLab]:
    """Start JupyterLab with nothing of the user's, and end it by its own process id."""
    with tempfile.TemporaryDirectory(prefix="smtpbook-jupyterlab-") as name:
        home = Path(name)
        environment = _environment(home)
        token = secrets.token_hex(16)
        (home / "notebooks").mkdir()
        process = subprocess.Popen(
            [
                *(sys.executable, "-c", _JUPYTERLAB, "--no-browser", "--allow-root"),
                *("--ServerApp.ip=127.0.0.1", "--ServerApp.port=0"),
                f"--IdentityProvider.token={token}",
                f"--ServerApp.root_dir={home / 'notebooks'}",
                "--LabApp.expose_app_in_browser=True",
                "--JupyterNotebookApp.expose_app_in_browser=True",
            ],
            env=environment,
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield JupyterLab(
                _address(process),
                token,
                home / "notebooks",
                home / "data/kernels",
            )
        finally:
            stop(process)


def _environment(home: Path) -> dict[str, str]:
    """Make the private folders and name them in the environment."""
    folders = {
        "HOME": home,
        "JUPYTER_CONFIG_DIR": home / "config",
        "JUPYTER_DATA_DIR": home / "data",
        "JUPYTER_RUNTIME_DIR": home / "runtime",
        "IPYTHONDIR": home / "ipython",
        "SMTPBOOK_HOME": home / "smtpbook",
    }
    for name, settings in _SETTINGS.items():
        path = home / "config/lab/user-settings" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings))
    for name, without in _NBGRADER.items():
        path = home / "config" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(without))
    add_kernel(home / "data/kernels", "python3")
    kept = {name: value for name, value in os.environ.items() if "JUPYTER" not in name}
    return {
        **kept,
        **{name: str(path) for name, path in folders.items()},
        "PYTHONPATH": str(ROOT),
        "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
    }


def _address(process: subprocess.Popen[str]) -> str:
    """Read the server's own words until it says where it listens; then keep reading."""
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if found := re.search(r"http://127\.0\.0\.1:\d+", line):
            # A full pipe would stop the server.
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return found[0]
    raise RuntimeError(f"JupyterLab ended before it listened:\n{''.join(said)}")


class LabPage:
    """One JupyterLab page in Chromium, and what the tests do with it."""

    def __init__(self, page: Any, server: JupyterLab) -> None:
        self.page = page
        self._server = server
        self._ids: dict[str, str | None] = {}  # of the running kernels, by name
        self._kernel = "python3"

    def open(self, *cells: str, kernel: str = "python3", wait: bool = True) -> Path:
        """Write a notebook of these cells, open it, run it; give its path.

        Without `wait`, return while it still runs.
        """
        self._kernel = kernel
        path = self._server.write(*cells, kernel=kernel)
        self.page.evaluate(_OPEN, [path.name, self._ids.get(kernel), kernel])
        run = "window.jupyterapp.commands.execute('notebook:run-all-cells')"
        self.page.evaluate(run if wait else f"() => {{ {run}; }}")
        return path

    def execute(self, code: str) -> str:
        """Run code in the notebook's kernel, outside its cells; give what it prints."""
        status, text = self.page.evaluate(_EXECUTE, code)
        for _ in range(_TRIES):
            if status != "aborted":
                break
            # After an error the kernel turns away what had come to it by then.
            status, text = self.page.evaluate(_EXECUTE, code)
        assert status == "ok", text
        return str(text)

    def touch(self, name: str) -> None:
        """Make an empty file in the kernel's working folder."""
        (self._server.folder / name).touch()

    def interrupt(self) -> None:
        """Press the square: interrupt the notebook's kernel."""
        self.page.evaluate(
            "window.jupyterapp.commands.execute('notebook:interrupt-kernel')"
        )

    def restart(self) -> None:
        """End the notebook's kernel, and start it anew."""
        self.page.evaluate(_RESTART)

    def save(self) -> None:
        """Save the notebook, and return when it is saved."""
        self.page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")

    def reload(self, notebook: Path) -> None:
        """Load the page and the notebook anew; its kernel goes on."""
        self.load()
        self.page.evaluate(_OPEN, [notebook.name, None, None])

    def load(self) -> None:
        """Load JupyterLab's page, with nothing open."""
        self.page.goto(self._server.url("lab"))
        self.page.wait_for_function("window.jupyterapp !== undefined")

    def _evaluate(self, function: str, given: object) -> Any:
        """Call a function of the page, and do not wait for it for ever."""
        return self.page.evaluate(_WITHIN.replace("FUNCTION", function), given)

    def theme(self, name: str) -> None:
        """Change JupyterLab's theme."""
        self._evaluate(
            "theme => window.jupyterapp.restored.then(() => window.jupyterapp.commands"
            ".execute('apputils:change-theme', {theme}))",
            name,
        )

    def close(self) -> None:
        """Close every notebook; the kernel forgets what it knew, and serves the next."""
        self._ids[self._kernel] = self._evaluate(_CLOSE, _FORGET)


@pytest.fixture(scope="session")
def older_kernel(jupyterlab: JupyterLab) -> str:
    """Give JupyterLab an older kernel, too; from the package index, if need be."""
    add_kernel(jupyterlab.kernels, "older", older_ipykernel())
    return "older"


@pytest.fixture(params=["python3", pytest.param("older", id=OLDER)])
def kernel(request: pytest.FixtureRequest) -> str:
    """Give the names of the kernels that a panel must work on."""
    if request.param == "older":
        request.getfixturevalue("older_kernel")
    return str(request.param)


@pytest.fixture(scope="module")
def _lab_page(jupyterlab: JupyterLab) -> Iterator[LabPage]:
    from playwright.sync_api import sync_playwright

    with (
        tempfile.TemporaryDirectory(prefix="smtpbook-chromium-") as folder,
        sync_playwright() as playwright,
    ):
        context = playwright.chromium.launch_persistent_context(
            folder,
            executable_path=CHROMIUM,
            args=list(CHROMIUM_ARGS),
            viewport={"width": 1280, "height": 1400},
        )
        page = context.pages[0]
        page.set_default_timeout(180_000)
        lab = LabPage(page, jupyterlab)
        lab.load()
        yield lab
        context.close()


@pytest.fixture
def lab_page(_lab_page: LabPage) -> Iterator[LabPage]:
    """Give JupyterLab's page; what the test opened is closed."""
    yield _lab_page
    _lab_page.close()


@pytest.fixture
def own_page(_lab_page: LabPage) -> Iterator[Any]:
    """Give an empty page beside JupyterLab's."""
    page = _lab_page.page.context.new_page()
    page.set_default_timeout(180_000)
    yield page
    page.close()


@pytest.fixture(scope="session")
def axe() -> Callable[[Any, str], list[str]]:
    """Give what names axe-core's findings in parts of a page, given their selector."""
    from axe_playwright_python.base import AXE_SCRIPT

    def findings(page: Any, part: str) -> list[str]:
        page.evaluate(AXE_SCRIPT)
        return list(page.evaluate(_AXE, part))

    return findings


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep a picture of the page when a test fails, and say where."""
    report = yield
    lab = getattr(item, "funcargs", {}).get("lab_page")
    if report.when == "call" and report.failed and lab is not None:
        folder = Path(tempfile.gettempdir()) / "smtpbook-screenshots"
        folder.mkdir(exist_ok=True)
        path = folder / f"{item.name}.png"
        lab.page.screenshot(path=path, full_page=True)
        report.sections.append(("screenshot", str(path)))
    return report
