"""DMARC record: what a domain asks receivers to do with mail that is not its own.

``_dmarc.domain`` holds it as a TXT record.  Reading is as forgiving as the standard wants
it, and what was passed over is listed; nothing here asks the DNS.

References
----------
RFC 9989 sections 4.6 (URIs), 4.7 (tags), 4.8 (syntax), 4.10.1 (records without a policy).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, cast, get_args
from urllib.parse import unquote, urlsplit

from smtpbook.errors import near_miss
from smtpbook.escape import visible
from smtpbook.lookup.answer import NotAName, dns_name

Policy = Literal["none", "quarantine", "reject"]
POLICIES: Final[tuple[Policy, ...]] = get_args(Policy)
"""The mildest first."""
TAGS: Final = ("v", "p", "sp", "np", "psd", "t", "adkim", "aspf", "rua", "ruf", "fo")
REMOVED: Final = ("pct", "rf", "ri")
"""Tags of RFC 7489 that RFC 9989 removed: receivers that follow it read past them."""
MAX_CHARS: Final = 65_536  # what one TXT record can hold (RFC 1035 section 3.2.1)

# 'dmarc-version = "v" equals %s"DMARC1"' -- RFC 9989 section 4.8; it must come first.
_VERSION: Final = re.compile(r"[vV][ \t]*=[ \t]*DMARC1[ \t]*(?:;|\Z)")
_TAG: Final = re.compile(r"[ \t]*([A-Za-z]+)[ \t]*=[ \t]*(.*)", re.DOTALL)
_VALUE: Final = re.compile(r"[ -:<-~]+")
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]+")
_SIZE: Final = re.compile(r"![0-9]+[kmgt]?\Z", re.IGNORECASE)
_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(("p", "sp", "np"), POLICIES),
    "psd": ("u", "y", "n"),
    "t": ("n", "y"),
    **dict.fromkeys(("adkim", "aspf"), ("r", "s")),
}


class DmarcRecordError(ValueError):
    """A text is no DMARC record at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportUri:
    """Where reports are wanted.

    Attributes
    ----------
    text : str
        As it is written.
    address : str or None
        The mailbox of a ``mailto:``; None = another scheme, which receivers may ignore.
    host : str
        The destination's domain, in lower case and A-labels.
    has_size : bool
        It ends in a size, ``!10m``, which RFC 9989 removed.
    """

    text: str
    address: str | None
    host: str
    has_size: bool = False

    @classmethod
    def parse(cls, text: str) -> ReportUri:
        """Read one URI.

        Raises
        ------
        ValueError
            It is none, or a ``mailto:`` without an address.
        """
        text = text.strip(" \t")
        size = _SIZE.search(text)
        bare = text[: size.start()] if size else text
        if not _URI.fullmatch(bare):
            raise ValueError(f"{_shown(text)} is not a URI")
        parts = urlsplit(bare)
        address = None
        if parts.scheme == "mailto":
            address = unquote(parts.path)
            local_part, _, host = address.rpartition("@")
            if not local_part:
                raise ValueError(f"{_shown(text)} names no mailbox")
        else:
            host = parts.hostname or ""
        try:
            host = dns_name(host)
        except NotAName:
            raise ValueError(f"{_shown(text)} names no domain") from None
        return cls(text=text, address=address, host=host, has_size=size is not None)

    def __str__(self) -> str:
        return visible(self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class DmarcRecord:
    """What a domain asks for.

    Make it with `parse`; values that cannot be read have become the defaults.

    Attributes
    ----------
    text : str
    p, sp, np : {"none", "quarantine", "reject"} or None
        What to do with mail that fails: of the domain, of domains below it, of domains
        below it that do not exist.  None = not said.
    psd : {"u", "y", "n"}
        ``y``: a public suffix, such as ``co.uk``; ``n``: an organization's top, whatever
        stands above; ``u``: neither is said.
    is_testing : bool
        ``t=y``: the policy is to be taken one step milder.
    adkim, aspf : {"r", "s"}
        How near the domain that signed, or sent, must be: relaxed (of one organization) or
        strict (the same).
    rua, ruf : tuple of ReportUri
        Where reports are wanted, of many messages and of single ones.
    fo : tuple of str
        When reports of single messages are wanted.
    removed : tuple of str
        Tags there of RFC 7489 that RFC 9989 removed: ``pct``, ``rf``, ``ri``.
    problems : tuple of str
        What was passed over, as sentences; foreign text in them is escaped.
    applies : bool
        False: ``p``, ``sp`` or ``np`` is there and no policy, and nobody wants reports:
        receivers do as if there were no record.

    References
    ----------
    RFC 9989 section 4.7.
    """

    text: str
    p: Policy | None = None
    sp: Policy | None = None
    np: Policy | None = None
    psd: Literal["u", "y", "n"] = "u"
    is_testing: bool = False
    adkim: Literal["r", "s"] = "r"
    aspf: Literal["r", "s"] = "r"
    rua: tuple[ReportUri, ...] = ()
    ruf: tuple[ReportUri, ...] = ()
    fo: tuple[str, ...] = ("0",)
    removed: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    applies: bool = True

    @classmethod
    def parse(cls, text: str) -> DmarcRecord:
        """Read the text of a TXT record.

        Raises
        ------
        DmarcRecordError
            It does not begin with ``v=DMARC1``: receivers do not even look at it.

        Examples
        --------
        >>> record = DmarcRecord.parse("v=DMARC1; p=reject; pct=50; adkim=strict")
        >>> record.p, record.adkim, record.removed
        ('reject', 'r', ('pct',))
        >>> record.problems
        ("adkim='strict' is none of 'r', 's'",)
        """
        if not is_dmarc(text):
            raise DmarcRecordError("it does not begin with v=DMARC1")
        if len(text) > MAX_CHARS:
            raise DmarcRecordError(f"it has more than {MAX_CHARS} characters")
        problems: list[str] = []
        tags = _tags(text, problems)
        chosen = {
            name: _choice(name, tags[name], problems) for name in _CHOICES if name in tags
        }
        rua = _uris("rua", tags, problems)
        # "If a retrieved DMARC Policy Record does not contain a valid 'p' tag, or contains
        # an 'sp' or 'np' tag that is not valid" -- RFC 9989 section 4.10.1.  One that is
        # not there at all counts as p=none (section 4.7).
        is_broken = any(chosen.get(name, "") is None for name in ("p", "sp", "np"))
        if is_broken:
            chosen |= {"p": "none", "sp": None, "np": None}
        policies = {name: cast("Policy | None", chosen.get(name)) for name in _POLICY_TAGS}
        return cls(
            text=text,
            **policies,
            psd=cast('Literal["u", "y", "n"]', chosen.get("psd") or "u"),
            is_testing=chosen.get("t") == "y",
            adkim=cast('Literal["r", "s"]', chosen.get("adkim") or "r"),
            aspf=cast('Literal["r", "s"]', chosen.get("aspf") or "r"),
            rua=rua,
            ruf=_uris("ruf", tags, problems),
            fo=_options(tags.get("fo", "0"), problems),
            removed=tuple(name for name in REMOVED if name in tags),
            problems=tuple(problems),
            applies=bool(rua) or not is_broken,
        )

    def policy(self, *, is_below: bool, exists: bool) -> tuple[Policy, str]:
        """Give what is asked for, and the tag that asks.

        Parameters
        ----------
        is_below : bool
            The author's domain is below the one that has the record.
        exists : bool
            The author's domain is in the DNS.

        References
        ----------
        RFC 9989 sections 4.7 (sp, np), 4.10.1.
        """
        if is_below and not exists and self.np is not None:
            return self.np, "np"
        if is_below and self.sp is not None:
            return self.sp, "sp"
        return self.p or "none", "p"

    def applied(self, policy: Policy) -> Policy:
        """Give what receivers do: with ``t=y`` one step milder (RFC 9989 section 4.7)."""
        step = POLICIES.index(policy) - self.is_testing
        return POLICIES[max(0, step)]

    def __str__(self) -> str:
        return visible(self.text)


_POLICY_TAGS: Final = ("p", "sp", "np")


def is_dmarc(text: str) -> bool:
    """Say whether a TXT record is meant as a DMARC record of this version."""
    return _VERSION.match(text) is not None


def _tags(text: str, problems: list[str]) -> dict[str, str]:
    """Take a record apart; what is no tag with a value is passed over."""
    tags: dict[str, str] = {}
    for spec in text.split(";")[1:]:
        if not spec.strip(" \t"):
            continue
        found = _TAG.fullmatch(spec)
        value = found[2].rstrip(" \t") if found else ""
        if found is None or not _VALUE.fullmatch(value):
            problems.append(f"{_shown(spec)} is not a tag with a value")
            continue
        name = found[1].lower()
        if name in tags:
            problems.append(f"{name}= stands there more than once: the first counts")
            continue
        tags[name] = value
        if name not in TAGS + REMOVED:
            problems.append(f"there is no tag {_shown(name)}{near_miss(name, TAGS)}")
    return tags


def _choice(name: str, value: str, problems: list[str]) -> str | None:
    if value.lower() in _CHOICES[name]:
        return value.lower()
    choices = sorted(_CHOICES[name]) if name not in _POLICY_TAGS else POLICIES
    problems.append(f"{name}={_shown(value)} is none of {', '.join(map(repr, choices))}")
    return None


def _uris(name: str, tags: Mapping[str, str], problems: list[str]) -> tuple[ReportUri, ...]:
    uris = []
    for text in tags[name].split(",") if name in tags else ():
        try:
            uris.append(ReportUri.parse(text))
        except ValueError as exc:
            problems.append(f"{name}=: {exc}")
    return tuple(uris)


def _options(value: str, problems: list[str]) -> tuple[str, ...]:
    options = tuple(one.strip(" \t").lower() for one in value.split(":"))
    if set(options) <= {"0", "1", "d", "s"}:
        return options
    problems.append(f"fo={_shown(value)} is none of '0', '1', 'd', 's'")
    return ("0",)


def _shown(text: str) -> str:
    return repr(visible(text.strip(" \t"), max_chars=60))
