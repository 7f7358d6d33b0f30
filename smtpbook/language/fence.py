"""The fence around a template: which Jinja2 it may use, and how much of everything.

Held in process, without threads or clocks, for each rendering:

* Loops, calls, and walks of filters take 100,000 steps at most, whatever is looped over
  and however they are nested.
* No text, also no intermediate one, has more than 10,000,000 characters, and all that are
  read and written have 50,000,000 at most.  Each operation is asked first what it could
  give: ``~``, ``+``, slices, comparisons, filters, tests and methods.
* Numbers have 4096 bits at most; ``*`` and ``**`` take numbers only.
* Values are data.  Only methods of text, numbers, dates and their containers can be
  called, and only those that change, read and write nothing (`limits.METHODS`).
* A missing value (None, NaN, NaT, NA) never becomes text.  ``default`` stands in for it.
* The same values give the same text: no ``random``, no ``lipsum``, no ``now()``.

Not held: a template is still a program.  Within its steps it may keep a processor busy for
some seconds and take some hundred megabytes, more the longer it is itself; attributes of a
value that is an object are read, and run what properties run; an object's own ``str`` is
trusted.  Whoever renders templates of strangers in quantity gives them a process of their
own with limits of the operating system.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date, time, timedelta
from decimal import Decimal
from itertools import islice
from numbers import Integral, Number
from types import CodeType, ModuleType
from typing import Any, Final

import jinja2
from jinja2 import nodes, runtime
from jinja2.exceptions import SecurityError
from jinja2.runtime import BlockReference, LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace, missing
from jinja2.visitor import NodeTransformer
from markupsafe import Markup

from smtpbook.errors import near_miss
from smtpbook.language.filters import FILTERS, TESTS, joined
from smtpbook.language.limits import (
    MAX_NUMBER_BITS,
    MAX_OUTPUT,
    MAX_STEPS,
    METHODS,
    Bound,
    Budget,
    Context,
    MissingValue,
    is_missing,
    times,
    too_long,
    weight,
)

__all__ = ["MAX_OUTPUT", "MAX_STEPS", "Environment", "MissingField", "MissingValue"]

# Values that operators work on; the undefined among them raise an error of their own.
_OPERANDS: Final = (
    *(Number, str, bytes, list, tuple, set, frozenset, date, time, timedelta),
    *(type(None), jinja2.Undefined),
)
_NUMBERS: Final = (int, float, Decimal)
# Filters that only the compiler can name: no word is like them.
_EACH, _JOIN, _PART, _WEIGHED = "[*]", "~", "[:]", "[=]"
_NODE: Final = 8  # what one node of a body counts for: the reference it may leave behind
_MAX_SUGGESTED: Final = 1000


class MissingField(jinja2.UndefinedError):
    """A part printed, compared or walked through a field that has no value."""

    def __init__(self, field: str, message: str | None) -> None:
        super().__init__(message)
        self.field = field


class _Missing(jinja2.StrictUndefined):
    """StrictUndefined that says which field it stands for, or what is near it."""

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

    @property
    def _undefined_message(self) -> str:
        message, name = super()._undefined_message, self._undefined_name
        if self._undefined_hint or self._undefined_obj is missing:
            return message
        if not isinstance(name, str):  # an index
            return message
        return message + near_miss(name, _names_in(self._undefined_obj))


def _names_in(obj: Any) -> Iterator[str]:
    if isinstance(obj, dict):
        yield from (key for key in islice(obj, _MAX_SUGGESTED) if isinstance(key, str))
    for kind in type(obj).__mro__:
        yield from METHODS.get(kind, ())


class Function:
    """A function offered to a template; whoever offers it answers for what it does."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it."""
        return self._function(*args, **kwargs)


