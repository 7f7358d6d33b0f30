"""JSON: an array of objects, an object of arrays, or an object a line (JSON Lines).

Lines are read one by one, so a bad one costs only itself; where all of a block's lines are
regular, Arrow parses them.  A document is read whole.  Objects inside are flattened one
level (``{"name": {"first": …}}`` is ``name_first``); what is nested deeper, and lists, are
kept as JSON text.

References
----------
RFC 8259 (JSON), https://jsonlines.org.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.json

from smtpbook.errors import RecipientsError
from smtpbook.escape import visible
from smtpbook.sources.cells import Columns
from smtpbook.sources.contacts import EMAIL
from smtpbook.sources.reading import MAX_LINE, Faults, open_octets
from smtpbook.table import Table, blank_to_null, numbered

MAX_DOCUMENT: Final = 256 << 20  # octets; as Python objects, some ten times as much
_BLOCK: Final = 4 << 20  # octets of lines taken together
_DEEP: Final = "nested too deeply"


def read_json(path: Path) -> Table:
    """Read objects: a row each, numbered by line (JSON Lines) or by position, from 1.

    Of an object with several lists of objects nobody knows which is meant; of one list of
    objects (``{"people": […]}``) it is that.  Of equal keys the last counts.  Text stays
    text, numbers numbers; a column that has both is text.

    Raises
    ------
    RecipientsError
        It is no JSON, holds no objects, or is a document larger than `MAX_DOCUMENT`.
    """
    if _is_lines(path):
        return _read_lines(path)
    size = path.stat().st_size
    if size > MAX_DOCUMENT:
        raise RecipientsError(
            f"{path.name} is one JSON document of {size >> 20:,} MB (at most "
            f"{MAX_DOCUMENT >> 20}); save it as JSON Lines, one object a line"
        )
    try:
        with closing(open_octets(path)) as file:
            document = json.load(file)
    except (ValueError, RecursionError) as error:
        why = _DEEP if isinstance(error, RecursionError) else error
        raise RecipientsError(f"{path.name} is not JSON: {why}") from None
    faults = Faults(path.name, "record")
    columns = Columns(path.name)
    for number, record in enumerate(_records(path.name, document), 1):
        _add(columns, number, record, faults)
    return _table(path, columns, faults)


def _is_lines(path: Path) -> bool:
    """Tell whether the first line that is not blank is an object by itself."""
    if path.suffix.lower() in {".jsonl", ".ndjson"}:
        return True
    with path.open("rb") as file:
        while line := file.readline(MAX_LINE):
            if line.strip():
                try:
                    is_object = isinstance(json.loads(line), dict)
                except (ValueError, RecursionError):
                    return False
                return is_object and bool(file.read(1))
    return False


def _records(name: str, document: Any) -> Iterable[Any]:
    if isinstance(document, list):
        return document
    if isinstance(document, dict):
        lists = {key: value for key, value in document.items() if isinstance(value, list)}
        tables = [key for key, value in lists.items() if _holds_objects(value)]
        if len(tables) == 1:
            return lists[tables[0]]
        if len(tables) > 1:
            shown = ", ".join(repr(visible(key, max_chars=40)) for key in tables[:9])
            raise RecipientsError(
                f"{name} holds several lists of objects ({shown}); save the one that is "
                f"meant by itself"
            )
        if lists and len(lists) == len(document):
            if len({len(value) for value in lists.values()}) > 1:
                raise RecipientsError(f"{name}: its arrays are not of equal length")
            return (
                dict(zip(lists, cells, strict=True))
                for cells in zip(*lists.values(), strict=True)
            )
        return [document]
    raise RecipientsError(
        f'{name} holds no list; expected such as [{{"email": "ann@x.example"}}]'
    )


def _holds_objects(values: list[Any]) -> bool:
    return any(isinstance(value, dict) for value in values)


def _read_lines(path: Path) -> Table:
    faults = Faults(path.name)
    columns = Columns(path.name)
    schema: pa.Schema | None = None
    for first, lines in _blocks(path):
        block = b"".join(lines)
        regular = _parsed(block, schema, len(lines)) if schema is not None else None
        if regular is not None:
            columns.add_columns(range(first, first + len(lines)), regular)
            continue
        records = []
        for number, line in enumerate(lines, first):
            record = _record(number, line, faults)
            if record is not None:
                _add(columns, number, record, faults)
                records.append(record)
        schema = _schema(records)
    return _table(path, columns, faults)


def _blocks(path: Path) -> Iterator[tuple[int, list[bytes]]]:
    with closing(open_octets(path)) as file:
        # A small first block: what Arrow is to expect is learnt from it.
        number, size = 1, _BLOCK // 64
        if file.peek(2)[:2] in {b"\xff\xfe", b"\xfe\xff"}:
            raise RecipientsError(
                f"{path.name} is JSON Lines in UTF-16; save it again as UTF-8"
            )
        if file.peek(3).startswith(b"\xef\xbb\xbf"):
            file.read(3)
        while lines := _lines(file, size):
            if any(len(line) >= MAX_LINE for line in lines):
                raise RecipientsError(
                    f"{path.name}: a line is longer than {MAX_LINE >> 20} MB; is this one "
                    f"JSON document? call it .json"
                )
            yield number, lines
            number, size = number + len(lines), _BLOCK


def _lines(file: io.BufferedReader, size: int) -> list[bytes]:
    lines: list[bytes] = []
    while size > 0 and (line := file.readline(MAX_LINE)):
        lines.append(line)
        size -= len(line)
    return lines


def _record(number: int, line: bytes, faults: Faults) -> Any:
    if not line.strip():
        return None
    try:
        return json.loads(line)
    except RecursionError:
        faults.add(number, "json", f"{_DEEP}; left out")
    except ValueError as error:
        faults.add(number, "json", f"not JSON ({error}); left out")
    return None


def _schema(records: list[Any]) -> pa.Schema | None:
    """Give what flat objects hold, if it is the same for all; Arrow takes no other."""
    types: dict[str, pa.DataType] = {}
    for record in records:
        if not isinstance(record, dict):
            return None
        for name, value in record.items():
            if value is None:
                continue
            kind = _SCALARS.get(type(value))
            known = types.setdefault(name, kind)
            if kind != known and {kind, known} == {pa.int64(), pa.float64()}:
                types[name] = pa.float64()
            elif kind is None or kind != known:
                return None
    return pa.schema(types.items()) if types else None


_SCALARS: Final = {
    str: pa.large_string(),
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
}


def _parsed(block: bytes, schema: pa.Schema, count: int) -> dict[str, pa.Array] | None:
    """Let Arrow parse a block of lines; None if there is anything it would not tell."""
    if block.startswith(b"{") + block.count(b"\n{") != count:
        return None  # a line is blank, or goes on in the next
    try:
        table = pyarrow.json.read_json(
            pa.BufferReader(block),
            read_options=pyarrow.json.ReadOptions(use_threads=False, block_size=len(block)),
            parse_options=pyarrow.json.ParseOptions(
                explicit_schema=schema, unexpected_field_behavior="error"
            ),
        )
    except pa.ArrowInvalid:
        return None
    if len(table) != count:  # several objects on a line
        return None
    columns = table.combine_chunks().to_batches()[0]
    return {
        name: blank_to_null(column) if pa.types.is_large_string(column.type) else column
        for name, column in zip(columns.schema.names, columns.columns, strict=True)
    }


def _add(columns: Columns, number: int, record: Any, faults: Faults) -> None:
    if isinstance(record, str):
        record = {EMAIL: record}
    if not isinstance(record, Mapping):
        faults.add(number, "json", 'not an object such as {"email": …}; left out')
        return
    cells: dict[str, Any] = {}
    for key, value in record.items():
        if isinstance(value, dict):
            for inner, part in value.items():
                cells[f"{key}_{inner}"] = _cell(part)
        else:
            cells[key] = _cell(value)
    if any(value is not None for value in cells.values()):
        columns.add(number, cells)


def _cell(value: Any) -> Any:
    if isinstance(value, dict | list):
        try:
            return json.dumps(value, ensure_ascii=False) if value else None
        except RecursionError:
            return None
    return value


def _table(path: Path, columns: Columns, faults: Faults) -> Table:
    headers, arrays, rows = columns.finish()
    if not headers:
        listed = [problem.message for problem in faults.listed()][:1]
        raise RecipientsError("; ".join([f"{path.name} holds no objects", *listed]))
    return Table(
        name=path.name,
        headers=tuple(visible(header) for header in headers),
        cells=numbered(arrays),
        rows=rows,
        problems=faults.listed(),
    )
