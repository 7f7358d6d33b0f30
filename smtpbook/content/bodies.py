"""Bodies: text and HTML, whether they agree, and what a template left behind in them.

Each function gives what is to be said, nothing if all is well; which check that belongs to
is for `checks`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from smtpbook.content.mail import Given, Mail
from smtpbook.content.page import MAX_HTML
from smtpbook.content.tables import refusals
from smtpbook.escape import visible
from smtpbook.findings import Said, fails, passes, warns

# Gmail shows so many octets of HTML and hides the rest behind "View entire message".
_GMAIL_CLIPS: Final = 102_400
_SHORT_TEXT: Final = 20  # characters of text beside a picture
_URL: Final = re.compile(r"(?:https?://|mailto:|www\.)\S+", re.IGNORECASE)
_WORD: Final = re.compile(r"[^\W\d_]{4,}")
# Our own choice: a text made from the HTML comes to more than 0.9, a stub ("your mail
# program shows no HTML") to less than 0.1.
_ALIKE: Final = 0.5
_FEW_WORDS: Final = 10

_GREETING: Final = (
    r"(?:hello|hi|hey|dear|good (?:morning|afternoon|evening)|hallo|liebe[rs]?|guten tag"
    r"|sehr geehrte[rs]?|servus|bonjour|bonsoir|salut|ch[eè]re?|hola|estimad[oa]|querid[oa]"
    r"|ciao|buongiorno|gentile|car[oa]|ol[aá]|prezad[oa]|beste|geachte|hej|k[aæ]re|hei"
    r"|cze[sś][cć]|witaj|dobr[ýy] den|ahoj|szia|kedves|merhaba|say\u0131n)"
)
_NOTHING: Final = r"(?:None|none|NONE|null|NULL|undefined|nan|NaN|NaT|<NA>)"
_MAX_FOUND: Final = 5
_LEFT_OVER: Final = (
    # Jinja2's and Handlebars' tags; MaxBulk Mailer's [Tag] and [[Tag]]; Mailchimp's
    # *|TAG|*; %%tag%%; ${tag}; <<tag>>.
    re.compile(r"\{\{[^{}\n]{0,60}\}\}|\{%[^{}\n]{0,60}%\}|\{\{|\}\}"),
    re.compile(r"\[\[?[A-Za-z][A-Za-z0-9_]*(?:[ -][A-Za-z0-9_]+){0,3}\]\]?"),
    re.compile(r"\*\|[A-Z0-9_:]{1,40}\|\*|%%[A-Za-z_]{1,40}%%|\$\{[A-Za-z_.]{1,40}\}"),
    re.compile(r"<<[A-Za-z_ ]{1,40}>>"),
    # A value that was none: anywhere, or where a name should stand.
    re.compile(r"(?<![\w'\u2019-])(?:NaN|nan|NaT|<NA>)(?![\w'\u2019-])"),
    re.compile(
        rf"(?m)^[ \t]*{_GREETING}\b[^\n,]{{0,30}}?\s{_NOTHING}(?![\w-])", re.IGNORECASE
    ),
    re.compile(rf"(?m)(?<=[:,] ){_NOTHING}(?=[.,!]?$)"),
    # "Hello ,": a name that was empty.
    re.compile(rf"(?mi)^[ \t]*{_GREETING}\b[^\n,]{{0,30}}?[ \xa0]+,"),
)
# What stands in brackets in subjects on purpose.
_MEANT: Final = frozenset({"[test]", "[ad]", "[external]", "[image]", "[sponsored]"})


def text_part(mail: Mail, given: Given) -> Iterator[Said]:
    """Tell whether there is a text for those who see no HTML, and something in it."""
    if mail.text is None and mail.page is not None:
        yield warns(
            "The HTML has no text beside it: some readers see nothing, and filters mind.",
            "sb.Template(…, html=…) makes one, unless text= is given",
        )
    elif mail.text is not None and not mail.text.strip():
        yield warns("The text is empty.", "sb.Template(…, html=…) makes one of the HTML")
    elif mail.text is None:
        yield warns("There is neither text nor HTML.", "write something")


def parts_agree(mail: Mail, given: Given) -> Iterator[Said]:
    """Compare the words of text and HTML."""
    if mail.text is None or mail.page is None or not mail.text.strip():
        return
    text, html = _words(mail.text), _words(mail.page.text)
    if len(text | html) < _FEW_WORDS or mail.page.is_cut:
        return
    alike = len(text & html) / len(text | html)
    said = (
        f"{len(text & html)} of {len(text | html)} words of four letters and more stand in "
        f"both text and HTML (Jaccard's index {alike:.2f})"
    )
    if alike >= _ALIKE:
        yield passes(said)
    else:
        yield warns(
            f"{said}; less than {_ALIKE} looks like two messages in one",
            "leave text= out, and it is made of the HTML",
        )


def _words(text: str) -> set[str]:
    return set(_WORD.findall(_URL.sub(" ", text).lower()))


def left_over(mail: Mail, given: Given) -> Iterator[Said]:
    """Find what a template left: its tags, values that are none, names that are empty."""
    bodies = {"subject": mail.subject, "text": mail.text or ""}
    if mail.page is not None:
        bodies["HTML"] = mail.page.text
    found: dict[str, str] = {}
    for where, text in bodies.items():
        for pattern in _LEFT_OVER:
            for match in pattern.finditer(text):
                shown = " ".join(match[0].split())
                if shown.lower() not in _MEANT:
                    found.setdefault(shown, where)
                if len(found) >= _MAX_FOUND:
                    break
    for shown, where in list(found.items())[:_MAX_FOUND]:
        yield warns(
            f"the {where} holds {visible(shown, max_chars=80)!r}: a field was empty or not "
            f"filled in",
            "{{ field | default('…') }}; letter.coverage(people) shows whose",
        )


def html_size(mail: Mail, given: Given) -> Iterator[Said]:
    """Compare the HTML with what Gmail shows of it."""
    if mail.page is not None and mail.page.octets > _GMAIL_CLIPS:
        cut = f"; looked at were {MAX_HTML:,} characters" if mail.page.is_cut else ""
        yield warns(
            f"The HTML has {mail.page.octets:,} octets; Gmail shows {_GMAIL_CLIPS:,} of "
            f"them and hides the rest, a link to unsubscribe too{cut}.",
            "leave out comments and styles that nothing uses",
        )


def active_html(mail: Mail, given: Given) -> Iterator[Said]:
    """Name elements that mail programs do not run."""
    for name in () if mail.page is None else mail.page.active:
        yield warns(
            f"Mail programs show no <{name}>, and filters mind it.",
            "put it on a web page and link there",
        )


def pictures(mail: Mail, given: Given) -> Iterator[Said]:
    """Tell what readers without pictures see of the HTML."""
    page = mail.page
    if page is None:
        return
    text = page.text.strip()
    if page.pictures and len(text) < _SHORT_TEXT:
        yield warns(
            "The HTML is little but pictures; many readers see none of it.",
            "say in words what the picture says",
        )
    elif not text:
        yield warns("The HTML shows nothing.", "write something, or leave html= out")
    if page.without_alt:
        yield warns(
            f"{page.without_alt} of {page.pictures} pictures have no alt text.",
            'alt="…"; of mere ornaments alt=""',
        )


def attachment_type(mail: Mail, given: Given) -> Iterator[Said]:
    """Name attachments that providers do not hand on; archives are not looked into."""
    for name in mail.files[:_MAX_FOUND]:
        ending = name.rpartition(".")[2].strip().lower()
        whose = [one for one in refusals() if ending in one.endings]
        if whose:
            who = ", ".join(f"{one.provider} {one.effect} it" for one in whose)
            says = fails if any(one.effect == "refuses" for one in whose) else warns
            yield says(
                f"The attachment {visible(name, max_chars=80)} is of a kind that many "
                f"servers refuse: {who} ({'; '.join(one.source for one in whose)}).",
                "put it on a web page and send the link",
            )
