"""Suppression: who is never written to, why, since when, and in which campaigns.

One CSV file that people can read and edit.  Several programs may add to one file at the
same time: an entry is appended under a lock and is on disk when `add` returns; a removal
writes the file anew beside it and puts it in its place.  Nothing here takes anybody out of
a list: ``people - stop`` and ``Campaign(suppress=stop)`` ask.
"""

from __future__ import annotations

import csv
import io
import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from filelock import FileLock, Timeout

from smtpbook.errors import ColumnError, LocalProtocolError, RecipientsError, near_miss
from smtpbook.escape import to_cell, visible
from smtpbook.places import data_folder
from smtpbook.progress import told
from smtpbook.protocol.addresses import Mailbox, to_a_labels
from smtpbook.recipients.cells import to_text_array
from smtpbook.recipients.syntax import check_column, comparison_key
from smtpbook.table import TEXT

COLUMNS: Final = ("address_or_rule", "reason", "date", "campaign")
REASONS: Final = ("unsubscribed", "bounced", "complaint", "deleted", "manual")
"""The usual reasons; any other word will do."""

_LOCK_S: Final = 30.0


class Entry(NamedTuple):
    """One line of a suppression list.

    Attributes
    ----------
    address_or_rule : str
        ``ann@x.example``; ``@x.example``, everybody at that domain; ``*.x.example``,
        everybody at its subdomains.  In lower case, domains in A-labels.
    reason : str
    date : datetime or None
        UTC, to the second; None = not known.
    campaign : str or None
        None = every campaign.
    """

    address_or_rule: str
    reason: str
    date: datetime | None
    campaign: str | None


