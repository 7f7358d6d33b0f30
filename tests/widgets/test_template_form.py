"""The form of a letter: written, looked at as each reader sees it, tried on oneself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from smtpbook.accounts.store import save_account
from smtpbook.errors import TemplateError
from smtpbook.lab.behaviours import Behaviour
from smtpbook.lab.lab import Lab
from smtpbook.messages.attachments import Attachment
from smtpbook.messages.template import Template, priority
from smtpbook.recipients.read import read_recipients
from smtpbook.recipients.recipients import Recipients
from smtpbook.widgets.condition import Condition
from smtpbook.widgets.template_form import template_form
from tests.widgets.browser import messages_of, run

CSV = """\
email,First Name,city
ann@x.example.org,Ann,Paris
bob@x.example.org,,Rome
cal@x.example.org,Cal,Oslo
"""


@pytest.fixture
def people(tmp_path: object) -> Recipients:
    path = f"{tmp_path}/people.csv"
    with open(path, "w") as file:
        file.write(CSV)
    return read_recipients(path)


def written(people: Recipients | None, **values: object) -> Any:
    form = template_form(people=people)
    given = {"header_from": "Ann <me@x.example.org>", "subject": "Hello", "text": "Come."}
    for name, value in (given | values).items():
        form.fields[name].value = value
    return form


# -- writing


def test_the_letter_is_what_the_fields_say(people: Recipients) -> None:
    form = written(people, subject="Hi {{ city }}", reply_to="desk@x.example.org")
    assert form.letter == Template(
        header_from="Ann <me@x.example.org>",
        subject="Hi {{ city }}",
        text="Come.",
        reply_to="desk@x.example.org",
        headers={},
    )


def test_what_is_wrong_is_said_beside_its_field(people: Recipients) -> None:
    form = written(people, subject="Hi {{ citi }}")
    assert "did you mean 'city'" in form.fields["subject"].note.text
    assert form.preview.value == ""
    form.fields["subject"].value = "Hi {{ city"
    assert "subject, line 1" in form.fields["subject"].note.text
    form.fields["subject"].value = "Hi"
    assert form.fields["subject"].note.text == ""
    form.fields["header_from"].value = "nobody"
    assert "address has no @" in form.fields["header_from"].note.text


def test_a_missing_cell_is_said_with_the_field_that_needs_a_default(
    people: Recipients,
) -> None:
    form = written(people, text="Dear {{ first_name }}")
    form.reader.next_button.click()
    assert "use {{ first_name | default('…') }}" in form.fields["text"].note.text


@pytest.mark.parametrize(
    ("way", "shown"),
    [
        ("text", {"text"}),
        ("html", {"html"}),
        ("both", {"text", "html"}),
        ("markdown", {"markdown"}),
    ],
)
def test_only_the_fields_of_the_chosen_way_are_shown_and_used(
    way: str, shown: set[str]
) -> None:
    form = written(None, html="<p>Come.</p>", markdown="*Come.*", way=way)
    names = {"text", "html", "markdown"}
    assert {n for n in names if form.fields[n].layout.display != "none"} == shown
    assert {n for n in names if getattr(form.letter, n) is not None} == shown


def test_a_field_and_a_condition_are_written_at_the_cursor(people: Recipients) -> None:
    form = written(people)
    sent = messages_of(form._page)
    form.insertion.value = "{{ first_name }}"
    form.insert_button.click()
    form.condition.field.value = "city"
    form.condition.value.value = "Paris"
    form.condition.then.value = "Bonjour"
    form.condition.otherwise.value = "Hello"
    form.condition_button.click()
    form.insertion.value = "{{ preheader('…') }}"
    form.insert_button.click()
    assert sent == [
        {"insert": "{{ first_name }}"},
        {
            "insert": "{% if city | default('') | string == 'Paris' %}Bonjour"
            "{% else %}Hello{% endif %}"
        },
        {"insert": "{{ preheader('…') }}"},
    ]


@pytest.mark.parametrize(
    ("operator", "value", "true_for"),
    [
        ("is", "Rome", ["Rome"]),
        ("is not", "Rome", ["", None, "Romeo", "it's \\ {{ x }}", 7]),
        ("is", "it's \\ {{ x }}", ["it's \\ {{ x }}"]),
        ("contains", "om", ["Rome", "Romeo"]),
        ("does not contain", "om", ["", None, "it's \\ {{ x }}", 7]),
        ("begins with", "Rom", ["Rome", "Romeo"]),
        ("ends with", "o", ["Romeo"]),
        ("is greater than", "6.5", [7]),
        ("is less than", "1", ["Rome", "", None, "Romeo", "it's \\ {{ x }}"]),
        ("has a value", "", ["Rome", "", "Romeo", "it's \\ {{ x }}", 7]),
        ("is missing", "", [None]),
    ],
)
def test_a_condition_says_what_was_chosen(
    operator: str, value: str, true_for: list[object]
) -> None:
    condition = Condition(["city"])
    control = condition.operator.control
    condition.operator.value = dict(control.options)[operator]
    condition.value.value = value
    condition.then.value = "yes"
    letter = Template(header_from="a@x.example", subject=condition.written, text="t")
    cells = ["Rome", "", None, "Romeo", "it's \\ {{ x }}", 7]
    rows = [{"email": "b@y.example", "city": cell} for cell in cells]
    taken = [row["city"] for row in rows if b"Subject: yes" in letter.render(row).data]
    assert taken == true_for


# -- looking


def test_each_recipient_can_be_looked_at(people: Recipients) -> None:
    form = written(people, subject="Hi {{ city }}")
    seen = []
    for _ in range(4):
        seen.append(form.reader.note.text)
        form.reader.next_button.click()
    assert seen == [
        "1 of 3: ann@x.example.org",
        "2 of 3: bob@x.example.org",
        "3 of 3: cal@x.example.org",
        "1 of 3: ann@x.example.org",
    ]
    form.reader.previous_button.click()
    assert "Paris" in form.preview.value


def test_a_recipient_is_found_by_anything_in_the_row(people: Recipients) -> None:
    form = written(people)
    form.reader.search.value = "rome"
    form.reader.find_button.click()
    assert form.reader.at.value == 2
    form.reader.search.value = "x.example"
    for expected in (3, 1, 2):
        form.reader.find_button.click()
        assert form.reader.at.value == expected
    form.reader.search.value = "ann@x.example.com"
    form.reader.find_button.click()
    assert "did you mean 'ann@x.example.org'" in form.reader.search.note.text


def test_the_html_stands_in_a_frame_that_runs_and_loads_nothing(people: Recipients) -> None:
    html = (
        "<p onclick='x()'>{{ city }}</p><img src='https://evil.example/a.png' alt=''>"
        "<script>x()</script>"
    )
    form = written(people, way="html", html=html)
    shown = form.preview.value
    assert 'sandbox=""' in shown
    assert "default-src &#x27;none&#x27;; img-src data:" in shown
    assert shown.count("<iframe") == 1
    assert "<script" not in shown
    assert "<img" not in shown


def test_what_readers_mind_is_said(people: Recipients) -> None:
    form = written(people, subject="COME ONE COME ALL!!")
    assert "all in capitals" in form.advice_note.text


def test_everybody_is_checked_at_once(people: Recipients) -> None:
    form = written(people, text="Dear {{ first_name }}")
    form.check_button.click()
    form.wait()
    assert form.check_note.text == "1 thing is wrong; see the first row"
    assert "bob@x.example.org" in form.check_table.value
    form.fields["text"].value = "Dear {{ first_name | default('friend') }}"
    assert form.check_table.value == form.check_note.text == ""
    form.check_button.click()
    form.wait()
    assert form.check_note.text == "all 3 can be made"


@pytest.mark.parametrize("rows", [None, ""])
def test_without_a_list_fields_show_their_names(rows: str | None, tmp_path: Path) -> None:
    people = None
    if rows is not None:
        (tmp_path / "none.csv").write_text("email,city\n")
        people = read_recipients(tmp_path / "none.csv")
    form = written(people, text="Come to {{ city }}.")
    assert "Come to [city]." in form.preview.value
    assert "To</th><td>nobody@example.org" in form.preview.value
    assert form.reader is form.condition is None
    form.check()
    assert form.check_note.text == ""


@pytest.mark.parametrize(
    ("html", "kept"),
    [
        ("<link rel=preconnect href=//x>", "x-link rel="),
        ("<META\nhttp-equiv=refresh>", "x-META\nhttp"),
        ("<base/href=//x>", "x-base/href"),
        ("<linked>", ";linked&"),
    ],
)
def test_what_reaches_beyond_a_frames_policy_is_made_powerless(
    html: str, kept: str
) -> None:
    form = written(None, way="html", html=f"<p>Hi</p>{html}")
    assert kept in form.preview.value


def test_the_text_has_lines_and_no_carriage_returns() -> None:
    form = written(None, text="é\nb\n")
    assert "<pre>é\nb\n</pre>" in form.preview.value


# -- trying


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab() as lab:
        save_account(lab.account, "lab")
        yield lab


def test_a_test_goes_to_oneself_alone(people: Recipients, lab: Lab) -> None:
    form = written(people, subject="Hi {{ city }}")
    form.test.to.value = "me@x.example.org"
    form.test.button.click()
    form.wait()
    assert "accepted" in form.test.note.text
    (received,) = lab.received
    assert received.recipients == ("me@x.example.org",)
    assert b"Subject: [Test] Hi Paris" in received.data
    assert not form.test.button.disabled


def test_a_test_that_is_refused_says_why(people: Recipients, lab: Lab) -> None:
    lab.set(rcpt=Behaviour(reply="550 5.1.1 no such user"))
    form = written(people)
    form.test.to.value = "me@x.example.org"
    form.test.button.click()
    form.wait()
    assert "rejected" in form.test.note.text


def test_a_test_to_what_is_no_address_says_so(people: Recipients, lab: Lab) -> None:
    form = written(people)
    form.test.to.value = "nobody"
    form.test.button.click()
    form.wait()
    assert "no test can be sent to 'nobody'" in form.test.note.text
    assert lab.received == []


def test_a_test_needs_an_address_and_an_account(people: Recipients) -> None:
    form = written(people)
    form.test.button.click()
    assert "your own address is missing" in form.test.to.note.text
    form.test.to.value = "me@x.example.org"
    form.test.button.click()
    assert "save an account first" in form.test.account.note.text


def test_an_account_that_is_saved_later_is_offered(people: Recipients, lab: Lab) -> None:
    form = written(people)
    assert form.test.account.value == "lab"
    save_account(lab.account, "home")
    form.fields["text"].value = "Come!"
    assert dict(form.test.account.control.options) == {"home": "home", "lab": "lab"}
    assert form.test.account.value == "lab"


# -- code


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"text": "Dear {{ city }},\n\ncome.\n"},
        {"text": 'Say """hi""" \\ there\n'},
        {"text": 'ends in "quotes"\nlike "this"'},
        {"way": "both", "html": "<p>é\u202e</p>\n"},
        {"way": "markdown", "markdown": "# Hi\n\n*come*\n", "priority": "high"},
        {"flowed": True, "to_name": "{{ city }}", "reverse_path": "b@x.example.org"},
    ],
)
def test_the_code_makes_the_same_letter(
    people: Recipients, values: dict[str, object]
) -> None:
    form = written(people, **values)
    assert run(form.code)["letter"] == form.letter


def test_a_letter_that_is_given_keeps_what_the_form_does_not_show(
    people: Recipients,
) -> None:
    given = Template(
        header_from="a@x.example.org",
        subject="s",
        text="t",
        values={"x": 1},
        headers={"X-A": "b", **priority("low")},
    )
    form = template_form(given, people)
    assert form.letter == given
    assert form.fields["priority"].value == "low"
    assert "letter.replace" not in form.code
    form.fields["subject"].value = "other"
    form.fields["priority"].value = "high"
    assert form.letter == given.replace(
        subject="other", headers={"X-A": "b", **priority("high")}
    )
    assert dict(form.letter.values or {}) == {"x": 1}
    assert run(form.code, letter=given)["letter"] == form.letter


def test_an_incomplete_form_has_code_and_no_letter() -> None:
    form = template_form()
    assert "sb.Template(" in form.code
    with pytest.raises(TemplateError, match="header_from"):
        _ = form.letter


def test_what_a_letter_has_empty_or_beside_its_markdown_stays(people: Recipients) -> None:
    given = Template(
        header_from="a@x.example.org",
        subject="s",
        markdown="*m*",
        text="t",
        reverse_path="",
        attachments=[Attachment("a.txt", b"a")],
    )
    form = template_form(given, people)
    assert form.letter == given
    assert "letter.replace" not in form.code


def test_files_are_attached_by_their_paths(people: Recipients, tmp_path: Path) -> None:
    own = Attachment("a.txt", b"a")
    (tmp_path / "b.txt").write_text("b")
    paths = f"\n {tmp_path / 'b.txt'} \n"
    form = written(people, attachments=paths)
    assert [file.name for file in form.letter.attachments] == ["b.txt"]
    assert "b.txt: 1" in form.preview.value
    assert run(form.code)["letter"] == form.letter
    given = form.letter.replace(attachments=[own])
    again = template_form(given, people)
    again.fields["attachments"].value = paths
    assert again.letter == given.replace(attachments=[own, str(tmp_path / "b.txt")])
    assert run(again.code, letter=given)["letter"] == again.letter


def test_a_fault_among_the_settings_is_not_hidden(people: Recipients) -> None:
    form = written(people)
    form.fields["attachments"].value = "nowhere.pdf"
    assert "nowhere.pdf is not a file" in form.fields["attachments"].note.text
    assert form.more.button.value


def test_an_unwritten_letter_is_not_complained_about() -> None:
    form = template_form()
    assert [field.note.text for field in form.fields.values()] == [""] * len(form.fields)
    assert "write From" in form.preview_note.text


def test_whom_a_field_is_missing_for_is_said_before_it_is_inserted(
    people: Recipients,
) -> None:
    form = written(people)
    form.insertion.value = "{{ first_name }}"
    assert form.insertion.note.text.startswith("missing in 1 of 3 rows")
    form.insertion.value = "{{ city }}"
    assert form.insertion.note.text == ""
    form.insertion.value = "{{ unsubscribe_url }}"
    assert "unsubscribe=sb.Unsubscribe(…)" in form.insertion.note.text


@pytest.mark.parametrize("value", ["", "many", "nan", "1e999"])
def test_a_comparison_of_numbers_wants_a_number(people: Recipients, value: str) -> None:
    form = written(people)
    sent = messages_of(form._page)
    operators = dict(form.condition.operator.control.options)
    form.condition.operator.value = operators["is greater than"]
    form.condition.value.value = value
    form.condition_button.click()
    assert sent == []
    assert "numbers" in form.condition.value.note.text
    form.condition.value.value = "1234567.25"
    form.condition_button.click()
    assert "> 1234567.25 %}" in sent[0]["insert"]
