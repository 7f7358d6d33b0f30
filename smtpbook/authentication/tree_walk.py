"""Tree walk: where an organization ends in the DNS, and whose DMARC record applies.

From a domain the walk goes up, label by label, asking each name for its record; no list of
public suffixes is used.  What a record means for a message is said in `dmarc`.

References
----------
RFC 9989 section 4.10.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from smtpbook.authentication.dmarc_record import DmarcRecord, DmarcRecordError, is_dmarc
from smtpbook.escape import visible
from smtpbook.lookup.answer import Answer, Asker

MAX_QUERIES: Final = 8
"""Of one walk; longer names are cut to seven labels first (section 4.10)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The record that applies to a domain.

    Attributes
    ----------
    domain : str
        Whose it is: the domain's own, its organization's or its public suffix's; "" = there
        is none.
    record : DmarcRecord or None
    texts : tuple of str
        At the domain asked for: the TXT records meant as DMARC records.  Where there are
        several, none counts.
    """

    domain: str
    record: DmarcRecord | None
    texts: tuple[str, ...] = ()


class NoAnswer(Exception):
    """The DNS gave no answer just now; the message says to what."""

    @classmethod
    def to(cls, answer: Answer) -> NoAnswer:
        """Make one of an answer whose status is ``error``."""
        return cls(
            f"{answer.record} of {visible(answer.name)}: {visible(answer.error or '')}"
        )


class TreeWalk:
    """Walks up the tree of names, each record asked for once.

    Parameters
    ----------
    asker : Asker
    """

    def __init__(self, asker: Asker) -> None:
        self._asker = asker
        self._texts: dict[str, tuple[str, ...]] = {}

    async def find(self, domain: str) -> Found:
        """Give the record that applies to a domain.

        Raises
        ------
        NoAnswer
            Nobody could say.

        References
        ----------
        RFC 9989 section 4.10.1.
        """
        texts = await self.texts(domain)
        if (own := await self._record(domain)) is not None:
            return Found(domain=domain, record=own, texts=texts)
        organization, records = await self._walked(domain)
        suffix = next((name for name in records if records[name].psd == "y"), "")
        owner = organization if organization in records else suffix
        return Found(domain=owner, record=records.get(owner), texts=texts)

    async def organization(self, domain: str) -> str:
        """Give a domain's organizational domain.

        Raises
        ------
        NoAnswer
            Nobody could say.

        References
        ----------
        RFC 9989 section 4.10.2.
        """
        return (await self._walked(domain))[0]

    async def texts(self, domain: str) -> tuple[str, ...]:
        """Give the TXT records at a domain that are meant as DMARC records.

        Raises
        ------
        NoAnswer
            Nobody could say.
        """
        if domain not in self._texts:
            answer = await self._asker.ask(f"_dmarc.{domain}", "TXT")
            if answer.status == "error":
                raise NoAnswer.to(answer)
            self._texts[domain] = tuple(filter(is_dmarc, answer.values))
        return self._texts[domain]

    async def _record(self, domain: str) -> DmarcRecord | None:
        texts = await self.texts(domain)
        # "If multiple DMARC Policy Records are returned, they are all discarded." (4.10)
        try:
            return DmarcRecord.parse(texts[0]) if len(texts) == 1 else None
        except DmarcRecordError:
            return None

    async def _walked(self, domain: str) -> tuple[str, dict[str, DmarcRecord]]:
        """Give the organizational domain and the records met, the longest name first."""
        records: dict[str, DmarcRecord] = {}
        for name in walk_of(domain):
            record = await self._record(name)
            if record is None:
                continue
            records[name] = record
            if record.psd == "n":
                return name, records
            if record.psd == "y":
                if name == domain:
                    break
                # "the Organizational Domain is the domain one label below this one"
                label = domain.removesuffix(f".{name}").rpartition(".")[2]
                return f"{label}.{name}", records
        # "select the DMARC Policy Record found at the name with the fewest number of
        # labels"; "If this process does not determine the Organizational Domain, then the
        # initial target domain is the Organizational Domain." (4.10.2)
        return next(reversed(records), domain), records


def walk_of(domain: str) -> tuple[str, ...]:
    """Give the domains whose records a walk asks for, in order; eight at most.

    >>> walk_of("mail.x.example")
    ('mail.x.example', 'x.example', 'example')
    >>> len(walk_of("a.b.c.d.e.f.g.h.i.j.k.example")), walk_of("1.2.3.4.5.6.7.8.9.x")[1]
    (8, '4.5.6.7.8.9.x')
    """
    labels = domain.split(".")
    rest = labels[1:][1 - MAX_QUERIES :]
    return (domain, *(".".join(rest[nth:]) for nth in range(len(rest))))
