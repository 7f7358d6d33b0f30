"""What a reply means: whose turn it is, what to do next, and where that is written.

`explain` is the way in; `tables` and `provider_tables` hold what the RFCs, the IANA
registry and the providers say, and `phrases` what words mean, in CSV files whose every row
has its source; `precedence` is the order in which the rules are asked.  Nothing here does
I/O beyond reading those files, and nothing knows of a log or a session.
"""
