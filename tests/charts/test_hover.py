"""Hovering over a chart tells what is under the cursor, in words and with units."""

from __future__ import annotations

import matplotlib
import pytest
from matplotlib.backend_bases import MouseEvent
from matplotlib.figure import Figure

from smtpbook.charts.plot_domains import plot_domains
from smtpbook.charts.plot_latency import plot_latency
from smtpbook.charts.plot_reply_codes import plot_reply_codes
from smtpbook.charts.plot_sessions import plot_sessions
from smtpbook.charts.plot_timeline import plot_timeline
from smtpbook.log.frame import to_frame
from tests.log.story import START, Story, day

LOG = to_frame(day(40))


def test_a_row_is_told_by_its_name_and_a_time_with_its_unit() -> None:
    ax = plot_latency(LOG)
    assert [label.get_text() for label in ax.get_yticklabels()][3].startswith("RCPT")
    assert ax.format_coord(0.0042, 3.2).startswith("(x, y) = (4.20 ms, RCPT (")
    assert ax.format_coord(0.0042, 99).endswith(", )")


def test_a_moment_is_told_in_seconds_or_by_the_clock() -> None:
    assert "1.500 s, " in plot_timeline(LOG).format_coord(1.5, 0)
    story = Story().opened().message("a@x.example")
    story.time = START + 3_600_000_000
    ax = plot_timeline(to_frame(story.message("b@x.example").rows))
    days = START / 86_400e6
    assert "(2025-11-24 16:00:00 UTC, GREETING)" in ax.format_coord(days, 0)


def test_every_chart_with_names_on_an_axis_tells_them() -> None:
    assert "(354, 1)" in plot_reply_codes(LOG).format_coord(3, 1)
    assert "domain" in plot_domains(LOG).format_coord(0, 1)
    assert ", s1)" in plot_sessions(LOG).format_coord(0.1, 1)


def test_a_hostile_name_is_told_escaped() -> None:
    named = LOG.assign(recipient_domain="a\x1b[31m\u202eb.example")
    told = plot_domains(named).format_coord(0, 0)
    assert "\x1b" not in told
    assert "\u202e" not in told


# ipympl hands its toolbar an argument that traitlets would rather not have.
@pytest.mark.filterwarnings("ignore:Passing unrecognized arguments:DeprecationWarning")
def test_with_ipympl_the_cursor_is_answered_in_the_notebook() -> None:
    before = matplotlib.get_backend()
    nbagg = pytest.importorskip("ipympl.backend_nbagg")
    matplotlib.use(before)  # ipympl takes the place of the one in use when it is imported
    ax = plot_latency(LOG, ax=Figure().subplots())
    canvas = nbagg.Canvas(ax.figure)
    manager = nbagg.FigureManager(canvas, 0)
    assert canvas.manager is manager
    canvas.draw()
    x, y = ax.transData.transform((0.0042, 3.2))
    MouseEvent("motion_notify_event", canvas, x, y)._process()
    assert "4.20 ms, RCPT" in canvas._message
    assert {"pan", "zoom"} <= {item[3] for item in canvas.toolbar.toolitems}
