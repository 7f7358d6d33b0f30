"""Rehearsal: a send on virtual time, against a modelled server, in memory.

The code that delivers is `delivery`'s, the same as in earnest; here are the clock, the
server and the record.  No network is used, nothing is written, and no campaign is changed.
"""
