"""DkimSigner: signs mail data for a domain, and says what the domain must publish.

It looks nothing up: whether the record is in the DNS is for `deliverability` to say.
"""

from __future__ import annotations

import hashlib
import re
import warnings
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any, Final, Literal, get_args

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from smtpbook.dkim.canonical import (
    Canonicalization,
    by_name,
    canonical_body,
    signed_octets,
)
from smtpbook.dkim.key_record import (
    DIGEST,
    GOOD_RSA_BITS,
    MIN_RSA_BITS,
    PADDING,
    algorithm_of,
    record_text,
)
from smtpbook.dkim.signature import seconds_of
from smtpbook.errors import LocalProtocolError, near_miss
from smtpbook.private_key import Hidden, Source, hiding, load_private_key
from smtpbook.protocol.addresses import is_within, to_a_labels
from smtpbook.protocol.header import check_line_ends, split_header

Key = RSAPrivateKey | Ed25519PrivateKey
Kind = Literal["rsa", "ed25519"]

SIGNED_HEADERS: Final = (
    *("From", "To", "Cc", "Subject", "Date", "Message-ID", "Reply-To"),
    *("MIME-Version", "Content-Type", "Content-Transfer-Encoding"),
    *("Sender", "In-Reply-To", "References", "List-Id"),
    *("List-Unsubscribe", "List-Unsubscribe-Post"),
)
"""What is signed: the choice of RFC 6376 section 5.4.1, the MIME fields that say how the
body is read, and the two that RFC 8058 section 4 requires."""

