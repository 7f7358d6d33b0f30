"""Verifying: what each signature of a message is worth, and why.

Keys are handed in, by name; nothing here asks the DNS.  Every input may be hostile: at
most `MAX_SIGNATURES` are looked at, each in time proportional to the message.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Final, Literal

from smtpbook.dkim.canonical import Form, by_name, canonical_body, signed_octets
from smtpbook.dkim.key_record import KeyRecord
from smtpbook.dkim.signature import Signature, seconds_of
from smtpbook.dkim.tags import TagError
from smtpbook.protocol.header import split_header

# RFC 6376 section 6.1 lets a verifier limit how many it tries; honest messages have one to
# four (our assumption).
MAX_SIGNATURES: Final = 10

Keys = Mapping[str, str | bytes] | Callable[[str], str | bytes | None]
"""Key records by name, ``selector._domainkey.domain`` in lower case."""


def signatures_of(data: bytes) -> tuple[Signature, ...]:
    """Give the signatures of a message that can be read, topmost first.

    Whether they are right is not asked; beyond `MAX_SIGNATURES` they are not looked at.
    """
    header, _ = split_header(data)
    found = []
    for own in by_name(header).get(b"dkim-signature", [])[:MAX_SIGNATURES]:
        with suppress(TagError):
            found.append(Signature.parse(own))
    return tuple(found)


def key_names(data: bytes) -> tuple[str, ...]:
    """Give the names at which `verify` will want key records, each once."""
    return tuple(dict.fromkeys(one.key_name for one in signatures_of(data)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What one signature is worth.

    Attributes
    ----------
    result : {"pass", "fail", "permerror", "temperror", "neutral"}
        ``fail``: the message is not what was signed, or the signature has expired.
        ``permerror``: signature or key cannot be used.  ``temperror``: the key could not
        be had just now.  ``neutral``: not looked at.
    reason : str
        Why, as a sentence.
    domain, selector : str
        Who signed, and which key: ``d=`` and ``s=``; "" = the field cannot be read.
    identity : str
        ``i=``; proves no more than `domain` does.
    algorithm : str
        ``"rsa-sha256"`` or ``"ed25519-sha256"``; "" = the field cannot be read.
    names : tuple of str
        Header fields signed, as ``h=`` lists them.
    unsigned_bytes : int
        Octets of the canonical body that ``l=`` left out: anybody may have added them.
    key_bits : int or None
        Size of the key; None = no key was used.
    is_testing : bool
        The key record says ``t=y``: treat the message as if it were not signed.

    References
    ----------
    RFC 8601 section 2.7.1 (results), RFC 6376 section 6.1.
    """

    result: Literal["pass", "fail", "permerror", "temperror", "neutral"]
    reason: str
    domain: str = ""
    selector: str = ""
    identity: str = ""
    algorithm: str = ""
    names: tuple[str, ...] = ()
    unsigned_bytes: int = 0
    key_bits: int | None = None
    is_testing: bool = False


def verify(
    data: bytes, keys: Keys, *, date: datetime | None = None
) -> tuple[Verification, ...]:
    r"""Check the DKIM signatures of a message.

    Parameters
    ----------
    data : bytes
        Mail data with CRLF line ends, as it was received.
    keys : mapping or callable
        From ``selector._domainkey.domain``, in lower case, to the TXT record's text.  What
        is missing, or None, is no key; a callable that cannot tell just now raises
        `OSError` (such as `smtpbook.errors.TransportError`), one that found what is no key
        `TagError`.
    date : datetime, optional
        When, for ``x=``; with a time zone.  Default: now.

    Returns
    -------
    tuple of Verification
        One for each signature, topmost first; empty = not signed.  Beyond
        `MAX_SIGNATURES`, one for all that were left out.

    Raises
    ------
    ValueError
        `date` has no time zone.

    Examples
    --------
    >>> verify(b"From: ann@x.example\r\n\r\nhi\r\n", {})
    ()
    """
    now_s = seconds_of(date)
    header, body = split_header(data)
    fields = by_name(header)

    @cache
    def canonical(form: Form) -> bytes:
        return canonical_body(body, form)

    found = fields.get(b"dkim-signature", [])
    results = [
        _verified(nth, fields, canonical, keys, now_s)
        for nth in range(min(len(found), MAX_SIGNATURES))
    ]
    if left := len(found) - len(results):
        results.append(
            Verification(
                result="neutral",
                reason=f"{left} more signatures were not looked at: {MAX_SIGNATURES} is "
                f"the limit",
            )
        )
    return tuple(results)


