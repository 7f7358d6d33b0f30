r"""Authentication-Results: what a receiver writes into a message of what it found.

Anybody can write such a field, so reading is tolerant and bounded, and believes nothing:
whether a field is the receiver's own is for whoever knows the receiver's name.  The texts
come out as they were written, and go through `smtpbook.escape` wherever they are shown.
Nothing here checks a message.

References
----------
RFC 8601 (the field), RFC 8617 section 4.1.1 (ARC-Authentication-Results).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from smtpbook.escape import visible

MAX_CHARS: Final = 16_384
"""What stands further back in one field is not read; honest ones have a thousand or two."""

_TOKEN: Final = re.compile(
    r'(?P<blank>[ \t\r\n]+)|(?P<quoted>"(?:[^"\\]|\\.)*(?:"|\\?\Z))|(?P<mark>[;=(])'
    r'|(?P<word>[^ \t\r\n;="(]+)',
    re.DOTALL,
)
_IN_COMMENT: Final = re.compile(r"[^()\\]+|\\.?|[()]", re.DOTALL)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_KEYWORD: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?")
# What needs no quotes: token of RFC 2045 section 5.1, or "[ [ local-part ] "@" ]
# domain-name" -- RFC 8601 section 2.2.
_BARE: Final = re.compile(r"[\w!#$%&'*+.^`{|}~-]+|[\w!#$%&'*+./^`{|}~-]*@[\w.-]+", re.ASCII)
_FOLD_AT: Final = 78  # RFC 5322 section 2.1.1


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodResult:
    """What one method came to.

    Attributes
    ----------
    method : str
        ``spf``, ``dkim``, ``dmarc``, ``arc``, ``iprev`` …, in lower case.
    result : str
        ``pass``, ``fail``, ``none``, ``temperror`` …, in lower case.
    reason : str or None
        What stands in ``reason=``; None = nothing does.
    properties : mapping of str to str
        What was looked at, by ``ptype.property`` in lower case: ``smtp.mailfrom``,
        ``header.d``, ``header.from``, ``policy.…``.  Microsoft's ``action`` has no ptype.
        Of one that stands there twice, the first.
    comment : str
        The comments, joined by a space; here Gmail and others write DMARC's policy, as
        ``p=NONE``.  "" = there is none.

    References
    ----------
    RFC 8601 sections 2.2 (syntax), 2.3 (property types), 2.7 (methods and results).
    """

    method: str
    result: str
    reason: str | None = None
    properties: Mapping[str, str] = field(default_factory=dict)
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What one field says.

    Attributes
    ----------
    server : str
        Who says so (authserv-id); "" = the field does not tell, as Microsoft's do not.
    methods : tuple of MethodResult
        In the field's order; a method may come more than once, as DKIM does with each
        signature.  Empty = nothing was checked, or nothing can be read.
    instance : int or None
        ``i=`` of an ARC-Authentication-Results field; None = it has none.
    """

    server: str
    methods: tuple[MethodResult, ...]
    instance: int | None = None

    def of(self, method: str) -> tuple[MethodResult, ...]:
        """Give what a method came to, each time.

        >>> read_results("mx.example; spf=pass; dkim=fail; dkim=pass").of("dkim")[1].result
        'pass'
        """
        return tuple(one for one in self.methods if one.method == method)

    def __str__(self) -> str:
        """The field's value, on one line."""
        return "; ".join(" ".join(words) for words in self._pieces())

    def to_field(self) -> str:
        r"""Write the field, name and all, folded, without its last CRLF.

        >>> read_results("mx.example; spf=pass smtp.mailfrom=a@x.example").to_field()
        'Authentication-Results: mx.example;\r\n\tspf=pass smtp.mailfrom=a@x.example'
        """
        name = "Authentication-Results" if self.instance is None else _ARC
        lines = [f"{name}:"]
        for number, words in enumerate(self._pieces()):
            if number:
                lines[-1] += ";"
            for nth, word in enumerate(words):
                is_first = nth == 0 and number > (self.instance is not None)
                if is_first or len(lines[-1]) + len(word) + 2 > _FOLD_AT:
                    lines.append(f"\t{word}")
                else:
                    lines[-1] += f" {word}"
        return "\r\n".join(lines)

    def _pieces(self) -> list[list[str]]:
        """Give the words of each piece; a line may be folded between words."""
        pieces = [] if self.instance is None else [[f"i={self.instance}"]]
        pieces.append([_value(self.server)])
        pieces += map(_resinfo, self.methods)
        return pieces if self.methods else [*pieces, ["none"]]


_ARC: Final = "ARC-Authentication-Results"


