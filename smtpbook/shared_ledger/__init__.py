"""The shared ledger: a campaign's books in PostgreSQL, for runners on many computers.

What the books say, and how they are kept, is `ledger`'s; nothing here sends, and nothing
starts a runner.
"""
