"""Fields: the name by which a template calls a column of the list.

A list's columns are called anything; a template's names are identifiers.  Nothing here
reads a list or a template.
"""

from __future__ import annotations

import unicodedata
from typing import Final

# What Jinja2 takes for its own in an expression: operators, constants, the reference to
# the template, and the functions every environment begins with.
_TAKEN: Final = frozenset(
    {"and", "or", "not", "in", "is", "if", "else", "self"}
    | {"true", "false", "none", "True", "False", "None"}
    | {"range", "dict", "lipsum", "cycler", "joiner", "namespace"}
)


def field_name(column: str) -> str:
    """Give the name under which a template finds a column.

    Every character that cannot stand in an identifier becomes ``_``, a leading digit gets
    ``_`` before it, and a word of Jinja2's own gets ``_`` after it.  A name that is one
    already stays as it is.  Two columns may come to the same name.

    Parameters
    ----------
    column : str
        Any text.

    Returns
    -------
    str
        An identifier, in the normal form (NFKC) to which Python brings names.

    Examples
    --------
    >>> field_name("First Name"), field_name("2nd e-mail"), field_name("Straße")
    ('First_Name', '_2nd_e_mail', 'Straße')
    >>> field_name("in"), field_name("")
    ('in_', '_')
    """
    name = "".join(
        char if f"_{char}".isidentifier() else "_"
        for char in unicodedata.normalize("NFKC", column)
    )
    if name in _TAKEN:
        return f"{name}_"
    return name if name.isidentifier() else f"_{name}"
