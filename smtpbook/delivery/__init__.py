"""One send: whom it is for, over several connections at one pace, and what it came to.

It asks nobody and keeps nothing beyond what the ledger keeps: campaigns are `campaign`'s,
sessions `session`'s, tables and charts `insight`'s.
"""
