"""A session keeps its last rows, and no more than memory has room for."""

from __future__ import annotations

from smtpbook.events import COLUMNS, Row
from smtpbook.log.kept import KEPT_CHARS, KEPT_ROWS, KeptRows

SEQ, TEXT = COLUMNS.index("seq"), COLUMNS.index("reply_text")


def row(seq: int, text: str | None) -> Row:
    return tuple({SEQ: seq, TEXT: text}.get(column) for column in range(len(COLUMNS)))


def test_the_last_rows_are_kept() -> None:
    rows = KeptRows()
    for seq in range(KEPT_ROWS + 5):
        rows.append(row(seq, None if seq % 2 else "OK"))
    assert [one[SEQ] for one in rows] == list(range(5, KEPT_ROWS + 5))


def test_long_replies_push_old_rows_out() -> None:
    rows = KeptRows()
    for seq in range(1000):
        if seq % 3:
            rows.append_long(row(seq, "x" * 60_000))
        else:
            rows.append(row(seq, None))
    held = sum(len(one[TEXT] or "") for one in rows)
    assert KEPT_CHARS // 3 < held <= KEPT_CHARS
    assert [one[SEQ] for one in rows] == list(range(1000 - len(rows), 1000))
