"""Zone data at hand: which answer is which."""

from __future__ import annotations

from pathlib import Path

import pytest

from smtpbook.lookup.answer import Answer
from smtpbook.lookup.asker import asker_of
from smtpbook.lookup.resolver import Resolver
from smtpbook.lookup.zone import MAX_ALIASES, Zone

ZONE = Zone(
    {
        "example.org": {
            "MX": ["20 B.example.org.", "10 a.example.org"],
            "TXT": "v=spf1 -all",
        },
        "a.example.org": {"A": "192.0.2.1"},
        "deep.er.example.org": {"A": "192.0.2.2"},
        "*.any.example.org": {"A": "192.0.2.3"},
        "here.any.example.org": {"TXT": "itself"},
        "s1._domainkey.example.org": {"CNAME": "s1.esp.example"},
        "s1.esp.example": {"CNAME": "key.esp.example."},
        "key.esp.example": {"TXT": "v=DKIM1; p="},
        "s1._domainkey.example.net": {"TXT": "v=DKIM1; p="},
    },
    failing={"ill.example.org": "SERVFAIL"},
)
FILE = """
$ORIGIN example.org.
$TTL 300
@       SOA     ns hostmaster 1 2 3 4 5
@       MX      10 Mail
@       TXT     "v=spf1 " "-all"
@       TXT     "\\"quoted\\" \\195\\188 \\255"
mail    A       192.0.2.1
_25._tcp.mail  TLSA 3 1 1 ( AABBCCDDAABBCCDDAABBCCDDAABBCCDD
                            aabbccddaabbccddaabbccddaabbccdd )
$ORIGIN example.com.
@ IN    MX      0 .
"""


@pytest.mark.parametrize(
    ("name", "record", "status", "values"),
    [
        ("example.org", "MX", "found", ("20 b.example.org", "10 a.example.org")),
        ("EXAMPLE.org.", "txt", "found", ("v=spf1 -all",)),
        ("a.example.org", "AAAA", "no_data", ()),
        ("er.example.org", "A", "no_data", ()),
        ("nobody.example.org", "A", "no_name", ()),
        ("_dmarc.example.org", "TXT", "no_name", ()),
        ("_dmarc.org", "TXT", "no_name", ()),
        ("org", "TXT", "no_data", ()),
        ("x.y.any.example.org", "A", "found", ("192.0.2.3",)),
        ("x.any.example.org", "TXT", "no_data", ()),
        ("here.any.example.org", "A", "no_data", ()),
        ("below.here.any.example.org", "A", "no_name", ()),
        ("ill.example.org", "A", "error", ()),
        ("example.com", "A", "error", ()),
        ("_dmarc.com", "TXT", "error", ()),
        ("www.example.net", "A", "no_name", ()),
    ],
)
def test_what_is_not_there_differs_from_what_is_not_known(
    name: str, record: str, status: str, values: tuple[str, ...]
) -> None:
    answer = ZONE.look_up(name, record)
    assert (answer.status, answer.values) == (status, values)
    assert bool(answer) is (status == "found")
    assert (answer.error is not None) is (status == "error")


def test_aliases_are_followed_and_named() -> None:
    assert ZONE.look_up("s1._domainkey.example.org", "TXT") == Answer(
        name="s1._domainkey.example.org",
        record="TXT",
        status="found",
        values=("v=DKIM1; p=",),
        aliases=("s1.esp.example", "key.esp.example"),
    )
    assert ZONE.look_up("s1._domainkey.example.org", "CNAME").values == ("s1.esp.example",)


def test_aliases_in_a_circle_end() -> None:
    zone = Zone({"a.example": {"CNAME": "b.example"}, "b.example": {"CNAME": "a.example"}})
    answer = zone.look_up("a.example", "A")
    assert answer.status == "error"
    assert str(MAX_ALIASES) in (answer.error or "")


def test_a_world_knows_what_does_not_exist() -> None:
    zone = Zone({"example.org": {"A": "192.0.2.1"}}, is_world=True, secure=True)
    assert zone.look_up("example.com", "A").status == "no_name"
    assert zone.look_up("example.org", "A").is_secure


def test_a_name_without_records_is_there() -> None:
    assert Zone({"example.org": {}}).look_up("example.org", "A").status == "no_data"


@pytest.mark.parametrize("how", ["text", "path", "name of a file"])
def test_a_zone_file_is_read(tmp_path: Path, how: str) -> None:
    path = tmp_path / "example.zone"
    path.write_text(FILE, "utf-8")
    zone = Zone({"text": FILE, "path": path}.get(how, str(path)))
    assert zone.look_up("example.org", "MX").values == ("10 mail.example.org",)
    assert zone.look_up("example.org", "TXT").values == ("v=spf1 -all", '"quoted" ü \udcff')
    assert zone.look_up("example.com", "MX").values == ("0 .",)
    assert zone.look_up("_25._tcp.mail.example.org", "TLSA").values == (
        "3 1 1 " + "aabbccdd" * 8,
    )


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"x.example": {"A": "nix"}}, "A of x.example"),
        ({"x.example": {"NIX": "1"}}, "NIX of x.example"),
        ({"x.example": {"MX": "mail.x.example"}}, "MX of x.example"),
        ({"x.example": "v=spf1"}, "expected a mapping"),
        ({"x .example": {"A": "192.0.2.1"}}, "no name in the DNS"),
        ("x.example. A nix", "not a zone file: zone file:1"),
        ("$INCLUDE /etc/passwd\n", "not allowed"),
        ("$GENERATE 1-99999999 h$ A 192.0.2.1\n", "not allowed"),
    ],
)
def test_data_that_cannot_be_read_is_refused_by_place(data: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Zone(data)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("copied", "text"),
    [
        ('"v=spf1 -all"', "v=spf1 -all"),
        (' "v=DKIM1; p=MII" "BIjAN" ', "v=DKIM1; p=MIIBIjAN"),
        (r'"v=DMARC1\; p=none" ', "v=DMARC1; p=none"),
        ('""', ""),
        (f'"{"x" * 300}"', "x" * 300),
        *(
            (text, text)
            for text in ('"' + r"\"" * 99_999, '"quoted" ü', 'he said "no"', '"', "", " ")
        ),
    ],
)
def test_text_that_was_copied_with_its_quotes_loses_them(copied: str, text: str) -> None:
    zone = Zone({"x.example": {"TXT": copied}})
    assert zone.look_up("x.example", "TXT").values == (text,)


def test_whoever_can_be_asked_stays_itself() -> None:
    assert asker_of(ZONE) is ZONE
    assert isinstance(asker_of({"x.example": {}}), Zone)
    resolver = Resolver(["127.0.0.1:5353"])
    assert asker_of(resolver) is resolver
