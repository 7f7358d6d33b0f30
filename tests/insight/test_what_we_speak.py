"""The page says what the code does: each row of it, and each thing that the code knows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from smtpbook.codes.tables import spoken
from smtpbook.insight.what_we_speak import KINDS, what_we_speak
from smtpbook.protocol import commands, connection, extensions
from smtpbook.protocol.parameters import PARAMETERS
from smtpbook.sasl.registry import MECHANISMS
from smtpbook.transfer.options import WITHOUT

PACKAGE = Path(commands.__file__).parents[1]
# The rooms that speak on the wire.
ROOMS = ("protocol", "transfer", "transport", "sasl", "session", "lab")


def rows(kind: str, *speaks: str) -> set[str]:
    return {one.name for one in spoken() if one.kind == kind and one.speaks in speaks}


def check(kind: str, known: set[str], *, may_deny: bool = False) -> None:
    """Compare the rows of a kind with what the code knows; name what does not fit."""
    told = rows(kind, "yes", "by hand")
    lacks = known - told - (rows(kind, "no") if may_deny else set())
    assert not lacks, f"spoken.csv lacks, or denies: {kind} {sorted(lacks)}"
    assert not told - known, f"spoken.csv claims: {kind} {sorted(told - known)}"


def test_every_verb_of_the_grammar_has_a_row() -> None:
    check("command", set(commands._GRAMMAR))


def test_every_mechanism_has_a_row() -> None:
    check("mechanism", set(MECHANISMS))


class Asked(dict[str, tuple[str, ...]]):
    """Keywords of an EHLO reply, which remember what was asked for."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def __contains__(self, name: object) -> bool:
        self.names.add(str(name))
        return False

    def get(self, name: str, default: object = None) -> object:  # type: ignore[override]
        self.names.add(name)
        return default


def keywords() -> set[str]:
    """Give the keywords that the code acts on: read in EHLO's reply, or needed to speak."""
    asked = Asked()
    extensions.Extensions._from_keywords(asked)
    by_command = set(connection.COMMAND_NEEDS.values())
    by_parameter = {parameter.extension for parameter in PARAMETERS.values()}
    by_option = {row.partition(" ")[0] for row in WITHOUT}
    return asked.names | by_command | by_parameter | by_option


def test_every_extension_that_is_acted_on_has_a_row() -> None:
    # A status is read wherever it stands, and the keyword need not be looked at.
    check("extension", keywords() | {"ENHANCEDSTATUSCODES"})


def test_every_standard_that_the_code_follows_has_a_row() -> None:
    sources = (path for room in ROOMS for path in (PACKAGE / room).rglob("*.py"))
    cited = {
        f"RFC {number}"
        for path in sources
        for number in re.findall(r"RFC\s+(\d+)", path.read_text("utf-8"))
    }
    check("standard", cited, may_deny=True)  # some are named to say why not


def test_rows_are_unique_and_whole() -> None:
    table = what_we_speak()
    assert not table.duplicated(["kind", "name"]).any()
    assert set(table["kind"]) == set(KINDS)
    assert set(table["speaks"]) == {"yes", "by hand", "no"}
    for text in (*table["how"], *table["otherwise"].dropna()):
        assert text.endswith("."), text
    assert table["source"].str.len().min() > 0


@pytest.mark.parametrize("kind", KINDS)
def test_one_kind_alone(kind: str) -> None:
    assert set(what_we_speak(kind)["kind"]) == {kind}


def test_a_kind_that_is_none_gets_the_near_miss() -> None:
    with pytest.raises(ValueError, match="did you mean 'extension'"):
        what_we_speak("extensions")
