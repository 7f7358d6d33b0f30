"""Tables: an event log counted and compared, be it a DataFrame or files of any size."""
