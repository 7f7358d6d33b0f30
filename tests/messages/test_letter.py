"""What a letter is made of: bodies, pictures, files, headers, and their order."""

from __future__ import annotations

import email
import warnings
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import dkim
import pandas as pd
import pytest
from matplotlib.figure import Figure

from smtpbook.bodies.picture import Picture
from smtpbook.dkim.signer import DkimSigner
from smtpbook.dkim.verify import verify
from smtpbook.errors import MaxBulkWarning, TemplateError
from smtpbook.messages.attachments import Attachment
from smtpbook.messages.template import Template, priority
from smtpbook.protocol.message import Message
from smtpbook.unsubscribe import Unsubscribe

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)
ROW = {"email": "zoe@y.example", "first_name": "Zoë", "city": "Graz"}


def letter(**parts: Any) -> Template:
    return Template(**{"header_from": "Ann <ann@x.example>", "subject": "s", **parts})


def parsed(message: Message) -> EmailMessage:
    mail = email.message_from_bytes(message.data, policy=default)
    assert isinstance(mail, EmailMessage)
    return mail


def shape(part: Any) -> Any:
    """Give a message's types, nested as its parts are."""
    kind = part.get_content_subtype()
    if part.is_multipart():
        return {kind: [shape(inner) for inner in part.iter_parts()]}
    return kind


def bodies(message: Message) -> tuple[str, str]:
    mail = parsed(message)
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert text is not None
    return text.get_content(), "" if html is None else html.get_content()


# -- structure


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"text": "t"}, "plain"),
        ({"html": "<p>h"}, {"alternative": ["plain", "html"]}),
        ({"markdown": "*m*"}, {"alternative": ["plain", "html"]}),
        (
            {"text": "t", "attachments": [Attachment("a.pdf", b"x")]},
            {"mixed": ["plain", "pdf"]},
        ),
        (
            {
                "html": '<img src="cid:a.png">',
                "inline": [Picture(name="a.png", content_type="image/png", data=PNG)],
            },
            {"alternative": ["plain", {"related": ["html", "png"]}]},
        ),
        (
            {
                "html": '<img src="cid:a.png">',
                "inline": [Picture(name="a.png", content_type="image/png", data=PNG)],
                "attachments": [Attachment("a.pdf", b"x"), Attachment("b.txt", b"y")],
            },
            {
                "mixed": [
                    {"alternative": ["plain", {"related": ["html", "png"]}]},
                    "pdf",
                    "plain",
                ]
            },
        ),
    ],
)
def test_parts_are_nested_as_mail_programs_expect(
    parts: dict[str, Any], expected: Any
) -> None:
    message = letter(**parts).render(ROW)
    assert shape(parsed(message)) == expected
    assert message.data.endswith(b"\r\n")
    assert message.data.isascii()
    assert parsed(message).defects == []


def test_html_alone_gets_a_text_made_from_it() -> None:
    html = (
        "<h1>Hi {{ first_name }}</h1><p>Come to <a href='https://x.example/'>{{ city }}</a>"
    )
    text, _ = bodies(letter(html=html).render(ROW))
    assert "Hi Zoë" in text
    assert "Graz" in text
    assert "https://x.example/" in text
    assert "<" not in text


def test_markdown_makes_both_and_values_are_no_markdown() -> None:
    made = letter(markdown="Dear **{{ first_name }}**,\n\n- {{ city }}\n")
    text, html = bodies(made.render(ROW | {"city": "*Graz* <b>"}))
    assert "<strong>Zoë</strong>" in html
    assert "*Graz* &lt;b&gt;" in html
    assert "*Graz* <b>" in text
    assert "**" not in text


def test_a_text_given_beside_markdown_stands_instead_of_the_one_made() -> None:
    text, html = bodies(letter(markdown="*m*", text="own").render(ROW))
    assert text.strip() == "own"
    assert "<em>m</em>" in html


def test_flowed_text_says_so_and_its_paragraphs_are_whole_again() -> None:
    paragraph = "word " * 60 + "end"
    message = letter(text=paragraph + "\n\n> quoted\n", flowed=True).render(ROW)
    part = parsed(message)
    assert part["Content-Type"].params["format"] == "flowed"
    lines = part.get_content().splitlines()
    assert max(map(len, lines)) <= 78
    assert "".join(lines[: lines.index("")]) == paragraph


# -- blocks


def test_a_table_is_written_for_both_bodies() -> None:
    frame = pd.DataFrame({"tea": ["<b>", None], "price": [3.5, 4.0]})
    source = "{{ table(prices) }}"
    made = letter(text=source, html=source, values={"prices": frame})
    text, html = bodies(made.render(ROW))
    assert "<table" in html
    assert "&lt;b&gt;" in html
    assert "3.5" in text
    assert "nan" not in (text + html).lower()
    assert made.fields == frozenset()


