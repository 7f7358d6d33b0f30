"""A template either gives exactly the message that was declared, or says why not."""

from __future__ import annotations

import copy
import email
import pickle
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import default
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpbook.errors import TemplateError
from smtpbook.messages.attachments import Attachment
from smtpbook.messages.template import Template
from smtpbook.protocol.message import MAX_LINE, Message
from smtpbook.transfer.options import DeliveryOptions
from smtpbook.unsubscribe import Unsubscribe

ROW = {"email": "zoe@y.example", "first_name": "Zoë", "city": "Graz"}
WHEN = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
ONE_LINE_BREAKS = [
    "\r",
    "\n",
    "\r\n",
    "\0",
    "\x0b",
    "\x0c",
    "\x1c",
    "\x85",
    "\u2028",
    "\u2029",
]


def letter(**parts: Any) -> Template:
    parts = {"subject": "Hello", "text": "Good day.", **parts}
    return Template(header_from="Ann Harbor <ann@x.example>", **parts)


def parsed(message: Message) -> EmailMessage:
    result = email.message_from_bytes(message.data, policy=default)
    assert isinstance(result, EmailMessage)
    return result


def display_name(message: Message) -> str:
    # The address parser of Python 3.11 puts blanks between encoded words (RFC 2047
    # section 6.2 drops them), so the name is read with the older one.
    field = email.message_from_bytes(message.data)["To"]
    return str(make_header(decode_header(field))).rpartition("<")[0].strip()


# --- what a rendered message is ------------------------------------------------------


def test_text_and_html_become_alternatives_with_the_html_last() -> None:
    message = letter(text="Hi {{ city }}", html="<p>{{ city }}</p>").render(ROW)
    mail = parsed(message)

    assert mail.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in mail.iter_parts()] == [
        "text/plain",
        "text/html",
    ]
    assert [part.get_content().strip() for part in mail.iter_parts()] == [
        "Hi Graz",
        "<p>Graz</p>",
    ]


def test_envelope_and_fields_come_from_template_and_row() -> None:
    message = letter(
        reverse_path="bounces@x.example",
        reply_to="Desk <desk@x.example>",
        to_name="{{ first_name }} Ünal",
        headers={"X-Campaign": "to {{ city }}"},
    ).render(ROW, message_id="<1@x.example>", date=WHEN)
    mail = parsed(message)

    assert str(message.reverse_path) == "bounces@x.example"
    assert [str(recipient) for recipient in message.recipients] == ["zoe@y.example"]
    assert message.message_id == "<1@x.example>"
    assert {name: str(value) for name, value in mail.items()} == {
        "Content-Type": 'text/plain; charset="us-ascii"',
        "MIME-Version": "1.0",
        "Content-Transfer-Encoding": "7bit",
        "From": "Ann Harbor <ann@x.example>",
        "Reply-To": "Desk <desk@x.example>",
        "To": "Zoë Ünal <zoe@y.example>",
        "Subject": "Hello",
        "Date": "Mon, 23 Nov 2026 09:30:00 +0000",
        "Message-ID": "<1@x.example>",
        "X-Campaign": "to Graz",
    }


def test_null_reverse_path() -> None:
    assert letter(reverse_path="").render(ROW).reverse_path is None


def test_options_are_those_of_every_message_and_travel_with_the_template() -> None:
    options = DeliveryOptions(notify="failure", returns="headers")
    asking = letter(options=options)
    assert asking.render(ROW).options == options
    assert asking.render_together(["a@y.example"]).options == options
    assert pickle.loads(pickle.dumps(asking)).render(ROW).options == options
    assert letter().render(ROW).options is None


@pytest.mark.parametrize(
    ("options", "complaint"),
    [("notify", "expected DeliveryOptions, got str"), (None, "never is_binary")],
)
def test_options_that_are_none_for_a_letter_are_refused(
    options: object, complaint: str
) -> None:
    given = DeliveryOptions(is_binary=True) if options is None else options
    with pytest.raises(TemplateError, match=complaint):
        letter(options=given)