def read_results(value: str) -> Results:
    """Read a field's value, whoever wrote it.

    Parameters
    ----------
    value : str
        What follows the field's name and colon, folded or not.  Any text is taken.

    Returns
    -------
    Results

    Examples
    --------
    >>> found = read_results(
    ...     "mx.google.com; dkim=pass header.i=@x.example header.s=k1;"
    ...     " spf=pass (designates 192.0.2.1) smtp.mailfrom=b+ann=y.example@x.example;"
    ...     " dmarc=pass (p=NONE sp=NONE dis=NONE) header.from=x.example"
    ... )
    >>> found.server, [(one.method, one.result) for one in found.methods]
    ('mx.google.com', [('dkim', 'pass'), ('spf', 'pass'), ('dmarc', 'pass')])
    >>> found.of("spf")[0].properties["smtp.mailfrom"]
    'b+ann=y.example@x.example'
    """
    segments = list(_segments(value[:MAX_CHARS]))
    instance = None
    head = segments[0]
    # "ARC-Authentication-Results: i=1; lists.example.org; …" -- RFC 8617 section 4.1.1
    if not head.words and [key for key, _ in head.pairs] == ["i"]:
        number = head.pairs[0][1]
        instance = int(number) if number.isdecimal() and len(number) < 10 else None
        head = segments[1] if len(segments) > 1 else _Segment()
        segments = segments[1:]
    server = head.words[0] if head.words else ""
    if server.lower() == "none" and not head.pairs:
        server = ""
    methods = tuple(found for one in segments if (found := _method_result(one)) is not None)
    return Results(server=server, methods=methods, instance=instance)


@dataclass(slots=True)
class _Segment:
    """What stands between two semicolons."""

    words: list[str] = field(default_factory=list)
    pairs: list[tuple[str, str]] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)


def _segments(text: str) -> Iterator[_Segment]:
    """Take a value apart at its semicolons; there is always one segment."""
    segment, key, value = _Segment(), "", None

    def close() -> None:
        nonlocal key, value
        if value is not None:
            segment.pairs.append((key.lower(), value))
        elif key:
            segment.words.append(key)
        key, value = "", None

    at, is_gap = 0, False
    while found := _TOKEN.match(text, at):
        at = found.end()
        token = found[0]
        match found.lastgroup, token:
            case "blank", _:
                is_gap = True
                if value:
                    close()
            case "mark", "(":
                comment, at = _comment(text, at)
                segment.comments.append(comment)
                is_gap = True
                if value:
                    close()
            case "mark", ";":
                close()
                yield segment
                segment, is_gap = _Segment(), False
            case "mark", _ if value is None:  # the "=" between key and value
                value = ""
            case kind, _:
                if kind == "quoted":
                    token = _ESCAPED.sub(r"\1", token[1:].removesuffix('"'))
                if value is not None:  # VERP: "bounce+ann=y.example@x.example"
                    value += token
                    if kind == "quoted" and not token:
                        close()
                # "ptype [CFWS] "." [CFWS] property" -- RFC 8601 section 2.2
                elif not is_gap or key.endswith((".", "/")) or token[:1] in ("", ".", "/"):
                    key += token
                else:
                    close()
                    key = token
                is_gap = False
    close()
    yield segment


def _comment(text: str, at: int) -> tuple[str, int]:
    """Give a comment's text, and where it ends; one that never ends is all the rest."""
    depth, start = 1, at
    while found := _IN_COMMENT.match(text, at):
        at = found.end()
        depth += {"(": 1, ")": -1}.get(found[0], 0)
        if depth == 0:
            break
    end = at - 1 if depth == 0 else at
    return " ".join(_ESCAPED.sub(r"\1", text[start:end]).split()), at


def _method_result(segment: _Segment) -> MethodResult | None:
    if not segment.pairs:
        return None
    (method, result), *others = segment.pairs
    method = method.partition("/")[0]  # "dkim/1": the method's version
    if not _KEYWORD.fullmatch(method):
        return None
    properties: dict[str, str] = {}
    reason = None
    for key, value in others:
        if key == "reason" and reason is None:
            reason = value
        elif key:
            properties.setdefault(key, value)
    return MethodResult(
        method=method,
        result=result.lower(),
        reason=reason,
        properties=properties,
        comment=" ".join(segment.comments),
    )


def _resinfo(one: MethodResult) -> list[str]:
    words = [f"{one.method}={one.result}"]
    if one.comment:
        escaped = re.sub(r"([()\\])", r"\\\1", _ascii(one.comment))
        words += f"({escaped})".split()
    if one.reason is not None:
        words.append(f"reason={_quoted(one.reason)}")
    words += [f"{key}={_value(value)}" for key, value in one.properties.items()]
    return words


def _value(text: str) -> str:
    return text if _BARE.fullmatch(text) else _quoted(text)


def _quoted(text: str) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", _ascii(text)) + '"'


def _ascii(text: str) -> str:
    """Make text fit for a header field: no controls, nothing beyond ASCII."""
    return visible(text).encode("ascii", "backslashreplace").decode("ascii")
