"""Mailboxes: mails where they lie, in a file, a folder or on a server, only looked at.

A mail is octets from a stranger: whatever they are, it is read as far as it goes and
nothing is raised.  No message is moved, marked or deleted.
"""
