"""Recipients: a list of people as a value; every operation gives a new list.

The rows are checked already (`read.read_recipients` does that); here they are selected,
joined, counted and shown.  Nothing here changes a list in place, and nothing sends.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Literal, overload

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from smtpbook.errors import ColumnError, LocalProtocolError, RecipientsError, near_miss
from smtpbook.escape import to_html, visible
from smtpbook.progress import told
from smtpbook.protocol.addresses import Mailbox
from smtpbook.recipients import export
from smtpbook.recipients.cells import stacked, to_rows, to_text_array
from smtpbook.recipients.checking import check
from smtpbook.recipients.columns import to_field_name
from smtpbook.recipients.hints import RULES
from smtpbook.recipients.problems import Note, joined, problems_frame, shown
from smtpbook.recipients.splitting import parts_of
from smtpbook.recipients.suppression import SuppressionList
from smtpbook.recipients.syntax import comparison_key, to_mask
from smtpbook.recipients.where import matches
from smtpbook.sources.frames import PROVENANCE, read_frame
from smtpbook.table import Problem

_ITERATED: Final = 1000  # rows turned into Python objects at a time
_SHOWN_ROWS, _SHOWN_COLUMNS = 5, 8
_FIXED: Final = ("email", *PROVENANCE)

Others = pd.DataFrame | Iterable[str]


class Recipients:
    """A checked list of recipients.

    Make one with `read_recipients`.  ``a + b`` joins two lists (an address that both hold
    stays as it is in the first), ``a - b`` takes out the addresses of another list, of a
    DataFrame, of any iterable of addresses, or of a `SuppressionList`; ``a[:10]`` are the
    first ten.

    Examples
    --------
    >>> from smtpbook.recipients.read import read_recipients
    >>> people = read_recipients(
    ...     pd.DataFrame({"E-Mail": ["ann@x.org", "no"], "City": ["Paris", "Rome"]})
    ... )
    >>> people
    Recipients: 1 address at 1 domain, 1 problem (2 read, 1 kept, 1 invalid); fields: \