def test_message_ids_are_new_each_time_and_in_the_senders_domain() -> None:
    ids = [letter().render(ROW).message_id for _ in range(50)]
    assert len(set(ids)) == 50
    assert all(str(found).endswith("@x.example>") for found in ids)


def test_the_same_row_id_and_date_give_the_same_octets() -> None:
    twice = [
        letter(html="<p>Zoë</p>").render(ROW, message_id="<1@x.example>", date=WHEN)
        for _ in range(2)
    ]
    assert twice[0] == twice[1]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{{ note|default('') }}",
        "{% if note %}a{% endif %}",
        "{% if note %}é{% endif %}",
    ],
)
def test_a_body_that_comes_out_empty_has_a_line_end_of_its_own(text: str) -> None:
    template = letter(text=text)
    row = {**ROW, "note": ""}
    first, second, third = (
        template.render(row, message_id="<1@x.example>", date=WHEN) for _ in range(3)
    )
    assert first.data.endswith(b"\r\n\r\n\r\n")
    assert first == second == third  # what is remembered of it is no other


def test_a_series_is_a_row() -> None:
    message = letter(text="{{ city }}").render(pd.Series(ROW))
    assert parsed(message).get_content().strip() == "Graz"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("plain", "7bit"),
        ("Good day from the hills above Graz, Zoë", "quoted-printable"),
        ("山田さん、こんにちは", "base64"),
        ("x" * 5000, "quoted-printable"),
    ],
)
def test_every_body_travels_in_seven_bits(text: str, encoding: str) -> None:
    message = letter(text=text).render(ROW)
    assert not message.is_8bit
    assert max(map(len, message.data.split(b"\r\n"))) <= MAX_LINE
    assert parsed(message)["Content-Transfer-Encoding"] == encoding
    assert same_lines(parsed(message).get_content()) == [text]


def test_a_line_that_begins_with_from_is_left_alone() -> None:
    message = letter(text="From here on,\nFrom there.").render(ROW)
    assert b"\r\nFrom here on,\r\nFrom there.\r\n" in message.data


def test_a_long_unsubscribe_url_is_not_encoded() -> None:
    url = f"<https://x.example/{'u' * 300}>"
    message = letter(headers={"List-Unsubscribe": url}).render(ROW)
    assert url.encode() in message.data


def test_a_domain_outside_ascii_is_written_as_a_labels() -> None:
    message = letter().render({"email": "info@bücher.example"})
    assert str(message.recipients[0]) == "info@xn--bcher-kva.example"
    assert parsed(message)["To"] == "info@xn--bcher-kva.example"


# --- missing values --------------------------------------------------------------------


@pytest.mark.parametrize(
    "nothing",
    [
        None,
        float("nan"),
        np.float32("nan"),
        pd.NA,
        pd.NaT,
        np.datetime64("NaT", "s"),
        Decimal("NaN"),
        Decimal("sNaN"),
    ],
    ids=repr,
)
def test_a_missing_value_is_an_error_unless_it_has_a_default(nothing: object) -> None:
    row = ROW | {"first_name": nothing}
    with pytest.raises(TemplateError) as caught:
        letter(text="Dear {{ first_name }}").render(row)
    assert str(caught.value) == (
        "text: field 'first_name' has no value in the row of zoe@y.example; "
        "use {{ first_name | default('…') }} if it may be missing"
    )
    message = letter(text="Dear {{ first_name | default('friend') }}").render(row)
    assert parsed(message).get_content().strip() == "Dear friend"


def test_a_mistyped_field_gets_the_near_miss() -> None:
    with pytest.raises(TemplateError) as caught:
        letter(html="<p>{{ frist_name }}</p>").render(ROW)
    assert str(caught.value) == (
        "html: field 'frist_name' is not in the row of zoe@y.example; "
        "did you mean 'first_name'?"
    )


def test_zero_and_false_and_empty_text_are_values() -> None:
    message = letter(text="{{ a }} {{ b }} [{{ c }}]").render(
        ROW | {"a": 0, "b": False, "c": ""}
    )
    assert parsed(message).get_content().strip() == "0 False []"


