"""A preheader is seen in the mailbox's list and nowhere else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from smtpbook.bodies.preheader import preheader_html
from smtpbook.bodies.text import html_to_text


def test_text_is_escaped_and_on_one_line() -> None:
    html = preheader_html("Doors &\r\n <b>hours</b>")
    assert isinstance(html, Markup)
    assert ">Doors &amp; &lt;b&gt;hours&lt;/b&gt;&zwnj;&nbsp;" in html
    assert "mso-hide:all" in html


def test_html_that_is_safe_already_stays() -> None:
    assert ">{{ a }} &amp;&zwnj;" in preheader_html(Markup("{{ a }} &amp;"))


def test_a_long_text_needs_no_filler() -> None:
    assert "&zwnj;" not in preheader_html("x" * 140)


@given(st.text())
def test_nothing_of_it_is_seen_in_the_letter(text: str) -> None:
    assert html_to_text(preheader_html(text) + Markup("seen"), finished=True) == "seen"
