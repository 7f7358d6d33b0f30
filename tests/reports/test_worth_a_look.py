"""Sessions that tell most are shown, with what there is of each."""

from __future__ import annotations

from smtpbook.log.frame import to_frame
from smtpbook.reports.content import Facts, Lines, Paragraph
from smtpbook.reports.worth_a_look import worth_a_look
from tests.log.story import Story


def test_a_session_of_which_no_more_than_an_outcome_is_known_is_shown_too() -> None:
    story = Story("s9")
    story.add("outcome", recipient="eve@x.example", outcome="failed", error="TimeoutError")
    blocks = list(worth_a_look(to_frame(story.rows)))
    (facts,) = (block for block in blocks if isinstance(block, Facts))
    assert ("Why", "lost: TimeoutError") in facts.rows
    assert not [block for block in blocks if isinstance(block, Lines)]
    (said,) = (block.text for block in blocks if isinstance(block, Paragraph))
    assert said == "Of session s9 this log holds outcomes only, no dialogue."
