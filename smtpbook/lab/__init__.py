"""The lab server: a real SMTP server for demos, classes and tests, on loopback only.

It speaks through the same engine as the client, in its server role.  What it accepts it
keeps in memory; nothing is ever delivered anywhere.
"""