class SuppressionList:
    """Addresses and domains that are never written to.

    Open one with `open`; what other programs add to the file meanwhile is seen.

    Examples
    --------
    >>> import tempfile
    >>> stop = SuppressionList.open(Path(tempfile.mkdtemp(), "never.csv"))
    >>> stop.add("Ann@x.example", reason="unsubscribed")
    >>> stop.add("*.y.example", campaign="november")
    >>> "ann@X.example" in stop, "bob@a.y.example" in stop
    (True, False)
    >>> stop
    SuppressionList: 2 entries (1 unsubscribed, 1 manual) in never.csv
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._entries: dict[tuple[str, str | None], Entry] = {}
        self._can_grow = False  # its columns are ours, and its last line ends

    @classmethod
    def open(cls, path: str | os.PathLike[str] | None = None) -> SuppressionList:
        """Open a file; it is made when the first entry is added.

        Parameters
        ----------
        path : path, optional
            Default: the one in the user's data folder, for all campaigns.

        Raises
        ------
        RecipientsError
            It is no suppression list, or a line of it cannot be understood: what it was to
            suppress would be written to.
        """
        given = None if path is None else Path(os.path.expanduser(path))
        stop = cls(given or data_folder() / "suppressed.csv")
        stop._refresh()
        return stop

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    @property
    def frame(self) -> pd.DataFrame:
        """The entries as a DataFrame of your own.

        ``address_or_rule``, ``reason`` (string), ``date`` (datetime64[us, UTC]) and
        ``campaign`` (string; null = every campaign).
        """
        self._refresh()
        frame = pd.DataFrame(list(self._entries.values()), columns=list(COLUMNS))
        frame["date"] = pd.to_datetime(frame["date"], utc=True).dt.as_unit("us")
        return frame.astype({name: TEXT for name in COLUMNS if name != "date"})

    def add(
        self, address_or_rule: str, *, reason: str = "manual", campaign: str | None = None
    ) -> None:
        """Add an address or a rule; one that is there already stays as it is.

        Raises
        ------
        RecipientsError
            It is neither, or the file cannot be written.
        """
        self.add_many([address_or_rule], reason=reason, campaign=campaign)

    def add_many(
        self,
        entries: pd.DataFrame | Iterable[str],
        *,
        reason: str = "manual",
        campaign: str | None = None,
    ) -> int:
        """Add many at once, or none if one of them is wrong.

        Parameters
        ----------
        entries : DataFrame or iterable of str
            A frame has ``address_or_rule`` (or ``email``) and may have ``reason``, ``date``
            and ``campaign``; missing ones are filled from the arguments and the clock.

        Returns
        -------
        int
            How many were not there already.

        Raises
        ------
        ColumnError
            The frame has no column with addresses.
        RecipientsError
            One is neither an address nor a rule, or the file cannot be written.
        """
        now = datetime.now(UTC).replace(microsecond=0)
        given = [
            Entry(_rule(str(what)), _word(why), when or now, campaign_)
            for what, why, when, campaign_ in _rows_of(entries, reason, campaign)
        ]
        with self._locked():
            self._refresh()
            new = {_key(entry): entry for entry in reversed(given)}
            new = {key: new[key] for key in reversed(new) if key not in self._entries}
            if new and self._can_grow:
                self._append(list(new.values()))
            elif new:  # not there yet, edited by hand, or cut off while it was written
                self._rewrite([*self._entries.values(), *new.values()])
        return len(new)

    def remove(self, address_or_rule: str, *, campaign: str | None = None) -> None:
        """Take an entry out; who it was about may be written to again.

        Raises
        ------
        RecipientsError
            There is none like it.
        """
        rule = _rule(address_or_rule)
        with self._locked():
            self._refresh()
            if (rule, campaign) not in self._entries:
                where = [
                    its or "every campaign" for name, its in self._entries if name == rule
                ]
                hint = near_miss(rule, [name for name, _ in self._entries])
                raise RecipientsError(
                    f"no entry {rule!a} for {campaign or 'every campaign'}"
                    + (f"; there is one for {', '.join(where)}" if where else hint)
                )
            gone = self._entries[rule, campaign]
            self._rewrite([entry for entry in self._entries.values() if entry != gone])

    def match(
        self, addresses: Iterable[str], *, campaign: str | None = None
    ) -> pd.DataFrame:
        """Tell which addresses are suppressed, and why.

        Parameters
        ----------
        addresses : iterable of str
            What is no address is left out: nothing is sent there.
        campaign : str, optional
            Entries of this campaign count besides those for every campaign.

        Returns
        -------
        DataFrame
            ``address`` as given, then the columns of `frame` for the entry that hit.
        """
        text = to_text_array(pd.Series(list(addresses), dtype=object).astype(TEXT))
        hits, entries = self._hits(text, campaign)
        found = pd.DataFrame(entries, columns=list(COLUMNS)).iloc[hits[hits >= 0]]
        found = found.reset_index(drop=True)
        found["date"] = pd.to_datetime(found["date"], utc=True).dt.as_unit("us")
        given = text.filter(pa.array(hits >= 0)).to_pylist()
        found.insert(0, "address", pd.array(given, dtype=TEXT))
        return found.astype({name: TEXT for name in COLUMNS if name != "date"})

    def reasons_for(self, addresses: pd.Series, *, campaign: str | None = None) -> pa.Array:
        """Say for each address of a list why it is suppressed; null = it is not."""
        hits, entries = self._hits(to_text_array(addresses), campaign)
        said = [
            entry.reason
            + (f" on {entry.date:%Y-%m-%d}" if entry.date else "")
            + (f" ({rule})" if (rule := entry.address_or_rule)[0] in "@*" else "")
            for entry in entries
        ]
        places = pa.array(hits, mask=hits < 0)
        return pa.array(said, pa.large_string()).take(places)

    def __contains__(self, address: object) -> bool:
        """Tell whether an address is suppressed for every campaign."""
        return isinstance(address, str) and len(self.match([address])) > 0

    def __len__(self) -> int:
        self._refresh()
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        self._refresh()
        return iter(list(self._entries.values()))

    def __repr__(self) -> str:
        count = len(self)
        reasons = told(Counter(entry.reason for entry in self._entries.values()))
        return (
            f"SuppressionList: {count:,} {'entry' if count == 1 else 'entries'}"
            f"{f' ({reasons})' if reasons else ''} in {self._path.name}"
        )

    # -- who is hit

    def _hits(
        self, addresses: pa.Array, campaign: str | None
    ) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], list[Entry]]:
        """Give for each address the position of the entry that hits it, or -1."""
        self._refresh()
        entries = [
            entry
            for entry in self._entries.values()
            if entry.campaign is None or entry.campaign == campaign
        ]
        names = pa.array([entry.address_or_rule for entry in entries], pa.large_string())
        keys = comparison_key(_readable(addresses))
        direct = pc.index_in(keys, value_set=names)
        at = pc.struct_field(pc.extract_regex(keys, "@(?P<domain>[^@]*)$"), "domain")
        encoded = at.dictionary_encode()
        places: dict[str, int] = {}
        for place, entry in enumerate(entries):
            places.setdefault(entry.address_or_rule, place)
        domains = encoded.dictionary.to_pylist()
        by_domain = pa.array([_place_of(name, places) for name in domains], pa.int32())
        whole = by_domain.take(encoded.indices)
        hits = pc.fill_null(pc.coalesce(direct, whole), -1)
        return np.asarray(hits, dtype=np.int64), entries

    # -- the file

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = FileLock(f"{self._path}.lock", timeout=_LOCK_S)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except Timeout:
            raise RecipientsError(
                f"cannot write {str(self._path)!r}: another program has written it for "
                f"{_LOCK_S:g} s; try again when it has ended"
            ) from None
        except OSError as error:
            raise _unwritable(self._path, error) from error
        try:
            yield
        finally:
            lock.release()

    def _append(self, entries: Sequence[Entry]) -> None:
        before = self._seen or (0, 0, 0)
        text = self._write(self._path, "ab", map(_cells, entries))
        state = self._path.stat()
        seen = (state.st_ino, state.st_size, state.st_mtime_ns)
        if seen[:2] == (before[0], before[1] + len(text.encode())):
            # Nobody else has written to it: a long file is not read again for one line.
            added = _parse(self._path.name, f"{','.join(COLUMNS)}\n{text}")
            self._entries = self._entries | {_key(entry): entry for entry in added}
            self._seen = seen
        self._refresh()

    def _rewrite(self, entries: Sequence[Entry]) -> None:
        beside = self._path.with_name(f"{self._path.name}.part")
        self._write(beside, "wb", [COLUMNS, *map(_cells, entries)])
        os.replace(beside, self._path)
        self._refresh()

    def _write(self, path: Path, mode: str, rows: Iterable[Sequence[str]]) -> str:
        text = io.StringIO()
        csv.writer(text).writerows(rows)
        try:
            with path.open(mode) as file:
                file.write(text.getvalue().encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise _unwritable(self._path, error) from error
        return text.getvalue()

    def _refresh(self) -> None:
        """Read the file again if it has changed."""
        try:
            state = self._path.stat()
            seen = (state.st_ino, state.st_size, state.st_mtime_ns)
            if seen == self._seen:
                return
            if not stat.S_ISREG(state.st_mode):  # a pipe may block for ever
                raise OSError("it is no ordinary file")
            text = self._path.read_text("utf-8-sig")
        except FileNotFoundError:
            self._seen, self._entries, self._can_grow = None, {}, False
            return
        except (OSError, UnicodeError) as error:
            raise RecipientsError(f"cannot read {str(self._path)!r}: {error}") from error
        self._entries = {_key(entry): entry for entry in _parse(self._path.name, text)}
        first = text.partition("\n")[0].rstrip("\r")
        self._can_grow = text.endswith("\n") and first == ",".join(COLUMNS)
        self._seen = seen


def _key(entry: Entry) -> tuple[str, str | None]:
    return entry.address_or_rule, entry.campaign


def _place_of(domain: str, places: dict[str, int]) -> int | None:
    if (place := places.get(f"@{domain}")) is not None:
        return place
    rest = domain.partition(".")[2]
    while rest:
        if (place := places.get(f"*.{rest}")) is not None:
            return place
        rest = rest.partition(".")[2]
    return None


def _rule(text: str) -> str:
    """Bring an address or a rule into the one form it is compared in."""
    given = text.strip()
    try:
        if given.startswith("*@"):  # a mailbox called "*", or more likely a whole domain
            raise LocalProtocolError(given)
        for mark, rest in (("*.", "*."), ("@*.", "*."), ("@", "@")):
            if given.startswith(mark) and "@" not in given[len(mark) :]:
                return rest + to_a_labels(given.removeprefix(mark))
        return Mailbox.parse(given).key
    except LocalProtocolError:
        raise RecipientsError(
            f"{visible(given, max_chars=80)!a} is neither an address nor a rule; "
            f"expected ann@x.example, @x.example for a domain, or *.x.example for its "
            f"subdomains"
        ) from None


def _word(reason: object) -> str:
    return visible(str(reason).strip(), max_chars=200) or "manual"


def _readable(addresses: pa.Array) -> pa.Array:
    """Give addresses in canonical form; null for what is none."""
    return check_column(pc.fill_null(addresses, "")).addresses.combine_chunks()


def _rows_of(
    entries: pd.DataFrame | Iterable[str], reason: str, campaign: str | None
) -> Iterator[tuple[object, object, datetime | None, str | None]]:
    if not isinstance(entries, pd.DataFrame):
        for one in [entries] if isinstance(entries, str) else entries:
            yield one, reason, None, campaign
        return
    name = next((name for name in ("address_or_rule", "email") if name in entries), None)
    if name is None:
        hint = near_miss("email", [str(header) for header in entries.columns])
        raise ColumnError(f"column 'address_or_rule' not found{hint}")
    for row in entries.to_dict("records"):
        cells = {key: None if pd.isna(cell) else cell for key, cell in row.items()}
        when = _date_of(cells.get("date"))
        own = cells.get("campaign")
        yield cells[name], cells.get("reason") or reason, when, own or campaign


def _date_of(cell: Any) -> datetime | None:
    if cell is None:
        return None
    try:
        if isinstance(cell, int | float):  # since when, nobody can tell
            raise ValueError
        time = pd.to_datetime(cell, utc=True)
        return datetime.fromtimestamp(int(time.timestamp()), UTC)
    except (ValueError, OverflowError):
        shown = ascii(visible(str(cell), max_chars=80))
        raise RecipientsError(f"{shown} is no date; expected such as 2026-11-23") from None


def _cells(entry: Entry) -> tuple[str, ...]:
    date = f"{entry.date:%Y-%m-%dT%H:%M:%SZ}" if entry.date else ""
    rule, campaign = entry.address_or_rule, entry.campaign or ""
    return _marked(rule), _marked(entry.reason), date, _marked(campaign)


def _marked(cell: str) -> str:
    """Put an apostrophe before what a spreadsheet would run, and before its own."""
    return f"'{cell}" if cell.startswith("'") else to_cell(cell)


def _parse(name: str, text: str) -> Iterator[Entry]:
    reader = csv.reader(io.StringIO(text))
    records = _records(name, reader)
    header = [cell.strip().lower() for cell in next(records, COLUMNS)]
    if "address_or_rule" not in header:
        raise RecipientsError(
            f"{name} is no suppression list: its first line lacks address_or_rule; to take "
            f"a list's addresses, open a new file and add_many() them"
        )
    is_torn = not text.endswith("\n")
    for cells in records:
        # An apostrophe: `_cells` put it there.
        plain = [cell.strip().removeprefix("'") for cell in cells]
        row = dict(zip(header, plain, strict=False))
        if not any(row.values()):
            continue
        try:
            yield Entry(
                _rule(row.get("address_or_rule") or ""),
                row.get("reason") or "manual",
                _time(row.get("date")),
                row.get("campaign") or None,
            )
        except (RecipientsError, ValueError) as error:
            if is_torn and reader.line_num == text.count("\n") + 1:
                return  # cut off while it was written: nobody was told it is there
            raise RecipientsError(
                f"{name}, line {reader.line_num}: {error}; correct the line or take it out"
            ) from None


def _records(name: str, reader: Any) -> Iterator[list[str]]:
    try:
        yield from reader
    except csv.Error as error:
        raise RecipientsError(f"{name}, line {reader.line_num}: {error}") from None


def _time(text: str | None) -> datetime | None:
    if not text:
        return None
    time = datetime.fromisoformat(text)
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


def _unwritable(path: Path, error: OSError) -> RecipientsError:
    return RecipientsError(f"cannot write {str(path)!r}: {error.strerror or error}")