def test_a_rows_own_table_is_written_too() -> None:
    frame = pd.DataFrame({"n": [1]})
    _, html = bodies(letter(html="{{ table(orders) }}").render(ROW | {"orders": frame}))
    assert "<table" in html


def test_a_figure_travels_inside_the_message_and_is_drawn_once() -> None:
    drawn = []

    class Counted(Figure):
        def savefig(self, *args: Any, **kwargs: Any) -> None:
            drawn.append(1)
            super().savefig(*args, **kwargs)

    figure = Counted()
    figure.subplots().plot([1, 2])
    made = letter(html="<p>{{ figure(sales, alt='Sales rise') }}", values={"sales": figure})
    for _ in range(3):
        message = made.render(ROW)
    assert drawn == [1]
    related = parsed(message).get_body(("related",))
    assert related is not None
    html, picture = related.iter_parts()
    cid = picture["Content-ID"].strip("<>")
    assert f'src="cid:{cid}"' in html.get_content()
    assert 'alt="Sales rise"' in html.get_content()
    assert picture.get_content().startswith(b"\x89PNG")
    text, _ = bodies(message)
    assert "[Sales rise]" in text


def pictures(message: Message) -> list[bytes]:
    found = (
        part for part in parsed(message).walk() if part.get_content_type()[:5] == "image"
    )
    return [part.get_content() for part in found]


def test_a_figure_drawn_anew_for_each_row_goes_to_its_own_row() -> None:
    figure = Figure()
    axes = figure.subplots()
    made = letter(html="{{ figure(own, alt='Yours') }}")
    sent = []
    for height in (1, 3, 9):
        axes.clear()
        axes.bar(["you", "all"], [height, 4])
        sent += pictures(made.render(ROW | {"own": figure}))
    assert len(set(sent)) == 3


def test_a_figure_for_everybody_may_have_each_readers_own_words() -> None:
    figure = Figure()
    figure.subplots().plot([1, 2])
    made = letter(html="{{ figure(sales, alt=first_name) }}", values={"sales": figure})
    ann, zoe = (made.render(ROW | {"first_name": name}) for name in ("Ann", "Zoe"))
    assert pictures(ann) == pictures(zoe)
    assert 'alt="Ann"' in bodies(ann)[1]
    assert 'alt="Zoe"' in bodies(zoe)[1]
    with pytest.raises(TemplateError, match="alt= is empty"):
        made.render(ROW | {"first_name": " "})


def test_a_figure_without_words_for_those_who_do_not_see_it_is_refused() -> None:
    figure = Figure()
    figure.subplots().set_title("Sales by month")
    made = letter(html="{{ figure(sales) }}", values={"sales": figure})
    with pytest.raises(TemplateError, match="figure: alt= is empty"):
        made.render(ROW)


def test_a_picture_is_shown_by_name_and_only_then_sent(tmp_path: Path) -> None:
    (tmp_path / "logo.png").write_bytes(PNG)
    source = (
        "{% if city == 'Graz' %}{{ image('logo.png', alt='Logo') }}{% else %}-{% endif %}"
    )
    made = letter(html=source, inline=[tmp_path / "logo.png"])
    assert shape(parsed(made.render(ROW))) == {
        "alternative": ["plain", {"related": ["html", "png"]}]
    }
    assert shape(parsed(made.render(ROW | {"city": "Linz"}))) == {
        "alternative": ["plain", "html"]
    }


def test_a_picture_that_is_not_there_gets_the_near_miss(tmp_path: Path) -> None:
    (tmp_path / "logo.png").write_bytes(PNG)
    for html in ('<img src="cid:lgo.png">', "{{ image('lgo.png') }}"):
        with pytest.raises(
            TemplateError, match=r"called 'lgo\.png'; did you mean 'logo\.png'"
        ):
            letter(html=html, inline=[tmp_path / "logo.png"]).render(ROW)
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(TemplateError, match=r"a.png is no PNG, JPEG, GIF or WebP"):
        letter(html="x", inline=[tmp_path / "a.png"])
    with pytest.raises(TemplateError, match="two pictures are called"):
        letter(html="x", inline=[tmp_path / "logo.png"] * 2)


def test_preheader_and_social_links() -> None:
    source = (
        "{{ preheader('See you ' ~ city) }}{{ social(mastodon='https://m.example/@a') }}"
    )
    message = letter(html=source, text=source).render(ROW)
    text, html = bodies(message)
    assert "display:none" in html.replace(" ", "")
    assert "See you Graz" in html
    assert "See you" not in text
    assert "Mastodon: https://m.example/@a" in text
    related = parsed(message).get_body(("related",))
    assert related is not None
    cids = [part["Content-ID"].strip("<>") for part in list(related.iter_parts())[1:]]
    assert len(cids) == 1
    assert f"cid:{cids[0]}" in html


