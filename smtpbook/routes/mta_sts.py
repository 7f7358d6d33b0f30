"""MTA-STS: what a domain promises about TLS at its mail hosts (RFC 8461).

The TXT record that announces a policy, the policy itself, which host names it allows, and
for how long it is remembered.  How its file is fetched is `policy_file`'s, what a sender
does about it `route`'s.
"""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Literal, NamedTuple, get_args

from smtpbook.errors import SMTPBookError, TransportError
from smtpbook.escape import visible
from smtpbook.lookup.answer import Asker, NotAName, dns_name
from smtpbook.routes.policy_file import fetch_policy
from smtpbook.routes.tls_report import ResultType, TlsFailure
from smtpbook.routes.txt_fields import RecordError, single_record, txt_fields
from smtpbook.transport.stream import certificate_error

Mode = Literal["enforce", "testing", "none"]
Fetch = Callable[[str], Awaitable[bytes]]
"""Gives the octets of a domain's policy file, or raises an `SMTPBookError`."""

# A year, the most that RFC 8461 section 3.2 allows.
MAX_AGE_S: Final = 31_557_600
# After a failure the same id is not asked for again for "five minutes or longer" (RFC 8461
# section 3.3), so that a web server in trouble is left alone.
RETRY_S: Final = 300.0
_MAX_KEPT: Final = 10_000  # policies and failures kept, the oldest dropped first

_ID: Final = re.compile(r"[A-Za-z0-9]{1,32}")
_FIELD: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,31}):[ \t]*(.*?)[ \t]*")
_DIGITS: Final = re.compile(r"[0-9]{1,10}")
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_PATTERN: Final = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*", re.IGNORECASE)


class PolicyError(ValueError):
    """A policy is not as RFC 8461 wants it; the message names the line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StsPolicy:
    """What a policy file says.

    Attributes
    ----------
    mode : {"enforce", "testing", "none"}
        ``testing``: what goes wrong is reported, and mail is sent all the same.
    mx : tuple of str
        Names of mail hosts, lower case; ``*.`` stands for one label.  Empty only with
        ``none``.
    max_age_s : int
        For how long it holds, in seconds from when it was fetched.

    References
    ----------
    RFC 8461 section 3.2.
    """

    mode: Mode
    mx: tuple[str, ...]
    max_age_s: int

    def allows(self, host: str) -> bool:
        """Say whether a mail host's name is one of those the policy has.

        "the wildcard character "*" may only be used to match the entire left-most label in
        the presented identifier" -- RFC 8461 section 4.1

        >>> policy = StsPolicy(mode="enforce", mx=("*.example.org",), max_age_s=86400)
        >>> policy.allows("mx.example.org"), policy.allows("a.mx.example.org")
        (True, False)
        """
        name = host.lower().removesuffix(".")
        _, _, parent = name.partition(".")
        return name in self.mx or f"*.{parent}" in self.mx

    @classmethod
    def parse(cls, octets: str | bytes) -> StsPolicy:
        r"""Read a policy file.

        Unknown fields are ignored, and so is all but the first of a field that may stand
        there once.

        >>> StsPolicy.parse("version: STSv1\nmode: none\nmax_age: 60\n").mode
        'none'

        Raises
        ------
        PolicyError
        """
        fields, hosts = _policy_fields(octets)
        for name in ("version", "mode", "max_age"):
            if name not in fields:
                raise PolicyError(f"the policy has no line {name}:")
        if fields["version"] != "STSv1":
            raise PolicyError(f"version: {_shown(fields['version'])} is not STSv1")
        if (mode := fields["mode"]) not in get_args(Mode):
            raise PolicyError(
                f"mode: {_shown(mode)} is none of {', '.join(get_args(Mode))}"
            )
        age = fields["max_age"]
        if not _DIGITS.fullmatch(age) or int(age) > MAX_AGE_S:
            raise PolicyError(
                f"max_age: {_shown(age)} is not a number of seconds up to {MAX_AGE_S}"
            )
        for host in hosts:
            if not _PATTERN.fullmatch(host):
                raise PolicyError(
                    f"mx: {_shown(host)} is not a host name; a wildcard is a whole label, "
                    "the first"
                )
        if not hosts and mode != "none":
            raise PolicyError(f"the policy has no line mx:, and its mode is {mode}")
        return cls(mode=mode, mx=tuple(map(str.lower, hosts)), max_age_s=int(age))  # type: ignore[arg-type]


def _policy_fields(octets: str | bytes) -> tuple[dict[str, str], list[str]]:
    """Cut a policy into its fields and, as they may be several, its hosts."""
    try:
        text = octets.decode() if isinstance(octets, bytes) else octets
    except UnicodeDecodeError:
        raise PolicyError("the policy is not UTF-8") from None
    fields: dict[str, str] = {}
    hosts: list[str] = []
    for number, line in enumerate(re.split(r"\r?\n", text), start=1):
        if not line.strip(" \t"):  # not in the grammar, and harmless
            continue
        found = _FIELD.fullmatch(line)
        if found is None:
            raise PolicyError(f"line {number} is no field and its value: {_shown(line)}")
        if found[1] == "mx":
            hosts.append(found[2])
        else:
            fields.setdefault(found[1], found[2])
    return fields, hosts


def record_id(records: tuple[str, ...]) -> str | None:
    """Give the id of a domain's policy, from the TXT records at ``_mta-sts``.

    Returns
    -------
    str or None
        None = the domain announces no policy.

    Raises
    ------
    RecordError
        It announces something else than one policy.  A sender takes that for none.

    References
    ----------
    RFC 8461 section 3.1.
    """
    record = single_record(records, "STSv1")
    if record is None:
        return None
    policy_id = txt_fields(record).get("id", "")
    if not _ID.fullmatch(policy_id):
        raise RecordError(f"id={_shown(policy_id)} is not 1 to 32 letters and digits")
    return policy_id


@dataclass(frozen=True, slots=True, kw_only=True)
class StsAnswer:
    """What is known of a domain's policy now.

    Attributes
    ----------
    domain : str
    id : str or None
        Of the policy that is announced; None = none is.
    policy : StsPolicy or None
        None = there is none, or it could not be had.
    failure : TlsFailure or None
        Why the policy that is announced could not be had, or not anew.
    """

    domain: str
    id: str | None = None
    policy: StsPolicy | None = None
    failure: TlsFailure | None = None

    @property
    def mode(self) -> Mode | None:
        """The policy's mode; None = no policy."""
        return self.policy.mode if self.policy else None


