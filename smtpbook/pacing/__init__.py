"""When the next message may begin, whom to try again, and when it is enough.

Values and their rules: no clock, no socket, no list of recipients; who waits, and for what,
is `campaign`'s.
"""
