"""Jinja2 behind a fence: how a template's parts are compiled and run.

A part (the subject, the text, one header) becomes a `Part`, compiled once.  Values are
only looked up and printed; an undefined one is an error.  Loops and results are bounded,
and the operators that make a gigabyte out of one line are stopped.  That holds accidents
and the well-known bombs; a template is still a program, and a determined author can keep
the processor busy.  Nothing here knows what a row or a message is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import jinja2
from jinja2 import meta, nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import MAX_RANGE, ImmutableSandboxedEnvironment
from jinja2.utils import missing

from smtpbook.errors import TemplateError, near_miss

# No mail server takes a message of this size; 10 MB is Postfix's default limit.
MAX_OUTPUT: Final = 10_000_000
MAX_NUMBER_BITS: Final = 4096

# Methods and filters that pad a string to any width, or run a format string.
_PADDING: Final = frozenset(
    {"center", "ljust", "rjust", "zfill", "expandtabs", "format", "format_map"}
)
_WIDE_FORMAT: Final = re.compile(r"\*|\d{4,}")
_TAGS: Final = (
    *("if", "elif", "else", "endif", "for", "endfor", "set", "endset"),
    *("macro", "endmacro", "call", "endcall", "filter", "endfilter"),
    *("with", "endwith", "raw", "endraw", "autoescape", "endautoescape"),
)
_UNKNOWN: Final = re.compile(
    r"(?:No (?P<kind>filter|test) named|Encountered unknown tag) '(?P<name>\w+)'"
)


class MissingField(jinja2.UndefinedError):
    """A part printed, compared or walked through a field that has no value."""

    def __init__(self, field: str, message: str | None) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class Part:
    """One compiled part of a template.

    Attributes
    ----------
    name : str
        What errors call it: ``"subject"``, ``"text"``, ``"headers['X-Campaign']"``.
    fields : frozenset of str
        The fields it may look up, those behind a condition or a default included.
    """

    name: str
    fields: frozenset[str]
    _template: jinja2.Template

    @classmethod
    def compile(cls, name: str, source: str, *, html: bool = False) -> Part:
        """Compile a part.

        Parameters
        ----------
        name : str
            What errors call it.
        source : str
            Jinja2.
        html : bool
            Values are escaped for HTML.

        Raises
        ------
        TemplateError
            It is not Jinja2, names an unknown filter, or wants another file.  The
            message names part and line.
        """
        environment = _HTML if html else _TEXT
        try:
            tree = environment.parse(source)
            template = environment.from_string(tree)
        except jinja2.TemplateSyntaxError as error:
            raise TemplateError(f"{name}, line {error.lineno}: {_explain(error)}") from None
        for outside in tree.find_all(
            (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)
        ):
            raise TemplateError(
                f"{name}, line {outside.lineno}: a part stands alone; include, import and "
                f"extends have nothing to load from"
            )
        fields = meta.find_undeclared_variables(tree) - environment.globals.keys()
        return cls(name, frozenset(fields), template)

    def render(self, values: Mapping[str, object]) -> str:
        """Fill the part in.

        Raises
        ------
        MissingField
            A field without value was used without ``default``.
        Exception
            Whatever the part's own expressions raise: a `jinja2.TemplateError` when a
            limit stops it, or `ZeroDivisionError`, `TypeError` and the like.
        """
        return self._template.render(values, range=_LoopBudget().range)


class _LoopBudget:
    """``range`` for one rendering: all calls together give so many numbers at most."""

    def __init__(self) -> None:
        self._left = MAX_RANGE

    def range(self, *args: int) -> range:
        numbers = range(*args)
        self._left -= len(numbers)
        if self._left < 0:
            raise SecurityError(f"loops over more than {MAX_RANGE:,} numbers in all")
        return numbers


class _Missing(jinja2.StrictUndefined):
    """StrictUndefined that says which field it stands for."""

    __slots__ = ()

    def __init__(
        self,
        hint: str | None = None,
        obj: Any = missing,
        name: str | None = None,
        exc: type[jinja2.TemplateRuntimeError] = jinja2.UndefinedError,
    ) -> None:
        super().__init__(hint, obj, name, exc)
        if obj is missing and name is not None and exc is jinja2.UndefinedError:
            field = name
            self._undefined_exception = lambda message: MissingField(field, message)  # type: ignore[assignment]


class _Environment(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset({"*", "**", "%"})

    def __init__(self, *, autoescape: bool) -> None:
        super().__init__(
            undefined=_Missing, autoescape=autoescape, keep_trailing_newline=True
        )
        # lipsum makes text of any length; joiner and cycler keep state between rows.
        for name in ("lipsum", "joiner", "cycler"):
            del self.globals[name]
        del self.filters["center"]
        self.filters["format"] = _format

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "%" and isinstance(left, str):
            raise SecurityError("'%' on text is not available; use the format filter")
        if operator == "*" and not (_is_number(left) and _is_number(right)):
            raise SecurityError("'*' multiplies numbers only")
        if operator in ("*", "**") and _bits(operator, left, right) > MAX_NUMBER_BITS:
            raise SecurityError(f"a number of more than {MAX_NUMBER_BITS} bits")
        return super().call_binop(context, operator, left, right)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        if isinstance(obj, str | bytes) and attr in _PADDING:
            return False
        return super().is_safe_attribute(obj, attr, value)

    def wrap_str_format(self, value: Any) -> None:
        """Leave str.format to `is_safe_attribute`, which refuses it."""

    @staticmethod
    def concat(pieces: Iterable[str]) -> str:
        """Join what a template, macro or block printed, up to the limit."""
        size, kept = 0, []
        for piece in pieces:
            size += len(piece)
            if size > MAX_OUTPUT:
                raise SecurityError(f"gives more than {MAX_OUTPUT:,} characters")
            kept.append(piece)
        return "".join(kept)


def _format(value: str, *args: Any, **kwargs: Any) -> str:
    """Jinja2's format filter, for widths and precisions of three digits at most."""
    if _WIDE_FORMAT.search(value):
        raise SecurityError(f"format {value[:40]!r} asks for more than 999 characters")
    return value % (kwargs or args)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)


def _bits(operator: str, left: Any, right: Any) -> int:
    # Floats have a size of their own and overflow with an error.
    if not (isinstance(left, int) and isinstance(right, int)):
        return 0
    if operator == "*":
        return left.bit_length() + right.bit_length()
    return left.bit_length() * max(right, 0)


def _explain(error: jinja2.TemplateSyntaxError) -> str:
    message = (error.message or "not a template").rstrip(".")
    if unknown := _UNKNOWN.search(message):
        known: Mapping[str, Iterable[str]] = {
            "filter": _TEXT.filters,
            "test": _TEXT.tests,
        }
        message += near_miss(unknown["name"], known.get(unknown["kind"], _TAGS))
    return message


_TEXT: Final = _Environment(autoescape=False)
_HTML: Final = _Environment(autoescape=True)
