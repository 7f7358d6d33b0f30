"""Filling: one row of the list on its way into a template's parts.

It knows whom an error is about.  A field that is not in the row, or is None, NaN, NaT or
NA there, has no value; a column whose name is no identifier, such as ``First Name``, is
reached as ``First_Name`` or ``first_name``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import jinja2
import pandas as pd

from smtpbook.errors import LocalProtocolError, TemplateError, near_miss
from smtpbook.escape import visible
from smtpbook.fields import field_name
from smtpbook.language.fence import MissingField
from smtpbook.language.limits import is_missing
from smtpbook.language.part import Part
from smtpbook.protocol.addresses import Mailbox

# Controls, line and paragraph separators, and surrogates (which no octets stand for).
NOT_IN_HEADERS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
NOT_IN_BODIES: Final = re.compile(r"[\x00\ud800-\udfff]")


def values_of(row: Mapping[str, Any], fields: Iterable[str]) -> dict[str, Any]:
    """Give the values a row has for the fields, by the fields' names."""
    values = {}
    for name in fields:
        value = row.get(name)
        if value is None and name not in row:
            value = _by_other_name(row, name)
        if not is_missing(value):
            values[name] = value
    return values


def _by_other_name(row: Mapping[str, Any], name: str) -> Any:
    columns = [column for column in row.keys() if isinstance(column, str)]  # noqa: SIM118 - a Series gives values
    for same in (str, str.casefold):
        for column in columns:
            if same(field_name(column)) == same(name):
                return row[column]
    return None


class Filling:
    """One row, its recipient, and its values for a template's fields.

    Parameters
    ----------
    row : mapping or Series
        ``row["email"]`` is the recipient.
    fields : iterable of str
    constants : mapping
        Values that do not come from the row.

    Raises
    ------
    TemplateError
        It is no row, two of its columns have the same name, or its address is not one.
    """

    __slots__ = ("recipient", "row", "values")

    def __init__(
        self,
        row: Mapping[str, Any],
        fields: Iterable[str],
        constants: Mapping[str, Any],
    ) -> None:
        _check_row(row)
        address = row.get("email")
        if not isinstance(address, str):
            hint = "" if "email" in row else near_miss("email", map(str, row.keys()))
            raise TemplateError(f"the row has no address in 'email'{hint}")
        self.row = row
        self.recipient = mailbox("email", address)
        self.values: dict[str, Any] = {**constants, **values_of(row, fields)}

    def line(self, part: Part) -> str:
        """Fill in a part that stands in a header.

        Raises
        ------
        TemplateError
            It cannot be filled in, or would not stay on its line.
        """
        text = "".join(self._pieces(part, {}))
        if found := NOT_IN_HEADERS.search(text):
            raise self.forbidden(part, found[0])
        return text.strip()

    def body(self, part: Part, functions: Mapping[str, Any]) -> list[str]:
        """Fill in a body, piece by piece.

        Raises
        ------
        TemplateError
            It cannot be filled in, or holds a NUL or a surrogate.
        """
        pieces = self._pieces(part, functions)
        for piece in pieces:
            is_plain = piece.isascii() and "\0" not in piece
            if is_plain or piece in part.literals:
                continue
            if found := NOT_IN_BODIES.search(piece):
                raise self.forbidden(part, found[0])
        return pieces

    def _pieces(self, part: Part, functions: Mapping[str, Any]) -> list[str]:
        try:
            return part.pieces({**self.values, **functions} if functions else self.values)
        except MissingField as error:
            raise self.missing(part.name, error.field) from None
        except Exception as error:
            # The expressions of a template may raise anything.
            kind = (
                ""
                if isinstance(error, jinja2.TemplateError | TemplateError)
                else type(error).__name__
            )
            reason = visible(": ".join(filter(None, (kind, str(error)))), max_chars=200)
            raise TemplateError(f"{part.name}, for {self.recipient}: {reason}") from error

    def missing(self, part: str, name: str) -> TemplateError:
        """Say that a field has no value in this row."""
        names = [str(name) for name in self.row.keys()]  # noqa: SIM118 - see above
        use = f"use {{{{ {name} | default('…') }}}} if it may be missing"
        if name.casefold() in (field_name(each).casefold() for each in names):
            reason = f"has no value in the row of {self.recipient}; {use}"
        else:
            hint = near_miss(name, names) or f"; {use}"
            reason = f"is not in the row of {self.recipient}{hint}"
        return TemplateError(f"{part}: field {name!r} {reason}")

    def forbidden(self, part: Part, char: str) -> TemplateError:
        """Say that a value holds a character that cannot stand in a part."""
        holders = (
            f"field {name!r}"
            for name in sorted(part.fields)
            if char in str(self.values.get(name, ""))
        )
        return TemplateError(
            f"{part.name}: {next(holders, 'the result')} holds U+{ord(char):04X}, which "
            f"cannot stand there, in the row of {self.recipient}; correct the cell"
        )


def check_columns(columns: pd.Index[Any]) -> None:
    """Refuse a name that two columns have: nobody could say which one is meant.

    Raises
    ------
    TemplateError
        The message names the first of them.
    """
    if not columns.is_unique:
        twice = visible(str(columns[columns.duplicated()][0]), max_chars=60)
        raise TemplateError(f"two columns are called {twice!r}; rename or drop one")


def _check_row(row: object) -> None:
    if isinstance(row, pd.Series):
        check_columns(row.index)
    elif not isinstance(row, Mapping):
        hint = "; such as frame.iloc[0]" if isinstance(row, pd.DataFrame) else ""
        raise TemplateError(
            f"a row is a mapping or a Series, not {type(row).__name__}{hint}"
        )


def mailbox(part: str, text: str) -> Mailbox:
    """Read an address; the error names where it stands.

    Raises
    ------
    TemplateError
        It is not one.
    """
    try:
        return Mailbox.parse(text)
    except LocalProtocolError as error:
        raise TemplateError(f"{part}: {error}") from None
