"""Explorer: what is asked of an event log by who looks around in it; `widgets` shows it."""
