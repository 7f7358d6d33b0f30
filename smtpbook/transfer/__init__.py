"""The transfer of messages over one connection, without sockets and without a clock.

What is asked of the server for a message (`options`), what becomes of it and each of its
recipients (`transaction`), and which commands may be written together (`pipeline`,
`window`).  The order of single commands is `protocol`'s; octets, time and the record are
`session`'s.
"""
