"""The mailbox page: who may read it, and that what it shows does nothing."""

from __future__ import annotations

import http.client
import mailbox
from pathlib import Path

from smtpbook.lab.lab import Lab
from tests.lab.wire import Wire

EVIL = (
    "Subject: <script>x</script>\r\nContent-Type: text/html\r\n\r\n"
    '<link rel=preconnect href=//evil.test><script>alert(1)</script><img src="//evil.test">'
)


def get(url: str, path: str, **fields: str) -> tuple[int, str, http.client.HTTPMessage]:
    where = http.client.HTTPConnection(url.split("/")[2], timeout=20)
    where.request("GET", path, headers={k.replace("_", "-"): v for k, v in fields.items()})
    answer = where.getresponse()
    told = answer.status, answer.read().decode(), answer.headers
    where.close()
    return told


def give(lab: Lab, data: str) -> None:
    with Wire(lab.port) as wire:
        wire.codes("EHLO c.test", "MAIL FROM:<a@x.test>", "RCPT TO:<b@y.test>", "DATA")
        assert wire.ask(f"{data}\r\n.").startswith("250")


def test_a_message_is_shown_and_its_html_neither_runs_nor_loads() -> None:
    with Lab() as lab:
        url = lab.web()
        assert lab.web() == url
        give(lab, EVIL)
        status, listed, _ = get(url, "/")
        assert status == 200
        assert "&lt;script&gt;x" in listed
        assert "<script>x" not in listed
        _, shown, _ = get(url, "/message/1")
        assert '<iframe sandbox=""' in shown
        status, page, fields = get(url, "/message/1/frame")
        assert "<link" not in page
        assert fields["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
        assert "MAIL FROM" in get(url, "/message/1/conversation")[1]
        assert get(url, "/message/1.eml")[2]["Content-Disposition"].startswith("attachment")
        assert get(url, "/message/2")[0] == 404


def test_what_was_cleared_is_gone_from_the_page_and_numbers_begin_anew() -> None:
    with Lab() as lab:
        url = lab.web()
        give(lab, "Subject: first\r\n\r\nhi")
        tag = get(url, "/rows")[2]["ETag"]
        lab.clear()
        status, rows, _ = get(url, "/rows", If_None_Match=tag)
        assert (status, rows) == (200, "<p>0 messages</p>")
        assert get(url, "/message/1")[0] == 404
        give(lab, "Subject: second\r\n\r\nhi")
        assert get(url, "/rows", If_None_Match=tag)[0] == 200  # one again, another one
        assert "second" in get(url, "/message/1")[1]
        assert "MAIL FROM" in get(url, "/message/1/conversation")[1]


def test_other_names_and_other_sites_are_refused() -> None:
    with Lab() as lab:
        url = lab.web()
        assert get(url, "/", Host="evil.test")[0] == 421
        assert get(url, "/messages.json", Sec_Fetch_Site="cross-site")[0] == 403


def test_a_maildir_has_what_was_accepted(tmp_path: Path) -> None:
    with Lab(maildir=tmp_path / "live") as lab:
        give(lab, "Subject: hi\r\n\r\nyou")
        assert lab.save_maildir(tmp_path / "later") == 1
        assert lab.received[0].message["Subject"] == "hi"
    for name in ("live", "later"):
        (one,) = mailbox.Maildir(tmp_path / name)
        assert (one["Subject"], one["Return-Path"]) == ("hi", "<a@x.test>")
