"""IP: the address of a host, as A and AAAA records hold it and as receivers see it."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

IP = IPv4Address | IPv6Address


def read_ip(given: str | IP) -> IP:
    """Read an address; an IPv4 one that is written as IPv6 is IPv4.

    >>> read_ip("::ffff:192.0.2.1")
    IPv4Address('192.0.2.1')

    Raises
    ------
    ValueError
        It is none.

    References
    ----------
    RFC 4291 section 2.5.5.2 (IPv4-mapped addresses), RFC 7208 section 5 (to SPF they are
    IPv4).
    """
    ip = ip_address(str(given).strip())
    mapped = ip.ipv4_mapped if isinstance(ip, IPv6Address) else None
    return mapped or ip
