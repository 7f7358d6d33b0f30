"""Nothing of anybody is in a case file, and all figures are."""

from __future__ import annotations

import base64
import quopri
import re
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpbook.events import CLEAR_TEXT, COLUMNS, SCHEMA, Event
from smtpbook.experiments.experiment import Experiment
from smtpbook.log.frame import to_frame
from smtpbook.log.store import read_log, write_log
from smtpbook.reports.case import TREATMENTS, kept_settings, write_case
from smtpbook.reports.pictures import pictures
from smtpbook.tables.latency import latency_by_command
from smtpbook.tables.outcomes import by_domain, count_outcomes
from smtpbook.tables.replies import reply_codes
from smtpbook.tables.scan import scan_log
from smtpbook.tables.sessions import sessions
from tests.experiments.conftest import log_of
from tests.log.story import Story, day

pytestmark = pytest.mark.side_by_side

TEXTS = [column.name for column in SCHEMA if column.dtype in ("string", "category")]
# Told from whatever the package itself writes by how they begin.
NAMES = st.from_regex(r"zq[a-z0-9]{5,9}", fullmatch=True)
LOCAL_PARTS = NAMES | st.builds("{}.ж{}".format, NAMES, NAMES) | st.just("zq.José7+tag")
DOMAINS = st.builds("{}.example".format, NAMES) | st.just("zqbücher77.example")


def disguises(local_part: str, domain: str, secret: str) -> list[str]:
    """Give the ways in which a text may hold an address, a part of it, or a secret."""
    address = f"{local_part}@{domain}"
    octets = address.encode()
    as_xtext = "".join(
        f"+{octet:02X}" if octet in b"+=@" else chr(octet) for octet in octets
    )
    return [
        address,
        f"<{address.upper()}>:",
        local_part,
        f"{local_part}'s",
        f"{domain}.",
        domain.encode("idna").decode(),
        f"bounce+{local_part}={domain}@lists.{domain}",
        f"SRS0=HHH=TT={domain}={local_part}@fwd.{domain}",
        quote(address, safe=""),
        quopri.encodestring(octets).decode(),
        f"=?utf-8?q?{quopri.encodestring(local_part.encode()).decode()}?=",
        as_xtext,
        base64.b64encode(octets).decode(),
        base64.b64encode(f"\0{address}\0{secret}".encode()).decode(),
        f"https://{domain}/unsubscribe?token={secret}&who={local_part}",
        f"<{secret}.1@{domain}>",
        f"mail-{local_part}/user",
        f"smtp.{domain}",
        secret,
        f"user={secret}",
        "(" + " ".join(local_part) + ")",
    ]


def traces(local_part: str, domain: str, secret: str) -> set[str]:
    """Give what must stand nowhere."""
    found = {local_part, secret, domain.partition(".")[0]}
    found |= {re.sub(r"\W.*", "", local_part[:9]), domain.encode("idna").decode()[:9]}
    whole = disguises(local_part, domain, secret)
    return {one.lower() for one in [*found, *whole] if len(one) >= 6} | {"192.0.2.77"}


def everything(path: Path) -> str:
    """Give every text that stands anywhere in a Parquet file, in lower case."""
    with pq.ParquetFile(path, read_dictionary=TEXTS) as file:
        table, metadata = file.read(), file.metadata.metadata
    parts = [b"\n".join([*metadata.keys(), *metadata.values()]).decode(), str(table.schema)]
    for column in table.columns:
        for chunk in column.chunks:
            values = chunk.dictionary if hasattr(chunk, "dictionary") else chunk
            parts += map(str, values.to_pylist())
    return "\n".join([*parts, path.read_bytes().decode("latin-1")]).lower()


@given(local_part=LOCAL_PARTS, domain=DOMAINS, secret=NAMES)
@settings(max_examples=10, deadline=None)
def test_no_address_and_no_secret_is_in_it_wherever_they_stood(
    tmp_path_factory: pytest.TempPathFactory, local_part: str, domain: str, secret: str
) -> None:
    forms = disguises(local_part, domain, secret)
    said = f"5.1.1 {' '.join(forms)} [192.0.2.77] unknown\n{forms[0]}: user unknown"
    # With a reason, so that nobody thinks about what these texts mean.
    rows = [Event(**dict.fromkeys(TEXTS, form)).to_row() for form in forms]
    rows += [
        Event(
            command=f"{begins}{form}",
            reply_code=550,
            reason="user_unknown",
            reply_text=said,
            recipient=f"{local_part}@{domain}",
            server_address="192.0.2.77",
        ).to_row()
        for form in forms
        for begins in ("", "EHLO ", "VRFY ", "MAIL FROM:<> ENVID=", "AUTH PLAIN ")
    ]
    rows += [
        Event(command=f"RCPT TO:<{form}> ORCPT=rfc822;{form}").to_row() for form in forms
    ]
    log = to_frame(rows)
    # A category that no row has any more, and what is no column.
    log["account"] = log["account"].cat.add_categories([f"unused-{secret}"])
    log.attrs["read"] = {"examples": forms}
    path = tmp_path_factory.mktemp("case") / "case.parquet"
    setup = dict.fromkeys(("pace", "retry", "stops when", "subject", secret), f"{forms[0]}")
    written = everything(write_case(log, path, setup))
    assert [one for one in traces(local_part, domain, secret) if one in written] == []


