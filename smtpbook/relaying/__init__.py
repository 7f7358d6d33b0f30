"""Server to server (RFC 5321 section 3.6.2): a domain's own mail servers, in their order.

Which they are and what they have to prove is `routes`'s.  Whom to write to, and when, is
`delivery`'s.
"""
