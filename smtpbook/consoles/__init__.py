"""Consoles: a conversation with a server, taken step by step in a notebook."""
