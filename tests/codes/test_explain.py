from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpbook.codes.explain import explain, reason_of
from smtpbook.codes.tables import (
    command_replies,
    commands,
    enhanced_statuses,
    reasons,
    reply_codes,
)
from smtpbook.protocol.replies import Reply

HELP_PAGE = "211 220 221 250 251 421 450 451 452 500 501 502 503 504 550 551 552 553 554"
CODES = st.integers(200, 599)
VERBS = st.sampled_from([None, "XYZ", *commands(), "GREETING"])


@pytest.mark.parametrize("code", sorted({*HELP_PAGE.split(), *map(str, reply_codes())}))
def test_every_code_has_a_sentence_a_remedy_and_a_source(code: str) -> None:
    explained = explain(code)
    assert explained.code == int(code)
    assert explained.meaning
    assert explained.remedy
    assert explained.source
    assert explained.why == f"reply code {code}"


def test_every_command_and_code_is_explained_for_this_command(
    subtests: pytest.Subtests,
) -> None:
    for (verb, code), entry in command_replies().items():
        with subtests.test(verb=verb, code=code):
            explained = explain(f"{code} text", verb=verb)
            assert explained.why == f"reply code {code} to {verb}"
            assert explained.meaning == entry.meaning
            assert explained.remedy
            assert explained.source


@pytest.mark.parametrize("code", [450, 550])
def test_every_enhanced_status_is_explained(code: int, subtests: pytest.Subtests) -> None:
    of_class = [one for one in enhanced_statuses() if one[0] in ("X", str(code)[0])]
    assert len(of_class) > 50
    for status in of_class:
        number = status.replace("X", str(code)[0])
        with subtests.test(number):
            explained = explain(f"{code} {number} text")
            assert explained.enhanced_status == number
            if status != "X.0.0":
                expected = enhanced_statuses().get(number) or enhanced_statuses()[status]
                assert explained.meaning == expected.meaning
                assert explained.reason == expected.reason
            assert explained.remedy


@pytest.mark.parametrize(
    ("verb", "reason"),
    [
        ("GREETING", "ip_blocked"),
        ("MAIL", "sender_blocked"),
        ("RCPT", "user_unknown"),
        ("END-OF-DATA", "policy"),
    ],
)
def test_550_means_another_thing_after_each_command(verb: str, reason: str) -> None:
    assert explain("550 no", verb=verb).reason == reason


@pytest.mark.parametrize(
    ("verb", "text", "reason"),
    [
        ("RCPT", "550 5.1.1 no such user", "user_unknown"),
        ("RCPT", "452 4.2.2 over quota", "mailbox_full"),
        ("RCPT", "552 5.2.2 over quota", "mailbox_full"),
        ("RCPT", "450 4.7.1 come back", "greylisted"),
        ("RCPT", "452 too many", "too_many_recipients"),
        ("AUTH", "535 no", "login"),
        ("MAIL", "530 5.7.0 log in", "login"),
        (None, "530 5.7.0 log in", "login"),
        ("AUTH", "535 5.7.1 no", "login"),
        ("STARTTLS", "454 4.7.0 not now", "tls"),
        ("AUTH", "550 5.7.1 no", "policy"),
        ("DATA", "550 no", "policy"),
        ("MAIL", "552 too big", "too_large"),
        ("STARTTLS", "454 not now", "tls"),
        ("GREETING", "554 no", "ip_blocked"),
        ("GREETING", "554 5.7.1 no", "ip_blocked"),
        ("MAIL", "550 5.1.1 no", "sender_blocked"),
        ("END-OF-DATA", "550 5.7.26 no", "auth_failed"),
        ("END-OF-DATA", "550 5.7.26 Not authenticated", "auth_failed"),
        ("END-OF-DATA", "550 5.7.650 no", "policy"),
        ("RCPT", "550 5.0.0 no", "user_unknown"),
        (None, "421 busy", "server_error"),
        (None, "471 filtered", "unknown"),
        (None, "599 what", "unknown"),
        ("RCPT", "250 2.1.5 ok", None),
        ("DATA", "354 go", None),
        (None, "299 new", None),
    ],
)
def test_reason(verb: str | None, text: str, reason: str | None) -> None:
    assert explain(text, verb=verb).reason == reason


def test_unlisted_code_is_acted_on_by_its_first_digit() -> None:
    explained = explain("599 what")
    assert (
        explained.why == "unlisted code, acted on by its first digit, RFC 5321 section 4.2"
    )
    assert explained.permanence == "permanent"
    assert explain("499").permanence == "transient"
    assert explain("399").permanence == "intermediate"


