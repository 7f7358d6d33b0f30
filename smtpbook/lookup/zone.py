"""Zone: DNS data at hand, asked in place of name servers.

Nothing goes over the network.  Data of a few domains say nothing of all others: a question
about those has no answer, rather than a wrong one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.tokenizer
import dns.zonefile

from smtpbook.escape import visible
from smtpbook.lookup.answer import Answer, NotAName, Status, dns_name, no_such
from smtpbook.lookup.records import presented, text_of

Data = Mapping[str, Mapping[str, str | Sequence[str]]]

# As many as the resolvers in use follow: Unbound 11, BIND 16.
MAX_ALIASES: Final = 12
# Copied out of a zone file: one string or several, each in its quotes.
_STRING: Final = re.compile(r'\s*"((?:[^"\\]|\\.)*)"\s*', re.DOTALL)
_DEFAULT_TTL_S: Final = 3600
# Not $INCLUDE, which reads any file, nor $GENERATE, which makes any number of records.
_DIRECTIVES: Final = frozenset({"$ORIGIN", "$TTL"})


class Zone:
    """DNS data at hand.

    Parameters
    ----------
    data : mapping, str or Path
        ``{"example.org": {"TXT": "v=spf1 -all", "MX": ["10 mx.example.org"]}}``: for each
        name its records, one or several, as zone files write them, but TXT as plain text
        (or in quotes, as there) and every name a full one; or a zone file: its path, or
        its text.  A name ``*.example.org`` stands for all below that domain that are not
        there.
    is_world : bool
        What is not in the data does not exist.  Otherwise nothing is known of names beyond
        the domains the data is about.
    failing : mapping or collection of str
        Names about which nobody can say anything, and why: ``{"x.example": "SERVFAIL"}``.
    secure : bool
        Answers count as vouched for by DNSSEC.

    Raises
    ------
    ValueError
        The data cannot be read; the message names the record or the line.
    OSError
        There is no such file.

    Examples
    --------
    >>> zone = Zone({"example.org": {"MX": "10 mx.example.org"}})
    >>> zone.look_up("example.org", "MX").values
    ('10 mx.example.org',)
    >>> zone.look_up("example.com", "MX").error
    'the zone data says nothing of example.com'
    """

    def __init__(
        self,
        data: Data | str | Path,
        *,
        is_world: bool = False,
        failing: Mapping[str, str] | Collection[str] = (),
        secure: bool = False,
    ) -> None:
        found: dict[str, dict[str, list[str]]] = {}
        rows = _of_file(data) if isinstance(data, (str, Path)) else _of_mapping(data)
        for name, record, values in rows:
            found.setdefault(name, {}).setdefault(record, []).extend(values)
        self._records = {
            name: {record: tuple(values) for record, values in records.items()}
            for name, records in found.items()
        }
        self._failing = {
            dns_name(name): failing[name] if isinstance(failing, Mapping) else "SERVFAIL"
            for name in failing
        }
        self._is_world = is_world
        self._is_secure = secure
        self._apexes = _apexes([*self._records, *self._failing])
        # "example.org" exists where only "mail.example.org" has records (RFC 8020).
        self._above = {above for name in self._records for above in _above(name)}

    def __repr__(self) -> str:
        return f"<Zone of {len(self._records):,} names>"

    async def ask(self, name: str, record: str) -> Answer:
        """Answer as an `Asker`; see `look_up`."""
        return self.look_up(name, record)

    def look_up(self, name: str, record: str) -> Answer:
        """Look a record up, following aliases.

        Returns
        -------
        Answer
        """
        record = record.upper()
        try:
            asked = at = dns_name(name)
        except NotAName as exc:
            return no_such(name, record, exc)
        aliases: list[str] = []
        while len(aliases) <= MAX_ALIASES:
            status, values, error = self._here(at, record)
            target = self._records_at(at).get("CNAME") if status == "no_data" else None
            if not target:
                return Answer(
                    name=asked,
                    record=record,
                    status=status,
                    values=values,
                    aliases=tuple(aliases),
                    is_secure=self._is_secure and status != "error",
                    error=error,
                )
            at = target[0]
            aliases.append(at)
        return Answer(
            name=asked,
            record=record,
            status="error",
            error=f"more than {MAX_ALIASES} aliases (CNAME) in a row",
        )

    def _here(self, name: str, record: str) -> tuple[Status, tuple[str, ...], str | None]:
        """Say what is at a name itself."""
        if name in self._failing:
            return "error", (), self._failing[name]
        found = self._records_at(name)
        if values := found.get(record):
            return "found", values, None
        if found or name in self._above:
            return "no_data", (), None
        if self._is_world or self._is_about(name):
            return "no_name", (), None
        return "error", (), f"the zone data says nothing of {visible(name)}"

    def _records_at(self, name: str) -> Mapping[str, tuple[str, ...]]:
        """Give what is at a name, or at the wildcard that stands for it (RFC 4592)."""
        if name in self._records:
            return self._records[name]
        for above in _above(name):
            if f"*.{above}" in self._records and name not in self._above:
                return self._records[f"*.{above}"]
            if above in self._records or above in self._above:
                break  # "The closest encloser … is the node in the zone's tree"
        return {}

    def _is_about(self, name: str) -> bool:
        """Whether the data is about a name: it is below a domain of it, or above one.

        ``_dmarc.org`` is, for data of ``example.org``: it belongs to ``org``.
        """
        host = _host(name)
        if any(one in self._apexes for one in (host, *_above(host))):
            return True
        return any(host in _above(apex) for apex in self._apexes)


def _of_mapping(data: Data) -> Iterator[tuple[str, str, Iterable[str]]]:
    for name, records in data.items():
        if not isinstance(records, Mapping):
            raise ValueError(
                f"records of {visible(name)}: expected a mapping such as "
                f'{{"MX": "10 mx.example.org"}}, not {type(records).__name__}'
            )
        for kind, values in records.items():
            listed = [values] if isinstance(values, str) else values
            for value in listed:
                yield dns_name(name), kind.upper(), [_checked(name, kind.upper(), value)]
        if not records:
            yield dns_name(name), "TXT", ()


def _checked(name: str, kind: str, value: str) -> str:
    """Give a record's text as answers have it."""
    if kind == "TXT":
        return _unquoted(value)
    try:
        rdata = dns.rdata.from_text(
            "IN", kind, value, origin=dns.name.root, relativize=False
        )
    except (dns.exception.DNSException, ValueError) as exc:
        raise ValueError(f"{kind} of {visible(name)}: {visible(str(exc))}") from None
    return presented(rdata)