def _verified(
    nth: int,
    fields: Mapping[bytes, Sequence[bytes]],
    canonical: Callable[[Form], bytes],
    keys: Keys,
    now_s: int,
) -> Verification:
    own = fields[b"dkim-signature"][nth]
    # A signature is never over itself, but may be over others (RFC 6376 section 3.5, h=).
    others = [field for field in fields[b"dkim-signature"] if field is not own]
    try:
        signature = Signature.parse(own)
    except TagError as exc:
        return Verification(
            result="permerror", reason=f"the signature cannot be used: {exc}"
        )
    so_far = Verification(
        result="neutral",
        reason="",
        domain=signature.domain,
        selector=signature.selector,
        identity=signature.identity,
        algorithm=signature.algorithm,
        names=signature.names,
    )
    if signature.expires_s is not None and signature.expires_s < now_s:
        ago_s = now_s - signature.expires_s
        return replace(
            so_far, result="fail", reason=f"the signature expired {ago_s} seconds ago (x=)"
        )
    so_far = _body_checked(so_far, signature, canonical(signature.canonicalization.body))
    if so_far.result == "fail":
        return so_far
    octets = signed_octets(
        {**fields, b"dkim-signature": others},
        [name.lower().encode() for name in signature.names],
        signature.unsigned,
        signature.canonicalization.header,
    )
    return _key_checked(so_far, signature, octets, keys)


def _body_checked(so_far: Verification, signature: Signature, body: bytes) -> Verification:
    length = signature.body_length
    if length is not None and length > len(body):
        return replace(
            so_far,
            result="fail",
            reason=f"the body was cut: it has {len(body)} octets, of which {length} were "
            f"signed (l=)",
        )
    signed = body if length is None else body[:length]
    if hashlib.sha256(signed).digest() != signature.body_hash:
        return replace(
            so_far, result="fail", reason="the body is not the one that was signed (bh=)"
        )
    return replace(so_far, unsigned_bytes=len(body) - len(signed))


def _key_checked(
    so_far: Verification, signature: Signature, octets: bytes, keys: Keys
) -> Verification:
    name = signature.key_name
    try:
        text = keys.get(name) if isinstance(keys, Mapping) else keys(name)
        if text is None:
            raise TagError("there is no record")
        record = KeyRecord.parse(text)
        if record.algorithm != signature.algorithm:
            raise TagError(f"it is not for {signature.algorithm} (k=)")
        _, _, own_domain = signature.identity.rpartition("@")
        if record.is_strict and own_domain.lower() != signature.domain:
            raise TagError("it is not for domains below its own (t=s), as i= is")
        is_right = record.verifies(
            signature.octets, octets, hashlib.sha256(octets).digest()
        )
    except OSError as exc:
        return replace(
            so_far,
            result="temperror",
            reason=f"the key at {name} could not be had: {exc}",
        )
    except TagError as exc:
        return replace(
            so_far,
            result="permerror",
            reason=f"the key at {name} cannot be used: {exc}",
        )
    so_far = replace(so_far, key_bits=record.bits, is_testing=record.is_testing)
    if not is_right:
        return replace(
            so_far,
            result="fail",
            reason=f"the header is not the one that was signed, or not with the key at "
            f"{name}",
        )
    reason = "the signature is right"
    if so_far.unsigned_bytes:
        reason += (
            f", but leaves out the last {so_far.unsigned_bytes} octets of the body (l=), "
            f"which anybody may have added"
        )
    return replace(so_far, result="pass", reason=reason)
