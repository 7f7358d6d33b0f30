"""A direct send to a real Postfix, found as the MX of its domain."""

from __future__ import annotations

import pandas as pd
import pytest

from smtpbook.accounts.account import Account
from smtpbook.campaign.campaign import Campaign
from smtpbook.messages.template import Template
from tests.servers.mail import DOMAIN, REFUSED
from tests.servers.postfix import Postfix

pytestmark = [pytest.mark.real_server, pytest.mark.heavy, pytest.mark.side_by_side]

POLICY = "version: STSv1\nmode: enforce\nmx: localhost\nmax_age: 86400\n"


@pytest.mark.parametrize("has_policy", [False, True])
def test_its_log_tells_the_same_of_everybody(has_policy: bool, postfix: Postfix) -> None:
    before = len(postfix.deliveries())
    account = Account.direct(
        "client.example",
        zone={
            DOMAIN: {"MX": ["5 away.example", "10 localhost"]},
            "away.example": {"A": "127.0.0.1"},
            "localhost": {"A": "127.0.0.1"},
            f"_mta-sts.{DOMAIN}": {"TXT": "v=STSv1; id=1" if has_policy else "none"},
        },
        policies={DOMAIN: POLICY} if has_policy else {},
        ports={"away.example": 1, "localhost": postfix.port},
        ca_file=postfix.ca_file,
        per_host=None,
        is_lab=True,
    )
    whom = [f"p{n}@{DOMAIN}" for n in range(20)] + list(REFUSED)
    letter = Template(header_from="Ann <ann@sender.example>", subject="Hi", text="Come.")
    campaign = Campaign("c", account, pd.DataFrame({"email": whom}), letter, folder=None)
    run = campaign.send(progress=False)
    assert (run.counts["accepted"], run.counts["rejected"], run.counts["deferred"]) == (
        20,
        1,
        1,
    )
    accepted = run.outcomes.query("outcome == 'accepted'")
    told = list(zip(accepted["queue_id"], accepted["recipient"], strict=True))
    postfix.wait_delivered(told)
    assert len(postfix.deliveries()) - before == 20
    rows = run.log[run.log["outcome"] == "accepted"]
    assert set(rows["server"]) == {"localhost"}
    assert rows["tls_version"].notna().all()
    assert set(run.tls_report()["policy_type"]) == {
        "sts" if has_policy else "no-policy-found"
    }
