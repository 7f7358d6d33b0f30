"""The way to a server: name lookup, TCP, Unix sockets, proxies, TLS; octets, and no SMTP.

Each step is timed and told to whoever keeps the record.
"""
