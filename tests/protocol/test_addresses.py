"""What is a mailbox, what is none, and that none of them can leave its angle brackets."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from smtpbook.errors import LocalProtocolError
from smtpbook.protocol.addresses import (
    Mailbox,
    _parse_with_care,
    check_helo,
    domain_of,
    to_a_labels,
)
from smtpbook.protocol.commands import Ehlo, Helo, Mail, Rcpt, encode, parse_command

LABEL = "a" * 63
# 250 octets: four labels, three of them as long as a label may be.
LONG_DOMAIN = f"{LABEL}.{LABEL}.{LABEL}.{'b' * 58}"

VALID = {
    "bob@example.org": ("bob", "example.org"),
    "Bob.Smith@EXAMPLE.org": ("Bob.Smith", "example.org"),
    "bob+tag@example.org": ("bob+tag", "example.org"),
    "!#$%&'*+/=?^_`{|}~-@example.org": ("!#$%&'*+/=?^_`{|}~-", "example.org"),
    "b@localhost": ("b", "localhost"),
    "b@1.example": ("b", "1.example"),
    "b@xn--bcher-kva.example": ("b", "xn--bcher-kva.example"),
    "b@XN--BCHER-KVA.example": ("b", "xn--bcher-kva.example"),
    "b@a--b.example": ("b", "a--b.example"),
    '"a b"@example.org': ('"a b"', "example.org"),
    '"a@b"@example.org': ('"a@b"', "example.org"),
    '"a>b"@example.org': ('"a>b"', "example.org"),
    r'"a\"b"@example.org': (r'"a\"b"', "example.org"),
    r'"a\\b"@example.org': (r'"a\\b"', "example.org"),
    r'"\a"@example.org': (r'"\a"', "example.org"),
    '""@example.org': ('""', "example.org"),
    "b@[192.0.2.1]": ("b", "[192.0.2.1]"),
    "b@[IPv6:2001:DB8::1]": ("b", "[IPv6:2001:db8::1]"),
    "b@[ipv6:2001:db8:0:0::1]": ("b", "[IPv6:2001:db8::1]"),
    "info@bücher.example": ("info", "xn--bcher-kva.example"),
    "info@BÜCHER.example": ("info", "xn--bcher-kva.example"),
    "info@bu\u0308cher.example": ("info", "xn--bcher-kva.example"),
    "info@faß.example": ("info", "xn--fa-hia.example"),
    "info@faẞ.example": ("info", "xn--fa-hia.example"),
    "info@例え。テスト": ("info", "xn--r8jz45g.xn--zckzah"),
    "info@\u212aelvin.example": ("info", "kelvin.example"),
    "jürgen@example.org": ("jürgen", "example.org"),
    "用户@例え.テスト": ("用户", "xn--r8jz45g.xn--zckzah"),
    '"ü b"@example.org': ('"ü b"', "example.org"),
    # Exactly at the limits of RFC 5321 section 4.5.3.1 and RFC 1035 section 2.3.4.
    f"{'b' * 64}@example.org": ("b" * 64, "example.org"),
    f"{'ü' * 32}@example.org": ("ü" * 32, "example.org"),
    f"b@{LABEL}.example": ("b", f"{LABEL}.example"),
    f"bob@{LONG_DOMAIN}": ("bob", LONG_DOMAIN),
}
INVALID = {
    "": "no @",
    "bob": "no @",
    "@": "local part",
    "@example.org": "local part",
    "bob@": "domain",
    "bob@example.org.": "domain",
    "bob@.example.org": "domain",
    "bob@a..b": "domain",
    "bob@-a.example": "domain",
    "bob@a-.example": "domain",
    "bob@a_b.example": "domain",
    "bob@a b.example": "domain",
    "bob@example.org ": "domain",
    " bob@example.org": "local part",
    "bo b@example.org": "local part",
    ".bob@example.org": "local part",
    "bob.@example.org": "local part",
    "b..b@example.org": "local part",
    "a@b@example.org": "local part",
    "bob@a@example.org": "local part",
    "<bob@example.org>": "local part",
    "bob@example.org>": "domain",
    "bob@exam>ple.org": "domain",
    "bo>b@example.org": "local part",
    "bob@bü>cher.example": "domain",
    "bob(comment)@example.org": "local part",
    "bob@example.org(comment)": "domain",
    "Bob <bob@example.org>": "local part",
    "a,b@example.org": "local part",
    '"a@example.org': "local part",
    '"a"b"@example.org': "local part",
    'a"b"@example.org': "local part",
    '"a\\"@example.org': "local part",
    "@relay.example:bob@example.org": "local part",
    "bob@例え。": "domain",
    "bob@\u037e.example": "domain",
    "bob@[192.0.2.256]": "address literal",
    "bob@[192.0.2.1": "address literal",
    "bob@[192.0.2.1]]": "address literal",
    "bob@[]": "address literal",
    "bob@[2001:db8::1]": "address literal",
    "bob@[IPv6:192.0.2.1]": "address literal",
    "bob@[IPv6:fe80::1%eth0]": "address literal",
    "bob@[IPv6:::1%> SIZE=1]": "address literal",
    "bob@[x400:tag]": "address literal",
    "bob@exam\rple.org": "control",
    "bob@example.org\r\nRSET": "control",
    "bob\n@example.org": "control",
    '"bo\r\nb"@example.org': "control",
    '"bo\\\nb"@example.org': "control",
    "bob\0@example.org": "control",
    "bob\t@example.org": "control",
    '"a\tb"@example.org': "control",
    "bob\x7f@example.org": "control",
    "bob\x85@example.org": "control",
    "bob\xa0@example.org": "control",
    "bob\xad@example.org": "control",
    "bob\u2028@example.org": "control",
    "bob@exam\u2028ple.org": "control",
    "bob\u202e@example.org": "control",
    "bob@\u202eexample.org": "control",
    "bob\u200b@example.org": "control",
    "bob\u3000@example.org": "control",
    "bob\ufeff@example.org": "control",
    "bob\ue000@example.org": "control",
    "bob\udce9@example.org": "control",
    "bob\U000e0041@example.org": "control",
    "bob\U0010ffff@example.org": "control",
    # One beyond the limits.
    f"{'b' * 65}@example.org": "longer than 64",
    f"{'ü' * 32}b@example.org": "longer than 64",
    f"b@{LABEL}a.example": "longer than",
    f"b@{'ü' * 58}.example": "longer than",
    f"bobb@{LONG_DOMAIN}": "longer than 256",
    f"b@{LONG_DOMAIN}.{'c' * 5}": "longer than",
}


@pytest.mark.parametrize("text", VALID)
def test_address_is_taken(text: str) -> None:
    mailbox = Mailbox.parse(text)
    assert (mailbox.local_part, mailbox.domain) == VALID[text]


@pytest.mark.parametrize("text", VALID)
def test_address_is_read_back_from_what_is_written(text: str) -> None:
    mailbox = Mailbox.parse(text)
    assert Mailbox.parse(str(mailbox)) == mailbox


@pytest.mark.parametrize("text", INVALID, ids=ascii)
def test_address_is_refused_for_what_is_wrong_with_it(text: str) -> None:
    with pytest.raises(LocalProtocolError, match=INVALID[text]) as info:
        Mailbox.parse(text)
    assert str(info.value).isascii()
    assert str(info.value).isprintable()
    assert len(str(info.value)) < 1200


@pytest.mark.parametrize(
    ("text", "needed"),
    [("ü@example.org", True), ("u@bücher.example", False), ("u@example.org", False)],
)
def test_only_a_local_part_needs_smtputf8(text: str, needed: bool) -> None:
    assert Mailbox.parse(text).needs_smtputf8 is needed


def test_postmaster_needs_no_domain() -> None:
    assert str(Mailbox("postmaster", "")) == "postmaster"


def test_domain_of_255_octets_is_taken_and_one_more_is_not() -> None:
    longest = f"{LABEL}.{LABEL}.{LABEL}.{LABEL}"
    assert len(longest) == 255
    assert to_a_labels(longest) == longest
    with pytest.raises(LocalProtocolError, match="longer than 255"):
        to_a_labels(f"{LABEL}.{LABEL}.{LABEL}.{LABEL[:62]}.a")


@pytest.mark.parametrize(
    "text",
    [
        "a" * 50_000,
        "a." * 25_000,
        "a@" + "a" * 50_000 + "!",
        '"' * 50_001,
        '"' + "\\a" * 25_000,
        # Punycode of this takes minutes.
        "a@" + "".join(chr(0x4E00 + i % 20_000) for i in range(50_000)),
    ],
    ids=lambda text: text[:4],
)
def test_50_000_characters_that_nearly_match_are_refused_as_fast_as_they_are_read(
    text: str,
) -> None:
    with pytest.raises(LocalProtocolError):
        Mailbox.parse(text)


HELO_NAMES = {
    "client.example": "client.example",
    "Client.Example": "Client.Example",
    "localhost": "localhost",
    "my_pc.example": "my_pc.example",
    "bücher.example": "xn--bcher-kva.example",
    "[192.0.2.1]": "[192.0.2.1]",
    "[IPv6:2001:DB8::1]": "[IPv6:2001:db8::1]",
}
NOT_HELO_NAMES = [
    "",
    " ",
    ".",
    "a b",
    "a.example.",
    "client.example\r\nMAIL FROM:<a@b.example>",
    "client\n",
    "client\0",
    "cli>ent",
    "a@b",
    "a\u2028b.example",
    "é\u2028.example",
    "é\u202e.example",
    "é\xa0b.example",
    "\udce9.example",
    "é\r\nRSET",
    "[192.0.2.1",
    "[192.0.2.1] x",
    "[IPv6:::1%a b]",
    "[IPv6:::1%\r\nRSET]",
    "a" * 64,
    f"{LABEL}.{LABEL}.{LABEL}.{LABEL}.a",
]


@pytest.mark.parametrize("name", HELO_NAMES)
def test_helo_name_is_taken(name: str) -> None:
    assert check_helo(name) == HELO_NAMES[name]


@pytest.mark.parametrize("kind", [Ehlo, Helo])
@pytest.mark.parametrize("name", NOT_HELO_NAMES, ids=ascii)
def test_helo_name_is_refused_before_it_is_a_command(kind: type[Ehlo], name: str) -> None:
    with pytest.raises(LocalProtocolError) as info:
        kind(name)
    assert str(info.value).isprintable()


@pytest.mark.parametrize(
    ("address", "domain"),
    [
        ("ann@Example.ORG", "example.org"),
        ("ann@bücher.example", "xn--bcher-kva.example"),
        ('"a@b"@example.org', "example.org"),
        ("ann", None),
        ("ann@", None),
        ("", None),
        ("ann@bü cher.example", None),
    ],
)
def test_domain_of_what_is_already_written_down(address: str, domain: str | None) -> None:
    assert domain_of(address) == domain


# Any text, and text that looks like an address but for a character or two.
ALPHABET = st.sampled_from('aZ0.@-_+"\\ <>[]:%\r\n\0\u2028\u202eüß例\ud800\ue000。') | (
    st.characters()
)
ANY = st.text(ALPHABET, max_size=30)
LIKELY = st.builds(
    "{}{}@{}{}".format,
    st.sampled_from(["bob", '"a b"', "a.b", "ü", ""]),
    st.text(ALPHABET, max_size=2),
    st.text(ALPHABET, max_size=2),
    st.sampled_from(
        ["example.org", "[192.0.2.1]", "[IPv6:::1]", "bücher.example", "EX.org"]
    ),
)


@given(ANY | LIKELY)
@example("bob@[IPv6:::1%> SIZE=1]")
@example("\ue000@example.org")
def test_whatever_is_accepted_is_one_line_and_is_read_back_as_the_same(text: str) -> None:
    try:
        mailbox = Mailbox.parse(text)
    except LocalProtocolError:
        return
    for command in (Rcpt(mailbox), Mail(mailbox)):
        octets = encode(command)
        assert octets.endswith(b">\r\n")
        assert octets.count(b"\r") == octets.count(b"\n") == 1
        assert parse_command(octets[:-2]) == command


@given(ANY | LIKELY)
def test_fast_path_and_careful_path_agree(text: str) -> None:
    def outcome(parse: object) -> Mailbox | None:
        try:
            return parse(text)  # type: ignore[operator, no-any-return]
        except LocalProtocolError:
            return None

    assert outcome(Mailbox.parse) == outcome(_parse_with_care)


@given(st.text(ALPHABET, max_size=20))
def test_whatever_helo_name_is_accepted_is_one_word(name: str) -> None:
    try:
        command = Ehlo(name)
    except LocalProtocolError:
        return
    octets = encode(command)
    assert octets.count(b" ") == octets.count(b"\n") == 1
    assert parse_command(octets[:-2]) == command
