"""Placement: where mail to one's own mailboxes came to lie, and what was found of it there.

The letter is everybody's, without a mark; a message is found again by what the log knows
of it.  Mailboxes are only looked at.
"""
