"""Where list, letter and account meet: a campaign, from looking before the leap to the end.

It decides nothing about the protocol and shows nothing: one send is `delivery`'s, tables
and charts `insight`'s.
"""
