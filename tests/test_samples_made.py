"""The samples that commands make are still what the commands make."""

from __future__ import annotations

import gzip
from pathlib import Path

import pandas as pd
import pytest

from smtpbook.log.store import read_log
from smtpbook.samples import sample
from tests.samples import campaigns, mail_log

pytestmark = pytest.mark.side_by_side


@pytest.mark.heavy
@pytest.mark.parametrize("name", campaigns.NAMES)
def test_a_campaign_is_sent_again_with_the_same_log(name: str, tmp_path: Path) -> None:
    campaigns.keep(campaigns.make(name), tmp_path / "again.parquet")
    pd.testing.assert_frame_equal(read_log(tmp_path / "again.parquet"), sample(name))


def test_the_mail_log_is_told_again_word_for_word() -> None:
    assert gzip.decompress(mail_log.path_of().read_bytes()).decode() == mail_log.make()


def test_the_campaigns_went_to_the_sample_s_people() -> None:
    people = sample("people", size=campaigns.RECIPIENTS)
    for name in campaigns.NAMES:
        log = sample(name)
        assert set(log["recipient"].dropna()) == set(people.addresses)
        assert set(log["campaign_id"]) == {name}
        assert log["outcome"].dropna().nunique() >= 6


def test_postfix_would_have_written_every_line_of_the_mail_log() -> None:
    log = sample("mail.log.gz")
    read = log.attrs["read"]
    assert read["matched"] == read["lines"] > 4000
    assert {"accepted", "rejected", "deferred", "bounced", "failed", "in_doubt"} <= set(
        log["outcome"].dropna()
    )


def test_what_the_wheel_carries_is_small() -> None:
    paths = [*map(campaigns.path_of, campaigns.NAMES), mail_log.path_of()]
    assert all(path.stat().st_size < 250_000 for path in paths)
