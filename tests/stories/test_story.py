"""The story of one recipient: every attempt, what it meant, and what to do now."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from smtpbook.errors import SMTPBookError
from smtpbook.ledger.standings import Attempt
from smtpbook.log.frame import to_frame
from smtpbook.stories.story import Story, story_of
from smtpbook.stories.tries import Try
from tests.log.story import Story as Session
from tests.log.story import suppressed

ANN, BOB = "ann@x.example", "bob@y.example"
LATER = "450 4.7.1 Greylisted, please try again in 5 minutes"


@pytest.fixture
def session() -> Session:
    """Ann is greylisted and then accepted, Bob is rejected."""
    session = Session().opened()
    session.message(ANN, rcpt=LATER, outcome="deferred")
    session.time += 300_000_000
    session.message(ANN, attempt=2)
    session.message(BOB, rcpt="550 5.1.1 <b>no</b> \u202e$user$", outcome="rejected")
    return session.closed()


def flat(story: Story) -> str:
    """Give what is printed without its line ends."""
    return " ".join(str(story).split())


def told(session: Session, address: str) -> Story:
    return story_of(to_frame(session.rows), address, "november")


def test_every_attempt_is_told_with_its_reply_its_meaning_and_what_came_next(
    session: Session,
) -> None:
    story = told(session, "ANN@x.example")
    assert [one.outcome for one in story.tries] == ["deferred", "accepted"]
    assert [one.attempt for one in story.tries] == [1, 2]
    first, second = story.tries
    assert first.explanation is not None
    assert first.explanation.meaning in flat(story)
    assert "Attempt 1: ▲ deferred 2025-11-24 16:00:00 UTC" in str(story)
    assert f"{LATER} (to RCPT)" in flat(story)
    assert "tried again, 5 min later" in str(story)
    assert "Attempt 2: ✓ accepted 2025-11-24 16:05:00 UTC" in str(story)
    assert "smtp.example.org:587 [192.0.2.1], session s1" in str(story)
    assert second.message_id in str(story)
    assert "-> RCPT TO:<ann@x.example>" in str(story)
    assert story.outcome == "accepted"


def test_an_accepted_message_has_more_to_meet_and_each_step_has_its_source(
    session: Session,
) -> None:
    story = told(session, ANN)
    sentences, sources = zip(*story.advice, strict=True)
    assert "taken responsibility for it and passes it on" in sentences[0]
    assert sources[0] == "RFC 5321 section 6.1"
    for number, word in enumerate(
        ("bounce", "junk folder", "filter", "greylisting", "Forwarding", "moderator"), 1
    ):
        assert word in sentences[number]
    assert "news@example.org" in sentences[1]
    assert "postmaster@x.example" in sentences[-1]
    assert all(source.startswith("RFC ") for source in sources)


def test_relay_and_a_null_reverse_path_are_told_as_what_they_are() -> None:
    last = Try(attempt=1, outcome="accepted", port=25, server="mx.test", reverse_path="")
    story = Story(address=ANN, campaign="c", outcome="accepted", tries=(last,))
    assert "passes it on" not in flat(story)
    assert "reported to nobody" in flat(story)
    assert "in its junk folder" not in flat(story)


def test_a_refusal_says_what_to_do_and_a_deferral_how_to_try_again(
    session: Session,
) -> None:
    rejected = told(session, BOB)
    assert "take the address off the list" in flat(rejected)
    assert "A 5yz is not repeated unchanged" in flat(rejected)
    session = Session().opened()
    session.message(ANN, rcpt=LATER, outcome="deferred")
    assert 'send(only="deferred")' in flat(told(session, ANN))
    assert "The server asks to wait 5 min." in flat(told(session, ANN))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("TransportTimeout", "stayed silent"),
        ("TLSError", "encryption failed"),
        ("AuthenticationError", "refused the login"),
        ("TemplateError", "could not be made for this recipient"),
        ("TransportError", "could not be opened, or was lost"),
    ],
)
def test_a_failure_says_what_went_wrong(error: str, said: str) -> None:
    last = Try(attempt=1, outcome="failed", error=error)
    story = Story(address=ANN, campaign="c", outcome="failed", tries=(last,))
    assert said in flat(story)
    assert error in flat(story)
    assert 'send(only="failed")' in flat(story)


def test_who_is_in_doubt_is_settled() -> None:
    last = Try(attempt=1, outcome="in_doubt", error="TransportError")
    story = Story(address=ANN, campaign="c", outcome="in_doubt", tries=(last,))
    assert f'campaign.settle({{"{ANN}": "accepted"}})' in flat(story)
    assert "RFC 1047" in flat(story)


def test_who_is_suppressed_has_no_attempt_but_a_reason() -> None:
    log = to_frame([suppressed(ANN)])
    story = story_of(log, ANN, "c", why="unsubscribed on 2025-10-01")
    assert story.tries == ()
    assert story.outcome == "suppressed"
    assert "never written to: unsubscribed on 2025-10-01." in flat(story)


def test_who_was_tried_and_then_suppressed_keeps_the_attempt(session: Session) -> None:
    row = suppressed(BOB)
    log = to_frame([*session.rows, row])
    log.loc[log.index[-1], "attempt"] = 1
    story = story_of(log, BOB, "c")
    assert story.outcome == "suppressed"
    assert [one.outcome for one in story.tries] == ["rejected"]


def test_who_is_being_written_to_is_still_pending(session: Session) -> None:
    rows = [row for row in session.rows if row[6] != "outcome"]
    story = story_of(to_frame(rows), BOB, "c")
    assert story.outcome == "pending"
    assert story.tries == ()


def test_what_a_later_mail_reported_is_the_state_and_no_attempt(session: Session) -> None:
    log = to_frame([*session.rows, suppressed(ANN)])
    log.loc[log.index[-1], "outcome"] = "bounced"
    story = story_of(log, ANN, "c")
    assert story.outcome == "bounced"
    assert [one.outcome for one in story.tries] == ["deferred", "accepted"]
    assert "suppression list" in flat(story)


def test_the_ledger_adds_what_the_log_does_not_tell(session: Session) -> None:
    at = datetime(2025, 11, 25, tzinfo=UTC).timestamp()
    attempts = [
        Attempt(1, "<1@x>", False, at, "deferred", "RCPT", 450, "later", "s1", at, None),
        Attempt(2, "<2@x>", False, at, "in_doubt", None, None, None, "s1", at, "accepted"),
        Attempt(3, "<2@x>", True, at, None, None, None, None, None, None, None),
    ]
    log = to_frame(session.rows)
    log = log[(log["recipient"] != ANN) | (log["attempt"] == 1)]
    story = story_of(log, ANN, "c", attempts=attempts, outcome="accepted")
    first, second, third = story.tries
    assert first.reply == LATER  # the log's words, in full
    assert (second.settled, third.is_again) == ("accepted", True)
    assert "Settled ✓ accepted, as somebody said" in flat(story)
    assert "Attempt 3: ○ pending 2025-11-25" in flat(story)
    assert "it may have arrived twice" in flat(story)


def test_who_is_in_neither_gets_the_near_miss(session: Session) -> None:
    with pytest.raises(SMTPBookError, match="did you mean 'bob@y"):
        told(session, "bbo@y.example")
    nobody = to_frame([])
    assert story_of(nobody, ANN, "c", outcome="pending").tries == ()


class Page(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_it_shows_itself_and_what_is_foreign_does_nothing(session: Session) -> None:
    story = told(session, BOB)
    html = story._repr_html_()
    page = Page(html)
    assert page.tags.count("b") == 2  # ours: the address and the question
    assert "5.1.1 <b>no</b>" in page.text
    assert "$" not in html
    for shown in (html, str(story), repr(story), story.summary):
        assert "\u202e" not in shown
    assert "var(--jp-content-font-color1, CanvasText)" in html


def test_it_is_a_value(session: Session) -> None:
    story = told(session, ANN)
    assert story == told(session, ANN)
    with pytest.raises(FrozenInstanceError):
        story.outcome = "failed"  # type: ignore[misc]


def test_the_summary_is_one_line_with_what_matters(session: Session) -> None:
    assert told(session, BOB).summary.startswith(f"{BOB}: ✗ rejected, refused")
    assert "550 5.1.1" in told(session, BOB).summary
    last = Try(attempt=1, outcome="accepted", queue_id="4Xb1")
    story = Story(address=ANN, campaign="c", outcome="accepted", tries=(last,))
    assert story.summary == (
        f"{ANN}: ✓ accepted, sent: the server took it; the server calls the message 4Xb1"
    )
