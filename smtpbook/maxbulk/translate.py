"""MaxBulk's templates as native ones: a Jinja2 part, and a report of how each was read.

What the maker documents is translated as documented.  What he leaves open has an option;
as long as the option is not given, the default is taken and the report says so wherever
the letter depends on it.  Nothing here renders a letter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import unescape
from itertools import islice
from typing import Final, Literal, TypeAlias

from smtpbook.errors import TemplateError
from smtpbook.fields import field_name
from smtpbook.maxbulk.report import Note, Notes, as_html, as_text
from smtpbook.maxbulk.rules import (
    Condition,
    Oddity,
    Piece,
    Quotes,
    Rule,
    Statement,
    Tag,
    parse,
)

Precedence: TypeAlias = Literal["and", "left"]

# What Jinja2 would take for its own; a brace at the end may come to stand before one.
_BRACES: Final = re.compile(r"\{\{+|\{(?=[%#]|\Z)")
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,15}(?:\.[0-9]{1,15})?")
# Words that no cell prints as but a text: a number, a date or True are compared by what
# they print as.
_WORDS: Final = re.compile(
    r"(?!(?i:true|false|inf|nan|none|nat)\Z)[^\W\d_]+(?:[ '-][^\W\d_]+)*"
)
# Jinja2 reads parentheses, and Python compiles them, each inside the one before.
_CHAIN: Final = 20
_TURNS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Translation:
    """A native template part, and how the MaxBulk template was read.

    Printed it is the source with its report; in a notebook the report is a table.

    Attributes
    ----------
    source : str
        Jinja2, for `Template`'s `subject`, `text` or `html`.  No field is required: one
        that is missing is empty.
    fields : frozenset of str
        The fields it looks up, by their names in `source`.
    notes : tuple of Note
        The fidelity report, by line.
    """

    source: str
    fields: frozenset[str]
    notes: tuple[Note, ...]

    def __str__(self) -> str:
        return as_text(self.source, self.notes)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return as_html(self.source, self.notes)

    def _repr_mimebundle_(
        self, include: object = None, exclude: object = None
    ) -> dict[str, str]:
        """Give both forms to a notebook."""
        return {"text/plain": str(self), "text/html": self._repr_html_()}


def translate_maxbulk(
    text: str,
    *,
    html: bool = False,
    fields: Iterable[str] | None = None,
    precedence: Precedence | None = None,
    ignore_case: bool | None = None,
    numbers: bool | None = None,
    nested: bool | None = None,
    quotes: Quotes | None = None,
    empty: str | None = None,
) -> Translation:
    r"""Turn a MaxBulk template into a native one.

    Parameters
    ----------
    text : str
        A subject, a text or an HTML body, as MaxBulk Mailer has it.
    html : bool
        It is HTML: what a tag prints will be escaped.
    fields : iterable of str, optional
        The list's columns; other words in brackets are text then.  Default: whatever
        looks like a name is a field.
    precedence : {"and", "left"}, optional
        AND binds tighter than OR (default), or the rules are read from left to right.
    ignore_case : bool, optional
        ``"m"`` equals ``"M"`` in a rule.  Default: it does not.
    numbers : bool, optional
        ``>``, ``<``, ``>=`` and ``<=`` against a number compare numbers, and a cell that
        is none is on neither side (default), or they compare texts.  All other operators
        compare texts: what the cell prints as.
    nested : bool, optional
        An IF may stand inside another (default), or it is an error.
    quotes : {"kept", "doubled"}, optional
        A quote inside a value stands for itself (default), or two stand for one.
    empty : str, optional
        What a tag prints where the cell is empty or missing.  Default: nothing.

    Returns
    -------
    Translation
        Its `source`, its `fields`, and a note on everything that was read.  An option
        that was given leaves no assumption behind.

    Raises
    ------
    TemplateError
        A statement breaks the grammar, or a rule asks for a column that is not in
        `fields`.  The message names line and column.

    Notes
    -----
    Text that Jinja2 would read comes out as it is.  A tag whose name is no identifier
    becomes the field `smtpbook.fields.field_name` gives.  In a rule, a missing cell is
    the empty text.

    Examples
    --------
    >>> letter = translate_maxbulk('<IF [[Sex]] = "M">Mr. </IF>[Name]', empty="")
    >>> print(letter.source)
    {% if Sex | default('') == "M" %}Mr. {% endif %}{{ Name | default('') }}
    >>> [note.meaning for note in letter.notes if note.kind == "assumed"]
    ["letter case counts; ignore_case=True takes 'm' for 'M'"]
    """
    columns = None if fields is None else list(fields)
    letter = parse(
        text, fields=columns, quotes=quotes or "kept", nested=nested is not False
    )
    options = _Options(
        html=html,
        precedence=precedence,
        ignore_case=ignore_case,
        numbers=numbers,
        nested=nested,
        quotes=quotes,
        empty=empty,
    )
    writer = _Writer(options, columns)
    if letter.start is not None:
        writer.notes.add(
            "start", "exact", letter.start, "<-- START -->", "what stands above is ignored"
        )
    source = writer.write(letter.pieces)
    return Translation(
        source=source, fields=frozenset(writer.fields), notes=writer.notes.in_order()
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Options:
    """What the user said; None = nothing, and the default is an assumption."""

    html: bool
    precedence: Precedence | None
    ignore_case: bool | None
    numbers: bool | None
    nested: bool | None
    quotes: Quotes | None
    empty: str | None


class _Writer:
    """Writes the pieces of one letter down as Jinja2, and notes how."""

    def __init__(self, options: _Options, columns: Iterable[str] | None) -> None:
        self.notes = Notes()
        self.fields: set[str] = set()
        self._options = options
        # Field to columns; the inner dict is a set that keeps its order.
        self._columns: dict[str, dict[str, None]] = {}
        self._columns_known = columns is not None
        for column in columns or ():
            self._columns.setdefault(field_name(column), {})[column] = None

    def write(
        self,
        pieces: Iterable[Piece],
        inside: Statement | None = None,
        filled: frozenset[str] = frozenset(),
    ) -> str:
        """Write a letter or a branch; `filled` fields are not empty there."""
        written = []
        for piece in pieces:
            match piece:
                case Tag():
                    written.append(self._tag(piece, filled))
                case Statement():
                    written.append(self._statement(piece, inside, filled))
                case Oddity():
                    key = piece.text, piece.hint
                    self.notes.add(
                        key, "not understood", piece.line, piece.text, piece.hint
                    )
                    written.append(_literally(piece.text))
                case _:
                    written.append(_literally(piece))
        return "".join(written)

    def _assume(self, key: str, line: int, found: str, meaning: str) -> bool:
        """Note what is taken for granted, unless it is an option and the user gave it."""
        if getattr(self._options, key, None) is not None:
            return False
        self.notes.add(key, "assumed", line, found, meaning)
        return True

    def _field(self, line: int, tag: str) -> str:
        """Give a tag's field; say so when it is called otherwise, or is two columns."""
        name = field_name(tag)
        self.fields.add(name)
        columns = self._columns.setdefault(name, {})
        if not self._columns_known:
            columns[tag] = None
        if len(columns) > 1:
            both = " and ".join(map(repr, islice(columns, 2)))
            meaning = f"{both} come to the same field, {name}; a row gives one of them"
            self.notes.add(("same", name), "assumed", line, tag, meaning)
        elif name != tag:
            self.notes.add(("name", tag), "exact", line, tag, f"the field {name}")
        return name

    def _tag(self, tag: Tag, filled: frozenset[str]) -> str:
        name = self._field(tag.line, tag.name)
        found = f"[{tag.name}]"
        value = f"{name} | default('')"
        if name not in filled:
            self._assume(
                "empty",
                tag.line,
                found,
                "prints nothing where the cell is empty or missing; empty='…' prints that",
            )
            if self._options.empty:
                # Not default('…', true), to which 0 is empty too.
                value += f" | string or {_quoted(self._options.empty)}"
        if tag.doubled:
            meaning = "double brackets are for rules; the outer ones are printed"
            self._assume("doubled", tag.line, f"[{found}]", meaning)
        if self._options.html:
            meaning = "a cell is text: its <, > and & are escaped and do not act as HTML"
            self._assume("markup", tag.line, found, meaning)
        written = f"{{{{ {value} }}}}"
        self.notes.add(("tag", tag.name), "exact", tag.line, found, written)
        return written

    # Statements

    def _statement(
        self, statement: Statement, inside: Statement | None, filled: frozenset[str]
    ) -> str:
        if inside is not None:
            meaning = f"belongs to the <IF of line {inside.line}; nested=False refuses it"
            self._assume("nested", statement.line, "<IF", meaning)
        if any(_touches_line_break(branch.pieces) for branch in statement.branches):
            meaning = "line breaks next to <IF …>, <ELSE> and </IF> belong to the branch"
            self._assume("layout", statement.line, "<IF", meaning)
        written = []
        for branch in statement.branches:
            known = filled
            if branch.condition is None:
                written.append("{% else %}")
            else:
                word = "elif" if written else "if"
                written.append(f"{{% {word} {self._condition(branch.condition)} %}}")
                known |= _filled(branch.condition)
            written.append(self.write(branch.pieces, statement, known))
        return "".join((*written, "{% endif %}"))

    def _condition(self, condition: Condition) -> str:
        doubts = [self._doubts(rule) for rule in condition.rules]
        rules = [self._rule(rule) for rule in condition.rules]
        joints = condition.joints
        if "OR" in joints and "AND" in joints[joints.index("OR") :]:
            doubts.append(
                self._assume(
                    "precedence",
                    condition.line,
                    condition.source,
                    "AND binds tighter than OR; precedence='left' reads from left to right",
                )
            )
        if self._options.precedence == "left":
            written = _from_left(condition, rules)
        else:
            written = _and_first(joints, rules)
        if not any(doubts):
            self.notes.add(
                ("condition", condition.source),
                "exact",
                condition.line,
                condition.source,
                written,
            )
        return written

    def _doubts(self, rule: Rule) -> bool:
        """Note what a rule leaves open, and say whether it leaves anything open."""
        value, line, source = rule.value, rule.line, rule.source
        ordering = rule.operator in _ORDERINGS
        number = _NUMBER.fullmatch(value) is not None
        doubts = []
        if '"' in value:
            meaning = f"the value is {value}; quotes='doubled' takes two quotes for one"
            doubts.append(self._assume("quotes", line, source, meaning))
        if ordering and number:
            meaning = (
                "numbers are compared, and a cell that is none is on neither side; "
                "numbers=False compares texts"
            )
            doubts.append(self._assume("numbers", line, source, meaning))
        elif number and rule.operator in ("=", "<>") and str(float(value)) != value:
            meaning = f"texts are compared; a cell that prints as {float(value)} is another"
            doubts.append(self._assume("number", line, source, meaning))
        if ordering and value and not (number and self._options.numbers is not False):
            meaning = "texts are compared, character by character as in Unicode"
            doubts.append(self._assume("order", line, source, meaning))
        if self._options.html and unescape(value) != value:
            meaning = "the cell holds it as it is written, with & and ;"
            doubts.append(self._assume("entity", line, source, meaning))
        if value.lower() != value.upper():
            meaning = "letter case counts; ignore_case=True takes 'm' for 'M'"
            doubts.append(self._assume("ignore_case", line, source, meaning))
        return any(doubts)

    def _rule(self, rule: Rule) -> str:
        cell = f"{self._field(rule.line, rule.tag)} | default('')"
        value = rule.value
        numeric = self._options.numbers is not False and _NUMBER.fullmatch(value)
        if rule.operator in _ORDERINGS and numeric:
            number = float(value) if "." in value else int(value)
            # A cell that is no number stands on the side the rule does not ask for.
            beside = number - 1 if ">" in rule.operator else number + 1
            return f"{cell} | float({beside}) {rule.operator} {number}"
        if self._options.ignore_case and value.lower() != value.upper():
            cell, value = f"{cell} | lower", value.lower()
        elif rule.operator not in ("=", "<>") or (value and not _WORDS.fullmatch(value)):
            cell += " | string"
        return _COMPARISONS[rule.operator].format(cell=cell, value=_quoted(value))


