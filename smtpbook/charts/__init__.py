"""Charts: pictures of an event log, drawn from its tables, one module for each."""
