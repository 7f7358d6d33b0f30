r"""Canonical forms: the octets that a signature is over (RFC 6376 section 3.4).

``simple`` bears almost no change on the way, ``relaxed`` bears changed white space.  No
octets take more than n log n time; a CR or LF that is not part of a CRLF is an octet like
any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

from smtpbook.errors import near_miss
from smtpbook.protocol.header import fields_of, name_of

Form = Literal["simple", "relaxed"]

_RUNS: Final = (b" " * 16, b" " * 4)  # the indents of HTML, taken at once


@dataclass(frozen=True, slots=True)
class Canonicalization:
    """The forms of header and body, as ``c=`` names them.

    >>> Canonicalization.parse("relaxed/simple")
    Canonicalization(header='relaxed', body='simple')
    """

    header: Form = "simple"
    body: Form = "simple"

    @classmethod
    def parse(cls, text: str) -> Canonicalization:
        """Read ``header/body``; the body's form is ``simple`` where it is not named.

        Raises
        ------
        ValueError
            It names a form there is not.
        """
        header, slash, body = text.partition("/")
        for form in (header, body) if slash else (header,):
            if form not in get_args(Form):
                raise ValueError(
                    f"canonicalization {form[:40]!a} is neither 'simple' nor 'relaxed'"
                    f"{near_miss(form[:40], get_args(Form))}"
                )
        return cls(header, body if slash else "simple")  # type: ignore[arg-type]

    def __str__(self) -> str:
        return f"{self.header}/{self.body}"


def canonical_body(body: bytes, form: Form) -> bytes:
    r"""Give the body's canonical form.

    >>> canonical_body(b"a \t b \r\n \r\n\r\n", "relaxed")
    b'a b\r\n'
    >>> canonical_body(b"", "simple"), canonical_body(b"", "relaxed")
    (b'\r\n', b'')

    References
    ----------
    RFC 6376 sections 3.4.3 (simple), 3.4.4 (relaxed).
    """
    if body and not body.endswith(b"\r\n"):
        body += b"\r\n"
    if form == "relaxed":
        body = _single_spaces(body).replace(b" \r\n", b"\r\n")
    end = len(body)
    while body.endswith(b"\r\n", 0, end):
        end -= 2
    # "If there is no body or no trailing CRLF on the message body, a CRLF is added." -- RFC
    # 6376 section 3.4.3; relaxed leaves nothing nothing.
    return body[:end] + b"\r\n" if end or form == "simple" else b""


def canonical_field(field: bytes, form: Form) -> bytes:
    r"""Give a header field's canonical form, without its last CRLF.

    >>> canonical_field(b"SubJect \t: one\r\n\t two ", "relaxed")
    b'subject:one two'

    References
    ----------
    RFC 6376 sections 3.4.1 (simple), 3.4.2 (relaxed).
    """
    if form == "simple":
        return field
    name, _, value = field.partition(b":")
    if b"\r\n" in value:
        value = value.replace(b"\r\n", b"")
    return name.rstrip(b" \t").lower() + b":" + _single_spaces(value).strip(b" ")


def by_name(header: bytes) -> dict[bytes, list[bytes]]:
    """Give the header's fields under their names in lower case, the topmost first."""
    found: dict[bytes, list[bytes]] = {}
    for field in fields_of(header):
        found.setdefault(name_of(field), []).append(field)
    return found


def signed_octets(
    fields: Mapping[bytes, Sequence[bytes]],
    names: Iterable[bytes],
    signature: bytes,
    form: Form,
) -> bytes:
    r"""Give what the signature proper is computed over: fields, then DKIM-Signature.

    Parameters
    ----------
    fields : mapping of bytes to sequence of bytes
        As `by_name` gives them.
    names : iterable of bytes
        Those of ``h=`` in lower case.  A name listed again takes the next field upwards;
        where there is none, it stands for nothing, and a field added later breaks the
        signature.
    signature : bytes
        The DKIM-Signature field, its ``b=`` empty.
    form : {"simple", "relaxed"}

    References
    ----------
    RFC 6376 sections 3.7 (hashes), 5.4.2 (fields that occur more than once).
    """
    taken: dict[bytes, int] = {}
    chosen = []
    for name in names:
        nth = taken[name] = taken.get(name, 0) + 1
        same = fields.get(name, ())
        if nth <= len(same):
            chosen.append(canonical_field(same[-nth], form))
    # "canonicalized […], and without a trailing CRLF." -- RFC 6376 section 3.7
    return b"\r\n".join([*chosen, canonical_field(signature, form)])


def _single_spaces(octets: bytes) -> bytes:
    if b"\t" in octets:
        octets = octets.replace(b"\t", b" ")
    # A regular expression takes four times as long, and ten where there is nothing to do.
    if b"  " in octets:
        for run in _RUNS:
            octets = octets.replace(run, b" ")
        while b"  " in octets:  # each pass halves what is left of the runs
            octets = octets.replace(b"  ", b" ")
    return octets