def test_each_column_of_text_is_treated() -> None:
    assert {*TREATMENTS, "reply_text"} == set(TEXTS)


def test_words_that_are_names_where_they_stand_are_not_kept(tmp_path: Path) -> None:
    story = Story().opened()
    story.message("user@mailbox.example", rcpt="550 5.1.1 user: unknown user at mailbox")
    story.message("x1@y.example", rcpt="550 5.1.1 unknown user", end="554 5.0.0 user")
    texts = read_log(write_case(to_frame(story.rows), tmp_path / "c.parquet", {}))
    refused = texts.loc[texts["reply_code"] == 550, "reply_text"].unique()
    assert set(refused) == {"5.1.1 *: unknown * at *", "5.1.1 unknown user"}


def test_names_are_those_of_their_transaction_in_later_rows_too(tmp_path: Path) -> None:
    own = {"session_id": "s", "transaction_id": "s.1"}
    rows = [
        Event(**own, recipient="user@x.example").to_row(),
        Event(**own, reply_code=554, reply_text="5.7.1 user unknown").to_row(),
        Event(session_id="s", reply_code=554, reply_text="5.7.1 user unknown").to_row(),
    ]
    case = read_log(write_case(to_frame(rows), tmp_path / "c.parquet", {}))
    assert list(case["reply_text"][1:]) == ["5.7.1 * unknown", "5.7.1 user unknown"]


def test_what_belonged_together_does_and_another_file_calls_it_otherwise(
    one_day: pd.DataFrame, tmp_path: Path
) -> None:
    one = read_log(write_case(one_day, tmp_path / "1.parquet", {}))
    two = read_log(write_case(one_day, tmp_path / "2.parquet", {}))
    for name in TEXTS:
        pairs = pd.DataFrame({"was": one_day[name], "is": one[name]}).astype(object)
        pairs = pairs.drop_duplicates()
        if name not in ("command", "reply_text"):  # of these several may become one
            assert pairs["is"].nunique(dropna=False) == len(pairs)
        assert pairs["was"].nunique(dropna=False) == len(pairs)
    assert not set(one["recipient"].dropna()) & set(two["recipient"].dropna())
    whose = one[["recipient", "recipient_domain"]].dropna()
    assert (whose["recipient"].str.partition("@")[2] == whose["recipient_domain"]).all()
    commands = one.loc[one["verb"] == "RCPT", ["command", "recipient"]].dropna()
    assert (commands["command"] == "RCPT TO:<" + commands["recipient"] + ">").all()


def test_its_figures_are_the_log_s(one_day: pd.DataFrame, tmp_path: Path) -> None:
    case = read_log(write_case(one_day, tmp_path / "c.parquet", {}))
    same = [column.name for column in SCHEMA if column.name not in TREATMENTS]
    same = [name for name in same if name != "reply_text"]
    for name in [*same, "kind", "verb", "outcome", "reason", "enhanced_status", "source"]:
        assert list(case[name].astype(object).fillna("-")) == list(
            one_day[name].astype(object).fillna("-")
        )
    assert tuple(case.columns) == COLUMNS
    assert count_outcomes(case) == count_outcomes(one_day)
    pd.testing.assert_frame_equal(reply_codes(case, "verb"), reply_codes(one_day, "verb"))
    pd.testing.assert_frame_equal(latency_by_command(case), latency_by_command(one_day))
    numbers = [
        table.select_dtypes("number").fillna(-1)  # a NaN is not itself
        for table in (by_domain(case), by_domain(one_day))
    ]
    assert sorted(map(tuple, numbers[0].to_numpy())) == sorted(
        map(tuple, numbers[1].to_numpy())
    )


@pytest.mark.heavy
def test_its_charts_are_the_log_s(one_day: pd.DataFrame, tmp_path: Path) -> None:
    case = read_log(write_case(one_day, tmp_path / "c.parquet", {}))
    ours, theirs = ([one.alt for one in pictures(log)] for log in (one_day, case))
    nameless = re.compile(r"domain\d+\.example|d-\w+(?:\.invalid)?…?")
    assert [nameless.sub("*", one) for one in ours] == [
        nameless.sub("*", one) for one in theirs
    ]


