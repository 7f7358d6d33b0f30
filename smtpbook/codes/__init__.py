"""What a reply means: whose turn it is, what to do next, and where that is written.

`explain` is the way in; `tables` holds what the RFCs and the IANA registry say, one CSV
file each, every row with its source; `rules` is the order in which they are asked.
Nothing here does I/O beyond reading those files, and nothing knows of a log or a session.
"""
