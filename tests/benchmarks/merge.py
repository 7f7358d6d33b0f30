"""How fast letters are merged, beside Jinja2 with the standard library's EmailMessage.

    python -m tests.benchmarks.merge [--rounds N] [--rows N] [--attachment OCTETS] [--json]

Both make the same messages: a text of 2 KB and an HTML of 11 KB with a dozen merge
fields, some names not ASCII, once without and once with an attachment; both parse the
template once.  Each round times the one and then the other in this process; the figures
are the fastest of the rounds.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr, make_msgid
from typing import Final

import jinja2

from smtpbook.messages.attachments import Attachment
from smtpbook.messages.template import Template
from tests.benchmarks.output import Row, parser, show

Person = Mapping[str, str]
FIRST_NAMES: Final = ("Ann", "Zoë", "Jürgen", "Luís", "Mary", "Bob")
CITIES: Final = ("Graz", "Kraków", "Porto", "Leeds")
PROSE: Final = (
    "the reading room opens its doors on friday and everybody who has a card may come "
    "with a friend or two, until six or seven o'clock; tea and Käsekuchen are free"
)
SUBJECT: Final = "{{ first_name }}, the doors in {{ city }} open on Friday"
OPENING: Final = "Dear {{ first_name | default('friend') }} {{ last_name }},"
MIDDLE: Final = (
    "{% if language == 'de' %}Wir freuen uns auf Sie in {{ city }}.{% else %}We look "
    "forward to seeing you in {{ city }}.{% endif %}"
)
CLOSING: Final = "Your card is number {{ number }}, made out to {{ company }}."


def main() -> None:
    """Measure and print."""
    options = parser(__doc__, rounds=5)
    options.add_argument("--rows", type=int, default=200, help="default: %(default)s")
    options.add_argument(
        "--attachment", type=int, default=100_000, help="octets; default: %(default)s"
    )
    given = options.parse_args()
    rng = random.Random(1)
    people = make_people(given.rows, rng)
    text, html = make_text(rng), make_html(rng)
    rows: list[Row] = []
    ratios: dict[str, float] = {}
    for name, attachment in (
        ("text+HTML", None),
        ("with attachment", rng.randbytes(given.attachment)),
    ):
        makers = {
            "smtpbook": _smtpbook(text, html, attachment),
            "Jinja2 + EmailMessage": with_jinja(text, html, attachment),
        }
        best = dict.fromkeys(makers, float("inf"))
        for _ in range(given.rounds):
            for maker, make in makers.items():
                best[maker] = min(best[maker], _time(make, people))
        for maker, seconds in best.items():
            size = len(makers[maker](people[0]))
            rows.append(
                {
                    "message": name,
                    "maker": maker,
                    "octets": size,
                    "µs/message": seconds / len(people) * 1e6,
                }
            )
        ours, theirs = best.values()
        ratios[f"messages/s, smtpbook to Jinja2 + EmailMessage ({name})"] = theirs / ours
    show(rows, ratios, as_json=given.json)


def _time(make: Callable[[Person], bytes], people: list[Person]) -> float:
    started = time.perf_counter()
    for person in people:
        make(person)
    return time.perf_counter() - started


def _smtpbook(text: str, html: str, attachment: bytes | None) -> Callable[[Person], bytes]:
    letter = make_letter(text, html, attachment)
    return lambda person: letter.render(person).data


def make_letter(text: str, html: str, attachment: bytes | None = None) -> Template:
    """Make the letter as this package has it."""
    return Template(
        header_from="Ann Harbor <ann@x.example>",
        to_name="{{ first_name }} {{ last_name }}",
        subject=SUBJECT,
        text=text,
        html=html,
        attachments=[] if attachment is None else [Attachment("card.pdf", attachment)],
    )


def with_jinja(
    text: str, html: str, attachment: bytes | None = None
) -> Callable[[Person], bytes]:
    """Give what makes the same letter with Jinja2 and the standard library."""
    plain = jinja2.Environment(undefined=jinja2.StrictUndefined)
    escaped = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=True)
    subject, body = plain.from_string(SUBJECT), plain.from_string(text)
    rich = escaped.from_string(html)

    def make(person: Person) -> bytes:
        mail = EmailMessage(policy=SMTP)
        name = f"{person['first_name']} {person['last_name']}"
        mail["From"] = "Ann Harbor <ann@x.example>"
        mail["To"] = formataddr((name, person["email"]))
        mail["Subject"] = subject.render(person)
        mail["Date"] = format_datetime(datetime.now(UTC))
        mail["Message-ID"] = make_msgid(domain="x.example")
        mail.set_content(body.render(person))
        mail.add_alternative(rich.render(person), subtype="html")
        if attachment is not None:
            mail.add_attachment(
                attachment, maintype="application", subtype="pdf", filename="card.pdf"
            )
        return mail.as_bytes()

    return make


def make_people(count: int, rng: random.Random) -> list[Person]:
    """Make so many people to write to."""
    return [_person(number, rng) for number in range(count)]


def _person(number: int, rng: random.Random) -> Person:
    return {
        "email": f"p{number}@y.example",
        "first_name": rng.choice(FIRST_NAMES),
        "last_name": "Harbor & Sons" if number % 7 == 0 else "Harbor",
        "city": rng.choice(CITIES),
        "company": "Meadow Ltd",
        "language": rng.choice(("de", "en")),
        "number": f"{number:06}",
    }


def _paragraph(rng: random.Random, size: int) -> str:
    words_of_prose, words = PROSE.split(), list[str]()
    while sum(map(len, words)) + len(words) < size:
        words.append(rng.choice(words_of_prose))
    return " ".join(words)


def make_text(rng: random.Random) -> str:
    """Make the letter's text: 2 KB, with merge fields."""
    paragraphs = [_paragraph(rng, 68) for _ in range(26)]
    return "\n".join([OPENING, *paragraphs[:13], MIDDLE, *paragraphs[13:], CLOSING, ""])


def make_html(rng: random.Random) -> str:
    """Make the letter's HTML: 11 KB, with merge fields."""

    def written(content: str) -> str:
        return f'<p style="margin:0 0 12px;font-family:sans-serif">{content}</p>\n'

    paragraphs = [written(_paragraph(rng, 460)) for _ in range(20)]
    return "".join(
        [
            "<!doctype html><html><body>\n",
            written(OPENING),
            *paragraphs[:10],
            written(MIDDLE),
            *paragraphs[10:],
            written(CLOSING),
            "</body></html>\n",
        ]
    )


if __name__ == "__main__":
    main()