# Mailing lists and those who send on for another add these of their own; a signature that
# says there is none would break there.
_ADDED_ON_THE_WAY: Final = frozenset(
    {b"sender", b"in-reply-to", b"references", b"list-id", b"list-unsubscribe"}
    | {b"list-unsubscribe-post"}
)
_HEADER_NAME: Final = re.compile(r"[!-9<-~]+")  # ftext without ";", which ends h=
# "sub-domain *( "." sub-domain )" (RFC 6376 section 3.1), with the underscore many use.
_SELECTOR: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]{0,61}[a-z0-9_])?")
# dkim-safe-char of section 2.11: everything else in i= is written =XX.
_NOT_SAFE: Final = re.compile(rb"[^!-:<>-~]")
# "Each line of characters […] SHOULD be no more than 78 characters" -- RFC 5322 2.1.1
_COLUMNS: Final = 78
# They come, go or change on the way (RFC 6376 section 5.4); signatures stand each alone.
_NOT_SIGNED: Final = frozenset({"return-path", "received", "bcc", "dkim-signature"})
_FORMS: Final = ("relaxed/relaxed", "relaxed/simple", "simple/relaxed", "simple/simple")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class DkimSigner:
    r"""A domain's key, and how it signs.

    Parameters
    ----------
    domain : str
        ``d=``: who answers for the message.  For DMARC, that of From or one above it.
    selector : str
        ``s=``: which of the domain's keys.
    key : str, bytes, path, private key, secret or callable
        RSA or Ed25519: PEM, the path of a PEM file, a private key of `cryptography`, or a
        secret or function that gives one of these.  It is read once, and never shown.
    canonicalization : str
        Of header and body, each ``relaxed`` or ``simple``.
    headers : sequence of str
        The fields to sign; From always is.  Each is listed once more than it occurs, so
        that none can be added (but those that mailing lists add, where there is none).
    expire_s : int, optional
        Seconds after which the signature ends (``x=``); default: never.
    identity : str, optional
        ``i=``: on whose behalf, ``local-part@domain`` or ``@domain``, at the domain or
        below it.

    Raises
    ------
    ValueError
        A field cannot be what it says; the key cannot be read, is of another kind or has
        fewer than 1,024 bits (RFC 8301 section 3.2).
    LocalProtocolError
        `domain` or that of `identity` is not a domain name.

    Warns
    -----
    UserWarning
        An RSA key has fewer than 2,048 bits.

    References
    ----------
    RFC 6376 (DKIM), RFC 8301 (algorithms), RFC 8463 (Ed25519).

    Examples
    --------
    >>> signer = DkimSigner.generate("x.example", "s1", "ed25519")
    >>> signer
    DkimSigner('s1._domainkey.x.example', ed25519-sha256)
    >>> letter = signer.sign(b"From: ann@x.example\r\n\r\nhi\r\n")
    >>> letter[:40]
    b'DKIM-Signature: v=1; a=ed25519-sha256; c'
    """

    domain: str
    selector: str
    key: Source | Key
    canonicalization: str = "relaxed/relaxed"
    headers: Sequence[str] = SIGNED_HEADERS
    expire_s: int | None = None
    identity: str | None = None
    _key: Hidden[Key] = field(init=False, compare=False)
    _forms: Canonicalization = field(init=False, compare=False)
    _tags: tuple[str, ...] = field(init=False, compare=False)
    _keys: tuple[tuple[str, bytes], ...] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        def put(name: str, value: object) -> None:
            object.__setattr__(self, name, value)

        put("domain", to_a_labels(self.domain))
        put("selector", _checked_selector(self.selector))
        put("headers", _checked_headers(self.headers))
        put("_keys", tuple((name, name.lower().encode()) for name in self.headers))
        if self.canonicalization not in _FORMS:
            raise ValueError(
                f"canonicalization={self.canonicalization!r} is not one of "
                f"{', '.join(_FORMS)}"
            )
        put("_forms", Canonicalization.parse(self.canonicalization))
        if self.expire_s is not None and self.expire_s < 1:
            raise ValueError(f"expire_s={self.expire_s!r} is not a time after signing")
        key = _usable(load_private_key(self.key))
        put("key", key)
        put("_key", key)
        tags = [
            f"v=1; a={algorithm_of(key.reveal().public_key())};",
            f"c={self.canonicalization};",
            f"d={self.domain};",
            f"s={self.selector};",
        ]
        if self.identity is not None:
            tags.append(f"i={_written_identity(self.identity, self.domain)};")
        put("_tags", tuple(f" {tag}" for tag in tags))

    def __repr__(self) -> str:
        if not hasattr(self, "_key"):  # refused before it was whole; a traceback shows it
            return "DkimSigner(...)"
        algorithm = algorithm_of(self._key.reveal().public_key())
        return f"DkimSigner({self._key_name!r}, {algorithm})"

    @classmethod
    def generate(cls, domain: str, selector: str, kind: Kind = "rsa") -> DkimSigner:
        """Make a new key, of 2,048 bits if it is RSA, and a signer with it.

        Keep it with `to_pem`; publish `dns_record` before the first message is signed.

        Parameters
        ----------
        domain, selector : str
            As for `DkimSigner`.
        kind : {"rsa", "ed25519"}
            Every receiver verifies RSA; many ignore Ed25519, which may stand beside it.

        Raises
        ------
        ValueError
            There is no such kind, or `selector` is not one.
        LocalProtocolError
            `domain` is not a domain name.
        """
        if kind not in get_args(Kind):
            raise ValueError(
                f"kind={kind!r} is neither 'rsa' nor 'ed25519'"
                f"{near_miss(str(kind), get_args(Kind))}"
            )
        key: Key = (
            generate_private_key(65537, GOOD_RSA_BITS)
            if kind == "rsa"
            else Ed25519PrivateKey.generate()
        )
        return cls(domain=domain, selector=selector, key=key)

    def to_pem(self) -> bytes:
        """Give the private key, unencrypted, to be kept where nobody else can read it."""
        return self._key.reveal().private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )

    @property
    def dns_record(self) -> tuple[str, str]:
        """What to publish: the name of a TXT record, and its text.

        The text is as zone files and most providers' forms take it: in quotes, cut into
        strings of at most 255 octets (RFC 1035 section 3.3.14).
        """
        text = record_text(self._key.reveal().public_key())
        pieces = [text[i : i + 255] for i in range(0, len(text), 255)]
        return self._key_name, " ".join(f'"{piece}"' for piece in pieces)

    def sign(self, data: bytes, *, date: datetime | None = None) -> bytes:
        """Give the message with a DKIM-Signature in front.

        A message may be signed again, by another signer: each signature stands alone.

        Parameters
        ----------
        data : bytes
            Mail data: header and body, lines ending in CRLF.
        date : datetime, optional
            When it is signed (``t=``), with a time zone.  Default: now.

        Raises
        ------
        LocalProtocolError
            A line does not end in CRLF, or there is not exactly one From.
        ValueError
            `date` has no time zone.
        """
        return self.header(data, date=date) + data

    def header(self, data: bytes, *, date: datetime | None = None) -> bytes:
        """Give the DKIM-Signature field alone, folded, with its CRLF.

        Parameters and errors are those of `sign`.
        """
        time_s = seconds_of(date)
        check_line_ends(data)
        header, body = split_header(data)
        fields = by_name(header)
        if (count := len(fields.get(b"from", ()))) != 1:
            raise LocalProtocolError(
                f"the message has {count} From fields; DKIM signs messages with one "
                f"(RFC 6376 section 5.4, RFC 5322 section 3.6)"
            )
        names, keys = self._names(fields)
        body_hash = hashlib.sha256(canonical_body(body, self._forms.body)).digest()
        unsigned = self._unsigned(names, body_hash, time_s)
        octets = signed_octets(fields, keys, unsigned, self._forms.header)
        return _with_signature(unsigned, self._signature(octets))

    @property
    def _key_name(self) -> str:
        return f"{self.selector}._domainkey.{self.domain}"

    def _names(
        self, fields: Mapping[bytes, Sequence[bytes]]
    ) -> tuple[list[str], list[bytes]]:
        """Give what h= lists, as it is written and in lower case."""
        names: list[str] = []
        keys: list[bytes] = []
        for name, key in self._keys:
            count = len(fields.get(key, ()))
            if count or key not in _ADDED_ON_THE_WAY:
                names += [name] * (count + 1)
                keys += [key] * (count + 1)
        return names, keys

    def _unsigned(self, names: Sequence[str], body_hash: bytes, time_s: int) -> bytes:
        words = [*self._tags, f" t={time_s};"]
        if self.expire_s is not None:
            words.append(f" x={time_s + self.expire_s};")
        words += [" h=", *(f"{name}:" for name in names[:-1]), f"{names[-1]};"]
        words += [f" bh={b64encode(body_hash).decode('ascii')};", " b="]
        return _folded("DKIM-Signature:", words).encode()

    def _signature(self, octets: bytes) -> bytes:
        key = self._key.reveal()
        if isinstance(key, RSAPrivateKey):
            return key.sign(octets, PADDING, DIGEST)
        # Ed25519 signs the digest, not the octets (RFC 8463 section 3).
        return key.sign(hashlib.sha256(octets).digest())


