"""The filters and tests of a template: Jinja2's own, each asked first what it may give.

One that makes text refuses a missing value; one that walks pays a step for each item.
There is no ``random`` (the same row gives the same message), no ``pprint`` (a letter is
for people), and no urlize with further schemes.  Nothing here knows operators, loops or
calls.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import wraps
from operator import index
from typing import Any, Final

import jinja2
from jinja2 import filters, tests
from jinja2.exceptions import SecurityError
from jinja2.filters import make_attrgetter
from jinja2.runtime import markup_join, str_join
from jinja2.utils import _PassArg

from smtpbook.language import limits
from smtpbook.language.limits import (
    Bound,
    Context,
    constant,
    hashed,
    is_missing,
    times,
    weight,
)

_JINJA_FILTERS: Final[Mapping[str, Any]] = filters.FILTERS
_JINJA_TESTS: Final[Mapping[str, Any]] = tests.TESTS

# A conversion of at most three digits, such as %-20s, %(name)s, %05.2f or %%.
_CONVERSION: Final = re.compile(
    r"%(?:\(\w*\))?[-+ #0]*\d{0,3}(?:\.\d{0,3})?[diouxXeEfFgGcs%]", re.ASCII
)
_WIDEST: Final = 2000  # a width or precision of 999 and the 309 digits of a float
_MAX_PRECISION: Final = 308  # a float's largest power of ten
_MAX_INDENT: Final = 8


_AHEAD: Final[Mapping[_PassArg | None, Callable[[Context], tuple[Any, ...]]]] = {
    None: lambda _context: (),
    _PassArg.context: lambda context: (context,),
    _PassArg.eval_context: lambda context: (context.eval_ctx,),
    _PassArg.environment: lambda context: (context.environment,),
}


def _ahead(function: Callable[..., Any]) -> Callable[[Context], tuple[Any, ...]]:
    """Find what Jinja2 would put before the value."""
    return _AHEAD[_PassArg.from_obj(function)]


def _guarded(
    function: Callable[..., Any], bound: Bound, *, printed: bool = False
) -> Callable[..., Any]:
    """Ask `bound` what a filter or test may give, before it is called."""
    ahead = _ahead(function)

    @jinja2.pass_context
    @wraps(function)
    def guarded(context: Context, value: Any, *args: Any, **kwargs: Any) -> Any:
        if printed:
            weight(value, printed=True)
        context.budget.handle(bound(value, *args, **kwargs))
        return function(*ahead(context), value, *args, **kwargs)

    return guarded


def _walking(function: Callable[..., Any], bound: Bound = constant) -> Callable[..., Any]:
    """Pay for a filter's walk over its value, and for what it does with the items."""
    ahead = _ahead(function)

    @jinja2.pass_context
    @wraps(function)
    def walking(context: Context, value: Any, *args: Any, **kwargs: Any) -> Any:
        budget = context.budget
        items = budget.walk(value, each=times(1)(*args, *kwargs.values()))
        budget.handle(bound(items))
        return function(*ahead(context), items, *args, **kwargs)

    return walking


def _default(value: Any, default_value: Any = "", boolean: bool = False) -> Any:
    """Jinja2's default filter; None, NaN, NaT and NA are undefined, too."""
    if isinstance(value, jinja2.Undefined) or is_missing(value):
        return default_value
    return default_value if boolean and not value else value


def _format(value: str, *args: Any, **kwargs: Any) -> str:
    """Jinja2's format filter, for widths and precisions of three digits at most."""
    return value % (kwargs or args)


def _formatted(value: Any, *args: Any, **kwargs: Any) -> int:
    size = weight(value)
    if size > limits.MAX_OUTPUT:
        return size
    text, conversions = _CONVERSION.subn("", value)
    if "%" in text:
        raise SecurityError(
            f"format {value[:40]!r} holds a % that is no conversion of at most three "
            f"digits, such as %-20s or %.2f"
        )
    values = (*args, *kwargs.values())
    widest = max((weight(each, printed=True) for each in values), default=0)
    return size + conversions * (widest + _WIDEST)


@jinja2.pass_context
def _join(
    context: Context, value: Any, d: str = "", attribute: str | int | None = None
) -> str:
    """Jinja2's join filter; no item may be missing."""
    budget = context.budget
    items = budget.walk(value, each=weight(d, printed=True) + weight(attribute))
    if attribute is not None:
        items = list(map(make_attrgetter(context.environment, attribute), items))
    budget.handle(times(5 if context.eval_ctx.autoescape else 1)(items))
    for item in items:
        weight(item, printed=True)
    return _JINJA_FILTERS["join"](context.eval_ctx, items, d)  # type: ignore[no-any-return]


@jinja2.pass_context
def joined(context: Context, values: list[Any]) -> str:
    """Do what ``~`` does; no value may be missing."""
    size = sum(weight(value, printed=True) for value in values)
    escaping = context.eval_ctx.autoescape
    context.budget.handle(5 * size if escaping else size)
    return markup_join(values) if escaping else str_join(values)


def _sum(
    environment: jinja2.Environment, iterable: Any, attribute: Any = None, start: Any = 0
) -> Any:
    """Jinja2's sum filter, for what is not a list or a text."""
    if isinstance(start, str | bytes | list | tuple | dict | set):
        raise SecurityError("sum adds numbers")
    return _JINJA_FILTERS["sum"](environment, iterable, attribute, start)


@jinja2.pass_context
def _slice(context: Context, value: Any, slices: int, fill_with: Any = None) -> Any:
    """Jinja2's slice filter; each slice is a step."""
    function = _JINJA_FILTERS["slice"]
    context.budget.step(index(slices))
    items = context.budget.walk(value)
    return function(*_ahead(function)(context), items, slices, fill_with)


