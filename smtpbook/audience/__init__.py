"""A list as a whole: its rows, its domains and whose they are, and how to begin with them.

Nothing is sent; name servers are asked only where that is said.
"""
