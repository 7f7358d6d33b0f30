"""The chart of both sides: each arrow that arrives, and each that does not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from smtpbook.charts.canvas import alt_text
from smtpbook.errors import SMTPBookError
from smtpbook.insight.plot_two_sides import plot_two_sides
from smtpbook.log.frame import to_frame
from tests.log.story import START, Story

AHEAD_US = 90_000_000


def logs() -> tuple[pd.DataFrame, pd.DataFrame]:
    """A group of two commands, a lost reply, and a command that is never read."""
    ours, theirs = Story("us"), Story("them", start=START + AHEAD_US + 500)
    ours.add("connect", latency_s=0.001)
    for side in (theirs, ours):
        side.said("GREETING", None, "220 mx $x^2$ <b>\u202e", latency_s=0.001)
    asked = ours.time
    for verb, command in (("MAIL", "MAIL FROM:<a@x.test>"), ("RCPT", "RCPT TO:<b@y.test>")):
        ours.time, theirs.time = asked, asked + AHEAD_US + 500
        theirs.said(verb, command, "250 2.1.0 Ok", latency_s=0.0002)
        ours.said(verb, command, "250 2.1.0 Ok", latency_s=0.002, pipelined=1)
    theirs.time = ours.time + AHEAD_US + 500
    theirs.said("END-OF-DATA", ".", "250 2.0.0 queued as L1")
    for verb, command in (("END-OF-DATA", "."), ("QUIT", "QUIT")):
        ours.add("command", verb=verb, command=command, error="TransportError")
    return to_frame(ours.rows), to_frame(theirs.rows)


def axes() -> Axes:
    made: Axes = Figure(layout="constrained").subplots()
    return made


def texts(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.texts]


def test_what_was_said_and_not_heard_ends_in_a_cross() -> None:
    ax = plot_two_sides(*logs(), ax=axes())
    crosses = [line for line in ax.lines if line.get_marker() == "x"]
    # The lost reply on its way to the left, and QUIT on its way to the right.
    left, right = (float(np.asarray(line.get_xdata())[0]) for line in crosses)
    assert 0 < left < 0.5 < right < 1
    assert "8 steps, 2 never arrived" in ax.get_title(loc="left")
    assert "unheard: 250 2.0.0 queued as L1" in alt_text(ax)


def test_both_clocks_stand_beside_the_arrows_and_their_difference_below() -> None:
    ax = plot_two_sides(*logs(), ax=axes())
    assert any("server's clock is 90.0 s ahead (± " in text for text in texts(ax))
    beside = {(text.xy[0], text.get_text()) for text in ax.texts if hasattr(text, "xy")}
    assert {side for side, text in beside if text.startswith("+")} >= {0.0, 1.0}
    # Set to the client's clock, nothing is a minute off.
    assert not any(text.startswith("+") and text.endswith("min") for text in texts(ax))


def test_a_groups_commands_stand_before_its_replies_on_one_band() -> None:
    ax = plot_two_sides(*logs(), ax=axes())
    said = [text for text in texts(ax) if text[:4] in ("MAIL", "RCPT", "250 ")][:4]
    assert said[:2] == ["MAIL FROM:<a@x.test>", "RCPT TO:<b@y.test>"]
    assert len(ax.collections) == 1 + 2  # the band; the two sides' own lines
    assert any("grey band" in text for text in texts(ax))


def test_foreign_text_is_shown_and_does_nothing() -> None:
    ax = plot_two_sides(*logs(), ax=axes())
    (shown,) = [text for text in ax.texts if "220 mx" in text.get_text()]
    assert "\u202e" not in shown.get_text()
    assert not shown.get_parse_math()


def test_clocks_that_agree_are_told_so() -> None:
    ours, theirs = logs()
    theirs["time"] -= pd.Timedelta(microseconds=AHEAD_US)
    ax = plot_two_sides(ours, theirs, ax=axes())
    assert any(text.startswith("The clocks agree within") for text in texts(ax))


def test_of_a_long_session_the_first_steps_are_shown() -> None:
    ax = plot_two_sides(*logs(), max_steps=3, ax=axes())
    assert "the first 3 of 8 steps" in ax.get_title(loc="left")


def test_logs_without_a_common_session_say_so() -> None:
    ours, _ = logs()
    ax = plot_two_sides(ours, to_frame([]), ax=axes())
    assert "no session in common" in alt_text(ax)
    with pytest.raises(SMTPBookError, match="not in the server's log"):
        plot_two_sides(ours, to_frame([]), "us")
    with pytest.raises(SMTPBookError, match="did you mean 'us'"):
        plot_two_sides(*logs(), "uss")