DkimSigner.__init__ = hiding("key")(DkimSigner.__init__)  # type: ignore[method-assign]


def _usable(key: Hidden[Any]) -> Hidden[Key]:
    kind = type(key.reveal()).__name__.strip("_")
    if isinstance(key.reveal(), Ed25519PrivateKey):
        return key
    if not isinstance(key.reveal(), RSAPrivateKey):
        raise ValueError(
            f"DKIM signs with RSA or Ed25519 keys (RFC 8301, RFC 8463), not {kind}"
        )
    bits = key.reveal().key_size
    if bits < MIN_RSA_BITS:
        raise ValueError(
            f"an RSA key of {bits} bits proves nothing: receivers refuse fewer than "
            f"{MIN_RSA_BITS} (RFC 8301 section 3.2); DkimSigner.generate makes a good one"
        )
    if bits < GOOD_RSA_BITS:
        warnings.warn(
            f"an RSA key of {bits} bits is weak; {GOOD_RSA_BITS} are advised (RFC 8301 "
            f"section 3.2)",
            stacklevel=5,  # the line that makes the signer
        )
    return key


def _checked_selector(selector: str) -> str:
    lower = selector.lower()
    if not _SELECTOR.fullmatch(lower) or ".." in lower:
        raise ValueError(
            f"selector={selector!a} is not a selector: letters, digits, '-' and '.', such "
            f"as 's1' or 'november.2026'"
        )
    return lower


def _checked_headers(headers: Sequence[str]) -> tuple[str, ...]:
    names = () if isinstance(headers, str) else tuple(headers)
    lower = [name.lower() for name in names]
    for name in names:
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError(f"headers: {name!a} is not the name of a header field")
        if name.lower() in _NOT_SIGNED:
            raise ValueError(
                f"headers: {name} comes, goes or changes on the way, so it cannot be "
                f"signed (RFC 6376 section 5.4)"
            )
    if not names or len(set(lower)) < len(lower):
        raise ValueError(
            "headers= is a sequence of different names; a name is signed as often as it "
            "occurs"
        )
    return names if "from" in lower else ("From", *names)


def _written_identity(identity: str, domain: str) -> str:
    local_part, at, own_domain = identity.rpartition("@")
    own_domain = to_a_labels(own_domain) if at else ""
    if not is_within(own_domain, domain):
        raise ValueError(f"identity={identity!a} is not within the domain {domain}")
    safe = _NOT_SAFE.sub(lambda found: b"=%02X" % ord(found[0]), local_part.encode())
    return f"{safe.decode('ascii')}@{own_domain}"


def _folded(line: str, words: Iterable[str]) -> str:
    """Put words behind one another, in lines of `_COLUMNS` where they fit into one."""
    lines = []
    for word in words:
        if len(line) + len(word) > _COLUMNS:
            lines.append(line)
            line = " " + word.lstrip(" ")
        else:
            line += word
    return "\r\n".join([*lines, line])


def _with_signature(unsigned: bytes, signature: bytes) -> bytes:
    """Write the value of b= behind its name: first what fits in its line, then more."""
    text = b64encode(signature)
    left = _COLUMNS - len(unsigned.rpartition(b"\r\n")[2])
    cuts = [0, *range(left, len(text), _COLUMNS - 1), len(text)]
    pieces = [text[start:end] for start, end in pairwise(cuts)]
    return unsigned + b"\r\n ".join(pieces) + b"\r\n"
