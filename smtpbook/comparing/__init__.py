"""Comparing: what became different from one event log to another."""