@given(CODES, st.from_regex(r"[245]\.\d{1,3}\.\d{1,3}", fullmatch=True), VERBS)
def test_the_code_is_never_contradicted(code: int, status: str, verb: str | None) -> None:
    explained = explain(f"{code} {status} text", verb=verb)
    assert explained.permanence == Reply(code=code).severity
    assert (explained.reason is None) == (code < 400)
    assert (explained.advice == "continue") == (code < 400)
    if explained.permanence == "transient":
        assert explained.advice != "suppress"
    assert 0 < explained.confidence <= 1


@given(CODES, st.sampled_from(["", "5.1.1 x", "4.2.2 x", "2.0.0 x"]), VERBS)
def test_the_short_way_gives_the_same_reason(
    code: int, text: str, verb: str | None
) -> None:
    reply = Reply(code=code, lines=(text,))
    reason = reason_of(verb, code, reply.enhanced_status, text)
    assert reason == explain(reply, verb=verb).reason
    assert reason is None or reason in reasons()


@pytest.mark.parametrize("status", ["5.1", "5", "5.1.1.1", "five", ""])
def test_the_short_way_survives_what_logs_hold(status: str) -> None:
    assert reason_of("RCPT", 550, status, "") in reasons()
    assert reason_of(None, 999, None, "") == "unknown"


def test_status_of_another_class_is_said_and_not_used() -> None:
    explained = explain("450 5.2.2 no", verb="RCPT")
    assert explained.enhanced_status is None
    assert explained.reason == "greylisted"
    assert explained.permanence == "transient"
    (fault,) = explained.faults
    assert "5.2.2 does not fit the transient reply code 450" in fault
    assert "RFC 2034" in fault


def test_ehlo_lines_are_no_statuses() -> None:
    assert explain("250 5.1.1 is a strange name", verb="EHLO").faults == ()


def test_deferred_user_is_kept_and_rejected_user_suppressed() -> None:
    """Permanence is the code's, advice is the meaning's: an unknown user stays unknown."""
    deferred, rejected = (
        explain("450 4.1.1 no such user"),
        explain("550 5.1.1 no such user"),
    )
    assert (deferred.permanence, deferred.advice) == ("transient", "ask the recipient")
    assert (rejected.permanence, rejected.advice) == ("permanent", "suppress")


@pytest.mark.parametrize(
    ("given_verb", "verb"),
    [
        ("mail from", "MAIL"),
        ("RCPT TO:<a@b>", "RCPT"),
        (".", "END-OF-DATA"),
        ("end of data", "END-OF-DATA"),
        ("connect", "GREETING"),
        ("  ", None),
    ],
)
def test_verb_as_people_write_it(given_verb: str, verb: str | None) -> None:
    assert explain("550", verb=given_verb).verb == verb


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("250", 1),
        ("250 ", 1),
        ("250-mx\n250-SIZE\n250 HELP", 3),
        ("550-5.1.1 cut short", 1),
        ("550 5.1.1 wrapped\nby a mail program", 2),
        ("  550\t5.1.1 tab\r\n", 1),
    ],
)
def test_reply_as_people_paste_it(text: str, lines: int) -> None:
    code = int(text.strip()[:3])
    assert explain(text).code == code
    assert len(explain(text).text.splitlines()) == lines


