"""The event log: rows made into a DataFrame, kept, read back, and told as a dialogue."""