_ORDERINGS: Final = (">", "<", ">=", "<=")
_COMPARISONS: Final = {
    "=": "{cell} == {value}",
    "<>": "{cell} != {value}",
    "*": "{value} in {cell}",
    "!*": "{value} not in {cell}",
    "#?": "({cell}).startswith({value})",
    "?#": "({cell}).endswith({value})",
    **{operator: f"{{cell}} {operator} {{value}}" for operator in _ORDERINGS},
}


def _and_first(joints: Sequence[str], rules: Sequence[str]) -> str:
    groups = [[rules[0]]]
    for joint, rule in zip(joints, rules[1:], strict=True):
        if joint == "AND":
            groups[-1].append(rule)
        else:
            groups.append([rule])
    return _chain("or", [_chain("and", group) for group in groups])


def _from_left(condition: Condition, rules: Sequence[str]) -> str:
    chain, word, turns = [rules[0]], "", 0
    for joint, rule in zip(condition.joints, rules[1:], strict=True):
        if word not in ("", joint.lower()):
            chain, turns = [f"({_chain(word, chain)})"], turns + 1
        word = joint.lower()
        chain.append(rule)
    if turns > _TURNS:
        raise TemplateError(
            f"line {condition.line}, column {condition.column}: a condition that changes "
            f"between <AND> and <OR> more than {_TURNS} times; split it into several"
        )
    return _chain(word, chain)


