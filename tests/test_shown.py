"""What shows itself in a notebook: safely, in every theme, alone, and as text elsewhere."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final

import pandas as pd
import pytest

import smtpbook as sb
from smtpbook.campaign.report import DeliveryReport
from smtpbook.campaign.status import Watch
from smtpbook.grading.verdict import right
from smtpbook.log.frame import Recorder, to_frame
from smtpbook.maxbulk.document import Document
from smtpbook.maxbulk.translate import translate_maxbulk

EVIL: Final = "\x1b[2J\u202e<script>alert(1)</script><img src=//x.test/y> $x$"
ROOT: Final = Path(sb.__file__).parent
# A live send shows its `Status`, a form is tested in a browser, a picture has words beside
# it, and what a lesson says is ours.
ELSEWHERE: Final = {"Live", "Form", "ClassroomPanel", "Chart", "Lesson"}


def _run() -> sb.Run:
    recorder = Recorder()
    for kind in ("command", "outcome"):
        recorder.append(
            sb.Event(
                session_id=EVIL,
                transaction_id="t",
                kind=kind,
                verb="RCPT",
                command=EVIL,
                recipient="ann@x.test",
                server=EVIL,
                reply_code=550,
                reply_text=EVIL,
                outcome="rejected" if kind == "outcome" else None,
            ).to_row()
        )
    return sb.Run(recorder, EVIL)


def _campaign() -> sb.Campaign:
    account = sb.Account(host="127.0.0.1", port=9, tls="none")
    letter = sb.Template(header_from="a@x.test", subject="s", text="t")
    return sb.Campaign("<b>c</b>", account, _people(), letter, folder=None)


def _people() -> sb.Recipients:
    return sb.read_recipients(pd.DataFrame({"email": ["ann@x.test", EVIL], "a": EVIL}))


def _two() -> sb.Recipients:
    return sb.read_recipients(
        pd.DataFrame({"email": ["ann@x.test", "b@x.test"], "a": EVIL})
    )


def _experiment() -> sb.Experiment:
    # A level has to be a name, without controls.
    return sb.Experiment({"subject": ["<img src=//x.test/y> $x$", "plain"]})


def _effects() -> Any:
    experiment = _experiment()
    frame = experiment.assign(_two()).people.frame
    events = (
        sb.Event(
            kind="outcome",
            recipient=row["email"],
            recipient_domain="x.test",
            outcome="accepted",
            attempt=1,
            arm=row["arm"],
            block=row["block"],
        ).to_row()
        for _, row in frame.iterrows()
    )
    return experiment.effects(to_frame(events))


def _classroom() -> sb.Classroom:
    with sb.Classroom([EVIL[:60]], scores="scores") as classroom:
        return classroom


def _authentication() -> Any:
    zone = {
        "x.test": {"TXT": f"v=spf1 include:y.test {EVIL}"},
        "_dmarc.x.test": {"TXT": f"v=DMARC1; p={EVIL}"},
    }
    data = f"From: {EVIL} <a@x.test>\r\n\r\n".encode()
    return sb.authenticate(
        data, ip="192.0.2.1", helo=EVIL, reverse_path=f"{EVIL}@x.test", zone=zone
    )


SHOWN: Final[dict[str, Callable[[], Any]]] = {
    "Authentication": _authentication,
    "SpfResult": lambda: _authentication().spf,
    "Classroom": _classroom,
    "Explanation": lambda: sb.explain(f"550 5.1.1 {EVIL}", verb="RCPT"),
    "Run": _run,
    "Rehearsal": lambda: _campaign().rehearse(),
    "ClusterSimulation": lambda: sb.simulate_cluster({EVIL: 9}, workers=2),
    "Story": lambda: _run().recipient("ann@x.test"),
    "Known": _campaign,
    "Recipients": _people,
    "Status": lambda: Watch(EVIL, None).status("failed", EVIL, None),
    "Document": lambda: Document(
        version=EVIL, encoding="utf-8", entries=(), parts={EVIL: EVIL}, notes=()
    ),
    "Verdict": lambda: right(EVIL, EVIL, source="RFC 5321"),
    "DeliveryReport": lambda: DeliveryReport(
        campaign=EVIL, counts={}, items=((EVIL, EVIL, EVIL),), sender="a@x.test"
    ),
    "Assignment": lambda: _experiment().assign(_two()),
    "Effects": _effects,
    "SeedList": lambda: sb.SeedList(
        [{"address": "ann@x.test", "provider": EVIL, "source": EVIL}]
    ),
    "Translation": lambda: translate_maxbulk(f"{EVIL} [x]"),
}


def _classes() -> set[str]:
    """Give the classes that show themselves as HTML."""
    names = set()
    for path in ROOT.rglob("*.py"):
        text = path.read_text("utf-8")
        for node in ast.walk(ast.parse(text)) if "def _repr_" in text else ():
            if isinstance(node, ast.ClassDef) and any(
                isinstance(part, ast.FunctionDef)
                and part.name in ("_repr_html_", "_repr_mimebundle_")
                for part in node.body
            ):
                names.add(node.name)
    return names


class Page(HTMLParser):
    """What a browser would make of it: the tags, and what they would fetch or run."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.active: list[tuple[str, str | None]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.active += [
            (name, value)
            for name, value in attrs
            if name in ("src", "srcset", "action", "data") or name.startswith("on")
        ]


def test_every_class_that_shows_itself_is_looked_at() -> None:
    assert _classes() == set(SHOWN) | ELSEWHERE, "a new one belongs into SHOWN"


@pytest.mark.parametrize("name", SHOWN)
def test_it_is_safe_and_alone_and_follows_the_theme(name: str) -> None:
    html = SHOWN[name]()._repr_html_()
    page = Page(html)
    assert not page.tags & {"script", "img", "link", "iframe", "style", "object"}
    assert page.active == []
    assert "url(" not in html
    assert "$" not in html
    assert not {"\x1b", "\u202e"} & set(html)
    colors = re.findall(r"(?<![-\w])color:\s*([^;\"']+)", html)
    # None: its text has the colour of the page.
    assert {color.split("(")[0] for color in colors} <= {"var", "inherit"}


@pytest.mark.parametrize("name", SHOWN)
def test_where_there_is_no_html_it_is_text(name: str) -> None:
    told = repr(SHOWN[name]())
    assert told.strip()
    assert " object at 0x" not in told
    assert not {"\x1b", "\u202e"} & set(told)


def test_a_log_is_a_dataframe_and_shows_itself_as_pandas_does() -> None:
    html = to_frame([sb.Event(reply_text=EVIL).to_row()])._repr_html_()
    assert not Page(html).tags & {"script", "img"}
