"""What each chart shows is what the log says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgba
from matplotlib.figure import Figure

from smtpbook.charts.canvas import alt_text, spread
from smtpbook.charts.plot_compare import plot_compare
from smtpbook.charts.plot_conversation import plot_conversation
from smtpbook.charts.plot_domains import plot_domains
from smtpbook.charts.plot_outcomes import plot_outcomes
from smtpbook.charts.plot_reply_codes import plot_reply_codes
from smtpbook.charts.plot_retry_curve import plot_retry_curve
from smtpbook.charts.plot_sessions import plot_sessions
from smtpbook.charts.plot_throughput import plot_throughput
from smtpbook.charts.plot_waterfall import plot_waterfall
from smtpbook.errors import SMTPBookError
from smtpbook.events import row_of
from smtpbook.log.frame import to_frame
from smtpbook.palette import GREEN, PLAIN, PURPLE, SEVERITY_COLORS
from smtpbook.tables.over_time import retry_curve
from tests.log.story import START, Story


def empty_axes() -> Axes:
    axes: Axes = Figure(layout="constrained").subplots()
    return axes


def texts(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.texts]


def labels(ax: Axes) -> list[str]:
    return [tick.get_text() for tick in ax.get_yticklabels()]


def decided(who: int, outcome: str, attempt: int | None = 1, **cells: Any) -> Any:
    return row_of(
        time=START + 1_000_000 * (attempt or 1),
        kind="outcome",
        recipient=f"p{who}@x.example",
        recipient_domain="x.example",
        outcome=outcome,
        attempt=attempt,
        **cells,
    )


def handshake() -> pd.DataFrame:
    """One session that has everything: a pipelined group, TLS, a reply that never came."""
    story = Story()
    story.add("dns", latency_s=0.001, service_s=0.001)
    story.add("connect", latency_s=0.004, service_s=0.004)
    story.said("GREETING", None, "220 mx.example ESMTP")
    story.said("EHLO", "EHLO laptop.example", "250 mx.example\nPIPELINING\nSTARTTLS")
    story.said("STARTTLS", "STARTTLS", "220 2.0.0 go")
    story.add("tls", latency_s=0.02, service_s=0.02, tls_version="TLSv1.3")
    story.said("AUTH", "[redacted]", "235 2.7.0 ok")
    story.message("ann@x.example", pipelined=1, seconds=(0.01, 0.02, 0.005, 0.1))
    story.message("bob@x.example", rcpt="550 5.1.1 no", outcome="rejected")
    story.add("command", verb="NOOP", command="NOOP", error="TimeoutError")
    story.add("disconnect")
    return to_frame(story.rows)


# -- one session


def test_a_waterfall_tells_what_a_step_took_from_what_it_waited() -> None:
    ax = plot_waterfall(handshake(), ax=empty_axes())
    rows = labels(ax)
    assert rows[:6] == [
        *("name looked up", "connected", "greeting", "EHLO laptop.example", "STARTTLS"),
        "TLS handshake",
    ]
    assert "AUTH [redacted]" in rows
    waited, took = ax.containers
    rcpt = rows.index("RCPT TO:<ann@x.example>")
    assert took[rcpt].get_width() == pytest.approx(0.02)
    assert waited[rcpt].get_width() == pytest.approx(0.01)
    assert waited[rcpt].get_x() + 0.01 == pytest.approx(took[rcpt].get_x())
    assert to_hex(took[rows.index("TLS handshake")].get_facecolor()) == PLAIN.lower()
    refused = rows.index("RCPT TO:<bob@x.example>")
    assert took[refused].get_facecolor() == to_rgba(SEVERITY_COLORS[5])
    assert took[rows.index("NOOP")].get_facecolor() == to_rgba(PURPLE)
    assert "20.0 ms" in texts(ax)


def test_a_waterfall_cuts_out_the_time_in_which_nothing_was_awaited() -> None:
    story = Story().opened()
    for n in range(3):
        story.time += 60_000_000
        story.message(f"p{n}@x.example", pipelined=n, seconds=(0.01, 0.01, 0.01, 0.03))
    ax = plot_waterfall(to_frame(story.rows), ax=empty_axes())
    ticks = [tick.get_text() for tick in ax.get_xticklabels()]
    assert ticks == ["+0 s", "+1 min", "+2 min", "+3 min"]
    assert ax.get_xlim()[1] < 0.5
    assert "idle time is cut out" in ax.get_xlabel()
    assert "idle" not in plot_waterfall(handshake(), ax=empty_axes()).get_xlabel()


def test_a_waterfall_of_one_recipient_leaves_the_others_out() -> None:
    ax = plot_waterfall(handshake(), recipient="BOB@x.example", ax=empty_axes())
    assert labels(ax) == ["MAIL FROM:<news@example.org>", "RCPT TO:<bob@x.example>"]
    asked = Story().opened()
    asked.said("VRFY", "VRFY bob", "252 2.1.5 perhaps", recipient="Bob@x.example")
    ax = plot_waterfall(to_frame(asked.rows), recipient="bob@x.example", ax=empty_axes())
    assert labels(ax) == ["VRFY bob"]  # outside a transaction


def test_long_sessions_are_cut_and_the_rest_is_counted() -> None:
    ax = plot_waterfall(handshake(), max_rows=5, ax=empty_axes())
    assert len(labels(ax)) == 5
    assert ax.get_title(loc="left").endswith("16 steps; the first 5 are shown")
    ax = plot_conversation(handshake(), max_steps=5, ax=empty_axes())
    assert ax.get_title(loc="left").endswith(": the first 5 steps")


def test_a_conversation_has_a_groups_commands_before_its_replies() -> None:
    told = alt_text(plot_conversation(handshake(), recipient="ann@x.example"))
    assert told.endswith(
        "Client: MAIL FROM:<news@example.org>. Client: RCPT TO:<ann@x.example>. "
        "Client: DATA. Server: 250 2.1.0 Ok. Server: 250 2.1.5 Ok. Server: 354 go ahead. "
        "Client: [2.0 KiB of mail data]. Client: . (end of mail data). "
        "Server: 250 2.0.0 Ok: queued as 3F2A9C11."
    )
    shown = texts(plot_conversation(handshake(), ax=empty_axes()))
    assert "250 mx.example (+ 2 lines)" in shown
    assert "TLSv1.3" in shown
    assert "no reply to NOOP: TimeoutError" in shown
    assert "grey band: written as one group; tinted: under TLS" in shown


@pytest.mark.parametrize("plot", [plot_waterfall, plot_conversation])
def test_a_session_or_recipient_that_is_not_there_gets_the_near_miss(plot: Any) -> None:
    with pytest.raises(SMTPBookError, match="no session 's2' in this log"):
        plot(handshake(), "s2")
    with pytest.raises(
        SMTPBookError, match=r"no recipient 'an@x.example'.*'ann@x.example'"
    ):
        plot(handshake(), recipient="an@x.example")


@pytest.mark.parametrize("plot", [plot_waterfall, plot_conversation])
@pytest.mark.parametrize(
    ("asked", "whose"),
    [
        ({"session_id": "s9"}, "session s9"),
        ({"recipient": "Eve@x.example"}, "Eve@x.example"),
        ({"recipient": "eve@x.example", "session_id": "s9"}, "eve@x.example"),
    ],
)
def test_where_a_log_has_outcomes_only_that_is_said(
    plot: Any, asked: dict[str, str], whose: str
) -> None:
    story = Story("s9")
    story.add("outcome", recipient="eve@x.example", outcome="failed", error="TimeoutError")
    ax = plot(pd.concat([handshake(), to_frame(story.rows)]), **asked, ax=empty_axes())
    assert texts(ax) == [f"Of {whose} this log holds outcomes only, no dialogue."]
    ax = plot(to_frame(story.rows), ax=empty_axes())
    assert texts(ax) == ["No session in this log."]


def test_intervals_of_two_runs_may_take_each_recipient_as_independent() -> None:
    log = to_frame(Story().opened().message("ann@x.example").closed().rows)
    captions = [
        " ".join(ax.get_xlabel() for ax in plot_compare(log, log, **given).axes)
        for given in ({}, {"is_clustered": False})
    ]
    assert ["bootstrap" in caption for caption in captions] == [True, False]


def test_a_session_is_a_bar_that_says_what_each_moment_brought() -> None:
    ax = plot_sessions(handshake(), ax=empty_axes())
    assert labels(ax) == ["s1"]
    picture = ax.images[0].get_array()
    pixels = picture[len(picture) // 2]
    colors = {to_hex(color) for color in pixels}
    assert {SEVERITY_COLORS[2].lower(), SEVERITY_COLORS[5].lower(), PLAIN.lower()} <= colors
    assert to_hex(pixels[0]) == PLAIN.lower()
    assert ax.get_title(loc="left") == "1 session, at most 1 at a time"
    assert texts(ax)[0] == "2"
    (lost,) = [line for line in ax.lines if line.get_marker() == "X"]
    assert list(lost.get_ydata()) == [0]
    calm = plot_sessions(to_frame(Story().opened().closed().rows), ax=empty_axes())
    (lost,) = [line for line in calm.lines if line.get_marker() == "X"]
    assert list(lost.get_ydata()) == []


# -- recipients


def test_outcomes_flow_from_attempt_to_attempt() -> None:
    rows = [decided(n, "accepted") for n in range(6)]
    rows += [decided(n, "deferred") for n in range(6, 10)]
    rows += [decided(n, "accepted", 2) for n in (6, 7)] + [decided(8, "rejected", 2)]
    ax = plot_outcomes(to_frame(rows), ax=empty_axes())
    assert [tick.get_text() for tick in ax.get_xticklabels()] == [
        "attempt 1\n10",
        "attempt 2\n3",
        "in the end\n10",
    ]
    assert texts(ax) == [
        *("✓ accepted 6 (60%)", "▲ deferred 4 (40%)"),
        *("✓ accepted 2 (67%)", "✗ rejected 1 (33%)"),
        *("✓ accepted 8 (80%)", "✗ rejected 1 (10%)", "▲ deferred 1 (10%)"),
    ]
    (stream,) = ax.collections
    corners = stream.get_paths()[0].vertices
    assert corners[:, 1].min() == 0  # the whole of the second bar
    assert corners[np.isclose(corners[:, 0], 0.2), 1].min() == pytest.approx(0.7)


def test_attempts_without_a_number_are_counted_and_late_ones_put_together() -> None:
    rows = [decided(1, "deferred", None) for _ in range(7)]
    ax = plot_outcomes(to_frame(rows), ax=empty_axes())
    heads = [tick.get_text() for tick in ax.get_xticklabels()]
    assert heads[0] == "attempt 1\n1"
    assert heads[-2:] == ["attempts 5 to 7\n1", "in the end\n1"]
    ax = plot_outcomes(to_frame([decided(1, "accepted", 3)]), ax=empty_axes())
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["attempt 3\n1"]


def test_domains_have_shares_of_outcomes_and_counts_of_reasons() -> None:
    whom = [("a.example", "accepted", None)] * 3
    whom += [("a.example", "rejected", "user_unknown")] * 2
    whom += [("b.example", "rejected", "policy")]
    rows = [
        row_of(
            kind="outcome",
            recipient=f"{n}@{domain}",
            recipient_domain=domain,
            outcome=outcome,
            reason=reason,
        )
        for n, (domain, outcome, reason) in enumerate(whom)
    ]
    ax = plot_domains(to_frame(rows), ax=empty_axes())
    assert labels(ax) == ["a.example", "b.example"]
    accepted, rejected = ax.containers
    assert [bar.get_width() / 4 for bar in accepted] == pytest.approx([0.6, 0])
    assert [bar.get_width() / 4 for bar in rejected] == pytest.approx([0.4, 1])
    ticks = [tick.get_text() for tick in ax.get_xticklabels()]
    assert ticks == ["0%", "50%", "100%", "user_unknown", "policy"]
    shown = ax.images[0].get_array()[:, :, 3] > 0.1
    assert shown.tolist() == [[True, False], [False, True]]
    assert ax.get_title(loc="left") == "6 recipients at 2 domains: 50% accepted"


def test_of_many_domains_the_smallest_are_one_row() -> None:
    rows = [
        row_of(
            kind="outcome",
            recipient=f"{n}",
            recipient_domain=f"d{n % 30}",
            outcome="failed",
        )
        for n in range(95)
    ]
    ax = plot_domains(to_frame(rows), ax=empty_axes())
    assert len(labels(ax)) == 20
    assert labels(ax)[-1] == "11 other domains"
    assert "33" in texts(ax)  # five of them have 4 recipients, all others 3


def test_the_retry_curve_has_the_steps_of_its_table() -> None:
    rows = [decided(n, "deferred") for n in range(4)]
    rows += [decided(0, "accepted", 61), decided(1, "accepted", 121)]
    log = to_frame(rows)
    ax = plot_retry_curve(log, ax=empty_axes())
    times, shares = ax.lines[0].get_data()
    table = retry_curve(log)
    assert list(times[:-1]) == list(table["waited_s"])
    assert list(shares[:-1]) == list(table["estimate"])
    assert ax.get_title(loc="left") == "4 deferred recipients, 2 accepted at a retry"


def test_where_nobody_was_tried_again_there_is_no_retry_curve() -> None:
    ax = plot_retry_curve(to_frame([decided(1, "deferred")]), ax=empty_axes())
    assert texts(ax) == ["No deferred recipient was tried again in this log."]


# -- counted


def test_reply_codes_by_verb_are_blocks_in_the_order_of_a_session() -> None:
    ax = plot_reply_codes(handshake(), by="verb", ax=empty_axes())
    heads = [text.split("  ")[0] for text in texts(ax) if "repl" in text]
    assert heads == [
        *("GREETING", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "END-OF-DATA")
    ]
    assert "1 (50%)" in texts(ax)
    assert sum(bar.get_width() for block in ax.containers for bar in block) == 10


def test_throughput_has_the_accepted_above_the_line_and_refusals_below() -> None:
    story = Story().opened()
    for n in range(6):
        story.message(
            f"p{n}@x.example",
            rcpt="450 4.2.0 later" if n % 3 else "250 Ok",
            outcome="deferred" if n % 3 else "accepted",
        )
        story.time += 60_000_000
    log = to_frame(story.rows)
    pace = pd.DataFrame({"time": [log["time"].min()], "rate_per_min": [2.0]})
    ax = plot_throughput(log, pace=pace, ax=empty_axes())
    accepted, refused = ax.patches
    assert to_hex(accepted.get_facecolor()) == GREEN.lower()
    assert max(accepted.get_data()[0]) > 0
    assert min(refused.get_data()[0]) < 0
    assert "a minute" in ax.get_ylabel()
    assert ax.lines[-1].get_ydata()[0] == pytest.approx(2)
    assert ax.get_title(loc="left").startswith("2 recipients accepted in")


def test_a_comparison_shows_who_came_to_another_outcome() -> None:
    first = to_frame([decided(n, "deferred") for n in range(3)] + [decided(3, "accepted")])
    second = to_frame([decided(n, "accepted") for n in range(4)])
    figure = plot_compare(first, second, names=("before", "$x$"))
    above, middle, below, changes = figure.axes
    legend = above.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["before", "$x$"]
    assert not any(text.get_parse_math() for text in legend.get_texts())
    assert labels(above) == ["✓ accepted", "▲ deferred"]
    assert {"1 (25%)", "4 (100%)", "3 (75%)", "0 (0%)"} == {*texts(above)}
    assert labels(middle) == ["▲ deferred → ✓ accepted"]
    assert middle.containers[0].datavalues.tolist() == [3]
    assert texts(below) == ["No reply in these logs has a time."]
    marks = [line for line in changes.lines if line.get_marker() == "o"]
    assert [line.get_xdata()[0] for line in marks] == pytest.approx([75, -75])
    assert "Newcombe" in changes.get_xlabel()


def test_a_command_that_became_slower_has_a_filled_mark_right_of_1() -> None:
    def sessions(seconds: float) -> pd.DataFrame:
        stories = [Story(f"s{number}") for number in range(20)]
        for number, story in enumerate(stories):
            for part in range(10):
                service_s = seconds * (1 + number / 100 + part / 50)
                story.said("MAIL", "MAIL", "250 Ok", service_s=service_s)
                story.said("RCPT", "RCPT", "250 Ok", service_s=0.001 * (1 + part / 50))
        return to_frame([row for story in stories for row in story.rows])

    *_, changes = plot_compare(sessions(0.01), sessions(0.02)).axes
    mail, rcpt = (line for line in changes.lines if line.get_marker() == "o")
    assert mail.get_xdata()[0] == pytest.approx(2, rel=0.01)
    assert rcpt.get_xdata()[0] == pytest.approx(1)
    assert mail.get_markerfacecolor() == mail.get_color() != rcpt.get_markerfacecolor()
    assert "cluster bootstrap by session" in changes.get_xlabel().replace("\n", " ")


def test_places_that_do_not_fit_are_spread_evenly() -> None:
    assert spread([0.5] * 3, 0.9, 0.0, 1.0) == [0.0, 0.5, 1.0]
    assert spread([], 0.1, 0.0, 1.0) == []
