"""Records: dnspython's, as the texts in which this package has them."""

from __future__ import annotations

import dns.name
import dns.rdata
from dns.rdtypes.txtbase import TXTBase


def text_of(name: dns.name.Name) -> str:
    """Give a name without the dot at its end."""
    return name.to_text(omit_final_dot=True)


def presented(rdata: dns.rdata.Rdata) -> str:
    """Give one record as zone files write it, names without the dot at their end.

    A TXT record is its strings joined, without quotes (RFC 7208 section 3.3).
    """
    if isinstance(rdata, TXTBase):
        return b"".join(rdata.strings).decode("utf-8", "surrogateescape")
    words = rdata.to_text().split(" ")
    return " ".join(
        word.removesuffix(".").lower() if word.endswith(".") and word != "." else word
        for word in words
    )
