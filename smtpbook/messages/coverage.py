"""Coverage: what becomes of a letter when everybody on the list has been filled in.

Every row is filled in before anything is sent: which fields are missing and where, which
branches and fallbacks are taken by how many, whose message comes out empty, and which
messages look alike because they took the same way through the template.  Nothing is sent
and no message is kept.
"""

from __future__ import annotations

import html
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import pandas as pd

from smtpbook.bodies.markup import tokens
from smtpbook.errors import TemplateError
from smtpbook.escape import visible
from smtpbook.language.fence import MissingField
from smtpbook.language.tracing import Place, TracedPart
from smtpbook.messages.attachments import AttachmentColumn
from smtpbook.messages.filling import Filling, check_columns
from smtpbook.messages.letter import Letter
from smtpbook.progress import show

KINDS: Final = (
    *("error", "missing", "empty", "branch", "loop", "fallback"),
    *("cluster", "longest", "shortest"),
)
# How often the progress display moves.
_STEP: Final = 100


_PICTURES: Final = ("img", "hr", "svg", "video")


class HasFrame(Protocol):
    """A list: `smtpbook.Recipients`."""

    @property
    def frame(self) -> pd.DataFrame:
        """A row per recipient, with a column ``email``."""


@dataclass(slots=True)
class _Seen:
    """One row, filled in."""

    email: str
    places: frozenset[int] = frozenset()
    missing: frozenset[tuple[str, str]] = frozenset()
    empty: frozenset[str] = frozenset()
    error: str | None = None
    lengths: dict[str, int] = field(default_factory=dict)

    @property
    def way(self) -> tuple[object, ...]:
        """What rows whose messages look alike have in common."""
        return self.places, self.missing, self.empty, self.error is not None


def cover(
    letter: Letter, people: HasFrame | pd.DataFrame, *, each: bool, progress: bool
) -> pd.DataFrame:
    """Fill a letter in for everybody on a list.

    Parameters
    ----------
    letter : Letter
    people : Recipients or DataFrame
        With a column ``email``.
    each : bool
        A row for each recipient, instead of one for each finding.
    progress : bool

    Raises
    ------
    TemplateError
        Two columns of the list have the same name.

    Returns
    -------
    DataFrame
        A row for each finding, most urgent kinds first:

        ``kind``
            ``error``: these cannot be made, `what` says why; ``missing``: a field has no
            value and no default; ``empty``: a part comes out empty; ``branch``, ``loop``,
            ``fallback``: a place of the template, taken by so many (0: by nobody);
            ``cluster``: messages that took the same way and differ by their values only;
            ``longest``, ``shortest``: the message of most and of fewest characters.
        ``part``, ``line``
            Where, in the template; null where the whole message is meant.
        ``what``
            In the template's words.
        ``recipients``, ``share``
            How many, and of all.
        ``example``
            The address of the first of them; null = nobody.
        ``clusters``
            The numbers of the clusters they are in, a tuple.

        With `each`: ``email``, ``cluster`` (Int64; the largest is 1), ``missing`` and
        ``empty`` (fields and parts, comma-separated; null = none), ``error`` (null = none),
        ``subject``, ``text`` and ``html`` (characters, Int64; null = there is none).
    """
    frame = people if isinstance(people, pd.DataFrame) else people.frame
    names = frame.columns.map(str)
    check_columns(names)
    parts = [TracedPart(part) for part in letter.parts]
    offsets = _offsets(parts)
    seen = []
    display = show("filling in", len(frame), progress=progress)
    try:
        for number, row in enumerate(_rows(frame, names), 1):
            seen.append(_fill_in(letter, parts, offsets, row))
            if number % _STEP == 0:
                display.update(number, {})
    finally:
        display.close()
    clusters = _clusters(seen)
    if each:
        return _each(seen, clusters)
    places = [place for part in parts for place in part.places]
    return _findings(seen, clusters, places)


def _offsets(parts: Sequence[TracedPart]) -> list[int]:
    """Number the places of all parts in one go."""
    offsets, total = [], 0
    for part in parts:
        offsets.append(total)
        total += len(part.places)
    return offsets


def _rows(frame: pd.DataFrame, names: Iterable[str]) -> Iterator[dict[str, Any]]:
    for cells in zip(*(frame[name] for name in frame.columns), strict=True):
        yield dict(zip(names, cells, strict=True))


def _fill_in(
    letter: Letter,
    parts: Sequence[TracedPart],
    offsets: Sequence[int],
    row: Mapping[str, Any],
) -> _Seen:
    seen = _Seen(visible(str(row.get("email"))))
    try:
        filling = letter.filling(row)
        for file in letter.files:
            if isinstance(file, AttachmentColumn):
                file.find(row)
    except TemplateError as error:
        seen.error = str(error)
        return seen
    missing: set[tuple[str, str]] = set()
    places: set[int] = set()
    empty = set()
    for part, offset in zip(parts, offsets, strict=True):
        try:
            text, passed = _fill_part(letter, part, filling, missing)
        except Exception as error:
            # The expressions of a template may raise anything.
            # What stood in for a missing value may be the cause.
            if not any(name == part.part.name for name, _ in missing):
                seen.error = f"{part.part.name}: {visible(str(error), max_chars=200)}"
            continue
        places.update(offset + place for place in passed)
        seen.lengths[part.part.name] = len(text)
        if _is_empty(text, part.part.is_html):
            empty.add(part.part.name)
    if seen.error is None and not missing:
        try:
            letter.check(row)
        except TemplateError as error:
            seen.error = str(error)
    seen.places, seen.missing = frozenset(places), frozenset(missing)
    seen.empty = frozenset(empty)
    return seen


