"""What is asked of an event log while somebody looks around in it; `widgets` shows it."""
