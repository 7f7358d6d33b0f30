"""The tree of errors is the one in the module's docstring, and each says whose fault."""

from __future__ import annotations

import copy
import pickle
import re

import pytest

from smtpbook import errors
from smtpbook.errors import (
    AuthenticationError,
    ColumnError,
    DeferredError,
    RejectedError,
    ReplyError,
    SendStopped,
    SMTPBookError,
    TLSError,
    TransportError,
    TransportTimeout,
    near_miss,
)
from smtpbook.protocol.replies import Reply

# Each exception with what it is, builtin classes included.
TREE: dict[str, set[str]] = {
    "SMTPBookError": {"Exception"},
    "LocalProtocolError": {"SMTPBookError"},
    "RemoteProtocolError": {"SMTPBookError"},
    "ReplyError": {"SMTPBookError"},
    "DeferredError": {"ReplyError"},
    "RejectedError": {"ReplyError"},
    "AuthenticationError": {"ReplyError"},
    "OAuthError": {"SMTPBookError"},
    "TransportError": {"SMTPBookError", "OSError"},
    "TransportTimeout": {"TransportError", "TimeoutError"},
    "TLSError": {"TransportError"},
    "RecipientsError": {"SMTPBookError"},
    "TemplateError": {"SMTPBookError"},
    "LedgerError": {"SMTPBookError"},
    "NobodyToAsk": {"SMTPBookError", "RuntimeError"},
    "ColumnError": {"SMTPBookError", "KeyError"},
    "SendStopped": {"KeyboardInterrupt"},
    "LogWarning": {"UserWarning"},
    "MaxBulkWarning": {"UserWarning"},
}


def test_tree_is_whole() -> None:
    defined = {
        name: {base.__name__ for base in value.__bases__}
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, BaseException)
    }
    assert defined == TREE


def test_tree_in_the_docstring_draws_each_below_one_of_its_bases() -> None:
    drawn: dict[str, str] = {}
    above: list[tuple[int, str]] = []
    for row in (errors.__doc__ or "").splitlines():
        if found := re.match(r"    [ │├└─]*(\w+)", row):
            column, name = found.start(1), found[1]
            above = [place for place in above if place[0] < column]
            drawn[name] = above[-1][1] if above else "Exception"
            above.append((column, name))
    for builtin in ("KeyboardInterrupt", "UserWarning"):  # each a tree of its own
        assert drawn.pop(builtin) == "Exception"
    assert drawn.keys() == TREE.keys()
    assert [name for name, parent in drawn.items() if parent not in TREE[name]] == []


def test_stopped_send_is_no_error_that_a_caller_would_catch_and_go_on() -> None:
    assert not issubclass(SendStopped, Exception)
    assert SendStopped("stopped", "the run").run == "the run"


def test_transport_error_is_caught_as_the_builtin_kinds() -> None:
    with pytest.raises(OSError, match="no reply"):
        raise TLSError("no reply")
    with pytest.raises(TimeoutError):
        raise TransportTimeout("no reply")
    assert TransportError("no reply").errno is None


REPLY = Reply(code=550, lines=("5.1.1 no such user", "ask\x1b[31m"))


@pytest.mark.parametrize(
    "kind", [ReplyError, DeferredError, RejectedError, AuthenticationError]
)
def test_refusal_carries_reply_and_verb_and_survives_copying(
    kind: type[ReplyError],
) -> None:
    error = kind(REPLY, "RCPT")
    for one in (error, copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert type(one) is kind
        assert (one.reply, one.verb) == (REPLY, "RCPT")
        assert str(one) == "RCPT: 550 5.1.1 no such user\nask\\x1b[31m"


def test_refusal_without_text_ends_at_its_code() -> None:
    assert str(RejectedError(Reply(code=550), "DATA")) == "DATA: 550"


def test_column_error_is_read_as_it_was_written() -> None:
    error = ColumnError("column 'code' not found")
    assert str(error) == "column 'code' not found"
    assert str(ColumnError()) == ""
    assert isinstance(error, SMTPBookError)


@pytest.mark.parametrize(
    ("word", "choices", "said"),
    [
        ("code", ["reply_code", "verb"], "; did you mean 'reply_code'?"),
        ("verbs", ["reply_code", "verb"], "; did you mean 'verb'?"),
        ("starttsl", ("implicit", "starttls"), "; did you mean 'starttls'?"),
        ("zebra", ["reply_code", "verb"], ""),
        ("", ["reply_code"], ""),
        ("x", [], ""),
        ("code", iter(["reply_code"]), "; did you mean 'reply_code'?"),
    ],
)
def test_near_miss_is_named_if_there_is_one(
    word: str, choices: list[str], said: str
) -> None:
    assert near_miss(word, choices) == said


def test_what_a_server_told_about_a_login_survives_a_pickle() -> None:
    error = AuthenticationError(Reply.parse("535 5.7.8 no"), "AUTH XOAUTH2", "expired")
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error) == "AUTH XOAUTH2: 535 5.7.8 no; the server says expired"
    assert again.detail == "expired"
