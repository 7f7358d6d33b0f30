"""How far a send has come is told from a few numbers, safely, in text and in HTML."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from smtpbook.campaign.status import Speed, Watch
from smtpbook.events import Event, Row
from smtpbook.progress import Silent


def outcome(outcome: str, verb: str, code: int | None, text: str = "") -> Row:
    return Event(
        kind="outcome",
        outcome=outcome,
        verb=verb,
        reply_code=code,
        enhanced_status=text.split(" ")[0] if text[1:2] == "." else None,
        reply_text=text or None,
        server="mx.test",
    ).to_row()


@pytest.fixture
def rows() -> list[Row]:
    return []


@pytest.fixture
def watch(rows: list[Row]) -> Watch:
    return Watch("november", rows.append)


# --- speed --------------------------------------------------------------------------------


def test_the_speed_is_that_of_the_last_ten_seconds() -> None:
    speed = Speed(0.0)
    for second in range(1, 101):
        for part in range(10):
            now = second + part / 10
            done = second * 10 if second <= 50 else 500 + (second - 50) * 2
            speed.note(now, done)
        if second in (30, 50):
            assert speed.per_s(now, done) == pytest.approx(10, rel=0.1)
    assert speed.per_s(101.0, 600) == pytest.approx(2, rel=0.1)


def test_within_the_first_second_no_speed_is_claimed() -> None:
    speed = Speed(5.0, 100)
    assert speed.per_s(5.0, 100) == 0
    assert speed.per_s(5.9, 900) == 0
    assert speed.per_s(6.0, 110) == 10


def test_where_nothing_happens_any_more_the_speed_sinks() -> None:
    speed = Speed(0.0)
    for second in range(1, 20):
        speed.note(second, second * 10)
    assert speed.per_s(1000.0, 190) < 0.2


# --- what is kept -------------------------------------------------------------------------


def test_of_each_kind_of_reply_the_last_is_kept_and_explained(
    watch: Watch, rows: list[Row]
) -> None:
    given = [
        outcome("accepted", "END-OF-DATA", 250, "2.0.0 queued as 1"),
        outcome("rejected", "RCPT", 550, "5.1.1 no such user"),
        outcome("failed", "MAIL", None),
        *(
            outcome("accepted", "END-OF-DATA", 250, f"2.0.0 queued as {n}")
            for n in range(2, 900)
        ),
        Event(kind="command", verb="NOOP", reply_code=250).to_row(),
    ]
    for row in given:
        watch.record(row)
    assert rows == given
    taken, refused = watch.status("running", None, None).replies
    assert taken.text == "250 2.0.0 queued as 899"
    assert (refused.reason, refused.verb) == ("user_unknown", "RCPT")


def test_however_many_kinds_of_replies_come_a_few_are_kept(watch: Watch) -> None:
    for code in range(400, 600):
        watch.record(outcome("deferred", "RCPT", code, "no"))
    assert [one.code for one in watch.status("running", None, None).replies] == [
        *(599, 598, 597, 596),
    ]


def test_what_it_is_told_it_passes_on(watch: Watch) -> None:
    seen: list[object] = []

    class Shown(Silent):
        def update(self, done: int, counts: object) -> None:
            seen.append((done, counts))

        def close(self) -> None:
            seen.append("closed")

    watch.shown = Shown()
    watch.update(1, {"accepted": 1})
    watch.close()
    assert seen == [(1, {"accepted": 1}), "closed"]


def test_it_says_until_when_it_waits_if_that_is_not_at_once(watch: Watch) -> None:
    watch.total = 4
    now = datetime.now(UTC)
    soon = watch.status("running", None, now + timedelta(seconds=1))
    assert soon.waits_until is None
    later = watch.status("running", None, now + timedelta(days=2))
    assert later.waits_until == now + timedelta(days=2)
    assert later.eta is None
    assert later.rate_per_s == 0
    day = (now + timedelta(days=2)).astimezone()
    assert later.headline == f"running, 0 of 4 (0 %), waits until {day:%Y-%m-%d %H:%M}"
    assert watch.status("paused", None, now + timedelta(days=2)).waits_until is None


def test_a_status_does_not_change_with_what_comes_later(watch: Watch) -> None:
    counts = {"accepted": 1}
    watch.update(1, counts)
    status = watch.status("running", None, None)
    counts["accepted"] = 2
    assert status.counts == {"accepted": 1}


# --- how it shows itself ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("total", "done", "share"), [(None, 0, 0.0), (0, 0, 1.0), (4, 1, 0.25), (4, 9, 1.0)]
)
def test_the_share_is_a_part_of_one(
    watch: Watch, total: int | None, done: int, share: float
) -> None:
    watch.total = total
    watch.update(done, {})
    assert watch.status("running", None, None).share == share


def test_text_and_html_say_the_same(watch: Watch) -> None:
    watch.total = 8
    watch.record(outcome("rejected", "RCPT", 550, "5.1.1 no such user"))
    watch.update(2, {"accepted": 1, "rejected": 1, "failed": 0})
    text = str(watch.status("paused", "as you asked", None))
    assert text.startswith("november: paused: as you asked, 2 of 8 (25 %)\n  ✓ 1 accepted")
    assert "RCPT: 550 5.1.1 no such user (" in text
    bundle = watch.status("paused", "as you asked", None)._repr_mimebundle_()
    assert bundle["text/plain"] == text
    for word in ("paused: as you asked", "25 %", "no such user", "✓", "rejected"):
        assert word in bundle["text/html"]


def test_at_its_end_it_says_how_long_it_took(watch: Watch) -> None:
    watch.total = 90
    watch.update(90, {"accepted": 90})
    status = watch.status("running", None, None)
    watch.ended = status.started + timedelta(seconds=45)
    assert watch.status("done", None, None).headline == (
        "done, 90 of 90 (100 %), 2 a second, in 45 s"
    )


@pytest.mark.parametrize("show", [str, lambda status: status._repr_html_()])
def test_foreign_text_does_nothing(rows: list[Row], show: Callable[[object], str]) -> None:
    evil = "\x1b[2J\u202e<script>$x$</script>"
    watch = Watch(evil, rows.append)
    watch.record(outcome("rejected", "RCPT", 550, evil))
    shown = show(watch.status("failed", evil, None))
    assert not {"\x1b", "\u202e"} & set(shown)
    if show is not str:
        assert "<script>" not in shown
        assert "$" not in shown
