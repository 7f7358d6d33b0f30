"""A conversation is only ever appended to, and is no state of its widget."""

from __future__ import annotations

from smtpbook.widgets.conversation import Conversation
from tests.widgets.browser import messages_of


def test_lines_travel_one_by_one_and_all_again_to_a_new_page() -> None:
    conversation = Conversation("What was said")
    sent = messages_of(conversation)
    conversation.append("server", "220 mx \x1b[31m")
    conversation.append("client", "EHLO me")
    lines = [("server", r"220 mx \x1b[31m"), ("client", "EHLO me")]
    assert sent == [
        {"kind": "lines", "first": number, "lines": [line]}
        for number, line in enumerate(lines)
    ]
    conversation._handle_custom_msg({"kind": "lines?"}, [])
    assert sent[-1] == {"kind": "lines", "first": 0, "lines": lines}
    assert "EHLO" not in str(conversation.get_state())


def test_clearing_leaves_nothing() -> None:
    conversation = Conversation("What was said")
    conversation.append("client", "QUIT")
    conversation.clear()
    assert conversation.text == ""


def test_another_dialogue_takes_the_place_of_what_is_shown() -> None:
    conversation = Conversation("What was said", is_live=False)
    conversation.append("client", "QUIT")
    sent = messages_of(conversation)
    conversation.replace([("client", "EHLO me"), ("chosen", "250 \x1b")])
    assert conversation.text == "EHLO me\n250 \\x1b"
    # In one step: what is hidden in between would lose the keyboard's focus.
    lines = [("client", "EHLO me"), ("chosen", "250 \\x1b")]
    assert sent == [{"kind": "lines", "first": 0, "lines": lines}]
