"""Tables, charts and a report made from an event log."""
