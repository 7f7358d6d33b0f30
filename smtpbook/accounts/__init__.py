"""Who sends: where to log in, with what secret, and how long to wait.

Saved accounts and the ways to get a secret are here, too.  Nothing here speaks SMTP.
"""
