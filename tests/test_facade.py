from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import smtpbook

HEAVY = (
    *("trio", "pandas", "numpy", "pyarrow", "duckdb", "matplotlib"),
    *("ipywidgets", "jinja2", "rich"),
)
# What api.md promises of the rooms that stand.
PROMISED = {
    *("Account", "Timeouts", "read_recipients", "Template", "Message", "Campaign"),
    *("console", "open_session", "Lab", "Behaviour", "explain", "outcomes", "reply_codes"),
    *("latency_by_command", "by_domain", "plot_reply_codes", "plot_latency"),
    *("classify", "reasons", "plot_reasons", "scan_log"),
    *("plot_outcomes", "plot_domains", "plot_throughput", "plot_retry_curve"),
    *("plot_waterfall", "plot_conversation", "plot_sessions", "plot_compare"),
    *("throughput", "retry_curve", "sessions", "tls_posture", "slowest", "compare"),
    *("log_explorer", "select_events"),
    *("plot_timeline", "report", "read_log", "write_log", "transcript", "sample"),
}


def test_every_public_name_loads_and_is_documented() -> None:
    wrong = [name for name in smtpbook.__all__ if not getattr(smtpbook, name).__doc__]
    assert not wrong, wrong


def test_the_promised_names_are_there() -> None:
    assert set(smtpbook.__all__) >= PROMISED


def test_type_checkers_and_runtime_see_the_same_names() -> None:
    tree = ast.parse(Path(smtpbook.__file__).read_text("utf-8"))
    typed = {
        alias.asname: node.module
        for block in ast.walk(tree)
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname
    }
    assert typed == {name: f"smtpbook.{home}" for name, home in smtpbook._HOME.items()}


def test_no_name_is_also_the_name_of_a_room() -> None:
    """Once imported, a subpackage would hide it."""
    rooms = {
        path.name.removesuffix(".py") for path in Path(smtpbook.__file__).parent.iterdir()
    }
    assert not rooms & set(smtpbook.__all__)


def test_import_is_light() -> None:
    code = (
        "import sys; before = set(sys.modules); import smtpbook; "
        f"heavy = set(sys.modules) & set({HEAVY!r}); "
        "assert not heavy, heavy; new = set(sys.modules) - before; "
        "assert new <= {'smtpbook', '__future__'}, new"
    )
    subprocess.run([sys.executable, "-I", "-c", f"{_path()}; {code}"], check=True)


def test_a_kernel_without_widgets_shows_progress_as_text() -> None:
    code = (
        "sys.modules['ipykernel'] = sys; sys.modules['ipywidgets'] = None; "
        "import smtpbook; from smtpbook import progress; "
        "assert progress.show_panel(None) is None; "
        "progress.show('sending', 4).update(4, {})"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"{_path()}; {code}"],
        check=True,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert done.stderr == "sending: 4 of 4 (100 %)\n"


def test_errors_and_events_are_at_hand() -> None:
    assert smtpbook.errors.TLSError.__mro__[1] is smtpbook.errors.TransportError
    assert "reply_code" in smtpbook.events.describe()


def test_a_wrong_name_gets_the_near_miss() -> None:
    with pytest.raises(AttributeError, match="did you mean 'plot_latency'"):
        _ = smtpbook.plot_latancy


def _path() -> str:
    return f"import sys; sys.path[:0] = {[str(Path(smtpbook.__file__).parent.parent)]!r}"