def test_reply_object_is_explained_like_its_text() -> None:
    assert explain(Reply.parse("450 4.2.2 x"), verb="RCPT") == explain(
        "450 4.2.2 x", verb="RCPT"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "nothing to explain"),
        (" \n ", "nothing to explain"),
        ("hello there", "did you mean 'HELO'"),
        ("MIAL FROM:<a@b>", "did you mean 'MAIL'"),
        ("12 monkeys", "three digits"),
        ("2500 ok", "three digits"),
        ("199 x", "first digit is 2, 3, 4 or 5"),
        ("650 x", "first digit is 2, 3, 4 or 5"),
        ("250 ok\n550 no", "more than one reply"),
        ("MAIL FROM:<a@b>\n250 ok", "expected a reply"),
        ("\u0665\u0665\u0660 arabic digits", "three digits"),
    ],
)
def test_what_cannot_be_explained_says_what_was_expected(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        explain(text)


def test_a_number_is_no_text() -> None:
    with pytest.raises(TypeError, match="not int"):
        explain(550)  # type: ignore[arg-type]


@pytest.mark.parametrize("verb", commands())
def test_a_command_is_explained(verb: str) -> None:
    explained = explain(commands()[verb].form)
    assert (explained.verb, explained.code, explained.permanence) == (verb, None, None)
    assert explained.source
    assert explained.remedy


def test_send_from_is_no_mail() -> None:
    (fault,) = explain("SEND FROM:<x@y>").faults
    assert "terminal" in fault
    assert "RFC 821 section 3.4" in fault
    assert "MAIL FROM" in fault
    assert explain("SEND FROM:<x@y>").advice == "fix the command"
    assert explain("250 OK", verb="SEND").faults == (fault,)
    assert explain("MAIL FROM:<x@y>").faults == ()


@pytest.mark.parametrize("verb", ["RCTP", "rctp to:<ann@x.example>"])
def test_a_verb_that_is_misspelt_is_explained_and_the_one_that_was_meant_is_named(
    verb: str,
) -> None:
    explained = explain("550 5.1.1 no such user", verb=verb)
    assert explained.faults == ("no command 'RCTP' is known; did you mean 'RCPT'?",)
    assert "did you mean 'RCPT'?" in str(explained)
    assert "RCPT" in explained._repr_html_()


@pytest.mark.parametrize("verb", ["XYZZY", "XCLIENT", "ATRN", "BDAT LAST", "connect", "."])
def test_a_verb_that_is_none_of_ours_is_no_fault(verb: str) -> None:
    assert explain("500 5.5.2 what?", verb=verb).faults == ()


def test_a_verb_in_a_dialogue_that_is_misspelt_is_named_with_its_line() -> None:
    explained = explain("C: MIAL FROM:<a@x.example>\nS: 500 5.5.2 what?")
    assert explained.faults == ("line 1: no command 'MIAL' is known; did you mean 'MAIL'?",)


def test_data_without_an_accepted_recipient() -> None:
    (fault,) = explain("354 go", verb="DATA", accepted_recipients=0).faults
    for word in ("RFC 5321 section 3.3", "503 or 554", "RFC 821", "RSET"):
        assert word in fault
    assert explain("354 go", verb="DATA", accepted_recipients=1).faults == ()
    assert explain("354 go", verb="DATA").faults == ()
    assert explain("554 no", verb="DATA", accepted_recipients=0).faults == ()


def test_secret_of_a_login_is_not_shown() -> None:
    explained = explain("auth plain AGFubgBzM2NyZXQ=")
    assert "AGFub" not in str(explained) + explained._repr_html_() + explained.text


@pytest.mark.parametrize("text", ["5.1.1", "5.1.1 no such user", "5.1.1 no\nnobody"])
def test_an_enhanced_status_is_explained_without_its_reply_code(text: str) -> None:
    explained = explain(text)
    with_code = explain(f"550 {text}")
    assert explained.text == text
    assert explained.code is None
    assert explained.enhanced_status == "5.1.1"
    assert explained.permanence == "permanent"
    assert explained.meaning == with_code.meaning
    assert (explained.reason, explained.why) == (with_code.reason, with_code.why)


@pytest.mark.parametrize(
    ("status", "permanence"),
    [("2.99.9", "success"), ("4.99.9", "transient"), ("5.99.9", "permanent")],
)
def test_a_status_nobody_has_registered_is_known_by_its_class(
    status: str, permanence: str
) -> None:
    explained = explain(status, verb="RCPT")
    assert explained.permanence == permanence
    assert explained.why == f"enhanced status {status}, by its class alone"
    assert explained.faults == ()


@pytest.mark.parametrize("text", ["3.1.1", "5.1", "5.1.1.1", "5.1.1x", "5.1.1000"])
def test_what_is_no_status_is_still_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a reply"):
        explain(text)


def test_explanation_shows_itself_as_text() -> None:
    shown = str(explain("550 5.1.1 no such user", verb="RCPT"))
    assert shown.startswith("550 5.1.1 no such user\n")
    for word in ("user_unknown", "suppress", "permanent", "X.1.1", "RFC 3463", "RCPT"):
        assert word in shown
    assert repr(explain("550")) == str(explain("550"))
    assert max(map(len, shown.splitlines())) <= 80


def test_hostile_reply_is_shown_harmless() -> None:
    explained = explain("550 <script>$x$</script>\x1b[31m\u202e", verb="\x1b<b>")
    page = explained._repr_html_()
    for acting in ("<script", "<b>", "\x1b", "\u202e", "$"):
        assert acting not in page
    assert not {"\x1b", "\u202e"} & set(str(explained))


def test_notebook_gets_both_forms_and_the_themes_colour() -> None:
    bundle = explain("550 " + "x" * 9000)._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html"}
    assert "var(--jp-content-font-color1, CanvasText)" in bundle["text/html"]
    assert "http" not in bundle["text/html"]
    assert all(len(form) < 4000 for form in bundle.values())


def test_explanation_is_a_value() -> None:
    explained = explain("450", verb="RCPT")
    assert explained == explain("450", verb="RCPT")
    assert pickle.loads(pickle.dumps(explained)) == explained


@pytest.mark.parametrize("secret", ["AGFubgBzM2NyZXQ=", "AGFu bgBzM2NyZXQ="])
def test_secret_of_a_login_is_in_no_answer_and_no_error(secret: str) -> None:
    assert "M2NyZXQ" not in str(explain(f"AUTH PLAIN {secret}"))
    with pytest.raises(ValueError, match="redacted") as error:
        explain(f"AUTH PLAIN {secret}\nMAIL")
    assert "M2NyZXQ" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("connect to mx.example.org[192.0.2.1]:25: Connection refused", "network"),
        ("connect to mx.example.org[192.0.2.1]:25: No route to host", "network"),
        ("Host or domain name not found. Name service error", "bad_domain"),
        ("TLS is required, but was not offered by host mx.example.org", "tls"),
        ("delivery time expired", "expired"),
    ],
)
def test_what_a_queue_manager_says_is_explained_without_a_code(
    text: str, reason: str
) -> None:
    explained = explain(text)
    assert (explained.reason, explained.code, explained.permanence) == (reason, None, None)
    assert explained.advice != "suppress"


