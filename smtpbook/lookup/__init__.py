"""Asking the DNS: of zone data at hand or of name servers, with one kind of answer.

What a record means to mail is not known here, but for which hosts take a domain's.
"""
