"""Each filter narrows what is shown, and a chosen event is told with all that was said."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from smtpbook.errors import ColumnError
from smtpbook.events import Event
from smtpbook.log.frame import to_frame
from smtpbook.log.store import write_log
from smtpbook.tables.scan import scan_log
from smtpbook.tables.select import select_events
from smtpbook.widgets.event_table import NONE
from smtpbook.widgets.log_explorer import LogExplorer, log_explorer
from tests.log.story import day
from tests.widgets.browser import messages_of, run

LOG = to_frame(day(120))
HOSTILE = "<script>alert(1)</script> \u202e $x$ \x1b[31m"


@pytest.fixture
def explorer() -> LogExplorer:
    made = log_explorer(LOG)
    made.waterfall.button.value = False  # it is tested where it is drawn
    return made


def fill(explorer: LogExplorer, **values: str) -> None:
    for name, value in values.items():
        explorer.fields[name].value = value


def test_every_filter_narrows_the_selection_and_the_code_gives_the_same(
    explorer: LogExplorer,
) -> None:
    end = LOG[LOG["reason"].eq("user_unknown") & LOG["outcome"].eq("rejected")].iloc[0]
    wanted = {
        "session_id": end["session_id"],
        "recipient": "PERSON",
        "recipient_domain": end["recipient_domain"].upper(),
        "reply_code": "5",
        "reason": "user_unknown",
        "outcome": "rejected",
        "verb": "RCPT",
        "text": "such user",
    }
    assert set(wanted) == set(explorer.fields)
    counts = [len(LOG)]
    for name, value in wanted.items():
        fill(explorer, **{name: value})
        counts.append(len(explorer.selection))
        assert f"{counts[-1]:,} of {len(LOG):,} events" in explorer.count_note.text
        pd.testing.assert_frame_equal(
            explorer.selection, run(explorer.code, log=LOG)["selection"]
        )
    assert counts == sorted(counts, reverse=True)
    assert 0 < counts[-1] < counts[1] < counts[0]
    explorer.clear_button.click()
    assert explorer.code == "selection = log"
    assert explorer.selection.equals(LOG)


def test_of_files_the_code_and_the_selection_are_the_same(tmp_path: Path) -> None:
    write_log(LOG, tmp_path / "log.parquet")
    scan = scan_log(tmp_path / "log.parquet")
    explorer = log_explorer(scan)
    fill(explorer, reply_code="550", recipient="person1")
    assert explorer.code == (
        "import smtpbook as sb\n\nselection = "
        'sb.select_events(log, recipient="person1", reply_code=550)'
    )
    expected = select_events(LOG, reply_code=550, recipient="person1")
    assert list(explorer.selection["recipient"]) == list(expected["recipient"])
    assert len(explorer.table.rows) == min(20, len(expected))


def test_each_choice_says_how_many_events_it_would_leave(explorer: LogExplorer) -> None:
    fill(explorer, reply_code="5")
    labels = [label for label, _ in explorer.fields["reason"].control.options]
    counts = explorer.selection["reason"].value_counts()
    assert f"spam ({counts['spam']})" in labels
    assert "greylisted (0)" in labels
    assert explorer.fields["reply_code"].value == "5"
    codes = [label for label, _ in explorer.fields["reply_code"].control.options]
    assert f"5yz permanent ({len(explorer.selection)})" in codes


def test_the_page_holds_a_page_and_can_be_turned(explorer: LogExplorer) -> None:
    assert len(explorer.table.rows) == 20
    assert explorer.previous_button.disabled
    explorer.next_button.click()
    assert explorer.table.rows[0][0] == "21"
    explorer.table._handle_custom_msg({"turn": 1}, [])
    assert explorer.table.first == 40
    explorer.at.value = explorer.at.max
    assert explorer.next_button.disabled
    assert explorer.table.rows[-1][0] == f"{len(LOG):,}"
    fill(explorer, verb="QUIT")  # whose pages are fewer
    assert explorer.at.value == explorer.at.max == 1
    assert all("QUIT" in row or "outcome" in row for row in explorer.table.rows)


def test_a_chosen_event_is_explained_and_marked_in_its_transcript(
    explorer: LogExplorer,
) -> None:
    fill(explorer, reply_code="550", verb="RCPT")
    sent = messages_of(explorer.conversation)
    assert explorer.event is None
    explorer.table.chosen = 0
    assert explorer.event is not None
    recipient = explorer.event["recipient"]
    assert "RCPT at 2025-11-24 16:00:0" in explorer.head.value
    assert recipient in explorer.head.value
    assert explorer.head.value.count('role="heading"') == 1
    assert "user_unknown" in explorer.explanation.value
    marked = [text for who, text in sent[-1]["lines"] if who == "chosen"]
    assert marked[0].endswith(f"-> RCPT TO:<{recipient}>")
    assert marked[1].endswith("<-  550 5.1.1 No such user here")


def test_its_session_is_shown_on_the_page_where_the_event_is(explorer: LogExplorer) -> None:
    fill(explorer, reply_code="5", session_id="s1")
    explorer.table.chosen = len(explorer.table.rows) - 1
    event = explorer.event
    assert event is not None
    explorer.session_button.click()
    assert explorer.question.given == {"session_id": "s1"}
    assert explorer.at.value > 1
    chosen = explorer.table.rows[explorer.table.chosen]
    assert str(event["reply_code"]) in chosen[4]
    explorer.recipient_button.click()
    assert set(explorer.selection["recipient"]) == {event["recipient"]}
    fill(explorer, verb="QUIT")
    assert explorer.table.chosen == NONE


def test_the_waterfall_is_drawn_while_it_is_looked_at(explorer: LogExplorer) -> None:
    explorer.table.chosen = 3
    assert explorer.picture.value == ""
    explorer.waterfall.button.value = True
    assert "<svg" in explorer.picture.value


def test_what_matches_nothing_suggests_the_near_miss(explorer: LogExplorer) -> None:
    fill(explorer, session_id="s11")
    assert "none of" in explorer.count_note.text
    assert explorer.fields["session_id"].note.text == "in no event: s11; did you mean 's1'?"
    fill(explorer, session_id="", recipient_domain="domain5.exampel")
    note = explorer.fields["recipient_domain"].note
    assert "did you mean 'domain5.example'?" in note.text
    assert explorer.table.rows == []
    fill(explorer, recipient_domain="domain5.example")
    assert note.text == ""


def test_hostile_text_is_escaped_and_long_text_shortened() -> None:
    rows = [
        Event(
            session_id=HOSTILE,
            verb=HOSTILE,
            command=HOSTILE,
            recipient=HOSTILE,
            recipient_domain=HOSTILE,
            reply_code=550,
            reply_text=HOSTILE + "long " * 100_000,
            reason=HOSTILE,
            server=HOSTILE,
            error=HOSTILE,
        )
    ]
    explorer = log_explorer(to_frame(row.to_row() for row in rows))
    explorer.table.chosen = 0
    fill(explorer, session_id=HOSTILE)
    assert "1 of 1 event" in explorer.count_note.text
    for html in (explorer.head, explorer.explanation, explorer.picture):
        assert "<script" not in html.value
        assert "\u202e" not in html.value
        assert "\x1b" not in html.value
    assert max(len(cell) for cell in explorer.table.rows[0]) < 200
    assert "\u202e" not in repr(explorer.table.rows)
    assert "\x1b" not in explorer.conversation.text
    assert len(explorer.conversation.text) < 10_000
    labels = [label for label, _ in explorer.fields["verb"].control.options]
    assert "\u202e" not in repr(labels)


def test_an_event_without_a_reply_says_why() -> None:
    rows = [
        Event(kind="connect", session_id="s", error="TimeoutError"),
        Event(kind="disconnect"),
    ]
    explorer = log_explorer(to_frame(row.to_row() for row in rows))
    explorer.table.chosen = 0
    assert "no reply: TimeoutError" in explorer.explanation.value
    explorer.table.chosen = 1
    assert explorer.explanation.value == ""
    assert explorer.session_button.layout.display == "none"


def test_a_log_without_events_is_said_to_be_empty() -> None:
    explorer = log_explorer(to_frame([]))
    assert explorer.count_note.text == "0 events"
    assert explorer.table.rows == []
    assert explorer.selection.empty


def test_files_that_have_gone_are_a_note_and_no_traceback(tmp_path: Path) -> None:
    path = write_log(LOG, tmp_path / "log.parquet")
    explorer = log_explorer(scan_log(path))
    path.unlink()
    fill(explorer, text="spam")
    assert "log.parquet" in explorer.count_note.text
    explorer.table.chosen = 0
    assert "log.parquet" in explorer.count_note.text
    assert explorer.event is None


def test_a_table_that_is_no_log_is_refused() -> None:
    with pytest.raises(ColumnError, match="'reply_code' not found"):
        log_explorer(pd.DataFrame({"code": [550]}))


def test_a_page_of_a_browser_that_lies_chooses_nothing(explorer: LogExplorer) -> None:
    explorer.table.chosen = 4000
    explorer.table._handle_custom_msg({"turn": 10**9}, [])
    assert explorer.event is None
    assert explorer.table.first == 0
