"""A column whose texts are not written out yet is, to pandas, the one that has them."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from smtpbook.log import texts
from smtpbook.log.frame import Recorder
from smtpbook.log.texts import to_texts
from tests.log.story import day

TEXTS: Final = ["b", None, "a", "b", "é\n", None, "", "a", "a"]
DOES: Final[dict[str, Callable[[Any], Any]]] = {
    "length": len,
    "nulls": lambda s: s.isna(),
    "list": lambda s: s.tolist(),
    "a cell": lambda s: s.iloc[-2],
    "a null cell": lambda s: s.iloc[1] is pd.NA,
    "a slice": lambda s: s.iloc[2:-1],
    "every other row": lambda s: s.iloc[::-2],
    "no row": lambda s: s.iloc[4:4],
    "rows by place": lambda s: s.iloc[[8, 0, -5, 0]],
    "rows by mask": lambda s: s[np.arange(len(s)) % 3 > 0],
    "an array by mask": lambda s: pd.Series(s.array[(s.index > 2)]),
    "an array by null mask": lambda s: pd.Series(s.array[s.array == "a"]),
    "many rows by place": lambda s: s.iloc[[8, 0, -5, 0] * 99],
    "many rows by mask": lambda s: s.iloc[[*range(9)] * 50][[True, False, True] * 150],
    "many rows, some not there": lambda s: s.reindex([7, 99, 0] * 99),
    "many rows, again": lambda s: [s.iloc[[n] * 999].tolist() for n in range(9)],
    "many rows, then their texts": lambda s: (s.iloc[[0] * 999], s.str.upper())[1],
    "rows that are not there": lambda s: s.reindex([7, 99, 0]),
    "rows with another text for null": lambda s: s.reindex([7, 99], fill_value="z"),
    "copy": lambda s: s.copy().str.upper(),
    "view": lambda s: pd.Series(s.array.view()),
    "comparison": lambda s: s == "a",
    "membership": lambda s: s.isin(["b", "é\n"]),
    "sorting": lambda s: s.sort_values(),
    "numbering": lambda s: pd.Series(pd.factorize(s)[0]),
    "counting": lambda s: s.value_counts(),
    "filling": lambda s: s.fillna("none"),
    "shifting": lambda s: s.shift(2),
    "joining": lambda s: pd.concat([s, s.iloc[3:]]),
    "grouping": lambda s: s.groupby(s).size(),
    "other types": lambda s: s.astype(object),
    "Arrow": lambda s: pa.array(s).to_pylist(),
    "pickling": lambda s: pickle.loads(pickle.dumps(s)),
    "repr": repr,
}


def columns() -> tuple[pd.Series[Any], pd.Series[Any]]:
    """Give a column not looked at yet, in three batches, and the same one of pandas."""
    kind = pa.dictionary(pa.int16(), pa.string())
    batches = [pa.array(TEXTS[at : at + 4], kind) for at in (0, 4, 8)]
    return pd.Series(to_texts(pa.chunked_array(batches))), pd.Series(TEXTS, dtype=PLAIN)


PLAIN: Final = pd.StringDtype("pyarrow")


@pytest.mark.parametrize("does", DOES)
def test_it_does_what_the_column_with_its_texts_does(does: str) -> None:
    ours, plain = columns()
    got, expected = DOES[does](ours), DOES[does](plain)
    if isinstance(expected, pd.Series):
        pd.testing.assert_series_equal(got, expected)
    else:
        assert got == expected
    pd.testing.assert_series_equal(ours, plain)  # and it is the same column afterwards


@pytest.mark.parametrize(
    ("does", "error"),
    [
        (lambda s: s.iloc[9], IndexError),
        (lambda s: s.array[-10], IndexError),
        (lambda s: s.array.take([9]), IndexError),
        (lambda s: s.array.take([-2], allow_fill=True), ValueError),
        (lambda s: s.array[np.array([True])], IndexError),
        (lambda s: s.array[True], IndexError),
        (lambda s: s.array.take([1.0]), NotImplementedError),
        (lambda s: s.array.nothing, AttributeError),
    ],
)
def test_it_refuses_what_the_column_with_its_texts_refuses(
    does: Callable[[Any], Any], error: type[Exception]
) -> None:
    for column in columns():
        with pytest.raises(error):
            does(column)


def test_a_cell_can_be_written_and_a_copy_keeps_the_old_one() -> None:
    ours, plain = columns()
    before = ours.copy()
    ours[0] = "new"
    assert ours.tolist() == ["new", *plain.tolist()[1:]]
    pd.testing.assert_series_equal(before, plain)


def test_a_column_of_no_batches_is_empty() -> None:
    none = to_texts(pa.chunked_array([], pa.dictionary(pa.int16(), pa.string())))
    assert len(none) == 0
    assert none.dtype == PLAIN


def test_texts_take_memory_only_once_they_are_looked_at() -> None:
    recorder = Recorder()
    for row in day(3000):
        recorder.append(row)
    log = recorder.frame()

    def growth(look: Callable[[], object]) -> int:
        before = pa.total_allocated_bytes()
        kept = look()
        del kept
        return (pa.total_allocated_bytes() - before) // len(log)

    assert growth(lambda: repr(log)) == 0
    assert growth(lambda: (log.copy(), log.isna(), log.memory_usage(deep=True))) == 0
    assert 0 < growth(lambda: log[log["kind"] == "outcome"]) < 50  # numbers, put together
    assert growth(lambda: log[log["kind"] == "outcome"]) == 0
    assert growth(lambda: log["message_id"].str.len()) > 10
    assert growth(lambda: log["message_id"].str.len()) == 0  # they are there now


def test_two_threads_may_look_at_once() -> None:
    ours, plain = columns()
    together = threading.Barrier(4)
    seen = list[list[Any]]()

    def look() -> None:
        together.wait()
        seen.append(ours.tolist())

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [plain.tolist()] * 4


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("take", [[8, 0, -5, 0] * 99]),
        ("copy", []),
        ("view", []),
        ("__getitem__", [slice(2, 5)]),
        ("__getitem__", [np.array([8, 0] * 199)]),
        ("__len__", []),
        ("isna", []),
    ],
)
def test_another_thread_may_look_while_the_numbers_are_asked(
    name: str, given: list[Any]
) -> None:
    ours, plain = columns()
    array: Any = ours.array
    method, coded = getattr(type(array), name), array._coded
    assert ours.str.len().sum() == 7  # between the two steps of the method
    got = method.__wrapped__(array, coded, *given)
    expected = getattr(plain.array, name)(*given)
    assert list(np.atleast_1d(got)) == list(np.atleast_1d(expected))
    assert "_coded" not in vars(array)


def test_what_another_thread_has_written_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, plain = columns()
    decoded, others = texts._decoded, iter([lambda: ours.__setitem__(0, "new")])

    def slowly(coded: Any) -> Any:
        made = decoded(coded)
        for write in others:
            write()
        return made

    monkeypatch.setattr(texts, "_decoded", slowly)
    assert ours.tolist() == ["new", *plain.tolist()[1:]]
    assert next(others, None) is None
