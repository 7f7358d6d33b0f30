"""Progress is shown by whatever stands in the slot, and counts nothing itself."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping

import pytest

from smtpbook import progress
from smtpbook.progress import Bar, Lines, Silent, show, told, use


@pytest.fixture(autouse=True)
def _default_again() -> Iterator[None]:
    yield
    use(None)


class Kept:
    """A display that keeps what it is told."""

    def __init__(self, title: str, total: int) -> None:
        self.opened = (title, total)
        self.seen: list[tuple[int, dict[str, int]]] = []

    def update(self, done: int, counts: Mapping[str, int]) -> None:
        self.seen.append((done, dict(counts)))

    def close(self) -> None:
        self.seen.append((-1, {}))


def test_display_in_use_is_the_one_put_in() -> None:
    use(Kept)
    display = show("sending", 3)
    assert isinstance(display, Kept)
    assert display.opened == ("sending", 3)
    use(None)
    assert not isinstance(show("sending", 3), Kept)


def test_no_progress_shows_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    use(Kept)
    display = show("sending", 3, progress=False)
    assert isinstance(display, Silent)
    display.update(3, {"accepted": 3})
    display.close()
    assert capfd.readouterr() == ("", "")


def test_where_there_is_no_terminal_lines_go_to_stderr(
    capfd: pytest.CaptureFixture[str],
) -> None:
    display = show("sending", 2)
    assert isinstance(display, Lines)
    display.update(2, {"accepted": 2})
    display.close()
    assert capfd.readouterr() == ("", "sending: 2 of 2 (100 %), 2 accepted\n")


def test_a_line_for_every_quarter_whatever_the_number_of_updates() -> None:
    stream = io.StringIO()
    display = Lines("sending", 1000, stream)
    for done in range(1001):
        display.update(done, {"accepted": done})
    assert stream.getvalue().splitlines() == [
        "sending: 250 of 1,000 (25 %), 250 accepted",
        "sending: 500 of 1,000 (50 %), 500 accepted",
        "sending: 750 of 1,000 (75 %), 750 accepted",
        "sending: 1,000 of 1,000 (100 %), 1,000 accepted",
    ]


def test_quarters_passed_at_once_are_one_line() -> None:
    stream = io.StringIO()
    display = Lines("sending", 4, stream)
    display.update(4, {})
    display.update(4, {})
    assert stream.getvalue() == "sending: 4 of 4 (100 %)\n"


def test_nothing_to_do_is_shown_without_breaking() -> None:
    stream = io.StringIO()
    display = Lines("sending", 0, stream)
    display.update(0, {})
    assert stream.getvalue() == ""


def test_bar_counts_on_stderr(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    display = Bar("sending", 1000)
    display.update(250, {"accepted": 249, "in_doubt": 1, "failed": 0})
    display.update(1000, {"accepted": 999, "in_doubt": 1, "failed": 0})
    display.close()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "sending" in captured.err
    assert "1000/1000" in captured.err
    assert "999 accepted, 1 in doubt" in captured.err


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({}, ""),
        ({"accepted": 0}, ""),
        ({"accepted": 1200, "in_doubt": 1, "failed": 0}, "1,200 accepted, 1 in doubt"),
    ],
)
def test_counts_are_said_in_words(counts: dict[str, int], said: str) -> None:
    assert told(counts) == said


def test_terminal_gets_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(progress.sys, "stderr", Terminal())
    display = show("sending", 1)
    assert isinstance(display, Bar)
    display.close()
