"""The sample campaigns: a letter in October and one in November, sent in virtual time.

``python -m tests.samples.campaigns`` makes ``data/sent/`` again.  Nobody was written
to: both are rehearsals of the package's own code against a server that is made up.  In
November that server looks longer at each letter, and one domain asks for a DKIM signature.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pandas as pd

from smtpbook.accounts.account import Account
from smtpbook.campaign.campaign import Campaign
from smtpbook.lab.behaviours import Behaviour, Rule
from smtpbook.log.store import read_table, write_log, write_tables
from smtpbook.pacing.retry import Retry
from smtpbook.rehearsal.model import Refusal, ServerModel
from smtpbook.samples import sample, share_path

RECIPIENTS: Final = 2000
_BEGAN: Final = {
    "october": datetime(2026, 10, 27, 8, 0, tzinfo=UTC),
    "november": datetime(2026, 11, 24, 8, 0, tzinfo=UTC),
}
NAMES: Final = tuple(_BEGAN)

_MINUTE_S: Final = 60.0
_HOUR_S: Final = 60 * _MINUTE_S
# Finer digits tell nothing, and would be half of the file.  A power of two leaves the lower
# octets of a float empty.
_STEP_S: Final = 1 / 8192
_ZSTD_LEVEL: Final = 19  # written once, and carried in every wheel
_TIMES: Final = ("latency_s", "first_byte_s", "service_s")

_UNKNOWN: Final = "550 5.1.1 No reader of that name here"
_GREYLISTED: Final = "450 4.2.0 Greylisted: this is your first letter here, come again"
_FULL: Final = "452 4.2.2 This mailbox is over its quota"
_SPAM: Final = "550 5.7.1 Our filter takes this letter for spam"
_UNSIGNED: Final = (
    "550 5.7.26 Unauthenticated mail from smtpbook.example is not accepted: "
    "no valid DKIM signature"
)
_ALWAYS: Final = (
    Refusal(reply=_UNKNOWN, domain="gone.example"),
    Refusal(
        reply="550 5.1.1 There is no such mailbox", domain="harbor.example", share=0.04
    ),
    Refusal(reply=_UNKNOWN, domain="colina.example", share=0.02),
    Refusal(
        reply="550 5.2.1 This mailbox has been closed", domain="atelier.example", share=0.03
    ),
    Refusal(reply=_GREYLISTED, domain="patience.example", share=0.55, for_s=4 * _MINUTE_S),
    Refusal(reply=_GREYLISTED, domain="patience.example", share=0.45, for_s=25 * _MINUTE_S),
    Refusal(reply=_FULL, domain="fullbox.example", share=0.6),
    Refusal(reply=_FULL, domain="fullbox.example", share=0.4, for_s=7 * _HOUR_S),
    Refusal(reply=_SPAM, verb="END-OF-DATA", domain="strictgate.example", share=0.7),
)
_IN_NOVEMBER: Final = (
    Refusal(reply=_UNSIGNED, verb="END-OF-DATA", domain="meadow.example", share=0.8),
    Refusal(
        reply="451 4.3.2 Closed for maintenance, please come back later",
        domain="sakura.example",
        share=0.5,
        for_s=2.5 * _HOUR_S,
    ),
)
# A line that breaks now and then, and a domain that is slow on purpose.
_RULES: Final = (
    Rule("RCPT", "*@slowlane.example", Behaviour(delay_s=(0.8, 6.0))),
    Rule("END-OF-DATA", "*@colina.example", Behaviour(drop=True, probability=0.008)),
    Rule("MAIL", None, Behaviour(drop=True, probability=0.001)),
)
_SERVICE_S: Final = {
    "": (0.0005, 0.001, 0.003),
    "GREETING": (0.02, 0.03, 0.05, 0.4),
    "MAIL": (0.001, 0.002, 0.003, 0.01),
    "RCPT": (0.004, 0.006, 0.009, 0.015, 0.12),
}
_END_OF_DATA_S: Final = {
    "october": (0.06, 0.09, 0.12, 0.16, 0.2, 0.3, 1.8),
    "november": (0.07, 0.12, 0.18, 0.28, 0.4, 0.7, 3.5),
}


def make(name: str) -> pd.DataFrame:
    """Send one of the campaigns in virtual time; the same log each time."""
    began = _BEGAN[name]
    server = ServerModel(
        name="smtp.smtpbook.example, made up",
        round_trip_s=(0.011, 0.012, 0.0125, 0.014, 0.03),
        tls_s=(0.026, 0.03, 0.05),
        service_s={**_SERVICE_S, "END-OF-DATA": _END_OF_DATA_S[name]},
        refusals=_ALWAYS + _IN_NOVEMBER if name == "november" else _ALWAYS,
        rules=_RULES,
        extensions=("PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"),
    )
    campaign = Campaign(
        name,
        Account(host="smtp.smtpbook.example", username="ann@smtpbook.example", name="ann"),
        sample("people", size=RECIPIENTS),
        sample("letter"),
        pace="15/min",
        connections=2,
        messages_per_connection=50,
        suppress=sample("never"),
        retry=Retry(after_s={"mailbox_full": (4 * _HOUR_S,)}, give_up_s=24 * _HOUR_S),
        folder=None,
    )
    run = campaign.rehearse(server, seed=NAMES.index(name), progress=False)
    log = run.log
    log["campaign_id"] = pd.Series(name, log.index, dtype=log["campaign_id"].dtype)
    log["time"] = (log["time"] - run.began + began).dt.floor("ms")
    for column in _TIMES:
        log[column] = (log[column] / _STEP_S).round() * _STEP_S
    return log


def path_of(name: str) -> Path:
    """Give the file that a campaign's log is kept in."""
    return share_path("data") / "sent" / f"{name}.parquet"


def keep(log: pd.DataFrame, path: Path) -> None:
    """Write a log, packed as small as zstd can."""
    path.parent.mkdir(exist_ok=True)
    write_tables([read_table(write_log(log, path))], path, {}, level=_ZSTD_LEVEL)


if __name__ == "__main__":
    for each in NAMES:
        keep(make(each), path_of(each))
        print(path_of(each))
