"""What comes back by mail: bounces, complaints and reports of authentication.

A mail is read as octets from a stranger: whatever they are, it is counted and nothing is
raised.
"""