@pytest.mark.parametrize(
    ("row", "error"),
    [
        ({"city": "Graz"}, "no address in 'email'"),
        ({"e_mail": "a@x.example"}, "did you mean 'e_mail'"),
        ({"email": None}, "no address in 'email'"),
        ({"email": "a b@x.example"}, "email: not a local part"),
        ({"email": "a@x.example\r\nRCPT TO:<b@x.example>"}, "email: address holds"),
    ],
)
def test_a_row_needs_one_address(row: dict[str, object], error: str) -> None:
    with pytest.raises(TemplateError, match=error):
        letter().render(row)


def test_a_template_can_be_copied_and_travels_to_another_process() -> None:
    made = letter(
        html="<b>{{ first_name }} {{ year }}",
        headers={"X-A": "{{ city }}"},
        values={"year": 2026},
        attachments=[Attachment("a.txt", b"a")],
    )
    fixed = {"message_id": "<1@x.example>", "date": datetime(2026, 11, 27, tzinfo=UTC)}
    for other in (copy.copy(made), copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert other == made
        assert hash(other) == hash(made)
        assert other.render(ROW, **fixed) == made.render(ROW, **fixed)


def test_a_secret_does_not_travel_with_a_template() -> None:
    leave = Unsubscribe(url="https://x.example/leave", secret=bytes(16))
    with pytest.raises(TypeError, match="a secret is not pickled"):
        pickle.dumps(letter(unsubscribe=leave))


@pytest.mark.parametrize(
    ("cells", "error"),
    [
        ({"first_name": "a" * 2000}, "X-A holds a word that makes its line longer"),
        ({"city": "\ud800"}, r"field 'city' holds U\+D800"),
        ({"city": "a\0"}, r"field 'city' holds U\+0000"),
    ],
)
def test_what_cannot_be_rendered_is_found_by_a_check(
    cells: dict[str, str], error: str
) -> None:
    made = letter(text="{{ city }}", headers={"X-A": "{{ first_name }}"})
    for method in (made.check, made.render):
        with pytest.raises(TemplateError, match=error):
            method(ROW | cells)


def test_a_message_that_cannot_be_signed_is_an_error_of_its_row() -> None:
    class Refusing:
        def sign(self, data: bytes, *, date: datetime) -> bytes:
            raise ValueError("the card is not there")

    with pytest.raises(TemplateError, match=r"sign, for zoe@y\.example: the card"):
        letter(sign=Refusing()).render(ROW)


@pytest.mark.parametrize(
    ("row", "error"),
    [
        (None, "a row is a mapping or a Series, not NoneType"),
        ("zoe@y.example", "not str"),
        (pd.DataFrame([ROW]), r"not DataFrame; such as frame\.iloc\[0\]"),
        (pd.Series(["z@y.example", "a", "b"], index=["email", "n", "n"]), "called 'n'"),
        (pd.Series(["z@y.example", "a@y.example"], index=["email"] * 2), "called 'email'"),
    ],
)
def test_what_is_no_row_is_refused(row: Any, error: str) -> None:
    with pytest.raises(TemplateError, match=error):
        letter(text="Hello").render(row)


def test_fields_lists_what_is_used_anywhere() -> None:
    whole = letter(
        subject="{{ a }}",
        text="{% for i in range(3) %}{{ b | default(c) }}{% endfor %}",
        html="{% if d is defined %}{{ i }}{% endif %}",
        to_name="{{ e }}",
        headers={"X-Y": "{{ f }}"},
    )
    assert whole.fields == {"a", "b", "c", "d", "e", "f", "i"}


# --- what cannot be made -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("parts", "error"),
    [
        ({"text": None}, "needs text=, html= or markdown="),
        (
            {"text": "a\n{{ b | defalut('x') }}"},
            r"text, line 2: .*did you mean 'default'\?",
        ),
        ({"text": "{{ b is definde }}"}, r"text, line 1: .*did you mean 'defined'\?"),
        ({"html": "{% esle %}"}, r"html, line 1: .*did you mean 'else'\?"),
        ({"subject": "{{ b"}, "subject, line 1: unexpected end of template"),
        ({"text": "\n{% include 'x' %}"}, "text, line 2: .*stands alone"),
        ({"subject": "one\ntwo"}, r"subject: holds U\+000A at character 4"),
        ({"subject": "one\u2028two"}, r"subject: holds U\+2028"),
        ({"to_name": "a\r"}, r"to_name: holds U\+000D"),
        ({"headers": {"X-A": "a\nBcc: b"}}, r"headers\['X-A'\]: holds U\+000A"),
        ({"headers": {"X A": "a"}}, "not a header name"),
        ({"headers": {"X-A:": "a"}}, "not a header name"),
        ({"headers": {"X-A": 1}}, "headers: 'X-A' and its value are text"),
        ({"headers": ["X-A: a"]}, "headers: expected a dict, got list"),
        ({"values": [1]}, "values: expected a dict, got list"),
        ({"text": 1}, "text: expected text, got int"),
        ({"html": b"a"}, "html: expected text, got bytes"),
        ({"subject": None}, "subject: expected text, got NoneType"),
        ({"text": "a\0"}, r"text: holds U\+0000 at character 2"),
        ({"html": "a\ud800"}, r"holds U\+D800"),
        ({"attachments": [3]}, "attachments: expected a path, got int"),
        ({"inline": b"a"}, "inline: expected a path, got bytes"),
        ({"sign": "key.pem"}, "sign: expected a DkimSigner"),
        ({"unsubscribe": "https://x.example"}, "unsubscribe: expected an Unsubscribe"),
        ({"text": None, "html": "<p>a\n<p>\n<b>{{ b | uper }}"}, "html, line 3: No filter"),
        ({"text": None, "markdown": "# a\n* b\n\n\n\n{{ b. }}"}, "markdown, line 6"),
        ({"text": "{% endif %}"}, "{% endif %} ends or divides what has not begun"),
        ({"headers": {"X-A": "a", "x-a": "b"}}, "the same header twice"),
        ({"headers": {"bcc": "b@x.example"}}, "bcc cannot be set here"),
        ({"headers": {"Subject": "b"}}, "it comes from subject="),
        ({"headers": {"Content-Type": "b"}}, "it comes from text= and html="),
        ({"reply_to": "nobody"}, "reply_to: address has no @"),
        ({"reply_to": "a@x.example, b@x.example"}, "reply_to: expected one address, got 2"),
        ({"reverse_path": "<a@x.example>"}, "reverse_path: not a"),
    ],
)
def test_a_wrong_template_is_refused_when_it_is_made(
    parts: Mapping[str, Any], error: str
) -> None:
    with pytest.raises(TemplateError, match=error):
        letter(**parts)


