"""The tree walk: whose record applies, and where an organization ends (RFC 9989 4.10)."""

from __future__ import annotations

import pytest

from smtpbook.authentication.tree_walk import NoAnswer, TreeWalk, walk_of
from smtpbook.lookup.answer import Answer
from smtpbook.lookup.zone import Zone


def world(**records: str | list[str]) -> Zone:
    """Give a zone of DMARC records; names are written with ``_`` for a dot."""
    return Zone(
        {
            f"_dmarc.{name.replace('_', '.')}": {"TXT": text}
            for name, text in records.items()
        },
        is_world=True,
    )


def test_the_standard_s_long_name_is_asked_for_with_eight_questions() -> None:
    assert walk_of("a.b.c.d.e.f.g.h.i.j.mail.example.com") == (
        "a.b.c.d.e.f.g.h.i.j.mail.example.com",
        "g.h.i.j.mail.example.com",
        "h.i.j.mail.example.com",
        "i.j.mail.example.com",
        "j.mail.example.com",
        "mail.example.com",
        "example.com",
        "com",
    )
    assert len(walk_of("1.2.3.4.5.6.7.8")) == 8
    assert walk_of("com") == ("com",)


PLAIN, SUFFIX, TOP = "v=DMARC1; p=none", "v=DMARC1; p=none; psd=y", "v=DMARC1; psd=n"


@pytest.mark.parametrize(
    ("records", "organization", "owner"),
    [
        # The three examples of section 4.10.2.
        ({"mail_example_com": PLAIN, "example_com": PLAIN}, "example.com", "example.com"),
        ({"mail_example_com": TOP, "example_com": PLAIN}, "mail.example.com", ""),
        ({"com": SUFFIX}, "example.com", "com"),
        # A suffix in between, with and without a record of the organization.
        ({"example_com": SUFFIX}, "mail.example.com", "example.com"),
        ({"example_com": SUFFIX, "mail_example_com": PLAIN}, "mail.example.com", ""),
        ({"example_com": SUFFIX, "com": PLAIN}, "mail.example.com", "example.com"),
        ({"com": SUFFIX, "example_com": PLAIN}, "example.com", "example.com"),
        # Where the walk started, psd=y is passed over, and the walk ends.
        ({"a_mail_example_com": SUFFIX, "com": PLAIN}, "a.mail.example.com", "a"),
        ({"a_mail_example_com": PLAIN, "example_com": PLAIN}, "example.com", "a"),
        ({"a_mail_example_com": TOP, "example_com": PLAIN}, "a.mail.example.com", "a"),
        # Of several records none counts, nor does what is no record.
        ({"example_com": [PLAIN, TOP], "com": PLAIN}, "com", "com"),
        ({"example_com": "v=DMARC2; psd=n"}, "a.mail.example.com", None),
        ({"example_com": ["v=spf1", PLAIN]}, "example.com", "example.com"),
        ({}, "a.mail.example.com", None),
    ],
)
async def test_organization_and_record(
    records: dict[str, str | list[str]], organization: str, owner: str | None
) -> None:
    walk = TreeWalk(world(**records))
    assert await walk.organization("a.mail.example.com") == organization
    found = await walk.find("a.mail.example.com")
    owners = {None: "", "": "mail.example.com", "a": "a.mail.example.com"}
    assert found.domain == owners.get(owner, owner)
    assert (found.record is None) == (owner is None)


async def test_a_record_of_the_domain_s_own_needs_no_walk() -> None:
    zone = Zone({"_dmarc.x.example": {"TXT": PLAIN}}, failing=["_dmarc.example"])
    assert (await TreeWalk(zone).find("x.example")).domain == "x.example"
    with pytest.raises(NoAnswer, match="SERVFAIL"):
        await TreeWalk(zone).organization("x.example")


async def test_each_name_is_asked_for_once() -> None:
    asked = []

    class Counting:
        async def ask(self, name: str, record: str) -> Answer:
            asked.append(name)
            return Answer(name=name, record=record, status="no_name")

    walk = TreeWalk(Counting())
    for _ in range(2):
        await walk.find("a.x.example")
        await walk.organization("b.x.example")
    assert sorted(asked) == sorted(
        f"_dmarc.{one}" for one in ("a.x.example", "b.x.example", "x.example", "example")
    )


async def test_records_at_the_domain_are_given_with_the_result() -> None:
    found = await TreeWalk(world(x_example=[PLAIN, TOP, "other"])).find("x.example")
    assert (found.record, found.texts) == (None, (PLAIN, TOP))
