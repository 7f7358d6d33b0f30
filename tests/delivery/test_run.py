"""Run: what one send did, told as tables, as text, and safely."""

from __future__ import annotations

import pytest

from smtpbook.delivery.run import Run
from smtpbook.errors import SMTPBookError
from smtpbook.events import COLUMNS, Event
from smtpbook.log.frame import Recorder


def outcome(recipient: str, state: str, **cells: object) -> Event:
    fields = {"kind": "outcome", "session_id": "s1", "transaction_id": f"t-{recipient}"}
    return Event(recipient=recipient, outcome=state, **{**fields, **cells})  # type: ignore[arg-type]


@pytest.fixture
def run() -> Run:
    run = Run(Recorder(), "november")
    for event in (
        Event(
            session_id="s1",
            transaction_id="t-ann@x.test",
            verb="RCPT",
            command="RCPT TO:<ann@x.test>",
            recipient="ann@x.test",
            reply_code=250,
            reply_text="2.1.5 ok",
        ),
        outcome("ann@x.test", "accepted", queue_id="4Xb1", verb="END-OF-DATA"),
        outcome(
            "bob@y.test",
            "rejected",
            verb="RCPT",
            reply_code=550,
            enhanced_status="5.1.1",
            reply_text="5.1.1 <b>No</b> such user \u202e\x1b[31m",
        ),
        outcome("eve@z.test", "deferred", verb="RCPT", reply_code=450, reply_text="later"),
        outcome("eve@z.test", "in_doubt", attempt=2, error="TransportError"),
        outcome("zoe@z.test", "suppressed"),
    ):
        run.record(event.to_row())
    return run


def test_the_log_grows_while_the_send_goes_on(run: Run) -> None:
    assert run.log.columns.tolist() == list(COLUMNS)
    assert len(run.log) == 6
    assert run.log is run.log  # made once
    run.record(outcome("new@z.test", "accepted").to_row())
    assert len(run.log) == 7


def test_counts_are_of_recipients_by_their_last_state(run: Run) -> None:
    assert run.counts == {
        "accepted": 1,
        "deferred": 0,
        "rejected": 1,
        "failed": 0,
        "in_doubt": 1,
        "suppressed": 1,
    }
    assert run.outcomes["recipient"].tolist() == [
        "ann@x.test",
        "bob@y.test",
        "eve@z.test",
        "zoe@z.test",
    ]


def test_the_summary_has_counts_and_shares(run: Run) -> None:
    summary = run.summary()
    assert summary.index.name == "outcome"
    assert summary.loc["accepted"].tolist() == [1, 0.25]
    assert summary["recipients"].sum() == 4
    assert summary["share"].sum() == 1
    assert str(summary["recipients"].dtype) == "int64"


def test_a_run_that_sent_nothing_has_no_shares() -> None:
    run = Run(Recorder(), "empty")
    assert run.summary()["recipients"].sum() == 0
    assert run.summary()["share"].isna().all()
    assert str(run.summary()["share"].dtype) == "float64"
    assert repr(run) == "<Run of 'empty': nothing sent>"
    assert run.transcript() == ""


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("ANN@x.test", ["accepted", "4Xb1", "junk folder", "-> RCPT TO:<ann@x.test>"]),
        ("bob@y.test", ["rejected", "550 5.1.1"]),
        ("eve@z.test", ["450 later", "in doubt", "before the server answered"]),
        ("zoe@z.test", ["suppressed"]),
    ],
)
def test_the_story_of_one_recipient(address: str, parts: list[str], run: Run) -> None:
    story = str(run.recipient(address))
    assert story.startswith(address.lower())
    for part in parts:
        assert part in story


def test_a_recipient_who_is_not_there_suggests_the_near_one(run: Run) -> None:
    with pytest.raises(SMTPBookError, match=r"did you mean 'bob@y.test'"):
        run.recipient("bbo@y.test")


def test_foreign_text_does_nothing_where_it_is_shown(run: Run) -> None:
    for text in (str(run.recipient("bob@y.test")), run.transcript(), repr(run)):
        assert "\u202e" not in text
        assert "\x1b" not in text
    hostile = Run(Recorder(), "<script>$x$</script>")
    html = hostile._repr_html_()
    assert "<script>" not in html
    assert "$" not in html
    assert "&lt;script&gt;" in html


def test_it_shows_itself_with_its_counts(run: Run) -> None:
    run.record(outcome("new@z.test", "accepted").to_row())
    assert repr(run) == (
        "<Run of 'november': ✓ 2 accepted, ✗ 1 rejected, ? 1 in doubt, ■ 1 suppressed>"
    )
    html = run._repr_html_()
    assert "in doubt" in html
    assert "var(--jp-content-font-color1, CanvasText)" in html
