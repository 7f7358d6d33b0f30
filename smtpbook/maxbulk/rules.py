"""The grammar: a MaxBulk template taken apart into text, tags and conditional statements.

::

    letter    = [comment "<-- START -->"] *(text / tag / statement)
    tag       = "[" name "]"
    statement = "<IF" condition ">" letter *("<ELSEIF" condition ">" letter)
                ["<ELSE>" letter] "</IF>"
    condition = rule *(("<AND>" / "<OR>") rule)
    rule      = "[[" name "]]" operator DQUOTE value DQUOTE

A condition is read rule by rule, since a ``>`` may be an operator, a part of a value or
the end.  Keywords are in capitals; every other ``<…>`` is ordinary text, as HTML is.
Nothing here decides what a rule means or what it becomes.
"""

from __future__ import annotations

import html
import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from smtpbook.errors import TemplateError, near_miss
from smtpbook.escape import visible
from smtpbook.fields import field_name

# The limits keep the native template within what Jinja2 and Python compile: CPython
# allows 100 levels of indentation, a chain of elif is one deep tree to it, and Jinja2
# takes some milliseconds for a rule.
MAX_DEPTH: Final = 20
MAX_BRANCHES: Final = 1000
MAX_RULES: Final = 1000

_START: Final = "<-- START -->"
_NAME_CHARS: Final = 200
_MARK: Final = re.compile(
    r"(?P<IF><IF(?![\w-]))|(?P<ELSEIF><ELSEIF(?![\w-]))|(?P<ELSE><ELSE>)|(?P<END></IF>)"
    rf"|\[(?P<tag>[^\[\]<>\n]{{1,{_NAME_CHARS}}})\]"
    # What only looks like one: <if [[A]], </ELSE>, <ENDIF>, &lt;IF, <!-- START -->.
    r"|(?P<odd>(?:<|&lt;)(?:"
    r"(?P<close>/?)(?P<word>(?i:ELSE ?IF|ELSIF|ELIF|ELSE|END ?IF|IF|AND|OR))(?![\w-])"
    r"/?(?:>|&gt;)?"
    r"|!?-- ?(?i:START) ?--(?:>|&gt;)))"
)
# Without the list's columns, a tag is what looks like a name: no footnote [1], no [a=b].
_NAME: Final = re.compile(r"[^\W\d_](?:[\w .'&/()#-]*\w)?")
_RULE_TAG: Final = re.compile(rf"\[\[([^\[\]\n]{{1,{_NAME_CHARS}}})\]\]")
_SINGLE_TAG: Final = re.compile(rf"\[[^\[\]\n]{{1,{_NAME_CHARS}}}\]")
_OPERATORS: Final = ("*", "!*", "=", "<>", "#?", "?#", ">", "<", ">=", "<=")
_OPERATOR: Final = re.compile(r"(?:&(?:lt|gt|le|ge|ne);|[!*=<>#?~≠≤≥])+")
_MEANT: Final = {"==": "=", "!=": "<>", "≠": "<>", "=>": ">=", "≥": ">=", "=<": "<="}
_SPACE: Final = re.compile(r"\s*")
_NEXT: Final = re.compile(r"<(?P<joint>AND|OR)>|>")
_VALUE: Final = {
    # The first quote after which the condition can go on ends the value; one that holds
    # quotes does not reach over the next rule's tag.
    "kept": re.compile(r'"([^"\n]*|(?:(?!\[\[)[^\n])*?)"(?=\s*(?:>|<AND>|<OR>))'),
    "doubled": re.compile(r'"([^"\n]*(?:""[^"\n]*)*)"'),
}
_PLAIN: Final = re.compile(r'"([^"\n]*)"')
_SHOWN: Final = 20  # characters of the text in an error

