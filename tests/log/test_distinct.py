"""Each distinct reply is collected once, with whose server said it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from smtpbook.log.distinct import distinct_replies, number_rows
from smtpbook.log.frame import to_frame
from tests.log.story import Story, day


def collected(log: pd.DataFrame) -> tuple[list[int], list[tuple[object, ...]]]:
    rows = log["reply_code"].notna().to_numpy(bool)
    numbers, heard = distinct_replies(log, rows)
    return numbers.tolist(), [tuple(one) for one in heard]


def test_a_day_of_mail_says_a_few_things() -> None:
    log = to_frame(day(500))
    numbers, heard = collected(log)
    assert len(numbers) == log["reply_code"].notna().sum()
    assert len(heard) == len(set(heard)) < 15


def test_every_row_is_told_what_it_says_itself() -> None:
    log = to_frame(day(60))
    rows = log["reply_code"].notna().to_numpy(bool)
    numbers, heard = distinct_replies(log, rows)
    for number, (_, row) in zip(numbers, log[rows].iterrows(), strict=True):
        one = heard[number]
        assert (one.verb, one.code, one.host) == (
            row["verb"],
            row["reply_code"],
            "smtp.example.org",
        )
        if one.code >= 400:
            assert (one.status, one.text) == (row["enhanced_status"], row["reply_text"])


def test_a_success_is_one_however_its_queue_id_reads() -> None:
    story = Story()
    for number in range(9):
        story.said("END-OF-DATA", ".", f"250 2.0.0 queued as {number}")
    assert collected(to_frame(story.rows)) == (
        [0] * 9,
        [("END-OF-DATA", 250, None, "", "smtp.example.org", None)],
    )


def test_refusals_that_differ_in_whose_mailbox_they_name_are_one() -> None:
    story = Story()
    for number in range(9):
        story.said("RCPT", "RCPT TO:<x@y.example>", f"550 <r{number}@y.example>: unknown")
    story.said("RCPT", "RCPT TO:<x@y.example>", "550 <r1@z.example>: unknown")
    numbers, heard = collected(to_frame(story.rows))
    assert numbers == [0] * 9 + [1]
    assert [one[3] for one in heard] == ["<x@y.example>: unknown", "<x@z.example>: unknown"]


def test_the_same_words_of_two_servers_are_two_replies() -> None:
    story = Story()
    for server in ("a.example", "b.example", "a.example"):
        story.said("RCPT", "RCPT TO:<x@y.example>", "550 no", server=server)
    numbers, heard = collected(to_frame(story.rows))
    assert numbers == [0, 1, 0]
    assert [one[4] for one in heard] == ["a.example", "b.example"]


def test_a_servers_first_greeting_stands_for_all_of_them() -> None:
    rows = []
    for number in range(3):
        story = Story(f"s{number}")
        story.said("GREETING", None, f"220 mx.example ESMTP id{number}")
        story.said("RCPT", "RCPT TO:<x@y.example>", "550 no")
        rows += story.rows
    numbers, heard = collected(to_frame(rows))
    assert numbers == [0, 1] * 3
    assert heard[1][5] == "mx.example ESMTP id0"


def test_a_log_without_servers_takes_the_name_from_the_greeting() -> None:
    rows = []
    for name in ("a.example", "b.example"):
        story = Story(name)
        story.said("GREETING", None, f"220 {name} ESMTP", server=None)
        story.said("RCPT", "RCPT TO:<x@y.example>", "550 no", server=None)
        rows += story.rows
    _, heard = collected(to_frame(rows))
    assert [one[4:] for one in heard] == [
        (name, f"{name} ESMTP") for name in ("a.example",) * 2 + ("b.example",) * 2
    ]


def test_what_is_not_known_is_none() -> None:
    story = Story()
    story.add("outcome", reply_code=550, server=None, session_id=None)
    story.add("greeting", reply_code=554, reply_text=" ", server=None)
    assert collected(to_frame(story.rows)) == (
        [0, 1],
        [(None, 550, None, "", None, None), (None, 554, None, " ", None, None)],
    )


@given(st.lists(st.tuples(st.integers(-1, 3), st.integers(-1, 3)), min_size=1))
def test_rows_have_one_number_exactly_when_all_their_cells_agree(
    rows: list[tuple[int, int]],
) -> None:
    numbers, first = number_rows([np.array(column) for column in zip(*rows, strict=True)])
    assert [rows[first[number]] for number in numbers] == rows
    assert len(first) == len(set(rows))
