"""DKIM: a domain answers for a message by signing it (RFC 6376).

Canonical forms, tag lists, key records, signing and verifying, on octets of mail data.
Nothing here asks the DNS: keys are handed in, and records to publish are handed out.
"""