Quotes: TypeAlias = Literal["kept", "doubled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One comparison of a condition; `source` is how it is written."""

    line: int
    tag: str
    operator: str
    value: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """The rules of an IF or ELSEIF, and between each two of them ``AND`` or ``OR``."""

    line: int
    column: int
    source: str
    rules: tuple[Rule, ...]
    joints: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """A tag to print; `doubled` = it stands in double brackets."""

    line: int
    name: str
    doubled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Oddity:
    """Ordinary text that its writer may have meant as more; `hint` says as what."""

    line: int
    text: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """What is printed where a condition is true; None = the ELSE."""

    condition: Condition | None
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """An IF up to its </IF>."""

    line: int
    branches: tuple[Branch, ...]


Piece: TypeAlias = str | Tag | Oddity | Statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    r"""A template taken apart.

    Attributes
    ----------
    start : int or None
        Line of the marker above which everything is ignored; None = there is none.
    pieces : tuple of str, Tag, Oddity, Statement
        In the text's order; line breaks are ``\n``.
    """

    start: int | None
    pieces: tuple[Piece, ...]


def parse(
    text: str,
    *,
    fields: Iterable[str] | None = None,
    quotes: Quotes = "kept",
    nested: bool = True,
) -> Letter:
    """Take a template apart.

    Parameters
    ----------
    text : str
        As MaxBulk Mailer has it, line breaks of any kind.
    fields : iterable of str, optional
        The list's columns.  Default: whatever looks like a name is one.
    quotes : {"kept", "doubled"}
        A quote inside a value stands for itself, or two stand for one.
    nested : bool
        A statement may stand inside another.

    Raises
    ------
    TemplateError
        A statement breaks the grammar, or a rule asks for a column that is not in
        `fields`.  The message names line and column.

    Examples
    --------
    >>> parse("Hello [Name]<br>").pieces
    ('Hello ', Tag(line=1, name='Name', doubled=False), '<br>')
    """
    return _Parser(text, fields, quotes, nested).letter()


@dataclass(slots=True)
class _Open:
    """A statement whose </IF> is yet to come, and the branch that is being read."""

    at: int
    around: list[Piece]
    branches: list[Branch]
    condition: Condition | None


class _Parser:
    def __init__(
        self, text: str, fields: Iterable[str] | None, quotes: Quotes, nested: bool
    ) -> None:
        self._text = re.sub("\r\n?", "\n", text)
        self._lines = [0, *(m.end() for m in re.finditer("\n", self._text))]
        self._columns = None if fields is None else {field_name(f): f for f in fields}
        self._quotes = quotes
        self._nested = nested
        self._pieces: list[Piece] = []
        self._open: list[_Open] = []
        self._meant_as_end: Oddity | None = None

    def letter(self) -> Letter:
        start, at = self._skip_comment()
        while mark := _MARK.search(self._text, at):
            self._add_text(at, mark.start())
            at = self._take(mark)
        self._add_text(at, len(self._text))
        if self._open:
            odd = self._meant_as_end
            hint = f"; '{visible(odd.text)}' in line {odd.line} {odd.hint}" if odd else ""
            raise self._error(self._open[-1].at, f"<IF without an </IF>{hint}")
        return Letter(start=start, pieces=tuple(self._pieces))

    def _skip_comment(self) -> tuple[int | None, int]:
        """Find the line of the marker, and where the message begins."""
        at = self._text.find(_START)
        if at < 0:
            return None, 0
        # The marker has a line to itself; that line's end is not the message's.
        end = at + len(_START)
        return self._line(at), end + self._text.startswith("\n", end)

    def _take(self, mark: re.Match[str]) -> int:
        """Read what begins at a mark, and say where the reading goes on."""
        at = mark.start()
        if mark["IF"]:
            self._check_depth(at)
            condition, end = self._condition(at, mark.end())
            self._open.append(_Open(at, self._pieces, [], condition))
            self._pieces = []
            return end
        if mark["ELSEIF"]:
            statement = self._end_branch(at, "<ELSEIF")
            statement.condition, end = self._condition(at, mark.end())
            return end
        if mark["ELSE"]:
            self._end_branch(at, "<ELSE>").condition = None
        elif mark["END"]:
            self._end_statement(at)
        elif mark["tag"]:
            self._pieces.append(self._tag(mark))
        else:
            self._pieces.append(self._odd(mark))
        return mark.end()

    # Statements

    def _check_depth(self, at: int) -> None:
        if not self._open:
            return
        outer = f"the <IF of {self._place(self._open[-1].at)} is still open"
        if not self._nested:
            raise self._error(at, f"<IF inside another (nested=False); {outer}")
        if len(self._open) == MAX_DEPTH:
            raise self._error(at, f"<IF inside {MAX_DEPTH} others; {outer}")

    def _end_branch(self, at: int, keyword: str) -> _Open:
        """Give the branch that was being read to its statement; another one follows."""
        if not self._open:
            raise self._error(at, f"{keyword} without an <IF before it")
        statement = self._open[-1]
        if statement.condition is None and keyword != "</IF>":
            raise self._error(at, f"{keyword} after <ELSE>, which comes once and last")
        if len(statement.branches) == MAX_BRANCHES:
            raise self._error(at, f"more than {MAX_BRANCHES:,} branches in one <IF")
        statement.branches.append(
            Branch(condition=statement.condition, pieces=tuple(self._pieces))
        )
        self._pieces = []
        return statement

    def _end_statement(self, at: int) -> None:
        done = self._end_branch(at, "</IF>")
        self._open.pop()
        self._pieces = done.around
        line = self._line(done.at)
        self._pieces.append(Statement(line=line, branches=tuple(done.branches)))

    # Text and tags

    def _add_text(self, start: int, end: int) -> None:
        if start < end:
            self._pieces.append(self._text[start:end])

    def _tag(self, mark: re.Match[str]) -> Piece:
        name, at, end = mark["tag"], mark.start(), mark.end()
        line = self._line(at)
        doubled = self._text[at - 1 : at] == "[" and self._text.startswith("]", end)
        if self._columns is not None and field_name(name) in self._columns:
            return Tag(line=line, name=name, doubled=doubled)
        # <!--[if mso]> and <![endif]--> are Outlook's conditional comments in HTML.
        if not _NAME.fullmatch(name) or self._text.endswith(("<!", "<!--"), 0, at):
            return mark[0]
        if self._columns is None:
            return Tag(line=line, name=name, doubled=doubled)
        hint = f"left as text, no column of the list{self._near_column(name)}"
        return Oddity(line=line, text=mark[0], hint=hint)

    def _odd(self, mark: re.Match[str]) -> Oddity:
        meant = _meant_by(mark)
        hint = f"left as text; did you mean {meant!r}?"
        if mark[0] == meant:
            hint = "left as text; " + (
                "the message began above" if meant == _START else "outside a condition"
            )
        odd = Oddity(line=self._line(mark.start()), text=mark[0], hint=hint)
        if meant == "</IF>":
            self._meant_as_end = odd
        return odd

    # Conditions

    def _condition(self, start: int, at: int) -> tuple[Condition, int]:
        """Read rules up to the ``>`` after the last, and say where the branch begins."""
        rules: list[Rule] = []
        joints: list[str] = []
        while True:
            rule, at = self._rule(at)
            rules.append(rule)
            after = _NEXT.match(self._text, at)
            if after is None:
                raise self._expected(at, "'>', '<AND>' or '<OR>' after the value")
            at = after.end()
            if after["joint"] is None:
                line, column = self._line_and_column(start)
                return Condition(
                    line=line,
                    column=column,
                    source=self._text[start:at],
                    rules=tuple(rules),
                    joints=tuple(joints),
                ), at
            joints.append(after["joint"])
            if len(rules) == MAX_RULES:
                raise self._error(start, f"more than {MAX_RULES:,} rules in one condition")

    def _rule(self, at: int) -> tuple[Rule, int]:
        start = at = self._skip_space(at)
        tag = _RULE_TAG.match(self._text, at)
        if tag is None:
            single = _SINGLE_TAG.match(self._text, at)
            hint = f"; did you mean '[{visible(single[0])}]'?" if single else ""
            if self._text.startswith("(", at):
                hint = "; a condition has no parentheses"
            raise self._expected(at, "a tag in double brackets, [[Tag]]", hint)
        if self._columns is not None and field_name(tag[1]) not in self._columns:
            near = self._near_column(tag[1])
            raise self._error(at, f"{visible(tag[0])} is no column of the list{near}")
        at = self._skip_space(tag.end())
        operator, at = self._operator(at)
        at = self._skip_space(at)
        value, at = self._value(at)
        rule = Rule(
            line=self._line(start),
            tag=tag[1],
            operator=operator,
            value=value,
            source=self._text[start:at],
        )
        return rule, self._skip_space(at)

    def _operator(self, at: int) -> tuple[str, int]:
        found = _OPERATOR.match(self._text, at)
        if found is None or found[0] not in _OPERATORS:
            written = html.unescape(found[0]) if found else ""
            meant = _MEANT.get(written, written)
            hint = f"; did you mean {meant!r}?" if meant in _OPERATORS else ""
            raise self._expected(at, f"an operator ({' '.join(_OPERATORS)})", hint)
        return found[0], found.end()

    def _value(self, at: int) -> tuple[str, int]:
        if not self._text.startswith('"', at):
            raise self._expected(at, 'a value in straight double quotes, "…"')
        # With the plain reading, the error is about what follows the first quote.
        found = _VALUE[self._quotes].match(self._text, at) or _PLAIN.match(self._text, at)
        if found is None:
            raise self._error(at, "a value without a closing quote in its line")
        value = found[1].replace('""', '"') if self._quotes == "doubled" else found[1]
        return value, found.end()

    # Places and errors

    def _skip_space(self, at: int) -> int:
        space = _SPACE.match(self._text, at)
        return space.end() if space else at

    def _line(self, at: int) -> int:
        return bisect_right(self._lines, at)

    def _line_and_column(self, at: int) -> tuple[int, int]:
        line = self._line(at)
        return line, at - self._lines[line - 1] + 1

    def _place(self, at: int) -> str:
        return "line {}, column {}".format(*self._line_and_column(at))

    def _near_column(self, name: str) -> str:
        columns = (self._columns or {}).values()
        for column in columns:
            if column.casefold() == name.casefold():
                return f"; did you mean {column!r}?"
        return near_miss(name, columns)

    def _error(self, at: int, message: str) -> TemplateError:
        return TemplateError(f"{self._place(at)}: {message}")

    def _expected(self, at: int, wanted: str, hint: str = "") -> TemplateError:
        found = visible(self._text[at : at + _SHOWN])
        what = f"found '{found}'" if found else "the text ends"
        return self._error(at, f"expected {wanted}, {what}{hint}")


def _meant_by(odd: re.Match[str]) -> str:
    """Say which mark comes nearest to what looks like one."""
    if odd["word"] is None:
        return _START
    word = odd["word"].upper().replace(" ", "")
    if word == "ENDIF" or (odd["close"] and word == "IF"):
        return "</IF>"
    return {"IF": "<IF", "ELIF": "<ELSEIF", "ELSIF": "<ELSEIF", "ELSEIF": "<ELSEIF"}.get(
        word, f"<{word}>"
    )
