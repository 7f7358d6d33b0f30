"""Where lists of people come from: one file per format, each giving a `Table`.

A source knows a format and nothing of addresses; `recipients` checks what it gives.
"""
