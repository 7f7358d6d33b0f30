"""What a rendering may spend: steps and characters, counted before they are spent.

An operation is refused by what it could give at most, so nothing large is made first and
measured afterwards.  The tables here are also the list of what there is: a method or a
filter that is in none of them cannot be used in a template.  Nothing here compiles or runs
one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import islice
from operator import index
from typing import Any, Final

import jinja2
import pandas as pd
from jinja2 import runtime
from jinja2.exceptions import SecurityError
from jinja2.utils import Namespace
from markupsafe import Markup, escape

MAX_STEPS: Final = 100_000
# No mail server takes a message of this size; 10 MB is Postfix's default limit.
MAX_OUTPUT: Final = 10_000_000
# All that is read and written on the way to a text; enough to add a thousand lines to
# one another, one by one.
MAX_HANDLED: Final = 5 * MAX_OUTPUT
MAX_NUMBER_BITS: Final = 4096
# Data out of JSON is some ten deep; Python's own walkers take about a thousand.
MAX_DEPTH: Final = 100

_ITEM: Final = 8  # octets of a reference; a character takes one to four
_PIECE: Final = 30  # half the octets of a short text of its own
_ESCAPED: Final = 5  # a quote becomes "&#34;"
_NESTED: Final[tuple[type[Any], ...]] = (
    *(list, tuple, dict, set, frozenset, deque),
    *(type({}.keys()), type({}.values()), type({}.items())),
)
_NOT_ATOMS: Final[tuple[type[Any], ...]] = (str, *_NESTED)
_WALKED: Final[tuple[type[Any], ...]] = (range, *_NOT_ATOMS)
_EXACT: Final = (str, int)
_DECODERS: Final = frozenset({"ascii", "cp1252", "latin-1", "utf-8"})

Bound = Callable[..., int]


class MissingValue(jinja2.UndefinedError):
    """A part made text of None, NaN, NaT or NA."""


def is_missing(value: Any) -> bool:
    """Whether a value is None, NaN, NaT or NA."""
    if value is None:
        return True
    if isinstance(value, _EXACT):
        return False
    if isinstance(value, float):
        return bool(value != value)  # NumPy has a bool of its own
    if isinstance(value, Decimal):
        return value.is_nan()
    return bool(pd.api.types.is_scalar(value) and pd.isna(value))


class Budget:
    """What is left of one rendering's steps and characters.

    Attributes
    ----------
    steps : int
        Items to loop over, and calls.
    characters : int
        Characters to read and write.
    """

    steps = MAX_STEPS
    characters = MAX_HANDLED

    def step(self, count: int = 1) -> None:
        """Spend steps, or refuse what would take them."""
        self.steps -= count
        if self.steps < 0:
            raise SecurityError(f"takes more than {MAX_STEPS:,} steps (loops and calls)")

    def handle(self, characters: int) -> None:
        """Spend characters on one text or comparison, or refuse it."""
        if characters > MAX_OUTPUT:
            raise too_long()
        self.spend(characters)

    def spend(self, characters: int) -> None:
        """Spend characters, or refuse what would take them."""
        self.characters -= characters
        if self.characters < 0:
            raise SecurityError(f"handles more than {MAX_HANDLED:,} characters in all")

    def walk(self, value: Any, each: int = 0) -> Collection[Any]:
        """Pay for a walk over a value, and give something to walk over.

        Parameters
        ----------
        value : object
            What can be iterated over.
        each : int
            Characters that one item takes.
        """
        if not isinstance(value, _WALKED):
            value = list(islice(iter(value), self.steps + 1))
        items: Collection[Any] = value
        self.step(len(items))
        self.spend(len(items) * each)
        return items


class _FirstUse:
    """A context's budget, made when it is asked for.

    An `__init__` for it would take a twentieth of the time of a short rendering.
    """

    def __get__(self, context: Context, _owner: type) -> Budget:
        budget = context.__dict__["budget"] = Budget()
        return budget


class Context(runtime.Context):
    """The names of one rendering, and its budget."""

    budget = _FirstUse()

    def derived(self, locals: dict[str, Any] | None = None) -> Context:
        """Give a context of further names, at the same budget."""
        context = super().derived(locals)
        assert isinstance(context, Context)
        context.budget = self.budget
        return context


def too_long() -> SecurityError:
    """Give the error for a text that no mail server would take."""
    return SecurityError(f"gives more than {MAX_OUTPUT:,} characters")


def weight(value: Any, *, printed: bool = False) -> int:
    """Count the characters it may take to print, compare or copy a value.

    Parameters
    ----------
    value : object
        Data; lists and dicts are looked into.
    printed : bool
        It is about to become text, so it may neither be nor hold a missing value.

    Raises
    ------
    MissingValue
    SecurityError
        It is large, deep, or holds what is not data.
    """
    if type(value) is str:
        return len(value)
    if not isinstance(value, _NOT_ATOMS):
        return _atom(value, printed=printed)
    total = items = 0
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        inner: list[Any] = []
        for item in level:
            if isinstance(item, str):
                total += len(item)
            elif isinstance(item, _NESTED):
                items += len(item) * (2 if isinstance(item, dict) else 1)
                # Asked before the level is built: one list may stand in it many times.
                if items > MAX_STEPS:
                    raise SecurityError(f"handles more than {MAX_STEPS:,} items at once")
                inner.extend(item)
                if isinstance(item, dict):
                    inner.extend(item.values())
            else:
                total += _atom(item, printed=printed)
        total += _ITEM * len(inner) + 1
        if total > MAX_OUTPUT:
            raise too_long()
        if not inner:
            return total
        level = inner
    raise SecurityError(f"is nested more than {MAX_DEPTH} deep")


def _atom(value: Any, *, printed: bool) -> int:
    """Weigh what is neither text nor a container."""
    if isinstance(value, int):
        return value.bit_length() // 3 + 5  # False
    if printed:
        _refuse_textless(value)
    if isinstance(value, bytes | bytearray):
        return 4 * len(value)  # b"\x00"
    if isinstance(value, range):
        return _ITEM * len(value)
    if isinstance(value, Decimal) and value.is_finite():
        # int(Decimal("1E+999999999")) takes a gigabyte.
        if abs(value.adjusted()) > MAX_NUMBER_BITS:
            raise SecurityError(f"a number of more than {MAX_NUMBER_BITS} bits")
        return len(value.as_tuple().digits)
    if isinstance(value, Namespace):
        raise SecurityError("a namespace is not a value; use what it holds")
    return 20  # a float, a date


def _refuse_textless(value: Any) -> None:
    if isinstance(value, jinja2.Undefined):
        str(value)  # raises its own error; an inline if without else prints nothing
        return
    if is_missing(value) or _holds_missing(value):
        name = str(value) if pd.api.types.is_scalar(value) else type(value).__name__
        raise MissingValue(
            f"prints a missing value ({name}); use {{{{ … | default('…') }}}} if it may "
            f"be missing"
        )
    if isinstance(value, Iterator):
        raise jinja2.TemplateRuntimeError("prints a sequence; add | join(', ')")
    if callable(value):
        name = getattr(value, "__name__", type(value).__name__)
        raise jinja2.TemplateRuntimeError(
            f"prints {name}, which has to be called: {name}()"
        )


def _holds_missing(value: Any) -> bool:
    """Look into arrays, Series and DataFrames."""
    if pd.api.types.is_scalar(value):
        return False
    found = pd.isna(value)
    return bool(found if isinstance(found, bool) else getattr(found, "values", found).any())


# --- what methods and filters may give, by what they are given -------------------------


def times(factor: int) -> Bound:
    """Bound a result by so many times what goes in."""

    def bound(*values: Any, **named: Any) -> int:
        return factor * sum(map(weight, (*values, *named.values())))

    return bound


def constant(*_values: Any, **_named: Any) -> int:
    """Bound what neither grows nor is looked through."""
    return 1


def padded(text: Any, width: int = 80, *_fill: str) -> int:
    """Bound center, ljust, rjust and zfill."""
    return weight(text) + abs(index(width))


def replaced(text: Any, old: Any, new: Any, count: int | None = None) -> int:
    """Bound replace; in HTML, text and patterns may be escaped first."""
    size = _ESCAPED * sum(map(weight, (text, old, new)))
    if size > MAX_OUTPUT:
        return size
    text, old, new = str(text), str(old), str(new)
    texts, patterns = (text, str(escape(text))), (old, str(escape(old)))
    hits = max(each.count(pattern) for each in texts for pattern in patterns)
    if count is not None and index(count) >= 0:
        hits = min(hits, count)
    return _ESCAPED * (len(text) + hits * len(new))


def searched(text: Any, chars: Any = None, *_rest: Any) -> int:
    """Bound strip and search from the right, which take the product of two lengths.

    Characters are compared some sixteen at a time.
    """
    size = weight(text)
    return _ESCAPED * (size + size * weight(chars) // 16)


def cut(text: Any, *values: Any, **named: Any) -> int:
    """Bound what makes a list of words."""
    return _PIECE * weight(text) + searched(text, *values[:1]) + times(1)(*named.values())


def hashed(*values: Any) -> int:
    """Bound what looks up every item; numbers can be chosen to share one hash."""
    count = sum(map(weight, values)) // _ITEM
    return count + count * count // 10


def _joined(glue: Any, items: Collection[Any]) -> int:
    return _ESCAPED * (weight(items) + len(items) * weight(glue))


def _untabbed(text: str, tabsize: int = 8) -> int:
    return len(text) + text.count("\t") * abs(index(tabsize))


def _decoded(octets: bytes, encoding: str = "utf-8", errors: str = "strict") -> int:
    if encoding.lower() not in _DECODERS:
        raise SecurityError(f"decode knows {', '.join(sorted(_DECODERS))}")
    return 4 * len(octets) + len(errors)


def _dated(_value: Any, format: str) -> int:
    # glibc takes widths ("%999Y"); CPython gives up at 256 times the format.
    return 256 * len(format)


def _alone(_value: Any) -> int:
    return 1


def _named(names: str, bound: Bound) -> dict[str, Bound]:
    return dict.fromkeys(names.split(), bound)


# Nothing here reads a clock, a file or a random number, or changes what it belongs to.
METHODS: Final[Mapping[type, Mapping[str, Bound]]] = {
    str: {
        **_named("capitalize casefold lower swapcase title upper", times(_ESCAPED)),
        **_named("count endswith find index startswith", times(1)),
        **_named("isalnum isalpha isascii isdecimal isdigit isidentifier", times(1)),
        **_named("islower isnumeric isprintable isspace istitle isupper", times(1)),
        **_named("partition removeprefix removesuffix", times(_ESCAPED)),
        **_named("lstrip rfind rindex rpartition rstrip strip", searched),
        **_named("rsplit split splitlines", cut),
        **_named("center ljust rjust zfill", padded),
        **{"expandtabs": _untabbed, "join": _joined, "replace": replaced},
    },
    Markup: _named("striptags unescape", times(_PIECE)),
    bytes: {"decode": _decoded, "hex": times(1)},
    int: _named("bit_length is_integer", constant),
    float: _named("is_integer", constant),
    Decimal: _named(
        "adjusted copy_abs is_finite is_signed is_zero normalize quantize "
        "to_eng_string to_integral_value",
        times(1),
    ),
    date: {
        **_named("ctime isocalendar isoformat isoweekday replace timetuple", constant),
        **_named("toordinal weekday", constant),
        "strftime": _dated,
    },
    datetime: _named(
        "astimezone date dst time timestamp timetz tzname utcoffset utctimetuple", constant
    ),
    time: {
        **_named("dst isoformat replace tzname utcoffset", constant),
        "strftime": _dated,
    },
    timedelta: _named("total_seconds", constant),
    # No tz_convert: pandas opens the file that a name like "dateutil//etc/x" means.
    pd.Timestamp: {
        **_named("ceil floor normalize round to_pydatetime", constant),
        **_named("day_name month_name", _alone),  # a locale would be set for the process
    },
    pd.Timedelta: _named("ceil floor isoformat round to_pytimedelta", constant),
    list: _named("count index", times(1)),
    tuple: _named("count index", times(1)),
    dict: _named("get items keys values", constant),
    set: _named(
        "difference intersection isdisjoint issubset issuperset symmetric_difference union",
        hashed,
    ),
    frozenset: _named(
        "difference intersection isdisjoint issubset issuperset symmetric_difference union",
        hashed,
    ),
}
