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
from typing import Final

import jinja2
from jinja2 import meta, nodes

from smtpbook.errors import TemplateError, near_miss
from smtpbook.messages.fence import Environment, MissingField

__all__ = ["MissingField", "Part"]

_TAGS: Final = (
    *("if", "elif", "else", "endif", "for", "endfor", "set", "endset"),
    *("macro", "endmacro", "call", "endcall", "filter", "endfilter"),
    *("with", "endwith", "raw", "endraw", "autoescape", "endautoescape"),
)
_UNKNOWN: Final = re.compile(
    r"(?:No (?P<kind>filter|test) named|Encountered unknown tag) '(?P<name>\w+)'"
)


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
        return self._template.render(values)


def _explain(error: jinja2.TemplateSyntaxError) -> str:
    message = (error.message or "not a template").rstrip(".")
    if unknown := _UNKNOWN.search(message):
        known: Mapping[str, Iterable[str]] = {
            "filter": _TEXT.filters,
            "test": _TEXT.tests,
        }
        message += near_miss(unknown["name"], known.get(unknown["kind"], _TAGS))
    return message


_TEXT: Final = Environment(autoescape=False)
_HTML: Final = Environment(autoescape=True)
