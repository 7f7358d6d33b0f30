"""A mailbox on a server is named by a URL without its secret."""

from __future__ import annotations

import pytest

from smtpbook.errors import LocalProtocolError
from smtpbook.mailboxes.imap import ImapPlace
from smtpbook.mailboxes.opened import opened


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("imaps://ann%40x.example@imap.x.example/INBOX", ("ann@x.example", 993, "INBOX")),
        (
            "imap://ann@imap.x.example:1143/Archive/Bounces%20of%20May",
            ("ann", 1143, "Archive/Bounces of May"),
        ),
        ("imaps://ann;AUTH=*@imap.x.example", ("ann", 993, "INBOX")),
    ],
)
def test_a_mailbox_on_a_server_is_named_by_a_url(
    url: str, place: tuple[str, int, str]
) -> None:
    found = ImapPlace.parse(url)
    assert (found.username, found.port, found.mailbox) == place
    assert found.host == "imap.x.example"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("imaps://ann:secret@imap.x.example/INBOX", "does not belong in a URL"),
        ("imaps://imap.x.example/INBOX", "no mailbox of IMAP"),
        ("imaps://ann@/INBOX", "no mailbox of IMAP"),
        ("imaps://ann@x.example:port/INBOX", "no URL"),
    ],
)
def test_a_url_that_will_not_do_is_refused_without_its_secret(url: str, why: str) -> None:
    with pytest.raises(LocalProtocolError, match=why) as caught:
        list(opened(url))
    assert "secret" not in str(caught.value)


def test_since_is_a_day() -> None:
    with pytest.raises(LocalProtocolError, match="is no day"):
        list(opened("imaps://ann@127.0.0.1:1/INBOX", since="yesterday", password="x"))
