"""Plain text: the addresses in it, each with its line and what stands around it.

What an address is, is decided elsewhere; this finds what looks like one, in a time that
grows with the text alone.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from smtpbook.sources.cells import Columns
from smtpbook.sources.contacts import EMAIL
from smtpbook.sources.reading import Faults, read_lines
from smtpbook.table import Table, numbered

# Runs of what a local part and a domain are made of (RFC 5321 section 4.1.2, RFC 6531
# section 3.3).  Each is taken whole or not at all, and none begins inside another, so no
# text makes it look twice.  Full stops that end a sentence are no part of an address.
_LOCAL: Final = r"[\w!#$%&'*+/=?^`{|}~.-]"
_FOUND: Final = re.compile(rf"(?<!{_LOCAL}){_LOCAL}++@[\w.-]++")
_EDGES: Final = ".-'`*_/={}|"
_AROUND: Final = 60  # characters of context on either side


def read_text(path: Path, *, encoding: str | None = None) -> Table:
    """Find the addresses in a text.

    Columns: ``email`` as it stands there, and ``context``, the text around it.  Rows are
    numbered by line; the same address may be found many times.

    Parameters
    ----------
    path : Path
        The file.
    encoding : str, optional
        Default: found out as for delimited text.
    """
    faults = Faults(path.name)
    columns = Columns(path.name, (EMAIL, "context"))
    for number, line in read_lines(path, faults, encoding):
        if "@" not in line:
            continue
        for match in _FOUND.finditer(line):
            start, end = match.span()
            around = line[max(0, start - _AROUND) : end + _AROUND]
            address = match[0].removeprefix("mailto:").strip(_EDGES)
            columns.add(number, {EMAIL: address, "context": " ".join(around.split())})
    headers, arrays, rows = columns.finish()
    if not len(rows):
        faults.add(None, "empty", "there is no address in the text")
    return Table(
        name=path.name,
        headers=headers,
        cells=numbered(arrays),
        rows=rows,
        problems=faults.listed(),
    )