def test_a_block_is_still_its_domain_and_keeps_the_seed_it_was_drawn_with(
    tmp_path: Path,
) -> None:
    rows = [
        Event(
            kind="outcome",
            recipient=f"ann@{domain}",
            recipient_domain=domain,
            outcome="accepted",
            arm="one",
            block=f"{domain}; seed=7",
        ).to_row()
        for domain in ("gmail.com", "harbor.example")
    ]
    case = read_log(write_case(to_frame(rows), tmp_path / "c.parquet", {}))
    assert list(case["block"]) == [f"{name}; seed=7" for name in case["recipient_domain"]]
    assert case["block"][0] == "gmail.com; seed=7"
    assert "harbor" not in case["block"][1]


def test_an_experiment_has_the_same_effects_and_its_senders_no_names(
    tmp_path: Path,
) -> None:
    sent = Experiment(
        {
            "pipelining": ["auto", "off"],
            "sender": ["Zqannabell <zqannabell@x.test>", "zqroberta@y.test"],
        },
        seed=5,
    )
    log = log_of(sent, 240, lambda arm, _: 0.9 if "auto" in arm else 0.5)
    path = write_case(log, tmp_path / "c.parquet", {})
    assert not re.search("zqannabell|zqroberta", everything(path))
    case = read_log(path)
    senders = {
        before.partition("sender=")[2]: after.partition("sender=")[2]
        for before, after in zip(log["arm"], case["arm"], strict=True)
    }
    assert len({*senders.values()}) == 2
    again = Experiment(
        {
            "pipelining": ["auto", "off"],
            "sender": {senders[name]: name for name in sent.design.factors[1].levels},
        },
        seed=5,
    )
    figures = ["factor", "share", "share_versus", "difference", "low", "high", "p_adjusted"]
    ours, theirs = (sent.effects(log).pooled, again.effects(case).pooled)
    pd.testing.assert_frame_equal(ours[figures], theirs[figures])


def test_an_arm_of_something_else_has_a_pseudonym(tmp_path: Path) -> None:
    arms = ["ann=b", "subject=user zq; zq=1", "subject=a b c", "one"]
    log = to_frame([Event(arm=arm).to_row() for arm in arms])
    case = read_log(write_case(log, tmp_path / "c.parquet", {}))
    kinds = [str(arm).partition("-")[0] for arm in case["arm"]]
    assert kinds == ["arm", "arm", "subject=level", "arm"]


def test_what_a_provider_does_is_still_the_provider_s(tmp_path: Path) -> None:
    rows = [
        Event(
            verb="RCPT",
            reply_code=550,
            reply_text="5.1.1 no such user x1-2si - gsmtp",
            server="alt1.aspmx.l.google.com",
            recipient="ann@gmail.com",
            recipient_domain="gmail.com",
            block="gmail",
        ).to_row()
    ]
    log = to_frame(rows)
    case = read_log(write_case(log, tmp_path / "c.parquet", {}))
    pd.testing.assert_frame_equal(
        reply_codes(case, "provider"), reply_codes(log, "provider")
    )
    assert case["recipient_domain"][0] == "gmail.com"
    assert case["server"][0].endswith(".google.com")
    assert (case["block"][0], case["reason"][0]) == ("gmail", "user_unknown")


def test_lines_in_clear_text_are_still_told(tmp_path: Path) -> None:
    log = to_frame([Event(kind="tls", command=CLEAR_TEXT).to_row()])
    assert read_log(write_case(log, tmp_path / "c.parquet", {}))["command"][0] == CLEAR_TEXT


def test_settings_that_concern_nobody_come_along(tmp_path: Path) -> None:
    setup = {
        "pace": "100/min",
        "connections": "at most 4",
        "subject": "Hello",
        "from": "a@b",
    }
    path = write_case(to_frame([]), tmp_path / "c.parquet", setup)
    for case in (read_log(path), scan_log(path)):
        assert kept_settings(case) == {"pace": "100/min", "connections": "at most 4"}


def test_files_that_memory_does_not_hold_make_one_too(tmp_path: Path) -> None:
    for number in range(2):
        write_log(to_frame(day(20, seed=number)), tmp_path / f"{number}.parquet")
    scan = scan_log(tmp_path)
    case = scan_log(write_case(scan, tmp_path / "of all.case", {}))
    assert count_outcomes(case) == count_outcomes(scan)
    assert np.array_equal(sessions(case)["messages"], sessions(scan)["messages"])