class Environment(ImmutableSandboxedEnvironment):
    """Jinja2 behind the fence.

    Each context has a budget of its own, so each call of ``template.render`` or
    ``template.new_context`` begins a rendering.

    Parameters
    ----------
    autoescape : bool
        Values are escaped for HTML.
    """

    context_class = Context
    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})
    intercepted_unops = frozenset({"+", "-"})

    def __init__(self, *, autoescape: bool) -> None:
        super().__init__(
            undefined=_Missing,
            autoescape=autoescape,
            keep_trailing_newline=True,
            finalize=_finalize,
            optimized=False,  # nothing is computed before there is a budget
        )
        self.globals = {"dict": _dict, "namespace": _namespace, "range": _range}
        self.filters = {
            **FILTERS,
            _EACH: _each,
            _JOIN: joined,
            _PART: _part,
            _WEIGHED: _weighed,
        }
        self.tests = dict(TESTS)
        self.policies["json.dumps_kwargs"] = {"sort_keys": True, "allow_nan": False}

    # --- compiling ---

    def _generate(
        self,
        source: nodes.Template,
        name: str | None,
        filename: str | None,
        defer_init: bool = False,
    ) -> str:
        try:
            return super()._generate(_Fencing().visit(source), name, filename, defer_init)
        except RecursionError:
            raise _too_nested() from None

    def _compile(self, source: str, filename: str) -> CodeType:
        try:
            return super()._compile(source, filename)
        except (MemoryError, RecursionError, SyntaxError):
            raise _too_nested() from None

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        try:
            return super()._parse(source, name, filename)
        except RecursionError:
            raise _too_nested() from None

    # --- running ---

    def call_binop(
        self, context: runtime.Context, operator: str, left: Any, right: Any
    ) -> Any:
        """Do what an operator does, if it stays within the limits."""
        left, right = _pythonic(left), _pythonic(right)
        for value in (left, right):
            if not isinstance(value, _OPERANDS):
                raise SecurityError(f"{operator!r} does not work on {type(value).__name__}")
            if isinstance(value, int) and value.bit_length() > MAX_NUMBER_BITS:
                raise _large_number()
        numbers = isinstance(left, _NUMBERS) and isinstance(right, _NUMBERS)
        if operator == "%" and isinstance(left, str | bytes):
            raise SecurityError("'%' on text is not available; use the format filter")
        if operator in ("*", "**"):
            if not numbers:
                raise SecurityError(f"{operator!r} takes numbers only")
            if _bits(operator, left, right) > MAX_NUMBER_BITS:
                raise _large_number()
        if not numbers:
            escaped = isinstance(left, Markup) or isinstance(right, Markup)
            _budget(context).handle(times(5 if escaped else 1)(left, right))
        return super().call_binop(context, operator, left, right)

    def call_unop(self, context: runtime.Context, operator: str, arg: Any) -> Any:
        """Do what a sign does to a number."""
        if not isinstance(arg, Number | timedelta | jinja2.Undefined):
            raise SecurityError(f"{operator!r} does not work on {type(arg).__name__}")
        weight(arg)
        return super().call_unop(context, operator, arg)

    def call(self, context: runtime.Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call a macro, a function of the environment, or a method of plain data."""
        budget = _budget(context)
        budget.step()
        if isinstance(obj, LoopContext):  # loop(…), in a recursive loop
            args = (*map(budget.walk, args[:1]), *args[1:])
        elif not (
            isinstance(obj, Macro | BlockReference | Function | jinja2.Undefined)
            or any(obj is function for function in self.globals.values())
        ):
            args = tuple(budget.walk(x) if isinstance(x, Iterator) else x for x in args)
            named = {k: v for k, v in kwargs.items() if not k.startswith("_")}
            budget.handle(_bound(obj)(obj.__self__, *args, **named))
        result = super().call(context, obj, *args, **kwargs)
        if isinstance(result, str):
            budget.handle(len(result))
        return result

    def wrap_str_format(self, value: Any) -> None:
        """Leave str.format to `call`, which refuses it."""

    @staticmethod
    def concat(pieces: Iterable[str]) -> str:
        """Join what a template, macro or block printed, up to the limit."""
        size, kept = 0, []
        for piece in pieces:
            size += len(piece)
            if size > MAX_OUTPUT:
                raise too_long()
            kept.append(piece)
        return "".join(kept)


class _Fencing(NodeTransformer):
    """Put the budget where Jinja2's compiler would write plain Python."""

    def visit_For(self, node: nodes.For) -> nodes.For:
        self.generic_visit(node)
        # What one turn writes of itself, and how long it is.
        inside = [each for child in node.body for each in _family(child)]
        size = _NODE * len(inside) + sum(
            len(each.data) for each in inside if isinstance(each, nodes.TemplateData)
        )
        node.iter = _filtered(_EACH, node.iter, nodes.Const(size))
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Expr:
        self.generic_visit(node)
        return _filtered(_JOIN, nodes.List(node.nodes, lineno=node.lineno))

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Expr:
        if not isinstance(node.arg, nodes.Slice):
            self.generic_visit(node)
            return node
        ends = [
            self.visit(end) if end is not None else nodes.Const(None)
            for end in (node.arg.start, node.arg.stop, node.arg.step)
        ]
        return _filtered(_PART, self.visit(node.node), *ends)

    def visit_Compare(self, node: nodes.Compare) -> nodes.Compare:
        self.generic_visit(node)
        first = node.ops[0]
        # Comparing with a constant takes no longer than the constant is.
        short = first.op not in ("in", "notin") and nodes.Const in (
            type(node.expr),
            type(first.expr),
        )
        if len(node.ops) > 1 or not short:
            node.expr = _filtered(_WEIGHED, node.expr)
            for operand in node.ops:
                operand.expr = _filtered(_WEIGHED, operand.expr)
        return node

    def _visit_literal(self, node: nodes.Expr) -> nodes.Expr:
        self.generic_visit(node)
        if getattr(node, "ctx", "load") != "load" or node.find(nodes.Slice) is not None:
            return node
        return _filtered(_WEIGHED, node)

    visit_Dict = visit_List = visit_Tuple = _visit_literal

    def _visit_call(self, node: Any) -> nodes.Expr:
        self.generic_visit(node)
        if node.dyn_args is not None:
            node.dyn_args = _filtered(_EACH, node.dyn_args)
        if node.dyn_kwargs is not None:
            node.dyn_kwargs = _filtered(_WEIGHED, node.dyn_kwargs)
        return node  # type: ignore[no-any-return]

    visit_Call = visit_Filter = visit_Test = _visit_call


def _family(node: nodes.Node) -> Iterator[nodes.Node]:
    yield node
    yield from node.find_all(nodes.Node)


def _filtered(name: str, node: Any, *args: Any) -> nodes.Filter:
    return nodes.Filter(node, name, list(args), [], None, None, lineno=node.lineno)


def _too_nested() -> jinja2.TemplateSyntaxError:
    return jinja2.TemplateSyntaxError("nested too deeply, or not an index", 1)


# --- what stands in compiled templates -------------------------------------------------


def _budget(context: runtime.Context) -> Budget:
    assert isinstance(context, Context)
    return context.budget


@jinja2.pass_context
def _finalize(context: Context, value: Any) -> Any:
    """Let a value become text, unless it is missing."""
    kind, budget = type(value), context.budget
    if kind is str:
        budget.characters -= len(value)
    elif not ((kind is int or kind is float) and value == value):
        budget.characters -= weight(value, printed=True)
    if budget.characters < 0:
        budget.spend(0)
    return value


@jinja2.pass_context
def _each(context: Context, value: Any, size: int = 0) -> Any:
    return context.budget.walk(value, size)


@jinja2.pass_context
def _weighed(context: Context, value: Any) -> Any:
    context.budget.handle(weight(value))
    return value


@jinja2.pass_context
def _part(context: Context, value: Any, start: Any, stop: Any, step: Any) -> Any:
    found = value[start:stop:step]
    if isinstance(value, str | bytes | list | tuple):
        context.budget.handle(8 * len(found))
    return found


def _range(*args: int) -> range:
    numbers = range(*args)
    # len() of more than a machine word holds raises OverflowError.
    if numbers and abs(numbers[-1] - numbers[0]) // abs(numbers.step) >= MAX_STEPS:
        raise SecurityError(f"a range of more than {MAX_STEPS:,} numbers")
    return numbers


@jinja2.pass_context
def _dict(context: Context, mapping: Any = None, /, **items: Any) -> dict[Any, Any]:
    # Pairs are not taken: numbers for keys can be chosen to share one hash.
    if mapping is not None and not isinstance(mapping, dict):
        raise SecurityError(f"a dict is made of a dict, not of {type(mapping).__name__}")
    made = dict(mapping or {}, **items)
    context.budget.handle(weight(made))
    return made


@jinja2.pass_context
def _namespace(context: Context, mapping: Any = None, /, **items: Any) -> Namespace:
    return Namespace(_dict(context, mapping, **items))


def _bound(method: Any) -> Bound:
    """Find what a method may give; one that no template may call is an error."""
    owner, name = getattr(method, "__self__", None), getattr(method, "__name__", "")
    if isinstance(owner, LoopContext) and name in ("changed", "cycle"):
        return lambda _loop, *values: times(1)(*values)
    if owner is None or isinstance(owner, type | ModuleType):
        raise SecurityError(f"{name or type(method).__name__}() is not for templates")
    if is_missing(owner):
        raise MissingValue(f"asks a missing value for its {name}(); test it first")
    for kind in type(owner).__mro__:
        if found := METHODS.get(kind, {}).get(name):
            return found
    raise SecurityError(
        f"{type(owner).__name__}.{name}() is not for templates"
        f"{near_miss(name, _names_in(owner))}"
    )


def _pythonic(value: Any) -> Any:
    """Give Python's number for one of fixed width, which would overflow silently."""
    if isinstance(value, int) or not isinstance(value, Integral):
        return value
    return int(value)


def _bits(operator: str, left: Any, right: Any) -> int:
    # Floats and Decimals have a size of their own and overflow with an error.
    if not (isinstance(left, int) and isinstance(right, int)):
        return 0
    if operator == "*":
        return left.bit_length() + right.bit_length()
    return left.bit_length() * max(right, 0)


def _large_number() -> SecurityError:
    return SecurityError(f"a number of more than {MAX_NUMBER_BITS} bits")
