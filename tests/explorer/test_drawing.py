"""A chart on a page has the page's own ink, says what it shows, and runs nothing."""

from __future__ import annotations

import re

from smtpbook.explorer.drawing import draw_waterfall
from smtpbook.log.frame import to_frame
from smtpbook.svg import INK, PAPER
from smtpbook.tables.engine import PLACE
from tests.log.story import Story


def test_ink_and_paper_are_the_pages_and_the_chosen_step_is_bold() -> None:
    log = to_frame(Story().opened().message("ann@x.test").closed().rows)
    log = log.assign(**{PLACE: range(len(log))})
    place = int(log.loc[log["verb"] == "RCPT", PLACE].iloc[0])
    drawn = draw_waterfall(log, place)
    assert "var(--jp-content-font-color1, CanvasText)" in drawn
    assert "var(--jp-layout-color0, Canvas)" in drawn
    assert not re.search(f"{INK}|{PAPER}|#000000|#ffffff", drawn)
    (bold,) = re.findall(r"<text[^>]*font-weight: 700[^>]*>([^<]*)<", drawn)
    assert bold == "RCPT TO:&lt;ann@x.test&gt;"
    assert 'aria-label="Waterfall: Session s1' in drawn
    assert len(drawn) < 100_000


def test_foreign_text_is_text_and_nothing_is_fetched() -> None:
    hostile = "NOOP <script>alert(1)</script> $x$"
    story = Story('s"><img src=x>')
    story.said("NOOP", hostile, "250 ok")
    log = to_frame(story.rows)
    drawn = draw_waterfall(log.assign(**{PLACE: range(len(log))}), 0)
    assert "<script" not in drawn
    assert "<img" not in drawn
    assert "://" not in drawn


def test_what_has_no_dialogue_is_not_drawn() -> None:
    story = Story()
    story.add("outcome", recipient="ann@x.test", outcome="suppressed")
    log = to_frame(story.rows)
    assert draw_waterfall(log.assign(**{PLACE: range(len(log))}), 0) == ""
