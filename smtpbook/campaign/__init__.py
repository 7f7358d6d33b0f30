"""Where list, template and account meet: who is still to be written to, at what pace.

It decides nothing about the protocol and shows nothing: sessions are `session`'s, tables
and charts `insight`'s.
"""
