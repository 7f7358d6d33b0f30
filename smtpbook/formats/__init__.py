"""Any log in the world as the event log."""