def _fill_part(
    letter: Letter, part: TracedPart, filling: Filling, missing: set[tuple[str, str]]
) -> tuple[str, frozenset[int]]:
    """Fill a part in; every field that is missing is noted, not only the first."""
    given = filling.values  # noqa: PD011 - a dict
    values = given | letter.functions(part.part, {})
    while True:
        try:
            return part.render(values)
        except MissingField as error:
            if error.field in values:  # printed where no default can help
                raise
            missing.add((part.part.name, error.field))
            values[error.field] = "…"


def _is_empty(text: str, is_html: bool) -> bool:
    if not is_html:
        return not text or text.isspace()
    # One that is not is known by its first words.
    return not any(
        (token.kind == "start" and token.name in _PICTURES)
        or (token.kind == "text" and html.unescape(text[token.start : token.stop]).strip())
        for token in tokens(text)
    )


def _clusters(seen: Sequence[_Seen]) -> list[int]:
    """Number the ways through the template, the one most rows took first."""
    counts = Counter(one.way for one in seen)
    numbers = {way: n for n, (way, _) in enumerate(counts.most_common(), 1)}
    return [numbers[one.way] for one in seen]


def _each(seen: Sequence[_Seen], clusters: Sequence[int]) -> pd.DataFrame:
    def joined(words: Iterable[str]) -> str | None:
        return ", ".join(sorted(set(words))) or None

    columns: dict[str, pd.Series[Any]] = {
        "email": pd.Series([one.email for one in seen], dtype="string"),
        "cluster": pd.Series(clusters, dtype="Int64"),
        "missing": pd.Series(
            [joined(name for _, name in one.missing) for one in seen], dtype="string"
        ),
        "empty": pd.Series([joined(one.empty) for one in seen], dtype="string"),
        "error": pd.Series([one.error for one in seen], dtype="string"),
    }
    for part in ("subject", "text", "html"):
        lengths = [one.lengths.get(part) for one in seen]
        columns[part] = pd.Series(lengths, dtype="Int64")
    return pd.DataFrame(columns)


class _Table:
    """Findings on their way into a DataFrame."""

    def __init__(self, seen: Sequence[_Seen], clusters: Sequence[int]) -> None:
        self._seen, self._clusters = seen, clusters
        self._rows: list[tuple[object, ...]] = []

    def add(
        self,
        kind: str,
        what: str,
        rows: Sequence[int],
        part: str | None = None,
        line: int | None = None,
    ) -> None:
        """Add a finding about these rows."""
        share = len(rows) / len(self._seen) if self._seen else 0.0
        example = self._seen[rows[0]].email if rows else None
        found = tuple(sorted({self._clusters[row] for row in rows}))
        self._rows.append((kind, part, line, what, len(rows), share, example, found))

    def frame(self) -> pd.DataFrame:
        columns = list(zip(*self._rows, strict=True)) or [()] * len(_DTYPES)
        return pd.DataFrame(
            {
                name: pd.Series(list(cells), dtype=dtype)
                for (name, dtype), cells in zip(_DTYPES.items(), columns, strict=True)
            }
        )


_DTYPES: Final[dict[str, Any]] = {
    "kind": pd.CategoricalDtype(list(KINDS)),
    "part": "string",
    "line": "Int64",
    "what": "string",
    "recipients": "int64",
    "share": "float64",
    "example": "string",
    "clusters": "object",
}


def _findings(
    seen: Sequence[_Seen], clusters: Sequence[int], places: Sequence[Place]
) -> pd.DataFrame:
    table = _Table(seen, clusters)
    errors: dict[str, list[int]] = defaultdict(list)
    missing: dict[tuple[str, str], list[int]] = defaultdict(list)
    empty: dict[str, list[int]] = defaultdict(list)
    taken: list[list[int]] = [[] for _ in places]
    alike: dict[int, list[int]] = defaultdict(list)
    for row, one in enumerate(seen):
        if one.error is not None:
            errors[one.error.replace(one.email, "…")].append(row)
        for absent in one.missing:
            missing[absent].append(row)
        for part in one.empty:
            empty[part].append(row)
        for number in one.places:
            taken[number].append(row)
        alike[clusters[row]].append(row)
    for what, rows in errors.items():
        table.add("error", what, rows)
    for (part, name), rows in sorted(missing.items()):
        table.add("missing", name, rows, part)
    for part, rows in sorted(empty.items()):
        table.add("empty", f"{part} comes out empty", rows, part)
    for kind in ("branch", "loop", "fallback"):
        for place, rows in zip(places, taken, strict=True):
            if place.kind == kind:
                table.add(kind, place.name, rows, place.part, place.line)
    for number in sorted(alike):
        table.add("cluster", _way(seen[alike[number][0]], places), alike[number])
    _add_extremes(table, seen)
    return table.frame()


def _way(one: _Seen, places: Sequence[Place]) -> str:
    """Say in words which way a row took."""
    words = [places[place].name for place in sorted(one.places)]
    words += [f"{name} missing" for _, name in sorted(one.missing)]
    words += [f"{part} empty" for part in sorted(one.empty)]
    if one.error is not None:
        words.append("error")
    return "; ".join(dict.fromkeys(words)) or "no branch, no fallback"


def _add_extremes(table: _Table, seen: Sequence[_Seen]) -> None:
    whole = {row: sum(one.lengths.values()) for row, one in enumerate(seen) if one.lengths}
    if whole:
        for kind, row in (
            ("longest", max(whole, key=whole.__getitem__)),
            ("shortest", min(whole, key=whole.__getitem__)),
        ):
            lengths = seen[row].lengths.items()
            said = ", ".join(f"{part} {n:,} characters" for part, n in lengths)
            table.add(kind, said, [row])
