"""Who sends: where to log in, with what secret, and how long to wait.

Values only; nothing here opens a connection.
"""
