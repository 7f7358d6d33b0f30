"""The checks of a sender: one table, a row for each, with who asks for it and since when.

What each does is its function; what a letter or a list is checked for is `content`'s.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from smtpbook.deliverability.bimi import bimi
from smtpbook.deliverability.blocklists import blocklists
from smtpbook.deliverability.case import Case
from smtpbook.deliverability.dkim import dkim_key, dkim_signature
from smtpbook.deliverability.dmarc import (
    dkim_aligned,
    dmarc_record,
    dmarc_result,
    spf_aligned,
)
from smtpbook.deliverability.naming import spelling
from smtpbook.deliverability.own_mail import own_mail
from smtpbook.deliverability.relay import relay
from smtpbook.deliverability.reverse_dns import helo, reverse_dns
from smtpbook.deliverability.said import ASK_AGAIN
from smtpbook.deliverability.sender import from_domain, reverse_path
from smtpbook.deliverability.spf import spf_lookups, spf_record, spf_result
from smtpbook.deliverability.tls_policies import dane, mta_sts, tls_rpt
from smtpbook.findings import Check, Finding, Group, Said


class Look(NamedTuple):
    """A check, what makes it, and the next step where what was found names none."""

    check: Check
    make: Callable[[Case], Awaitable[list[Said]]]
    remedy: str

    def found(self, said: Said) -> Finding:
        """File what was said under the check's name."""
        usual = {"pass": None, "unknown": ASK_AGAIN}.get(said.verdict, self.remedy)
        return self.check.found(said._replace(remedy=said.remedy or usual))


def _row(
    name: str,
    make: Callable[[Case], Awaitable[list[Said]]],
    asks: str,
    source: str,
    remedy: str,
    group: Group = "identity",
) -> Look:
    return Look(Check(name=name, group=group, asks=asks, source=source), make, remedy)


DOMAIN: Final = _row(
    "domain",
    spelling,
    "Is the domain spelled as one, and does it not pass for another?",
    "RFC 1035 section 2.3.4, November 1987; RFC 5891 section 4, August 2010; "
    "Unicode TS 39 section 5",
    "a name that mixes no scripts is trusted more, and can be spelled out",
)
"""The one that is made first: without a domain there is no other."""