class _Kept(NamedTuple):
    """What is remembered of a domain: an answer, and until when."""

    answer: StsAnswer
    tried: str  # the id that was fetched last, well or not
    again: float  # when that one may be fetched again
    ends: float  # when the answer is none any more


class StsPolicies:
    """Policies of domains: discovered, fetched, and remembered for as long as they hold.

    Parameters
    ----------
    asker : Asker
    given : mapping of str to str, or async callable, optional
        Where policy files come from instead of their web servers: by domain their text, or
        whatever gives it.  Only domains that announce a policy are looked for.
    clock : callable
        Gives seconds that only grow.

    References
    ----------
    RFC 8461 section 5.1 (the order of things).
    """

    def __init__(
        self,
        asker: Asker,
        given: Mapping[str, str] | Fetch | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._asker = asker
        self._fetch = _fetch_of(asker, given)
        self._clock = clock
        self._kept: dict[str, _Kept] = {}

    async def of(self, domain: str) -> StsAnswer:
        """Give a domain's policy; whatever goes wrong is part of the answer.

        A policy that still holds is not fetched again until the domain announces another
        id; it goes on holding where its announcement is gone or the new one cannot be had.
        """
        answer = await self._asker.ask(f"_mta-sts.{domain}", "TXT")
        domain = answer.name.removeprefix("_mta-sts.")
        failure = announced = None
        if answer.status == "error":
            reason = f"whether there is a policy is not known: {answer.error}"
            failure = TlsFailure(result_type="sts-policy-fetch-error", reason=reason)
        try:
            announced = record_id(answer.values)
        except RecordError as exc:
            failure = TlsFailure(result_type="sts-policy-invalid", reason=str(exc))
        now = self._clock()
        kept = self._kept.get(domain)
        if kept is not None and now >= kept.ends:
            kept = None
        if announced is None:
            return kept.answer if kept else StsAnswer(domain=domain, failure=failure)
        if kept is not None and kept.tried == announced and now < kept.again:
            return kept.answer
        found = await self._fetched(domain, announced)
        return self._keep(found, announced, kept, now)

    def _keep(
        self, found: StsAnswer, tried: str, before: _Kept | None, now: float
    ) -> StsAnswer:
        """Remember what was fetched, or that it could not be."""
        ends = again = now + RETRY_S
        if found.policy is not None:
            ends = again = now + found.policy.max_age_s
        elif before is not None and before.answer.policy is not None:
            # "if no "live" policy can be discovered via DNS or fetched via HTTPS, but a
            # valid (non-expired) policy exists in the sender's cache, the sender MUST apply
            # that cached policy." -- RFC 8461 section 3.3
            found = replace(before.answer, failure=found.failure)
            ends = before.ends
        while len(self._kept) >= _MAX_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[found.domain] = _Kept(found, tried, again, ends)
        return found

    async def _fetched(self, domain: str, policy_id: str) -> StsAnswer:
        try:
            policy = StsPolicy.parse(await self._fetch(domain))
        except PolicyError as exc:
            failure = TlsFailure(result_type="sts-policy-invalid", reason=str(exc))
            return StsAnswer(domain=domain, id=policy_id, failure=failure)
        except SMTPBookError as exc:
            kind: ResultType = (
                "sts-webpki-invalid"
                if certificate_error(exc) is not None
                else "sts-policy-fetch-error"
            )
            failure = TlsFailure(result_type=kind, reason=visible(str(exc)))
            return StsAnswer(domain=domain, id=policy_id, failure=failure)
        return StsAnswer(domain=domain, id=policy_id, policy=policy)


def _fetch_of(asker: Asker, given: Mapping[str, str] | Fetch | None) -> Fetch:
    if given is None:
        return partial(fetch_policy, asker)
    if not isinstance(given, Mapping):
        return given
    texts = {_name(domain): text for domain, text in given.items()}

    async def look_up(domain: str) -> bytes:
        if domain not in texts:
            raise TransportError(f"no policy of {visible(domain)} is given")
        return texts[domain].encode()

    return look_up


def _name(domain: str) -> str:
    try:
        return dns_name(domain)
    except NotAName as exc:
        raise ValueError(f"policies: {exc}") from None


def _shown(text: str) -> str:
    return repr(visible(text, max_chars=60))
