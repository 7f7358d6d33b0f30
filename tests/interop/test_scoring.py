"""Real filters judge a letter: rspamd and SpamAssassin, as Debian has them."""

from __future__ import annotations

import pytest

import smtpbook as sb
from smtpbook.scoring import spamassassin
from smtpbook.scoring.score import content_score
from tests.servers.spam_filters import Rspamd, SpamAssassin

pytestmark = [pytest.mark.real_server, pytest.mark.heavy, pytest.mark.side_by_side]


def letter(subject: str, **body: str) -> sb.Message:
    template = sb.Template(header_from="Ann <ann@sender.example>", subject=subject, **body)
    return template.render({"email": "bob@x.example"})


PLAIN = letter("Minutes of the meeting", text="Dear Bob, the minutes are on the server.\n")
LOUD = letter("FREE VIAGRA NOW!!!", html="<a href='http://192.0.2.1/x'>click here</a>")
# "GTUBE", by which every filter can be tried; both know it.
GTUBE = letter(
    "hello",
    text="XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\n",
)


def test_rspamd_tells_its_rules_with_words_and_what_they_found(rspamd: Rspamd) -> None:
    table = content_score(LOUD, url=rspamd.url)
    rules = table.set_index("rule")
    assert table.attrs["filter"] == "rspamd"
    assert rules.loc["HTTP_TO_IP", "score"] > 0
    assert "IP address" in rules.loc["HTTP_TO_IP", "description"]
    assert rules.loc["RCPT_COUNT_ONE", "options"] == "1"
    assert table["score"].is_monotonic_decreasing
    assert table.attrs["total"] == pytest.approx(table["score"].sum(), abs=0.05)
    assert table.attrs["threshold"] == 15


def test_rspamd_is_told_the_envelope_and_from_where_it_is_sent(rspamd: Rspamd) -> None:
    without = set(content_score(PLAIN, url=rspamd.url)["rule"])
    given = set(
        content_score(PLAIN, url=rspamd.url, ip="127.0.0.1", helo="mail.sender.example")[
            "rule"
        ]
    )
    assert "FROM_EQ_ENVFROM" in without & given
    assert "HFILTER_HOSTNAME_UNKNOWN" in without - given


def test_spamd_tells_its_rules_with_words(spamd: SpamAssassin) -> None:
    table = content_score(LOUD, url=spamd.url)
    rules = table.set_index("rule")
    assert table.attrs["filter"] == "spamassassin"
    assert rules.loc["NORMAL_HTTP_TO_IP", "score"] > 0
    assert rules.loc["NORMAL_HTTP_TO_IP", "description"].endswith("IPv4 address")
    assert table.attrs["total"] == pytest.approx(table["score"].sum(), abs=1)
    assert table.attrs["threshold"] == 5


def test_spamd_is_asked_through_a_socket_too(spamd: SpamAssassin) -> None:
    table = content_score(LOUD, url=f"spamd://{spamd.socket}")
    assert table.attrs["asked"] == str(spamd.socket)
    assert table["rule"].tolist() == content_score(LOUD, url=spamd.url)["rule"].tolist()


def test_both_know_spam_from_a_letter(rspamd: Rspamd, spamd: SpamAssassin) -> None:
    for url in (rspamd.url, spamd.url):
        good, bad = (content_score(one, url=url).attrs for one in (PLAIN, GTUBE))
        assert good["total"] < good["threshold"]
        assert (good["action"], bad["action"]) in {
            ("no action", "reject"),
            ("no spam", "spam"),
        }


def test_the_program_says_what_the_daemon_says(spamd: SpamAssassin) -> None:
    # It has the machine's settings; the rules are the same.
    found = content_score(LOUD, by="spamassassin")
    assert found.attrs["asked"] in (spamassassin.PROGRAM, "127.0.0.1:783")
    daemon = content_score(LOUD, url=spamd.url)
    same = found.merge(daemon, on=["rule", "score", "description"])
    assert len(same) >= len(daemon) - 2
