"""The ledger: what became of every recipient of a campaign, kept so that no crash loses it.

It knows addresses, attempts and outcomes; it renders no letter and opens no connection.
"""
