"""One rule for a whole column says what the library and `Mailbox` say of each address."""

from __future__ import annotations

import re

import pyarrow as pa
import pytest
from email_validator import EmailNotValidError, validate_email
from email_validator.rfc_constants import CASE_INSENSITIVE_MAILBOX_NAMES
from hypothesis import example, given, settings
from hypothesis import strategies as st

from smtpbook.errors import LocalProtocolError
from smtpbook.protocol.addresses import Mailbox
from smtpbook.recipients.syntax import canonical, check_column, comparison_key

pytestmark = pytest.mark.side_by_side

ASCII = st.one_of(
    st.emails(),
    st.from_regex(r"[a-zA-Z0-9.!+'\-]{1,70}@[a-zA-Z0-9.\-]{1,70}", fullmatch=True),
    st.from_regex(
        r"(?:Info|SALES|ann)@(?:[aZ0-][a9-]?\.){0,3}(?:com|TEST|123|local)", fullmatch=True
    ),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20),
).filter(str.isascii)
ANY = st.one_of(
    ASCII,
    st.text(st.sampled_from('aZ9.-_@"[] \\<>,;:\u00eb\u2028\r\n\0'), max_size=12).map(
        lambda text: f"{text}@x.example"
    ),
    st.text(
        st.sampled_from("aZß9.-ëe\u0308あ。ⒶＡ\u00ad\u05d0\u0661☃"), min_size=1, max_size=8
    ).map(lambda text: f"ann@{text}.example"),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
)


def checked(texts: list[str]) -> list[str | None]:
    addresses: list[str | None] = check_column(
        pa.array(texts, pa.large_string())
    ).addresses.to_pylist()
    return addresses


def by_mailbox(text: str) -> str | None:
    try:
        return str(Mailbox.parse(text))
    except LocalProtocolError:
        return None


def by_library(text: str) -> str | None:
    """The library's normal form, in which only the case of role accounts is not ours."""
    special = re.compile(r"(?<![^.@])(arpa|invalid|local|localhost|onion|test)$", re.I)
    try:
        verdict = validate_email(
            special.sub("example", text),
            check_deliverability=False,
            globally_deliverable=False,
            strict=True,
        )
    except EmailNotValidError:
        return None
    local_part = verdict.local_part
    if local_part in CASE_INSENSITIVE_MAILBOX_NAMES:
        local_part = text.rpartition("@")[0]
    domain = verdict.ascii_domain
    if found := special.search(text):
        domain = domain.removesuffix("example") + found[0].lower()
    return f"{local_part}@{domain}"


def is_dot_atom(text: str) -> bool:
    return not set(text) & set('"[<>')


@settings(max_examples=200, deadline=None)
@given(st.lists(ASCII, max_size=8))
@example(["a" * 64 + "@x.example", "a" * 65 + "@x.example", f"a@{'b' * 63}.example"])
@example([f"a@{'b' * 64}.example", ".a@x.example", "a.@x.example", "a..b@x.example"])
@example(["a@-x.example", "a@x-.example", "a@x..example", "a@ab--c.example", "a@x--y"])
@example(["a@xn--fa-hia.example", "a@xn--zzzzzz.example", "a@localhost", "Info@X.LOCAL"])
@example([f"{'a' * 64}@{'.'.join(['b' * 63] * 3)}"])
@pytest.mark.heavy
def test_ascii_dot_atoms_are_judged_as_the_library_judges(addresses: list[str]) -> None:
    texts = [text.strip() for text in addresses if is_dot_atom(text)]
    assert checked(texts) == [by_library(text) if text else None for text in texts]


@settings(max_examples=200, deadline=None)
@given(st.lists(ANY, max_size=8))
@example(['"a b"@x.example', "a@[192.0.2.1]", '"Carl"@faß.example', "a@[IPv6:1::2]"])
@example(["a@x\n", "a@" + "b" * 64, "\u00eb@x.example", "e\u0308@x.example"])
@pytest.mark.heavy
def test_what_a_list_accepts_can_be_sent_as_it_stands(addresses: list[str]) -> None:
    for address in checked(addresses):
        assert address is None or by_mailbox(address) == address


@settings(max_examples=200, deadline=None)
@given(st.lists(ASCII, max_size=8))
@example(['"a b"@x.example', "a@[192.0.2.1]", "root@localhost", '"@"@x.example'])
@pytest.mark.heavy
def test_what_can_be_sent_is_accepted(addresses: list[str]) -> None:
    """What is not ASCII, or has ``--`` in its domain, the library decides."""
    texts = [text.strip() for text in addresses if "--" not in text and "<" not in text]
    assert checked(texts) == [by_mailbox(text) for text in texts]


@pytest.mark.parametrize(
    ("given_", "canonical"),
    [
        (" Ann@EXAMPLE.org ", "Ann@example.org"),
        ("info@bücher.example", "info@xn--bcher-kva.example"),
        ("a@faß.example", "a@xn--fa-hia.example"),
        ("a@Ｘ.example", "a@x.example"),  # noqa: RUF001
        ('"a b"@x.example', '"a b"@x.example'),
        ("a@[192.0.2.1]", "a@[192.0.2.1]"),
        ("a@bücher.test", "a@xn--bcher-kva.test"),
        ("Ann <a@x.example>", "a@x.example"),
        ('"Marsh, Ann" <a@X.example>', "a@x.example"),
        ("<a@x.example>", "a@x.example"),
    ],
)
def test_addresses_are_written_as_logs_write_them(given_: str, canonical: str) -> None:
    assert checked([given_]) == [canonical]


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("a@x.example, b@x.example", "give each a row of its own"),
        ("a@x.example;b@x.example", "give each a row of its own"),
        ("Ann <a@x.example>, Bob <b@x.example>", "give each a row of its own"),
        ("mailto:a@x.example", "take 'mailto:' off"),
        ("a@b.example <a@x.example>", "nothing but the address|a row of its own"),
        ("a@☃.example", "not valid|invalid|Codepoint|not allowed"),
        ("a@xn--zzzzzz.example", "not valid IDNA"),
        ("ann at x.example", "no @"),
        ("a" * 5000 + "@x.example", "5,010 characters are no address"),
    ],
)
def test_what_is_no_address_is_told_what_to_do(text: str, advice: str) -> None:
    result = check_column(pa.array([text], pa.large_string()))
    assert result.addresses.to_pylist() == [None]
    assert re.search(advice, result.invalid[0])


def test_no_text_is_missing_and_not_invalid() -> None:
    result = check_column(pa.array(["", " \t", None, "x"], pa.large_string()))
    assert result.missing.tolist() == [True, True, True, False]
    assert list(result.invalid) == [3]


@settings(max_examples=200, deadline=None)
@given(st.lists(ANY, max_size=8))
@example(['"Carl"@x.example', "İ@x.example", "ANN@x.example"])
@pytest.mark.heavy
def test_addresses_are_compared_as_mailboxes_are(texts: list[str]) -> None:
    addresses = [address for address in checked(texts) if address]
    keys = comparison_key(pa.array(addresses, pa.large_string())).to_pylist()
    assert keys == [Mailbox.parse(address).key for address in addresses]


def test_octets_that_were_no_text_make_no_address() -> None:
    assert checked(["\ufffdnn@x.example", "ann@x.example"]) == [None, "ann@x.example"]
    with pytest.raises(LocalProtocolError, match="no text in the encoding it was read in"):
        canonical("\ufffdnn@x.example")