email, city
    >>> people.problems["message"][0]
    "DataFrame, row 1: address has no @: 'no'"
    >>> [row["city"] for row in people]
    ['Paris']
    >>> len(people.where("city == 'Paris'") - ["ANN@x.org"])
    0
    """

    __slots__ = ("_frame", "_labels", "_notes")

    def __init__(
        self, frame: pd.DataFrame, notes: Iterable[Note], labels: Mapping[str, str]
    ) -> None:
        self._frame = frame
        self._notes = tuple(dict.fromkeys(notes))
        self._labels = MappingProxyType(dict(labels))

    # -- what is in it

    @property
    def frame(self) -> pd.DataFrame:
        """The rows that can be written to, as a DataFrame of your own.

        ``email`` (string) is the address as logs write it: the domain in lower-case
        A-labels, the local part as given.  The list's other columns follow under their
        field names; then ``source`` (category), where the row was read, and ``source_row``
        (int64), its line there (files) or position (other sources).
        """
        return self._frame.copy()

    @property
    def problems(self) -> pd.DataFrame:
        """What is not in `frame`, and doubts about what is, as a DataFrame of your own.

        Columns: ``row`` (Int64; null = the whole source), ``address`` (string, control
        characters as escapes; null = none), ``rule`` and ``message`` (string), ``dropped``
        (bool: the row is not in the list) and ``source`` (string).

        Rules that drop a row: ``missing``, ``invalid``, ``duplicate``, ``nul``,
        ``suppressed``, and those of rows that cannot be read, such as
        ``unbalanced_quote`` and ``too_many_cells``.  Hints: ``role``, ``disposable``,
        ``typo``, ``special_domain`` (once a name, at its first row), ``smtputf8``,
        ``display_name``.  About the source: ``encoding``, ``header``, ``empty``, ….
        """
        return joined(note.problems for note in self._notes)

    @property
    def counts(self) -> dict[str, int]:
        """What became of the rows: ``read`` is the sum of all the others.

        ``kept`` are those of `frame`; the rules of `problems` dropped others;
        ``left_out`` are those that `where`, ``-``, a slice or the like left out.
        """
        read = sum(note.rows_read for note in self._notes)
        counts = {"read": read, "kept": len(self)}
        readings = joined(note.problems for note in self._notes if note.rows_read)
        gone = [readings[readings["dropped"]], self._taken_out()]
        rules = pd.concat([rows["rule"] for rows in gone]).value_counts(sort=False)
        counts |= {str(rule): int(count) for rule, count in rules.items()}
        left_out = read - sum(counts.values()) + read
        return counts | ({"left_out": left_out} if left_out else {})

    @property
    def notes(self) -> tuple[Note, ...]:
        """The readings and operations it comes from; `problems` and `counts` are theirs."""
        return self._notes

    @property
    def labels(self) -> Mapping[str, str]:
        """For each field, the header as it was written in the source."""
        return self._labels

    @property
    def addresses(self) -> list[str]:
        """The addresses in the list's order."""
        return list(self._frame["email"])

    @property
    def fields(self) -> list[str]:
        """What templates and conditions can name, ``email`` first."""
        return [name for name in self._frame.columns if name not in PROVENANCE]

    # -- some of it

    def where(self, condition: str) -> Recipients:
        """Give the rows that meet a condition, such as ``"city == 'Paris'"``.

        Comparisons may be joined by ``and``, ``or``, ``not`` and parentheses.  A missing
        text compares like the empty text; text compared with a number is read as one.

        Raises
        ------
        ColumnError
            It names a field that the list does not have.
        RecipientsError
            It is more, or less, than a condition.
        """
        return self._select(matches(self._frame, condition))

    def sample(self, n: int, *, seed: int | None = None) -> Recipients:
        """Draw `n` recipients at random, in the list's order; `seed` makes it repeatable.

        Raises
        ------
        RecipientsError
            The list has fewer than `n`.
        """
        if not 0 <= n <= len(self):
            raise RecipientsError(f"cannot draw {n} recipients from a list of {len(self)}")
        drawn = np.random.default_rng(seed).choice(len(self), n, replace=False)
        chosen = np.zeros(len(self), dtype=bool)
        chosen[drawn] = True
        return self._select(chosen)

    @overload
    def split(
        self, parts: int | Sequence[float], *, seed: int | None = None
    ) -> list[Recipients]: ...
    @overload
    def split(self, *, by: str) -> dict[Any, Recipients]: ...
    def split(
        self,
        parts: int | Sequence[float] | None = None,
        *,
        by: str | None = None,
        seed: int | None = None,
    ) -> list[Recipients] | dict[Any, Recipients]:
        """Share the list out: everybody is in exactly one part, in the list's order.

        Parameters
        ----------
        parts : int or sequence of float
            So many parts of equal size (give or take one), or their shares, which sum to 1.
            Who comes into which is drawn.
        by : str
            Instead: a part for each value of this field.
        seed : int, optional
            Makes the draw repeatable.

        Returns
        -------
        list of Recipients, or dict of value to Recipients
            With `by`: in the order in which the values come; None for missing ones.

        Raises
        ------
        ColumnError
            There is no such field.
        RecipientsError
            The parts are none, or the shares do not sum to 1.
        """
        if (parts is None) == (by is None):
            raise RecipientsError("split(parts) or split(by=field): one of the two")
        if by is not None:
            (field,) = self._known([by])
            column = self._frame[field]
            codes, values = pd.factorize(column, use_na_sentinel=True)
            named = {value: self._select(codes == n) for n, value in enumerate(values)}
            missing = codes == -1
            return named | ({None: self._select(missing)} if missing.any() else {})
        assert parts is not None
        part = parts_of(len(self), parts, seed)
        number = parts if isinstance(parts, int) else len(parts)
        return [self._select(part == n) for n in range(number)]

    def head(self, n: int = 5) -> Recipients:
        """Give the first `n`."""
        return self[:n]

    def tail(self, n: int = 5) -> Recipients:
        """Give the last `n`."""
        return self[max(len(self) - n, 0) :]

    def dedupe(
        self, by: str | Sequence[str] = "email", *, keep: Literal["first", "last"] = "first"
    ) -> Recipients:
        """Keep one row of those that are alike in some fields.

        No address is in a list twice in any case.  A row that lacks one of the fields is
        like no other; those taken out are named in `problems`.

        Raises
        ------
        ColumnError
            There is no such field.
        """
        fields = self._known([by] if isinstance(by, str) else list(by))
        keys = self._frame[fields]
        again = keys.duplicated(keep=keep) & keys.notna().all(axis="columns")
        what = f"alike in {', '.join(fields)}"
        note = self._note(self._frame[again], "duplicate", what)
        return self._select(~again, note)

    # -- its fields

    def rename(self, **fields: str) -> Recipients:
        """Give fields other names: ``rename(first_name="prénom")`` is new name, old name.

        The old name may be the header as it stands in the source.

        Raises
        ------
        ColumnError
            There is no such field.
        RecipientsError
            A new name is taken, or no name for a field; or the old is not to be changed.
        """
        known = self._known(fields.values())
        if twice := [name for name in known if known.count(name) > 1]:
            raise RecipientsError(f"{twice[0]!r} is to have two names; give it one")
        old = dict(zip(known, fields, strict=True))
        for name, new in old.items():
            if name in _FIXED:
                raise RecipientsError(f"{name!r} cannot be renamed")
            if (new in self._frame.columns and new not in old) or new in _FIXED:
                raise RecipientsError(f"there is a field {new!r} already")
            if to_field_name(new) != new:
                hint = to_field_name(new)
                raise RecipientsError(f"{new!r} is no name for a field; {hint!r} would be")
        labels = {old.get(name, name): label for name, label in self._labels.items()}
        return Recipients(self._frame.rename(columns=old), self._notes, labels)

    def drop(self, *fields: str) -> Recipients:
        """Leave fields out.

        Raises
        ------
        ColumnError
            There is no such field.
        RecipientsError
            It is ``email``, or where the row comes from.
        """
        gone = self._known(fields)
        for name in gone:
            if name in _FIXED:
                raise RecipientsError(f"{name!r} cannot be left out")
        labels = {k: v for k, v in self._labels.items() if k not in gone}
        return Recipients(self._frame.drop(columns=gone), self._notes, labels)

    def select(self, *fields: str) -> Recipients:
        """Keep these fields, in this order, beside ``email``; leave the others out.

        Raises
        ------
        ColumnError
            There is no such field.
        """
        known = dict.fromkeys(self._known(fields))
        wanted = [name for name in known if name not in _FIXED]
        labels = {k: v for k, v in self._labels.items() if k in {"email", *wanted}}
        frame = self._frame[["email", *wanted, *PROVENANCE]]
        return Recipients(frame, self._notes, labels)

    # -- to files

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the list as UTF-8 CSV: ``email`` and the other fields, not their origin.

        A cell that a spreadsheet would run as a formula gets an apostrophe in front, which
        `read_recipients` takes off again; control characters are written as escapes.
        """
        export.export_recipients(self, path, form="csv")

    def to_excel(self, path: str | os.PathLike[str]) -> None:
        """Write the list as XLSX; text is text there and needs no apostrophe.

        Raises
        ------
        RecipientsError
            A sheet holds no more than 1,048,576 rows, a cell no more than 32,767
            characters.
        """
        export.export_recipients(self, path, form="xlsx")

    def to_parquet(self, path: str | os.PathLike[str]) -> None:
        """Write the list as Parquet; every column keeps its type."""
        export.export_recipients(self, path, form="parquet")

    def to_json(self, path: str | os.PathLike[str]) -> None:
        """Write the list as JSON: an array of objects, times as ISO 8601."""
        export.export_recipients(self, path, form="json")

    def to_jsonl(self, path: str | os.PathLike[str]) -> None:
        """Write the list as JSON Lines: an object a line, times as ISO 8601."""
        export.export_recipients(self, path, form="jsonl")

    # -- as a collection

    def __len__(self) -> int:
        return len(self._frame)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Give each row as a dict of plain values; missing cells are None."""
        for start in range(0, len(self), _ITERATED):
            yield from to_rows(self._frame.iloc[start : start + _ITERATED])

    def rows(self, positions: Sequence[int]) -> list[dict[str, Any]]:
        """Give some rows as iterating would."""
        return to_rows(self._frame.iloc[np.asarray(positions, dtype=np.intp)])

    def __getitem__(self, rows: slice) -> Recipients:
        if not isinstance(rows, slice):
            raise TypeError(
                f"people[{rows!r}]: people[:10] are the first ten; a column is in "
                f"people.frame, one row in list(people)"
            )
        return self._select(np.arange(len(self))[rows])

    def __contains__(self, address: object) -> bool:
        try:
            key = Mailbox.parse(str(address)).key
        except LocalProtocolError:
            return False
        return bool(pc.any(pc.equal(self._keys(), key)).as_py())

    def __add__(self, other: Recipients | Others) -> Recipients:
        added = _listed(other)
        place = pc.index_in(added._keys(), value_set=self._keys())
        known = to_mask(pc.is_valid(place))
        again = added._frame[known]
        first = self._frame.iloc[place.drop_null().to_numpy()]
        is_same = (
            again["source"].astype(str).to_numpy() == first["source"].astype(str).to_numpy()
        ) & (again["source_row"].to_numpy() == first["source_row"].to_numpy())
        note = self._note(again[~is_same], "duplicate", "listed already")
        frame = stacked([self._frame, added._frame[~known]])
        own = [name for name in frame.columns if name not in PROVENANCE]
        return Recipients(
            frame[[*own, *PROVENANCE]],
            [*self._notes, *added._notes, *note],
            {**added._labels, **self._labels},
        )

    def __sub__(self, other: Recipients | SuppressionList | Others) -> Recipients:
        if isinstance(other, SuppressionList):
            return self.without(other)
        removed = _listed(other)
        known = to_mask(pc.is_in(self._keys(), value_set=removed._keys()))
        if removed is other:
            return self._select(~known)
        # An address that cannot be read cannot be taken out; that must not stay unsaid.
        said = removed.problems
        unread = said[said["dropped"] & (said["rule"] != "duplicate")]
        note = Note(rows_read=0, problems=unread.assign(dropped=False))
        return self._select(~known, [note] if len(unread) else [])

    def without(
        self, suppressed: SuppressionList | Iterable[str], *, campaign: str | None = None
    ) -> Recipients:
        """Take out who is not to be written to; they are named in `problems`.

        Parameters
        ----------
        suppressed : SuppressionList or iterable of str
            Those of every campaign, or addresses.
        campaign : str, optional
            Those of this campaign, too.
        """
        if isinstance(suppressed, SuppressionList):
            reasons = suppressed.reasons_for(self._frame["email"], campaign=campaign)
        else:
            keys = _listed(suppressed)._keys()
            found = pc.is_in(self._keys(), value_set=keys)
            reasons = pc.if_else(found, "suppressed", None).cast(pa.large_string())
        hit = to_mask(pc.is_valid(reasons))
        note = self._note(self._frame[hit], "suppressed", reasons.drop_null())
        return self._select(~hit, note)

    # -- shown

    def __repr__(self) -> str:
        return f"Recipients: {self._summary()}; fields: {', '.join(self.fields)}"

    def _repr_html_(self) -> str:
        fields = self.fields[:_SHOWN_COLUMNS]
        head = self._frame[fields].head(_SHOWN_ROWS)
        titles = "".join(f"<th>{to_html(name)}</th>" for name in fields)
        rows = "".join(
            "<tr>" + "".join(f"<td>{_shown(cell)}</td>" for cell in row) + "</tr>"
            for row in head.itertuples(index=False)
        )
        left = len(self) - len(head)
        more = f"<p>… and {left:,} more</p>" if left else ""
        return (
            f"<p><b>Recipients</b>: {to_html(self._summary())}</p>"
            f"<table><thead><tr>{titles}</tr></thead><tbody>{rows}</tbody></table>{more}"
        )

    def _summary(self) -> str:
        found = pc.extract_regex(to_text_array(self._frame["email"]), "@(?P<at>[^@]*)$")
        domains = pc.count_distinct(pc.struct_field(found, "at")).as_py()
        rules = self.problems["rule"]
        hints = int(rules.isin(RULES).sum())
        counts = self.counts
        return (
            f"{_count(len(self), 'address', 'addresses')} at "
            f"{_count(domains, 'domain', 'domains')}, "
            f"{_count(len(rules) - hints, 'problem', 'problems')}"
            + (f", {_count(hints, 'hint', 'hints')}" if hints else "")
            + (f" ({told(counts)})" if counts["read"] != len(self) else "")
        )

    # -- underneath

    def _taken_out(self) -> pd.DataFrame:
        """Give the rows that operations took out and that are not back, each once.

        One row of a source may have several addresses; and what one operation took out of
        a list, another may have taken out of its copy, or joined to it again.
        """
        said = joined(note.problems for note in self._notes if not note.rows_read)
        where = ["source", "row", "address"]
        gone = said[said["dropped"]].drop_duplicates(where)
        addresses = shown(to_text_array(self._frame["email"]))
        near = pc.is_in(addresses, value_set=to_text_array(gone["address"]))
        frame = self._frame[to_mask(near)]
        here = [frame["source"].astype(str), frame["source_row"], addresses.filter(near)]
        back = pd.MultiIndex.from_arrays(list(map(_plain, here)))
        return gone[
            ~pd.MultiIndex.from_arrays([_plain(gone[it]) for it in where]).isin(back)
        ]

    def _keys(self) -> pa.Array:
        return comparison_key(to_text_array(self._frame["email"]))

    def _known(self, names: Iterable[str]) -> list[str]:
        """Give fields by their names or their headers in the source."""
        found: list[str] = []
        by_label = {label: name for name, label in self._labels.items()}
        for name in names:
            if name not in self._frame.columns and name not in by_label:
                hint = near_miss(name, [*self._frame.columns, *by_label])
                raise ColumnError(f"column {name!r} not found{hint}")
            found.append(name if name in self._frame.columns else by_label[name])
        return found

    def _note(self, rows: pd.DataFrame, rule: str, why: str | pa.Array) -> list[Note]:
        """Say of rows why they are no longer in the list."""
        reasons = [why] * len(rows) if isinstance(why, str) else why.to_pylist()
        said = [
            Problem(row, visible(address), rule, f"{source}, row {row}: {reason}")
            for source, row, address, reason in zip(
                rows["source"], rows["source_row"], rows["email"], reasons, strict=True
            )
        ]
        if not said:
            return []
        source = rows["source"].astype(str).reset_index(drop=True)
        return [
            Note(rows_read=0, problems=problems_frame(said, dropped=True, source=source))
        ]

    def _select(
        self, rows: pd.Series | np.ndarray[Any, Any], notes: Iterable[Note] = ()
    ) -> Recipients:
        places = np.asarray(rows)
        frame = self._frame[places] if places.dtype == bool else self._frame.iloc[places]
        frame = frame.reset_index(drop=True)
        return Recipients(frame, [*self._notes, *notes], self._labels)


def _plain(column: pd.Series | pa.Array) -> list[Any]:
    return column.to_pylist() if isinstance(column, pa.Array) else column.tolist()


def _listed(other: Recipients | Others) -> Recipients:
    if isinstance(other, Recipients):
        return other
    if isinstance(other, pd.DataFrame):
        frame, note, labels = check(read_frame(other))
    else:
        given = [other] if isinstance(other, str) else list(other)
        listed = pd.DataFrame({"email": pd.array(given, dtype=object)})
        frame, note, labels = check(read_frame(listed, name="addresses"), address="email")
    return Recipients(frame, [note], labels)


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _shown(cell: Any) -> str:
    return "" if pd.isna(cell) else to_html(visible(str(cell), max_chars=40))
