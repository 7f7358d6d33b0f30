"""Received lines of many servers say who took a message from whom, when and how."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpbook.mailboxes.mime import Fields
from smtpbook.placement.received import Hop, hops_of, last_hop

GMAIL = (
    "from out.x.example (out.x.example. [192.0.2.1]) by mx.google.com with ESMTPS id "
    "af79cd13be357 (version=TLS1_3 cipher=TLS_AES_256_GCM_SHA384 bits=256/256); "
    "Sat, 28 Nov 2026 04:00:02 -0800 (PST)"
)
INSIDE_GMAIL = (
    "by 2002:a05:6504:1:b0:2:3 with SMTP id q7csp1; Sat, 28 Nov 2026 04:00:03 -0800"
)
MICROSOFT = (
    "from out.x.example (192.0.2.1) by AM4PEPF1.mail.protection.outlook.com (10.1.2.3) "
    "with Microsoft SMTP Server (version=TLS1_2, cipher=TLS_ECDHE_RSA) id 15.20.8534.21 "
    "via Frontend Transport; Sat, 28 Nov 2026 12:00:02 +0000"
)
INSIDE_MICROSOFT = (
    "from AM0PR1.prod.outlook.com (2603:10a6::1) by DB9PR2.prod.outlook.com with HTTPS; "
    "Sat, 28 Nov 2026 12:00:05 +0000"
)
EXIM = (
    "from [192.0.2.1] (helo=out.x.example) by mx.y.example with esmtps (TLS1.3) tls "
    "TLS_AES_256_GCM_SHA384 (Exim 4.96) (envelope-from <a@x.example>) id 1tGabc-000001-Ab "
    "for b@y.example; Sat, 28 Nov 2026 12:00:02 +0000"
)
CLEAR = (
    "from out.x.example by mx.y.example with ESMTP id 9; Sat, 28 Nov 2026 12:00:02 +0000"
)
UNTOLD = (
    "from out.x.example by mx.y.example with ESMTPSA id 9; Sat, 28 Nov 2026 12:00:02 +0000"
)
STORE = (
    "from mx.y.example by store.y.example with LMTP id 9; Sat, 28 Nov 2026 12:00:03 +0000"
)
FILTER = (
    "from localhost (localhost [127.0.0.1]) by mx.y.example with ESMTP id 8; 1 Jan 2026"
)


@pytest.mark.parametrize(
    ("value", "sender", "by", "tls"),
    [
        (GMAIL, "out.x.example", "mx.google.com", "TLSv1.3"),
        (INSIDE_GMAIL, "", "2002:a05:6504:1:b0:2:3", "none"),
        (MICROSOFT, "out.x.example", "am4pepf1.mail.protection.outlook.com", "TLSv1.2"),
        (EXIM, "[192.0.2.1]", "mx.y.example", "TLSv1.3"),
        (CLEAR, "out.x.example", "mx.y.example", "none"),
        (UNTOLD, "out.x.example", "mx.y.example", "TLS"),
        ("(qmail 4711 invoked by uid 1); 28 Nov 2026 12:00:02 -0000", "", "uid", None),
        ("", "", "", None),
    ],
)
def test_a_line_tells_who_took_it_from_whom_and_under_which_tls(
    value: str, sender: str, by: str, tls: str | None
) -> None:
    hop = Hop.parse(value)
    assert (hop.sender, hop.by, hop.tls) == (sender, by, tls)


@pytest.mark.parametrize(
    ("way", "handed_over"),
    [
        ([INSIDE_GMAIL, GMAIL], GMAIL),
        ([INSIDE_MICROSOFT, MICROSOFT], MICROSOFT),
        ([STORE, FILTER, EXIM, CLEAR], EXIM),
        ([STORE], None),
        ([], None),
    ],
)
def test_what_a_receiver_does_within_its_house_is_not_the_last_hop(
    way: list[str], handed_over: str | None
) -> None:
    header = Fields.parse("\n".join(f"Received: {value}" for value in way))
    expected = None if handed_over is None else Hop.parse(handed_over)
    assert last_hop(hops_of(header)) == expected


def test_a_time_is_read_whatever_the_zone() -> None:
    assert Hop.parse(GMAIL).time == Hop.parse(MICROSOFT).time == 1_795_867_202_000_000


@settings(max_examples=40)
@given(st.text(alphabet="from by with id TLS v1_3();.[]0\x00é\t\n", max_size=300))
def test_any_text_is_read(value: str) -> None:
    last_hop([Hop.parse(value)])
