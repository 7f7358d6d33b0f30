"""Scoring: what a spam filter on this machine says of a message's content.

The filter is asked, not imitated: rspamd or SpamAssassin, with the rules that it has.
"""
