"""SMTP as a language, without sockets and without a clock.

Addresses, commands, replies, extensions and mail data are values and functions on bytes;
`connection` and `server` put them in order.  Nothing here does I/O, waits, or imports
anything but the standard library: it can be tested, fuzzed, drawn and taught alone.
"""
