"""One conversation with one server, over trio: connect, greet, log in, send, quit.

The order of commands comes from `protocol`; here are the socket, the clock and the record.
"""
