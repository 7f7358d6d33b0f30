"""The architecture, as a test: a room imports only from floors below its own."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent / "smtpbook"
FLOORS = [
    {
        *("dots", "errors", "escape", "fields", "palette", "places", "signing", "svg"),
        "wording",
    },
    # the words
    {
        *("certificates", "events", "findings", "private_key", "protocol", "progress"),
        *("gathering", "sasl", "states", "statistics", "table"),
    },
    {"presets"},  # what is known of providers
    {
        *("accounts", "codes", "databases", "dkim", "loopback", "lookup", "runner"),
        *("smime", "transfer", "unsubscribe"),
    },
    {
        "authentication",
        "bodies",
        "language",
        "log",
        "mailboxes",
        "maxbulk",
        "pacing",
        "sources",
        "transport",
    },  # what happened; what it is made of
    {
        *("session", "lab", "recipients", "messages", "ledger", "logfile"),
        *("content", "routes", "tables"),
    },
    {"shared_ledger"},  # many runners to one list
    {
        *("audience", "comparing", "folder", "moving", "receiver", "scoring", "survey"),
        *("relaying", "server_logs", "dialogues", "provider_events", "bounces", "stepping"),
        "stories",
    },  # where they meet
    {"captures"},  # conversations off the wire
    {"delivery", "formats"},  # one send; any log
    {"direct"},  # one that needs no provider
    {"rehearsal", "preflight", "cluster"},  # before it; or by many
    {
        "deliverability",
        "fleet",
        "processes",
    },  # what receivers make of it; what many would come to
    {"campaign", "samples"},
    {"charts", "grading"},  # pictures of it; whether a student has it right
    {"insight", "course", "programs", "experiments", "explorer", "placement"},
    {"lessons", "reports"},
    {"widgets", "cli"},  # faces
    {"consoles"},  # and one made of their parts
    {"__init__", "__main__"},
]
HOME = {  # each heavy dependency has one home, or a few named ones
    "trio": {
        "authentication",
        "runner",
        "loopback",
        "session",
        "transport",
        "routes",
        "survey",
        "relaying",
        "lab",
        "lookup",
        "deliverability",
        "audience",
        "content",
        "campaign",
        "delivery",
        "direct",
        "rehearsal",
        "cluster",
        "processes",
        "ledger",
        "accounts",
        "grading",
        "course",
        "programs",
        "lessons",
        "stepping",
        "scoring",
    },
    "python_socks": {"transport"},
    "truststore": {"transport"},
    "trustme": {"lab"},
    "h11": {"loopback", "routes", "scoring"},
    "pandas": {
        "recipients",
        "language",
        "messages",
        "log",
        "table",
        "tables",
        "comparing",
        "findings",
        "sources",
        "bodies",
        "deliverability",
        "dialogues",
        "folder",
        "campaign",
        "cluster",
        "delivery",
        "fleet",
        "rehearsal",
        "samples",
        "charts",
        "experiments",
        "insight",
        "explorer",
        "grading",
        "lessons",
        "reports",
        "widgets",
        "consoles",
        "audience",
        "content",
        "preflight",
        "formats",
        "bounces",
        "routes",
        "survey",
        "placement",
        "scoring",
        "stories",
    },
    "numpy": {
        "databases",
        "recipients",
        "sources",
        "log",
        "tables",
        "comparing",
        "fleet",
        "rehearsal",
        "samples",
        "charts",
        "statistics",
        "experiments",
        "insight",
        "explorer",
        "lessons",
        "reports",
    },
    "scipy": {"statistics", "experiments"},
    "pyarrow": {
        *("log", "table", "tables", "databases", "sources", "recipients", "insight"),
        "lessons",  # hands logs over
        "reports",
        "logfile",  # unpacks zstd
        "formats",
    },
    "matplotlib": {
        *("charts", "experiments", "explorer", "insight", "placement"),
        *("reports", "svg"),
    },
    "reportlab": {"reports"},
    "pypdf": {"reports"},
    "ipywidgets": {"widgets", "consoles"},
    "anywidget": {"widgets"},
    "IPython": {"widgets"},
    "jinja2": {"language", "messages"},
    "markupsafe": {"bodies", "language", "messages"},
    "markdown_it": {"bodies"},
    "css_inline": {"bodies"},
    "sqlalchemy": {"databases", "sources"},
    "adbc_driver_postgresql": {"databases"},
    "psycopg": {"shared_ledger"},
    "adbc_driver_manager": {"databases"},
    "python_calamine": {"sources"},
    "email_validator": {"recipients"},
    "disposable_email_domains": {"recipients"},
    "filelock": {"recipients"},
    "xlsxwriter": {"recipients"},
    "keyring": {"accounts"},
    "imapclient": {"mailboxes"},
    "imaplib": set(),
    "authlib": {"accounts"},
    "requests": {"accounts"},
    "platformdirs": {"places"},
    "spnego": {"session"},
    "cypcap": {"captures"},
    "dns": {"lookup"},
    "cryptography": {"private_key", "dkim", "smime", "certificates", "routes"},
    "duckdb": {"tables"},
    "upath": {"log"},
    "fsspec": set(),  # it is asked through upath
    "dask": {"campaign", "insight"},
    "distributed": {"campaign", "cluster"},
    "cloudpickle": {"cluster", "processes"},
    "rich": {"progress"},
    "click": {"cli"},
    "smtplib": set(),
}
STDLIB_ONLY = {
    *("dots", "errors", "escape", "fields", "palette", "signing", "wording"),
    *("events", "protocol", "sasl", "states", "transfer"),
    *("codes", "maxbulk", "pacing", "unsubscribe"),
}
FLOOR = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
MODULES = sorted(ROOT.rglob("*.py"))
MAX_LINES = 550  # "around 500"
MAX_ROOM_LINES = 2700  # blank ones not counted


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """Go through statements alone: there are many more expressions, and none imports."""
    for part in ("body", "orelse", "finalbody", "handlers", "cases"):
        for one in getattr(node, part, ()):
            yield one
            yield from statements(one)


@cache
def imports(path: Path) -> list[str]:
    found = []
    for node in statements(tree_of(path)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: absolute imports only"
            if node.module == "smtpbook":
                found += [f"smtpbook.{alias.name}" for alias in node.names]
            else:
                found.append(node.module or "")
    return found


def may_import(room: str, name: str) -> bool:
    top, _, rest = name.partition(".")
    if top == "smtpbook" and rest:
        target = rest.split(".")[0]
        return target == room or FLOOR[target] < FLOOR[room]
    return top not in HOME or room in HOME[top]


def test_imports_point_down() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in MODULES
        for name in imports(path)
        if not may_import(room_of(path), name)
    ]
    assert not wrong, wrong


def test_the_words_need_only_the_standard_library() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in MODULES
        if room_of(path) in STDLIB_ONLY
        for name in imports(path)
        if name.split(".")[0] in HOME
    ]
    assert not wrong, wrong


def test_the_readme_shows_every_room_on_its_floor() -> None:
    text = (ROOT.parent / "README.md").read_text("utf-8")
    shown = re.findall(r"^\| (\d+) \| ((?:`\w+` ?)+)\|", text, re.MULTILINE)
    floors = [set(re.findall(r"\w+", rooms)) for _, rooms in reversed(shown)]
    assert [int(floor) for floor, _ in reversed(shown)] == list(range(len(shown)))
    assert floors == FLOORS[:-1]


def test_a_module_says_what_it_is() -> None:
    wrong = [str(path) for path in MODULES if not ast.get_docstring(tree_of(path))]
    assert not wrong, wrong


def test_a_module_fits_a_reader() -> None:
    lines = {path: path.read_text("utf-8").count("\n") for path in MODULES}
    wrong = {str(path): n for path, n in lines.items() if n > MAX_LINES}
    assert not wrong, wrong


def test_a_room_is_at_most_as_large_as_h11() -> None:
    lines = dict.fromkeys(FLOOR, 0)
    for path in MODULES:
        text = path.read_text("utf-8")
        lines[room_of(path)] += sum(1 for line in text.splitlines() if line.strip())
    wrong = {room: n for room, n in lines.items() if n > MAX_ROOM_LINES}
    assert not wrong, wrong