def test_header_from_cannot_bring_a_line_along() -> None:
    with pytest.raises(TemplateError, match="header_from: holds U"):
        Template(header_from="Ann\r\nBcc: b@x.example <a@x.example>", subject="s", text="t")


def test_a_header_line_too_long_for_smtp_is_refused() -> None:
    made = letter(headers={"List-Id": "{{ city }}"})
    with pytest.raises(TemplateError, match=r"message to zoe@y\.example: List-Id holds"):
        made.render(ROW | {"city": "x" * 1000})


# --- merge fields are data ---------------------------------------------------------------


@pytest.mark.parametrize("part", ["subject", "to_name", "headers"])
@pytest.mark.parametrize("break_", ONE_LINE_BREAKS, ids=ascii)
def test_a_cell_cannot_end_a_header_line(part: str, break_: str) -> None:
    source = "for {{ city }}"
    made = letter(**{part: {"X-A": source} if part == "headers" else source})
    with pytest.raises(TemplateError) as caught:
        made.render(ROW | {"city": f"Graz{break_}Bcc: evil@z.example"})
    assert "field 'city' holds U+" in str(caught.value)
    assert "in the row of zoe@y.example" in str(caught.value)


def test_a_nul_or_surrogate_in_a_body_is_refused() -> None:
    for char in ("\0", "\udce9"):
        with pytest.raises(TemplateError, match="field 'city' holds U"):
            letter(text="{{ city }}").render(ROW | {"city": char})


