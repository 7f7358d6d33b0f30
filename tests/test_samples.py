"""The sample campaign: what ``data/`` promises to the demo, the lab and the notebooks."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from smtpbook.messages.template import Template
from smtpbook.protocol.addresses import domain_of
from smtpbook.recipients.recipients import Recipients
from smtpbook.samples import sample, sample_names, sample_path, share_path


def domains(people: Recipients) -> pd.Series:
    return people.frame["email"].map(domain_of).value_counts()


def test_people_are_300_in_reserved_domains_without_a_problem() -> None:
    people = sample("people")
    assert len(people) == 300
    assert not people.problems["dropped"].any()
    assert all(domain.endswith(".example") for domain in domains(people).index)
    assert people.frame["email"].str.match(r"^[a-z0-9.]+@").all()
    assert people.frame["first_name"].isna().sum() == 9
    assert set(people.frame["language"]) == {"en", "de", "fr", "es", "it", "ja", "pl", "pt"}


def test_the_domains_that_mean_something_to_the_lab_have_their_shares() -> None:
    counts = domains(sample("people"))
    special = {
        "patience.example": 21,
        "slowlane.example": 15,
        "fullbox.example": 9,
        "gone.example": 12,
        "strictgate.example": 9,
    }
    assert {domain: int(counts[domain]) for domain in special} == special
    assert "xn--bcher-kva.example" in counts.index
    assert "bücher.example" in sample_path("people").read_text("utf-8")


def test_every_log_is_read_and_holds_what_became_of_somebody() -> None:
    for name in set(sample_names()) - {"people", "never", "letter", "seed-dialogue"}:
        log = sample(name)
        assert len(log), name
        if name != "dmarc-report.xml":
            assert log["outcome"].notna().any(), name


def test_never_is_a_part_of_people() -> None:
    people, never = sample("people"), sample("never")
    assert len(never) == 6
    assert len(people - never) == 294
    frame = pd.read_csv(sample_path("never"))
    assert frame.columns.tolist() == ["email", "reason", "date"]
    assert pd.to_datetime(frame["date"]).dt.year.eq(2026).all()


def test_the_letter_renders_for_everybody() -> None:
    letter = sample("letter")
    assert isinstance(letter, Template)
    people = sample("people")
    assert letter.fields <= set(people.frame.columns)
    for row in people:
        message = letter.render(row)
        assert not message.is_8bit
        assert str(message.recipients[0]) == row["email"]


def test_more_people_have_the_same_domains_and_new_names() -> None:
    base, people = sample("people"), sample("people", size=3000)
    assert len(people) == 3000
    assert not people.problems["dropped"].any()
    assert people.addresses[:300] == base.addresses
    assert (domains(people) == 10 * domains(base)).all()
    known = set(zip(base.frame["first_name"], base.frame["last_name"], strict=True))
    given = set(zip(people.frame["first_name"], people.frame["last_name"], strict=True))
    assert len(given - known) > 500


def test_more_people_are_repeatable_and_differ_by_seed() -> None:
    first, again, other = (sample("people", size=1000, seed=seed) for seed in (1, 1, 2))
    assert first.addresses == again.addresses
    assert first.addresses != other.addresses


def test_fewer_people_are_drawn() -> None:
    few = sample("people", size=10)
    assert len(few) == 10
    assert set(few.addresses) <= set(sample("people").addresses)


def test_the_seed_dialogue_is_text() -> None:
    assert "SEND FROM" in sample("seed-dialogue")


def test_an_unknown_sample_gets_the_list_and_the_near_miss() -> None:
    with pytest.raises(
        ValueError, match=r"'poeple'; did you mean 'people'\?; there are: peo"
    ):
        sample("poeple")
    with pytest.raises(
        ValueError, match="there are: people, never, letter, seed-dialogue, october"
    ):
        sample_path("x")
    with pytest.raises(ValueError, match="'letter' has no size 3"):
        sample("letter", size=3)


def test_share_finds_the_checkout() -> None:
    assert (share_path("data") / "people.csv").is_file()
    with pytest.raises(FileNotFoundError, match="no folder 'nothing' was installed"):
        share_path("nothing")


def test_data_is_text_with_unix_line_ends() -> None:
    for path in Path(share_path("data")).glob("*.*"):
        assert b"\r" not in path.read_bytes()
