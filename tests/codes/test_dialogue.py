from __future__ import annotations

from pathlib import Path

import pytest

from smtpbook.codes.dialogue import exchanges, read_lines
from smtpbook.codes.explain import explain

SEED = (
    Path(__file__).parents[2].joinpath("data", "transcripts", "seed-dialogue.txt")
).read_text("ascii")
# The issue's own spelling of it.
SLASHED = (
    "S:220 SU-SCORE.ARPA Simple Mail Transfer Service Ready / C:HELO MIT-MC.ARPA / "
    "S:250 SU-SCORE.ARPA / C:SEND FROM:<EAK@MIT-MC.ARPA> / S:250 OK / "
    "C:RCPT TO:<Admin.MRC@SU-SCORE.ARPA> / S:450 User not active now / C:DATA / "
    "S:354 Start mail input; end with <CRLF>.<CRLF> / C:Blah blah blah... / "
    "C:...etc. etc. etc. / C:. / S:250 OK / C:QUIT / "
    "S:221 SU-SCORE.ARPA Service closing transmission channel"
)
FORMS = {
    "C:/S:": SEED,
    "slashes": SLASHED,
    "arrows": SEED.replace("C:", " -> ").replace("S:", "<-  "),
    "words": SEED.replace("C:", "Client: ").replace("S:", "Server: "),
    "CRLF": SEED.replace("\n", "\r\n"),
}


def pairs(text: str) -> list[tuple[str | None, int | None]]:
    return [
        (e.verb, e.reply.code if e.reply else None) for e in exchanges(read_lines(text))
    ]


def test_seed_dialogue_is_the_issues_word_for_word() -> None:
    assert SEED.splitlines() == SLASHED.split(" / ")


@pytest.mark.parametrize("form", FORMS)
def test_seed_dialogue_shows_both_its_faults_with_their_lines(form: str) -> None:
    explained = explain(FORMS[form])
    first, second = explained.faults
    assert first.startswith("line 4: SEND FROM delivers to the recipient's terminal")
    assert "RFC 821 section 3.4" in first
    assert second.startswith("line 9: DATA is answered 354 although no RCPT was accepted")
    assert "503 or 554" in second
    assert "RSET" in second


def test_dialogue_is_explained_by_its_first_refusal() -> None:
    explained = explain(SEED)
    assert (explained.code, explained.verb, explained.text) == (
        450,
        "RCPT",
        "450 User not active now",
    )
    assert explained.meaning.startswith("Line 7: ")
    assert "first refusal of the dialogue, line 7" in explained.why


def test_dialogue_without_refusal_is_explained_by_its_last_reply() -> None:
    explained = explain("S:220 mx\nC:EHLO me\nS:250-mx\nS:250 SIZE\nC:QUIT\nS:221 bye")
    assert (explained.code, explained.verb, explained.faults) == (221, "QUIT", ())


def test_corrected_seed_dialogue_has_no_fault() -> None:
    corrected = SEED.replace("SEND FROM", "MAIL FROM").replace("450 User", "250 User")
    assert explain(corrected).faults == ()


def test_scenario_of_rfc_821_has_only_the_first_fault() -> None:
    """Appendix F, scenario 5: RSET after the 450, and then MAIL."""
    head, _, tail = SEED.partition("C:DATA\n")
    again = (
        "C:RSET\nS:250 OK\nC:MAIL FROM:<EAK@MIT-MC.ARPA>\nS:250 OK\n"
        "C:RCPT TO:<Admin.MRC@SU-SCORE.ARPA>\nS:250 OK\nC:DATA\n"
    )
    (fault,) = explain(head + again + tail).faults
    assert fault.startswith("line 4: SEND FROM")


def test_replies_of_pipelined_commands_are_told_apart() -> None:
    text = (
        "S:220 mx\nC:MAIL FROM:<a@b>\nC:RCPT TO:<c@d>\nC:DATA\n"
        "S:250 ok\nS:550 no\nS:354 go\nC:.\nS:554 no recipients"
    )
    assert pairs(text) == [
        ("GREETING", 220),
        ("MAIL", 250),
        ("RCPT", 550),
        ("DATA", 354),
        ("END-OF-DATA", 554),
    ]
    (fault,) = explain(text).faults
    assert fault.startswith("line 7: DATA is answered 354")


def test_message_text_is_not_taken_for_commands() -> None:
    text = "C:DATA\nS:354 go\nC:SEND FROM: here\nC:RSET\nC:.\nS:250 ok\nC:SEND FROM:<a@b>"
    assert pairs(text) == [("DATA", 354), ("END-OF-DATA", 250), ("SEND", None)]
    (fault,) = explain(text).faults
    assert fault.startswith("line 7")


def test_login_goes_on_after_334() -> None:
    text = (
        "C:AUTH LOGIN\nS:334 VXNlcm5hbWU6\nC:cXVpdA==\nS:334 UGFzc3dvcmQ6\nC:eA==\nS:535 no"
    )
    assert pairs(text) == [("AUTH", 334), ("AUTH", 334), ("AUTH", 535)]
    assert explain(text).reason == "login"
    assert "cXVpdA" not in str(explain(text))


def test_unasked_reply_has_no_verb() -> None:
    assert pairs("S:220 mx\nS:421 timeout") == [("GREETING", 220), (None, 421)]


def test_lines_without_prefix_belong_to_who_spoke_before() -> None:
    text = "S:220 mx\n\nC:DATA\nS:354 go\nC:Subject: hi\n\nC is a letter\n.\nS:250 ok"
    assert pairs(text) == [("GREETING", 220), ("DATA", 354), ("END-OF-DATA", 250)]
    assert [line.number for line in read_lines("S:220 mx\n\nC:QUIT")] == [1, 3]


def test_commands_alone_are_explained_too() -> None:
    explained = explain("C:SEND FROM:<a@b>")
    assert (explained.verb, explained.code) == ("SEND", None)
    assert explained.faults[0].startswith("line 1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("C:EHLO me\nS:hello", "line 2 is no reply"),
        ("S:220 mx\nC:EHLO me\nS:250-mx", "ends inside a reply"),
        ("C:", "expected a reply"),
    ],
)
def test_broken_dialogue_names_the_place(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        explain(text)
