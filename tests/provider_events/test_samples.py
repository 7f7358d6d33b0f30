"""Every provider's sample becomes the same table: who, what, and the reply that said so."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from smtpbook.formats.read import read_log
from smtpbook.formats.registry import FORMATS, format_of
from smtpbook.logfile.format import LogFormat
from smtpbook.samples import share_path

LOGS = share_path("data") / "logs"
ANN, BOB, CY = "ann@ordinary.example", "bob@patience.example", "cy@gone.example"
DEE, EVE, FAY = "dee@fullbox.example", "eve@strictgate.example", "fay@ordinary.example"

GONE = (CY, "bounced", 550, "5.1.1")
REFUSED = (CY, "rejected", 550, "5.1.1")
SLOW = (BOB, "deferred", 451, "4.7.1")
COMPLAINED = (ANN, "complaint", None, None)
TAKEN = (ANN, "accepted", None, None)
ARRIVED = (ANN, "delivered", 250, "2.0.0")
HANDED_ON = (ANN, "accepted", 250, "2.0.0")

# Each row of each sample: recipient, outcome, reply code, enhanced status.
TOLD: dict[str, list[tuple[str | None, str | None, int | None, str | None]]] = {
    "ses.jsonl": [
        TAKEN,
        ARRIVED,
        GONE,
        ("cleo@gone.example", "bounced", 550, "5.1.1"),
        (EVE, "suppressed", None, "5.1.1"),
        (DEE, "deferred", 452, "4.2.2"),
        COMPLAINED,
        (BOB, "failed", None, None),
        (FAY, "failed", None, None),
    ],
    "sendgrid.json": [
        TAKEN,
        ARRIVED,
        SLOW,
        GONE,
        (EVE, "bounced", 554, "5.7.1"),
        (DEE, "suppressed", None, "5.0.0"),
        COMPLAINED,
    ],
    "mailgun.json": [
        TAKEN,
        (ANN, "delivered", 250, None),
        SLOW,
        GONE,
        (DEE, "suppressed", None, None),
        (EVE, "failed", None, None),
        COMPLAINED,
    ],
    "postmark.json": [ARRIVED, GONE, (DEE, "bounced", 552, "5.2.2"), COMPLAINED],
    "sparkpost.json": [
        TAKEN,
        (ANN, "delivered", None, None),
        SLOW,
        GONE,
        (DEE, "bounced", 552, "5.2.2"),
        (EVE, "suppressed", 550, "5.7.1"),
        COMPLAINED,
    ],
    "brevo.jsonl": [
        TAKEN,
        (ANN, "delivered", None, None),
        SLOW,
        GONE,
        (DEE, "bounced", 452, "4.2.2"),
        (EVE, "suppressed", None, None),
        ("nobody at example", "failed", None, None),
        COMPLAINED,
    ],
    "mailjet.json": [
        ARRIVED,
        (CY, "bounced", None, None),
        (DEE, "bounced", None, None),
        (EVE, "suppressed", None, None),
        COMPLAINED,
    ],
    "resend.jsonl": [
        TAKEN,
        (ANN, "delivered", None, None),
        (BOB, "deferred", None, None),
        GONE,
        (EVE, "suppressed", None, None),
        COMPLAINED,
    ],
    "kumomta.jsonl": [
        HANDED_ON,
        SLOW,
        (BOB, "accepted", 250, "2.0.0"),
        REFUSED,
        (DEE, "bounced", 551, "5.4.7"),
        (EVE, "bounced", 551, "5.7.1"),
        (FAY, "bounced", 552, "5.2.2"),
        COMPLAINED,
    ],
    "powermta.csv": [
        HANDED_ON,
        SLOW,
        REFUSED,
        (DEE, "bounced", None, "4.4.7"),
        (None, None, 421, "4.7.0"),
        (EVE, "bounced", 550, "5.7.1"),
        COMPLAINED,
    ],
    "exchange-tracking.log": [
        HANDED_ON,
        SLOW,
        REFUSED,
        ("dee@nowhere.example", "bounced", 550, "5.1.2"),
        ("fay@bulletin.example", "delivered", None, None),
    ],
    "exchange-trace.csv": [
        (ANN, "accepted", None, None),
        (CY, "bounced", None, None),
        ("fay@bulletin.example", "delivered", None, None),
    ],
}
OURS = {file: file.split(".")[0].split("-")[0] for file in TOLD}


@pytest.fixture(scope="module")
def logs() -> dict[str, pd.DataFrame]:
    return {file: read_log(LOGS / file) for file in TOLD}


@pytest.mark.parametrize("file", TOLD)
def test_a_sample_is_told_by_its_content_and_read_row_by_row(
    file: str, logs: dict[str, pd.DataFrame]
) -> None:
    log = logs[file]
    columns = ["recipient", "outcome", "reply_code", "enhanced_status"]
    cells = log[columns].astype(object)
    rows = cells.where(cells.notna(), None).itertuples(index=False, name=None)
    assert list(rows) == TOLD[file]
    assert log["time"].notna().all()
    assert set(log["source"]) == {OURS[file]}
    assert (
        log["recipient_domain"].dropna().isin(log["recipient"].str.split("@").str[-1]).all()
    )


@pytest.mark.parametrize("file", TOLD)
def test_nothing_is_skipped_but_what_is_not_about_delivery(
    file: str, logs: dict[str, pd.DataFrame]
) -> None:
    read = logs[file].attrs["read"]
    assert all(one.startswith("not about delivery: ") for one in read["examples"])
    assert read["skipped"] == len(read["examples"])
    assert read["matched"] + read["skipped"] == read["lines"]


@pytest.mark.parametrize("file", TOLD)
def test_no_other_format_takes_a_sample_for_its_own(file: str) -> None:
    encoding = "utf-16" if file == "exchange-trace.csv" else "utf-8"
    lines = (LOGS / file).read_text(encoding).splitlines()
    for name in FORMATS:
        form = format_of(name)
        if isinstance(form, LogFormat) and name != OURS[file]:
            assert not any(map(form.sniff, lines)), name


def test_a_refusal_without_a_reply_has_the_reason_that_the_provider_names(
    logs: dict[str, pd.DataFrame],
) -> None:
    mailjet = logs["mailjet.json"].set_index("recipient")["reason"]
    assert (mailjet[CY], mailjet[DEE]) == ("user_unknown", "mailbox_full")
    powermta = logs["powermta.csv"].set_index("recipient")["reason"]
    assert powermta[DEE] == "expired"


@pytest.mark.parametrize("file", sorted(set(TOLD) - {"resend.jsonl", "exchange-trace.csv"}))
def test_an_unknown_user_is_one_whoever_says_so(
    file: str, logs: dict[str, pd.DataFrame]
) -> None:
    log = logs[file]
    refused = log[
        (log["recipient"] == CY).fillna(False)
        & log["outcome"].isin(["bounced", "rejected"])
    ]
    assert refused["reason"].tolist() == ["user_unknown"]


def test_what_a_provider_says_of_itself_is_not_taken_for_a_servers_words(
    logs: dict[str, pd.DataFrame],
) -> None:
    """An attribute that is not present is nothing about the recipient."""
    log = logs["ses.jsonl"]
    refused = log[(log["outcome"] == "failed").to_numpy(bool)]
    assert refused["reason"].tolist() == ["virus", "message_format"]
    mailgun = logs["mailgun.json"]
    assert mailgun[(mailgun["outcome"] == "failed").to_numpy(bool)]["reason"].isna().all()


def test_what_identifies_a_message_is_kept(logs: dict[str, pd.DataFrame]) -> None:
    by_file = {file: log.iloc[0] for file, log in logs.items()}
    for file in ("ses.jsonl", "sendgrid.json", "mailgun.json", "kumomta.jsonl"):
        assert by_file[file]["message_id"] == "<1@bulletin.example>"
    assert by_file["ses.jsonl"]["queue_id"] == "0102019a0001-000000"
    assert by_file["sparkpost.json"]["campaign_id"] == "november"
    assert by_file["powermta.csv"]["campaign_id"] == "november"


def test_attempts_are_counted_from_one(logs: dict[str, pd.DataFrame]) -> None:
    log = logs["kumomta.jsonl"]
    bob = log[(log["recipient"] == BOB).fillna(False)]
    assert bob["attempt"].tolist() == [1, 2]
    assert bob["verb"].tolist() == ["RCPT", "END-OF-DATA"]


def test_samples_are_small() -> None:
    sizes = {path.name: path.stat().st_size for path in LOGS.iterdir()}
    assert max(sizes[file] for file in TOLD) < 10_000


def test_marks_without_events_give_no_rows(tmp_path: Path) -> None:
    """What has the marks of a provider in a text that is no JSON gives no row."""
    path = tmp_path / "odd.json"
    path.write_text('see "sg_event_id": it is not JSON\n{"sg_event_id": 1}\n')
    log = read_log(path)
    assert log.empty
    assert log.attrs["read"]["skipped"] == 2
