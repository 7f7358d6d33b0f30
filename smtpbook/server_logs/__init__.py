"""Logs of mail servers as rows of the event log, one module per server."""
