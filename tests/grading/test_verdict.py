"""A verdict shows itself, and nothing of what a student or a server said is believed."""

from __future__ import annotations

from smtpbook.grading.verdict import right, wrong


def test_it_is_true_when_right_and_false_when_wrong() -> None:
    assert right("yes")
    assert not wrong("no")
    assert "✓ right: yes" in str(right("yes"))
    assert "✗ not yet: no" in str(wrong("no"))


def test_what_was_said_is_shown_escaped_and_cut() -> None:
    verdict = wrong("<b>", "<script>alert(1)</script>\x1b[31m", "x" * 1000)
    html = verdict._repr_html_()
    assert "<script" not in html
    assert "<b></b>" not in html
    assert "&lt;script&gt;" in html
    assert "\x1b" not in html + str(verdict)
    assert "x" * 301 not in html


def test_lines_of_a_reply_stay_lines() -> None:
    verdict = wrong("no", "-> EHLO a\n<- 250 hello\nSIZE 10")
    assert "    -> EHLO a\n    <- 250 hello\n    SIZE 10" in str(verdict)