def _reverse(value: Any) -> Any:
    return value[::-1] if isinstance(value, str) else list(value)[::-1]


@jinja2.pass_eval_context
def _urlize(
    eval_ctx: Any,
    value: str,
    trim_url_limit: int | None = None,
    nofollow: bool = False,
    target: str | None = None,
    rel: str | None = None,
) -> Any:
    """Jinja2's urlize filter, without further schemes."""
    return _JINJA_FILTERS["urlize"](eval_ctx, value, trim_url_limit, nofollow, target, rel)


# --- bounds ------------------------------------------------------------------------------


def _by_word(value: Any, *args: Any, **kwargs: Any) -> int:
    # Both search each word in the square of its length, and may put their arguments
    # beside each.
    text, size = str(value), weight(value)
    if size > limits.MAX_OUTPUT // 30:
        raise limits.too_long()
    words = text.split()
    longest = max(map(len, words), default=0)
    beside = times(5)(*args, *kwargs.values())
    return size * (30 + longest // 4) + (len(words) + 1) * (beside + 100)


def _wrapped(value: Any, *args: Any, **kwargs: Any) -> int:
    # A line may be one character wide, and each ends with the wrapstring.
    return _by_word(value) + weight(value) * (1 + times(1)(*args, *kwargs.values()))


def _indented(value: Any, width: Any = 4, *_rest: Any, **_named: Any) -> int:
    by = weight(width) if isinstance(width, str) else abs(index(width))
    return weight(value) + (len(str(value).splitlines()) + 1) * by


def _batched(_value: Any, linecount: int, *_fill: Any, **_named: Any) -> int:
    return 8 * abs(index(linecount))


def _rounded(value: Any, precision: int = 0, *_rest: Any, **_named: Any) -> int:
    if abs(index(precision)) > _MAX_PRECISION:
        raise SecurityError(f"round knows {_MAX_PRECISION} places")
    return weight(value)


def _as_json(value: Any, indent: int | None = None) -> int:
    if indent is not None and not 0 <= index(indent) <= _MAX_INDENT:
        raise SecurityError(f"tojson indents by 0 to {_MAX_INDENT}")
    # A character becomes up to twelve ("\ud83d\ude00"), and an item, of a weight of 8
    # at least, a line that is indented as often as it is deep.
    deep = (indent or 0) * limits.MAX_DEPTH // 8
    return (weight(value) + 2) * (12 + deep)


def _attributes(value: Mapping[str, Any], _autospace: bool = True) -> int:
    for each in value.values():
        if each is not None and not isinstance(each, jinja2.Undefined):
            weight(each, printed=True)  # xmlattr leaves those two out
    return 6 * weight(value)


def _remainder(value: Any, *others: Any) -> int:
    # value % other would be a format string's own operator.
    if isinstance(value, str | bytes):
        raise SecurityError("odd, even and divisibleby are for numbers")
    return times(1)(value, *others)


_PRINTING: Final[Mapping[str, Bound]] = {
    **dict.fromkeys(("capitalize", "lower", "upper"), times(3)),
    **dict.fromkeys(("striptags", "title", "wordcount"), times(30)),
    **dict.fromkeys(("e", "escape", "forceescape"), times(5)),
    **dict.fromkeys(("safe", "string", "truncate"), times(1)),
    "center": limits.padded,
    "indent": _indented,
    "replace": limits.replaced,
    "trim": limits.searched,
    "urlencode": times(12),  # four octets of three characters
    "wordwrap": _wrapped,
}
_OTHER: Final[Mapping[str, Bound]] = {
    **dict.fromkeys(("filesizeformat", "float", "int"), times(1)),
    "dictsort": times(20),
    "round": _rounded,
    "tojson": _as_json,
    "xmlattr": _attributes,
}
# Sorting a hundred thousand items compares each some twenty times.
_WALKING: Final[Mapping[str, Bound]] = {
    **dict.fromkeys(("list", "map", "reject", "rejectattr"), constant),
    **dict.fromkeys(("select", "selectattr"), constant),
    **dict.fromkeys(("max", "min"), times(1)),
    **dict.fromkeys(("groupby", "sort"), times(20)),
    "unique": hashed,
}
_AS_THEY_ARE: Final = ("abs", "attr", "count", "first", "items", "last", "length")

FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    **{name: _JINJA_FILTERS[name] for name in _AS_THEY_ARE},
    **{
        name: _guarded(_JINJA_FILTERS[name], bound, printed=True)
        for name, bound in _PRINTING.items()
    },
    **{name: _guarded(_JINJA_FILTERS[name], bound) for name, bound in _OTHER.items()},
    **{name: _walking(_JINJA_FILTERS[name], bound) for name, bound in _WALKING.items()},
    "batch": _guarded(_walking(_JINJA_FILTERS["batch"]), _batched),
    "d": _default,
    "default": _default,
    "format": _guarded(_format, _formatted, printed=True),
    "join": _join,
    "reverse": _walking(_reverse),
    "slice": _slice,
    "sum": _walking(jinja2.pass_environment(_sum)),
    "urlize": _guarded(_urlize, _by_word, printed=True),
}
_COMPARING: Final = (
    *("==", "eq", "equalto", "!=", "ne", ">", "gt", "greaterthan", ">=", "ge"),
    *("<", "lt", "lessthan", "<=", "le", "in", "lower", "upper"),
)
_DIVIDING: Final = ("divisibleby", "even", "odd")

TESTS: Final[Mapping[str, Callable[..., Any]]] = {
    **_JINJA_TESTS,
    **{name: _guarded(_JINJA_TESTS[name], times(1)) for name in _COMPARING},
    **{name: _guarded(_JINJA_TESTS[name], _remainder) for name in _DIVIDING},
}
