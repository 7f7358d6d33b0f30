"""What receivers write is read, whatever they write; what we write, they can read."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpbook.authentication.authentication_results import (
    MAX_CHARS,
    MethodResult,
    Results,
    read_results,
)

# In the manner of what the providers write.
GMAIL = (
    "mx.google.com;\r\n       dkim=pass header.i=@x.example header.s=k1 header.b=Ab3+/Cd;"
    "\r\n       spf=pass (google.com: domain of b+ann=y.example@x.example designates"
    " 192.0.2.1 as permitted sender) smtp.mailfrom=b+ann=y.example@x.example;\r\n"
    "       dmarc=pass (p=NONE sp=NONE dis=NONE) header.from=x.example"
)
MICROSOFT = (
    "spf=pass (sender IP is 192.0.2.1)\r\n smtp.mailfrom=x.example; dkim=fail (body hash"
    " did not verify)\r\n header.d=x.example;dmarc=pass action=none header.from=x.example;"
    "compauth=pass reason=100"
)
YAHOO = (
    "atlas-production.v2-mail-prod1.gq1.yahoo.com; dkim=pass header.i=@x.example"
    " header.s=k1; spf=pass smtp.mailfrom=x.example; dmarc=pass(p=REJECT)"
    " header.from=x.example;"
)


def shape(value: str) -> tuple[str, list[tuple[str, str]]]:
    found = read_results(value)
    return found.server, [(one.method, one.result) for one in found.methods]


@pytest.mark.parametrize(
    ("value", "server", "methods"),
    [
        (GMAIL, "mx.google.com", "dkim=pass spf=pass dmarc=pass"),
        (MICROSOFT, "", "spf=pass dkim=fail dmarc=pass compauth=pass"),
        (
            YAHOO,
            "atlas-production.v2-mail-prod1.gq1.yahoo.com",
            "dkim=pass spf=pass dmarc=pass",
        ),
        ("mx.example; none", "mx.example", ""),
        ("mx.example 1; none", "mx.example", ""),
        ("mx.example", "mx.example", ""),
        ("none", "", ""),
        ("", "", ""),
        (";;;", "", ""),
        ("mx.example; SPF=Pass; dkim=PASS", "mx.example", "spf=pass dkim=pass"),
        ('"a b"; spf=pass', "a b", "spf=pass"),
        ("mx.example spf=pass; dkim=none", "mx.example", "spf=pass dkim=none"),
        ("mx.example; header.from=x; dkim=none", "mx.example", "dkim=none"),
        ("mx.example; x-tls=pass", "mx.example", "x-tls=pass"),
        ("mx.example; a b c; spf=pass", "mx.example", "spf=pass"),
        ("(by; hand) mx.example (x=y); spf=pass", "mx.example", "spf=pass"),
        ("mx.example; spf=pass (never closed; dkim=pass", "mx.example", "spf=pass"),
        ('mx.example; spf=pass reason="never closed; dkim=p', "mx.example", "spf=pass"),
    ],
)
def test_server_and_methods(value: str, server: str, methods: str) -> None:
    assert shape(value) == (server, [tuple(m.split("=")) for m in methods.split()])


def test_what_a_method_looked_at() -> None:
    dkim, spf, dmarc = read_results(GMAIL).methods
    assert dkim.properties == {
        "header.i": "@x.example",
        "header.s": "k1",
        "header.b": "Ab3+/Cd",
    }
    assert spf.properties == {"smtp.mailfrom": "b+ann=y.example@x.example"}
    assert "designates 192.0.2.1" in spf.comment
    assert dmarc.comment == "p=NONE sp=NONE dis=NONE"


def test_microsoft_s_reason_and_action() -> None:
    found = read_results(MICROSOFT)
    assert found.of("compauth")[0].reason == "100"
    assert found.of("dmarc")[0].properties["action"] == "none"


def test_the_grammar_s_rarer_forms() -> None:
    value = (
        "mx.example 1 (two); dkim/1 (v) = (r) pass (good) reason (why) ="
        ' "it; \\"is\\"" header (h) . d (v) = x.example header.b="Ab=="'
    )
    (one,) = read_results(value).methods
    assert one == MethodResult(
        method="dkim",
        result="pass",
        reason='it; "is"',
        properties={"header.d": "x.example", "header.b": "Ab=="},
        comment="v r good why h v",
    )


def test_comments_nest_and_quote() -> None:
    (one,) = read_results(r"mx.example; spf=pass (a (b) \) c) smtp.helo=x").methods
    assert one.comment == "a (b) ) c"
    assert one.properties == {"smtp.helo": "x"}


def test_of_a_property_that_stands_there_twice_the_first_counts() -> None:
    (one,) = read_results("m; dkim=pass header.d=x.example HEADER.D=evil.example").methods
    assert one.properties == {"header.d": "x.example"}


def test_the_null_reverse_path() -> None:
    (one,) = read_results('m; spf=none smtp.mailfrom="" smtp.helo=mx.example').methods
    assert one.properties == {"smtp.mailfrom": "", "smtp.helo": "mx.example"}


@pytest.mark.parametrize(
    ("value", "instance"), [("1", 1), ("50", 50), ("x", None), ("9" * 5000, None)]
)
def test_arc_counts_its_fields(value: str, instance: int | None) -> None:
    found = read_results(f"i={value}; lists.example; spf=pass")
    assert (found.instance, found.server) == (instance, "lists.example")
    assert len(found.of("spf")) == 1


def test_reading_is_bounded() -> None:
    assert len(read_results("m" + "; spf=pass" * MAX_CHARS).methods) <= MAX_CHARS // 10
    assert read_results("m; spf=pass " + "(" * 1_000_000).methods[0].result == "pass"


PIECES = st.sampled_from(
    [
        *' \t\r\n;="()\\./@',
        "spf",
        "pass",
        "mx.example",
        "reason",
        "i=1;",
        "\udcff",
        "é",
        "\0",
    ]
)


@settings(max_examples=50)
@given(st.lists(PIECES, max_size=30).map("".join) | st.text())
def test_any_text_is_read_and_what_was_read_can_be_written(value: str) -> None:
    found = read_results(value)
    line = found.to_field()
    assert line.isascii()
    assert not set(line.replace("\r\n\t", "")) & set(map(chr, range(32)))
    again = read_results(line.partition(":")[2])
    assert again.instance == found.instance
    assert [one.method for one in again.methods] == [one.method for one in found.methods]


WORDS = st.text(st.sampled_from("ab1.@=;()/\\\"' "), max_size=12)
NAMES = st.sampled_from(["a", "dkim", "x-1", "0b", "temperror"])
METHODS = st.builds(
    MethodResult,
    method=NAMES,
    result=NAMES,
    reason=st.none() | WORDS,
    properties=st.dictionaries(st.tuples(NAMES, NAMES).map(".".join), WORDS, max_size=3),
    comment=WORDS.map(lambda text: " ".join(text.split())),
)
RESULTS = st.builds(
    Results,
    server=WORDS.filter(lambda text: text.lower() != "none" and text.strip()),
    methods=st.lists(METHODS, max_size=3).map(tuple),
    instance=st.none() | st.integers(1, 50),
)


@settings(max_examples=50)
@given(RESULTS)
def test_what_we_write_reads_the_same(results: Results) -> None:
    assert read_results(results.to_field().partition(":")[2]) == results
    assert read_results(str(results)) == results
    # A line of blanks would end the header for some readers.
    assert all(line.strip() for line in results.to_field().split("\r\n"))
