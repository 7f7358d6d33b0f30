"""Syntax: which texts are addresses, and how logs and lists write them.

Two authorities are asked.  `protocol.addresses.Mailbox` says what can stand in RCPT: every
address must pass it, and quoted local parts and address literals are its alone.  What is
not ASCII, or has ``--`` in its domain, is judged by the email-validator library, which
knows IDNA 2008 and which characters deceive.  Plain addresses, nearly all of nearly every
list, are decided by one rule over a whole column; a test holds it equal to both.

Whether the domain exists, or whether anybody there wants mail, is not asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from email_validator import EmailNotValidError, ValidatedEmail, validate_email

from smtpbook.errors import LocalProtocolError
from smtpbook.escape import visible
from smtpbook.protocol.addresses import MAX_LABEL, MAX_LOCAL_PART, Mailbox

Mask = np.ndarray[Any, np.dtype[np.bool_]]

_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_PLAIN: Final = rf"^{_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*$"
_PARTS: Final = r"^(?P<local_part>.*@)(?P<domain>.*)$"
# A name that holds no address of its own, then one address in angle brackets.
_NAMED: Final = r'^(?:"[^"<>@]*"|[^"<>@,;:]*)\s*<(?P<address>[^<>@\s,;]+@[^<>@\s,;]+)>$'
_SEVERAL: Final = re.compile(r"[^\s@,;<>]+@[^\s@,;<>]+[>]?\s*[,;/|\s]\s*\S.*@")
_SCHEME: Final = re.compile(r"mailto:", re.IGNORECASE)
# What the library refuses whole (its SPECIAL_USE_DOMAIN_NAMES); here it is only warned of.
_SPECIAL: Final = re.compile(
    r"(?:^|(?<=[.\u3002\uff0e\uff61]))(?:arpa|invalid|local|localhost|onion|test)$",
    re.IGNORECASE,
)


_PIECE: Final = 1 << 14  # texts looked at together
_NO_ROWS: Final = np.zeros(0, dtype=bool)
_NOTHING: Final = pa.scalar("", pa.large_string())
_UNREAD: Final = "\ufffd"  # what decoders put for octets that mean nothing
_LONGEST: Final = 1000  # characters; no address comes near, and Python looks at each


class Checked(NamedTuple):
    """What became of a column of texts.

    Attributes
    ----------
    addresses : pyarrow.ChunkedArray of large_string
        As ``str(Mailbox.parse(address))``: the domain in lower-case A-labels, the local
        part as given.  Null where there is no valid address.  Pieces that were so already
        are those of the column, not copies.
    missing : numpy array of bool
        Where there is no text at all.
    invalid : dict of int to str
        For each position whose text is no address, what is wrong with it.
    named : numpy array of bool
        Where the address stood in angle brackets behind a name.
    """

    addresses: pa.ChunkedArray
    missing: Mask
    invalid: dict[int, str]
    named: Mask


def check_column(texts: pa.Array | pa.ChunkedArray) -> Checked:
    """Check a column of texts (large_string, or a dictionary of that).

    Blanks around an address are allowed.
    """
    addresses: list[pa.Array] = []
    missing: list[Mask] = [_NO_ROWS]
    named: list[Mask] = [_NO_ROWS]
    invalid: dict[int, str] = {}
    start = 0
    for piece in pieces(texts):
        checked = _check_piece(piece)
        addresses.append(piece if checked.addresses.equals(piece) else checked.addresses)
        missing.append(checked.missing)
        named.append(checked.named)
        invalid |= {start + place: said for place, said in checked.invalid.items()}
        start += len(piece)
    return Checked(
        pa.chunked_array(addresses, pa.large_string()),
        np.concatenate(missing),
        invalid,
        np.concatenate(named),
    )


def pieces(texts: pa.Array | pa.ChunkedArray) -> Iterator[pa.Array]:
    """Give a column in pieces (large_string), so that little is needed beside it."""
    for chunk in texts.chunks if isinstance(texts, pa.ChunkedArray) else [texts]:
        for start in range(0, len(chunk), _PIECE):
            yield chunk.slice(start, _PIECE).cast(pa.large_string())
    pa.default_memory_pool().release_unused()


def _check_piece(texts: pa.Array) -> Checked:
    texts = pc.utf8_trim_whitespace(texts)
    missing = to_mask(pc.equal(texts, ""), null=True)
    found, named = _unwrapped(texts)
    addresses = _plain(found)
    invalid: dict[int, str] = {}
    judged: list[str | None] = []
    is_left = to_mask(pc.is_null(addresses)) & ~missing
    for place in np.flatnonzero(is_left).tolist():
        try:
            judged.append(canonical(found[place].as_py()))
        except LocalProtocolError as error:
            judged.append(None)
            invalid[place] = _advice(texts[place].as_py()) or str(error)
    addresses = pc.replace_with_mask(
        addresses, pa.array(is_left), pa.array(judged, pa.large_string())
    )
    return Checked(addresses, missing, invalid, named & to_mask(pc.is_valid(addresses)))


def canonical(address: str) -> str:
    """Bring one address into the form in which logs and lists write it.

    >>> canonical("Info@FAß.example")
    'Info@xn--fa-hia.example'

    Raises
    ------
    LocalProtocolError
        It is none, or none that should be written to.
    """
    if len(address) > _LONGEST:
        raise LocalProtocolError(f"{len(address):,} characters are no address")
    if _UNREAD in address:
        raise LocalProtocolError(
            f"address holds octets that are no text in the encoding it was read in; say "
            f"the right one: {address!a}"
        )
    mailbox = Mailbox.parse(address)
    local_part, _, domain = address.rpartition("@")
    if address.isascii() and "--" not in domain:
        return str(mailbox)
    if not (local_part.isascii() or local_part.startswith('"')):
        # In Unicode's normal form C (RFC 6532 section 3.1).
        local_part = _ask(f"{local_part}@example").local_part or ""
    if not domain.startswith("["):
        domain = _domain(domain)
    return str(Mailbox.parse(f"{local_part}@{domain}"))


@lru_cache(maxsize=10_000)
def _domain(domain: str) -> str:
    """Give a domain in A-labels as the library does; a list's domains recur."""
    special = _SPECIAL.search(domain)
    verdict = _ask(f"x@{_SPECIAL.sub('example', domain)}")
    if special is None:
        return verdict.ascii_domain
    return verdict.ascii_domain.removesuffix("example") + special[0].lower()