def test_blocks_take_their_arguments_by_name_in_both_bodies() -> None:
    source = (
        "{{ preheader(text='p') }}{{ image(name='a.png', alt=5, width=10) }}"
        "{{ figure(figure=sales, alt='Sales') }}{{ table(frame=orders) }}"
    )
    figure = Figure()
    figure.subplots().plot([1, 2])
    logo = Picture(name="a.png", content_type="image/png", data=PNG)
    values = {"sales": figure, "orders": pd.DataFrame({"n": [1]})}
    made = letter(text=source, html=source, values=values, inline=[logo])
    text, html = bodies(made.render(ROW))
    assert text.split() == ["[5][Sales]n", "-", "1"]
    assert 'alt="5" width="10"' in html


@pytest.mark.parametrize("body", ["text", "html"])
@pytest.mark.parametrize(
    "call",
    [
        *("table(it)", "figure(it, alt='x')", "image(it)", "image('a', alt=it)"),
        *("preheader(it)", "social(website=it)", "table(frame=it)"),
    ],
)
def test_a_block_says_which_field_has_no_value(call: str, body: str) -> None:
    made = letter(**{body: f"{{{{ {call} }}}}"})
    with pytest.raises(TemplateError, match="field 'it' has no value in the row of zoe@y"):
        made.render(ROW | {"it": None})


def test_a_column_called_like_a_block_is_a_field_where_it_is_not_called() -> None:
    made = letter(text="{{ table }} {{ image }}")
    assert made.fields == {"table", "image"}
    text, _ = bodies(made.render(ROW | {"table": "seven", "image": "x"}))
    assert text.strip() == "seven x"


def test_nothing_but_the_blocks_can_be_called() -> None:
    frame = pd.DataFrame({"n": [1]})
    made = letter(text="{{ frame.to_csv('x') }}", values={"frame": frame})
    with pytest.raises(TemplateError, match="not for templates"):
        made.render(ROW)


# -- headers


def test_a_prefix_stands_before_the_subject() -> None:
    made = letter(text="t", subject="Hi {{ city }}").prefixed("[Test {{ x }}]")
    assert parsed(made.render(ROW))["Subject"] == "[Test {{ x }}] Hi Graz"


@pytest.mark.parametrize(
    ("level", "number"), [("high", "1"), ("low", "5"), ("normal", None)]
)
def test_priority(level: str, number: str | None) -> None:
    mail = parsed(letter(text="t", headers=priority(level)).render(ROW))
    assert mail["X-Priority"] == number


def test_a_mistyped_priority_gets_the_near_miss() -> None:
    with pytest.raises(ValueError, match="did you mean 'high'"):
        priority("hihg")


def test_unsubscribing_adds_fields_and_a_link() -> None:
    unsubscribe = Unsubscribe(
        url="https://x.example/leave",
        mailto="leave@x.example",
        secret=bytes(16),
        list_id="Grüße <news.x.example>",
    )
    made = letter(text="Leave: {{ unsubscribe_url }}", unsubscribe=unsubscribe)
    assert made.fields == frozenset()
    message = made.render(ROW)
    mail = parsed(message)
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert unsubscribe.link("zoe@y.example") in mail["List-Unsubscribe"]
    assert mail["List-Id"] == "Grüße <news.x.example>"
    text, _ = bodies(message)
    assert unsubscribe.link("zoe@y.example") in text
    with pytest.raises(TemplateError, match="list-id comes from unsubscribe="):
        letter(text="t", unsubscribe=unsubscribe, headers={"list-id": "x"})


def test_what_signs_sees_the_whole_message_and_the_first_signs_first() -> None:
    class Signer:
        def __init__(self, name: bytes) -> None:
            self.name = name

        def sign(self, data: bytes, *, date: datetime) -> bytes:
            assert date == when
            assert data.endswith(b"\r\n")
            return b"X-Signed: " + self.name + b"\r\n" + data

    when = datetime(2026, 11, 28, tzinfo=UTC)
    made = letter(text="t", sign=[Signer(b"a"), Signer(b"b")])
    assert made.render(ROW, date=when).data.startswith(
        b"X-Signed: b\r\nX-Signed: a\r\nFrom:"
    )
    assert (
        letter(text="t", sign=Signer(b"a")).render(ROW, date=when).data.count(b"X-Signed")
        == 1
    )


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_dkim_signs_what_one_click_needs_signed(kind: Any) -> None:
    signer = DkimSigner.generate("x.example", "s1", kind)
    unsubscribe = Unsubscribe(url="https://x.example/leave", secret=bytes(16))
    made = letter(html="<p>Grüße, {{ first_name }}", unsubscribe=unsubscribe, sign=signer)
    data = made.render(ROW).data
    name, record = signer.dns_record
    (verification,) = verify(data, {name: record})
    assert verification.result == "pass"
    assert {"list-unsubscribe", "list-unsubscribe-post", "from", "subject"} <= {
        name.lower() for name in verification.names
    }
    dkimpy = dkim.DKIM(data)
    plain = "".join(record.split('"')[1::2])  # as a zone file has it: "…" "…"
    assert dkimpy.verify(dnsfunc=lambda *_, **__: plain.encode())
    assert made.render(ROW).data != data
    when = datetime(2026, 11, 28, tzinfo=UTC)
    first, second = (made.render(ROW, message_id="<1@x>", date=when) for _ in range(2))
    assert first == second