def _chain(word: str, parts: Sequence[str]) -> str:
    """Join with ``and`` or ``or``, many parts in groups."""
    separator = f" {word} "
    while len(parts) > _CHAIN:
        groups = (parts[i : i + _CHAIN] for i in range(0, len(parts), _CHAIN))
        parts = [f"({separator.join(group)})" for group in groups]
    return separator.join(parts)


def _filled(condition: Condition) -> frozenset[str]:
    """Find the fields that cannot be empty where a condition is true."""
    if "OR" in condition.joints:
        return frozenset()
    return frozenset(
        field_name(rule.tag)
        for rule in condition.rules
        if (rule.operator in ("=", "*", "#?", "?#") and rule.value)
        or (rule.operator == "<>" and not rule.value)
    )


def _touches_line_break(pieces: Sequence[Piece]) -> bool:
    first, last = (pieces[0], pieces[-1]) if pieces else ("", "")
    return (isinstance(first, str) and first.startswith("\n")) or (
        isinstance(last, str) and last.endswith("\n")
    )


def _literally(text: str) -> str:
    """Write text so that Jinja2 prints it as it is."""
    return _BRACES.sub(lambda braces: f'{{{{ "{braces[0]}" }}}}', text)


def _quoted(value: str) -> str:
    """Write a text as a constant of Jinja2."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + escaped.replace("\r", "\\r").replace("\n", "\\n") + '"'