_IDENTITY: Final = (
    _row(
        "from_domain",
        from_domain,
        "Has From one address, at a domain that exists?",
        "RFC 5321 section 2.3.5, RFC 5322 section 3.6.2, October 2008; RFC 2181 section "
        "10.3, July 1997",
        "send from one address, at a domain that takes mail",
    ),
    _row(
        "reverse_path",
        reverse_path,
        "Do bounces have somewhere to go?",
        "RFC 5321 section 3.6.2, October 2008; RFC 7505 section 4.2, June 2015",
        "let bounces go to a domain with an MX record",
    ),
    _row(
        "spf_record",
        spf_record,
        "Is there exactly one SPF record, correctly written, as are those it includes?",
        "RFC 7208 sections 3.2, 4.5 and 4.6, April 2014",
        "correct the record",
    ),
    _row(
        "spf_lookups",
        spf_lookups,
        "Does SPF take at most 10 lookups, 2 of them void, and let not everybody send?",
        "RFC 7208 sections 4.6.4, 5.5 and 11.1, April 2014",
        "name networks (ip4:, ip6:) in place of names, and drop what is not needed",
    ),
    _row(
        "spf_result",
        spf_result,
        "Does SPF pass for the sending address?",
        "RFC 7208 section 2.6, April 2014",
        "let the record name the sending address",
    ),
    _row(
        "spf_aligned",
        spf_aligned,
        "Is what SPF vouches for of From's organization?",
        "RFC 9989 section 4.4.2, May 2026",
        "use a reverse-path within From's domain, or rest on DKIM",
    ),
    _row(
        "dkim_key",
        dkim_key,
        "Is the DKIM key there, strong and in use?",
        "RFC 6376 section 3.6, September 2011; RFC 8301 section 3.2, January 2018; "
        "RFC 8463, September 2018",
        "DkimSigner.generate makes a key and its record",
    ),
    _row(
        "dkim_signature",
        dkim_signature,
        "Is the message's signature right, over all of it?",
        "RFC 6376 sections 5.4 and 8.2, September 2011; RFC 8058 section 4, January 2017",
        "sign with a DkimSigner, last of all",
    ),
    _row(
        "dkim_aligned",
        dkim_aligned,
        "Is the signature by From's organization?",
        "RFC 9989 section 4.4.1, May 2026",
        "sign with From's domain as d=",
    ),
    _row(
        "dmarc_record",
        dmarc_record,
        "Is there one DMARC record, valid, with a policy and somewhere for reports?",
        "RFC 9989 sections 4.7, 4.8 and 4.10, RFC 9990 section 4, May 2026",
        "correct the record",
    ),
    _row(
        "dmarc_result",
        dmarc_result,
        "Does the mail pass DMARC?",
        "RFC 9989 section 5.3, May 2026",
        "let SPF or DKIM pass for From's domain",
    ),
    _row(
        "bimi",
        bimi,
        "Can the logo be shown, if there is one?",
        "draft-brand-indicators-for-message-identification, a draft; known, 2026-11-28",
        "correct the record, or take it away",
    ),
)
_INFRASTRUCTURE: Final = (
    _row(
        "reverse_dns",
        reverse_dns,
        "Has the sending address a name of its own, which leads back to it?",
        "RFC 8601 section 2.7.3, May 2019; support.google.com/a/answer/81126, known, "
        "2026-11-28",
        "whoever owns the address sets its PTR record",
        "infrastructure",
    ),
    _row(
        "helo",
        helo,
        "Is the name in EHLO a full one that exists?",
        "RFC 5321 sections 2.3.5 and 4.1.1.1, October 2008",
        "have the machine greet with its own full name",
        "infrastructure",
    ),
    _row(
        "blocklists",
        blocklists,
        "Are address and domain on no DNS blocklist?",
        "RFC 5782 sections 2 and 5, February 2010; each list's page",
        "put the cause right, then ask the list for removal",
        "infrastructure",
    ),
    _row(
        "own_mail",
        own_mail,
        "Does the domain take bounces, and mail to postmaster and abuse?",
        "RFC 5321 sections 4.5.1 and 4.5.5, October 2008; RFC 2142 section 4, May 1997",
        "publish an MX record for a server that takes them",
        "infrastructure",
    ),
    _row(
        "mta_sts",
        mta_sts,
        "Is the MTA-STS policy valid, and does it name every mail host, if there is one?",
        "RFC 8461 sections 3 and 4.1, September 2018",
        "correct record and policy, or take both away",
        "infrastructure",
    ),
    _row(
        "tls_rpt",
        tls_rpt,
        "Is the record for reports of TLS valid, if there is one?",
        "RFC 8460 section 3, September 2018",
        "correct the record, or take it away",
        "infrastructure",
    ),
    _row(
        "dane",
        dane,
        "Are the mail hosts' TLSA records of use, if there are any?",
        "RFC 7672 sections 2 and 3, October 2015",
        "publish 3 1 1 and the SHA-256 of the key, or take the records away",
        "infrastructure",
    ),
    _row(
        "relay",
        relay,
        "Does the account's server encrypt, with a valid certificate, and take the size?",
        "RFC 8314 section 3, January 2018; RFC 8996, March 2021; RFC 1870, November 1995",
        "sb.explain_probe(sb.probe(account)) tells every step",
        "infrastructure",
    ),
)

LOOKS: Final = (DOMAIN, *_IDENTITY, *_INFRASTRUCTURE)
CHECKS: Final = tuple(look.check for look in LOOKS)
"""The checks of a sender, in the order of the table."""