def _ask(address: str) -> ValidatedEmail:
    try:
        return validate_email(
            address, check_deliverability=False, globally_deliverable=False, strict=True
        )
    except EmailNotValidError as error:
        raise LocalProtocolError(visible(str(error), max_chars=300)) from None


def comparison_key(addresses: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Give what two addresses have in common if they reach the same mailbox.

    As `Mailbox.key`: "the local-part MUST be interpreted and assigned semantics only by
    the host specified in the domain" (RFC 5321 section 2.3.11), but no known host tells
    ``Ann`` from ``ann``, and nobody wants two letters.
    """
    is_quoted = pc.starts_with(addresses, '"')
    is_rare = pc.or_(is_quoted, pc.invert(pc.string_is_ascii(addresses)))
    keys = pc.ascii_lower(addresses)
    if not pc.any(is_rare).as_py():
        return keys
    rare = [
        None if address is None else Mailbox.parse(address).key
        for address in addresses.filter(is_rare).to_pylist()
    ]
    return pc.replace_with_mask(
        keys, pc.fill_null(is_rare, False), pa.array(rare, keys.type)
    )


def to_mask(values: pa.Array | pa.ChunkedArray, *, null: bool = False) -> Mask:
    """Give truth values as a NumPy array, null as `null`."""
    filled = pc.fill_null(values, null)
    return np.array(filled.to_numpy(zero_copy_only=False), dtype=bool)


def _unwrapped(texts: pa.Array) -> tuple[pa.Array, Mask]:
    """Take addresses out of angle brackets; tell where."""
    is_bracketed = pc.fill_null(pc.ends_with(texts, ">"), False)
    named = to_mask(is_bracketed)
    if not named.any():
        return texts, named
    bracketed = texts.filter(is_bracketed)
    inner = pc.struct_field(pc.extract_regex(bracketed, _NAMED), "address")
    named[named] = to_mask(pc.is_valid(inner))
    return pc.replace_with_mask(texts, is_bracketed, pc.coalesce(inner, bracketed)), named


def _plain(texts: pa.Array) -> pa.Array:
    """Give plain addresses in canonical form, and null for all other texts.

    Plain: dot-atoms in ASCII.  A domain of at most 63 octets has no longer label, and the
    whole is within the limits of RFC 5321 section 4.5.3.1.
    """
    at = pc.find_substring(texts, "@")
    behind = pc.subtract(pc.subtract(pc.binary_length(texts), at), 1)
    fits = pc.and_(pc.less_equal(at, MAX_LOCAL_PART), pc.less_equal(behind, MAX_LABEL))
    is_plain = pc.and_(fits, pc.match_substring_regex(texts, _PLAIN))
    is_plain = pc.and_not(is_plain, pc.match_substring(texts, "--"))
    is_upper = pc.and_(is_plain, pc.match_substring_regex(texts, "@.*[A-Z]"))
    is_upper = pc.fill_null(is_upper, False)
    if pc.any(is_upper).as_py():
        parts = pc.extract_regex(texts.filter(is_upper), _PARTS)
        local_part, domain = (pc.struct_field(parts, name) for name in (0, 1))
        lower = pc.binary_join_element_wise(local_part, pc.ascii_lower(domain), _NOTHING)
        texts = pc.replace_with_mask(texts, is_upper, lower)
    # Not if_else: Arrow 18 to 21 damage text that is a slice of other text.
    return pc.replace_with_mask(texts, pc.invert(is_plain), pa.scalar(None, texts.type))


def _advice(text: str) -> str | None:
    """Say what to do about common texts that hold an address and are none."""
    shown = ascii(visible(text, max_chars=80))
    if _SCHEME.match(text):
        return f"take 'mailto:' off: {shown}"
    if _SEVERAL.search(text):
        return f"one cell is one address; give each a row of its own: {shown}"
    if text.endswith(">") and text.count("<") == text.count("@") == 1:
        return f"leave nothing but the address: {shown}"
    return None
