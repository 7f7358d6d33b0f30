"""Export: lists as files for other programs; origin and problems stay behind.

What a stranger put into a cell must not act in the program that opens the file: control
characters become escapes, and a CSV cell that would be a formula is marked as text.  To
keep a list with everything, `saved` is the place.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from smtpbook.errors import RecipientsError, near_miss
from smtpbook.escape import visible
from smtpbook.recipients.cells import may_hold_text, stacked, to_series, to_text_array
from smtpbook.recipients.syntax import to_mask
from smtpbook.sources.frames import PROVENANCE, to_arrow

if TYPE_CHECKING:
    from smtpbook.recipients.recipients import Recipients

Lists = dict[str, pd.DataFrame]

LIST_COLUMN: Final = "list"
"""Of several lists in one table: the name of the list a row is from."""

_BATCH: Final = 20_000  # rows turned into Python objects at a time
# What spreadsheets run (OWASP, "CSV Injection"), and the same behind apostrophes, so that
# taking one off gives back what was there.
_FORMULA: Final = r"^('*[=+\-@\t])"
# Controls, bidi embeddings and isolates, line and paragraph separators.  Joiners stay,
# which `escape.visible` would show: names in Persian and Hindi are spelled with them.
_CONTROL: Final = r"[\x00-\x08\x0b-\x1f\x7f-\x{9f}\x{2028}-\x{202e}\x{2066}-\x{2069}]"
_CONTROL_CHARACTER: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]"
)
_MAX_ROWS: Final = 1_048_576  # of a sheet, its header among them (ECMA-376; Excel's limits)
_MAX_COLUMNS: Final = 16_384
_MAX_CELL: Final = 32_767  # characters
_MAX_TITLE: Final = 31  # characters of a sheet's name
_NOT_IN_TITLES: Final = str.maketrans(dict.fromkeys("[]:*?/\\", "_"))


def export_recipients(
    people: Recipients | Iterable[Recipients] | Mapping[str, Recipients],
    path: str | os.PathLike[str],
    *,
    form: str | None = None,
) -> None:
    """Write one list, or several, into one file.

    Several lists get a sheet each in XLSX; elsewhere they are one table with the list's
    name in the column ``list``.  ``read_recipients`` reads every form back.

    Parameters
    ----------
    people : Recipients, iterable of Recipients, or mapping of str to Recipients
        A mapping names the lists; others are called ``list 1``, ``list 2``, ….
    path : path
        Its extension tells the form: ``.csv .xlsx .parquet .json .jsonl``.
    form : str, optional
        The form, whatever the extension: ``"csv"``, ``"xlsx"``, ….

    Raises
    ------
    RecipientsError
        There is no such form, nothing to write, or more than the form can hold; or the
        file cannot be written.
    """
    known = form or Path(path).suffix.lower().removeprefix(".")
    if known not in _WRITERS:
        hint = near_miss(known, _WRITERS)
        raise RecipientsError(
            f"cannot write {Path(path).name!r}{hint}; there are {', '.join(_WRITERS)}"
        )
    lists = _named(people)
    if os.path.exists(path) and not os.path.isfile(path):
        raise RecipientsError(
            f"cannot write {os.fspath(path)!r}: no ordinary file; name one, or a new one"
        )
    # Beside its place first: a list that is being written over stays whole until then.
    beside = Path(f"{os.fspath(path)}.part")
    try:
        _WRITERS[known](lists, beside)
        os.replace(beside, path)
    except OSError as error:
        raise RecipientsError(
            f"cannot write {os.fspath(path)!r}: {error.strerror or error}"
        ) from error
    finally:
        beside.unlink(missing_ok=True)


def _named(people: Recipients | Iterable[Recipients] | Mapping[str, Recipients]) -> Lists:
    if isinstance(people, Mapping):
        named = {str(name): one for name, one in people.items()}
    elif isinstance(people, list | tuple):
        named = {f"list {number}": one for number, one in enumerate(people, 1)}
    else:
        named = {"": people}
    if not named:
        raise RecipientsError("there is no list to write")
    frames = {}
    for name, one in named.items():
        frame = getattr(one, "frame", None)
        if not isinstance(frame, pd.DataFrame):
            raise RecipientsError(
                f"{type(one).__name__} is no list; read it with read_recipients() first"
            )
        frames[name] = frame.drop(columns=list(PROVENANCE), errors="ignore")
    return frames


def _one_table(lists: Lists) -> pd.DataFrame:
    if list(lists) == [""]:
        return lists[""]
    named = []
    for name, frame in lists.items():
        if LIST_COLUMN in frame:
            raise RecipientsError(
                f"{name!r} has a field {LIST_COLUMN!r}, which is to hold the lists' names; "
                f"rename it first"
            )
        column = pd.Series([name] * len(frame), index=frame.index, dtype="string")
        named.append(frame.assign(**{LIST_COLUMN: column}))
    return stacked(named)


def _shown(column: pd.Series) -> pd.Series:
    """Give text with its control characters as escapes; line ends and tabs stay."""
    if not may_hold_text(column):
        return column
    text = pc.replace_substring(to_text_array(column), "\r\n", "\n")
    hostile = pc.fill_null(pc.match_substring_regex(text, _CONTROL), False)
    if not pc.any(hostile).as_py():
        return to_series(text)
    seen = [
        re.sub(_CONTROL_CHARACTER, lambda found: visible(found[0]), cell)
        for cell in text.filter(hostile).to_pylist()
    ]
    return to_series(pc.replace_with_mask(text, hostile, pa.array(seen, text.type)))


def _marked(column: pd.Series) -> pd.Series:
    if not may_hold_text(column):
        return column
    return to_series(pc.replace_substring_regex(to_text_array(column), _FORMULA, r"'\1"))


def _write_csv(lists: Lists, path: Path) -> None:
    frame = _one_table(lists).apply(lambda column: _marked(_shown(column)))
    frame.to_csv(path, index=False, encoding="utf-8", chunksize=_BATCH)


def _write_parquet(lists: Lists, path: Path) -> None:
    frame = _one_table(lists)
    arrays = {name: to_arrow(_shown(frame[name])) for name in frame.columns}
    pyarrow.parquet.write_table(pa.table(arrays), path, compression="zstd")


def _write_json(lists: Lists, path: Path) -> None:
    frame = _one_table(lists).apply(_shown)
    frame.to_json(path, orient="records", date_format="iso", force_ascii=False, indent=1)


def _write_jsonl(lists: Lists, path: Path) -> None:
    frame = _one_table(lists).apply(_shown)
    with path.open("w", encoding="utf-8") as file:
        for start in range(0, len(frame), _BATCH):
            file.write(
                frame.iloc[start : start + _BATCH].to_json(
                    orient="records", lines=True, date_format="iso", force_ascii=False
                )
            )


def _write_xlsx(lists: Lists, path: Path) -> None:
    import xlsxwriter  # type: ignore[import-untyped]

    for name, frame in lists.items():
        _refuse_too_large(name, frame)
    options = {
        "constant_memory": True,  # a row at a time
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
        "default_date_format": "yyyy-mm-dd hh:mm:ss",
        "remove_timezone": True,  # a sheet knows none; times are UTC
    }
    titles: set[str] = set()
    with xlsxwriter.Workbook(path, options) as book:
        for name, frame in lists.items():
            title = _title(name or "recipients", titles)
            titles.add(title.lower())
            sheet = book.add_worksheet(title)
            shown = frame.apply(_shown)
            sheet.write_row(0, 0, list(shown.columns))
            for start in range(0, len(shown), _BATCH):
                rows = shown.iloc[start : start + _BATCH].astype(object)
                rows = rows.where(rows.notna(), None)
                for number, cells in enumerate(rows.itertuples(index=False), start + 1):
                    _write_row(sheet, number, cells)


def _write_row(sheet: Any, number: int, cells: Iterable[Any]) -> None:
    for place, cell in enumerate(cells):
        if isinstance(cell, str):
            sheet.write_string(number, place, cell)
        elif isinstance(cell, float) and not math.isfinite(cell):
            sheet.write_string(number, place, str(cell))  # a sheet knows no infinity
        elif cell is not None:
            sheet.write(number, place, cell)


def _refuse_too_large(name: str, frame: pd.DataFrame) -> None:
    if len(frame) >= _MAX_ROWS or frame.shape[1] > _MAX_COLUMNS:
        raise RecipientsError(
            f"{name or 'the list'} has {len(frame):,} rows and {frame.shape[1]:,} columns, "
            f"a sheet holds {_MAX_ROWS - 1:,} and {_MAX_COLUMNS:,}; write .csv or .parquet"
        )
    for field in frame.columns:
        if may_hold_text(frame[field]):
            long = pc.greater(pc.utf8_length(to_text_array(frame[field])), _MAX_CELL)
            if (hit := to_mask(long)).any():
                address = frame["email"].iloc[int(hit.argmax())]
                raise RecipientsError(
                    f"{field!r} of {visible(address)} is longer than the {_MAX_CELL:,} "
                    f"characters a cell of a sheet holds; write .csv or .parquet"
                )


def _title(name: str, taken: set[str]) -> str:
    """Give a sheet's title: what Excel allows, and none twice."""
    clean = visible(name).translate(_NOT_IN_TITLES)[:_MAX_TITLE].strip("' ") or "list"
    title, number = clean, 1
    while title.lower() in taken or title.lower() == "history":  # kept by Excel
        number += 1
        title = f"{clean[: _MAX_TITLE - 4]} {number}"
    return title


_WRITERS: Final[dict[str, Callable[[Lists, Path], None]]] = {
    "csv": _write_csv,
    "xlsx": _write_xlsx,
    "parquet": _write_parquet,
    "json": _write_json,
    "jsonl": _write_jsonl,
}