def _unquoted(text: str) -> str:
    """Join the strings of a TXT record that was copied with its quotes."""
    strings, at = [], 0
    while at < len(text):
        string = _STRING.match(text, at)
        if string is None:
            return text
        strings.append(string[1])
        at = string.end()
    return re.sub(r"\\(.)", r"\1", "".join(strings), flags=re.DOTALL)


class _Collector(dns.zonefile.RRsetsReaderTransaction):
    """Takes the records of a file of any number of zones, in linear time."""

    def __init__(self) -> None:
        manager = dns.zonefile.RRSetsReaderManager()
        super().__init__(manager, True, False)  # type: ignore[no-untyped-call]
        self.found: list[tuple[dns.name.Name, dns.rdata.Rdata]] = []

    def add(self, *args: Any) -> None:
        """Take one record: its name, how long it may be kept, and what it says."""
        name, _, rdata = args
        self.found.append((name, rdata))


def _of_file(data: str | Path) -> Iterator[tuple[str, str, Iterable[str]]]:
    # A line of a zone file has several words.
    is_path = isinstance(data, Path) or len(data.split()) == 1
    text = Path(data).read_text("utf-8") if is_path else str(data)
    records = _Collector()
    try:
        dns.zonefile.Reader(
            dns.tokenizer.Tokenizer(text, "zone file"),
            dns.rdataclass.IN,
            records,
            allow_directives=_DIRECTIVES,
            default_ttl=_DEFAULT_TTL_S,
        ).read()
    except (dns.exception.DNSException, ValueError) as exc:
        raise ValueError(f"not a zone file: {visible(str(exc))}") from None
    for name, rdata in records.found:
        yield (
            dns_name(text_of(name)),
            dns.rdatatype.to_text(rdata.rdtype),
            [presented(rdata)],
        )


def _above(name: str) -> Iterator[str]:
    """Give the names above one, the nearest first."""
    while "." in name:
        name = name.partition(".")[2]
        yield name


def _apexes(names: Iterable[str]) -> frozenset[str]:
    """Give the domains that data is about: those which are below no other of it."""
    hosts = {_host(name.removeprefix("*.")) for name in names}
    return frozenset(
        host for host in hosts if not any(above in hosts for above in _above(host))
    )


def _host(name: str) -> str:
    """Give the domain that a name says something of: what follows its underscores.

    ``s1._domainkey.example.org`` is about ``example.org`` (RFC 8552).
    """
    labels = name.split(".")
    last = max((n for n, one in enumerate(labels[:-1]) if one.startswith("_")), default=-1)
    return ".".join(labels[last + 1 :])
