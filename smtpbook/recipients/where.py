"""Where: conditions on a list's fields, as text that cannot do anything but compare.

``city == 'Paris' and language in ['fr', 'de']`` is Python's syntax and pandas evaluates
it; what is more than names, constants and comparisons is refused before that.
"""

from __future__ import annotations

import ast
from typing import Final

import pandas as pd

from smtpbook.errors import ColumnError, RecipientsError, near_miss
from smtpbook.escape import visible
from smtpbook.recipients.cells import may_hold_text

_ALLOWED: Final = (
    *(ast.Expression, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.Invert),
    *(ast.USub, ast.BinOp, ast.BitAnd, ast.BitOr, ast.Compare, ast.Eq, ast.NotEq, ast.Lt),
    *(ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn, ast.Name, ast.Load, ast.Constant),
    *(ast.List, ast.Tuple),
)


def matches(frame: pd.DataFrame, condition: str) -> pd.Series:
    """Tell which rows meet a condition.

    A missing text compares like the empty text.  Text compared with a number is read as
    one; what is none, or missing, meets no comparison but ``!=``.

    Parameters
    ----------
    frame : DataFrame
        Its columns are what the condition may name.
    condition : str
        Comparisons (``== != < <= > >= in not in``) of columns, texts, numbers and lists,
        joined by ``and or not`` (or ``& | ~``) and parentheses.

    Returns
    -------
    Series of bool
        Same index as `frame`.

    Raises
    ------
    ColumnError
        It names a column that is not there.
    RecipientsError
        It is not such a condition, or compares what cannot be compared.
    """
    tree = _parse(condition)
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    for name in sorted(names - set(frame.columns)):
        hint = near_miss(name, frame.columns)
        raise ColumnError(f"column {name!r} not found{hint}")
    numeric = _compared_with_numbers(tree)
    view = pd.DataFrame(
        {name: _comparable(frame[name], as_number=name in numeric) for name in names},
        index=frame.index,
    )
    try:
        # One line, whatever the condition's layout: pandas takes lines for statements.
        result = view.eval(ast.unparse(tree), engine="python", parser="pandas")
    except Exception as error:  # pandas raises its own kinds, none of them documented
        raise RecipientsError(
            f"cannot evaluate {_shown(condition)}: {visible(str(error), max_chars=200)}"
        ) from None
    if not (isinstance(result, pd.Series) and pd.api.types.is_bool_dtype(result)):
        raise RecipientsError(f"{_shown(condition)} is not true or false for each row")
    return result.fillna(False).astype(bool)


def _parse(condition: str) -> ast.Expression:
    try:
        tree = ast.parse(condition.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        raise RecipientsError(f"not a condition: {_shown(condition)} ({reason})") from None
    for node in ast.walk(tree):
        if not isinstance(node, _ALLOWED):
            raise RecipientsError(
                f"{_shown(condition)}: {type(node).__name__} is not available in a "
                f"condition; compare columns as in \"city == 'Paris' and age >= 18\""
            )
        if isinstance(node, ast.Constant) and node.value is None:
            raise RecipientsError(
                f"{_shown(condition)}: None is not available in a condition; a missing "
                f"text compares like the empty one: \"city == ''\""
            )
    return tree


def _compared_with_numbers(tree: ast.Expression) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            inside = [
                part for side in (node.left, *node.comparators) for part in ast.walk(side)
            ]
            constants = [part.value for part in inside if isinstance(part, ast.Constant)]
            if constants and all(isinstance(value, int | float) for value in constants):
                found.update(part.id for part in inside if isinstance(part, ast.Name))
    return found


def _comparable(column: pd.Series, *, as_number: bool) -> pd.Series:
    if isinstance(column.dtype, pd.ArrowDtype):
        kind = str(column.dtype)  # pandas compares no date with text, no decimal with 0.5
        if kind.startswith("date"):
            return column.astype("datetime64[s]")
        return column.astype("float64") if kind.startswith("decimal") else column
    if not may_hold_text(column):
        return column
    cells = column.astype(object)
    if as_number:
        return pd.to_numeric(cells, errors="coerce").astype("float64")
    return cells.where(cells.notna(), "")


def _shown(condition: str) -> str:
    return repr(visible(condition, max_chars=100))
