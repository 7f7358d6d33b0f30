"""Tables: an event log counted, be it a DataFrame or files of any size."""
