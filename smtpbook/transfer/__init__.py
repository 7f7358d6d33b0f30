"""The transfer of messages over one connection, without sockets and without a clock.

What becomes of a message and each of its recipients (`transaction`), and which commands may
be written together (`pipeline`).  The order of single commands is `protocol`'s; octets,
time and the record are `session`'s.
"""