def test_what_looks_like_an_encoded_word_is_text() -> None:
    # CVE-2024-6923: EmailMessage of Python 3.11.7 writes the decoded line break out.
    cell = "=?utf-8?q?=0D=0ABcc:_evil@z.example?="
    message = letter(subject="{{ city }}", to_name="{{ city }}").render(
        ROW | {"city": cell}
    )
    assert parsed(message)["Subject"] == cell
    assert display_name(message) == cell
    assert "Bcc" not in parsed(message)


def test_html_escapes_cells_and_text_does_not() -> None:
    message = letter(text="{{ city }}", html="<p>{{ city }}</p>").render(
        ROW | {"city": "<b>&"}
    )
    text, html = (part.get_content().strip() for part in parsed(message).iter_parts())
    assert (text, html) == ("<b>&", "<p>&lt;b&gt;&amp;</p>")


def test_a_cell_with_jinja_in_it_is_text() -> None:
    message = letter(text="{{ city }}").render(ROW | {"city": "{{ 7 * 7 }}{% if %}"})
    assert parsed(message).get_content().strip() == "{{ 7 * 7 }}{% if %}"


NASTY = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from(list("\r\n\0\t\x0b\x0c\x1b\x85\u2028\u2029\u202e\u200b\ufeff")),
        st.sampled_from(list(" \"'<>,;:@()[]\\=?_.%{}-&#$")),
    ),
    max_size=60,
) | st.sampled_from(
    [
        "x\r\nBcc: evil@z.example\r\n\r\nbody",
        "=?utf-8?q?=0D=0ABcc:_evil@z.example?=",
        "--=_0\r\nContent-Type: text/html\r\n",
        '"Evil" <evil@z.example>, b@z.example',
        "\r\n.\r\nMAIL FROM:<>",
        "a" * 2000,
        "word " * 400,
        " " * 400 + "x",
        "é" * 400,
    ]
)
EVERYWHERE = Template(
    header_from="Ann <ann@x.example>",
    subject="{{ s }}",
    to_name="{{ n }}",
    headers={"X-Note": "{{ h }}"},
    text="{{ t }}",
    html="<p>{{ t }}</p>",
)


def same_lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n").split("\n")


@settings(max_examples=300, deadline=None)
@given(s=NASTY, n=NASTY, h=NASTY, t=NASTY)
def test_no_cell_changes_more_than_its_own_place(s: str, n: str, h: str, t: str) -> None:
    """The message parses back to what was declared, or was not made."""
    try:
        message = EVERYWHERE.render(
            {"email": "zoe@y.example", "s": s, "n": n, "h": h, "t": t}
        )
    except TemplateError:
        return
    mail = parsed(message)
    assert sorted(mail.keys()) == sorted(
        [
            "Content-Type",
            "MIME-Version",
            "From",
            "To",
            "Subject",
            "Date",
            "Message-ID",
            "X-Note",
        ]
    )
    assert [address.addr_spec for address in mail["To"].addresses] == ["zoe@y.example"]
    assert mail["Subject"] == s.strip()
    assert mail["X-Note"] == h.strip()
    assert message.recipients[0].domain == "y.example"
    text, html = mail.iter_parts()
    assert text.get_content_type() == "text/plain"
    assert html.get_content_type() == "text/html"
    assert same_lines(text.get_content()) == same_lines(t)
    assert "<p>" in html.get_content()
    assert message.data.isascii()


@settings(max_examples=200, deadline=None)
@given(name=NASTY)
def test_a_display_name_reads_as_it_was_given(name: str) -> None:
    made = letter(to_name="{{ name }}")
    try:
        message = made.render(ROW | {"name": name})
    except TemplateError:
        return
    field = email.message_from_bytes(message.data)["To"]
    if "=?" in field:
        assert display_name(message) == name.strip()
    else:
        addresses = parsed(message)["To"].addresses
        assert [address.display_name for address in addresses] == [name.strip()]


@settings(max_examples=200, deadline=None)
@given(address=NASTY | NASTY.map(lambda text: f"{text}@y.example"))
def test_an_address_is_one_address_or_an_error(address: str) -> None:
    try:
        message = letter().render({"email": address})
    except TemplateError:
        return
    (recipient,) = message.recipients
    assert recipient.domain == address.rpartition("@")[2].lower() or not address.isascii()
    assert len(parsed(message).get_all("To", [])) == 1
