"""A campaign's folder: the list, the letter and the settings it began with, and its ledger.

It keeps and compares; who sends is `campaign`.
"""