# -- one for all


@pytest.mark.parametrize(
    ("show", "to", "cc"),
    [
        ("to", "a@x.example, b@y.example", None),
        ("cc", "ann@x.example", "a@x.example, b@y.example"),
        ("bcc", "undisclosed-recipients:;", None),
    ],
)
def test_one_message_for_several_shows_them_where_it_is_told(
    show: Any, to: str, cc: str | None
) -> None:
    message = letter(text="t").render_together(["a@x.example", "b@y.example"], show=show)
    mail = parsed(message)
    assert [str(who) for who in message.recipients] == ["a@x.example", "b@y.example"]
    assert (mail["To"], mail["Cc"], mail["Bcc"]) == (to, cc, None)


def test_one_address_is_one_recipient() -> None:
    message = letter(text="Hello").render_together("zoe@y.example")
    assert [str(one) for one in message.recipients] == ["zoe@y.example"]


def test_one_message_for_all_holds_nothing_that_is_a_readers_own(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match="each reader's own: city"):
        letter(text="{{ city }}").render_together(["a@x.example"])
    with pytest.raises(TemplateError, match="at least one"):
        letter(text="t").render_together([])
    with pytest.raises(TemplateError, match="'to', 'cc' or 'bcc'"):
        letter(text="t").render_together(["a@x.example"], show="all")  # type: ignore[arg-type]


# -- from elsewhere


def test_a_web_page_brings_its_pictures_and_styles(tmp_path: Path) -> None:
    (tmp_path / "logo.png").write_bytes(PNG)
    (tmp_path / "page.css").write_text("p { color: red }")
    (tmp_path / "page.html").write_text(
        '<link rel="stylesheet" href="page.css"><p>Dear {{ first_name }}</p>'
        '<img src="logo.png">'
    )
    made = Template.from_page(
        tmp_path / "page.html", header_from="a@x.example", subject="s"
    )
    message = made.render(ROW)
    assert shape(parsed(message)) == {
        "alternative": ["plain", {"related": ["html", "png"]}]
    }
    _, html = bodies(message)
    assert "color: red" in html
    assert "Dear Zoë" in html


MANUAL = (
    '<IF [[Gender]] = "M" <AND> [[Surname]] <> "">Dear Mr. [Surname],<ELSEIF [[Gender]] = '
    '"F" <AND> [[Surname]] <> "">Dear Mrs. [Surname],<ELSE>Dear Friend,</IF>'
)


@pytest.mark.parametrize("gender", ["M", "F", "", None])
@pytest.mark.parametrize("surname", ["Harbor", "", None])
def test_the_example_of_maxbulks_manual_is_right_for_every_row(
    gender: str | None, surname: str | None
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MaxBulkWarning)
        made = Template.from_maxbulk(
            MANUAL, header_from="a@x.example", subject="For [Surname]"
        )
    row = {"email": "z@y.example", "gender": gender, "surname": surname}
    text, _ = bodies(made.render(row))
    title = {"M": "Mr.", "F": "Mrs."}.get(gender or "")
    expected = f"Dear {title} {surname}," if title and surname else "Dear Friend,"
    assert text.strip() == expected


def test_what_a_maxbulk_template_leaves_open_is_a_warning() -> None:
    with pytest.warns(MaxBulkWarning, match="line 1"):
        Template.from_maxbulk(MANUAL, header_from="a@x.example", subject="s")


# -- columns


def test_a_column_with_blanks_in_its_name_is_reached_with_underscores() -> None:
    made = letter(text="{{ First_Name }} {{ zip_code | default('-') }}")
    text, _ = bodies(
        made.render({"email": "z@y.example", "First Name": "Ann", "ZIP-Code": 8010})
    )
    assert text.strip() == "Ann 8010"
    with pytest.raises(TemplateError, match="field 'First_Name' has no value"):
        made.render({"email": "z@y.example", "First Name": None})
