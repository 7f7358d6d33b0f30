"""SASL: how a client proves who it is, and how a server checks it (RFC 4422, RFC 4954).

Mechanisms on octets, both sides of each.  Base64 and the AUTH command are `protocol`'s.
"""