@pytest.mark.parametrize(
    "text",
    [
        "host mx.example.org[192.0.2.1] said: 550 5.1.1 <a@example.org>: User unknown",
        "smtp; 550 5.1.1 User unknown",
        "Remote host said: 550 5.1.1 User unknown",
        "failed,5.1.1 (bad mailbox),smtp;550 5.1.1 User unknown,mx.x.example",
        "SMTP error from remote mail server after RCPT TO:<a@x.example>: 550 5.1.1 unknown",
    ],
)
def test_a_reply_inside_a_queue_managers_sentence_is_found(text: str) -> None:
    explained = explain(text)
    assert (explained.code, explained.enhanced_status) == (550, "5.1.1")
    assert explained.reason == "user_unknown"
    assert explained.text == text


def test_a_status_inside_a_sentence_tells_whether_to_try_again() -> None:
    explained = explain("sorry, no mailbox here by that name (#5.1.1)")
    assert (explained.code, explained.permanence) == (None, "permanent")
    assert (explained.enhanced_status, explained.reason) == ("5.1.1", "user_unknown")


def test_the_command_that_a_log_names_counts() -> None:
    exim = explain("SMTP error from remote mail server after end of data: 550 sorry")
    assert (exim.verb, exim.reason) == ("END-OF-DATA", "policy")
    explained = explain("550 sorry (in reply to end of DATA command)")
    assert explained.verb == "END-OF-DATA"
    assert explained.reason == "policy"
    assert explain("550 sorry (in reply to MAIL FROM command)").reason == "sender_blocked"


def test_the_provider_is_known_by_host_or_greeting() -> None:
    assert explain("550 sorry", host="mx1.mail.icloud.com").provider == "icloud"
    greeted = explain("550 sorry", greeting="220 mx.google.com ESMTP x1-2si - gsmtp")
    assert greeted.provider == "gmail"
    assert explain("550 sorry").provider is None


def test_a_providers_token_is_told() -> None:
    explained = explain("421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred")
    assert (explained.provider, explained.token) == ("yahoo", "TSS04")
    assert "TSS04" in str(explained)


def test_what_else_is_given_is_text_or_a_clear_error() -> None:
    with pytest.raises(TypeError, match="verb= takes text, not int"):
        explain("550 no", verb=5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="greeting= takes text, not bytes"):
        explain("550 no", greeting=b"220 mx")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "said",
    [
        "C: AUTH PLAIN AGFubgBob3JzZXNob2U=",
        "C: AUTH PLAIN\nS: 334 \nC: AGFubgBob3JzZXNob2U=",
        "C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: YW5u\nS: 334 UGFzc3dvcmQ6\nC: aG9yc2VzaG9l",
    ],
)
def test_what_a_login_said_is_not_repeated(said: str) -> None:
    last = said.split()[-1]
    found = explain(f"S: 220 mx\n{said}\nS: 535 5.7.8 not {last} nor horseshoe")
    assert found.reason == "login"
    assert found.text == "535 5.7.8 not [redacted] nor [redacted]"
