"""Every state is told apart by its icon, read by its word, and heard by its meaning."""

from __future__ import annotations

import unicodedata
from html.parser import HTMLParser

from smtpbook import palette
from smtpbook.events import OUTCOMES
from smtpbook.states import STATES, counts_html, state, told

# What is there before a send has come to an outcome.
BEFORE = {"pending", "checked", "invalid"}
# Unicode's Emoji property among the characters that came into question: fonts draw these
# in colours and twice as wide.
EMOJI = set("☺♀♂♠♣♥♦‼↔↕▪▫▶◀✔✖⚠ℹ©®™0123456789#*")  # noqa: RUF001


class Page(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.attributes: list[tuple[str, str | None]] = []
        self.tags: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def test_there_is_one_for_every_outcome() -> None:
    assert set(STATES) == {*OUTCOMES, *BEFORE}
    assert all(one.name == name for name, one in STATES.items())


def test_icons_are_told_apart_without_colour_and_are_one_plain_character_wide() -> None:
    icons = [one.icon for one in STATES.values()]
    assert len(set(icons)) == len(icons)
    for icon in icons:
        assert len(icon) == 1
        assert icon not in EMOJI
        assert unicodedata.east_asian_width(icon) not in "WF"
        assert not unicodedata.combining(icon)


def test_colours_are_the_palettes() -> None:
    own = {value for value in vars(palette).values() if str(value).startswith("#")}
    assert {one.color for one in STATES.values()} <= own


def test_the_meaning_is_heard_and_the_vocabularys_word_is_read() -> None:
    page = Page(state("in_doubt").to_html())
    assert page.text == "? in doubt"
    meaning = "may or may not have been taken"
    assert ("aria-label", meaning) in page.attributes
    assert ("title", meaning) in page.attributes
    assert ("role", "img") in page.attributes


def test_no_text_has_a_colour_that_vanishes_in_a_theme() -> None:
    html = counts_html("c", {"accepted": 1, "suppressed": 2})
    for style in (value for name, value in Page(html).attributes if name == "style"):
        for rule in (style or "").split(";"):
            name, _, value = rule.partition(":")
            if name.strip() == "color":
                assert value.strip() in (
                    "inherit",
                    "var(--jp-content-font-color1, CanvasText)",
                )


def test_counts_leave_out_what_is_not_there() -> None:
    counts = {"accepted": 3, "rejected": 0, "pending": 1}
    assert told(counts) == "✓ 3 accepted, ○ 1 pending"
    text = Page(counts_html("november", counts)).text
    assert "75.0%" in text
    assert "rejected" not in text
    assert "<table" not in counts_html("empty", {"accepted": 0})


def test_what_others_wrote_does_nothing() -> None:
    hostile = "<img src=x onerror=alert(1)>\u202e$x$"
    for html in (
        state(hostile).to_html(),
        counts_html(hostile, {hostile: 1}, notes=[hostile]),
    ):
        assert "img" not in Page(html).tags
        assert "\u202e" not in html
        assert "$" not in html
    assert "\u202e" not in f"{state(hostile)} {told({hostile: 1})}"
