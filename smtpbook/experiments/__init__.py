"""Experiments: who gets which, drawn by chance, and what difference it made."""
