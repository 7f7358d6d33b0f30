"""What is told about a server's certificate: its facts, its fingerprints, what ties to it.

Whether it is to be trusted is decided in the handshake, which is `transport`'s.
"""
